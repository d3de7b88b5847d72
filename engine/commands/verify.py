"""Runs `python -m engine verify`, which checks an artifact's files and what its graphs compute on this machine.

Of an index the files alone are checked.

The reference that an export compares with is not at hand. What holds without it is that every file is the one that was
written, that a score does not depend on what else is in its run, and that graphs that were held against one reference
are as near to each other as they were to that.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..command import DONE, Parser, carry_out, place
from ..extras import needing

if TYPE_CHECKING:  # numpy may not be installed
    from ..arrays import Floats
    from ..artifact.artifact import Graph
    from ..artifact.precisions import Precision
    from ..content import Content
    from ..engine import Engine

# Of unlike lengths and scripts, and two of one length, which a CPU runs together.
_QUERY = "Where do cats sleep?"
_TEXTS = (
    "Cats sleep in warm places.",
    "Dogs sleep in warm places.",
    "The harbour is busy today, and boats wait for the tide to turn. " * 12,
    "猫は暖かい場所で眠ります。",
    "Кошки спят в тёплых местах.",
    "القطط تنام في الأماكن الدافئة.",
    "x",
)
# Of the largest score, or of 1. What docs/architecture.md promises; in 8 bits a choice, since a rounding may turn.
_AMONG_OTHERS: "dict[Precision, float]" = {"fp32": 1e-5, "fp16": 2e-3, "int8": 5e-3, "int8-fast": 5e-3}
# How much further apart graphs may be than on the verification texts: a choice, because these are others.
_ON_OTHER_TEXTS = 2.0


def main(arguments: Sequence[str], command: str) -> int:
    """Check one artifact. `command` is what the user typed before the arguments. Returns the exit code."""

    def work() -> int:
        options = _parser(command).parse_args(arguments)
        with needing(f"`{command}`", "cpu", "gpu"):
            from .. import public  # noqa: F401
        _verify(options, lambda line: print(line, flush=True))
        return DONE

    return carry_out(work, (), "the artifact was not checked to its end.")


def _parser(command: str) -> Parser:
    parser = Parser(
        command,
        "Check the size and sha256 of an artifact's or an index's files; of an artifact also open each graph, and "
        "score some texts, and a picture where it reads them: alone, together, and with each precision. Exits with 2 "
        "for what is wrong.",
        examples=["models/ms-marco-MiniLM-L6-v2", "models/ms-marco-MiniLM-L6-v2 --provider cuda", "indexes/docs"],
    )
    parser.add_argument("artifact", metavar="ARTIFACT", type=place, help="the folder of an artifact or of an index")
    parser.add_argument(
        "--provider", choices=["cpu", "cuda", "tensorrt"], default="cpu", help="what its graphs run on (cpu)"
    )
    return parser


def _verify(options: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Raises `ScoreRTError` for what is wrong."""
    from ..artifact.manifest import decode_manifest
    from ..artifact.seal import SEAL
    from ..engine import Engine
    from ..index.files import is_index
    from ..runtime.devices.providers import PROVIDERS
    from ..runtime.opening import graphs_on, select_graph

    folder: Path = options.artifact
    if is_index(folder):
        say(_of_index(folder))
        return
    manifest, provider = decode_manifest(folder), PROVIDERS[options.provider]
    select_graph(manifest, None, provider)
    found: list[tuple[Graph, Floats]] = []
    for graph in graphs_on(manifest, provider):
        engine = Engine.load(folder, precision=graph.precision, provider=provider.name, embedding_cache_bytes=0)
        try:
            if not found:
                sealed = f"{SEAL} is that of the manifest" if (folder / SEAL).is_file() else f"there is no {SEAL}"
                say(f"{len(manifest.files)} files have the sizes and sha256 that the manifest gives; {sealed}")
            scores, apart = _scores(engine, folder / graph.file)
        finally:
            engine.close()
        say(f"{graph.file} runs on {provider.name}; {len(scores)} scores differ by {apart:.1g} alone and together")
        found.append((graph, scores))
    for graph, scores in found[1:]:
        say(_compared(found[0], (graph, scores), folder))
    if len(found) == 1:
        say("no other precision to compare its scores with")
    opened = {graph.file for graph, _ in found}
    for graph in manifest.graphs:
        if graph.role == "text" and graph.file not in opened:
            say(f"{graph.file} was not opened, since it does not run on {provider.name}")


def _of_index(folder: Path) -> str:
    from ..artifact.artifact import INDEX_MANIFEST
    from ..index.files import check_files

    index = check_files(folder)
    if not index.files:
        return (
            f"the files have the sizes that {INDEX_MANIFEST} says; made by an earlier ScoreRT, it has no sha256 of them"
        )
    return f"{len(index.files)} files have the sizes and sha256 that {INDEX_MANIFEST} gives"


def _scores(engine: "Engine", path: Path) -> "tuple[Floats, float]":
    """The scores of the query with each text, and how far apart they are alone and together.

    Raises `ArtifactError` for a graph that does not run, no numbers, or scores that depend on what is beside them.
    """
    import numpy as np

    from ..errors import ArtifactError, ScoreRTError

    contents = _contents(engine)
    try:
        together = engine.score(_QUERY, contents, truncate_prompt_tokens=-1).scores
        alone = np.array([engine.score(_QUERY, one, truncate_prompt_tokens=-1).scores[0] for one in contents])
    except ScoreRTError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise ArtifactError(f"{path} does not run on {engine.provider} ({reason}): export the model again.") from None
    if not np.isfinite(together).all():
        raise ArtifactError(f"{path} gives scores that are no numbers on {engine.provider}: export the model again.")
    apart, most = _apart(alone, together), _AMONG_OTHERS[engine.graph.precision]
    if apart > most:
        raise ArtifactError(
            f"{path} gives scores on {engine.provider} that differ by {apart:.2g} alone and together, more than "
            f"{most:g}: export the model again."
        )
    return together, apart


def _contents(engine: "Engine") -> "list[Content]":
    reading = engine.manifest.pictures
    return [*_TEXTS] if reading is None else [*_TEXTS, _picture()]


def _picture() -> "Content":
    """Two gradients, of a size that is no multiple of anything."""
    import numpy as np

    from ..images.image import Image

    pixels = np.zeros((150, 210, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(210), np.arange(150)[:, None]
    return Image(pixels)


def _compared(first: "tuple[Graph, Floats]", other: "tuple[Graph, Floats]", folder: Path) -> str:
    """Raises `ArtifactError` where graphs of one reference are further apart than both may be from it."""
    from ..artifact.precisions import PRECISIONS
    from ..errors import ArtifactError

    (graph, wanted), (own, scores) = first, other
    apart = _apart(scores, wanted)
    told = f"the scores of {own.file} differ by at most {apart:.2g} from those of {graph.file}"
    checks = [one.verification for one in (graph, own) if one.verification is not None]
    references = {check.reference for check in checks}
    # A graph that was imported had itself for a reference, and may be as far from another as its makers let it be.
    if len(references) > 1 or not references.pop().startswith("PyTorch"):
        return f"{told}, which had another reference"
    most = _ON_OTHER_TEXTS * sum(
        max(PRECISIONS[one.precision].tolerance, check.score_max_abs_error)
        for one, check in zip((graph, own), checks, strict=True)
    )
    if apart > most:
        raise ArtifactError(
            f"{folder / own.file} gives scores that differ by {apart:.2g} from those of {graph.file}, more than "
            f"{most:.2g}: use another precision on this machine, or export the model again."
        )
    return told


def _apart(got: "Floats", want: "Floats") -> float:
    """The largest difference, of the largest score or of 1."""
    import numpy as np

    return float(np.abs(got - want).max() / max(1.0, np.abs(want).max()))
