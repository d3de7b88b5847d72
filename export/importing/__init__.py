"""Imports ONNX graphs that others have exported."""
