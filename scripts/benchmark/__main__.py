"""Measure ScoreRT beside a padded batch and sentence-transformers, on the cross-encoder behind `tests/contract`."""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from engine import Engine
from scripts.server import start_server
from tests.checkpoints import build_minilm_ce

from . import contenders, machine
from .quality import compare, score_all
from .report import Bar, Report, print_report, write_report
from .speed import Contender, Speed, measure, ratio
from .workload import DOCUMENTS, Request, make_requests

CACHE = Path(".bench")
RESULTS = Path("docs/benchmarks")
PRECISIONS = ["fp32", "int8", "int8-fast"]
CLIENTS = [1, 8]
BASELINE = "one padded batch, fp32"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="about a minute, and only prints")
    options = parser.parse_args()
    requests = make_requests()
    if options.quick:
        requests, rounds = requests[:8], [requests[:4], requests[4:8]]
    else:
        rounds = [requests[start::3] for start in (0, 1, 2)] * 2

    checkpoint = CACHE / "minilm-ce"
    artifact = prepare(checkpoint)
    with ExitStack() as at_exit:
        engines = {precision: Engine.load(artifact, precision=precision) for precision in PRECISIONS}
        torch_models = {dtype: contenders.sentence_transformers(checkpoint, dtype) for dtype in torch_dtypes()}
        field = [
            Contender(BASELINE, contenders.padded_batch(artifact, engines["fp32"].manifest), 1),
            *(
                Contender(in_process(precision, clients), contenders.in_process(engine), clients)
                for precision, engine in engines.items()
                for clients in CLIENTS
            ),
            *(
                Contender(over_http(precision, clients), contenders.over_http(url), clients)
                for precision, url in serve(artifact, at_exit).items()
                for clients in CLIENTS
            ),
            *(Contender(f"sentence-transformers, {dtype}", score, 1) for dtype, score in torch_models.items()),
        ]
        speed = measure(field, rounds)

    reference = score_all(torch_models["float32"], requests)
    quality = {
        precision: compare(score_all(contenders.in_process(engine), requests), reference)
        for precision, engine in engines.items()
    }
    tokens = token_counts(engines["fp32"], requests)
    server = measure_server(requests, starts=1 if options.quick else 3)
    report = Report(
        machine=machine.describe(),
        workload=(
            f"{len(requests)} queries, each with {DOCUMENTS} documents of Python's own reference; tokens a pair: mean "
            f"{np.mean(tokens):.0f}, 5th to 95th percentile {np.percentile(tokens, 5):.0f} to "
            f"{np.percentile(tokens, 95):.0f}. {len(rounds)} rounds of {len(rounds[0])} queries. Clients run on the "
            f"same cores as the server."
        ),
        speed=speed,
        logits_spread=float(np.concatenate(reference).std()),
        quality=quality,
        server=server,
        bars=bars(speed, server),
    )
    print_report(report)
    if not options.quick:
        print(f"Written to {write_report(report, machine.file_name(), RESULTS)}")


def in_process(precision: str, clients: int) -> str:
    return f"in process, {precision}, {_count(clients, 'thread')}"


def over_http(precision: str, clients: int) -> str:
    return f"HTTP, {precision}, {_count(clients, 'client')}"


def prepare(checkpoint: Path) -> Path:
    """Build the checkpoint and export it, unless that was done with the exporter as it is now."""
    if not checkpoint.exists():
        build_minilm_ce(checkpoint)
    artifact = CACHE / "artifacts" / checkpoint.name
    manifest = artifact / "manifest.json"
    sources = [*Path("export").glob("*.py"), *Path("engine").glob("*.py")]
    if not manifest.exists() or manifest.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        arguments = ["--precision", ",".join(PRECISIONS), "--output", str(artifact.parent), "--force"]
        if code := subprocess.run([sys.executable, "-m", "export", str(checkpoint), *arguments]).returncode:
            sys.exit(code)
    return artifact


def serve(artifact: Path, at_exit: ExitStack) -> dict[str, str]:
    """A server for each precision, by its URL, until `at_exit`."""
    logs = Path(at_exit.enter_context(tempfile.TemporaryDirectory()))
    urls = {}
    for precision in PRECISIONS:
        server = start_server(logs / precision, "--port", "0", "--model", str(artifact), "--precision", precision)
        at_exit.callback(server.stop)
        urls[precision] = server.url
    return urls


def torch_dtypes() -> list[str]:
    """float32, and bfloat16 where the processor multiplies it; elsewhere it only costs time."""
    fast_bfloat16 = {"avx512_bf16", "amx_bf16"} & set(machine.instructions())
    return ["float32", "bfloat16"] if fast_bfloat16 else ["float32"]


def token_counts(engine: Engine, requests: Sequence[Request]) -> list[int]:
    """The tokens of every pair."""
    return [engine.score(request.query, document).tokens for request in requests for document in request.documents]


def measure_server(requests: Sequence[Request], starts: int) -> dict[str, float]:
    """Seconds from start to ready and memory of `python -m api` as it comes, after it has answered requests."""
    ready, resident, peak = [], [], []
    with tempfile.TemporaryDirectory() as logs:
        for _ in range(starts):
            server = start_server(Path(logs) / "log", "--port", "0")
            try:
                ready.append(server.ready_after)
                score_all(contenders.over_http(server.url), requests[:5])
                resident.append(machine.memory(server.process.pid, "VmRSS"))
                peak.append(machine.memory(server.process.pid, "VmHWM"))
            finally:
                server.stop()
    return {
        "seconds from start to ready": statistics.median(ready),
        "MB resident after 5 requests": statistics.median(resident),
        "MB resident at most": statistics.median(peak),
    }


def bars(speed: dict[str, Speed], server: dict[str, float]) -> list[Bar]:
    seconds, resident, _ = server.values()
    fp32 = in_process("fp32", 8)
    return [
        Bar("fp32 in process ÷ one padded batch", ratio(speed, fp32, BASELINE), 3.0),
        Bar("int8 ÷ fp32, in process", ratio(speed, in_process("int8", 8), fp32), 1.35),
        Bar("int8-fast ÷ fp32, in process", ratio(speed, in_process("int8-fast", 8), fp32), 1.9),
        *(
            Bar(
                f"HTTP with 8 clients ÷ in process, {name}", ratio(speed, over_http(name, 8), in_process(name, 8)), 0.85
            )
            for name in PRECISIONS
        ),
        Bar("seconds from start to ready, default model", seconds, 2.0, at_most=True),
        Bar("MB resident, default model", resident, 250.0, at_most=True),
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


if __name__ == "__main__":
    main()
