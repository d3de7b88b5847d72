"""Exports Hugging Face checkpoints to verified ONNX artifacts, at build time."""
