"""What code says of the log of measurements is there."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

LOG = ROOT / "docs" / "benchmarks" / "log.md"
NAMED = re.compile(r'docs/benchmarks/log\.md, "([^"]+)"')


def named(text: str) -> list[str]:
    """The headings of the log that a module names; a comment may break anywhere."""
    return NAMED.findall(re.sub(r"\s+(?:# )?", " ", text))


@pytest.mark.parametrize("room", ["api", "engine", "export"])
def test_headings_that_code_names_are_in_the_log(room: str) -> None:
    headings = {line.lstrip("#").strip() for line in LOG.read_text(encoding="utf-8").splitlines() if line[:1] == "#"}
    found = [(path, name) for path in Path(ROOT, room).rglob("*.py") for name in named(path.read_text("utf-8"))]
    assert [(path, name) for path, name in found if name not in headings] == []
    assert found


def test_a_heading_is_found_across_lines() -> None:
    assert named('x = 1  # See docs/benchmarks/log.md,\n    # "On a\n    # GPU".') == ["On a GPU"]
