"""Builds checkpoints with the body of Qwen3-VL: a reranker, an embedder, and ColQwen3 as four authors publish it."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen3VLForConditionalGeneration

from checkpoints.multimodal.files import draw, write_model
from checkpoints.multimodal.qwen import (
    IDS,
    VOCABULARY,
    write_chat_template,
    write_qwen3_preprocessors,
    write_qwen_tokenizer,
)

_WIDTH = 64
_DIMENSIONS = 32


def qwen3_vl_reranker(folder: Path) -> Path:
    """Qwen/Qwen3-VL-Reranker-2B: scores are differences of the output rows of "yes" and "no"."""
    return _write(folder, _config(), _weights(seed=11))


def qwen3_vl_embedding(folder: Path) -> Path:
    """Qwen/Qwen3-VL-Embedding-2B: the last token's state."""
    return _write(folder, _config(), _weights(seed=14))


def colqwen3(folder: Path) -> Path:
    """TomoroAI/tomoro-colqwen3-embed-4b: a whole language model inside `vlm`, its projection beside it."""
    settings = {"architectures": ["ColQwen3"], "dtype": "float32", "embed_dim": _DIMENSIONS, "model_type": "colqwen3"}
    weights = {f"vlm.{name}": weight for name, weight in _weights(seed=21).items()}
    weights["embedding_proj_layer.weight"] = _projection(seed=23)
    return _write(folder, _config() | settings, weights)


def colqwen3_engine(folder: Path) -> Path:
    """ColQwen3 as colpali-engine saves it: the class has TomoroAI's name, and other names for its weights."""
    weights = {name.removeprefix("model."): weight for name, weight in _weights(seed=34).items()}
    weights["custom_text_proj.weight"] = _projection(seed=36)
    weights["custom_text_proj.bias"] = torch.randn(_DIMENSIONS) * 0.1
    return _write(folder, _config() | {"architectures": ["ColQwen3"]}, weights, "ColQwen3Processor")


def colqwen3_ops(folder: Path) -> Path:
    """OpenSearch-AI/Ops-Colqwen3-4B: names without a prefix, as colpali-engine saves its ColQwen3."""
    settings = {
        "architectures": ["OpsColQwen3Model"],
        "auto_map": {
            "AutoConfig": "configuration_ops_colqwen3.OpsColQwen3Config",
            "AutoModel": "modeling_ops_colqwen3.OpsColQwen3Model",
        },
        "dims": _DIMENSIONS,
        "dtype": "float32",
        "model_type": "ops_colqwen3",
    }
    weights = {name.removeprefix("model."): weight for name, weight in _weights(seed=24).items()}
    # The layer is as wide as the model, and its first dimensions are used.
    weights["custom_text_proj.weight"] = _projection(seed=26, dimensions=_WIDTH)
    weights["custom_text_proj.bias"] = torch.randn(_WIDTH) * 0.1
    return _write(folder, _config() | settings, weights, "OpsColQwen3Processor")


def colqwen3_nvidia(folder: Path) -> Path:
    """nvidia/nemotron-colembed-vl-4b-v2: no projection, attention both ways, and no norm after the last layer."""
    code = {"AutoConfig": "Config", "AutoModel": "Model"}
    settings = {
        "architectures": ["Qwen3VLNemotronEmbedModel"],
        "auto_map": {
            auto: f"modeling_qwen3_vl_nemotron_embed.Qwen3VLNemotronEmbed{name}" for auto, name in code.items()
        },
        "dtype": "float32",
        "model_type": "qwen3_vl_nemotron_embed",
        "pooling": "colbert",
    }
    return _write(folder, _config() | settings, _weights(seed=27), "Qwen3VLNemotronEmbedProcessor")


def _config() -> dict[str, Any]:
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "image_token_id": IDS["<|image_pad|>"],
        "model_type": "qwen3_vl",
        "text_config": {
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": IDS["<|endoftext|>"],
            "dtype": "float32",
            "eos_token_id": IDS["<|im_end|>"],
            "head_dim": 32,
            "hidden_act": "silu",
            "hidden_size": _WIDTH,
            "initializer_range": 0.02,
            "intermediate_size": 128,
            "max_position_embeddings": 32768,
            "model_type": "qwen3_vl_text",
            "num_attention_heads": 2,
            # Pictures enter the first two once more.
            "num_hidden_layers": 3,
            "num_key_value_heads": 1,
            "rms_norm_eps": 1e-06,
            "rope_scaling": {"mrope_interleaved": True, "mrope_section": [6, 5, 5], "rope_type": "default"},
            "rope_theta": 5000000,
            "tie_word_embeddings": True,
            "use_cache": True,
            "vocab_size": VOCABULARY,
        },
        "tie_word_embeddings": True,
        "video_token_id": IDS["<|video_pad|>"],
        "vision_config": {
            "deepstack_visual_indexes": [0, 1],
            "depth": 3,
            "hidden_act": "gelu_pytorch_tanh",
            "hidden_size": 64,
            "in_channels": 3,
            "initializer_range": 0.02,
            "intermediate_size": 96,
            "model_type": "qwen3_vl",
            "num_heads": 2,
            # A table of 8 x 8 positions.
            "num_position_embeddings": 64,
            "out_hidden_size": _WIDTH,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        "vision_end_token_id": IDS["<|vision_end|>"],
        "vision_start_token_id": IDS["<|vision_start|>"],
    }


def _weights(seed: int) -> dict[str, Tensor]:
    """Random weights of the whole model. "yes" and "no" point to opposite sides, so that their scores spread."""
    weights = draw(Qwen3VLForConditionalGeneration, _config(), seed)
    del weights["lm_head.weight"]  # the input's table, too
    torch.manual_seed(seed + 1)
    direction = torch.randn(_WIDTH) * 0.4
    table = weights["model.language_model.embed_tokens.weight"]
    table[IDS["yes"]] += direction
    table[IDS["no"]] -= direction
    return weights


def _projection(seed: int, dimensions: int = _DIMENSIONS) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(dimensions, _WIDTH) * 0.2


def _write(
    folder: Path, config: dict[str, Any], weights: dict[str, Tensor], processor: str = "Qwen3VLProcessor"
) -> Path:
    write_model(folder, config, weights)
    write_qwen_tokenizer(folder)
    write_chat_template(folder)
    write_qwen3_preprocessors(folder, processor)
    return folder
