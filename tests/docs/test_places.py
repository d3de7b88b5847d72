"""Every place that a page names exists, and every link leads somewhere."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links, places

ARCHITECTURE = ROOT / "docs" / "architecture.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_places_exist(page: Path) -> None:
    for place in places(page):
        found = list(ROOT.glob(place.path))
        assert found, f"{page.name} names {place.path}, which does not exist"
        if place.name is not None:
            assert place.name in names(found[0]), f"{page.name} names {place.name}, which {place.path} does not define"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{page.name} links to {target}, which does not exist"
        if anchor:
            assert anchor in anchors(path), f"{page.name} links to #{anchor}, which {path.name} has no heading for"


@pytest.mark.parametrize(
    "subject",
    ["SmoothQuant", "first token only", "KV prefix", "request log", "CORS", "ColBERT expansion", "MaxSim", "API keys"],
)
def test_the_list_of_places_has_what_people_look_for(subject: str) -> None:
    _, _, listed = ARCHITECTURE.read_text(encoding="utf-8").partition("## Where to find what")
    rows = [line.split("|") for line in listed.splitlines() if line.startswith("| ")]
    places = [place for _, what, place, _ in rows if subject.lower() in what.lower()]
    assert places, f"{subject} is not in the list"
    assert all("`" in place for place in places)


def test_a_place_that_is_gone_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("See `engine/engine.py: Engine.load`, `engine/gone.py` and `engine/engine.py: gone`.")
    first, second, third = places(page)
    assert first.name in names(ROOT / first.path)
    assert not (ROOT / second.path).exists()
    assert third.name not in names(ROOT / third.path)


@cache
def names(path: Path) -> frozenset[str]:
    """What a module defines: functions, classes with their members, and variables."""
    return frozenset(_defined(ast.parse(path.read_text(encoding="utf-8")).body))


def _defined(body: list[ast.stmt]) -> list[str]:
    found: list[str] = []
    for node in body:
        match node:
            case ast.ClassDef(name=name, body=members):
                found += [name, *(f"{name}.{member}" for member in _defined(members))]
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.append(name)
            case ast.Assign(targets=targets):
                found += [item.id for target in targets for item in ast.walk(target) if isinstance(item, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.append(name)
    return found
