"""Embeddings are cut to the sizes that a model was trained for, and normalised where the model does so."""

from typing import NamedTuple

import numpy as np
import pytest

from engine import InvalidInput
from engine.vectors import matryoshka


class Model(NamedTuple):
    matryoshka: list[int] | None
    dimension: int | None = 8
    normalized: bool = True


@pytest.mark.parametrize(
    ("sizes", "dimensions"), [([2, 4], 2), ([2, 4], 8), ([], 1), ([], 8), ([], 5), (None, None), (None, 8), ([2], None)]
)
def test_sizes_that_may_be_asked_for(sizes, dimensions):
    matryoshka.check(Model(sizes), dimensions)


@pytest.mark.parametrize(
    ("sizes", "dimensions", "sentence"),
    [
        (None, 4, "cuts the embeddings of Matryoshka models, and this is none: leave it out"),
        ([2, 4], 3, "must be one of 2, 4 for this model, not 3"),
        ([], 9, "must be from 1 to 8 for this model, not 9"),
        ([], 0, "must be from 1 to 8 for this model, not 0"),
    ],
)
def test_others_are_refused_with_the_sizes_there_are(sizes, dimensions, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        matryoshka.check(Model(sizes), dimensions)


@pytest.mark.parametrize("is_normalized", [True, False])
def test_what_is_cut_is_the_beginning_and_as_long_as_the_models_own(is_normalized):
    rows = np.array([[3.0, 4.0, 12.0], [0.6, 0.8, 0.0]], np.float32)
    model = Model([2], 3, is_normalized)
    cut = matryoshka.cut(model, rows, 2)
    np.testing.assert_allclose(cut, [[0.6, 0.8], [0.6, 0.8]] if is_normalized else rows[:, :2], atol=1e-6)
    assert matryoshka.cut(model, rows, None) is rows
