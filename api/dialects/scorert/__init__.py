"""Serves ScoreRT's own paths: reranking by document ids, and which token matched which."""

from . import indexed, token_similarity

ENDPOINTS = (*indexed.ENDPOINTS, *token_similarity.ENDPOINTS)
