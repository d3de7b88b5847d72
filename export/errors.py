"""Defines why an export stops: each message is one sentence that says what to change."""

from collections.abc import Iterator
from contextlib import contextmanager

# Characters, a choice.
_MOST_SAID = 400


class ExportError(Exception):
    """The checkpoint, the options or the machine do not allow this export."""


class VerificationError(Exception):
    """A graph strays further from its reference than its precision allows, so no artifact was written.

    `reason` is how far, as a clause. `worst` holds the inputs with the largest errors: (text, reference, got).
    """

    def __init__(self, message: str, worst: list[tuple[str, float, float]], reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message
        self.worst = worst

    def beyond_help(self, kept: int, of: int, reason: str) -> "VerificationError":
        """The error of an 8-bit graph whose costliest weights were kept in float32, and that strayed even so."""
        if not of:
            return self
        return VerificationError(
            f"{self} With {kept} of its {of} weights in float32 it is no better ({reason}): export it as fp32.",
            self.worst,
            self.reason,
        )


def one_line(error: BaseException) -> str:
    """What another library's error says, in a line that may be cut; its kind where it says nothing."""
    said = " ".join(str(error).partition("Exception raised from")[0].split())
    return (said if len(said) <= _MOST_SAID else f"{said[: _MOST_SAID - 3]}...").rstrip(". ") or type(error).__name__


@contextmanager
def explained(sentence: str) -> Iterator[None]:
    """Raise `ExportError` of that sentence, with what is said in place of {}, for whatever is raised inside.

    It is for what checkpoints decide: settings of any type, and files that other libraries read. `MemoryError` is left.
    """
    try:
        yield
    except (ExportError, MemoryError):
        raise
    except Exception as error:
        said = f"there is no {error}" if isinstance(error, KeyError) else one_line(error)
        raise ExportError(sentence.format(said)) from None
