"""Verification takes as much as there is time for, and what must not be left out first."""

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from checkpoints import tiny
from engine.artifact.artifact import SCHEMA_VERSION, Manifest, Source
from engine.artifact.manifest import read_manifest
from engine.progress import Report
from export.__main__ import main
from export.verification import choosing
from export.verification.choosing import LEAST, Work, as_many_as_fit, by_importance, first
from export.verification.contents import Contents, contents
from export.verification.texts import texts

ROOT = Path(__file__).parents[3]


@pytest.fixture
def work() -> Work:
    return Work(
        Manifest(
            schema_version=SCHEMA_VERSION,
            name="any",
            created=0,
            score_type="cross-encoder",
            architecture="Any",
            source=Source("any", None, {}),
            max_length=8192,
            pad_token=0,
            special_tokens={},
            graphs=[],
            files={},
            built_with={},
        )
    )


def test_the_fewest_have_the_shortest_the_longest_and_every_script(work: Work) -> None:
    everything = contents(work.manifest)
    pairs = first(everything, LEAST, work).pairs
    lengths = [work.of_pair(pair) for pair in everything.pairs]
    chosen = [work.of_pair(pair) for pair in pairs]
    assert len(pairs) == LEAST == 24
    assert (min(chosen), max(chosen)) == (min(lengths), max(lengths))
    kinds = set().union(*map(choosing._kinds, everything.pairs))
    assert {"document ARABIC", "document CYRILLIC", "query HIRAGANA"} <= kinds
    assert set().union(*map(choosing._kinds, pairs)) == kinds


def test_every_pair_has_a_place_and_lengths_stay_mixed_wherever_one_stops(work: Work) -> None:
    pairs = texts().pairs
    order = by_importance(pairs, work)
    assert sorted(order) == list(range(len(pairs)))
    middle = sorted(work.of_pair(pair) for pair in pairs)[len(pairs) // 2]
    for count in range(LEAST, len(pairs)):
        longer = sum(work.of_pair(pairs[place]) > middle for place in order[:count])
        assert 0.2 < longer / count < 0.8


@pytest.mark.parametrize(("pace", "seconds", "count"), [(0.0, 5, 192), (1e-7, 5, 192), (2e-5, 0.05, 24)])
def test_as_many_are_taken_as_there_is_time_for(work: Work, pace: float, seconds: float, count: int) -> None:
    everything = contents(work.manifest)
    run = lambda part, report: time.sleep(pace * work.of(part))  # noqa: E731
    assert len(as_many_as_fit(everything, work, run, seconds).pairs) == count


def test_some_are_taken_where_there_is_time_for_some(work: Work) -> None:
    everything = contents(work.manifest)
    seconds = 1.0
    pace = 2 * seconds / work.of(everything)
    part = as_many_as_fit(everything, work, lambda part, report: time.sleep(pace * work.of(part)), seconds)
    assert LEAST < len(part.pairs) < len(everything.pairs)
    assert pace * work.of(part) <= seconds
    assert isinstance(part, Contents)


@pytest.mark.parametrize("seconds", [0.01, 5.0, 60.0])
def test_what_is_left_is_told_while_the_first_pairs_are_run(work: Work, seconds: float) -> None:
    heard: list[float] = []

    def run(chosen: Contents, report: Report) -> None:
        for step in range(4):
            time.sleep(0.02)
            report(step + 1, 4)

    everything = contents(work.manifest)
    as_many_as_fit(everything, work, run, seconds, lambda done, of: heard.append(done / of))
    assert len(heard) in (4, 8)
    assert heard == sorted(heard)
    assert 0 < heard[0] < heard[-1] <= 1
    # The fewest that are taken are all that there is time for, or else a part of it.
    assert (heard[-1] == 1) == (seconds < 0.1)


@pytest.mark.slow
def test_an_export_in_a_terminal_shows_what_is_left_and_the_manifest_says_what_was_chosen(tmp_path: Path) -> None:
    checkpoint = tiny.build("bert", tmp_path / "tiny-bert")
    command = [sys.executable, "-m", "export", str(checkpoint), "--output", str(tmp_path / "out"), "--verify", "1e-6"]
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=its_end)
    os.close(its_end)
    shown = b""
    # A terminal whose other end is closed cannot be read.
    while part := _read(terminal):
        shown += part
    os.close(terminal)
    assert process.wait() == 0, shown.decode()
    assert re.search(rb"convert to fp32: \d+%, \d+ s, about \d+ s left", shown)
    assert b"  over 24 of 192 pairs: the longest, the shortest, one of each script" in shown
    (graph,) = read_manifest(tmp_path / "out" / "tiny-bert").graphs
    assert graph.verification is not None
    assert graph.verification.texts == 24
    assert graph.verification.why is not None
    assert "since all would take PyTorch more than 1e-06 min (and fewer than these" in graph.verification.why


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "soon", ""])
def test_a_budget_that_is_no_time_is_one_sentence(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["anything", "--verify", minutes]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "--verify: must be minutes, such as 3 or 0.5, or full" in said
