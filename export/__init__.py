"""Exports Hugging Face checkpoints to verified ONNX artifacts, at build time."""

# Before anything that imports ONNX Runtime.
from engine import telemetry  # noqa: F401
