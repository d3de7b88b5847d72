"""Lists the kinds of image processors that a manifest may describe."""

from typing import TypeAlias

from .fixed_size import FixedSize
from .naflex import NaFlex
from .smart_resize import SmartResize
from .tiles import DynamicTiling, ImageSplitting

Preprocessing: TypeAlias = FixedSize | SmartResize | NaFlex | ImageSplitting | DynamicTiling
"""How a family makes pixels of a picture. In JSON, `kind` tells which.

Each has `grid(height, width)`, what a picture of that size is cut into, and `prepare(image)`, which makes its pixels.
Both raise `InvalidInput` for sizes that the family's own processor refuses.
"""
