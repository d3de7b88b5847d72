"""What was measured, as tables on the terminal and as a page and a JSON file in docs/benchmarks/."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from .quality import Quality
from .speed import Speed


@dataclass(frozen=True, slots=True)
class Bar:
    """What ScoreRT promises of a measured value."""

    name: str
    value: float
    bar: float
    at_most: bool = False

    def text(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.bar:g}"

    def holds(self) -> bool:
        return self.value <= self.bar if self.at_most else self.value >= self.bar


@dataclass(frozen=True, slots=True)
class Report:
    machine: dict[str, Any]
    workload: str
    speed: dict[str, Speed]
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
    ]
    for title, (head, *rows) in _tables(report).items():
        lines += ["", f"## {title}", "", _line(head), _line(["---", *("---:" for _ in head[1:])]), *map(_line, rows)]
    page = folder / f"{name}.md"
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return page


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _tables(report: Report) -> dict[str, Rows]:
    """Each table's rows by its title, the head first."""
    return {
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
        f"Logits beside sentence-transformers fp32 (standard deviation {report.logits_spread:.2f})": [
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
        "Server on the default model": [
            ["quantity", "value"],
            *([name, f"{value:.2f}" if value < 10 else f"{value:.0f}"] for name, value in report.server.items()),
        ],
    }
