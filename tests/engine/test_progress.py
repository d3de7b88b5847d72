"""What progress shows on a terminal, and what it leaves in a log."""

import contextlib
import io
import re
import sys
import time

import pytest
from rich.console import Console

from engine import progress
from engine.progress import Progress, part


def shown(monkeypatch: pytest.MonkeyPatch, terminal: bool, between: float) -> str:
    monkeypatch.setattr(progress, "_BETWEEN_LINES", max(between, 0.02))
    monkeypatch.setattr(progress, "_BETWEEN_UPDATES", 0.02)
    written = io.StringIO()
    telling = Progress(Console(file=written, force_terminal=terminal, width=200, _environ={}))
    with telling.stage("load [it]"):
        pass
    monkeypatch.setattr(progress, "_BETWEEN_LINES", between)
    with telling.counting("documents") as report:
        report(500, 2000)
        report(2000, 2000)
    monkeypatch.setattr(progress, "_BETWEEN_LINES", max(between, 0.02))
    with telling.stage("verify [it]") as report:
        time.sleep(0.15)
        report(1, 4)
        # A terminal is drawn anew some times a second.
        time.sleep(0.3)
    telling.say("[bold]as it is")
    return written.getvalue()


def test_elsewhere_lines_stay_and_none_comes_too_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    began, stage, first, last, *told, said = shown(monkeypatch, False, 0.0).splitlines()
    assert (began, stage) == ("load [it] ...", "load [it]: 0.0 s")
    assert first.startswith("500 of 2,000 documents, ")
    assert last.startswith("2,000 of 2,000 documents, ")
    assert last.endswith(" a second, 0 min left")
    assert said == "[bold]as it is"
    assert told[0] == "verify [it] ..."
    assert told[1] == "  verify [it]: 0 s"
    assert re.fullmatch(r"  verify \[it\]: 25%, 0 s, about [01] s left", told[-2])
    assert re.fullmatch(r"verify \[it\]: 0\.\d s", told[-1])
    silent = shown(monkeypatch, False, 3600.0)
    assert "documents" not in silent
    assert "%" not in silent


def test_on_a_terminal_the_count_is_shown_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    written = shown(monkeypatch, True, 3600.0)
    assert "\x1b[2K" in written, "nothing was erased"
    assert "2,000 of 2,000 documents" in written
    assert "load [it]: 0.0 s\n" in written
    assert re.search(r"verify \[it\]: 25%, 0 s, about [01] s left", written)


def test_progress_is_shown_while_others_may_not_print(capfd: pytest.CaptureFixture[str]) -> None:
    telling = Progress()
    with contextlib.redirect_stderr(io.StringIO()) as swallowed:
        print("chatter", file=sys.stderr)
        telling.say("still here")
    assert capfd.readouterr().err == "still here\n"
    assert swallowed.getvalue() == "chatter\n"


def test_a_part_of_a_stage_is_reported_as_that() -> None:
    heard: list[float] = []
    report = part(lambda done, of: heard.append(done / of), 0.5, 0.75)
    report(0, 8)
    report(4, 8)
    report(8, 8)
    assert heard == [0.5, 0.625, 0.75]
