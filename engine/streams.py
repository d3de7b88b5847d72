"""Opens the standard streams for a command: any text can be printed, and what becomes of it is told once.

Python leaves out a stream that was closed (`>&-`), so that the next file which is opened takes its number, and ends
with a traceback or 120 where one is full.
"""

import codecs
import io
import os
import sys
from typing import Any, TextIO


class Unread(BaseException):
    """Nobody reads a stream any more, as `head` leaves it. Not an `Exception`, as Ctrl-C is none."""


class Unwritten(BaseException):
    """What a command printed was not written. The message is the system's reason."""


def open_streams(told: bool) -> None:
    """Open both streams so that what the console's encoding lacks is escaped; names of files stay the bytes they are.

    Without `told` nothing that fails is said, as for a server, which goes on. With it printing raises `Unwritten` for
    stdout and `Unread` for both; what else stderr does not take is lost, since it holds no result.
    """
    codecs.register_error("scorert", _shown)
    for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # As gnulib does: writing to it fails as it would have.
            os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)
        if number:
            setattr(sys, name, _opened(number, getattr(sys, name), getattr(sys, f"__{name}__"), told))


def close_streams() -> None:
    """Drop what could not be written, or Python says so when it flushes the rest at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except (Unread, Unwritten):
            os.dup2(nowhere, number)
    os.close(nowhere)


def _opened(number: int, stream: Any, first: TextIO | None, told: bool) -> Any:
    if stream is not first:  # somebody's own, as pytest's is
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="scorert")
        return stream
    if stream is not None:
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Raw(number, told)),
        encoding=None if stream is None else stream.encoding,
        errors="scorert",
        line_buffering=number == 2 or os.isatty(number),
        write_through=getattr(stream, "write_through", False),
    )


class _Raw(io.FileIO):
    """The stream of a number, which stays open."""

    def __init__(self, number: int, told: bool) -> None:
        super().__init__(number, "wb", closefd=False)
        self._told = told

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            if self._told:
                raise Unread from None
        except BlockingIOError:
            raise
        except OSError as error:
            if self._told and self.fileno() == 1:
                raise Unwritten(error.strerror) from None
        return memoryview(data).nbytes


def _shown(error: UnicodeError) -> tuple[str | bytes, int]:
    for name in ("surrogateescape", "backslashreplace"):
        try:
            return codecs.lookup_error(name)(error)
        except UnicodeError:
            continue
    raise error
