"""`python -m engine index ARTIFACT DOCUMENTS`: compute documents' embeddings ahead of their queries."""

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn, TextIO

from .engine import Engine
from .errors import ScoreRTError
from .index.build import build_index
from .vectors.stored import STORES

REFUSED, INTERRUPTED = 2, 130

# How often progress is told, in seconds: on a terminal, where a line takes the place of the last, and elsewhere.
_ON_TERMINAL, _ELSEWHERE = 0.5, 10.0


def main(arguments: list[str] | None = None) -> int:
    """Make one index. Returns the exit code: 0, 2 for a refusal, 130 where it was interrupted."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    progress = _Progress(sys.stderr)
    try:
        engine = Engine.load(
            options.artifact,
            precision=options.precision,
            provider=options.provider,
            threads=options.threads,
            embedding_cache_bytes=0,
        )
        if engine.tried:
            progress.say(f"tried on {engine.tried}")
        try:
            manifest = build_index(
                engine, options.documents, options.output, options.store, force=options.force, report=progress.report
            )
        finally:
            engine.close()
    except KeyboardInterrupt:
        progress.say("interrupted: no index was written.")
        return INTERRUPTED
    except ScoreRTError as error:
        progress.say(f"error: {error}")
        return REFUSED
    progress.say(f"{manifest.documents:,} documents, {manifest.vectors:,} vectors of {manifest.dimension}")
    print(options.output)
    return 0


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


class _Progress:
    """Lines on stderr."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._began = self._told = time.monotonic()

    def report(self, done: int, of: int) -> None:
        now = time.monotonic()
        if now - self._told < (_ON_TERMINAL if self._terminal else _ELSEWHERE):
            return
        self._told = now
        pace = done / (now - self._began)
        line = f"{done:,} of {of:,} documents, {pace:,.0f} a second, {(of - done) / pace / 60:,.0f} min left"
        print(f"\r\033[K{line}" if self._terminal else line, end="" if self._terminal else "\n", file=self._stream)
        self._stream.flush()

    def say(self, line: str) -> None:
        print(f"\r\033[K{line}" if self._terminal else line, file=self._stream)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine", description="Work on artifacts without a server.")
    index = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "index",
        help="compute documents' embeddings ahead of their queries",
        description="Write the embeddings of documents into a folder, for `python -m api --index` and `engine.Index` "
        "to rank by their ids. Documents longer than the model takes are cut.",
    )
    index.add_argument("artifact", metavar="ARTIFACT", type=Path, help="a bi-encoder or late-interaction model")
    index.add_argument(
        "documents",
        metavar="DOCUMENTS",
        type=Path,
        help='JSON lines, {"id": …, "text": …} each, or .parquet with such columns; without an id: the line\'s number',
    )
    index.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="where the index goes")
    index.add_argument("--store", choices=STORES, default="float32", help="what embeddings are kept as (float32)")
    index.add_argument("--precision", help="which of the artifact's graphs (default: its first)")
    index.add_argument(
        "--provider",
        default="cpu",
        help="cpu, cuda or tensorrt; several with commas fall back; auto tries those that start here and takes the "
        "fastest (cpu)",
    )
    index.add_argument("--threads", type=int, help="CPU threads (default: all cores)")
    index.add_argument("--force", action="store_true", help="replace a folder that exists")
    return parser


if __name__ == "__main__":
    sys.exit(main())
