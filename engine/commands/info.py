"""Runs `python -m engine info`, which says what an artifact or an index is, from its manifest alone."""

import argparse
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..command import DONE, Parser, carry_out, place
from ..extras import needing
from .facts import as_json, beside, size

if TYPE_CHECKING:  # numpy may not be installed
    from ..artifact.artifact import Graph, Manifest, TextLayout


def main(arguments: Sequence[str], command: str) -> int:
    """Print what one folder is. `command` is what the user typed before the arguments. Returns the exit code."""

    def work() -> int:
        options = _parser(command).parse_args(arguments)
        with needing(f"`{command}`", "cpu", "gpu"):
            from .. import public  # noqa: F401
        print(_told(options))
        return DONE

    return carry_out(work, (), "nothing was changed.")


def _parser(command: str) -> Parser:
    parser = Parser(
        command,
        "Say what an artifact or an index is: its model, graphs, sizes and how far they are from their reference. "
        "Files are not checked: verify does that.",
        examples=["models/ms-marco-MiniLM-L6-v2", "models/ms-marco-MiniLM-L6-v2 --json", "indexes/docs"],
    )
    parser.add_argument("artifact", metavar="ARTIFACT", type=place, help="the folder of an artifact or of an index")
    parser.add_argument("--json", action="store_true", help="print the manifest's own fields, with sizes, as JSON")
    return parser


def _told(options: argparse.Namespace) -> str:
    import msgspec

    from ..artifact.manifest import decode_manifest
    from ..index.files import is_index, read_index_manifest

    folder: Path = options.artifact
    if is_index(folder):
        index = read_index_manifest(folder)
        own = msgspec.to_builtins(index)
        total = _total(folder)
        return as_json({"kind": "index", **own, "size": total}) if options.json else _of_index(own, total)
    manifest = decode_manifest(folder)
    if options.json:
        sizes = {graph.file: _size(manifest, graph) for graph in manifest.graphs}
        facts = msgspec.to_builtins(manifest) | {"sizes": sizes, "size": _total(folder)}
        return as_json({"kind": "artifact", **facts})
    return beside(_of_artifact(manifest, folder))


def _of_index(index: dict[str, Any], total: int) -> str:
    vectors = f"{index['vectors']:,} vectors of {index['dimension']} numbers in {index['store']}"
    return beside(
        [
            ("index", f"of {index['documents']:,} documents, {size(total)}"),
            ("made by", f"{index['model']} ({index['precision']}), a {index['score_type']}"),
            ("embeddings", vectors),
            ("created", _moment(index["created"])),
            ("schema", str(index["schema_version"])),
        ]
    )


def _of_artifact(manifest: "Manifest", folder: Path) -> Iterator[tuple[str, str | list[str]]]:
    from ..artifact.seal import SEAL

    source = manifest.source
    yield "name", f"{manifest.name}, {size(_total(folder))}"
    yield "model", f"a {manifest.score_type} ({manifest.architecture})"
    yield "source", source.model + (f", revision {source.revision}" if source.revision else "")
    yield "longest input", f"{manifest.max_length:,} tokens"
    if manifest.dimension is not None:
        yield "embeddings", _embeddings(manifest)
    if manifest.similarity is not None:
        yield (
            "compared by",
            manifest.similarity if not manifest.scoring.by_token else f"MaxSim of {manifest.similarity}",
        )
    if manifest.activation is not None:
        yield "activation", manifest.activation
    for role, layout in (("query", manifest.query), ("document", manifest.document)):
        if layout is not None:
            yield f"{role} prompt", _prompt(layout)
    if manifest.template is not None:
        yield "template", manifest.template
    if manifest.instruction is not None:
        yield "instruction", repr(manifest.instruction)
    if manifest.pictures is not None:
        yield "pictures", _pictures(manifest)
        yield "prompts", f"those of {'its authors' if manifest.prompts == 'authors' else 'vLLM'}"
    for number, graph in enumerate(manifest.graphs):
        yield ("graphs" if number == 0 else ""), _graph(manifest, graph, folder)
    for number, warning in enumerate(manifest.warnings):
        yield ("warnings" if number == 0 else ""), warning
    yield "created", _moment(manifest.created)
    yield "built with", ", ".join(f"{name} {version}" for name, version in manifest.built_with.items())
    yield "schema", str(manifest.schema_version)
    yield "seal", f"in {SEAL}" if (folder / SEAL).is_file() else "none"


def _embeddings(manifest: "Manifest") -> str:
    parts = [f"{manifest.dimension} numbers {'a token' if manifest.scoring.by_token else ''}".strip()]
    if manifest.pooling is not None:
        parts.append(f"{manifest.pooling} pooling")
    if manifest.projections:
        parts.append(f"projected to {', '.join(map(str, manifest.projections))}")
    if manifest.normalized:
        parts.append("normalised")
    if manifest.matryoshka is not None:
        sizes = ", ".join(map(str, manifest.matryoshka)) or "any size"
        parts.append(f"may be cut to {sizes}")
    return ", ".join(parts)


def _prompt(layout: "TextLayout") -> list[str]:
    lines = [repr(layout.prompt)] if layout.prompt else []
    if layout.instruction is not None:
        lines.append(f"with the instruction {layout.instruction!r}")
    if layout.max_length is not None:
        lines.append(f"cut to {layout.max_length} tokens")
    if layout.expand_to is not None:
        lines.append(f"expanded to {layout.expand_to} tokens")
    return lines


def _pictures(manifest: "Manifest") -> str:
    reading = manifest.pictures
    assert reading is not None, "asked for a model that reads them"
    if reading.placeholder is None:
        return "embedded by themselves, no text beside them"
    return "with text beside them, in queries and documents" if reading.on_queries else "in documents alone"


def _graph(manifest: "Manifest", graph: "Graph", folder: Path) -> list[str]:
    role = "" if graph.role == "text" else f", {graph.role}"
    lines = [f"{graph.precision} for {graph.provider}{role}: {graph.file}, {size(_size(manifest, graph))}"]
    lines += [f"  {name} is not there" for name in manifest.files_of(graph) if not (folder / name).is_file()]
    if found := graph.verification:
        lines.append(
            f"  {found.quantity}: max error {found.max_abs_error:.2g}, mean {found.mean_abs_error:.2g}; scores: max "
            f"error {found.score_max_abs_error:.2g}, Spearman {found.spearman:.5f}"
        )
        lines.append(f"  over {found.texts} texts, against {found.reference}")
        if found.why is not None:
            lines.append(f"  {found.why}")
    if kept := graph.kept:
        lines.append(
            f"  in float32: {', '.join(kept.weights)} of {kept.of} weights; {kept.size:.2f} times the size, "
            f"{kept.seconds:.2f} times the time"
        )
    return lines


def _size(manifest: "Manifest", graph: "Graph") -> int:
    return sum(file.size for file in manifest.files_of(graph).values())


def _total(folder: Path) -> int:
    """Plans of TensorRT are in a folder within."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _moment(seconds: int) -> str:
    try:
        return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):  # not a year of the calendar
        return f"{seconds:,} s after 1970"
