"""Serves the APIs that clients already speak, each a mapping to the engine's calls. `ENDPOINTS` is all of them."""

from . import cohere, infinity, nvidia, scorert, tei, vllm, voyage

# Where endpoints share a path and a method, the first whose `when` holds answers: those that say when they are meant
# come before vLLM's, which take the rest. `test_dialects` holds this order.
ENDPOINTS = (
    *scorert.ENDPOINTS,
    *cohere.ENDPOINTS,
    *voyage.ENDPOINTS,
    *nvidia.ENDPOINTS,
    *infinity.ENDPOINTS,
    *tei.ENDPOINTS,
    *vllm.ENDPOINTS,
)
