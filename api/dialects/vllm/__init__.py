"""Serves vLLM's API, with the paths that OpenAI, Jina and SageMaker share with it: https://docs.vllm.ai."""

from . import about, classify, embeddings, invocations, pooling, rerank, score, tokens

ENDPOINTS = (
    *score.ENDPOINTS,
    *rerank.ENDPOINTS,
    *classify.ENDPOINTS,
    *pooling.ENDPOINTS,
    *embeddings.ENDPOINTS,
    *tokens.ENDPOINTS,
    *invocations.ENDPOINTS,
    *about.ENDPOINTS,
)
