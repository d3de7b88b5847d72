"""Measure ScoreRT beside vLLM, infinity and sentence-transformers, on the cross-encoder behind `tests/contract`."""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from engine import Engine
from scripts.server import start_server

from . import bars, contenders, curves, field, machine
from .floating_point import Shape, float32_rate
from .load import under_load
from .quality import compare, score_all
from .report import Report, print_report, write_report
from .speed import measure
from .workload import DOCUMENTS, Request, make_requests

RESULTS = Path("docs/benchmarks")
# A query's documents where ranks are compared: more than 2,000 pairs in all.
JUDGED = 70


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="under 3 minutes: without the servers of others, printed")
    report = run(parser.parse_args().quick)
    print_report(report)
    if report.loads:
        print(f"Written to {write_report(report, machine.file_name(), RESULTS)}")


def run(quick: bool) -> Report:
    """Everything, or what takes under 3 minutes."""
    requests = make_requests()
    rounds = [requests[:4], requests[4:8]] if quick else [requests[start::3] for start in (0, 1, 2)]
    checkpoint, artifact = field.checkpoint_and_artifact()
    shape = Shape.of(checkpoint)
    engines = {precision: Engine.load(artifact, precision=precision) for precision in field.PRECISIONS}
    libraries = field.libraries(checkpoint)
    reference = libraries[field.library("float32")]
    missing: dict[str, str] = {}
    with ExitStack() as at_exit:
        servers = field.own_servers(artifact, at_exit)
        if not quick:
            _say("Starting the servers of others")
            others, made = field.others(checkpoint, at_exit, missing)
            servers |= others
            libraries |= made
        rates = [float32_rate()]
        speed = measure(field.contenders_of(artifact, engines, servers, libraries), rounds)
        rates.append(float32_rate())
        if not quick:
            _say("Servers under load")
        loads = {} if quick else under_load(servers, requests)

    _say("Costs over length and number, and ranks")
    counter = engines["fp32"]
    longest = counter.manifest.max_length
    tokens = [length for request in requests for length in contenders.pair_lengths(counter, request, longest)]
    pair = shape.operations(tokens) / len(tokens)
    rate = statistics.mean(rates)
    lengths = {} if quick else curves.over_length(engines, shape)
    numbers = {} if quick else curves.over_number(engines, shape)
    judged = requests if quick else make_requests(JUDGED)
    logits = score_all(reference, judged)
    on_gpus = {} if quick else {field.ON_GPUS: Engine.load(artifact, precision=field.ON_GPUS)}
    server = measure_server(requests, starts=1 if quick else 3)
    fp32 = statistics.median(speed[field.in_process("fp32", 8)].pairs_per_second)
    return Report(
        machine=machine.describe(),
        workload=(
            f"{len(requests)} queries, each with {DOCUMENTS} documents of Python's own reference; tokens a pair: mean "
            f"{np.mean(tokens):.0f}, 5th to 95th percentile {np.percentile(tokens, 5):.0f} to "
            f"{np.percentile(tokens, 95):.0f}. {len(rounds)} rounds of {len(rounds[0])} queries. Clients run on the "
            f"same cores as the server. {pair / 1e9:.2f} GFLOP a pair; all cores multiply float32 matrices at "
            f"{rate / 1e9:.0f} GFLOP/s ({', '.join(f'{each / 1e9:.0f}' for each in rates)} before and after)."
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
            *bars.alone(speed, server, fp32 * pair / rate),
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
