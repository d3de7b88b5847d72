"""Reads how a checkpoint makes pixels of pictures, and checks it against the checkpoint's own image processor."""
