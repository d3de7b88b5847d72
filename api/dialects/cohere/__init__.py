"""Serves Cohere's API, versions 1 and 2: https://docs.cohere.com/reference/rerank and https://docs.cohere.com/reference/embed."""

from . import embed, rerank

ENDPOINTS = (*rerank.ENDPOINTS, *embed.ENDPOINTS)
