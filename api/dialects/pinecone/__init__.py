"""Serves Pinecone's inference: https://docs.pinecone.io/reference/api/introduction."""

from . import embed, models, rerank

ENDPOINTS = (*rerank.ENDPOINTS, *embed.ENDPOINTS, *models.ENDPOINTS)
