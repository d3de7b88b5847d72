"""Builds ColQwen2 and ColQwen2.5 in transformers' layout, in colpali-engine's own, and as an adapter."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2VLForConditionalGeneration

from checkpoints.multimodal.adapters import write_adapter
from checkpoints.multimodal.files import draw, write_model
from checkpoints.multimodal.qwen import write_chat_template, write_qwen2_preprocessor, write_qwen_tokenizer
from checkpoints.multimodal.qwen2_vl import qwen2_names, qwen2_vl_config

_WIDTH = 64
_DIMENSIONS = 32

_ROPE = {"mrope_section": [4, 6, 6], "type": "mrope"}
_TARGETS = r"(.*(model).*(down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj).*$|.*(custom_text_proj).*$)"
"""What the adapter of vidore/colqwen2-v1.0 changes: the language model and the projection, but not the vision tower."""


def colqwen2(folder: Path) -> Path:
    """vidore/colqwen2-v1.0-hf."""
    return _write_native(folder, _qwen2_config("Qwen2VLForConditionalGeneration"), _qwen2_weights())


def colqwen2_engine(folder: Path) -> Path:
    """vidore/colqwen2-v1.0-merged, which colpali-engine loads."""
    return _write_engine(folder, _qwen2_config("ColQwen2"), _qwen2_weights(), "ColQwen2Processor")


def colqwen2_adapter(folder: Path) -> Path:
    """vidore/colqwen2-v1.0: an adapter, with its base vidore/colqwen2-base in the folder `colqwen2-base` beside it."""
    config, weights = _qwen2_config("ColQwen2"), _qwen2_weights()
    base = _write_engine(folder.parent / "colqwen2-base", config, weights, "ColQwen2Processor")
    write_adapter(folder, base, qwen2_names(weights), _TARGETS, seed=18)
    _write_processor(folder, "ColQwen2Processor")
    return folder


def colqwen2_5(folder: Path) -> Path:
    """ColQwen2.5 as transformers takes it: the model of ColQwen2 around a Qwen2.5-VL."""
    return _write_native(folder, _qwen2_5_config("Qwen2_5_VLForConditionalGeneration"), _qwen2_5_weights())


def colqwen2_5_engine(folder: Path) -> Path:
    """ColQwen2.5 as colpali-engine saves it: vidore/colqwen2.5-base, the base of vidore/colqwen2.5-v0.2."""
    return _write_engine(folder, _qwen2_5_config("ColQwen2_5"), _qwen2_5_weights(), "ColQwen2_5_Processor")


def _qwen2_config(architecture: str) -> dict[str, Any]:
    return qwen2_vl_config([architecture], rope_scaling=_ROPE, tie_word_embeddings=True)


def _qwen2_5_config(architecture: str) -> dict[str, Any]:
    """The settings of Qwen2-VL with another vision tower, whose last layer alone sees beyond windows of 112 pixels."""
    vision = {
        "depth": 3,
        "fullatt_block_indexes": [2],
        "hidden_act": "silu",
        "hidden_size": 64,
        "in_chans": 3,
        "intermediate_size": 96,
        "model_type": "qwen2_5_vl",
        "num_heads": 2,
        "out_hidden_size": _WIDTH,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "spatial_patch_size": 14,
        "temporal_patch_size": 2,
        "tokens_per_second": 2,
        "window_size": 112,
    }
    return _qwen2_config(architecture) | {"model_type": "qwen2_5_vl", "vision_config": vision}


def _qwen2_weights() -> dict[str, Tensor]:
    config = _qwen2_config("Qwen2VLForConditionalGeneration")
    return _with_projection(draw(Qwen2VLForConditionalGeneration, config, seed=15))


def _qwen2_5_weights() -> dict[str, Tensor]:
    config = _qwen2_5_config("Qwen2_5_VLForConditionalGeneration")
    return _with_projection(draw(Qwen2_5_VLForConditionalGeneration, config, seed=16))


def _with_projection(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    del weights["lm_head.weight"]  # the input's table, too
    torch.manual_seed(17)
    weights["custom_text_proj.weight"] = torch.randn(_DIMENSIONS, _WIDTH) * 0.2
    weights["custom_text_proj.bias"] = torch.randn(_DIMENSIONS) * 0.1
    return weights


def _write_native(folder: Path, vlm: dict[str, Any], weights: dict[str, Tensor]) -> Path:
    """Write what `ColQwen2ForRetrieval` of transformers 4.53 saved: its language model's settings are said twice."""
    nested = {"vision_config", "architectures", "vision_token_id", "model_type"}
    text = {name: value for name, value in vlm.items() if name not in nested}
    config = {
        "architectures": ["ColQwen2ForRetrieval"],
        "embedding_dim": _DIMENSIONS,
        "initializer_range": 0.02,
        "is_composition": False,
        "model_type": "colqwen2",
        "torch_dtype": "float32",
        "vlm_config": vlm | {"text_config": text | {"model_type": f"{vlm['model_type']}_text"}},
    }
    renamed = {
        name.replace("custom_text_proj", "embedding_proj_layer") if name.startswith("custom") else f"vlm.{name}": weight
        for name, weight in weights.items()
    }
    write_model(folder, config, renamed)
    _write_processor(folder, "ColQwen2Processor")
    return folder


def _write_engine(folder: Path, config: dict[str, Any], weights: dict[str, Tensor], processor: str) -> Path:
    write_model(folder, config, qwen2_names(weights))
    _write_processor(folder, processor)
    return folder


def _write_processor(folder: Path, processor: str) -> None:
    write_qwen_tokenizer(folder)
    write_chat_template(folder, in_json=True)
    write_qwen2_preprocessor(folder, processor)
