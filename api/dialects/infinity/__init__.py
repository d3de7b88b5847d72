"""Serves infinity's API, beside OpenAI's embeddings of texts: https://michaelfeil.eu/infinity."""

from . import about, classify, embeddings, rerank

ENDPOINTS = (*rerank.ENDPOINTS, *classify.ENDPOINTS, *embeddings.ENDPOINTS, *about.ENDPOINTS)
