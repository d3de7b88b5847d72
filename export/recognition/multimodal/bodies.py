"""Says how the bodies that several families share read pictures."""

import math
from typing import Any

from engine.images.reading import Sides

from ...recipe import PictureRecipe


def pictures(native: dict[str, Any]) -> PictureRecipe:
    """How a body reads pictures; `native` is its configuration in transformers' words."""
    vision = native["vision_config"]
    match native["model_type"]:
        case "clip" | "siglip":
            return PictureRecipe(patches=_patches(vision))
        case "siglip2":
            return PictureRecipe(sides=Sides(table=math.isqrt(vision["num_patches"])))
        case "paligemma":
            patches = _patches(vision)
            return PictureRecipe("<image>", "<image>", rows=patches, patches=patches)
        case "modernvbert":
            patches = _patches(vision)
            rows = patches // native["pixel_shuffle_factor"] ** 2
            return PictureRecipe("<image>", "<image>", rows=rows, patches=patches, marked=True)
        case "llama_nemotron_vl":
            patches = _patches(vision)
            rows = round(patches * native["downsample_ratio"] ** 2)
            placeholder = "<img><IMG_CONTEXT></img>"
            return PictureRecipe(placeholder, "<IMG_CONTEXT>", rows=rows, patches=patches)
        case _:
            return _qwen(vision)


def _patches(vision: dict[str, Any]) -> int:
    """Of a picture or tile of the one size that a tower takes."""
    return int(vision["image_size"] // vision["patch_size"]) ** 2


def _qwen(vision: dict[str, Any]) -> PictureRecipe:
    merge = vision["spatial_merge_size"]
    window = vision.get("window_size")
    sides = Sides(
        merge=merge,
        table=math.isqrt(vision.get("num_position_embeddings") or 0),
        window=window // merge // vision["patch_size"] if window else 0,
    )
    placeholder = "<|vision_start|><|image_pad|><|vision_end|>"
    return PictureRecipe(placeholder, "<|image_pad|>", patches=merge**2, in_two_dimensions=True, sides=sides)
