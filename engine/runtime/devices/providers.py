"""Tells what each of ONNX Runtime's execution providers needs: options, a schedule, and where its outputs stay."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import onnxruntime

from ...artifact.artifact import Graph, ProviderName
from ...errors import ProviderError
from ...extras import install
from ..machine.cores import cores
from ..scheduler import Schedule

Device: TypeAlias = Literal["cpu", "cuda"]

AUTO = "auto"
"""Stands for whichever of them is fastest here."""


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """One execution provider, by the short name that ScoreRT uses.

    Outputs stay in the memory of `device`. `options` are ONNX Runtime's; `fallback` is the provider that takes the
    nodes this one has no kernel for. A provider with `own_graphs` runs only those graphs of an artifact that are made
    for it.

    A run has at most `max_sequences` inputs and `max_tokens` tokens; where it is `padded`, of unlike lengths. `workers`
    runs go on at once, None for one a core. `worth_sharing` is how many tokens a prefix has to save to be worth its own
    run of the graph. A run of a vision graph has at most `max_pictures` pictures and `max_pieces` pieces of them.
    """

    name: ProviderName
    onnxruntime_name: str
    device: Device
    max_sequences: int
    max_tokens: int
    padded: bool
    workers: int | None
    worth_sharing: int
    max_pictures: int
    max_pieces: int
    options: Mapping[str, Any] = field(default_factory=dict)
    fallback: ProviderName | None = None
    own_graphs: bool = False
    recording: str | None = None
    """The option that makes a session record its runs."""

    @property
    def on_gpu(self) -> bool:
        """Whether outputs stay in a GPU's memory."""
        return self.device != "cpu"

    def schedule(self, graph: Graph, threads: int | None, max_waiting: int | None = None) -> Schedule:
        """How runs of a graph go on; `threads` is how many of the machine's they may use, None for all."""
        return Schedule(
            max_sequences=graph.max_batch or self.max_sequences,
            max_tokens=self.max_tokens,
            workers=self.workers or threads or cores(),
            threads=1 if self.workers is None else threads or 1,
            max_waiting=max_waiting,
            padded=self.padded,
            multiple=graph.multiple,
        )

    def vision_schedule(self, graph: Graph, threads: int | None, max_waiting: int | None = None) -> Schedule:
        """How runs of a vision graph go on. Its pictures are few and large, so one run has all threads."""
        return Schedule(
            max_sequences=graph.max_batch or self.max_pictures,
            max_tokens=self.max_pieces,
            workers=1 if self.workers is None else self.workers,
            threads=threads or cores(),
            max_waiting=max_waiting,
            padded=True,
        )

    def shares_from(self, graph: Graph) -> int | None:
        """`worth_sharing` for a graph whose inputs may share prefixes; None for another."""
        # Where activations are quantised over a whole run, what is in it changes the score.
        return None if graph.past is None or graph.max_batch == 1 else self.worth_sharing


_GPU_TOKENS = 16_384
"""The tokens of one run on a GPU: a choice, some 200 documents of usual length."""

CPU = Provider(
    "cpu",
    "CPUExecutionProvider",
    device="cpu",
    # Without padding or synchronisation: one single-threaded worker a core, with one input a run, or several short ones
    # of one length that share what a run costs before its first token. Beyond 192 tokens a run gains nothing from
    # another input: docs/benchmarks/log.md, "Several inputs of one length in a run". 16 is a choice: 12 tokens each.
    max_sequences=16,
    max_tokens=192,
    padded=False,
    workers=None,
    # A run costs as much as 8 to 21 more tokens: docs/benchmarks/log.md, "Prefixes that prompts share".
    worth_sharing=32,
    # More of them gain at most 4%: docs/benchmarks/log.md, "Pictures".
    max_pictures=1,
    max_pieces=4096,
)
CUDA = Provider(
    "cuda",
    "CUDAExecutionProvider",
    device="cuda",
    # Large micro-batches of like lengths, and two workers, so that one's copies hide behind the other's kernels. 64 is
    # a choice, as all of this is until it is measured on a GPU.
    max_sequences=64,
    max_tokens=_GPU_TOKENS,
    padded=True,
    workers=2,
    # A prefix splits batches that would mix otherwise, so it should save a whole one.
    worth_sharing=_GPU_TOKENS,
    max_pictures=16,
    max_pieces=_GPU_TOKENS,
    # TensorFloat-32 is the default on recent GPUs and rounds float32 products to 10 bits.
    options={"arena_extend_strategy": "kSameAsRequested", "use_tf32": False},
    recording="enable_cuda_graph",
)
TENSORRT = Provider(
    "tensorrt",
    "TensorrtExecutionProvider",
    device="cuda",
    max_sequences=CUDA.max_sequences,
    max_tokens=CUDA.max_tokens,
    padded=CUDA.padded,
    workers=CUDA.workers,
    worth_sharing=CUDA.worth_sharing,
    max_pictures=CUDA.max_pictures,
    max_pieces=CUDA.max_pieces,
    fallback="cuda",
    own_graphs=True,
)

PROVIDERS: dict[ProviderName, Provider] = {provider.name: provider for provider in (CPU, CUDA, TENSORRT)}


def installed() -> list[Provider]:
    """The providers that the installed ONNX Runtime has, the CPU first."""
    available = onnxruntime.get_available_providers()
    return [provider for provider in PROVIDERS.values() if provider.onnxruntime_name in available]


def preferred(names: str) -> list[Provider]:
    """The providers of a comma-separated preference that the installed ONNX Runtime has, in order.

    Raises `ProviderError` for an unknown name, or where it has none of them.
    """
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in PROVIDERS:
            raise ProviderError(f"Unknown provider '{name}': use {', '.join(PROVIDERS)}, or {AUTO} by itself.")
    there = {provider.name: provider for provider in installed()}
    found = [there[name] for name in wanted if name in there]
    if found:
        return found
    raise ProviderError(
        f"The installed ONNX Runtime has no {' or '.join(wanted)} provider",
        f"run `{install('gpu')}` on a machine with an NVIDIA GPU, or allow the CPU with --provider {wanted[0]},cpu",
    )
