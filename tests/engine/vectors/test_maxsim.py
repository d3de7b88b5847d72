import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.vectors.maxsim import maxsim


@given(st.integers(1, 40), st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(0, 1000))
def test_is_the_sum_of_each_query_tokens_best_match(query_tokens, document_tokens, seed):
    random = np.random.default_rng(seed)
    query = random.standard_normal((query_tokens, 16), dtype=np.float32)
    documents = [random.standard_normal((tokens, 16), dtype=np.float32) for tokens in document_tokens]
    got = maxsim(query, documents)
    want = [
        torch.einsum("sh,th->st", torch.from_numpy(query), torch.from_numpy(document)).amax(dim=1).sum().item()
        for document in documents
    ]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4)


def test_a_documents_score_does_not_depend_on_its_neighbours():
    random = np.random.default_rng(0)
    query = random.standard_normal((7, 16), dtype=np.float32)
    documents = [random.standard_normal((tokens, 16), dtype=np.float32) for tokens in (1, 30, 2)]
    together = maxsim(query, documents)
    alone = [maxsim(query, [document])[0] for document in documents]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_documents_that_do_not_fit_together_are_compared_in_turn():
    """As many as are compared at a time and more, one of them longer than that alone."""
    random = np.random.default_rng(0)
    query = random.standard_normal((5, 4), dtype=np.float32)
    documents = [
        random.standard_normal((tokens, 4), dtype=np.float32) for tokens in (3000, 1096, 1, 4095, 2, 6000, 90, 4096)
    ]
    want = [(document @ query.T).max(axis=0).sum() for document in documents]
    np.testing.assert_allclose(maxsim(query, documents), want, rtol=1e-5)
    np.testing.assert_allclose(maxsim(query, documents[::-1]), want[::-1], rtol=1e-5)
    short = [document[:1500] for document in documents]
    want = [(document @ query.T).max(axis=0).sum() for document in short]
    np.testing.assert_allclose(maxsim(query, short), want, rtol=1e-5)
