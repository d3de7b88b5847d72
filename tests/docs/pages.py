"""The project's pages, and what stands in them: blocks of code, links, and names of places in the code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/*.md", "models/*/*.md")
    for path in ROOT.glob(pattern)
    # What was measured or is written by a program has no code to run.
    if path.relative_to(ROOT).parts[:2] not in {("docs", "benchmarks"), ("docs", "reference")}
)

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
# A place is written as `engine/engine.py` or `engine/engine.py: Engine.load`.
_PLACE = re.compile(
    r"((?:\.ci|api|checkpoints|docs|engine|examples|export|scripts|tests)/[\w./*-]*|scorert\.py)(?:: ([\w.]+))?"
)


@dataclass(frozen=True)
class Place:
    """A file or folder of the checkout, and a name that is defined in it."""

    path: str
    name: str | None


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """The language and the text of each block of code, in order."""
    for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield match[1], match[2]


def links(page: Path) -> list[str]:
    """Targets of links and pictures, without those on other hosts."""
    return [target for target in _LINK.findall(_prose(page)) if "://" not in target]


def anchors(page: Path) -> set[str]:
    """What a link's fragment may be: the headings, as GitHub makes fragments of them."""
    headings = _HEADING.findall(_prose(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def places(page: Path) -> list[Place]:
    """The places in the code that a page's text names."""
    found = (_PLACE.fullmatch(span) for span in _SPAN.findall(_prose(page)))
    return [Place(match[1], match[2]) for match in found if match]


def _prose(page: Path) -> str:
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))
