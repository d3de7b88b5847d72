"""Tells every input that a vision graph may have, and those that a text graph has beside its tokens for pictures.

A vision graph takes `pixels` in one of three forms, by the kind of image processor that makes them: whole pictures or
tiles of one size, the patches of one picture of any size, or the patches of several pictures, padded on the right.
"""

from .feeds import BATCH, TOKENS

PIXELS = "pixels"
IMAGE_EMBEDDINGS = "image_embeddings"
"""What takes the place of placeholders' token embeddings: an output of vision graphs, and an input of text graphs.

As an input it has one row more in front, which no token refers to.
"""
POSITIONS, IMAGE_ROWS = "positions", "image_rows"

PICTURES, PATCHES, ROWS = "pictures", "patches", "rows"
"""The names of the dimensions that vary: pictures or tiles of a run, patches of a picture, and rows of the table."""

Dims = dict[str, tuple[int | str, ...]]
"""The dimensions of inputs by name. One is a number, a name where it varies from run to run, or depends on the model:
those names are in angle brackets, and graphs have numbers there."""

WHOLE_PICTURES: Dims = {PIXELS: (PICTURES, 3, "<height>", "<width>")}
"""`FixedSize`, `ImageSplitting` and `DynamicTiling`."""

PATCHES_OF_ONE: Dims = {
    PIXELS: (PATCHES, "<values>"),
    "patch_positions": (PATCHES, 2),
    "taps": (PATCHES, 4),
    "tap_weights": (PATCHES, 4),
    "window_order": ("merged_patches",),
    "windows": (PATCHES,),
}
"""`SmartResize`: `grids.positions`, `grids.bilinear_taps` and `grids.windows` of one picture."""

PADDED_PATCHES: Dims = {
    PIXELS: (PICTURES, PATCHES, "<values>"),
    "patch_mask": (PICTURES, PATCHES),
    "table_rows": (PICTURES, PATCHES, "<side>"),
    "table_columns": (PICTURES, PATCHES, "<side>"),
}
"""`NaFlex`: `naflex.pad`, and `grids.antialiased`, whose weights for padding are any."""

OF_TEXTS: Dims = {
    POSITIONS: (3, BATCH, TOKENS),
    IMAGE_ROWS: (BATCH, TOKENS),
    IMAGE_EMBEDDINGS: ("<levels>", ROWS, "<dim>"),
}
"""`grids.token_positions`, the row of the table for each placeholder (0 for other tokens), and the table."""
