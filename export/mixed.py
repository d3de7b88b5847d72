"""Keeps in float32 the fewest weights of an 8-bit graph with which it holds its limit (mixed precision)."""

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.artifact.artifact import Graph, Kept, Verification
from engine.progress import Progress, Report, part

from .errors import VerificationError
from .exporter import Costs
from .stages import stage


@dataclass(frozen=True)
class Trial:
    """How a graph is made with some weights kept, and tried: `name` says which.

    `costs` measures what each weight costs in 8 bits, `make` writes the graph with those that are kept, `check` raises
    `VerificationError` where it strays, and `seconds` runs each of several such graphs, and says how long each took.
    """

    name: str
    costs: Callable[[Report], Costs]
    make: Callable[[Collection[str], Report], Graph]
    check: Callable[[Graph, Report], Verification]
    seconds: Callable[[Sequence[Graph]], Sequence[float]]


def mixed(trial: Trial, graph: Graph, strays: VerificationError, folder: Path, progress: Progress) -> Graph:
    """The graph with as many weights in float32 as it needs, in the place of one in `folder` that strays with none.

    As many as the 1, 2, 4, ... that cost most are tried until the limit holds, and then fewer. Raises
    `VerificationError` where it does not hold while anything is in 8 bits.
    """
    progress.say(f"  8 bits are too few for all of it: {strays.reason}")
    with stage(progress, f"measure what each weight of {trial.name} costs in 8 bits") as report:
        costs = trial.costs(report)
    order = [*costs]
    aside = _Aside(folder)
    plain = aside.put(graph, "plain")
    try:
        held, count = _fewest(trial, order, strays, aside, progress)
        graph = aside.back(held)
        alone, together = trial.seconds([plain, graph])
        kept = Kept(
            weights=[costs[name] for name in order[:count]],
            of=len(order),
            size=_size(folder, graph) / _size(folder, plain),
            seconds=together / alone,
        )
    finally:
        aside.remove()
    progress.say(
        f"  {count} of {len(order)} weights stay in float32, for {kept.size:.2f} times the size and {kept.seconds:.2f} "
        f"times the time of all in 8 bits: {', '.join(kept.weights)}"
    )
    return msgspec.structs.replace(graph, kept=kept)


def _fewest(
    trial: Trial, order: Sequence[str], strays: VerificationError, aside: "_Aside", progress: Progress
) -> tuple[Graph, int]:
    """The graph that holds, put aside, and how many are kept in it."""
    last = strays

    def holds(count: int) -> Graph | None:
        nonlocal last
        some = "1 weight" if count == 1 else f"{count} weights"
        with stage(progress, f"try {trial.name} with {some} in float32") as report:
            graph = trial.make(order[:count], part(report, 0, 0.5))
            try:
                found = trial.check(graph, part(report, 0.5, 1))
            except VerificationError as error:
                last = error
                found = None
        if found is None:
            progress.say(f"  it is not enough: {last.reason}")
            return None
        return aside.put(msgspec.structs.replace(graph, verification=found), "held")

    least, held = 0, None
    for count in _counts(len(order)):
        held = holds(count)
        if held is not None:
            break
        least = count
    if held is None:
        raise strays.beyond_help(least, len(order), last.reason)
    while count - least > 1:
        middle = (least + count) // 2
        better = holds(middle)
        if better is None:
            least = middle
        else:
            held, count = better, middle
    return held, count


def _counts(of: int) -> list[int]:
    """1, 2, 4 and so on, and at last all but one."""
    doubling = [1 << power for power in range(of.bit_length()) if 1 << power < of - 1]
    return [*doubling, of - 1] if of > 1 else []


class _Aside:
    """Puts the files of graphs aside in folders of their own, since each graph is written in the same place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[Path] = set()

    def put(self, graph: Graph, where: str) -> Graph:
        """The graph as it is called there; one that was there is gone."""
        target = self._folder / where
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        self._used.add(target)
        for path in self._folder.glob(f"{graph.file}*"):
            path.rename(target / path.name)
        return msgspec.structs.replace(graph, file=f"{where}/{graph.file}")

    def back(self, graph: Graph) -> Graph:
        where, _, file = graph.file.partition("/")
        for path in self._folder.glob(f"{file}*"):
            path.unlink()
        for path in (self._folder / where).iterdir():
            path.rename(self._folder / path.name)
        return msgspec.structs.replace(graph, file=file)

    def remove(self) -> None:
        for folder in self._used:
            shutil.rmtree(folder)


def _size(folder: Path, graph: Graph) -> int:
    return sum(path.stat().st_size for path in folder.glob(f"{graph.file}*"))
