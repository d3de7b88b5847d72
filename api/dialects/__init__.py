"""Serves the APIs that clients already speak, each a mapping to the engine's calls. `ENDPOINTS` is all of them."""

from . import cohere, deepinfra, infinity, llamacpp, mixedbread, nvidia, pinecone, scorert, tei, vllm, voyage, weaviate

# Where endpoints share a path and a method, the first whose `when` holds answers: those that say when they are meant
# come before vLLM's, which take the rest. Those that headers tell come before those that bodies do, because Pinecone's
# have fields of Cohere's. `test_dialects` holds this order.
ENDPOINTS = (
    *scorert.ENDPOINTS,
    *pinecone.ENDPOINTS,
    *cohere.ENDPOINTS,
    *voyage.ENDPOINTS,
    *nvidia.ENDPOINTS,
    *weaviate.ENDPOINTS,
    *infinity.ENDPOINTS,
    *mixedbread.ENDPOINTS,
    *llamacpp.ENDPOINTS,
    *deepinfra.ENDPOINTS,
    *tei.ENDPOINTS,
    *vllm.ENDPOINTS,
)
