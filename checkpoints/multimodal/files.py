"""Draws weights by seed, and writes the files that multimodal checkpoints share."""

import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedModel

from checkpoints.minilm import write_json

VOCABULARIES = Path(__file__).parent / "vocabularies"
"""Tokenizers of the checkpoints that were recorded with vLLM. Trained anew they would follow Python's documentation."""


def draw(kind: type[PreTrainedModel], config: dict[str, Any], seed: int) -> dict[str, Tensor]:
    """Draw the weights of one of transformers' models by `seed`, in the order of their names.

    Matrices have a standard deviation of 0.12 and vectors of 0.1, around 1 where they scale a norm: far from a trained
    model's, so that an error shows in its scores.
    """
    model = build_model(kind, config)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            vector = weight.ndim == 1
            if vector and "norm" in name.lower() and name.endswith("weight"):
                weight.copy_(1 + 0.1 * torch.randn_like(weight))
            elif "layernorm" in name.lower() or (vector and ".ln" in name):
                weight.normal_(std=0.1).add_(1.0 if name.endswith("weight") else 0.0)
            else:
                weight.normal_(std=0.12 if weight.ndim > 1 else 0.1)
    return {name: weight.contiguous().clone() for name, weight in model.state_dict().items()}


def build_model(kind: type[PreTrainedModel], config: dict[str, Any]) -> PreTrainedModel:
    """One of transformers' models with the settings of a `config.json`, its weights transformers' own."""
    settings: Any = kind.config_class
    return kind(settings.from_dict(deepcopy(config)))  # it changes what is nested in the settings


def write_model(folder: Path, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def write_tokenizer(folder: Path, tokenizer: Tokenizer | str, **settings: Any) -> None:
    """Write `tokenizer.json`, a name standing for one of `VOCABULARIES`, and `tokenizer_config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(tokenizer, str):
        shutil.copyfile(VOCABULARIES / f"{tokenizer}.json", folder / "tokenizer.json")
    else:
        tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", settings)


def token_ids(vocabulary: str) -> dict[str, int]:
    """The ids of a tokenizer of `VOCABULARIES`, by token."""
    ids: dict[str, int] = Tokenizer.from_file(str(VOCABULARIES / f"{vocabulary}.json")).get_vocab()
    return ids


def write_slow_tokenizer(folder: Path) -> None:
    """Write the `vocab.json` and `merges.txt` of a folder's `tokenizer.json`, which older code reads."""
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    write_json(folder / "vocab.json", model["vocab"])
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
