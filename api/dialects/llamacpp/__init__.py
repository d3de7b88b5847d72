"""Serves the reranking of llama.cpp's server: https://github.com/ggml-org/llama.cpp/tree/master/tools/server."""

from . import reranking

ENDPOINTS = reranking.ENDPOINTS
