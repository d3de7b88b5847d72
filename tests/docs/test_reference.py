"""The reference pages against the code that they are written from."""

from pathlib import Path

import pytest

from scripts.reference import PAGES

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "rewrite the page with `python -m scripts.reference`"


def test_every_page_is_written_by_the_generator() -> None:
    assert {path.name for path in REFERENCE.iterdir()} == set(PAGES)


def test_the_monitoring_page_has_every_metric() -> None:
    monitoring = (REFERENCE.parent / "monitoring" / "README.md").read_text(encoding="utf-8")
    names = [line.split("`")[1] for line in PAGES["metrics.md"]().splitlines() if line.startswith("| `")]
    assert len(names) > 10
    assert [name for name in names if f"`{name}`" not in monitoring] == []
