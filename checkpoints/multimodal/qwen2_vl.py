"""Builds checkpoints with the body of Qwen2-VL: the reranker jina-m0, and the embedder DSE."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from checkpoints.multimodal.files import draw, write_model
from checkpoints.multimodal.qwen import (
    IDS,
    VOCABULARY,
    write_chat_template,
    write_qwen2_preprocessor,
    write_qwen_tokenizer,
)

_WIDTH = 64


def jina_m0(folder: Path) -> Path:
    """jinaai/jina-reranker-m0: weights are `visual.*`, `model.*` and the two layers of `score`."""
    config, weights = _jina_m0()
    return _write(folder, config, qwen2_names(weights))


def jina_m0_new_names(folder: Path) -> Path:
    """jinaai/jina-reranker-m0 as transformers saves its body since 4.52: `model.visual.*`, `model.language_model.*`."""
    config, weights = _jina_m0()
    return _write(folder, config, weights)


def dse(folder: Path) -> Path:
    """MrLight/dse-qwen2-2b-mrl-v1: a fine-tuned Qwen2-VL, whose last token's state is the embedding."""
    config = qwen2_vl_config(["Qwen2VLForConditionalGeneration"], tie_word_embeddings=True)
    weights = draw(Qwen2VLForConditionalGeneration, config, seed=9)
    del weights["lm_head.weight"]  # the input's table, too
    _write(folder, config, qwen2_names(weights))
    write_chat_template(folder, in_json=True)
    return folder


def qwen2_vl_config(architectures: list[str], **settings: Any) -> dict[str, Any]:
    """A `config.json` of Qwen2-VL as published: the language model's settings are not nested."""
    return {
        "architectures": architectures,
        "attention_dropout": 0.0,
        "bos_token_id": IDS["<|endoftext|>"],
        "eos_token_id": IDS["<|im_end|>"],
        "hidden_act": "silu",
        "hidden_size": _WIDTH,
        "image_token_id": IDS["<|image_pad|>"],
        "initializer_range": 0.02,
        "intermediate_size": 128,
        "max_position_embeddings": 32768,
        "max_window_layers": 2,
        "model_type": "qwen2_vl",
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "num_key_value_heads": 1,
        "rms_norm_eps": 1e-06,
        "rope_scaling": {"mrope_section": [4, 6, 6], "rope_type": "default", "type": "default"},
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "use_cache": True,
        "use_sliding_window": False,
        "video_token_id": IDS["<|video_pad|>"],
        "vision_config": {
            "depth": 2,
            "embed_dim": 64,
            "hidden_size": _WIDTH,
            "in_channels": 3,
            "in_chans": 3,
            "mlp_ratio": 2,
            "model_type": "qwen2_vl",
            "num_heads": 2,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "temporal_patch_size": 2,
        },
        "vision_end_token_id": IDS["<|vision_end|>"],
        "vision_start_token_id": IDS["<|vision_start|>"],
        "vision_token_id": IDS["<|vision_pad|>"],
        "vocab_size": VOCABULARY,
    } | settings


def qwen2_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names from before transformers 4.52: `visual.*` and `model.*`."""
    return {
        name.replace("model.visual.", "visual.").replace("model.language_model.", "model."): weight
        for name, weight in weights.items()
    }


def _jina_m0() -> tuple[dict[str, Any], dict[str, Tensor]]:
    config = qwen2_vl_config(["JinaVLForRanking"], auto_map={"AutoModel": "modeling.JinaVLForRanking"})
    weights = draw(Qwen2VLForConditionalGeneration, config, seed=7)
    del weights["lm_head.weight"]
    torch.manual_seed(8)
    weights |= {
        "score.0.weight": torch.randn(_WIDTH, _WIDTH) * 0.3,
        "score.0.bias": torch.randn(_WIDTH) * 0.1,
        "score.2.weight": torch.randn(1, _WIDTH) * 0.3,
        # 2.65 is subtracted from the logit.
        "score.2.bias": torch.randn(1) * 0.1 + 2.65,
    }
    return config, weights


def _write(folder: Path, config: dict[str, Any], weights: dict[str, Tensor]) -> Path:
    write_model(folder, config, weights)
    write_qwen_tokenizer(folder)
    write_qwen2_preprocessor(folder)
    return folder
