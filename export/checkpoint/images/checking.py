"""Checks that pixels are made as the checkpoint's own image processor makes them, bit for bit."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import transformers
from transformers import AutoConfig, AutoImageProcessor, PreTrainedConfig

from engine.arrays import Floats
from engine.images.decode import from_pillow
from engine.images.naflex import NaFlex, pad
from engine.images.preprocessing import Preprocessing
from engine.images.smart_resize import SmartResize
from engine.images.tiles import DynamicTiling, ImageSplitting

from ...errors import ExportError, one_line

SIZES = [(48, 64), (150, 37), (21, 420), (229, 301), (1, 9)]
"""Heights and widths of the pictures that are compared."""

LARGE_SIZES = [(1000, 1001), (3508, 2480), (480, 12_000), (9999, 10_007)]
"""Heights and widths of pictures whose grids alone are compared: pictures past a limit of millions are slow to make."""


def check_preprocessing(preprocessing: Preprocessing, folder: Path) -> bool:
    """Hold pixels against those of the folder's image processor, loaded by transformers with its Pillow backend.

    The pictures are noise and hard edges of several sizes, some of them transparent. Returns False where there is
    nothing to compare with: transformers has no processor for Llama-Nemotron-VL, and remote code is not run. Raises
    `ExportError` where a pixel differs.
    """
    if isinstance(preprocessing, DynamicTiling):
        return False
    processor = load_processor(folder)
    for picture in _pictures():
        pixels = _as_transformers(preprocessing, preprocessing.prepare(from_pillow(picture)).pixels)
        # Pictures are always RGB by then, whatever the checkpoint says.
        wanted = processor(images=[picture], return_tensors="np", do_convert_rgb=True)["pixel_values"]
        if not np.array_equal(pixels, wanted):
            raise _differs(processor, picture.height, picture.width)
    if isinstance(preprocessing, SmartResize):
        for height, width in LARGE_SIZES:
            if preprocessing.grid(height, width).cells != processor.get_number_of_image_patches(height, width):
                raise _differs(processor, height, width)
    return True


def load_processor(folder: Path) -> Any:
    """The image processor of a checkpoint, in Pillow and numpy. Raises `ExportError`."""
    try:
        config: PreTrainedConfig | None = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception:  # transformers does not know the model, but may know its image processor
        config = None
    try:
        return AutoImageProcessor.from_pretrained(folder, config=config, backend="pil", trust_remote_code=False)
    except Exception as error:
        raise ExportError(
            f"The checkpoint's image processor does not load, so nothing verifies it: {one_line(error)}."
        ) from None


def _pictures() -> Iterator[PIL.Image.Image]:
    random = np.random.default_rng(17)
    for height, width in SIZES:
        noise = random.integers(0, 256, (height, width, 4), dtype=np.uint8)
        edges = random.integers(0, 2, (height, width, 3), dtype=np.uint8) * np.uint8(255)  # where filters overshoot
        yield PIL.Image.fromarray(noise, mode="RGBA")
        yield PIL.Image.fromarray(edges)


def _as_transformers(preprocessing: Preprocessing, pixels: Floats) -> Floats:
    """The pixels of one picture in the shape that transformers gives a batch of one."""
    match preprocessing:
        case NaFlex():
            return pad([pixels], preprocessing.max_patches)[0]
        case ImageSplitting():
            return pixels[None]
        case _:
            return pixels


def _differs(processor: Any, height: int, width: int) -> ExportError:
    own = type(processor).__name__
    return ExportError(
        f"The pixels of a picture of {width} x {height} differ from those of the checkpoint's own {own} in "
        f"transformers {transformers.__version__}: correct its settings, or report them with this sentence."
    )
