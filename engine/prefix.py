"""The beginning that prompts of one call have in common, which a causal graph need read only once."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .artifact import Tensor

Ids = NDArray[np.int64]

# Below it, feeding keys and values costs about what it saves.
_SHORTEST = 16


class Prefix:
    """Tokens that several inputs begin with, and their keys and values, which go when the inputs do.

    `ids` are int64 `[tokens]`. Thread-safe.
    """

    def __init__(self, ids: Ids) -> None:
        self.ids = ids
        self._lock = threading.Lock()
        self._states: Any = None

    def __len__(self) -> int:
        return len(self.ids)

    def states(self, compute: Callable[[Ids], Any]) -> Any:
        """What `compute` makes of the tokens: of the first call for all, and others wait for it meanwhile."""
        with self._lock:
            if self._states is None:
                self._states = compute(self.ids)
            return self._states


def shared_prefixes(sequences: Sequence[Ids], queries: Sequence[str], least: int) -> list[Prefix | None]:
    """A prefix for each sequence, the same object for those that share it, and None for those that share too little.

    Sequences share it by query, or all of them share one where that saves more. Each keeps at least one token of its
    own. None of them share where it saves fewer than `least` tokens.
    """
    by_query: dict[str, list[int]] = {}
    for index, query in enumerate(queries):
        by_query.setdefault(query, []).append(index)
    groupings = [[*by_query.values()], [[*range(len(sequences))]]] if len(by_query) > 1 else [[*by_query.values()]]
    groups = max((list(_prefixed(sequences, groups)) for groups in groupings), key=_saved)
    prefixes: list[Prefix | None] = [None] * len(sequences)
    if _saved(groups) >= least:
        for group, prefix in groups:
            for index in group:
                prefixes[index] = prefix
    return prefixes


def _prefixed(sequences: Sequence[Ids], groups: list[list[int]]) -> Iterator[tuple[list[int], Prefix]]:
    for group in groups:
        first = sequences[group[0]]
        length = min(len(sequences[index]) for index in group) - 1
        for index in group:
            differs = np.flatnonzero(sequences[index][:length] != first[:length])
            length = int(differs[0]) if len(differs) else length
        if len(group) > 1 and length >= _SHORTEST:
            yield group, Prefix(first[:length])


def _saved(groups: list[tuple[list[int], Prefix]]) -> int:
    return sum((len(group) - 1) * len(prefix) for group, prefix in groups)


def no_past(tensor: Tensor) -> NDArray[Any]:
    """What a graph's input for the past is fed where its sequences are whole."""
    return np.zeros([dim if isinstance(dim, int) else 0 for dim in tensor.dims], tensor.type)
