"""Draws the pictures that multimodal graphs are verified on into export/verification/samples."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from numpy.typing import NDArray

FOLDER = Path("export/verification/samples")

_PAGE = """\
The harbour office keeps a book in which every ferry is entered on arrival. The clerk writes down the hour, the weather
and the number of passengers, and at the end of the month the pages are added up. Since 1974 the book has been bound in
green linen; earlier volumes are red.

On windy days the crossing takes twenty minutes longer, and the last boat leaves at 18:40 instead of 19:15. Bicycles
travel free of charge, dogs need a ticket, and parcels of more than 30 kg have to be announced one day before. Whoever
misses the boat may sleep in the waiting room, which is heated from October to April.

A table of tides hangs beside the door. It is printed once a year, and nobody can say who corrects it by hand."""

_TIMES = [
    ("Ferry", "Leaves", "Arrives", "Seats"),
    ("Aurora", "06:10", "07:05", "140"),
    ("Bellona", "08:30", "09:25", "96"),
    ("Aurora", "11:00", "11:55", "140"),
    ("Cygnus", "14:45", "15:50", "210"),
    ("Bellona", "18:40", "19:35", "96"),
]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.pictures", description=__doc__, allow_abbrev=False)
    parser.parse_args()
    draw_all(FOLDER)


def draw_all(folder: Path) -> None:
    """Write every picture. Their bytes are the same each time with the same release of Pillow."""
    folder.mkdir(exist_ok=True)
    for name, (draw, options) in PICTURES.items():
        draw().save(folder / name, **options)


def page(width: int = 400, height: int = 560, size: int = 15) -> PIL.Image.Image:
    """A page of text with a heading and a number."""
    image = PIL.Image.new("L", (width, height), 255)
    canvas = PIL.ImageDraw.Draw(image)
    margin = width // 10
    canvas.text((margin, margin), "Crossing the sound", 0, _font(size * 2))
    top = margin + 4.0 * size
    for paragraph in _PAGE.split("\n\n"):
        for line in _lines(paragraph.replace("\n", " "), width - 2 * margin, _font(size)):
            canvas.text((margin, top), line, 0, _font(size))
            top += 1.4 * size
        top += 0.7 * size
    canvas.text((width // 2, height - margin // 2), "- 17 -", 0, _font(size), anchor="mm")
    return image


def scan() -> PIL.Image.Image:
    """The page as a fax would have it: black and white, and larger than many models take."""
    return page(1000, 1400, 37).convert("1")


def slide() -> PIL.Image.Image:
    """A slide with a title, points and bars."""
    image = PIL.Image.new("RGB", (640, 360), "#f7f4ec")
    canvas = PIL.ImageDraw.Draw(image)
    canvas.rectangle((0, 0, 640, 70), "#1d3557")
    canvas.text((30, 35), "Passengers by quarter", "white", _font(30), anchor="lm")
    for row, point in enumerate(("Summer carries the year", "Winter grew by 12 %", "Two boats are not enough")):
        canvas.ellipse((34, 118 + 54 * row, 44, 128 + 54 * row), "#e63946")
        canvas.text((58, 123 + 54 * row), point, "#22223b", _font(20), anchor="lm")
    for column, (amount, colour) in enumerate(((70, "#457b9d"), (130, "#a8dadc"), (190, "#e63946"), (95, "#1d3557"))):
        left = 380 + 60 * column
        canvas.rectangle((left, 310 - amount, left + 42, 310), colour)
        canvas.text((left + 21, 326), f"Q{column + 1}", "#22223b", _font(16), anchor="mm")
    canvas.line((370, 310, 620, 310), "#22223b", 2)
    return image


def diagram() -> PIL.Image.Image:
    """Boxes, a decision and arrows."""
    image = PIL.Image.new("RGB", (480, 320), "white")
    canvas = PIL.ImageDraw.Draw(image)
    boxes = {"Ticket": (30, 40), "Gate": (190, 40), "Boat": (350, 40), "Waiting room": (190, 230)}
    for label, (left, top) in boxes.items():
        canvas.rounded_rectangle((left, top, left + 105, top + 50), 9, "#e0fbfc", "#3d5a80", 2)
        canvas.text((left + 52, top + 25), label, "#293241", _font(15), anchor="mm")
    canvas.polygon([(242, 120), (300, 160), (242, 200), (184, 160)], "#ffddd2", "#ee6c4d", 2)
    canvas.text((242, 160), "in time?", "#293241", _font(14), anchor="mm")
    for line in (((135, 65), (188, 65)), ((242, 92), (242, 118)), ((242, 202), (242, 228)), ((300, 160), (402, 160))):
        canvas.line(line, "#293241", 2)
    canvas.line(((402, 160), (402, 96)), "#293241", 2)
    for x, y, dx, dy in ((188, 65, -8, 5), (242, 118, 5, -8), (242, 228, 5, -8), (402, 94, 5, 8)):
        points = (
            [(x + dx, y + dy), (x, y), (x + dx, y - dy)] if dx < 0 else [(x - dx, y + dy), (x, y), (x + dx, y + dy)]
        )
        canvas.polygon(points, "#293241")
    canvas.text((345, 148), "yes", "#293241", _font(14), anchor="mm")
    canvas.text((262, 213), "no", "#293241", _font(14), anchor="mm")
    return image


def table() -> PIL.Image.Image:
    """A timetable, in a palette of few colours."""
    image = PIL.Image.new("RGB", (440, 260), "white")
    canvas = PIL.ImageDraw.Draw(image)
    for row, cells in enumerate(_TIMES):
        top = 20 + 37 * row
        canvas.rectangle(
            (20, top, 420, top + 37), "#264653" if row == 0 else ("#ffffff", "#e9f5f2")[row % 2], "#8d99ae"
        )
        for column, cell in enumerate(cells):
            canvas.text((32 + 105 * column, top + 19), cell, "white" if row == 0 else "black", _font(17), anchor="lm")
    return image.quantize(16)


def photograph(width: int = 480, height: int = 320, seed: int = 3) -> PIL.Image.Image:
    """Soft colours of several scales with a little grain, as a camera has them."""
    random = np.random.default_rng(seed)
    levels: NDArray[np.float64] = np.zeros((height, width, 3))
    for side, strength in ((3, 150.0), (7, 70.0), (24, 30.0)):
        coarse = PIL.Image.fromarray(random.integers(0, 256, (side, side + 1, 3), dtype=np.uint8))
        levels += np.asarray(coarse.resize((width, height), PIL.Image.Resampling.BICUBIC)) * (strength / 250)
    levels += random.normal(0, 4, (height, width, 1))
    return PIL.Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def strip(width: int, height: int) -> PIL.Image.Image:
    """Waves of colour along the longer side."""
    along = np.add.outer(np.arange(height) * (width < height), np.arange(width) * (width > height)) / 11
    waves = np.stack([np.sin(along + shift) for shift in (0.0, 2.0, 4.0)], axis=-1)
    return PIL.Image.fromarray((waves * 127 + 128).astype(np.uint8))


def seal() -> PIL.Image.Image:
    """A drawing on nothing, whose colours fade into it."""
    image = PIL.Image.new("RGBA", (220, 180), (0, 0, 0, 0))
    canvas = PIL.ImageDraw.Draw(image)
    for ring in range(80, 0, -8):
        canvas.ellipse((110 - ring, 90 - ring, 110 + ring, 90 + ring), (ring * 3, 90, 255 - ring * 3, 255 - ring * 3))
    canvas.text((110, 90), "SOUND", (255, 255, 255, 255), _font(26), anchor="mm")
    return image


def badge() -> PIL.Image.Image:
    """The seal with a palette, each of whose colours has its own transparency."""
    return seal().resize((150, 122)).quantize(32)


def frames() -> list[PIL.Image.Image]:
    """A dot that moves, on a transparent ground."""
    images = []
    for step in range(3):
        image = PIL.Image.new("RGBA", (120, 80), (0, 0, 0, 0))
        PIL.ImageDraw.Draw(image).ellipse((10 + 30 * step, 20, 50 + 30 * step, 60), (200, 60 + 60 * step, 40, 255))
        images.append(image)
    return images


def deep_grey() -> PIL.Image.Image:
    """16 bits a level. What exceeds 255 is white to readers of 8 bits."""
    rows, columns = np.mgrid[0:140, 0:180]
    waves = 200 + 190 * np.sin(rows / 14) * np.cos(columns / 17)
    return PIL.Image.fromarray(waves.astype(np.uint16))


def lettered() -> PIL.Image.Image:
    """A sign that stands upright once it is turned: it is stored lying on its side."""
    image = photograph(160, 240, seed=5)
    PIL.ImageDraw.Draw(image).text((80, 40), "PIER 4", "white", _font(30), anchor="mm")
    return image.transpose(PIL.Image.Transpose.ROTATE_90)


def printed() -> PIL.Image.Image:
    """Four inks."""
    rows, columns = np.mgrid[0:120, 0:200]
    inks = [columns * 1.27, rows * 2.1, 255 - columns * 1.27, 90 * np.hypot(rows - 60, columns - 100) / 116]
    return PIL.Image.fromarray(np.stack(inks, axis=-1).astype(np.uint8), mode="CMYK")


def tiny() -> PIL.Image.Image:
    """Smaller than any patch."""
    colours = [[(255, 0, 0), (0, 255, 0), (0, 0, 255)], [(0, 0, 0), (255, 255, 255), (128, 128, 128)]]
    return PIL.Image.fromarray(np.array(colours, dtype=np.uint8))


_TURNED = PIL.Image.Exif()
_TURNED[0x0112] = 6  # turn it by 90 degrees, clockwise

_Drawn = tuple[Callable[[], PIL.Image.Image], dict[str, Any]]

PICTURES: dict[str, _Drawn] = {
    "page.png": (page, {"optimize": True}),
    "scan.png": (scan, {"optimize": True}),
    "slide.png": (slide, {"optimize": True}),
    "diagram.png": (diagram, {"optimize": True}),
    "table.png": (table, {"optimize": True}),
    "photograph.jpg": (photograph, {"quality": 80}),
    "wide.png": (lambda: strip(600, 12), {}),
    "tall.png": (lambda: strip(9, 400), {}),
    "transparent.png": (seal, {"optimize": True}),
    "palette.png": (badge, {"optimize": True}),
    "animation.gif": (lambda: frames()[0], {"save_all": True, "append_images": frames()[1:], "duration": 200}),
    "rotated.jpg": (lettered, {"quality": 85, "exif": _TURNED, "progressive": True}),
    "grey16.png": (deep_grey, {"optimize": True}),
    "cmyk.jpg": (printed, {"quality": 85}),
    "photograph.webp": (lambda: photograph(300, 360, seed=7), {"quality": 75, "method": 6}),
    "tiny.png": (tiny, {}),
}
"""How each file is drawn, and Pillow's options for saving it."""


def _font(size: float) -> PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont:
    return PIL.ImageFont.load_default(size)


def _lines(text: str, width: int, font: PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont) -> list[str]:
    """The text in lines of at most `width` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


if __name__ == "__main__":
    main()
