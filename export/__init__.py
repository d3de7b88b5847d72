"""Exports Hugging Face checkpoints to verified ONNX artifacts, at build time."""

# Before anything that imports ONNX Runtime.
from engine.runtime import telemetry  # noqa: F401
