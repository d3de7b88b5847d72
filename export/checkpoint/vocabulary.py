"""Checks that a checkpoint has the files that a tokenizer is made of."""

from pathlib import Path

from engine.artifact.artifact import TOKENIZER

from ..errors import ExportError
from .reading import is_there, read_object

VOCABULARIES = ("*vocab*", "*.model", "*.tiktoken", "merges.txt")
"""What the files are called that have a tokenizer's words where it has no `tokenizer.json`, by patterns."""
SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def require_files(folder: Path) -> None:
    """Raise `ExportError` where transformers would fail, or make a tokenizer of less than the folder was meant to have.

    It passes over a file that cannot be opened, and makes some tokenizers without any word.
    """
    for name in SETTINGS:
        read_object(folder / name)
    if is_there(folder / TOKENIZER):
        return
    vocabularies = [path for pattern in VOCABULARIES for path in folder.glob(pattern)]
    if not vocabularies:
        raise ExportError("The checkpoint has no tokenizer.json, nor a vocabulary to make it of: add it to the folder.")
    for path in vocabularies:
        is_there(path)
