"""Defines what the engine refuses; every message is one sentence that a user can act on."""

from pathlib import Path
from typing import Literal


class ScoreRTError(Exception):
    """Anything ScoreRT refuses to do. The message says what is wrong and what to change."""


class ArtifactError(ScoreRTError):
    """The artifact's folder is missing, damaged, or of a schema this version does not read."""


class InvalidIndex(ScoreRTError):
    """An index's folder is missing or damaged, or was made by another model than the one it is opened with."""


class InvalidDocuments(ScoreRTError):
    """Documents cannot be read from a file or folder: the message names the line, the page or the file."""


class StagingError(ScoreRTError):
    """A folder cannot be written where it was asked for."""


class TargetTaken(StagingError):
    """What was to be written exists already."""

    def __init__(self, target: Path) -> None:
        super().__init__(f"{target} exists already: give another --output, or replace it with --force.")


class NotInstalled(ScoreRTError):
    """A package that an extra brings cannot be imported; the message has the command that installs it."""


class ProviderError(ScoreRTError):
    """The execution provider that was asked for is unknown or cannot run here. `reason` is the message less advice."""

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"{reason}: {advice}." if advice else reason)
        self.reason = reason


class InvalidInput(ScoreRTError):
    """An argument of a scoring call cannot be used as it is.

    `parameter` names the argument, or is None where the fault lies in how several fit together. `remedy` is what might
    be set instead of what the message asks for, such as "top_n to 1": the message ends with it, and `plain` does not.
    """

    def __init__(self, message: str, parameter: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message if remedy is None else f"{message.removesuffix('.')}, or set {remedy}.")
        self.parameter = parameter
        self.plain = message
        self.remedy = remedy


class InputTooLong(InvalidInput):
    """A text or pair has more tokens than the model takes, and the call did not ask for truncation.

    A text that is far longer is refused for its characters, before it is tokenised.
    """

    def __init__(self, count: int, max_length: int, unit: Literal["tokens", "characters"] = "tokens") -> None:
        contains = f"{count} input tokens" if unit == "tokens" else f"{count} characters, more than those can have"
        super().__init__(
            f"This model's maximum context length is {max_length} tokens. However, your prompt contains {contains}. "
            "Please reduce the length of the input prompt.",
            "input_tokens",
            "truncate_prompt_tokens to -1",
        )
        self.tokens = count if unit == "tokens" else None
        """None where they were not counted."""
        self.size = f"{count:,} {unit}"


class UnsupportedTask(ScoreRTError):
    """The model's score type cannot do what was asked of it, e.g. embeddings from a cross-encoder."""

    def __init__(self, task: str, supported: list[str]) -> None:
        super().__init__(f"Unsupported task: '{task}' Supported tasks: {supported}: use a model that has the task.")


class QueueFull(ScoreRTError):
    """More tokens wait than the queue holds. `retry_after` is in seconds: about when there will be room."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too much is waiting to be scored: try again in {retry_after} s.")
        self.retry_after = retry_after


class DeadlineExceeded(ScoreRTError):
    """The job's time was over before its last input had run."""

    def __init__(self, timeout: float) -> None:
        super().__init__(
            f"The answer took longer than {timeout:g} s: send fewer texts or pictures, or smaller ones, at a time."
        )


class EngineClosed(ScoreRTError):
    """The engine was closed, before the call or while its inputs waited."""

    def __init__(self) -> None:
        super().__init__("The engine is closed: open its artifact again with Engine.load.")


class Cancelled(ScoreRTError):
    """The job was cancelled; nobody waits for what it would have given."""

    def __init__(self) -> None:
        super().__init__("The request was cancelled.")
