"""Reports how far a conversion has come: PyTorch's exporter says so only in what it runs and prints."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from typing import overload

from torch import nn

from engine.arrays import Feeds
from engine.progress import Report

# Of all that conversion takes: running each module once, then what the exporter prints a line after, and what comes
# after it has printed all. Measured with MiniLM's six layers (docs/benchmarks/log.md, "Export that one can wait for").
_MODULES = 0.5
_PRINTED = (0.55, 0.9, 0.91, 0.92, 0.93, 0.97)
_MARK = "[torch.onnx]"


class Printed(io.StringIO):
    """Swallows what exporters print, and reports by it."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self._report = report
        self._marks = 0

    def write(self, text: str) -> int:
        marks = text.count(_MARK)
        if marks:
            self._marks += marks
            self._report(_PRINTED[min(self._marks, len(_PRINTED)) - 1], 1)
        return len(text)


@contextlib.contextmanager
def counted(network: nn.Module, report: Report) -> Iterator[None]:
    """Report each of the network's modules that is run in the block."""
    modules = list(network.modules())
    ran: set[nn.Module] = set()

    def run(module: nn.Module, _: object) -> None:
        ran.add(module)
        report(_MODULES * len(ran) / len(modules), 1)

    hooks = [module.register_forward_pre_hook(run) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class Counted(Sequence[Feeds]):
    """Samples that report how far those have come who go through them once."""

    def __init__(self, samples: Sequence[Feeds], report: Report) -> None:
        self._samples = samples
        self._report = report

    def __len__(self) -> int:
        return len(self._samples)

    @overload
    def __getitem__(self, place: int) -> Feeds: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Feeds]: ...
    def __getitem__(self, place: int | slice) -> Feeds | Sequence[Feeds]:
        return self._samples[place]

    def __iter__(self) -> Iterator[Feeds]:
        for number, feeds in enumerate(self._samples):
            self._report(number, len(self._samples))
            yield feeds
