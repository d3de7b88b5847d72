"""Translates Nomic's BERT with GPT-2's setting names to `nomic_bert`.

That is nomic-embed-text-v1 and v1.5, and nomic-bert-2048.
"""

from typing import Any

from ...errors import ExportError
from .settings import require, without

_NAMES = {
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_inner": "intermediate_size",
    "layer_norm_epsilon": "layer_norm_eps",
}


def matches(config: dict[str, Any]) -> bool:
    return config.get("model_type") == "nomic_bert" and "n_embd" in config


def native(config: dict[str, Any]) -> dict[str, Any]:
    if config.get("moe_every_n_layers") or config.get("num_experts"):
        raise ExportError(
            "The checkpoint is nomic-bert with experts (moe_every_n_layers), which ScoreRT does not have."
        )
    require(
        config,
        "nomic-bert",
        activation_function="swiglu",
        causal=False,
        prenorm=False,
        use_rms_norm=False,
        parallel_block=False,
        qkv_proj_bias=False,
        mlp_fc1_bias=False,
        mlp_fc2_bias=False,
        num_heads_kv=None,
        rotary_emb_fraction=1.0,
        rotary_emb_interleaved=False,
        rotary_emb_scale_base=None,
    )
    own = without(config, *_NAMES, "activation_function", "n_positions", "rope_theta", "rope_scaling")
    own |= {name: config[published] for published, name in _NAMES.items() if config.get(published) is not None}
    return own | {
        "model_type": "nomic_bert",
        "hidden_act": "silu",
        "vocab_size": _vocabulary(config),
        "max_position_embeddings": _longest(config),
        "rope_parameters": {"rope_type": "default", "rope_theta": float(config.get("rotary_emb_base", 10000.0))},
    }


def _vocabulary(config: dict[str, Any]) -> int:
    """The embedding has rows for a multiple of `pad_vocab_size_multiple` tokens."""
    multiple = int(config.get("pad_vocab_size_multiple", 1))
    return -(-int(config["vocab_size"]) // multiple) * multiple


def _longest(config: dict[str, Any]) -> int:
    """The longest text that has one score.

    With a scaling factor the authors' code turns to other frequencies past the trained length: others for each length,
    and it keeps them for the texts that follow.
    """
    trained = int(config.get("max_trained_positions") or config.get("max_position_embeddings") or 2048)
    return trained if config.get("rotary_scaling_factor") else int(config.get("n_positions") or trained)
