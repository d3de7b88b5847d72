"""Images of requests, from URLs to pixels."""

import base64
import socket
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from struct import pack

import numpy as np
import pytest

from api.errors import ImagesFull, TooManyImages, client_error
from api.media.reading import Media
from api.media.settings import MediaSettings
from api.settings.errors import SettingsError
from engine import DeadlineExceeded, Image, ImageLimits, InvalidInput, Job
from tests.engine.images.pictures import picture, saved

from .sites import PICTURE, PNG, Fetching, Site, response

WANTED = Image(np.asarray(PICTURE))


def data_url(file: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(file).decode()}"


def refusal(url: str, media: Media | None = None) -> str:
    with pytest.raises(InvalidInput) as raised:
        (media or Media(MediaSettings())).of(Job(timeout=20)).read_all([url])
    error = client_error(raised.value)
    assert error is not None
    assert (error.code, error.type) == (400, "BadRequestError")
    return error.message


class TestSchemes:
    def test_images_in_the_request_need_no_permission(self) -> None:
        media = Media(MediaSettings()).of(Job())
        assert media.read_all([data_url(PNG)]) == [WANTED]
        assert media.read_all([data_url(PNG).replace("data:image/png", "DATA:text/plain;charset=utf-8")]) == [WANTED]

    def test_images_are_fetched_from_allowed_hosts(self) -> None:
        with Site({"/a.png": response(Content_Type="text/html")}) as site, Fetching(site) as fetching:
            media = Media(MediaSettings(allowed_domains=["images.example"]), fetching.fetcher).of(Job())
            assert media.read_all(["HTTP://images.example/a.png"]) == [WANTED]

    def test_images_are_read_from_the_allowed_folder(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(PNG)
        media = Media(MediaSettings(allowed_path=tmp_path))
        assert media.of(Job()).read_all([f"File://{tmp_path}/a.png"]) == [WANTED]
        assert "could not be read" in refusal("file:///etc/passwd", media)

    @pytest.mark.parametrize("url", ["http://images.example/a.png", "https://127.0.0.1/", "HTTP:"])
    def test_without_a_domain_nothing_is_fetched(self, url: str) -> None:
        assert refusal(url) == (
            "The image at this URL could not be fetched: its host must be one that the server's --allowed-media-domain "
            "names, and send the image within 10 s; or send the image as a data URL."
        )

    def test_without_a_folder_no_file_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(PNG)
        assert refusal(f"file://{tmp_path}/a.png") == (
            "The image at this URL could not be read: it must be a file in the folder that the server's "
            "--allowed-media-path names; or send the image as a data URL."
        )

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "a.png",
            "/etc/passwd",
            "ftp://images.example/a.png",
            "gopher://images.example/",
            "javascript:1",
            "//images.example/",
            " http://images.example/",
            "\0http://images.example/",
            "jar:file:///a!/b",
            "blob:http://images.example/1",
        ],
    )
    def test_other_schemes(self, url: str) -> None:
        assert refusal(url) == "The URL must be either a HTTP, data or file URL."


NO_IMAGE = "The image is no PNG, JPEG, WEBP, GIF, BMP or TIFF file: send one of those."


def bomb(side: int) -> bytes:
    """A PNG of `side * side` pixels in a few bytes of a header, whose data is not even there."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


FILES = {
    "nothing": (b"", "The image is empty: send the bytes of its file."),
    "html": (b"<!doctype html><title>Not found</title>", NO_IMAGE),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', NO_IMAGE),
    "json": (b'{"AccessKeyId": "secret"}', NO_IMAGE),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n(secret) run", NO_IMAGE),
    "a document, too": (PNG + b"%PDF-1.7", "The image could pass for a PDF document, too: save it as an image alone."),
    "cut short": (PNG[:100], "The image cannot be decoded: its file is damaged or cut short, so send it anew."),
    "a bomb": (bomb(100_000), "The image has more than 50,000,000 pixels, the most accepted: send a smaller one."),
}


class TestBytes:
    @pytest.mark.parametrize(("file", "sentence"), FILES.values(), ids=FILES)
    def test_what_is_no_image_is_refused_alike_wherever_it_is(self, file: bytes, sentence: str, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(file)
        settings = MediaSettings(allowed_domains=["images.example"], allowed_path=tmp_path)
        with Site({"/a.png": response(file, Content_Type="image/png")}) as site, Fetching(site) as fetching:
            media = Media(settings, fetching.fetcher)
            for url in (data_url(file), "http://images.example/a.png", f"file://{tmp_path}/a.png"):
                assert refusal(url, media) == sentence

    def test_limits_are_the_settings(self) -> None:
        frames = saved(PICTURE, "GIF", save_all=True, append_images=[picture("RGB", 8, 12, 1)])
        for limits, file, sentence in (
            (ImageLimits(max_bytes=len(PNG) - 1), PNG, "bytes"),
            (ImageLimits(max_pixels=95), PNG, "has more than 95 pixels"),
            (ImageLimits(max_frames=1), frames, "has more than 1 frames"),
            (ImageLimits(formats=("JPEG",)), PNG, "is no JPEG file"),
        ):
            assert sentence in refusal(data_url(file), Media(MediaSettings(limits=limits)))
            assert Media(MediaSettings()).of(Job()).read_all([data_url(file)])[0].width == 12


class TestCounting:
    def test_images_of_a_request(self) -> None:
        server = Media(MediaSettings(max_images=2))
        media = server.of(Job())
        media.read_all([data_url(PNG)])
        media.read_all([data_url(PNG)])
        sentence = r"^The request has more than 2 images, the most that one may have: send several\.$"
        for read in (lambda: media.read_all([data_url(PNG)]), lambda: server.of(Job()).read_all([data_url(PNG)] * 3)):
            with pytest.raises(TooManyImages, match=sentence) as raised:
                read()
            error = client_error(raised.value)
            assert error is not None
            assert (error.code, error.type, error.parameter) == (400, "BadRequestError", "image")
        assert server.of(Job()).read_all([data_url(PNG)] * 2) == [WANTED] * 2

    def test_pixels_are_held_until_a_request_is_answered(self) -> None:
        server = Media(MediaSettings(max_held_pixels=200, limits=ImageLimits(max_pixels=100)))
        first, second = server.of(Job()), server.of(Job())
        first.read_all([data_url(PNG), data_url(PNG)])
        assert server.held.held == 96
        second.read_all([data_url(PNG)])
        with pytest.raises(ImagesFull):
            second.read_all([data_url(PNG)])
        first.close()
        second.read_all([data_url(PNG)])
        with pytest.raises(InvalidInput, match="more than 200 pixels together"):
            second.read_all([data_url(PNG)])
        second.close()
        assert server.held.held == 0


def fetched(server: Media, urls: list[str]) -> list[Image]:
    return server.of(Job(timeout=20)).read_all(urls)


class TestSeveral:
    def test_they_come_in_their_order_and_equal_ones_once(self) -> None:
        files = {f"/{side}.png": response(saved(picture("RGB", side, side, 0), "PNG")) for side in range(1, 6)}
        with Site(files) as site, Fetching(site) as fetching:
            server = Media(MediaSettings(allowed_domains=["images.example"]), fetching.fetcher)
            urls = [f"http://images.example{path}" for path in files]
            assert [image.width for image in fetched(server, [*urls, data_url(PNG), *urls])] == [
                *(1, 2, 3, 4, 5, 12, 1, 2, 3, 4, 5)
            ]
            assert sorted(site.paths) == sorted(files)
            assert fetched(server, []) == []

    def test_they_are_fetched_beside_each_other(self) -> None:
        together = threading.Barrier(4)

        def talk(connection: socket.socket) -> None:
            together.wait(10)
            connection.sendall(response())

        answers = {f"/{number}": talk for number in range(4)}
        with Site(answers) as site, Fetching(site) as fetching:
            server = Media(MediaSettings(allowed_domains=["images.example"]), fetching.fetcher)
            assert fetched(server, [f"http://images.example{path}" for path in answers]) == [WANTED] * 4

    def test_one_that_fails_fails_all(self) -> None:
        with Site({"/a.png": response(), "/b.png": response(status="404 None")}) as site, Fetching(site) as fetching:
            server = Media(MediaSettings(allowed_domains=["images.example"]), fetching.fetcher)
            with pytest.raises(InvalidInput, match="could not be fetched"):
                fetched(server, ["http://images.example/a.png", "http://images.example/b.png"])

    def test_the_one_that_fails_is_named(self) -> None:
        good, bad = data_url(PNG), data_url(b"hello")
        for urls, place in (([good, bad, good], "Image 2 of 3"), ([good, good, "a.png"], "Image 3 of 3")):
            with pytest.raises(InvalidInput, match=rf"^{place}: The [^:]+"):
                fetched(Media(MediaSettings()), urls)
        with pytest.raises(InvalidInput, match=r"^The image is no PNG, .*\."):
            fetched(Media(MediaSettings()), [bad])

    def test_they_take_no_longer_than_their_request_may(self) -> None:
        """All threads are busy with another's, which hang."""
        leave = threading.Event()
        few = {"max_concurrent_fetches": 1, "max_concurrent_decodes": 1, "fetch_timeout": 20}
        settings = MediaSettings(allowed_domains=["images.example"], **few)
        urls = [f"http://images.example/a#{number}" for number in range(3)]

        def hang(connection: socket.socket) -> None:
            leave.wait(20)

        def fail() -> None:
            with pytest.raises(InvalidInput):
                fetched(server, urls)

        with Site({"/a": hang}) as site, Fetching(site, **few) as fetching:
            server = Media(settings, fetching.fetcher)
            other = threading.Thread(target=fail)
            other.start()
            while not site.paths:
                time.sleep(0.01)
            began = time.monotonic()
            with pytest.raises(DeadlineExceeded):
                server.of(Job(timeout=0.3)).read_all([data_url(PNG), data_url(PNG + b"\0")])
            assert time.monotonic() - began < 2
            leave.set()
            other.join()


def test_so_many_are_decoded_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import api.media.reading as reading

    going, most, lock, real = 0, 0, threading.Lock(), reading.decode_image

    def watched(data: bytes, limits: ImageLimits) -> Image:
        nonlocal going, most
        with lock:
            going += 1
            most = max(most, going)
        time.sleep(0.02)
        try:
            return real(data, limits)
        finally:
            with lock:
                going -= 1

    monkeypatch.setattr(reading, "decode_image", watched)
    files = [saved(picture("RGB", 4, 4, seed), "PNG") for seed in range(12)]
    fetched(Media(MediaSettings(max_concurrent_decodes=2)), [data_url(file) for file in files])
    assert most == 2


@pytest.mark.parametrize("domain", ["*", "https://images.example", "127.0.0.1"])
def test_domains_that_are_none(domain: str) -> None:
    with pytest.raises(SettingsError, match=r"^--allowed-media-domain: '.+' is not a host's name .+\.$"):
        Media(MediaSettings(allowed_domains=[domain]))


def test_an_image_must_fit_in_what_is_held() -> None:
    with pytest.raises(SettingsError, match="--max-held-pixels is 9 and --max-image-pixels is 10: raise the first"):
        MediaSettings(max_held_pixels=9, limits=ImageLimits(max_pixels=10))


def test_a_server_that_fetches_nothing_does_not_import_httpx() -> None:
    code = "import sys, api.app; from api.media.reading import Media; from api.media.settings import MediaSettings; "
    code += "Media(MediaSettings()); assert not {'httpx', 'httpcore', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
