"""Draws what was measured, as pictures beside the page in docs/benchmarks/."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot
from matplotlib.axes import Axes

from .curves import Cost
from .load import Load


def draw_load(loads: Mapping[str, Sequence[Load]], path: Path) -> None:
    """Throughput over clients, and latency over throughput."""
    figure, (throughput, latency) = pyplot.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
    for name, points in loads.items():
        speeds = [point.pairs_per_second for point in points]
        (line,) = throughput.plot([point.clients for point in points], speeds, marker="o", label=name)
        latency.plot(speeds, [point.p50 for point in points], marker="o", color=line.get_color(), label=name)
        latency.plot(speeds, [point.p95 for point in points], marker="o", color=line.get_color(), linestyle=":")
    _name(throughput, "clients", "pairs/s", "Throughput")
    throughput.set_xscale("log", base=2)
    throughput.set_xticks([point.clients for point in points], [str(point.clients) for point in points])
    throughput.set_ylim(bottom=0)
    _name(latency, "pairs/s", "ms a request", "Latency: median, and 95th percentile dotted")
    latency.set_yscale("log")
    latency.set_xlim(left=0)
    figure.legend(*throughput.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw_costs(lengths: Mapping[str, Sequence[Cost]], numbers: Mapping[str, Sequence[Cost]], path: Path) -> None:
    """Time of a token over the length of a pair, and over the number of documents."""
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained", sharey=True)
    for axis, costs, what in zip(axes, (lengths, numbers), ("tokens a pair", "documents a request"), strict=True):
        for name, points in costs.items():
            axis.plot([point.at for point in points], [point.a_token for point in points], marker="o", label=name)
        _name(axis, what, "µs a token", f"Cost over {what}")
        axis.set_xscale("log")
        axis.set_xticks([point.at for point in points], [str(point.at) for point in points])
        axis.minorticks_off()
        axis.set_ylim(bottom=0)
    axes[0].legend(fontsize="small")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _name(axis: Axes, x: str, y: str, title: str) -> None:
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.set_title(title, fontsize="medium")
    axis.grid(alpha=0.3)
