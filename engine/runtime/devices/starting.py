"""Finds out whether an execution provider starts here, on one small product."""

import base64
import tempfile
from pathlib import Path

import numpy as np

from ...errors import ProviderError
from ..sessions import open_session
from .providers import Provider

# A graph of ONNX's own: y = MatMul(x, x), float32 [2, 2]. There is nothing at run time to make one with.
_PRODUCT = base64.b64decode(
    "CAg6QAoRCgF4CgF4EgF5IgZNYXRNdWwSAWdaEwoBeBIOCgwIARIICgIIAgoCCAJiEwoBeRIOCgwIARIICgIIAgoCCAJCBAoAEA0="
)


def check_start(provider: Provider) -> None:
    """Raises `ProviderError` where an installed provider does not start, or does not compute."""
    with tempfile.TemporaryDirectory(prefix="scorert-provider-") as folder:
        path = Path(folder) / "product.onnx"
        path.write_bytes(_PRODUCT)
        session = open_session(path, provider, threads=1)
        x = np.array([[1, 2], [3, 4]], np.float32)
        try:
            (got,) = session.run(None, {"x": x})
        except Exception as error:
            raise ProviderError(f"{provider.name} starts and does not compute: {error}") from error
    if not np.array_equal(got, x @ x):
        raise ProviderError(f"{provider.name} starts and computes {got.tolist()} for {(x @ x).tolist()}")
