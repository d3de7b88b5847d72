"""Makes PDFs: whole ones by hand, and of pictures with Pillow."""

from collections.abc import Sequence
from pathlib import Path

import PIL.Image


def pdf(pages: Sequence[str], trailer: str = "", *more: str, catalog: str = "/Type /Catalog") -> bytes:
    """A PDF of page objects, such as "/MediaBox [0 0 200 100]", numbered from 3, with what follows them."""
    kids = " ".join(f"{number} 0 R" for number in range(3, 3 + len(pages)))
    objects = [
        f"<< {catalog} /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        *(f"<< /Type /Page /Parent 2 0 R {page} >>" for page in pages),
        *more,
    ]
    data, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\n"
    return data + f"{end}startxref\n{len(data)}\n%%EOF\n".encode()


def encrypted(handler: str = "Standard") -> bytes:
    """A PDF whose password nobody knows."""
    unknown = "00" * 32
    encryption = f"/Encrypt << /Filter /{handler} /V 1 /R 2 /O <{unknown}> /U <{unknown}> /P -4 >>"
    return pdf(["/MediaBox [0 0 200 100]"], f"{encryption} /ID [<00> <00>]")


def save_pictures(path: Path, *pictures: PIL.Image.Image) -> Path:
    """A PDF with a picture a page, each as large as its page."""
    first, *others = pictures
    first.save(path, save_all=True, append_images=others)
    return path
