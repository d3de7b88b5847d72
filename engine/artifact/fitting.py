"""Refuses a manifest whose parts do not fit each other, its score type or its tokenizer: it was edited by hand."""

from collections.abc import Iterator
from pathlib import Path

from ..errors import ArtifactError
from ..score_types import BI_ENCODER
from ..text.tokenizer import Tokenizer
from .artifact import TOKENIZER, Manifest, PairLayout, TextLayout

_LEAST_LENGTH = 8
"""As for an export's `--max-length`."""


def check_fit(manifest: Manifest, path: Path) -> None:
    """Raises `ArtifactError` for the first thing of the manifest, whose file is `path`, that does not fit."""
    for wrong in _misfits(manifest):
        raise ArtifactError(f"{path} {wrong}: export it again.")


def check_tokens(manifest: Manifest, tokenizer: Tokenizer, path: Path) -> None:
    """Raises `ArtifactError` for a token of the manifest that the tokenizer does not have."""
    for token in _tokens(manifest):
        if not tokenizer.has(token):
            raise ArtifactError(f"{path} has the token {token}, which {TOKENIZER} has not: export it again.")


def _misfits(manifest: Manifest) -> Iterator[str]:
    yield from _lacks(manifest)
    least = min(_tokens(manifest))
    if least < 0:
        yield f"has the token {least}, which no vocabulary has"
    if manifest.max_length < _LEAST_LENGTH:
        yield f"has max_length {manifest.max_length}, too short for any text"
    for name, layout in _layouts(manifest).items():
        if (special := len(_special(layout))) >= manifest.max_length:
            yield f"has max_length {manifest.max_length}, and {name} has {special} tokens around texts"
        if isinstance(layout, TextLayout):
            yield from _of_layout(manifest, name, layout)
    for graph in manifest.graphs:
        if graph.multiple > manifest.max_length:
            yield f"has a graph for multiples of {graph.multiple} tokens, and max_length {manifest.max_length}"
    yield from _sizes(manifest)


def _lacks(manifest: Manifest) -> Iterator[str]:
    """What the score type needs and is not there, and what it has no use for."""
    needed, others = ["pair", "activation"], ["query", "document", "similarity"]
    if not manifest.scoring.reads_pairs:
        needed, others = others, [*needed, "template"]
    missing = [name for name in needed if getattr(manifest, name) is None]
    roles = {graph.role for graph in manifest.graphs}
    if "text" not in roles:
        missing.append("a graph for texts")
    if manifest.pictures is not None and "vision" not in roles:
        missing.append("a graph for pictures")
    if missing:
        yield f"lacks {' and '.join(missing)}, which a {manifest.score_type} needs"
    if manifest.scoring is not BI_ENCODER:
        others.append("matryoshka")
    if manifest.scoring.reads_pairs:
        others.append("dimension")
    for name in others:
        if getattr(manifest, name) is not None:
            yield f"has {name}, which a {manifest.score_type} has no use for"


def _of_layout(manifest: Manifest, name: str, layout: TextLayout) -> Iterator[str]:
    longest = max(manifest.max_length, layout.max_length or 0)
    if layout.expand_to is not None and layout.expand_to > longest:
        yield f"has a {name} that is expanded to {layout.expand_to} tokens, more than the {longest} it may have"
    adapts = any(tensor.name == "adapter" for graph in manifest.graphs for tensor in graph.inputs)
    if layout.adapter is not None and not adapts:
        yield f"has a {name} with an adapter, and no graph has that input"
    if layout.pictured is not None and manifest.pictures is None:
        yield f"has a {name} with pictures, and does not say how they are read"


def _sizes(manifest: Manifest) -> Iterator[str]:
    """Of embeddings."""
    sizes = {
        size
        for graph in manifest.graphs
        for tensor in graph.outputs
        if graph.role == "text" and tensor.name == manifest.scoring.output
        for size in tensor.dims[-1:]
    }
    if manifest.dimension is None:
        return
    if any(isinstance(size, int) and size != manifest.dimension for size in sizes):
        yield (
            f"has dimension {manifest.dimension}, and its graph's {manifest.scoring.output} have "
            f"{', '.join(map(str, sizes))} numbers"
        )
    for cut in manifest.matryoshka or ():
        if cut > manifest.dimension:
            yield f"has embeddings of {manifest.dimension} numbers, and matryoshka cuts them to {cut}"


def _layouts(manifest: Manifest) -> dict[str, PairLayout | TextLayout]:
    own = {"pair": manifest.pair, "query": manifest.query, "document": manifest.document}
    return {name: layout for name, layout in own.items() if layout is not None}


def _special(layout: PairLayout | TextLayout) -> list[int]:
    middle = [*layout.middle, *layout.end] if isinstance(layout, PairLayout) else []
    return [*layout.prefix, *middle, *layout.suffix]


def _tokens(manifest: Manifest) -> Iterator[int]:
    """All that it names."""
    yield manifest.pad_token
    yield from manifest.special_tokens.values()
    for layout in _layouts(manifest).values():
        yield from _special(layout)
        if isinstance(layout, TextLayout):
            yield from layout.skip
            if layout.expansion_token is not None:
                yield layout.expansion_token
