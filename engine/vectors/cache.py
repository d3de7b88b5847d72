"""Remembers embeddings that were computed already, by what they were computed from."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..artifact.artifact import Role
from ..errors import InvalidInput
from .stored import STORES, Store, Stored

DEFAULT_CACHE_BYTES = 256 * 2**20
"""A choice: room for 140,000 embeddings of 384 numbers, or for the token embeddings of 4,000 passages of 128 tokens of
128."""

# The bytes of an entry besides its numbers: its key, two objects and a place in the dictionary, counted with
# `sys.getsizeof` and rounded up.
_ENTRY_BYTES = 450


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What a cache has been asked for since it was opened, in inputs of the graph, and what it holds now."""

    hits: int
    misses: int
    entries: int
    bytes: int


class EmbeddingCache:
    """One graph's embeddings, in at most `max_bytes`: those that were asked for longest ago go first. Thread-safe.

    What was computed into a GPU's memory stays there, and the bytes are that memory's. Every operation takes the same
    time however many there are. Nothing waits here for embeddings that are being computed: two calls that miss the
    same text both compute it.
    """

    def __init__(self, max_bytes: int, store: Store = "float32") -> None:
        """With `max_bytes` 0 it holds nothing, and rounds nothing. Raises `InvalidInput` for an unknown store."""
        if store not in STORES:
            raise InvalidInput(f"The store is {', '.join(STORES[:-1])} or {STORES[-1]}, not {store!r}.")
        self._max_bytes = max_bytes
        self._store: Store = store
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, Stored] = OrderedDict()
        self._bytes = self._hits = self._misses = 0

    def emptied(self) -> "EmbeddingCache":
        """Another of the same kind that holds nothing."""
        return EmbeddingCache(self._max_bytes, self._store)

    @property
    def on(self) -> bool:
        return self._max_bytes > 0

    @property
    def use(self) -> CacheUse:
        with self._lock:
            return CacheUse(self._hits, self._misses, len(self._entries), self._bytes)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Floats]:
        """The embeddings it has of those asked for, as nobody may change them."""
        with self._lock:
            found = {key: self._entries[key] for key in keys if key in self._entries}
            for key in found:
                self._entries.move_to_end(key)
            hits = sum(key in found for key in keys)
            self._hits += hits
            self._misses += len(keys) - hits
        return {key: stored.floats() for key, stored in found.items()}

    def put(self, key: bytes, embedding: Floats) -> Floats:
        """Keep what was computed. Returns it as `get` will, so that an answer is the same however often it is asked."""
        if not self.on:
            return embedding
        stored = Stored.of(embedding, self._store)
        if isinstance(stored.values, np.ndarray):
            stored.values.setflags(write=False)
        size = stored.nbytes + _ENTRY_BYTES
        with self._lock:
            replaced = self._entries.pop(key, None)
            if replaced is not None:
                self._bytes -= replaced.nbytes + _ENTRY_BYTES
            if size <= self._max_bytes:
                self._entries[key] = stored
                self._bytes += size
            while self._bytes > self._max_bytes:
                _, oldest = self._entries.popitem(last=False)
                self._bytes -= oldest.nbytes + _ENTRY_BYTES
        return stored.floats()


def key_of(identity: bytes, role: Role) -> bytes:
    """The key of an input's embeddings in one graph, by `Input.identity`; `role` says which of them are scored."""
    return role.encode() + identity
