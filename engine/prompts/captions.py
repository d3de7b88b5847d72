"""Lays out contents with pictures for embedders, whose prompt for them is in the manifest's layouts."""

import re
from collections.abc import Callable
from functools import cache
from typing import Self

import numpy as np

from ..artifact.artifact import PICTURES, TEXT, Manifest, Role, TextLayout
from ..content import Pictured
from ..errors import InputTooLong, InvalidInput
from ..images.image import Image
from ..images.picture import PictureInput
from ..images.reading import PictureReading
from ..text.layout import Input
from ..text.tokenizer import Tokenizer
from ..text.truncation import Truncation
from .control_tokens import ControlTokens
from .pictures import STAND_INS, PicturePrompts
from .template import Prompting


class Captions:
    """Prompts of pictures, with the model's own caption and their text in it."""

    def __init__(self, reading: PictureReading, layouts: dict[Role, TextLayout], tokenizer: Tokenizer) -> None:
        self._reading = reading
        self._layouts = layouts
        self._pictures = PicturePrompts(reading)
        literals = [layout.pictured for layout in layouts.values() if layout.pictured is not None]
        self._control = ControlTokens(tokenizer, literals, STAND_INS)

    @classmethod
    def of(cls, manifest: Manifest, tokenizer: Tokenizer) -> Self | None:
        """Those of an embedder that reads pictures; None for other models."""
        if manifest.pictures is None or manifest.query is None or manifest.document is None:
            return None
        return cls(manifest.pictures, {"query": manifest.query, "document": manifest.document}, tokenizer)

    def lay_out(
        self, content: Pictured, role: Role, limits: Truncation, limit: int | None, prompting: Prompting
    ) -> Input | PictureInput:
        """One content's input. Where `limits` shorten it its text gives way, never a picture.

        `limit` bounds the text's own tokens. Raises `InputTooLong`, and `InvalidInput` for pictures that do not fit or
        that the model cannot read together.
        """
        layout = self._layouts[role]
        if layout.pictured is None:
            return self._alone(content)
        self._control.long_texts.refuse(len(prompting.instruction or ""), limits)

        def captioned(text: str) -> str:
            return " ".join(part for part in (layout.caption, text) if part)

        return self._cut(layout, content, captioned, limits, limit, prompting)

    def beside_blank(self, text: str, prompt: str, role: Role, limits: Truncation, limit: int | None) -> Input:
        """The input of a text after its prompt, with the picture of nothing that the layout has for texts.

        Raises as `lay_out`.
        """
        layout = self._layouts[role]
        assert layout.blank is not None, "others read texts by themselves"
        content = Pictured((_blank(layout.blank),), text)
        return self._cut(layout, content, lambda text: prompt + text, limits, limit, Prompting())

    def _cut(
        self,
        layout: TextLayout,
        content: Pictured,
        told: Callable[[str], str],
        limits: Truncation,
        limit: int | None,
        prompting: Prompting,
    ) -> Input:
        """`told` says what the prompt has for a text, masked."""
        text = self._control.long_texts.bounded(content.text, limits, limit, keep_end=limit is None)
        text = self._control.mask(text)
        text = text if limit is None else self._control.keep(text, limit)
        while True:
            item = self._written(layout, content, told(text), prompting.instruction)
            over = len(item) - (limits.max_length if limits.total is None else limits.total)
            if over <= 0:
                return item
            if limits.total is None:
                raise InputTooLong(len(item), limits.max_length)
            if not text:
                raise InvalidInput(
                    f"The pictures of one input take {len(item)} tokens with their prompt, and it may have "
                    f"{limits.total}: send fewer or smaller pictures."
                )
            text = self._control.drop(text, over, limits.side)

    def _alone(self, content: Pictured) -> PictureInput:
        """A picture that is embedded whole. Raises `InvalidInput` where something is beside it."""
        self._reading.check_together(len(content.images), content.text)
        return self._reading.lay_out(content.images[0])

    def _written(self, layout: TextLayout, content: Pictured, text: str, instruction: str | None) -> Input:
        assert layout.pictured is not None, "others embed pictures alone"
        (stand_ins,) = self._pictures.stand_ins([content])
        values = {PICTURES: stand_ins, TEXT: text}
        if instruction is not None and layout.instruction is not None:
            values[layout.instruction] = self._control.mask(instruction)
        # All at once: what a user wrote may look like another's place.
        prompt = re.sub("|".join(map(re.escape, values)), lambda found: values[found[0]], layout.pictured)
        written, pictures = self._pictures.written(prompt, self._pictures.lay_out([content]))
        ids = np.array(self._control.encode([written])[0], np.int64)
        return self._pictures.placed(Input(ids, np.zeros_like(ids), len(ids)), pictures)


@cache
def _blank(side: int) -> Image:
    return Image(np.zeros((side, side, 3), np.uint8))
