"""ONNX Runtime's execution providers by the short names ScoreRT uses, and the options each is opened with."""

import os
from pathlib import Path
from typing import Any

import onnxruntime

from ..errors import ProviderError
from .tensorrt import Engines

_ONNX_RUNTIME_NAMES = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}

AUTO = "auto"
"""Whichever of them is fastest."""


def installed() -> list[str]:
    """The providers that the installed ONNX Runtime has, the CPU first."""
    available = onnxruntime.get_available_providers()
    return [name for name, own in _ONNX_RUNTIME_NAMES.items() if own in available]


def built_in(preference: str) -> list[str]:
    """The providers of a comma-separated preference that the installed ONNX Runtime has, in order.

    Raises `ProviderError` for an unknown name, or where it has none of them.
    """
    wanted = [name.strip() for name in preference.split(",")]
    for name in wanted:
        if name not in _ONNX_RUNTIME_NAMES:
            raise ProviderError(
                f"Unknown provider '{name}': use {', '.join(_ONNX_RUNTIME_NAMES)}, or {AUTO} by itself."
            )
    there = installed()
    found = [name for name in wanted if name in there]
    if found:
        return found
    raise ProviderError(
        f"The installed ONNX Runtime has no {' or '.join(wanted)} provider: install scorert[gpu] on a machine with an "
        f"NVIDIA GPU, or allow the CPU with --provider {wanted[0]},cpu."
    )


def open_session(
    model: Path, provider: str, threads: int, engines: Engines | None = None, records: bool = False
) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session of `model` on `provider`, `threads` computing threads in each run.

    With `records` CUDA records runs, for `cuda_graphs`. TensorRT needs `engines`, and builds those that are not there,
    which takes minutes. Raises `ProviderError` where the provider is installed but does not start (a missing driver or
    CUDA library), or cannot take the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if provider != "cpu":
        # Finds CUDA and cuDNN among pip's nvidia packages; does nothing where they are on the loader's path.
        onnxruntime.preload_dlls()
    try:
        if engines is not None:
            engines.folder.mkdir(parents=True, exist_ok=True)
            # As `use_tf32` below; for TensorRT's builder ONNX Runtime has no option.
            os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
        # Without ONNX Runtime's own fallback, which goes on with another provider after a run that failed.
        session = onnxruntime.InferenceSession(
            model, options, providers=_with_options(provider, engines, records), enable_fallback=0
        )
    except Exception as error:
        raise ProviderError(f"{model} does not load on {provider}: {error}") from error
    if session.get_providers()[0] != _ONNX_RUNTIME_NAMES[provider]:
        libraries = "scorert[gpu] installed CUDA and cuDNN"
        if provider == "tensorrt":
            # Not among scorert[gpu]'s: which version it must be, ONNX Runtime's documentation says.
            libraries += ", that TensorRT's own libraries are where LD_LIBRARY_PATH says"
        raise ProviderError(
            f"ONNX Runtime could not start its {provider} provider here: check the NVIDIA driver and that {libraries}, "
            f"or allow the CPU with --provider {provider},cpu."
        )
    return session


def cores() -> int:
    """CPU cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _with_options(provider: str, engines: Engines | None, records: bool = False) -> list[tuple[str, dict[str, Any]]]:
    if provider == "cpu":
        return [("CPUExecutionProvider", {})]
    # TensorFloat-32 is the default on recent GPUs and rounds float32 products to 10 bits.
    cuda: tuple[str, dict[str, Any]] = (
        "CUDAExecutionProvider",
        {"arena_extend_strategy": "kSameAsRequested", "use_tf32": False, "enable_cuda_graph": records},
    )
    if provider == "cuda":
        return [cuda]
    return [("TensorrtExecutionProvider", {} if engines is None else engines.options()), cuda]
