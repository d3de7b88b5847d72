import os
from contextlib import suppress
from pathlib import Path

import pytest

from api.media.files import Files
from api.settings.errors import SettingsError
from engine import InvalidInput

SECRET = b"secret"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of images beside a secret."""
    images = tmp_path / "images"
    (images / "deep" / "er").mkdir(parents=True)
    (images / "a.png").write_bytes(b"a")
    (images / "a b%é.png").write_bytes(b"b")
    (images / "deep" / "er" / "c.png").write_bytes(b"c")
    (images / "empty.png").write_bytes(b"")
    (images / "large.png").write_bytes(b"1" * 101)
    (images / "just.png").write_bytes(b"1" * 100)
    (images / "link.png").symlink_to("deep/er/c.png")
    (images / "way").symlink_to("deep/er")
    (images / "out.png").symlink_to(tmp_path / "secret.png")
    (images / "up").symlink_to(tmp_path)
    (images / "circle").symlink_to("circle")
    os.mkfifo(images / "pipe")
    (tmp_path / "secret.png").write_bytes(SECRET)
    (tmp_path / "images-too").mkdir()
    (tmp_path / "images-too" / "secret.png").write_bytes(SECRET)
    return images


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("a.png", b"a"),
        ("a%20b%25%C3%A9.png", b"b"),
        ("deep/er/c.png", b"c"),
        ("deep/../a.png", b"a"),
        ("deep/%2e%2e/a.png", b"a"),
        ("../images/a.png", b"a"),
        ("link.png", b"c"),
        ("way/c.png", b"c"),
        ("empty.png", b""),
        ("just.png", b"1" * 100),
    ],
)
@pytest.mark.parametrize("scheme", ["file://", "FILE://localhost", "file://LOCALHOST"])
def test_files_of_the_folder(folder: Path, scheme: str, path: str, data: bytes) -> None:
    assert Files(folder, 100).read(f"{scheme}{folder}/{path}") == data


def test_the_folder_may_be_a_link(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert Files(link, 100).read(f"file://{link}/a.png") == b"a"
    assert Files(link, 100).read(f"file://{folder}/a.png") == b"a"


REFUSED = [
    "../secret.png",
    "%2e%2e/secret.png",
    "..%2fsecret.png",
    "deep/../../secret.png",
    "../images-too/secret.png",
    "out.png",
    "up/secret.png",
    "circle",
    "none.png",
    "a.png/x",
    "a.png%00",
    "%00",
    "deep",
    "",
    "pipe",
    "a.png?x",
    "a.png#x",
    "x" * 5000,
    "\ud800.png",
]


@pytest.mark.parametrize("path", REFUSED)
def test_everything_else_is_refused_in_the_same_words(folder: Path, path: str) -> None:
    assert refusal(Files(folder, 100), f"file://{folder}/{path}") == refusal(Files(folder, 100), "file:///etc/passwd")


@pytest.mark.parametrize(
    "url",
    [
        "file:{folder}/a.png",
        "file:/{folder}/a.png",
        "file://server{folder}/a.png",
        "file://127.0.0.1{folder}/a.png",
        "file://localhost@server{folder}/a.png",
        "file://a.png",
        "file:///dev/zero",
        "file:///proc/self/environ",
        "file:////etc/passwd",
        "file:",
    ],
)
def test_urls_that_name_no_file_of_the_folder(folder: Path, url: str) -> None:
    assert refusal(Files(folder, 100), url.format(folder=folder)) == refusal(Files(folder, 100), "file:///none")


@pytest.mark.parametrize("path", ["a.png", "large.png", "deep", "", "pipe", "gone.png", "out.png", "deep/gone/c.png"])
def test_nothing_stays_open(folder: Path, path: str) -> None:
    files, before = Files(folder, 100), os.listdir("/proc/self/fd")
    for _ in range(3):
        with suppress(InvalidInput):
            files.read(f"file://{folder}/{path}")
    assert os.listdir("/proc/self/fd") == before


def test_a_file_is_not_read_beyond_its_limit(folder: Path) -> None:
    sentence = "The image at this URL has more than 100 bytes, the most that are accepted: use a smaller one."
    assert refusal(Files(folder, 100), f"file://{folder}/large.png") == sentence


def test_a_link_that_takes_a_folders_place_is_not_followed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if `deep` became a link between the look at the path and the opening."""
    real = folder / "deep" / "er" / "c.png"
    (folder.parent / "er").mkdir()
    (folder.parent / "er" / "c.png").write_bytes(SECRET)
    files = Files(folder, 100)
    resolve = os.path.realpath

    def swap(path: str, **how: bool) -> str:
        found = resolve(path, **how)
        (folder / "deep").rename(folder / "was")
        (folder / "deep").symlink_to(folder.parent)
        return found

    monkeypatch.setattr(os.path, "realpath", swap)
    assert "could not be read" in refusal(files, f"file://{real}")
    monkeypatch.undo()
    assert real.read_bytes() == SECRET, "the link does lead there"


def test_a_folder_that_is_none(folder: Path) -> None:
    for none in (folder / "none", folder / "a.png"):
        with pytest.raises(SettingsError, match=rf"^--allowed-media-path {none} is not a folder\.$"):
            Files(none, 100)


def refusal(files: Files, url: str) -> str:
    with pytest.raises(InvalidInput) as raised:
        files.read(url)
    return str(raised.value)
