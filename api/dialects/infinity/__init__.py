"""Serves infinity's way to embed images, beside OpenAI's texts: https://michaelfeil.eu/infinity."""

from . import embeddings

ENDPOINTS = embeddings.ENDPOINTS
