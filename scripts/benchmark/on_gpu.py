"""Measures fp16 on an NVIDIA GPU beside sentence-transformers: python -m scripts.benchmark.on_gpu.

Cross-encoders of two shapes: MiniLM-L6 with its weights, and BERT-large with random ones. Prints tables for
docs/benchmarks. Unmeasured: there was no GPU to run it on.
"""

import dataclasses
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich import box
from rich.console import Console
from rich.table import Table

from checkpoints import tiny
from engine import Engine

from . import contenders
from .bars import Bar
from .field import CACHE, checkpoint_and_artifact
from .floating_point import Shape
from .quality import Quality, compare, score_all
from .speed import Contender, Speed, measure, ratio
from .workload import Request, make_request, make_requests

OURS, THEIRS, PRODUCTS = "ScoreRT, fp16", "sentence-transformers, float16", "float16 products of as many operations"
LONG = 512
# Square matrices that fill a GPU.
_SIDE = 8192


@dataclasses.dataclass(frozen=True, slots=True)
class Workloads:
    """Many documents of usual lengths, many that fill their pairs to `LONG` tokens, and requests of 20 short ones."""

    usual: Request
    long: Request
    short: Sequence[Request]


def main() -> None:
    if not torch.cuda.is_available():
        raise SystemExit("This needs an NVIDIA GPU; scripts/bench measures on a CPU.")
    console = Console(width=120)
    console.print(torch.cuda.get_device_name())
    for name, (checkpoint, artifact) in {
        "MiniLM-L6": checkpoint_and_artifact(),
        "BERT-large": _bert_large(),
    }.items():
        engine = Engine.load(artifact, precision="fp16", provider="cuda", cuda_graphs=True)
        speeds, bars = measure_beside(engine, checkpoint, "cuda", workloads(2000), rounds=5)
        console.print(_table(f"{name}: bars", [(b.name, f"{b.value:.2f}", b.text(), b.holds()) for b in bars]))
        rows = [
            (key, f"{statistics.median(s.pairs_per_second):.0f}", f"{statistics.median(s.latency):.2f}")
            for key, s in speeds.items()
        ]
        console.print(_table(f"{name}: pairs/s, and milliseconds a request", rows))
        errors = dataclasses.astuple(fidelity(engine, checkpoint, "cuda"))
        console.print(_table(f"{name}: errors, largest and mean, and Spearman, of all and of queries", [errors]))


def workloads(documents: int) -> Workloads:
    usual = make_request(documents)
    long = Request(usual.query, [text * 20 for text in usual.documents[: documents // 4]])
    short = [Request(r.query, [text[:100] for text in r.documents]) for r in make_requests()]
    return Workloads(usual, long, short)


def measure_beside(
    engine: Engine, checkpoint: Path, device: str, work: Workloads, rounds: int
) -> tuple[dict[str, Speed], list[Bar]]:
    """`engine` is a cross-encoder of the checkpoint, sentence-transformers run it on `device`."""
    shape = Shape.of(checkpoint)
    limit = min(LONG, engine.manifest.max_length)
    long = shape.operations(contenders.pair_lengths(engine, work.long, limit))
    theirs = contenders.sentence_transformers(checkpoint, "float16", device)

    def ours(request: Request) -> contenders.Floats:
        return engine.score(request.query, request.documents, use_activation=False, truncate_prompt_tokens=limit).scores

    usual = measure([Contender(OURS, ours, 1), Contender(THEIRS, theirs, 1)], [[work.usual]] * rounds)
    longs = measure([Contender(OURS, ours, 1), Contender(PRODUCTS, _products(long, device), 1)], [[work.long]] * rounds)
    shorts = measure([Contender(OURS, ours, 1), Contender(THEIRS, theirs, 1)], [work.short] * rounds)
    bars = [
        Bar("fp16 ÷ sentence-transformers float16, usual lengths", ratio(usual, OURS, THEIRS), 1.5),
        Bar(f"fp16 at {limit} tokens ÷ the GPU's rate of float16 products", ratio(longs, OURS, PRODUCTS), 0.5),
        Bar("median ms of a query with 20 short documents", statistics.median(shorts[OURS].latency), 3, at_most=True),
    ]
    measured = {"usual lengths": usual, f"{limit} tokens": longs, "20 short documents": shorts}
    return {f"{name}, {what}": speed for what, speeds in measured.items() for name, speed in speeds.items()}, bars


def fidelity(engine: Engine, checkpoint: Path, device: str) -> Quality:
    """Of 2,100 pairs' logits, beside sentence-transformers float32's."""
    judged = make_requests(70)
    reference = score_all(contenders.sentence_transformers(checkpoint, "float32", device), judged)
    return compare(score_all(contenders.in_process(engine), judged), reference)


def _products(operations: float, device: str) -> Callable[[Request], None]:
    """Float16 matrix products of that many operations, for any request."""
    side = min(_SIDE, int((operations / 2) ** (1 / 3)))
    left = torch.randn(side, side, dtype=torch.float16, device=device)

    def compute(request: Request) -> None:
        for _ in range(round(operations / (2 * side**3))):
            left @ left
        if device == "cuda":
            torch.cuda.synchronize()

    return compute


def _bert_large() -> tuple[Path, Path]:
    """A checkpoint of that shape and its artifact, made once."""
    checkpoint, artifact = CACHE / "bert-large", CACHE / "artifacts" / "bert-large"
    if not artifact.exists():
        tiny.build(
            "bert",
            checkpoint,
            hidden_size=1024,
            num_hidden_layers=24,
            num_attention_heads=16,
            intermediate_size=4096,
            initializer_range=0.02,
        )
        command = [sys.executable, "-m", "export", str(checkpoint), "--precision", "fp16", "--output"]
        subprocess.run([*command, str(artifact.parent)], check=True)
    return checkpoint, artifact


def _table(title: str, rows: Sequence[Sequence[object]]) -> Table:
    table = Table(title=title, box=box.MARKDOWN, show_header=False, title_justify="left")
    for row in rows:
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    return table


if __name__ == "__main__":
    main()
