"""Serves Voyage's API: https://docs.voyageai.com/reference."""

from . import embeddings, multimodal, rerank

ENDPOINTS = (*rerank.ENDPOINTS, *embeddings.ENDPOINTS, *multimodal.ENDPOINTS)
