"""Opens ONNX Runtime's sessions."""

import ctypes
import os
import weakref
from pathlib import Path
from typing import Any

import onnxruntime

from ..errors import ProviderError
from ..extras import install
from .devices.providers import PROVIDERS, Provider
from .devices.tensorrt import Plans

_OPEN: "weakref.WeakSet[onnxruntime.InferenceSession]" = weakref.WeakSet()


def _abandon() -> None:
    """Never close the sessions of the process that was forked: they wait for threads that the child does not have."""
    for session in list(_OPEN):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
    _OPEN.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon)


def open_session(
    model: Path,
    provider: Provider,
    threads: int,
    plans: Plans | None = None,
    records: bool = False,
    shares: bool = False,
) -> onnxruntime.InferenceSession:
    """A session of `model` on `provider`, with `threads` computing threads in each run.

    Those of a session that `shares` its cores with others let go of them when a run is over. With `records` CUDA
    records runs, for `cuda_graphs`. TensorRT needs `plans`, and builds those that are not there, which takes minutes.
    Raises `ProviderError` where the provider is installed but does not start (a missing driver or CUDA library), or
    cannot take the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if shares:
        options.add_session_config_entry("session.force_spinning_stop", "1")
    if provider.on_gpu:
        # Finds CUDA and cuDNN among pip's nvidia packages; does nothing where they are on the loader's path.
        onnxruntime.preload_dlls()
    try:
        if plans is not None:
            plans.folder.mkdir(parents=True, exist_ok=True)
            # As `use_tf32` of CUDA's options; for TensorRT's builder ONNX Runtime has no option.
            os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
        # Without ONNX Runtime's own fallback, which goes on with another provider after a run that failed.
        session = onnxruntime.InferenceSession(
            model, options, providers=_with_options(provider, plans, records), enable_fallback=0
        )
    except Exception as error:
        raise ProviderError(f"{model} does not load on {provider.name}: {error}") from error
    if session.get_providers()[0] != provider.onnxruntime_name:
        libraries = f"CUDA and cuDNN are installed (`{install('gpu')}`)"
        if provider.own_graphs:
            # Not among that extra's: which version it must be, ONNX Runtime's documentation says.
            libraries += ", that TensorRT's own libraries are where LD_LIBRARY_PATH says"
        raise ProviderError(
            f"ONNX Runtime could not start its {provider.name} provider here",
            f"check the NVIDIA driver and that {libraries}, or allow the CPU with --provider {provider.name},cpu",
        )
    _OPEN.add(session)
    return session


def _with_options(provider: Provider, plans: Plans | None, records: bool) -> list[tuple[str, dict[str, Any]]]:
    options = dict(provider.options)
    if plans is not None:
        options |= plans.options()
    if provider.recording is not None:
        options[provider.recording] = records
    own = [(provider.onnxruntime_name, options)]
    return own if provider.fallback is None else own + _with_options(PROVIDERS[provider.fallback], None, records)
