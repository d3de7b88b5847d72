"""Documents are found by their ids among many, also where digests begin alike."""

import numpy as np

from engine.index.ids import Collected, find, repeated


def test_ids_are_found_among_many() -> None:
    collected = Collected()
    for number in range(5000):
        collected.add(f"document {number}")
    table = collected.table()
    assert repeated(table) is None
    wanted = [4999, 0, 17, 17]
    assert find(table, [f"document {number}" for number in wanted]).tolist() == wanted
    # Ids whose digests begin alike are told apart by the rest.
    alike = table.copy()
    alike[0] = alike[0, 0]
    alike = alike[:, np.lexsort((alike[1], alike[0]))]
    same = [f"document {number}" for number in alike[2, :3]]
    alike[0] = table[0, np.flatnonzero(table[2] == alike[2, 2])[0]]
    assert find(alike, same[2:]).tolist() == alike[2, 2:3].tolist()
    collected.add("document 17")
    assert repeated(collected.table()) == (17, 5000)
