import base64

import pytest

from engine import InvalidInput, data_url_bytes
from engine.images.data_urls import base64_bytes

BYTES = bytes(range(256))
TEXT = base64.b64encode(BYTES).decode()


@pytest.mark.parametrize(
    "head",
    [
        "data:image/png;base64",
        "DATA:image/png;BASE64",
        "data:;base64",
        "data:text/html;base64",
        "data:image/png;charset=utf-8;name=a.png;base64",
        "data:image/svg+xml ;base64 ",
    ],
)
def test_the_bytes_of_a_data_url(head: str) -> None:
    assert data_url_bytes(f"{head},{TEXT}") == BYTES


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("data:", "The data URL has no comma: write data:image/png;base64, and the image in base64 after it."),
        (f"data:image/png;base64{TEXT}", "The data URL has no comma"),
        (f"data:image/png,{TEXT}", "The data URL is not in base64: write ;base64 before its comma."),
        (f"data:base64,{TEXT}", "The data URL is not in base64"),
        (f"data:image/png;base64;charset=utf-8,{TEXT}", "The data URL is not in base64"),
        (f"data:image/png;base32,{TEXT}", "The data URL is not in base64"),
        (f"data:image/png;base64,{TEXT},{TEXT}", "The image's base64 cannot be read"),
    ],
)
def test_data_urls_that_are_refused(url: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        data_url_bytes(url)
    assert str(raised.value).startswith(sentence)
    assert TEXT not in str(raised.value)


@pytest.mark.parametrize(
    "text", ["iVBOR", "iVBORw0=KGg=", "iVBO\nRw0K", "iVBO Rw0K", "iVBO-w_K", "iVBOR*0K", "%2B%2B", "é", "\ud800"]
)
def test_base64_is_strict(text: str) -> None:
    with pytest.raises(InvalidInput, match="The image's base64 cannot be read: write A-Z"):
        base64_bytes(text)


def test_nothing_is_no_fault_of_base64() -> None:
    assert base64_bytes("") == data_url_bytes("data:;base64,") == b""
