"""Reads a checkpoint's files: configuration, weights and tokenizer, without PyTorch."""
