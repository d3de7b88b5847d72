"""Makes pictures of every mode, and files of them."""

import io
from typing import Any

import numpy as np
import PIL.Image
from hypothesis import strategies as st

MODES = ["RGB", "RGBA", "L", "LA", "P", "P with a transparent colour", "P with transparencies", "1", "I;16", "CMYK"]


def picture(mode: str, height: int, width: int, seed: int) -> PIL.Image.Image:
    """A picture of noise, of hard black and white edges (where filters overshoot), or of a slope."""
    random = np.random.default_rng(seed)
    kind = seed % 3

    def channels(count: int) -> np.ndarray:
        shape = (height, width, count)
        if kind == 0:
            return random.integers(0, 256, shape, dtype=np.uint8)
        if kind == 1:
            return random.integers(0, 2, shape, dtype=np.uint8) * np.uint8(255)
        slope = np.add.outer(np.arange(height), np.arange(width))[:, :, None] * 255 // (height + width)
        return np.broadcast_to(slope, shape).astype(np.uint8)

    if mode == "1":
        return PIL.Image.fromarray(channels(1)[:, :, 0]).convert("1")
    if mode == "I;16":
        return PIL.Image.fromarray(channels(1)[:, :, 0].astype(np.uint16) * np.uint16(seed % 5))
    if mode.startswith("P"):
        image = PIL.Image.fromarray(channels(1)[:, :, 0], mode="P")
        image.putpalette(random.integers(0, 256, 768, dtype=np.uint8).tobytes())
        if "colour" in mode:
            image.info["transparency"] = int(np.asarray(image)[0, 0])
        elif "transparencies" in mode:
            image.info["transparency"] = random.integers(0, 256, 256, dtype=np.uint8).tobytes()
        return image
    bands = len(PIL.Image.new(mode, (1, 1)).getbands())
    array = channels(bands)
    return PIL.Image.fromarray(array[:, :, 0] if bands == 1 else array, mode=mode)


def saved(image: PIL.Image.Image, format: str, **options: Any) -> bytes:
    """A picture's file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


sides = st.one_of(st.integers(1, 40), st.integers(1, 400))

pictures = st.builds(picture, st.sampled_from(MODES), sides, sides, st.integers(0, 2**32 - 1))
"""Pictures of sides up to 400, of every mode."""
