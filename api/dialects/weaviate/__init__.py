"""Serves Weaviate as its containers for transformers do: https://github.com/weaviate/reranker-transformers."""

from . import about, rerank, vectors
from .common import DIALECT, WeaviateErrorBody

__all__ = ["DIALECT", "ENDPOINTS", "WeaviateErrorBody"]

ENDPOINTS = (*rerank.ENDPOINTS, *vectors.ENDPOINTS, *about.ENDPOINTS)
