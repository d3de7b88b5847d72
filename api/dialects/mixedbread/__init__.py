"""Serves Mixedbread's reranking: https://www.mixedbread.com/api-reference/endpoints/reranking."""

from . import reranking

ENDPOINTS = reranking.ENDPOINTS
