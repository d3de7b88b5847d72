"""Tells by a classifier's labels whether it is a reranker, and which of two labels is the relevant one."""

import re
from typing import Any

from ..errors import ExportError

_INFERENCE = re.compile(r"entail|contradict|neutral", re.IGNORECASE)
# The numbers of columns of floating point, too.
_NUMBERED = re.compile(r"(?:label[ _-]?)?([01])(?:\.0+)?", re.IGNORECASE)
# The words of a name, those of "notRelevant" too.
_WORD = re.compile(r"[^\W\d_A-Z]+|[A-Z](?:[A-Z]*(?![^\W\d_A-Z])|[^\W\d_A-Z]*)")
_NEGATIVE = {
    "no", "not", "non", "never", "neg", "negative", "negatives", "false", "bad", "wrong", "irrelevant", "nonrelevant",
    "notrelevant", "unrelated", "dissimilar", "different", "incorrect", "unhelpful", "useless", "mismatch",
}  # fmt: skip
_NEGATIONS = ("not", "non", "un", "ir", "in", "im", "dis", "mis")
_MAPS = ("id2label", "label2id")
_SAY_SO = 'say so with --hf-overrides \'{"id2label": {"0": "not relevant", "1": "relevant"}}\', or the other way round.'

_Names = dict[int, str]


def positive_label(architecture: str, config: dict[str, Any], overrides: dict[str, Any]) -> int | None:
    """The index of the relevant one of two labels; None for the one label of most rerankers.

    Labels that have no names are in transformers' order: not relevant, relevant. What a user overrides of a
    configuration's names goes before the other names in it. Raises `ExportError` for labels that are not those of a
    reranker, and for names that contradict each other or their numbers.
    """
    given = [name for name in _MAPS if name in overrides] or _MAPS
    by_number, by_name = (_read(name, config.get(name)) if name in given else {} for name in _MAPS)
    count = len(by_number) or int(config.get("num_labels", 2))
    if count == 1:
        return None
    maps = [names for names in (by_number, by_name) if len(names) == count]
    names = maps[0] if maps else {}
    listed = ", ".join(names[number] for number in sorted(names))
    if any(_INFERENCE.search(name) for name in names.values()):
        raise ExportError(
            f"{architecture} tells whether one text follows from another ({listed}), which is not how relevant it is: "
            "give a reranker, which has one label, or two of which one says relevant."
        )
    if count != 2:
        raise ExportError(
            f"{architecture} has {count} labels{f' ({listed})' if listed else ''}, so it classifies rather than "
            "scores: give a reranker, which has one label, or two of which one says relevant."
        )
    for strange in (own for own in maps if sorted(own) != [0, 1]):
        raise ExportError(
            f"{architecture} numbers its two labels {' and '.join(map(str, strange))}, and they are 0 and 1 in the "
            f"order of its classifier's rows: {_SAY_SO}"
        )
    told = {positive for own in maps if (positive := _relevant(architecture, own)) is not None}
    numbers = {name: number for number, name in by_number.items()}
    if len(told) > 1 or any(numbers.get(name, number) != number for number, name in by_name.items()):
        raise ExportError(
            f"{architecture} has labels whose id2label and label2id contradict each other ({config[_MAPS[0]]} and "
            f"{config[_MAPS[1]]}): {_SAY_SO}"
        )
    if not told and not all(map(_NUMBERED.fullmatch, names.values())):
        raise ExportError(
            f"{architecture} has the labels {listed}, and none of them says which one is relevant: {_SAY_SO}"
        )
    return told.pop() if told else 1


def _read(kind: str, found: Any) -> _Names:
    """Names by their numbers. Raises `ExportError` where it has none."""
    if not found:
        return {}
    pairs = found.items() if isinstance(found, dict) else ()
    try:
        names = {int(key if kind == "id2label" else value): (key, value) for key, value in pairs}
    except (TypeError, ValueError):
        names = {}
    if not names or len(names) != len(pairs):
        raise ExportError(f"The {kind} of the checkpoint's config.json gives no number to each label: {_SAY_SO}")
    return {number: str(value if kind == "id2label" else key) for number, (key, value) in names.items()}


def _relevant(architecture: str, names: _Names) -> int | None:
    """Which of two names says that a document is relevant, since the other negates it; None where they say nothing."""
    numbered = [_NUMBERED.fullmatch(names[number]) for number in (0, 1)]
    if all(numbered):
        if [found[1] for found in numbered if found] != ["0", "1"]:
            raise ExportError(
                f"{architecture} calls its labels 0 and 1 {names[0]} and {names[1]}, which does not say which one is "
                f"relevant: {_SAY_SO}"
            )
        return None
    negative = [_negates(names[number], names[1 - number]) for number in (0, 1)]
    return None if negative[0] == negative[1] else int(negative[0])


def _negates(name: str, other: str) -> bool:
    """Whether a name has a word of negation, or is the other with one before it."""
    words = [word.lower() for word in _WORD.findall(name)]
    plain = "".join(word.lower() for word in _WORD.findall(other))
    return not _NEGATIVE.isdisjoint(words) or "".join(words) in {negation + plain for negation in _NEGATIONS}
