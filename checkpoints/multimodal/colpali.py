"""Builds ColPali in transformers' layout, in colpali-engine's own, and as an adapter."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer
from torch import Tensor
from transformers import PaliGemmaForConditionalGeneration

from checkpoints.minilm import write_json
from checkpoints.multimodal.adapters import write_adapter
from checkpoints.multimodal.files import draw, write_model, write_tokenizer
from checkpoints.rerankers import gemma_tokenizer

_WIDTH = 64
_DIMENSIONS = 32
_IMAGE_TOKENS = 16

_TARGETS = r"(.*(language_model).*(down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj).*$|.*(custom_text_proj).*$)"
"""What the adapters of vidore's ColPali change: the language model and the projection, but not the vision tower."""


def colpali(folder: Path) -> Path:
    """vidore/colpali-v1.3-hf."""
    tokenizer = _tokenizer()
    vlm = _config(tokenizer)
    config = {
        "architectures": ["ColPaliForRetrieval"],
        "embedding_dim": _DIMENSIONS,
        "is_composition": False,
        "model_type": "colpali",
        "torch_dtype": "float32",
        "vlm_config": vlm | {"architectures": ["PaliGemmaForConditionalGeneration"]},
    }
    renamed = {"model": "vlm", "custom_text_proj": "embedding_proj_layer"}
    weights = {}
    for name, weight in _weights(vlm).items():
        module, rest = name.split(".", 1)
        weights[f"{renamed[module]}.{rest}"] = weight
    return _write(folder, config, weights, tokenizer, "ColPaliProcessor")


def colpali_engine(folder: Path) -> Path:
    """vidore/colpali-v1.2-merged, which colpali-engine loads."""
    tokenizer = _tokenizer()
    config = _config(tokenizer) | {"architectures": ["ColPali"], "torch_dtype": "float32"}
    return _write(folder, config, _weights(config), tokenizer, "PaliGemmaProcessor")


def colpali_adapter(folder: Path) -> Path:
    """vidore/colpali-v1.3: an adapter, with its base in the folder `colpaligemma-3b-pt-448-base` beside it.

    The names of what it changes are those of transformers since 4.52, and the base's are older.
    """
    base = colpali_engine(folder.parent / "colpaligemma-3b-pt-448-base")
    weights = {
        name.replace("language_model.model.", "language_model."): weight
        for name, weight in _weights(_config(_tokenizer())).items()
    }
    write_adapter(folder, base, weights, _TARGETS, seed=53)
    _write_processor(folder, _tokenizer(), "ColPaliProcessor")
    return folder


def _config(tokenizer: Tokenizer) -> dict[str, Any]:
    """The settings of a PaliGemma, whose `config.json` leaves out what Gemma and SigLIP have by default."""
    shared = {"num_attention_heads": 2, "num_hidden_layers": 2, "num_image_tokens": _IMAGE_TOKENS}
    return {
        "bos_token_id": 2,
        "eos_token_id": 1,
        "hidden_size": _WIDTH,
        "ignore_index": -100,
        "image_token_index": tokenizer.token_to_id("<image>"),
        "model_type": "paligemma",
        "pad_token_id": 0,
        "projection_dim": _WIDTH,
        "text_config": {
            "head_dim": 32,
            "hidden_size": _WIDTH,
            "intermediate_size": 128,
            "model_type": "gemma",
            "num_key_value_heads": 1,
            # PaliGemma keeps 64 rows free.
            "vocab_size": tokenizer.get_vocab_size() + 64,
            **shared,
        },
        "vision_config": {
            "hidden_size": 48,
            "image_size": 56,
            "intermediate_size": 96,
            "model_type": "siglip_vision_model",
            "patch_size": 14,
            "projection_dim": _WIDTH,
            "projector_hidden_act": "gelu_fast",
            "vision_use_head": False,
            **shared,
        },
    }


def _weights(config: dict[str, Any]) -> dict[str, Tensor]:
    """Weights under the names of colpali-engine, which are those of transformers before 4.52 inside `model`."""
    weights = draw(PaliGemmaForConditionalGeneration, config, seed=51)
    del weights["lm_head.weight"]  # the input's table, too
    for name, weight in weights.items():
        if "language_model" in name and name.endswith("norm.weight"):
            weight -= 1  # Gemma adds it
    named = {
        name.replace("language_model.", "language_model.model.").replace(
            "vision_tower.", "vision_tower.vision_model."
        ): weight
        for name, weight in weights.items()
    }
    torch.manual_seed(52)
    named["custom_text_proj.weight"] = torch.randn(_DIMENSIONS, _WIDTH) * 0.2
    named["custom_text_proj.bias"] = torch.randn(_DIMENSIONS) * 0.1
    return named


def _tokenizer() -> Tokenizer:
    tokenizer: Tokenizer = gemma_tokenizer().backend_tokenizer
    tokenizer.add_special_tokens([AddedToken("<image>", special=True, normalized=False)])
    return tokenizer


def _write(
    folder: Path, config: dict[str, Any], weights: dict[str, Tensor], tokenizer: Tokenizer, processor: str
) -> Path:
    write_model(folder, config, weights)
    _write_processor(folder, tokenizer, processor)
    return folder


def _write_processor(folder: Path, tokenizer: Tokenizer, processor: str) -> None:
    write_tokenizer(
        folder,
        tokenizer,
        add_bos_token=True,
        add_eos_token=False,
        additional_special_tokens=["<image>"],
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        processor_class=processor,
        tokenizer_class="GemmaTokenizer",
        unk_token="<unk>",
    )
    write_json(
        folder / "preprocessor_config.json",
        {
            "do_convert_rgb": None,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "SiglipImageProcessor",
            "image_seq_length": _IMAGE_TOKENS,
            "image_std": [0.5, 0.5, 0.5],
            "processor_class": processor,
            "resample": 3,
            "rescale_factor": 0.00392156862745098,
            "size": {"height": 56, "width": 56},
        },
    )
