"""Bounds the memory of decoded images that the requests being answered hold together."""

import threading

from engine import Image, InvalidInput

from ..errors import ImagesFull


class HeldPixels:
    """Counts the pixels of all requests."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0
        self._lock = threading.Lock()

    def add(self, pixels: int) -> None:
        """Count them in. Raises `ImagesFull`."""
        with self._lock:
            if self.held + pixels > self.most:
                raise ImagesFull(self.most)
            self.held += pixels

    def remove(self, pixels: int) -> None:
        """Count them out."""
        with self._lock:
            self.held -= pixels


class Holding:
    """What one request holds of them; any of its threads may add to it, until it is released."""

    def __init__(self, held: HeldPixels) -> None:
        self._all = held
        self._own = 0
        self._released = False
        self._lock = threading.Lock()

    def add(self, image: Image) -> None:
        """Hold an image. Raises `InvalidInput` where the request alone has too many pixels, and `ImagesFull`."""
        pixels = image.height * image.width
        with self._lock:
            if self._released:
                return
            if self._own + pixels > self._all.most:
                raise InvalidInput(
                    f"The images have more than {self._all.most:,} pixels together, the most that the server holds: "
                    "send fewer or smaller ones at a time."
                )
            self._all.add(pixels)
            self._own += pixels

    def release(self) -> None:
        """Hold nothing, whatever is still added."""
        with self._lock:
            self._released = True
            self._all.remove(self._own)
            self._own = 0
