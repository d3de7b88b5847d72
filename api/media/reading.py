"""Reads the images of requests: bytes by their URLs, decoded within limits."""

import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from engine import Image, InvalidInput, Job, data_url_bytes, decode_image

from ..errors import TooManyImages
from ..settings.errors import SettingsError
from .files import Files
from .held import HeldPixels, Holding
from .refusals import not_fetched, not_read, unknown_scheme
from .settings import MediaSettings
from .slots import Slots

if TYPE_CHECKING:  # httpx takes 0.1 s to import, and most servers fetch nothing
    from .fetching import Fetcher

_SCHEME = re.compile(r"([a-z]+):", re.IGNORECASE)


class Media:
    """Reads images for one server; any number of threads may ask."""

    def __init__(self, settings: MediaSettings, fetcher: "Fetcher | None" = None) -> None:
        """`fetcher` is None for one as the settings say. Raises `SettingsError` for settings that cannot be used."""
        self.settings = settings
        self.held = HeldPixels(settings.max_held_pixels)
        limits = settings.limits
        self._fetcher = fetcher or _fetcher(settings)
        self._files = None if settings.allowed_path is None else Files(settings.allowed_path, limits.max_bytes)
        self._decodes = Slots(settings.max_concurrent_decodes)
        self.threads = ThreadPoolExecutor(
            settings.max_concurrent_fetches + settings.max_concurrent_decodes, thread_name_prefix="scorert-images"
        )

    def of(self, job: Job) -> "RequestMedia":
        """The images of one request, to be closed when it is answered."""
        return RequestMedia(self, job)

    def data(self, url: str, job: Job) -> bytes:
        """What a URL names. Raises `InvalidInput`, and the job's own errors."""
        scheme = _SCHEME.match(url)
        match scheme and scheme[1].lower():
            case "data":
                return data_url_bytes(url)
            case "http" | "https":
                if self._fetcher is None:
                    raise not_fetched(self.settings.fetch_timeout)
                return self._fetcher.fetch(url, job)
            case "file":
                if self._files is None:
                    raise not_read()
                return self._files.read(url)
            case _:
                raise unknown_scheme()

    def image(self, data: bytes, job: Job, holding: Holding) -> Image:
        """Decode a file once others are decoded, and hold what it becomes.

        Raises `InvalidInput`, `ImagesFull` and the job's own errors.
        """
        with self._decodes.taken(job):
            image = decode_image(data, self.settings.limits)
            holding.add(image)
        return image

    def close(self) -> None:
        """Close the connections that are kept, once no request is being answered."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        if self._fetcher is not None:
            self._fetcher.close()


class RequestMedia:
    """Reads the images of one request, and counts them."""

    def __init__(self, media: Media, job: Job) -> None:
        self._media = media
        self._job = job
        self._holding = Holding(media.held)
        self._images = 0
        self._lock = threading.Lock()

    def read_all(self, urls: Sequence[str]) -> list[Image]:
        """The images at `data:`, `http:`, `https:` or `file:` URLs, some of them at a time; equal URLs are read once.

        Raises `InvalidInput`, in one sentence, where one is not allowed, not there or no image, and says which of them
        it is; `TooManyImages` and `ImagesFull`; and the errors of the request's job, which waits while others fetch and
        decode.
        """
        self._count(len(urls))
        if len(urls) == 1:
            return [self._read(urls[0])]
        reading = {url: self._media.threads.submit(self._read, url) for url in dict.fromkeys(urls)}
        try:
            images = {}
            for url, future in reading.items():
                try:
                    images[url] = future.result(self._job.remaining())
                except InvalidInput as error:
                    place = f"Image {urls.index(url) + 1} of {len(urls)}"
                    raise InvalidInput(f"{place}: {error}", error.parameter) from None
        except TimeoutError:
            raise self._job.late() from None
        finally:
            for future in reading.values():
                future.cancel()
        return [images[url] for url in urls]

    def close(self) -> None:
        """Let others hold as many pixels as this request did."""
        self._holding.release()

    def _read(self, url: str) -> Image:
        return self._media.image(self._media.data(url, self._job), self._job, self._holding)

    def _count(self, images: int) -> None:
        with self._lock:
            self._images += images
            if self._images > self._media.settings.max_images:
                raise TooManyImages(self._media.settings.max_images)


def _fetcher(settings: MediaSettings) -> "Fetcher | None":
    if not settings.allowed_domains:
        return None
    from .fetching import Fetcher

    try:
        return Fetcher(settings)
    except ValueError as error:
        raise SettingsError(f"--allowed-media-domain: {error}.") from None
