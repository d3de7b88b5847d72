"""A request of `/invocations` is copied to another path's by the names of its fields."""

import pytest

from api.dialects.vllm.classify import ClassifyRequest
from api.dialects.vllm.embeddings import EmbeddingsRequest
from api.dialects.vllm.invocations import _as
from api.dialects.vllm.pooling import PoolingRequest


@pytest.mark.parametrize("kind", [ClassifyRequest, EmbeddingsRequest])
def test_no_field_is_dropped_unseen(kind: type) -> None:
    own = set(PoolingRequest.__struct_fields__)
    assert set(kind.__struct_fields__) - own <= {"return_multivector"}, "a field of a new name would be lost"
    assert own - set(kind.__struct_fields__) <= {
        "task",
        "dimensions",
        "encoding_format",
        "input_type",
        "instruction",
        "use_activation",
    }


def test_values_are_copied() -> None:
    request = PoolingRequest(input=["a"], model="m", dimensions=3, truncation_side="left", priority=2)
    copied = _as(EmbeddingsRequest, request)
    assert (copied.input, copied.model, copied.dimensions, copied.truncation_side, copied.priority) == (
        ["a"], "m", 3, "left", 2
    )  # fmt: skip
