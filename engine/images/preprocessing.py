"""Lists the kinds of image processors that a manifest may describe."""

from typing import TypeAlias

from .fixed_size import FixedSize
from .naflex import NaFlex
from .smart_resize import SmartResize
from .tiles import DynamicTiling, ImageSplitting

Preprocessing: TypeAlias = FixedSize | SmartResize | NaFlex | ImageSplitting | DynamicTiling
"""How a family makes pixels of a picture. In JSON, `kind` tells which.

Each has `grid(height, width)`, what a picture of that size is cut into; `pieces(grid)`, how many pieces of one size the
vision graph sees of it; `boxes(height, width)`, where on the picture they lie; and `prepare(image)`, which makes its
pixels. All that take a size raise `InvalidInput` for those that the family's own processor refuses.
"""
