"""Rewrites traced graphs so that ONNX Runtime runs them faster, or in 8 bits."""
