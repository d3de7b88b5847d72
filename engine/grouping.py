"""Groups the places of a sequence by what they hold."""

from collections.abc import Hashable, Iterable
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def places_of(items: Iterable[T]) -> dict[T, list[int]]:
    """Each distinct item's places, ascending; items in the order of their first."""
    places: dict[T, list[int]] = {}
    for place, item in enumerate(items):
        places.setdefault(item, []).append(place)
    return places
