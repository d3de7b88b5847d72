"""Serves the API of text-embeddings-inference (TEI): https://huggingface.github.io/text-embeddings-inference."""

from . import embed, info, predict, rerank, root, similarity, tokens
from .common import DIALECT
from .errors import TEIErrorBody, told

__all__ = ["DIALECT", "ENDPOINTS", "TEIErrorBody", "told"]

ENDPOINTS = (
    *rerank.ENDPOINTS,
    *predict.ENDPOINTS,
    *embed.ENDPOINTS,
    *similarity.ENDPOINTS,
    *tokens.ENDPOINTS,
    *info.ENDPOINTS,
    *root.ENDPOINTS,
)
