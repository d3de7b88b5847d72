"""Serves Voyage's multimodal embeddings: https://docs.voyageai.com/reference/multimodal-embeddings-api."""

from . import multimodal

ENDPOINTS = multimodal.ENDPOINTS
