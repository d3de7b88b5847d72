"""Translates Alibaba's mGTE ("new-impl") to `gte`.

That is gte-multilingual, gte-*-en-v1.5, and snowflake-arctic-embed-m-v2.0.
"""

from typing import Any

from ...errors import ExportError
from .settings import require, without


def matches(config: dict[str, Any]) -> bool:
    # Snowflake's has the model type of transformers' own class, with the settings of Alibaba's.
    return config.get("model_type") == "new" or (config.get("model_type") == "gte" and "pack_qkv" in config)


def native(config: dict[str, Any]) -> dict[str, Any]:
    require(
        config,
        "mGTE",
        position_embedding_type="rope",
        layer_norm_type="layer_norm",
        logn_attention_scale=False,
        pack_qkv=True,
    )
    own = without(config, "rope_theta", "rope_scaling", "position_embedding_type", "use_memory_efficient_attention")
    return own | {"model_type": "gte", "rope_parameters": _rope(config)}


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    """NTK by parts of equal size: theta * factor, and every frequency over factor^(2/dim).

    Equation 6 of https://kexue.fm/archives/9706. The authors' code fills its cache for max_position_embeddings * factor
    tokens when it starts, so texts of every length are scaled; transformers' "linear" type divides the same way.
    """
    theta = float(config.get("rope_theta", 10000.0))
    scaling = config.get("rope_scaling")
    if not scaling:
        return {"rope_type": "default", "rope_theta": theta}
    kind = scaling.get("type", scaling.get("rope_type"))
    if kind != "ntk" or scaling.get("mixed_b") is not None:
        raise ExportError(
            f"The checkpoint's rope_scaling is {scaling}, but ScoreRT reads mGTE checkpoints with "
            '{"type": "ntk", "factor": ...} alone.'
        )
    factor = float(scaling["factor"])
    size = config["hidden_size"] // config["num_attention_heads"]
    return {"rope_type": "linear", "rope_theta": theta * factor, "factor": factor ** (2 / size)}
