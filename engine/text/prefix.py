"""Finds the beginning that prompts of one call have in common, whose keys and values a causal graph computes once."""

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..arrays import Ids
from ..artifact.artifact import Tensor
from ..grouping import places_of


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


def shared_prefixes(
    sequences: Sequence[Ids], queries: Sequence[Hashable], least: int, multiple: int = 1
) -> list[Prefix | None]:
    """A prefix for each sequence, one object for those that share it, and None for those that share none.

    Sequences of one query share a prefix, or all sequences do where that saves more tokens. A prefix leaves each
    sequence at least one token of its own. It saves its length for every sequence but the first, and must save `least`
    tokens. Its length is a multiple of `multiple`.

    Equal token ids are taken for equal inputs: of one with pictures, only what comes before them is given.
    """
    by_query = places_of(queries)
    best = _Group.of(sequences, [range(len(sequences))], multiple)
    if len(by_query) > 1:
        best = max(best, _Group.of(sequences, [*by_query.values()], multiple), key=_saved)
    prefixes: list[Prefix | None] = [None] * len(sequences)
    for group in best:
        if group.saved >= least:
            prefix = Prefix(sequences[group.members[0]][: group.length])
            for index in group.members:
                prefixes[index] = prefix
    return prefixes


@dataclass(frozen=True, slots=True)
class _Group:
    """Sequences, by index, and how many tokens they begin with in common."""

    members: Sequence[int]
    length: int

    @property
    def saved(self) -> int:
        return (len(self.members) - 1) * self.length

    @classmethod
    def of(cls, sequences: Sequence[Ids], groups: Sequence[Sequence[int]], multiple: int) -> list[Self]:
        lengths = [_common([sequences[index] for index in members]) for members in groups]
        return [cls(members, length // multiple * multiple) for members, length in zip(groups, lengths, strict=True)]


def _saved(groups: Sequence[_Group]) -> int:
    return sum(group.saved for group in groups)


def _common(sequences: Sequence[Ids]) -> int:
    first = sequences[0]
    length = max(0, min(map(len, sequences)) - 1)
    for sequence in sequences:
        differs = np.flatnonzero(sequence[:length] != first[:length])
        length = int(differs[0]) if len(differs) else length
    return length


def no_past(tensor: Tensor) -> NDArray[Any]:
    """The past of sequences that have none: `past_tokens` is 0."""
    return np.zeros([dim if isinstance(dim, int) else 0 for dim in tensor.dims], tensor.type)
