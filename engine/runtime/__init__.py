"""Runs graphs: which provider, in what order, in which batches."""

# Nothing of this folder, the only one of the engine that imports ONNX Runtime, is imported before.
from . import telemetry  # noqa: F401
