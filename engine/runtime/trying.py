"""Tries a graph on the longest input that its manifest allows, where no seal says that the manifest is as exported."""

from collections.abc import Iterator
from pathlib import Path

from ..artifact.artifact import Manifest
from ..errors import ArtifactError
from ..job import Job
from ..text.layout import Input, lay_out_pair, lay_out_text
from ..text.truncation import Truncation
from .opened import Opened

# A choice: tables of positions have no more rows, but for few; and so many tokens take seconds.
_MOST_TOKENS = 4096


def try_longest(manifest: Manifest, opened: Opened, folder: Path) -> None:
    """Raises `ArtifactError` where the graph fails: it has fewer positions, or no such tokens."""
    try:
        for one in _longest(manifest):
            opened.workers.run([one], Job())
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise ArtifactError(
            f"{folder / opened.graph.file} does not run on what the manifest says it reads, up to max_length "
            f"{manifest.max_length} and the tokens of its layouts ({reason}): export the model again."
        ) from None


def _longest(manifest: Manifest) -> Iterator[Input]:
    tokens = min(manifest.max_length, _MOST_TOKENS)
    limits, text = Truncation(tokens, total=tokens), [manifest.pad_token] * tokens
    if manifest.pair is not None:
        yield lay_out_pair(text, text, manifest.pair, limits)
    for layout in (manifest.query, manifest.document):
        if layout is not None:
            yield lay_out_text(text, layout, limits, None)
