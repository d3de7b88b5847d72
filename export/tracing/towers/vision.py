"""Defines what all vision towers have in common: named inputs, one float32 output, two ways to compute attention."""

from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from engine.runtime.vision_feeds import Dims

from ...graph import FusedFor


class VisionTower(PreTrainedModel):
    """Pixels in; `image_embeddings` `[levels, rows, dim]` or a two-tower model's `embeddings` `[pictures, dim]` out.

    Level 0 of `image_embeddings` takes the place of placeholders' token embeddings, the others are added to the hidden
    states after the text model's first layers. `embeddings` are projected and not normalised. Both are float32,
    whatever the tower computes in, and so are its inputs that are not integers.

    `dims` are those of its inputs, `sample` what to trace it with. With a `provider` its attention and rotary
    embeddings are that provider's operators, which a graph can hold and PyTorch cannot run.
    """

    # Towers settle themselves how they attend; this keeps PreTrainedModel from doing it.
    _supports_sdpa = True

    levels = 1
    provider: FusedFor | None = None

    def __init__(self, config: PreTrainedConfig, dims: Dims, sample: dict[str, Tensor]) -> None:
        super().__init__(config)
        self.dims = dims
        self.sample = sample
