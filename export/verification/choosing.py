"""Chooses, of what a graph could be verified on, as much as there is time for.

What must not be left out comes first: the longest pair, the shortest, and one of every script and kind of picture.
Others follow so that wherever one stops, all lengths are there.
"""

import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engine.artifact.artifact import Manifest
from engine.content import Pictured, ReadContent, own_text
from engine.progress import Report, part, unheard

from .contents import Contents

LEAST = 24
"""Pairs that every verification has, however long they take: a choice. Fewer hardly tell a ranking from another."""

# Choices, for an estimate that is then corrected by what the first pairs took: a picture counts as that many characters
# of a text, a token as four, and a pair as some more for what surrounds it.
_PICTURE = 2000
_TOKEN = 4
_AROUND = 100

Pair = tuple[ReadContent, ReadContent]


@dataclass(frozen=True)
class Work:
    """Tells how much work contents are, in characters."""

    manifest: Manifest

    def of(self, contents: Contents) -> int:
        """A pair's contents are read with each pair, an embedder's once."""
        if self.manifest.scoring.reads_pairs:
            return sum(self.of_pair(pair) for pair in contents.pairs)
        return sum(map(self._of_content, (*contents.queries, *contents.documents)))

    def of_pair(self, pair: Pair) -> int:
        """What the graph does not read of a long text is none."""
        return min(sum(map(self._of_content, pair)), self._most)

    def _of_content(self, content: ReadContent) -> int:
        pictures = len(content.images) * _PICTURE if isinstance(content, Pictured) else 0
        return min(len(own_text(content)), self._most) + pictures + _AROUND

    @property
    def _most(self) -> int:
        return self.manifest.max_length * _TOKEN


def first(contents: Contents, count: int, work: Work) -> Contents:
    """The `count` pairs that matter most, in the order that they have."""
    chosen = {*by_importance(contents.pairs, work)[:count]}
    return contents.of([pair for place, pair in enumerate(contents.pairs) if place in chosen])


def by_importance(pairs: Sequence[Pair], work: Work) -> list[int]:
    """The places of all pairs."""
    by_work = sorted(range(len(pairs)), key=lambda place: work.of_pair(pairs[place]))
    order = [by_work[-1], by_work[0]]
    seen = {kind for place in order for kind in _kinds(pairs[place])}
    for place in by_work:
        kinds = _kinds(pairs[place])
        if not kinds <= seen:
            order.append(place)
            seen |= kinds
    order += [by_work[place] for place in _halving(len(by_work))]
    return list(dict.fromkeys(order))


def _kinds(pair: Pair) -> set[str]:
    """The scripts of a pair, and how each side shows pictures."""
    kinds = set()
    for side, content in zip(("query", "document"), pair, strict=True):
        text = own_text(content)
        kinds |= {f"{side} {unicodedata.name(letter, '?').split()[0]}" for letter in text if letter.isalpha()}
        if isinstance(content, Pictured):
            kinds.add(f"{side} {len(content.images)} {bool(text)}")
    return kinds


def _halving(count: int) -> Iterator[int]:
    """All numbers below `count`, the middle first, then the middles of what is left on both its sides, and so on."""
    left = [range(count)]
    while left:
        left = [some for some in left if some]
        for some in left:
            yield some[len(some) // 2]
        left = [half for some in left for half in (some[: len(some) // 2], some[len(some) // 2 + 1 :])]


def as_many_as_fit(
    contents: Contents,
    work: Work,
    run: Callable[[Contents, Report], object],
    seconds: float,
    report: Report = unheard,
) -> Contents:
    """All contents, or the first that can be run in that time: judged by the longest pair, or by the first `LEAST`.

    `run` is called with those that it is judged by, and answers from memory what it was asked before. `report` hears
    what part of the work of all that is, or of the time where that is over first, but never more than of those.
    """
    longest, least = first(contents, 1, work), first(contents, LEAST, work)
    of_longest, of_least, of_all = work.of(longest), work.of(least), work.of(contents)
    began = time.perf_counter()

    def tell(done: float, of: float) -> None:
        spent = (time.perf_counter() - began) / seconds
        report(max(done / of * of_least / of_all, min(done / of, spent)), 1)

    def timed(chosen: Contents, told: Report) -> float:
        started = time.perf_counter()
        run(chosen, told)
        return time.perf_counter() - started

    spent = timed(longest, part(tell, 0, of_longest / of_least))
    if spent * len(contents.pairs) <= seconds:
        return contents
    spent += timed(least, part(tell, of_longest / of_least, 1))
    pace = spent / of_least
    if spent + pace * of_all <= seconds:
        return contents
    # More pairs are more work.
    fewest, too_many = LEAST, len(contents.pairs)
    while too_many - fewest > 1:
        count = (fewest + too_many) // 2
        if pace * work.of(first(contents, count, work)) <= seconds:
            fewest = count
        else:
            too_many = count
    return first(contents, fewest, work)
