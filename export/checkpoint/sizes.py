"""Refuses a configuration whose sizes no network has, before anything is made of them."""

from .settings import Settings

_LAYERS = ("num_hidden_layers", "n_layers", "n_layer", "depth")
_SIZES = (
    "hidden_size",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "head_dim",
    # DistilBERT's, and GPT-2's that nomic-bert has.
    "dim",
    "hidden_dim",
    "n_heads",
    "n_embd",
    "n_head",
    "n_inner",
    # Vision towers'.
    "num_heads",
    "embed_dim",
    "patch_size",
)
_PARTS = ("text_config", "vision_config", "vlm_config", "llm_config")

# Choices, far beyond any network there is: transformers would make layers until the memory is full.
_MOST_LAYERS = 1000
_MOST = 2**31


def require_sizes(config: Settings) -> None:
    """Raise `ExportError` for a size that is no whole number from 1 to what is sensible, in any part of the model."""
    config.texts("architectures", ())
    for names, most in ((_LAYERS, _MOST_LAYERS), (_SIZES, _MOST)):
        for name in names:
            config.whole(name, 1, 1, most)
    for part in _PARTS:
        if config.get(part) is not None:
            require_sizes(config.section(part))
