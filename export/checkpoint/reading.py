"""Reads a checkpoint's files, and names those that are not what their names say."""

import json
from pathlib import Path
from typing import Any

from ..errors import ExportError, one_line
from .settings import Settings

_POINTER = b"version https://git-lfs"
_PAGE = (b"<!doctype html", b"<html", b"<?xml")


def is_there(path: Path) -> bool:
    """Whether there is a file of that name.

    Raises `ExportError` for one that cannot be read, and for what a download or a copy left in its place.
    """
    try:
        if not path.exists():
            if path.is_symlink():
                raise ExportError(f"{path} is a link to a file that is not there: fetch it again.")
            return False
        if not path.is_file():
            raise ExportError(f"{path} is no file: put the checkpoint's own in its place.")
        with path.open("rb") as file:
            start = file.read(256).lstrip()
    except OSError as error:
        raise ExportError(f"{path} cannot be read ({error.strerror}): change that, or copy it again.") from None
    if not start:
        raise ExportError(f"{path} is empty: fetch it again.")
    if start.startswith(_POINTER):
        raise ExportError(f"{path} is a pointer of Git LFS and not the file itself: fetch it with `git lfs pull`.")
    if start.lower().startswith(_PAGE):
        raise ExportError(f"{path} is a web page, which was saved in its place: fetch it again.")
    return True


def read_text(path: Path) -> str | None:
    """The file's content, or None if there is no such file. Raises `ExportError` as `is_there`, and for no UTF-8."""
    if not is_there(path):
        return None
    try:
        return path.read_text(encoding="utf-8-sig")
    except ValueError as error:
        raise ExportError(f"{path} is not in UTF-8 ({error}): save it as that, or fetch it again.") from None


def read_json(path: Path) -> Any:
    """The file's content, or None if there is no such file. Raises `ExportError` for what is not JSON, or null."""
    text = read_text(path)
    if text is None:
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path} is not valid JSON ({one_line(error)}): fetch it again.") from None
    if content is None:
        raise ExportError(f"{path} says null and nothing else: fetch it again.")
    return content


def read_object(path: Path) -> Settings | None:
    """As `read_json`. Raises `ExportError` for JSON that is no object, too."""
    content = read_json(path)
    if content is None:
        return None
    if not isinstance(content, dict):
        raise ExportError(f"{path} is no JSON object, as its checkpoint's files are: fetch it again.")
    return Settings(content, path)
