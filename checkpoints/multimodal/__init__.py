"""Builds tiny seeded checkpoints of the multimodal families, with the files, settings and weight names published."""

from collections.abc import Callable
from pathlib import Path

from checkpoints.multimodal import dual_encoders

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "clip": dual_encoders.clip,
    "clip-folder": dual_encoders.clip_folder,
    "siglip": dual_encoders.siglip,
    "siglip2": dual_encoders.siglip2,
    "siglip2-naflex": dual_encoders.siglip2_naflex,
}


def build(name: str, folder: Path) -> Path:
    """Write the checkpoint into `folder / "<name>"`, named as the published one is where its name tells what it is."""
    return BUILDERS[name](folder / PUBLISHED_NAMES.get(name, name))


PUBLISHED_NAMES = {
    "clip": "clip-vit-base-patch32",
    "clip-folder": "clip-ViT-B-32",
    "siglip": "siglip-base-patch16-224",
    "siglip2": "siglip2-base-patch16-224",
    "siglip2-naflex": "siglip2-base-patch16-naflex",
}
