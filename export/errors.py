"""Defines why an export stops: each message is one sentence that says what to change."""


class ExportError(Exception):
    """The checkpoint, the options or the machine do not allow this export."""


class VerificationError(Exception):
    """A graph strays further from its reference than its precision allows, so no artifact was written.

    `worst` holds the inputs with the largest errors: (text, reference, got).
    """

    def __init__(self, message: str, worst: list[tuple[str, float, float]]) -> None:
        super().__init__(message)
        self.worst = worst
