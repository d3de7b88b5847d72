"""Tells by a classifier's labels whether it is a reranker, and which of two labels is the relevant one."""

import re
from typing import Any

from ..errors import ExportError

_INFERENCE = re.compile(r"entail|contradict|neutral", re.IGNORECASE)
_NUMBERED = re.compile(r"(label_)?[01]", re.IGNORECASE)
_NEGATIVE = re.compile(r"(not?|non|ir|un|neg|false|bad|dis)", re.IGNORECASE)


def positive_label(architecture: str, config: dict[str, Any]) -> int | None:
    """The index of the relevant one of two labels; None for the one label of most rerankers.

    Labels that have no names are in transformers' order: not relevant, relevant. Raises `ExportError` for labels that
    are not those of a reranker.
    """
    named = config.get("id2label") or {str(number): "" for number in range(int(config.get("num_labels", 2)))}
    names = [str(name) for _, name in sorted(named.items(), key=lambda item: int(item[0]))]
    if len(names) == 1:
        return None
    listed = ", ".join(filter(None, names))
    if any(_INFERENCE.search(name) for name in names):
        raise ExportError(
            f"{architecture} tells whether one text follows from another ({listed}), which is not how relevant it is: "
            "give a reranker, which has one label, or two of which one says relevant."
        )
    if len(names) != 2:
        raise ExportError(
            f"{architecture} has {len(names)} labels{f' ({listed})' if listed else ''}, so it classifies rather than "
            "scores: give a reranker, which has one label, or two of which one says relevant."
        )
    if all(not name or _NUMBERED.fullmatch(name) for name in names):
        return 1
    negative = [bool(_NEGATIVE.match(name)) for name in names]
    if negative[0] == negative[1]:
        raise ExportError(
            f"{architecture} has the labels {listed}, and none of them says which one is relevant: say so with "
            '--hf-overrides \'{"id2label": {"0": "not relevant", "1": "relevant"}}\', or the other way round.'
        )
    return 1 if negative[0] else 0
