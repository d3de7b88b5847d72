"""Serves the ranking of NVIDIA's NeMo Retriever: https://docs.nvidia.com/nim/nemo-retriever/reranking."""

from . import ranking

ENDPOINTS = ranking.ENDPOINTS
