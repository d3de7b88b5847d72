"""Traces a checkpoint's PyTorch network to ONNX; no other folder needs torch, but to read weights that it pickled."""
