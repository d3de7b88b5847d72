"""Tells infinity's clients from others, and which model their requests name.

Where nothing in a request tells, its path does: infinity's all start with `/infinity`, too.
"""

from ...endpoint import Fields

DIALECT = "infinity"

# What infinity's own client sends for a model that nobody named.
_UNNAMED = "default/not-specified"


def names_none(fields: Fields) -> bool:
    """Whether a request has the name that infinity's client sends for no model."""
    return bytes(fields.get("model", b"")) == f'"{_UNNAMED}"'.encode()


def model_of(model: str | None) -> str | None:
    """The model that a request names, if any."""
    return None if model == _UNNAMED else model
