"""Measures ScoreRT beside vLLM, infinity and sentence-transformers, on the cross-encoder behind `tests/contract`."""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import numpy as np

from engine import Batch, Engine
from scripts.server import start_server

from . import bars, contenders, curves, field, machine, multimodal
from .contenders import Scorer
from .floating_point import Shape
from .load import under_load
from .quality import compare, score_all
from .report import Report, print_report, write_report
from .speed import measure
from .workload import DOCUMENTS, Request, make_requests

RESULTS = Path("docs/benchmarks")
# A query's documents where ranks are compared: more than 2,000 pairs in all.
JUDGED = 70
# How often each request is sent to everybody.
TURNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="under 3 minutes: without the servers of others, printed")
    parser.add_argument("--multimodal", action="store_true", help="what pictures cost, alone and printed")
    options = parser.parse_args()
    if options.multimodal:
        multimodal.main()
        return
    report = run(options.quick)
    print_report(report)
    if report.loads:
        print(f"Written to {write_report(report, machine.file_name(), RESULTS)}")


def run(quick: bool) -> Report:
    """Everything, or what takes under 3 minutes."""
    requests = make_requests()
    rounds = [requests[:4], requests[4:8]] if quick else [requests[start::3] for start in (0, 1, 2)] * TURNS
    checkpoint, artifact = field.checkpoint_and_artifact()
    shape = Shape.of(checkpoint)
    engines = {precision: Engine.load(artifact, precision=precision) for precision in field.PRECISIONS}
    batches: list[Batch] = []
    for engine in engines.values():
        engine.on_batch(batches.append)
    libraries = field.libraries(checkpoint)
    reference = libraries[field.library("float32")]
    longest = engines["fp32"].manifest.max_length
    pairs = {request.query: contenders.pair_lengths(engines["fp32"], request, longest) for request in requests}
    operations = {query: shape.operations(lengths) for query, lengths in pairs.items()}
    missing: dict[str, str] = {}
    with ExitStack() as at_exit:
        servers = field.own_servers(artifact, at_exit)
        others: dict[str, Scorer] = {}
        if not quick:
            _say("Starting the servers of others")
            others, made = field.others(checkpoint, at_exit, missing)
            libraries |= made
        # The best of them last, near the servers that are compared with it.
        near = dict(reversed(others.items())) | servers
        speed = measure(field.contenders_of(artifact, operations, engines, near, libraries), rounds)
        if not quick:
            _say("Servers under load")
        loads = {} if quick else under_load(servers | others, requests)

    _say("Costs over length and number, and ranks")
    tokens = list(chain.from_iterable(pairs.values()))
    pair = sum(operations.values()) / len(tokens)
    rates = [number * pair for number in speed[field.PRODUCTS].pairs_per_second]
    lengths = {} if quick else curves.over_length(engines, shape)
    numbers = {} if quick else curves.over_number(engines, shape)
    judged = requests if quick else make_requests(JUDGED)
    logits = score_all(reference, judged)
    on_gpus = {} if quick else {field.ON_GPUS: Engine.load(artifact, precision=field.ON_GPUS)}
    server = measure_server(requests, starts=1 if quick else 3)
    return Report(
        machine=machine.describe(),
        workload=(
            f"{len(requests)} queries, each with {DOCUMENTS} documents of Python's own reference; tokens a pair: mean "
            f"{np.mean(tokens):.0f}, 5th to 95th percentile {np.percentile(tokens, 5):.0f} to "
            f"{np.percentile(tokens, 95):.0f}. {len(rounds)} rounds of {len(rounds[0])} queries. Clients run on the "
            f"same cores as the server. {pair / 1e9:.2f} GFLOP a pair; all cores multiply float32 matrices at "
            f"{', '.join(f'{rate / 1e9:.0f}' for rate in rates)} GFLOP/s in each round."
        ),
        missing=missing,
        speed=speed,
        loads=loads,
        lengths=lengths,
        numbers=numbers,
        pairs=sum(map(len, logits)),
        logits_spread=float(np.concatenate(logits).std()),
        quality={
            precision: compare(score_all(contenders.in_process(engine), judged), logits)
            for precision, engine in (engines | on_gpus).items()
        },
        server=server,
        bars=[
            *bars.alone(speed, server, batches),
            *bars.beside(speed),
            *bars.of_growth(lengths, numbers),
        ],
    )


def _say(stage: str) -> None:
    print(f"{stage} ...", file=sys.stderr)


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


if __name__ == "__main__":
    main()
