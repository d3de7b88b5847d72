"""Traces a checkpoint's PyTorch network to ONNX; no other folder imports torch."""
