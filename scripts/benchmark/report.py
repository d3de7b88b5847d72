"""Writes what was measured: tables on the terminal, a page and a JSON file in docs/benchmarks/."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from . import plots
from .bars import Bar
from .curves import Cost
from .load import Load
from .quality import Quality
from .speed import Speed


@dataclass(frozen=True, slots=True)
class Report:
    machine: dict[str, Any]
    workload: str
    missing: dict[str, str]
    speed: dict[str, Speed]
    loads: dict[str, list[Load]]
    lengths: dict[str, list[Cost]]
    numbers: dict[str, list[Cost]]
    pairs: int
    logits_spread: float
    quality: dict[str, Quality]
    server: dict[str, float]
    bars: list[Bar]


Rows = Sequence[Sequence[str]]


def print_report(report: Report) -> None:
    console = Console()
    for title, (head, *rows) in _tables(report).items():
        table = Table(*head, title=title, box=box.SIMPLE_HEAD, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def write_report(report: Report, name: str, folder: Path) -> Path:
    """Write `name`.md and `name`.json, and return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"# {machine['cpu']}, {machine['cores']} cores",
        "",
        f"Made by `scripts/bench` on {machine['date']}. {machine['system']}; {', '.join(machine['instructions'])}.",
        f"{versions}.",
        "",
        report.workload,
        "Absolute figures move with the machine's load; contenders take turns, so the ratios hold.",
        *(f"Missing: {peer}, because {reason}." for peer, reason in report.missing.items()),
    ]
    for title, (head, *rows) in _tables(report).items():
        lines += ["", f"## {title}", "", _line(head), _line(["---", *("---:" for _ in head[1:])]), *map(_line, rows)]
    lines += ["", "## Load and length"]
    plots.draw_load(report.loads, folder / f"{name}-load.png")
    plots.draw_costs(report.lengths, report.numbers, folder / f"{name}-cost.png")
    lines += [
        "",
        f"![Throughput and latency over clients]({name}-load.png)",
        "",
        f"![Cost of a token]({name}-cost.png)",
    ]
    page = folder / f"{name}.md"
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return page


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _tables(report: Report) -> dict[str, Rows]:
    """Each table's rows by its title, the head first; without tables of nothing."""
    tables: dict[str, Rows] = {
        "Bars": [
            ["promise", "measured", "bar", "holds"],
            *([bar.name, f"{bar.value:.2f}", bar.text(), "yes" if bar.holds() else "NO"] for bar in report.bars),
        ],
        "Speed (medians)": [
            ["contender", "pairs/s", "lowest, highest", "ms a request"],
            *(
                [
                    name,
                    f"{statistics.median(speed.pairs_per_second):.1f}",
                    f"{min(speed.pairs_per_second):.1f}, {max(speed.pairs_per_second):.1f}",
                    f"{statistics.median(speed.latency):.0f}",
                ]
                for name, speed in report.speed.items()
            ),
        ],
        f"Logits of {report.pairs:,} pairs beside sentence-transformers fp32's (standard deviation "
        f"{report.logits_spread:.2f})": [
            ["contender", "largest error", "mean error", "Spearman", "Spearman, mean of queries"],
            *(
                [
                    name,
                    f"{quality.max_error:.2g}",
                    f"{quality.mean_error:.2g}",
                    f"{quality.spearman:.4f}",
                    f"{quality.spearman_per_query:.4f}",
                ]
                for name, quality in report.quality.items()
            ),
        ],
        "Load": [
            ["server", "clients", "pairs/s", "p50 ms", "p95 ms", "p99 ms"],
            *(
                [name, str(load.clients), *(f"{value:.0f}" for value in (load.pairs_per_second, *load.latency()))]
                for name, loads in report.loads.items()
                for load in loads
            ),
        ],
        "Server on the default model": [
            ["quantity", "value"],
            *([name, f"{value:.2f}" if value < 10 else f"{value:.0f}"] for name, value in report.server.items()),
        ],
    }
    return {title: rows for title, rows in tables.items() if len(rows) > 1}
