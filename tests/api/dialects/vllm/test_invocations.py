"""A request of `/invocations` is copied to another path's by the names of its fields."""

import pytest

from api.dialects.vllm.classify import ClassifyRequest
from api.dialects.vllm.embeddings import EmbeddingsRequest
from api.dialects.vllm.invocations import _as
from api.dialects.vllm.pooling import PoolingRequest
from api.errors import InvalidRequest


@pytest.mark.parametrize("kind", [ClassifyRequest, EmbeddingsRequest])
def test_no_field_is_dropped_unseen(kind: type) -> None:
    own = set(PoolingRequest.__struct_fields__)
    jinas = {
        "return_multivector",
        "normalized",
        "embedding_type",
        "truncate",
        "late_chunking",
        "return_tokenized_input",
    }
    assert set(kind.__struct_fields__) - own <= jinas, "a field of a new name would be lost"


def test_what_the_other_path_does_not_know_is_refused() -> None:
    _as(ClassifyRequest, PoolingRequest(input=["a"], encoding_format="float"))
    for other in ({"encoding_format": "base64"}, {"dimensions": 3}, {"input_type": "query"}):
        with pytest.raises(InvalidRequest, match=rf"^{next(iter(other))} is not supported"):
            _as(ClassifyRequest, PoolingRequest(input=["a"], **other))


def test_values_are_copied() -> None:
    request = PoolingRequest(input=["a"], model="m", dimensions=3, truncation_side="left", priority=2)
    copied = _as(EmbeddingsRequest, request)
    assert (copied.input, copied.model, copied.dimensions, copied.truncation_side, copied.priority) == (
        ["a"], "m", 3, "left", 2
    )  # fmt: skip
