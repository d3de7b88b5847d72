"""PDFs become pictures of their pages; what cannot be one is one sentence."""

import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from engine import InvalidDocuments, InvalidInput
from engine.bulk.pages import LONG_EDGE, read_pages
from tests.engine.bulk.pdfs import encrypted, pdf, save_pictures

RED, GREEN, BLUE, WHITE = (200, 20, 20), (20, 150, 30), (10, 20, 220), (255, 255, 255)


def quadrants(width: int, height: int) -> PIL.Image.Image:
    """Red and green above blue and white."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = RED, GREEN
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = BLUE, WHITE
    return PIL.Image.fromarray(pixels)


@pytest.mark.parametrize(("width", "height"), [(850, 1100), (1920, 1080), (40, 30)])
def test_a_page_is_drawn_upright_in_its_colours(tmp_path: Path, width: int, height: int) -> None:
    (page,) = read_pages(save_pictures(tmp_path / "a.pdf", quadrants(width, height)))
    image = page.image()
    assert (image.height, image.width) == page.size()
    assert max(page.size()) == LONG_EDGE
    assert image.height / image.width == pytest.approx(height / width, rel=2e-3)
    rows, columns = image.height // 4, image.width // 4
    middles = image.pixels[rows :: 2 * rows, columns :: 2 * columns][:2, :2].reshape(4, 3).astype(int)
    # Pillow saves them as JPEG.
    np.testing.assert_allclose(middles, [RED, GREEN, BLUE, WHITE], atol=16)


def test_pages_of_every_size_are_bounded(tmp_path: Path) -> None:
    boxes = ["[0 0 200 100]", "[0 0 14400 14400]", "[0 0 1 9000]", "[0 0 0 0]", "[10 10 8.5 7]"]
    (tmp_path / "a.pdf").write_bytes(pdf([*(f"/MediaBox {box}" for box in boxes), "/MediaBox [0 0 9 3] /Rotate 90"]))
    pages = list(read_pages(tmp_path / "a.pdf"))
    assert [page.size() for page in pages][:3] == [(800, 1600), (1600, 1600), (1600, 1)]
    assert pages[-1].size() == (1600, 534)
    for page in pages:
        assert max(page.size()) == LONG_EDGE
        assert page.image().pixels.shape == (*page.size(), 3)


def test_what_is_filled_into_a_form_is_drawn(tmp_path: Path) -> None:
    field = "<< /Type /Annot /Subtype /Widget /FT /Tx /T (a) /Rect [0 0 50 100] /F 4 /MK << /BG [1 0 0] >> >>"
    catalog = "/Type /Catalog /AcroForm << /Fields [4 0 R] /NeedAppearances true >>"
    (tmp_path / "a.pdf").write_bytes(pdf(["/MediaBox [0 0 100 100] /Annots [4 0 R]"], "", field, catalog=catalog))
    (page,) = read_pages(tmp_path / "a.pdf")
    pixels = page.image().pixels
    assert pixels[800, 400].tolist() == [255, 0, 0]
    assert pixels[800, 1200].tolist() == [255, 255, 255]


def test_a_long_pdf_is_opened_anew_now_and_then(tmp_path: Path) -> None:
    """PDFium keeps what it has read of an open one."""
    (tmp_path / "a.pdf").write_bytes(pdf([f"/MediaBox [0 0 {100 + number} 100]" for number in range(40)]))
    pages = list(read_pages(tmp_path / "a.pdf"))
    assert [page.size()[0] for page in pages] == [-(-100 * 1600 // (100 + number)) for number in range(40)]
    assert len({id(page.pdf) for page in pages}) == 3


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (encrypted(), "{file} is encrypted: save it without its password."),
        (encrypted("Unheard"), "{file} is encrypted: save it without its password."),
        (b"", "{file} is no PDF, or a damaged one: save it anew."),
        (b"\x89PNG", "{file} is no PDF, or a damaged one: save it anew."),
        (pdf(["/MediaBox [0 0 9 9]"])[:60], "{file} is no PDF, or a damaged one: save it anew."),
        (pdf([]), "{file} is a PDF without pages: leave it out."),
        (None, "{file} cannot be read: No such file or directory."),
    ],
)
def test_what_is_no_pdf_is_one_sentence(tmp_path: Path, data: bytes | None, sentence: str) -> None:
    file = tmp_path / "a.pdf"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(InvalidDocuments) as refused:
        next(read_pages(file))
    assert str(refused.value) == sentence.format(file=file)


def test_a_page_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    pages = pdf(["/MediaBox [0 0 9 9]", "/MediaBox [0 0 9 9]"]).replace(b"[3 0 R 4 0 R]", b"[3 0 R 9 0 R]")
    (tmp_path / "a.pdf").write_bytes(pages)
    first, second = read_pages(tmp_path / "a.pdf")
    assert first.image().height == LONG_EDGE
    for ask in (second.size, second.image):
        with pytest.raises(InvalidInput, match=r"^The page is damaged: save the PDF anew\.$"):
            ask()


def test_without_pypdfium2_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(InvalidDocuments, match=r"a\.pdf is a PDF: run `pip install .*`, or save its pages as"):
        next(read_pages(save_pictures(tmp_path / "a.pdf", quadrants(20, 20))))
