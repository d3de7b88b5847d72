"""What is kept in fewer bits is off by no more than it says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.vectors.stored import Stored


@given(st.lists(st.floats(-65_000, 65_000, width=32), min_size=1, max_size=20))
def test_stores_round_as_they_say(numbers: list[float]) -> None:
    exact = np.array([numbers, numbers[::-1]], np.float32)
    np.testing.assert_array_equal(Stored.of(exact, "float32").floats(), exact)
    half = Stored.of(exact, "float16").floats()
    assert (np.abs(half - exact) <= np.maximum(2.0**-11 * np.abs(exact), 2.0**-25)).all()
    byte = Stored.of(exact, "int8").floats()
    assert (np.abs(byte - exact) <= np.abs(exact).max() / 254 * (1 + 1e-5) + np.finfo(np.float32).tiny).all()
