"""A graph opens on the provider that was asked for, or on one to fall back to."""

import pytest

from engine import Engine, ProviderError

QUERY = "What is the capital of France?"
DOCUMENTS = ["The capital of Brazil is Brasilia.", "The capital of France is Paris.", "Horses and cows"]


def test_a_provider_is_used_or_refused_but_never_swapped_unasked(artifacts):
    with pytest.raises(ProviderError, match="Unknown provider 'npu': use cpu, cuda, tensorrt"):
        Engine.load(artifacts("minilm-ce"), provider="npu")
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(ProviderError, match="no cuda provider"):
            Engine.load(artifacts("minilm-ce"), provider="cuda")
    fallback = Engine.load(artifacts("minilm-ce"), provider="tensorrt,cuda,cpu")
    assert fallback.score(QUERY, DOCUMENTS).scores.shape == (3,)
    with pytest.raises(ProviderError, match=r"Unknown provider 'auto': use .*, or auto by itself"):
        Engine.load(artifacts("minilm-ce"), provider="auto,cpu")
