"""Holds where images may come from, and what they may cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine import ImageLimits

from ..settings.errors import SettingsError


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """What images of requests may be.

    Images in `data:` URLs and in base64 are always read; nothing else is until it is allowed here. Raises
    `SettingsError` where one image could never be held.
    """

    allowed_domains: Sequence[str] = ()
    """Hosts that images are fetched from: each name exactly, without the names below it."""
    allowed_path: str | Path | None = None
    """A folder whose files `file:` URLs may name; None for no files."""
    limits: ImageLimits = field(default_factory=ImageLimits)
    """Those of each image."""
    max_images: int = 100
    """Those of a request."""
    max_held_pixels: int = 1_000_000_000
    """Of the decoded images of all requests that are being answered; each takes 3 bytes."""
    fetch_timeout: float = 10.0
    """Seconds from the resolving of a name to the last byte of an image, redirects included."""
    max_concurrent_fetches: int = 16
    max_concurrent_decodes: int = 4
    """While it is decoded a pixel takes up to 16 bytes."""

    def __post_init__(self) -> None:
        if self.max_held_pixels < self.limits.max_pixels:
            raise SettingsError(
                f"--max-held-pixels is {self.max_held_pixels:,} and --max-image-pixels is {self.limits.max_pixels:,}: "
                "raise the first or lower the second, since an image must fit in what is held."
            )
