"""Serves DeepInfra's own API, whose path names the model: https://docs.deepinfra.com/apis/reranker."""

from . import inference

ENDPOINTS = inference.ENDPOINTS
