"""Tiny seeded embedders and late-interaction models, each with the files its published checkpoints have."""

import json
import string
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests import tiny
from tests.checkpoints import write_json

_MODES = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
_WIDTH = 128


def bert_embedder(folder: Path) -> Path:
    """bge-small's layout: the first token, normalised, a prompt for queries alone."""
    tiny.build("bert", folder, head="Model", num_hidden_layers=1)
    prompts = {"query": "Represent this sentence for searching relevant passages: ", "document": ""}
    return sentence_transformer(folder, "cls_token", prompts)


def mpnet_embedder(folder: Path) -> Path:
    """all-mpnet-base-v2's layout: mean pooling."""
    return sentence_transformer(tiny.build("mpnet", folder, head="Model", num_hidden_layers=1), "mean_tokens", {})


def e5(folder: Path) -> Path:
    """multilingual-e5's layout: a prompt for each side."""
    tiny.build("xlm-roberta", folder, head="Model", num_hidden_layers=1)
    return sentence_transformer(folder, "mean_tokens", {"query": "query: ", "passage": "passage: "})


def modernbert_embedder(folder: Path) -> Path:
    """gte-modernbert-base's layout: the first token."""
    return sentence_transformer(tiny.build("modernbert", folder, head="Model"), "cls_token", {})


def embedder(folder: Path) -> Path:
    """A plain DistilBERT body: what --score-type late-interaction makes of any embedder."""
    return tiny.build("distilbert", folder, head="Model", n_layers=1)


def bge_m3(folder: Path) -> Path:
    """bge-m3's layout: dense by modules.json, with the projections of its other two ways of matching beside it."""
    sentence_transformer(tiny.build("xlm-roberta", folder, head="Model", num_hidden_layers=1), "cls_token", {})
    torch.manual_seed(6)
    torch.save({"weight": torch.randn(_WIDTH, _WIDTH) / 11, "bias": torch.randn(_WIDTH)}, folder / "colbert_linear.pt")
    torch.save({"weight": torch.randn(1, _WIDTH), "bias": torch.zeros(1)}, folder / "sparse_linear.pt")
    return folder


def colbert(folder: Path, attend: bool = False) -> Path:
    """colbertv2.0's layout: `HF_ColBERT`, its projection beside the body, markers and lengths in artifact.metadata."""
    tiny.build("bert", folder, head="Model", num_hidden_layers=1)
    weights = {f"bert.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    torch.manual_seed(7)
    weights["linear.weight"] = torch.randn(32, _WIDTH) / 11
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    write_json(folder / "config.json", config | {"architectures": ["HF_ColBERT"]})
    write_json(
        folder / "artifact.metadata",
        {
            "query_token_id": "[unused0]",
            "doc_token_id": "[unused1]",
            "query_token": "[Q]",
            "doc_token": "[D]",
            "similarity": "cosine",
            "dim": 32,
            "query_maxlen": 32,
            "doc_maxlen": 180,
            "mask_punctuation": True,
            "attend_to_mask_tokens": attend,
        },
    )
    return folder


def pylate(folder: Path) -> Path:
    """A PyLate folder with two Dense layers, the first of them residual, a prompt and no expansion."""
    return _pylate(
        tiny.build("bert", folder, head="Model", num_hidden_layers=1),
        widths=(_WIDTH, 32),
        settings={
            "prompts": {"search": "search: "},
            "default_prompt_name": "search",
            "query_prefix": "[unused0]",
            "document_prefix": "[unused1]",
            "query_length": 48,
            "document_length": 300,
            "do_query_expansion": False,
        },
    )


def modern_colbert(folder: Path) -> Path:
    """GTE-ModernColBERT's layout: a ModernBERT body, queries expanded to a length."""
    return _pylate(
        tiny.build("modernbert", folder, head="Model"),
        widths=(32,),
        settings={
            "query_prefix": "[unused0]",
            "document_prefix": "[unused1]",
            "query_length": 32,
            "document_length": 300,
            "attend_to_expansion_tokens": False,
            "do_query_expansion": True,
        },
    )


def sentence_transformer(folder: Path, pooling: str, prompts: dict[str, str]) -> Path:
    """Make a body's folder one of sentence-transformers: modules.json, pooling, normalisation, prompts."""
    flags = {f"pooling_mode_{mode}": mode == pooling for mode in _MODES}
    (folder / "1_Pooling").mkdir()
    settings = {"word_embedding_dimension": _WIDTH, "include_prompt": True}
    write_json(folder / "1_Pooling" / "config.json", settings | flags)
    types = [f"sentence_transformers.models.{kind}" for kind in ("Transformer", "Pooling", "Normalize")]
    _modules(folder, dict(zip(("", "1_Pooling", "2_Normalize"), types, strict=True)))
    named = {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    write_json(folder / "config_sentence_transformers.json", named)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    return folder


def _pylate(folder: Path, widths: tuple[int, ...], settings: dict[str, Any]) -> Path:
    modules = {"": "sentence_transformers.models.Transformer"}
    torch.manual_seed(8)
    width = _WIDTH
    for position, wanted in enumerate(widths, start=1):
        path = f"{position}_Dense"
        modules[path] = "pylate.models.Dense.Dense"
        (folder / path).mkdir()
        save_file({"linear.weight": torch.randn(wanted, width) / 11}, folder / path / "model.safetensors")
        identity = "torch.nn.modules.linear.Identity"
        dense = {"in_features": width, "out_features": wanted, "bias": False, "activation_function": identity}
        write_json(folder / path / "config.json", dense | {"use_residual": wanted == width})
        width = wanted
    _modules(folder, modules)
    colbert = {"model_type": "ColBERT", "similarity_fn_name": "MaxSim", "skiplist_words": list(string.punctuation)}
    write_json(folder / "config_sentence_transformers.json", colbert | settings)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 299, "do_lower_case": False})
    return folder


def _modules(folder: Path, types: dict[str, str]) -> None:
    entries = [
        {"idx": position, "name": str(position), "path": path, "type": kind}
        for position, (path, kind) in enumerate(types.items())
    ]
    write_json(folder / "modules.json", entries)
