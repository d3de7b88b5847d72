import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.maxsim import maxsim


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
