"""Which sequences share a run of the graph, so that hardly any padding is computed."""

from collections.abc import Sequence


def plan(lengths: Sequence[int], max_sequences: int, max_tokens: int) -> list[list[int]]:
    """Group the indices of `lengths` into micro-batches, longest first.

    A micro-batch holds at most `max_sequences` sequences and, once padded to its longest, `max_tokens` tokens; a
    single longer sequence is a micro-batch of its own. Starting with the longest lets several workers end together.
    """
    batches: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if room == 0:
            # The first of a micro-batch is its longest, so it alone sets how many fit beside it.
            room = max(1, min(max_sequences, max_tokens // max(1, lengths[index])))
            batches.append([])
        batches[-1].append(index)
        room -= 1
    return batches
