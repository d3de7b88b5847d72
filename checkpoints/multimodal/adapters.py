"""Writes adapters as peft does: two factors for each weight that they change."""

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from checkpoints.minilm import write_json

_RANK = 4


def write_adapter(
    folder: Path, base: Path, weights: dict[str, Tensor], targets: str, seed: int, **settings: Any
) -> None:
    """Write an adapter of the base's modules that match `targets`. `weights` are as the base's class names them."""
    folder.mkdir(parents=True)
    plain: dict[str, Any] = {
        "alpha_pattern": {},
        "auto_mapping": None,
        "base_model_name_or_path": str(base.absolute()),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": "gaussian",
        "layer_replication": None,
        "layers_pattern": None,
        "layers_to_transform": None,
        "lora_alpha": 2 * _RANK,
        "lora_dropout": 0.1,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": _RANK,
        "rank_pattern": {},
        "revision": None,
        "target_modules": targets,
        "task_type": "FEATURE_EXTRACTION",
        "use_dora": False,
        "use_rslora": False,
    }
    write_json(folder / "adapter_config.json", plain | settings)
    factors: dict[str, Tensor] = {}
    torch.manual_seed(seed)
    for name, weight in weights.items():
        module, parameter = name.rsplit(".", 1)
        if parameter == "weight" and re.fullmatch(targets, module):
            rows, columns = weight.shape
            factors[f"base_model.model.{module}.lora_A.weight"] = torch.randn(_RANK, columns) * 0.1
            factors[f"base_model.model.{module}.lora_B.weight"] = torch.randn(rows, _RANK) * 0.1
    save_file(factors, folder / "adapter_model.safetensors", {"format": "pt"})
