"""Builds tiny seeded embedders and late-interaction models, each with the files its published checkpoints have."""

import json
import string
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from checkpoints import tiny
from checkpoints.minilm import write_json
from checkpoints.published.files import write_dense, write_modules, write_pooling

_WIDTH = 128


def bert_embedder(folder: Path) -> Path:
    """bge-small's layout: the first token, normalised, a prompt for queries alone."""
    tiny.build("bert", folder, head="Model")
    prompts = {"query": "Represent this sentence for searching relevant passages: ", "document": ""}
    return sentence_transformer(folder, "cls", prompts)


def mpnet_embedder(folder: Path) -> Path:
    """all-mpnet-base-v2's layout: mean pooling."""
    return sentence_transformer(tiny.build("mpnet", folder, head="Model"), "mean", {})


def e5(folder: Path) -> Path:
    """multilingual-e5's layout: a prompt for each side."""
    tiny.build("xlm-roberta", folder, head="Model")
    return sentence_transformer(folder, "mean", {"query": "query: ", "passage": "passage: "})


def modernbert_embedder(folder: Path) -> Path:
    """gte-modernbert-base's layout: the first token."""
    return sentence_transformer(tiny.build("modernbert", folder, head="Model"), "cls", {})


def embedder(folder: Path) -> Path:
    """A plain DistilBERT body: what --score-type late-interaction makes of any embedder."""
    return tiny.build("distilbert", folder, head="Model")


def bge_m3(folder: Path) -> Path:
    """bge-m3's layout: dense by modules.json, with the projections of its other two ways of matching beside it."""
    sentence_transformer(tiny.build("xlm-roberta", folder, head="Model"), "cls", {})
    torch.manual_seed(6)
    torch.save({"weight": torch.randn(_WIDTH, _WIDTH) / 11, "bias": torch.randn(_WIDTH)}, folder / "colbert_linear.pt")
    torch.save({"weight": torch.randn(1, _WIDTH), "bias": torch.zeros(1)}, folder / "sparse_linear.pt")
    return folder


def colbert(folder: Path, attend: bool = False) -> Path:
    """colbertv2.0's layout: `HF_ColBERT`, its projection beside the body, markers and lengths in artifact.metadata."""
    tiny.build("bert", folder, head="Model")
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
        tiny.build("bert", folder, head="Model"),
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
    write_pooling(folder / "1_Pooling", pooling)
    write_modules(folder, *(f"sentence_transformers.models.{kind}" for kind in ("Transformer", "Pooling", "Normalize")))
    named = {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    write_json(folder / "config_sentence_transformers.json", named)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    return folder


def _pylate(folder: Path, widths: tuple[int, ...], settings: dict[str, Any]) -> Path:
    torch.manual_seed(8)
    width = _WIDTH
    for position, wanted in enumerate(widths, start=1):
        dense = {"in_features": width, "out_features": wanted, "bias": False, "use_residual": wanted == width}
        identity = {"activation_function": "torch.nn.modules.linear.Identity"}
        write_dense(folder / f"{position}_Dense", dense | identity)
        width = wanted
    dense_modules = ["pylate.models.Dense.Dense"] * len(widths)
    write_modules(folder, "sentence_transformers.models.Transformer", *dense_modules)
    colbert = {"model_type": "ColBERT", "similarity_fn_name": "MaxSim", "skiplist_words": list(string.punctuation)}
    write_json(folder / "config_sentence_transformers.json", colbert | settings)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 299, "do_lower_case": False})
    return folder
