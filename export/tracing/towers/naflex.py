"""SigLIP2 NaFlex's tower, which sees pictures of any size, each as the patches that it was cut into."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.images import grids, naflex
from engine.runtime.vision_feeds import PADDED_PATCHES, PATCHES, PICTURES, PIXELS
from engine.score_types import BI_ENCODER

from .encoder import AttentionPooling, encode
from .operators import kept_keys
from .vision import VisionTower

# Of unlike sizes, so that there is padding, and different from a model's own.
_GRIDS = [grids.Grid(3, 7), grids.Grid(2, 5)]


class NaFlexTower(VisionTower):
    """SigLIP2 NaFlex's: its table of positions is resampled for each picture, by weights of its rows and columns."""

    def __init__(self, model: Any) -> None:
        vision = model.vision_model
        embeddings = vision.embeddings
        side = int(embeddings.position_embedding_size)
        values = embeddings.patch_embedding.in_features
        padded = (PICTURES, PATCHES)
        dims = {PIXELS: (*padded, values), "patch_mask": PADDED_PATCHES["patch_mask"]}
        dims |= dict.fromkeys(("table_rows", "table_columns"), (*padded, side))
        super().__init__(vision.config, dims, _sample(values, side))
        self.embedding = embeddings.patch_embedding
        self.positions = embeddings.position_embedding
        self.layers = vision.encoder.layers
        self.post_layernorm = vision.post_layernorm
        self.pooling = AttentionPooling(vision.head)

    def forward(
        self, pixels: Tensor, patch_mask: Tensor, table_rows: Tensor, table_columns: Tensor
    ) -> dict[str, Tensor]:
        dtype = self.embedding.weight.dtype
        weights = (table_rows[..., :, None] * table_columns[..., None, :]).flatten(-2)
        states = self.embedding(pixels.to(dtype)) + weights.to(dtype) @ self.positions.weight
        states = encode(self.layers, states, self.provider, kept_keys(patch_mask, self.provider))
        return {BI_ENCODER.output: self.pooling(self.post_layernorm(states), patch_mask).float()}


def _sample(values: int, side: int) -> dict[str, Tensor]:
    patches = max(grid.cells for grid in _GRIDS)
    pixels, mask = naflex.pad([np.zeros((grid.cells, values), np.float32) for grid in _GRIDS], patches)
    tables = zip(*(grids.antialiased(grid, side) for grid in _GRIDS), strict=True)
    rows, columns = (naflex.pad(table, patches)[0] for table in tables)
    arrays = {PIXELS: pixels, "patch_mask": mask, "table_rows": rows, "table_columns": columns}
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
