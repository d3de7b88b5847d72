"""Draws the pages of a PDF as pictures, where pypdfium2 is installed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidDocuments, InvalidInput
from ..images.image import Image

if TYPE_CHECKING:  # an extra of its own
    from pypdfium2 import PdfDocument

LONG_EDGE = 1600
"""A page's longer side in pixels, whatever its size on paper, so that no page is too large and none too coarse: A4 has
1.8 million then, at 137 dots an inch. Of the models of the families that read pages none looks at more (ColQwen2 and
jina-m0 at 0.6, Qwen3-VL's embedder at 1.84 million)."""

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
        """Its height and width in pixels. Raises `InvalidInput`."""
        height, width, _ = self._measured()
        return height, width

    def image(self) -> Image:
        """Draw it on white, with what is filled into its forms. Raises `InvalidInput`."""
        from pypdfium2 import PdfiumError

        _, _, scale = self._measured()
        try:
            page = self.pdf[self.number]
        except PdfiumError:
            raise _damaged() from None
        try:
            bitmap = page.render(scale=scale, rev_byteorder=True)
            try:
                return Image(bitmap.to_numpy())
            finally:
                bitmap.close()
        finally:
            page.close()

    def _measured(self) -> tuple[int, int, float]:
        """Its height and width in pixels, rounded up as pypdfium2 does, and the pixels in a 72nd of an inch."""
        from pypdfium2 import PdfiumError

        try:
            width, height = self.pdf.get_page_size(self.number)
        except PdfiumError:
            raise _damaged() from None
        scale = LONG_EDGE / max(height, width)
        return math.ceil(height * scale), math.ceil(width * scale), scale


def read_pages(path: Path) -> Iterator[Page]:
    """The pages of a PDF. Raises `InvalidDocuments` where it cannot be read."""
    count = len(_opened(path))
    for start in range(0, count, _PAGES_AT_A_TIME):
        pdf = _opened(path)
        for number in range(start, min(start + _PAGES_AT_A_TIME, count)):
            yield Page(pdf, number)


def _opened(path: Path) -> "PdfDocument":
    try:
        from pypdfium2 import PdfDocument, PdfiumError
    except ImportError:
        raise InvalidDocuments(f"{path} is a PDF: install scorert[pdf], or save its pages as pictures.") from None
    try:
        with path.open("rb"):  # PDFium does not say why it cannot
            pass
        pdf = PdfDocument(path.absolute())
    except OSError as error:
        raise InvalidDocuments(f"{path} cannot be read: {error.strerror or error}.") from None
    except PdfiumError as error:
        if error.err_code in _ENCRYPTED:
            raise InvalidDocuments(f"{path} is encrypted: save it without its password.") from None
        if not error.err_code:
            raise InvalidDocuments(f"{path} is a PDF without pages: leave it out.") from None
        raise InvalidDocuments(f"{path} is no PDF, or a damaged one: save it anew.") from None
    pdf.init_forms()
    return pdf


def _damaged() -> InvalidInput:
    return InvalidInput("The page is damaged: save the PDF anew.")
