"""What progress shows on a terminal, and what it leaves in a log."""

import io

import pytest
from rich.console import Console

from engine import progress
from engine.progress import Progress


def shown(monkeypatch: pytest.MonkeyPatch, terminal: bool, between: float) -> str:
    monkeypatch.setattr(progress, "_BETWEEN_LINES", between)
    written = io.StringIO()
    telling = Progress(Console(file=written, force_terminal=terminal, width=200, _environ={}))
    with telling.stage("load [it]"):
        pass
    with telling.counting("documents") as report:
        report(500, 2000)
        report(2000, 2000)
    telling.say("[bold]as it is")
    return written.getvalue()


def test_elsewhere_lines_stay_and_none_comes_too_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, first, last, said = shown(monkeypatch, False, 0.0).splitlines()
    assert stage == "load [it]: 0.0 s"
    assert first.startswith("500 of 2,000 documents, ")
    assert last.startswith("2,000 of 2,000 documents, ")
    assert last.endswith(" a second, 0 min left")
    assert said == "[bold]as it is"
    assert "documents" not in shown(monkeypatch, False, 3600.0)


def test_on_a_terminal_the_count_is_shown_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    written = shown(monkeypatch, True, 3600.0)
    assert "\x1b[2K" in written, "nothing was erased"
    assert "2,000 of 2,000 documents" in written
    assert "load [it]: 0.0 s\n" in written
