"""Reads files that `file:` URLs name, of one folder alone."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote_to_bytes

from ..settings.errors import SettingsError
from .refusals import not_read, too_large

_URL = re.compile(r"file://(?:localhost)?(/[^?#]*)", re.IGNORECASE)

# A pipe is opened without waiting for its other end, and a link that took a file's place since is not followed.
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class Files:
    """The files below a folder. Links are followed as far as they stay in it."""

    def __init__(self, folder: str | Path, max_bytes: int) -> None:
        """Raises `SettingsError` where there is no such folder."""
        self._root = os.path.realpath(folder)
        self._max_bytes = max_bytes
        if not os.path.isdir(self._root):
            raise SettingsError(f"--allowed-media-path {folder} is not a folder.")

    def read(self, url: str) -> bytes:
        """The bytes of a file. Raises `InvalidInput`, in the same words for what is outside and what is not there."""
        match = _URL.fullmatch(url)
        if match is None:
            raise not_read()
        try:
            with self._opened(os.fsdecode(unquote_to_bytes(match[1]))) as file:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise not_read()
                # Unlike `os.fdopen` this takes a folder's number, too, and leaves closing it to whoever opened it.
                with open(file, "rb", closefd=False) as opened:
                    data = opened.read(self._max_bytes + 1)
        except (OSError, ValueError):  # the second is of NUL and of letters that no encoding has
            raise not_read() from None
        if len(data) > self._max_bytes:
            raise too_large(self._max_bytes)
        return data

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        """Open a file by its real path, folder by folder from the root: none may have become a link meanwhile."""
        real = os.path.realpath(path, strict=True)
        if os.path.commonpath([self._root, real]) != self._root:
            raise FileNotFoundError
        *folders, name = os.path.relpath(real, self._root).split(os.sep)
        at = os.open(self._root, _OPEN | os.O_DIRECTORY)
        try:
            for step, kind in [*((folder, os.O_DIRECTORY) for folder in folders), (name, 0)]:
                below = os.open(step, _OPEN | kind, dir_fd=at)
                os.close(at)
                at = below
            yield at
        finally:
            os.close(at)
