"""Draws the pages of a PDF as pictures, where pypdfium2 is installed."""

import math
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidDocuments, InvalidInput
from ..extras import install
from ..images.image import Image

if TYPE_CHECKING:  # an extra of its own
    from pypdfium2 import PdfDocument

LONG_EDGE = 1600
"""A page's longer side in pixels, whatever its size on paper: no page is too large then, and none too coarse. A4 is of
1.8 million pixels, 137 dots an inch; models of pages look at 0.6 (ColQwen2) to 1.84 million (Qwen3-VL-Embedding)."""

_PAGES_AT_A_TIME = 16
"""PDFium keeps what it has read of a file until that is closed: it is opened anew after so many pages. A choice."""

_ENCRYPTED = (4, 5)
"""PDFium's errors of a password and of an unknown encryption (`FPDF_ERR_PASSWORD`, `FPDF_ERR_SECURITY`)."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page, by its number from 0, of an open PDF, which is closed when nothing holds it any more."""

    pdf: "PdfDocument"
    number: int

    def size(self) -> tuple[int, int]:
        """Its height and width in pixels, rounded up as pypdfium2 does. Raises `InvalidInput`."""
        from pypdfium2 import PdfiumError

        try:
            width, height = self.pdf.get_page_size(self.number)
        except PdfiumError:
            raise _damaged() from None
        scale = LONG_EDGE / max(height, width)
        return math.ceil(height * scale), math.ceil(width * scale)

    def image(self) -> Image:
        """Draw it on white, with what is filled into its forms. Raises `InvalidInput`."""
        from pypdfium2 import PdfiumError

        try:
            page = self.pdf[self.number]
        except PdfiumError:
            raise _damaged() from None
        scale = LONG_EDGE / max(page.get_size())
        with closing(page), closing(page.render(scale=scale, rev_byteorder=True)) as bitmap:
            return Image(bitmap.to_numpy())


def read_pages(path: Path) -> Iterator[Page]:
    """The pages of a PDF. Raises `InvalidDocuments` where it cannot be read."""
    count = len(_opened(path))
    for start in range(0, count, _PAGES_AT_A_TIME):
        pdf = _opened(path)
        for number in range(start, min(start + _PAGES_AT_A_TIME, count)):
            yield Page(pdf, number)


def _opened(path: Path) -> "PdfDocument":
    try:
        from pypdfium2 import PdfDocument
        from pypdfium2.raw import FPDF_GetLastError, FPDF_LoadDocument
    except ImportError:
        raise InvalidDocuments(f"{path} is a PDF: run `{install('pdf')}`, or save its pages as pictures.") from None
    try:
        with path.open("rb"):  # PDFium does not say why it cannot
            pass
    except OSError as error:
        raise InvalidDocuments(f"{path} cannot be read: {error.strerror or error}.") from None
    # Not by `PdfDocument`, which takes a PDF without pages for one that failed with whatever error was the last.
    opened = FPDF_LoadDocument(os.fsencode(path), None)
    if not opened:
        if FPDF_GetLastError() in _ENCRYPTED:
            raise InvalidDocuments(f"{path} is encrypted: save it without its password.")
        raise InvalidDocuments(f"{path} is no PDF, or a damaged one: save it anew.")
    pdf = PdfDocument(opened)
    pdf.init_forms()
    if not len(pdf):
        raise InvalidDocuments(f"{path} is a PDF without pages: leave it out.")
    return pdf


def _damaged() -> InvalidInput:
    return InvalidInput("The page is damaged: save the PDF anew.")
