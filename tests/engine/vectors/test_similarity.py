"""Activation and similarities, as PyTorch has them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine import normalized, sigmoid, similarity


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=20))
def test_sigmoid_is_pytorchs_and_never_overflows(numbers):
    logits = np.array(numbers, np.float32)
    with np.errstate(over="raise"):
        got = sigmoid(logits)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, torch.sigmoid(torch.from_numpy(logits)).numpy(), atol=1e-6)


@pytest.mark.parametrize("kind", ["cosine", "dot"])
def test_similarities_are_pytorchs(kind):
    random = np.random.default_rng(0)
    query, *documents = (random.standard_normal((8, 16)) * 3).astype(np.float32)
    sides = torch.from_numpy(query)[None], torch.from_numpy(np.stack(documents))
    want = torch.cosine_similarity(*sides) if kind == "cosine" else (sides[0] * sides[1]).sum(dim=1)
    np.testing.assert_allclose(similarity(query, documents, kind), want.numpy(), rtol=1e-5, atol=1e-5)


def test_an_embedding_of_zeros_has_no_direction_and_no_nan():
    zeros, one = np.zeros(4, np.float32), np.ones(4, np.float32)
    assert normalized(zeros).tolist() == [0.0] * 4
    assert similarity(one, [zeros, one], "cosine").tolist() == pytest.approx([0.0, 1.0])
