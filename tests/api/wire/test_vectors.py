"""Embeddings in fewer bits, held against PyTorch, which vLLM rounds them with."""

from typing import get_args

import numpy as np
import pytest
import torch

from api.wire.vectors import EmbedDtype, in_bytes

_TORCH = {
    "float32": (torch.float32, torch.int32),
    "float16": (torch.float16, torch.int16),
    "bfloat16": (torch.bfloat16, torch.int16),
    "fp8_e4m3": (torch.float8_e4m3fn, torch.int8),
    "fp8_e5m2": (torch.float8_e5m2, torch.int8),
}


@pytest.mark.parametrize("dtype", get_args(EmbedDtype))
def test_numbers_are_rounded_as_pytorch_rounds_them(dtype: EmbedDtype) -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([
        random.standard_normal((50, 40)).astype(np.float32),
        # Halfway between two numbers, beyond all numbers, and the smallest.
        np.tile(np.float32([0.0625, 1.0625, 1.1875, 1.125, 1.375, 448, 464, 465, 1e5, 7e4]), (1, 4)),
        np.tile(np.float32([-0.0, 2**-10, 2**-17, 3e-8, -449, 57344, 61440, 1e38, -1e38, 65520]), (1, 4)),
    ])  # fmt: skip
    kind, whole = _TORCH[dtype]
    expected = torch.tensor(values).to(kind).view(whole).numpy()
    assert in_bytes(values, dtype) == in_bytes(values, dtype, "little") == expected.tobytes()
    assert in_bytes(values, dtype, "big") == expected.byteswap().tobytes()
    assert in_bytes(values[:, ::2], dtype) == np.ascontiguousarray(expected[:, ::2]).tobytes()
