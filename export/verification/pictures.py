"""Reads the pictures that every multimodal graph is verified on."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "samples"


@dataclass(frozen=True)
class Sample:
    """A picture's file, which `engine.images.decode.decode` reads."""

    name: str
    data: bytes


@cache
def pictures() -> list[Sample]:
    """16 files of 81 bytes to 23 KB, in the order of their names: `scripts/pictures.py` drew them.

    Pages of text, a slide, a diagram, a table, photographs, strips of 600 x 12 and 9 x 400 pixels and a picture of
    3 x 2, in every mode that is converted: transparency, palettes, four inks, 1 and 16 bits, and one to be turned.
    """
    return [Sample(path.name, path.read_bytes()) for path in sorted(_FOLDER.iterdir())]
