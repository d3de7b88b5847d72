"""Builds Llama-Nemotron-VL, a SigLIP and a bidirectional Llama: a reranker and an embedder."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaModel, PreTrainedTokenizerFast, SiglipVisionModel

from checkpoints.minilm import write_json
from checkpoints.multimodal.files import build_model, draw, write_model
from checkpoints.published.files import byte_level, direction, texts_batch

_WIDTH = 64
_VISION_WIDTH = 48
_TILE, _PATCH = 64, 16
_IMAGE_TOKENS = (_TILE // _PATCH // 2) ** 2
"""A tile's 4 x 4 patches become a token for every 2 x 2."""

_CODE = "llama_nemotron_vl"


def nemotron_rerank_vl(folder: Path) -> Path:
    """nvidia/llama-nemotron-rerank-vl-1b-v2: logits of a question and a passage, which may have a picture."""
    tokenizer = _tokenizer()
    own = {
        "architectures": ["LlamaNemotronVLForSequenceClassification"],
        "auto_map": {
            "AutoConfig": f"configuration_{_CODE}.LlamaNemotronVLForSequenceClassificationConfig",
            "AutoModelForSequenceClassification": f"modeling_{_CODE}.LlamaNemotronVLForSequenceClassification",
        },
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
        "model_type": "llama_nemotron_vl_rerank",
        "prompt_template": "v1",
        "temperature": 1.0,
    }
    config = _config(tokenizer) | own
    weights = {f"model.{name}": weight for name, weight in _weights(config, seed=61).items()}
    weights["score.weight"] = _score(config["llm_config"], weights, tokenizer)
    processor = "LlamaNemotronVLRerankProcessor"
    settings = {
        "force_image_size": _TILE,
        "prompt_template": "v1",
        "rerank_max_length": 10240,
    }
    return _write(folder, config, weights, tokenizer, processor, settings)


def nemotron_embed_vl(folder: Path) -> Path:
    """nvidia/llama-nemotron-embed-vl-1b-v2: the mean over a text or a picture."""
    tokenizer = _tokenizer()
    own = {
        "architectures": ["LlamaNemotronVLModel"],
        "auto_map": {
            "AutoConfig": f"configuration_{_CODE}.LlamaNemotronVLConfig",
            "AutoModel": f"modeling_{_CODE}.LlamaNemotronVLModel",
        },
        "model_type": "llama_nemotron_vl",
    }
    config = _config(tokenizer) | own
    settings = {
        "image_size": _TILE,
        "norm_type": "siglip",
        "num_channels": 3,
        "p_max_length": 10240,
        "passage_prefix": "passage:",
        "q_max_length": 512,
        "query_prefix": "query:",
    }
    weights = _weights(config, seed=64)
    return _write(folder, config, weights, tokenizer, "LlamaNemotronVLProcessor", settings)


def _config(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "bidirectional_attention": True,
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "force_image_size": _TILE,
        "img_context_token_id": tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        "keep_aspect_ratio": False,
        "llm_config": {
            "architectures": ["LlamaBidirectionalModel"],
            "attention_bias": False,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "head_dim": 32,
            "hidden_act": "silu",
            "hidden_size": _WIDTH,
            "intermediate_size": 128,
            "max_position_embeddings": 131072,
            "mlp_bias": False,
            "model_type": "llama_bidirec",
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "num_key_value_heads": 1,
            "pad_token_id": tokenizer.pad_token_id,
            "pooling": "avg",
            "rms_norm_eps": 1e-05,
            "rope_scaling": {
                "factor": 32.0,
                "high_freq_factor": 4.0,
                "low_freq_factor": 1.0,
                "original_max_position_embeddings": 8192,
                "rope_type": "llama3",
            },
            "rope_theta": 500000.0,
            "temperature": 1.0,
            "vocab_size": len(tokenizer),
        },
        "max_dynamic_patch": 6,
        "max_input_tiles": 6,
        "min_dynamic_patch": 1,
        "p_max_length": 10240,
        "passage_prefix": "passage:",
        "pooling": "avg",
        "pre_feature_reduction": False,
        "q_max_length": 512,
        "query_prefix": "query:",
        "select_layer": -1,
        "template": "bidirectional-llama-retriever",
        "torch_dtype": "float32",
        "use_thumbnail": True,
        "vision_config": {
            "hidden_act": "gelu_pytorch_tanh",
            "hidden_size": _VISION_WIDTH,
            "image_size": _TILE,
            "intermediate_size": 96,
            "layer_norm_eps": 1e-06,
            "model_type": "siglip_vision_model",
            "num_attention_heads": 2,
            "num_channels": 3,
            "num_hidden_layers": 2,
            "patch_size": _PATCH,
            "vision_use_head": False,
        },
        "vocab_size": len(tokenizer),
    }


def _weights(config: dict[str, Any], seed: int) -> dict[str, Tensor]:
    """Both bodies' weights, the vision tower's as transformers 4 named them, and the two layers between them."""
    vision = draw(SiglipVisionModel, config["vision_config"], seed)
    language = draw(LlamaModel, config["llm_config"], seed + 1)
    weights = {f"vision_model.vision_model.{name}": weight for name, weight in vision.items()}
    weights |= {f"language_model.{name}": weight for name, weight in language.items()}
    shuffled = 4 * _VISION_WIDTH
    torch.manual_seed(seed + 2)
    return weights | {
        "mlp1.0.weight": 1 + torch.randn(shuffled) * 0.1,
        "mlp1.0.bias": torch.randn(shuffled) * 0.1,
        "mlp1.1.weight": torch.randn(_WIDTH, shuffled) * 0.1,
        "mlp1.1.bias": torch.randn(_WIDTH) * 0.1,
        "mlp1.3.weight": torch.randn(_WIDTH, _WIDTH) * 0.1,
        "mlp1.3.bias": torch.randn(_WIDTH) * 0.1,
    }


def _score(config: dict[str, Any], weights: dict[str, Tensor], tokenizer: PreTrainedTokenizerFast) -> Tensor:
    """The direction in which the means over texts differ most."""
    prefix = "model.language_model."
    named = {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
    body = build_model(LlamaModel, config | {"is_causal": False}).eval()
    body.load_state_dict(named)
    batch = texts_batch(tokenizer)
    mask = batch["attention_mask"].unsqueeze(-1)
    with torch.no_grad():
        states = body(**batch).last_hidden_state
    return direction((states * mask).sum(1) / mask.sum(1))


def _tokenizer() -> PreTrainedTokenizerFast:
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<img>", "</img>", "<IMG_CONTEXT>"]
    template = "<|begin_of_text|> $A"
    return byte_level(special, template, pad="<|eot_id|>", bos="<|begin_of_text|>", eos="<|eot_id|>")


def _write(
    folder: Path,
    config: dict[str, Any],
    weights: dict[str, Tensor],
    tokenizer: PreTrainedTokenizerFast,
    processor: str,
    settings: dict[str, Any],
) -> Path:
    write_model(folder, config, weights)
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(folder)
    shared = {
        "auto_map": {"AutoProcessor": f"processing_{_CODE}.{processor}"},
        "dynamic_image_size": True,
        "max_input_tiles": 6,
        "num_image_token": _IMAGE_TOKENS,
        "pad_to_multiple_of": None,
        "padding": True,
        "processor_class": processor,
        "template": "bidirectional-llama-retriever",
        "use_thumbnail": True,
    }
    write_json(folder / "processor_config.json", shared | settings)
    return folder
