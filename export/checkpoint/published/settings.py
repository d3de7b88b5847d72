"""Checks and drops published settings, for the translators of all families."""

from typing import Any

from ...errors import ExportError


def require(config: dict[str, Any], family: str, **expected: Any) -> None:
    """Refuse a setting that changes the scores and that transformers' own class does not have.

    A setting that is not there is as expected. Raises `ExportError`.
    """
    for name, value in expected.items():
        if config.get(name, value) != value:
            raise ExportError(
                f"The checkpoint's config.json has {name} {config[name]!r}, but ScoreRT reads {family} checkpoints "
                f"with {value!r} alone."
            )


def without(config: dict[str, Any], *names: str) -> dict[str, Any]:
    """The settings but those, and but the code that the checkpoint names."""
    return {name: value for name, value in config.items() if name not in names and name != "auto_map"}
