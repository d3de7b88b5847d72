"""Runs `python -m engine index`, which computes documents' embeddings ahead of their queries."""

import argparse
from collections.abc import Sequence

from ..command import DONE, Parser, carry_out, place
from ..extras import needing


def main(arguments: Sequence[str], command: str) -> int:
    """Make one index. `command` is what the user typed before the arguments. Returns the exit code."""

    def work() -> int:
        with needing(f"`{command}`", "cpu", "gpu"):
            options = _parser(command).parse_args(arguments)
            from .. import progress, public  # noqa: F401
        _make_index(options)
        return DONE

    return carry_out(work, (), "no index was written.")


def _make_index(options: argparse.Namespace) -> None:
    from ..bulk.folders import passed_over
    from ..engine import Engine
    from ..index.build import build_index
    from ..progress import Progress
    from ..staging import refuse_taken

    if not options.force:
        refuse_taken(options.output)
    progress = Progress()
    engine = Engine.load(
        options.artifact,
        precision=options.precision,
        provider=options.provider,
        threads=options.threads,
        embedding_cache_bytes=0,
    )
    try:
        if engine.tried:
            progress.say(f"tried on {engine.tried}")
        if others := passed_over(options.documents):
            progress.say(f"files passed over, since they are neither pictures nor PDFs: {others:,}")
        with progress.counting("documents") as report:
            manifest = build_index(
                engine, options.documents, options.output, options.store, force=options.force, report=report
            )
    finally:
        engine.close()
    progress.say(f"{manifest.documents:,} documents, {manifest.vectors:,} vectors of {manifest.dimension}")
    print(options.output)


def _parser(command: str) -> Parser:
    from ..vectors.stored import STORES

    parser = Parser(
        command,
        "Write the embeddings of documents into a folder, for `python -m api --index` and `engine.Index` to rank by "
        "their ids. Texts longer than the model takes are cut, and a page of a PDF is a picture with an id such as "
        "`report.pdf#page=3`. Nothing is fetched.",
        examples=[
            "models/all-MiniLM-L6-v2 docs.jsonl --output indexes/docs",
            "models/colbert docs.parquet --output indexes/docs --store int8 --provider cuda",
            "models/colqwen2-v1.0-hf report.pdf --output indexes/report",
        ],
    )
    parser.add_argument("artifact", metavar="ARTIFACT", type=place, help="a bi-encoder or late-interaction model")
    parser.add_argument(
        "documents",
        metavar="DOCUMENTS",
        type=place,
        help='JSON lines, {"id": …, "text": …, "image": …} each, with a text, an image (a path or a data URL) or both; '
        ".parquet with such columns; a PDF; or a folder of pictures and PDFs. Without an id: the line's number, or the "
        "path in the folder",
    )
    parser.add_argument("--output", type=place, required=True, metavar="FOLDER", help="where the index goes")
    parser.add_argument("--store", choices=STORES, default="float32", help="what embeddings are kept as (float32)")
    parser.add_argument("--precision", help="which of the artifact's graphs (default: its first)")
    parser.add_argument(
        "--provider",
        default="cpu",
        help="cpu, cuda or tensorrt; several with commas fall back; auto tries those that start here and takes the "
        "fastest (cpu)",
    )
    parser.add_argument("--threads", type=int, help="CPU threads (default: all cores)")
    parser.add_argument("--force", action="store_true", help="replace a folder that exists")
    return parser
