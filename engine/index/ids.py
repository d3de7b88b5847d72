"""Finds documents by their ids, in a sorted table of the ids' digests that is searched where it lies on disk."""

from array import array
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput

Table = NDArray[np.uint64]
"""`[3, documents]`: the first and second halves of the ids' digests, ascending, and the documents' numbers."""


class Collected:
    """The ids of documents 0, 1, 2, …, kept as digests of 16 bytes each.

    Two of 10^9 ids share one of its 128 bits with a probability of 10^-21.
    """

    def __init__(self) -> None:
        self._halves = array("Q"), array("Q")

    def __len__(self) -> int:
        return len(self._halves[0])

    def add(self, document_id: str) -> None:
        for half, value in zip(self._halves, _digest(document_id), strict=True):
            half.append(value)

    def table(self) -> Table:
        high, low = (np.frombuffer(half, np.uint64) for half in self._halves)
        order = np.lexsort((low, high))
        return np.stack([high[order], low[order], order.astype(np.uint64)])


def repeated(table: Table) -> tuple[int, int] | None:
    """Two documents, by number, that have the same id, if there are such."""
    (equal,) = np.nonzero((table[:2, 1:] == table[:2, :-1]).all(axis=0))
    if not len(equal):
        return None
    first, second = sorted(int(table[2, place]) for place in (equal[0], equal[0] + 1))
    return first, second


def find(table: Table, document_ids: Sequence[str]) -> NDArray[np.int64]:
    """The numbers of documents, in the order of their ids. Raises `InvalidInput`, which names an id there is not."""
    digests = np.array([_digest(document_id) for document_id in document_ids], np.uint64).reshape(-1, 2)
    places = np.searchsorted(table[0], digests[:, 0])
    numbers = np.empty(len(digests), np.int64)
    for index, (place, (high, low)) in enumerate(zip(places.tolist(), digests, strict=True)):
        while place < table.shape[1] and table[0, place] == high and table[1, place] != low:
            place += 1
        if place == table.shape[1] or table[0, place] != high:
            raise InvalidInput(f"The index has no document with the id {document_ids[index]!r}.", "document_ids")
        numbers[index] = table[2, place]
    return numbers


def _digest(document_id: str) -> tuple[int, int]:
    digest = blake2b(document_id.encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")
