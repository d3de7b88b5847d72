"""Reads the texts that every graph is verified on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def paired(queries: Sequence[T], documents: Sequence[T]) -> list[tuple[T, T]]:
    """Every query with every fourth document.

    That is a choice: all pairs of the texts are 768, and 192 already hold every text four times or more.
    """
    return [
        (query, document) for i, query in enumerate(queries) for j, document in enumerate(documents) if (i + j) % 4 == 0
    ]


@dataclass(frozen=True)
class Texts:
    """The shipped texts."""

    queries: list[str]
    documents: list[str]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return paired(self.queries, self.documents)


@cache
def texts() -> Texts:
    """16 queries and 48 documents of 1 to 1,800 words in several languages and scripts, code and symbols."""
    content = json.loads((Path(__file__).parent / "texts.json").read_text(encoding="utf-8"))
    return Texts(content["queries"], content["documents"])
