"""Puts pictures into prompts: a stand-in for each while the text is made, and its tokens afterwards.

A stand-in is a character that no user can write into a prompt, so a picture's tokens stand where the picture was put,
whatever a text says.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..content import Pictured, ReadContent
from ..errors import InvalidInput
from ..images.picture import PictureInput
from ..images.reading import PictureReading
from ..images.smart_resize import SmartResize
from ..text.layout import Input
from ..text.placed import Placed

# From the end of the last private-use plane, whose beginning is `control_tokens`'s.
_FIRST, _LAST = 0x10F000, 0x10FFFD
STAND_INS = f"{chr(_FIRST)}-{chr(_LAST)}"
"""The characters that stand for pictures, as a class of a regular expression."""

_STAND_IN = re.compile(f"[{STAND_INS}]")


class PicturePrompts:
    """The pictures of one prompt at a time, as one model reads them."""

    def __init__(self, reading: PictureReading) -> None:
        self._reading = reading

    def lay_out(self, contents: Sequence[ReadContent]) -> list[PictureInput]:
        """The pictures of a prompt's contents, in their order. Raises `InvalidInput` for those it cannot read."""
        images = [image for content in contents if isinstance(content, Pictured) for image in content.images]
        if len(images) > _LAST - _FIRST:
            raise InvalidInput(f"A prompt has at most {_LAST - _FIRST:,} pictures, not {len(images):,}: send fewer.")
        return [self._reading.lay_out(image) for image in images]

    def stand_ins(self, contents: Sequence[ReadContent]) -> list[str]:
        """What stands for the pictures of each content, numbered as `lay_out` lists them."""
        counts = [len(content.images) if isinstance(content, Pictured) else 0 for content in contents]
        starts = np.cumsum([0, *counts]).tolist()
        return [
            "".join(chr(_FIRST + number) for number in range(start, start + count))
            for start, count in zip(starts, counts, strict=False)
        ]

    def written(self, prompt: str, pictures: Sequence[PictureInput]) -> tuple[str, list[PictureInput]]:
        """A prompt with the model's placeholder for each stand-in, and its pictures in the order they stand there.

        Raises `InvalidInput` where the prompt does not have every picture once.
        """
        found = [ord(character) - _FIRST for character in _STAND_IN.findall(prompt)]
        if sorted(found) != list(range(len(pictures))):
            raise InvalidInput(
                "The model's prompt has no place for a picture there: send pictures as the documents, and the query as "
                "text."
            )
        assert self._reading.placeholder is not None or not pictures, "models without one read no prompts with pictures"
        text = self._reading.placeholder.text if self._reading.placeholder is not None else ""
        return _STAND_IN.sub(lambda _: text, prompt), [pictures[number] for number in found]

    def placed(self, item: Input, pictures: Sequence[PictureInput]) -> Input:
        """An input whose prompt had a placeholder for each picture, with the tokens that stand for it."""
        if not pictures:
            return item
        reading = self._reading
        assert reading.placeholder is not None, "`written` found it"
        places = np.flatnonzero(item.input_ids == reading.placeholder.token)
        if len(places) != len(pictures):
            raise InvalidInput(
                "The score template writes the placeholder of a picture itself: leave that to the server."
            )
        tokens = [np.array(reading.tokens(picture), np.int64) for picture in pictures]
        between = np.split(item.input_ids, np.stack([places, places + 1], axis=1).ravel())
        for number, own in enumerate(tokens):
            between[2 * number + 1] = own
        starts = np.cumsum([0, *map(len, between)])[1::2]
        marked = [
            start + np.flatnonzero(own == reading.placeholder.token) for start, own in zip(starts, tokens, strict=False)
        ]
        ids = np.concatenate(between)
        merge = reading.preprocessing.merge if isinstance(reading.preprocessing, SmartResize) else None
        placed = Placed.of(ids, np.concatenate(marked), pictures, merge if reading.in_two_dimensions else None)
        type_ids = np.full(len(ids), item.token_type_ids[0] if len(item) else 0, np.int64)
        return replace(item, input_ids=ids, token_type_ids=type_ids, attended=len(ids), placed=placed)
