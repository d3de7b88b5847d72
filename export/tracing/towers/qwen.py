"""Qwen2-VL's, Qwen2.5-VL's and Qwen3-VL's towers, which see one picture of any size a run."""

from typing import Any

import torch
from torch import Tensor, nn

from engine.artifact.artifact import IMAGE_EMBEDDINGS
from engine.images import grids
from engine.runtime.vision_feeds import PATCHES, PATCHES_OF_ONE, PIXELS

from .layers import linear
from .operators import attend, attend_in_windows, rotate
from .vision import VisionTower

# Different sides, and different from a model's own sizes.
_GRID = grids.Grid(4, 6)


class _Block(nn.Module):
    """A layer whose queries, keys and values are products of their own: they can be quantised and fused alone."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.heads = int(block.attn.num_heads)
        self.norm1, self.norm2, self.mlp, self.output = block.norm1, block.norm2, block.mlp, block.attn.proj
        parts = zip(block.attn.qkv.weight.chunk(3), block.attn.qkv.bias.chunk(3), strict=True)
        self.query, self.key, self.value = (linear(weight, bias) for weight, bias in parts)


class Qwen2Tower(VisionTower):
    """Qwen2-VL's: attention of all patches to all, rotary embeddings of rows and columns, and blocks of patches merged.

    The kernel of its convolution over frames and patches covers all that a patch has, so that it is a product.
    """

    def __init__(self, visual: Any) -> None:
        convolution = visual.patch_embed.proj
        weight = convolution.weight.flatten(1)
        self._merge = merge = int(visual.config.spatial_merge_size)
        dims = {PIXELS: (PATCHES, weight.shape[1]), "patch_positions": PATCHES_OF_ONE["patch_positions"]}
        sample = {
            PIXELS: torch.zeros(_GRID.cells, weight.shape[1]),
            "patch_positions": torch.from_numpy(grids.positions(_GRID, merge)),
        }
        super().__init__(visual.config, dims, sample)
        self.embedding = linear(weight, convolution.bias)
        self.rotary = visual.rotary_pos_emb
        self.blocks = nn.ModuleList([_Block(block) for block in visual.blocks])
        self.merger = visual.merger

    def forward(self, pixels: Tensor, patch_positions: Tensor) -> dict[str, Tensor]:
        states = self.embed(pixels)
        angles = self.angles(states, patch_positions)
        for block in self.blocks:
            states = self.layer(block, states, angles)
        return {IMAGE_EMBEDDINGS: self.merger(states[0])[None].float()}

    def embed(self, pixels: Tensor) -> Tensor:
        """`[patches, values]` to `[1, patches, dim]`."""
        embedded: Tensor = self.embedding(pixels.to(self.embedding.weight.dtype))
        return embedded[None]

    def angles(self, states: Tensor, patch_positions: Tensor) -> tuple[Tensor, Tensor]:
        """The cosine and sine of each patch's angles `[patches, size / 2]`; transformers has each twice."""
        cos, sin = self.rotary(states, patch_positions)
        half = cos.shape[-1] // 2
        return cos[:, :half], sin[:, :half]

    def layer(self, block: Any, states: Tensor, angles: tuple[Tensor, Tensor], windows: Tensor | None = None) -> Tensor:
        """The states `[1, patches, dim]` after a layer, which attends to all or within windows."""
        normed, heads, provider = block.norm1(states), block.heads, self.provider
        query, key = (rotate(part(normed), *angles, heads, provider) for part in (block.query, block.key))
        if windows is None:
            attended = attend(query, key, block.value(normed), heads, provider)
        else:
            attended = attend_in_windows(query, key, block.value(normed), windows, heads, provider)
        states = states + block.output(attended)
        after: Tensor = states + block.mlp(block.norm2(states))
        return after


class Qwen25Tower(Qwen2Tower):
    """Qwen2.5-VL's: most layers attend within windows, in whose order the patches are while they last."""

    def __init__(self, visual: Any) -> None:
        super().__init__(visual)
        side = visual.config.window_size // self._merge // visual.config.patch_size
        self._attends_to_all = frozenset(visual.config.fullatt_block_indexes)
        order, numbers = grids.windows([_GRID], self._merge, side)
        self.dims |= {name: PATCHES_OF_ONE[name] for name in ("window_order", "windows")}
        self.sample |= {"window_order": torch.from_numpy(order), "windows": torch.from_numpy(numbers)}

    def forward(  # type: ignore[override]
        self, pixels: Tensor, patch_positions: Tensor, window_order: Tensor, windows: Tensor
    ) -> dict[str, Tensor]:
        states = self._in_order(self.embed(pixels)[0], window_order)[None]
        angles = self.angles(states, self._in_order(patch_positions, window_order))
        for number, block in enumerate(self.blocks):
            states = self.layer(block, states, angles, None if number in self._attends_to_all else windows)
        merged = self.merger(states[0])
        return {IMAGE_EMBEDDINGS: merged.index_select(0, torch.argsort(window_order))[None].float()}

    def _in_order(self, patches: Tensor, window_order: Tensor) -> Tensor:
        """Rows of patches `[patches, _]`, those of a block together, in the order of windows."""
        blocks: Tensor = patches.unflatten(0, (-1, self._merge**2))
        return blocks.index_select(0, window_order).flatten(0, 1)


class Qwen3Tower(Qwen2Tower):
    """Qwen3-VL's: it has a table of positions, too, and some layers' states are levels of their own."""

    def __init__(self, visual: Any) -> None:
        super().__init__(visual)
        self._levels = {layer: level for level, layer in enumerate(visual.config.deepstack_visual_indexes)}
        self.levels = 1 + len(self._levels)
        self.positions = visual.pos_embed
        self.mergers = visual.deepstack_merger_list
        side = int(visual.config.num_position_embeddings**0.5)
        entries, weights = grids.bilinear_taps(_GRID, side, self._merge)
        self.dims |= {name: PATCHES_OF_ONE[name] for name in ("taps", "tap_weights")}
        self.sample |= {"taps": torch.from_numpy(entries), "tap_weights": torch.from_numpy(weights)}

    def forward(  # type: ignore[override]
        self, pixels: Tensor, patch_positions: Tensor, taps: Tensor, tap_weights: Tensor
    ) -> dict[str, Tensor]:
        states = self.embed(pixels)
        states = states + (self.positions(taps) * tap_weights[:, :, None]).sum(1).to(states.dtype)
        angles = self.angles(states, patch_positions)
        features = []
        for number, block in enumerate(self.blocks):
            states = self.layer(block, states, angles)
            if number in self._levels:
                features.append(self.mergers[self._levels[number]](states[0]))
        return {IMAGE_EMBEDDINGS: torch.stack([self.merger(states[0]), *features]).float()}
