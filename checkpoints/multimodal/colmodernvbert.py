"""Builds ColModernVBERT, merged into one model as its authors publish it, and nested as transformers has it."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import ModernVBertModel

from checkpoints.minilm import write_json
from checkpoints.multimodal.files import draw, token_ids, write_model, write_tokenizer

_WIDTH = 64
_DIMENSIONS = 32
_IDS = token_ids("modernvbert")


def colmodernvbert(folder: Path) -> Path:
    """ModernVBERT/colmodernvbert-merged, with the names of `SiglipVisionModel` before transformers 5."""
    body = _body_config()
    config = {
        "architectures": ["ColModernVBertForRetrieval"],
        "dtype": "float32",
        "embedding_dim": _DIMENSIONS,
        "hidden_size": _WIDTH,
        "model_type": "modernvbert",
        "vocab_size": body["text_config"]["vocab_size"],
        **body,
    }
    weights = {
        f"model.{name.replace('vision_model.', 'vision_model.vision_model.')}": weight
        for name, weight in draw(ModernVBertModel, body, seed=31).items()
    }
    torch.manual_seed(32)
    weights |= _projection("model.custom_text_proj")
    return _write(folder, config, weights, "Idefics3Processor")


def colmodernvbert_nested(folder: Path) -> Path:
    """What `ColModernVBertForRetrieval` of transformers saves: the body in `vlm`, its projection beside it."""
    body = _body_config()
    config = {
        "architectures": ["ColModernVBertForRetrieval"],
        "dtype": "float32",
        "embedding_dim": _DIMENSIONS,
        "initializer_range": 0.02,
        "model_type": "colmodernvbert",
        "vlm_config": body | {"model_type": "modernvbert", "vocab_size": body["text_config"]["vocab_size"]},
    }
    weights = {f"vlm.{name}": weight for name, weight in draw(ModernVBertModel, body, seed=33).items()}
    torch.manual_seed(34)
    weights |= _projection("embedding_proj_layer")
    return _write(folder, config, weights, "ColModernVBertProcessor")


def _body_config() -> dict[str, Any]:
    return {
        "image_token_id": _IDS["<image>"],
        # A tile of 8 x 8 patches becomes 4 tokens.
        "pixel_shuffle_factor": 4,
        "text_config": {
            "bos_token_id": _IDS["[CLS]"],
            "cls_token_id": _IDS["[CLS]"],
            "eos_token_id": _IDS["[SEP]"],
            "hidden_size": _WIDTH,
            "intermediate_size": 96,
            "max_position_embeddings": 2048,
            "mlp_bias": False,
            "model_type": "modernbert",
            "num_attention_heads": 2,
            "num_hidden_layers": 3,
            "pad_token_id": _IDS["[PAD]"],
            "sep_token_id": _IDS["[SEP]"],
            "vocab_size": 440,
        },
        "vision_config": {
            "hidden_size": 48,
            "image_size": 128,
            "intermediate_size": 96,
            "model_type": "siglip_vision_model",
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "patch_size": 16,
            "vision_use_head": False,
        },
    }


def _projection(name: str) -> dict[str, Tensor]:
    return {
        f"{name}.weight": torch.randn(_DIMENSIONS, _WIDTH) * 0.2,
        f"{name}.bias": torch.randn(_DIMENSIONS) * 0.05,
    }


def _write(folder: Path, config: dict[str, Any], weights: dict[str, Tensor], processor: str) -> Path:
    write_model(folder, config, weights)
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("cls", "sep", "pad", "mask", "unk")}
    write_tokenizer(folder, "modernvbert", tokenizer_class="PreTrainedTokenizerFast", model_max_length=8192, **special)
    write_json(
        folder / "preprocessor_config.json",
        {
            "do_convert_rgb": True,
            "do_image_splitting": True,
            "do_normalize": True,
            "do_pad": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "Idefics3ImageProcessor",
            "image_std": [0.5, 0.5, 0.5],
            "max_image_size": {"longest_edge": 128},
            "processor_class": processor,
            "resample": 1,
            "rescale_factor": 0.00392156862745098,
            # Four tiles, and the whole picture.
            "size": {"longest_edge": 256},
        },
    )
    write_json(folder / "processor_config.json", {"image_seq_len": 4, "processor_class": processor})
    return folder
