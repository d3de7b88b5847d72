"""Towers that see pictures or tiles of one size."""

from typing import Any

import torch
from torch import Tensor, nn

from engine.artifact.artifact import IMAGE_EMBEDDINGS
from engine.runtime.vision_feeds import PICTURES, PIXELS
from engine.score_types import BI_ENCODER

from .encoder import AttentionPooling, PatchEmbedding, encode
from .vision import VisionTower


class _FixedTower(VisionTower):
    """A tower whose pictures have the size that its configuration says."""

    def __init__(self, vision_model: Any) -> None:
        size = vision_model.config.image_size
        sample = {PIXELS: torch.zeros(2, 3, size, size)}
        super().__init__(vision_model.config, {PIXELS: (PICTURES, 3, size, size)}, sample)
        embeddings = vision_model.embeddings
        self.patches = PatchEmbedding(embeddings.patch_embedding)
        self.layers = vision_model.encoder.layers
        self.post_layernorm = vision_model.post_layernorm


class ClipTower(_FixedTower):
    """CLIP's: the state of a token of its own is projected."""

    def __init__(self, model: Any) -> None:
        super().__init__(model.vision_model)
        embeddings = model.vision_model.embeddings
        positions = embeddings.position_embedding.weight
        self.first = nn.Parameter(embeddings.class_embedding + positions[0])
        self.positions = nn.Parameter(positions[1:])
        self.pre_layernorm = model.vision_model.pre_layrnorm
        self.projection = model.visual_projection

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        first = self.first.expand(pixels.shape[0], 1, -1)
        states = torch.cat([first, self.patches(pixels) + self.positions], dim=1)
        states = encode(self.layers, self.pre_layernorm(states), self.provider)
        return {BI_ENCODER.output: self.projection(self.post_layernorm(states[:, 0])).float()}


class _SiglipTower(_FixedTower):
    """SigLIP's up to its last normalisation."""

    def __init__(self, vision_model: Any) -> None:
        super().__init__(vision_model)
        embeddings = vision_model.embeddings
        self.positions = nn.Parameter(embeddings.position_embedding.weight + embeddings.patch_embedding.bias)

    def states(self, pixels: Tensor) -> Tensor:
        states = encode(self.layers, self.patches(pixels) + self.positions, self.provider)
        normed: Tensor = self.post_layernorm(states)
        return normed


class SiglipTower(_SiglipTower):
    """SigLIP's with its pooling, which ends in the space that texts are compared in."""

    def __init__(self, model: Any) -> None:
        super().__init__(model.vision_model)
        self.pooling = AttentionPooling(model.vision_model.head)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        return {BI_ENCODER.output: self.pooling(self.states(pixels)).float()}


class TableTower(_SiglipTower):
    """SigLIP's without pooling: the states of patches are projected to rows of the table, picture by picture."""

    def __init__(self, vision_model: Any, projector: nn.Module) -> None:
        super().__init__(vision_model)
        self.projector = projector

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        rows: Tensor = self.projector(self.states(pixels))
        return {IMAGE_EMBEDDINGS: rows.flatten(0, 1)[None].float()}
