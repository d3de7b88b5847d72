"""Compares an answer with a recorded one."""

import base64
import re
from typing import Any

import numpy as np
import pytest

TOLERANCE = 1e-4

_RANDOM_ID = re.compile(r"(score|classify|pooling|embd|modelperm)-([0-9a-f]{16}|…)")


def assert_same(actual: Any, expected: Any, tolerance: float = TOLERANCE, where: str = "body") -> None:
    """Equal but for times, the random part of ids, and `tolerance` in scores."""
    match expected:
        case dict():
            assert isinstance(actual, dict), where
            assert list(actual) == list(expected), where
            for key, value in expected.items():
                assert_same(actual[key], value, tolerance, f"{where}.{key}")
        case list() if expected and (length := _cut(expected[-1], "numbers")):
            assert len(actual) == length, where
            assert actual[: len(expected) - 1] == pytest.approx(expected[:-1], abs=tolerance), where
        case list():
            assert isinstance(actual, list), where
            assert len(actual) == len(expected), where
            for index, value in enumerate(expected):
                assert_same(actual[index], value, tolerance, f"{where}[{index}]")
        case float():
            assert actual == pytest.approx(expected, abs=tolerance), where
        case str() if length := _cut(expected, "characters"):
            assert len(actual) == length, where
            start = expected.partition("...")[0]
            np.testing.assert_allclose(_floats(actual[: len(start)]), _floats(start), atol=tolerance, err_msg=where)
        case str() if where.endswith("].data"):
            np.testing.assert_allclose(_floats(actual), _floats(expected), atol=tolerance, err_msg=where)
        case int() if where.endswith(".created"):
            assert isinstance(actual, int), where
            assert actual > 1_700_000_000, where
        case str() if where.endswith(".id") and _RANDOM_ID.fullmatch(expected):
            prefix, _, random = expected.partition("-")
            assert actual.startswith(f"{prefix}-"), where
            assert random == "…" or len(actual) == len(expected), where
            assert int(actual.removeprefix(f"{prefix}-"), 16) >= 0, where
            assert actual != f"{prefix}-{random}", where
        case _:
            assert actual == expected, where
            assert type(actual) is type(expected), where


def _cut(value: Any, unit: str) -> int:
    """How long the recorded list or string was, where its end says that it was cut; else 0."""
    found = re.search(rf"\.\.\. (\d+) {unit} in all$", value) if isinstance(value, str) else None
    return int(found[1]) if found else 0


def _floats(encoded: str) -> np.ndarray:
    """The whole float32 numbers at the start of a base64 string."""
    content = base64.b64decode(encoded[: len(encoded) // 4 * 4])
    return np.frombuffer(content[: len(content) // 4 * 4], "<f4")
