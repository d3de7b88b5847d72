"""A stand-in for cupy's arrays where there is no GPU."""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class DeviceArray(NDArrayOperatorsMixin):
    """Follows the protocols that cupy.ndarray follows, and is as strict.

    It is no numpy array, becomes one only when asked with `get`, and neither an operand nor a value to fill it with
    can be one; numpy's functions take it only together with its like. Only `take` has its indices from the host.
    """

    def __init__(self, values: np.ndarray) -> None:
        self._values = np.array(values)

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(operand, np.ndarray) for operand in inputs):
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        return self._moved(getattr(ufunc, method)(*(_unwrapped(operand) for operand in inputs), **kwargs))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any(not issubclass(kind, DeviceArray) for kind in types):
            return NotImplemented
        return self._moved(function(*(_unwrapped(argument) for argument in args), **kwargs))

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Self]:
        return (self[place] for place in range(len(self)))

    def __getitem__(self, key: Any) -> Self:
        if isinstance(key, np.ndarray):
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        return self._moved(self._values[key])

    @property
    def shape(self) -> tuple[int, ...]:
        return self._values.shape

    @property
    def ndim(self) -> int:
        return self._values.ndim

    @property
    def nbytes(self) -> int:
        return self._values.nbytes

    @property
    def T(self) -> Self:  # noqa: N802
        return self._moved(self._values.T)

    def astype(self, dtype: Any, copy: bool = True) -> Self:
        return self._moved(self._values.astype(dtype, copy=copy))

    def take(self, indices: Any, axis: int | None = None) -> Self:
        return self._moved(self._values.take(indices, axis))

    def max(self, axis: int | None = None) -> Self:
        return self._moved(self._values.max(axis))

    def sum(self, axis: int | None = None) -> Self:
        return self._moved(self._values.sum(axis))

    def get(self) -> np.ndarray:
        return self._values.copy()

    def _moved(self, values: np.ndarray) -> Self:
        return type(self)(values)


def _unwrapped(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_unwrapped, value))
    return value._values if isinstance(value, DeviceArray) else value
