"""Reads a checkpoint's JSON files."""

import json
from pathlib import Path
from typing import Any

from ..errors import ExportError


def read_json(path: Path) -> Any:
    """The file's content, or None if there is no such file. Raises `ExportError` for what is not JSON."""
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path} is not valid JSON ({error}): fetch it again.") from None


def read_object(path: Path) -> dict[str, Any] | None:
    """As `read_json`. Raises `ExportError` for JSON that is no object, too."""
    content = read_json(path)
    if content is not None and not isinstance(content, dict):
        raise ExportError(f"{path} is no JSON object, as its checkpoint's files are: fetch it again.")
    return content
