"""Follows one request through the engine: what it may take, whether it still matters, and what it took."""

import math
import threading
import time
from collections.abc import Callable

from .errors import Cancelled, DeadlineExceeded, InvalidInput


class Job:
    """Give one to a scoring call to bound it, to cancel it from another thread, and to read afterwards what it took.

    A job is of one call. Its marks are `time.perf_counter()` readings in seconds, None while that has not happened.
    """

    def __init__(
        self,
        *,
        timeout: float | None = None,
        priority: int = 0,
        max_tokens: int | None = None,
        max_chunks: int | None = None,
    ) -> None:
        """`timeout` is in seconds from now; a lower `priority` runs first; `max_tokens` bounds all inputs together, and
        `max_chunks` what long documents become: their chunks, and each other document as one."""
        self.priority = priority
        self.created = time.perf_counter()
        self.submitted: float | None = None
        """When its texts were tokenised and its inputs entered the queue."""
        self.started: float | None = None
        """When the first of its inputs was taken."""
        self.finished: float | None = None
        """When the last had run."""
        self.sequences = 0
        """Inputs of the graph: pairs, or texts."""
        self.tokens = 0
        """Their tokens, special ones included. Equal texts of a scoring call count once; remembered texts count, and so
        does a shared prefix for each of its prompts."""
        # Nobody waits for ever, and a lock cannot.
        self._timeout = None if timeout == math.inf else timeout
        self._max_tokens = max_tokens
        self._max_chunks = max_chunks
        self._cancelled = threading.Event()
        self._wake: Callable[[], None] = lambda: None

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Nobody waits for the answer any more: what has not begun is dropped, and the call raises `Cancelled`."""
        self._cancelled.set()
        self._wake()

    def on_cancel(self, wake: Callable[[], None]) -> None:
        """Call `wake` when the job is cancelled, at once if it was."""
        self._wake = wake
        if self.cancelled:
            wake()

    def remaining(self) -> float | None:
        """Seconds until its deadline, negative after it; None without one."""
        return None if self._timeout is None else self.created + self._timeout - time.perf_counter()

    def check(self, tokens: int = 0) -> None:
        """Raises `Cancelled` or `DeadlineExceeded` where it need not go on, and `InvalidInput` where its inputs have
        more `tokens` than they may have."""
        if self.cancelled:
            raise Cancelled
        remaining = self.remaining()
        if remaining is not None and remaining <= 0:
            raise self.late()
        if self._max_tokens is not None and tokens > self._max_tokens:
            raise InvalidInput(
                f"The request has {tokens:,} tokens, more than the {self._max_tokens:,} that one may have: "
                "send fewer texts or pictures, or smaller ones, at a time."
            )

    def late(self) -> DeadlineExceeded:
        """The error of a job whose deadline has passed."""
        assert self._timeout is not None
        return DeadlineExceeded(self._timeout)

    def bound(self, chunks: int, tokens: int) -> None:
        """As `check`, with so many chunks known already."""
        self.check(tokens)
        if self._max_chunks is not None and chunks > self._max_chunks:
            raise InvalidInput(
                f"The documents make more than the {self._max_chunks:,} chunks that one request may have: send fewer "
                "at a time, or lower max_chunks_per_doc."
            )

    def submit(self, lengths: list[int]) -> None:
        """Note that its inputs are known, by their tokens. Raises `InvalidInput` for more than it may have."""
        self.check()
        self.sequences, self.tokens = len(lengths), sum(lengths)
        self.submitted = time.perf_counter()
        self.check(self.tokens)
