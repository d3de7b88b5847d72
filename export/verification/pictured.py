"""Computes what an artifact must reproduce of texts and pictures, with the checkpoint's own model and processors.

Prompts are made as strings, and tokenised whole by transformers; one content is run at a time, so that no padding can
matter. Nothing here uses the engine's layouts or its preprocessing, but where transformers has no image processor.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
from transformers import PreTrainedTokenizerBase

from engine.arrays import Feeds, Floats
from engine.artifact.artifact import PICTURES, TEXT
from engine.content import Pictured, ReadContent, own_text
from engine.images.image import Image
from engine.progress import Report, unheard

from ..recipe import Marking, Recipe
from .contents import file_of
from .reference import ReferenceModel, too_long_prompt, without_end

ProcessImages = Callable[[Sequence[PIL.Image.Image]], dict[str, Any]]
"""An image processor of transformers: its arrays by their names, and `rows` and `cols` of tiles where it makes some."""


class PicturedReference:
    """Runs a multimodal model as transformers and the model's authors do."""

    def __init__(
        self,
        model: ReferenceModel,
        tokenizer: PreTrainedTokenizerBase,
        process: ProcessImages,
        recipe: Recipe,
        max_length: int,
    ) -> None:
        assert recipe.pictures is not None, "other models read texts alone"
        self.model = model
        self._tokenizer = tokenizer
        self._process = process
        self._recipe = recipe
        self._pictures = recipe.pictures
        self._max_length = max_length

    def logits(self, pairs: Sequence[tuple[ReadContent, ReadContent]], report: Report = unheard) -> Floats:
        """float32 `[pairs]` of a cross-encoder, longer pairs truncated."""
        return np.array(self._run((self._pair(*pair) for pair in pairs), len(pairs), report), np.float32)

    def embeddings(self, contents: Sequence[ReadContent], role: str, report: Report = unheard) -> list[Floats]:
        """A bi-encoder's `[dim]`, or a late-interaction model's `[tokens, dim]`, of each content."""
        return self._run((self._content(content, role) for content in contents), len(contents), report)

    def _run(self, inputs: Iterable[Feeds], of: int, report: Report) -> list[Floats]:
        rows = []
        for feeds in inputs:
            rows.append(self.model.run(feeds))
            report(len(rows), of)
        return rows

    def pair_feeds(self, pairs: Sequence[tuple[str, str]]) -> list[Feeds]:
        """The tokens of each pair by itself."""
        return [self._pair(*pair) for pair in pairs]

    def text_feeds(self, texts: Sequence[str], role: str) -> list[Feeds]:
        """The tokens of each text by itself."""
        return [self._content(text, role) for text in texts]

    def _pair(self, query: ReadContent, document: ReadContent) -> Feeds:
        """The score template around a pair, its document cut, and then its query, until the prompt fits."""
        texts = {"query": own_text(query), "document": own_text(document)}
        images = {role: _images(content) for role, content in (("query", query), ("document", document))}
        # Where each picture goes: a name that no text has.
        marks = {role: "".join(f"<<{role} {number}>>" for number in range(len(own))) for role, own in images.items()}
        while True:
            messages = [
                {"role": role, "content": marks[role] + text, "pictures": marks[role], "text": text}
                for role, text in texts.items()
            ]
            prompt = self._tokenizer.apply_chat_template(messages, chat_template=self._recipe.template, tokenize=False)
            assert isinstance(prompt, str)
            placed = sorted(
                (prompt.index(f"<<{role} {number}>>"), role, number)
                for role, own in images.items()
                for number in range(len(own))
            )
            shown = [images[role][number] for _, role, number in placed]
            processed = self._process(shown) if shown else {}
            for order, (_, role, number) in enumerate(placed):
                prompt = prompt.replace(f"<<{role} {number}>>", self._written(processed, order))
            ids = self._ids(prompt, self._recipe.surrounded) + list(self._recipe.end)
            over = len(ids) - self._max_length
            if over <= 0:
                return _feeds(ids, processed)
            role = "document" if texts["document"] else "query"
            if not texts[role]:
                raise too_long_prompt(len(ids), self._max_length)
            texts[role] = without_end(self._tokenizer, texts[role], over)

    def _content(self, content: ReadContent, role: str) -> Feeds:
        marking = self._recipe.query if role == "query" else self._recipe.document
        images = _images(content)
        if not self._pictures.placeholder:
            return _feeds([], self._process(images)) if images else self._text_of_two_towers(own_text(content), marking)
        if images:
            processed = self._process(images)
            written = "".join(self._written(processed, number) for number in range(len(images)))
            caption = marking.caption
            told = lambda text: " ".join(part for part in (caption, text) if part)  # noqa: E731
            return self._pictured(marking, processed, written, own_text(content), told)
        prompt = self._recipe.query_prompt if role == "query" else self._recipe.document_prompt
        text = own_text(content) or marking.empty
        if marking.blank is not None:
            return self._beside_blank(text, prompt, marking, marking.blank)
        return _feeds(self._fitting(text, lambda text: self._ids(prompt + text + marking.tail, special=True)), {})

    def _beside_blank(self, text: str, before: str, marking: Marking, side: int) -> Feeds:
        """A text with a picture of nothing."""
        processed = self._process([PIL.Image.new("RGB", (side, side))])
        return self._pictured(marking, processed, self._written(processed, 0), text, lambda text: before + text)

    def _pictured(
        self, marking: Marking, processed: dict[str, Any], written: str, text: str, told: Callable[[str], str]
    ) -> Feeds:
        """The prompt of pictures, which are `written`, with what is `told` of a text."""
        assert marking.pictured is not None, "models with placeholders have a prompt for pictures"
        prompt = marking.pictured.replace(PICTURES, written)
        ids = self._fitting(text, lambda text: self._ids(prompt.replace(TEXT, told(text)), special=False))
        return _feeds(ids, processed)

    def _fitting(self, text: str, ids_around: Callable[[str], list[int]]) -> list[int]:
        """The tokens of a prompt around a text, whose end is cut until they fit."""
        while len(ids := ids_around(text)) > self._max_length:
            if not text:
                raise too_long_prompt(len(ids), self._max_length)
            text = without_end(self._tokenizer, text, len(ids) - self._max_length)
        return ids

    def _text_of_two_towers(self, text: str, marking: Marking) -> Feeds:
        """CLIP's tokens, or SigLIP's with their padding, which is attended to."""
        length = marking.fill or self._max_length
        padding = "max_length" if marking.fill else False
        encoding = self._tokenizer([text], truncation=True, max_length=length, padding=padding)
        return _feeds(encoding["input_ids"][0], {})

    def _written(self, processed: dict[str, Any], number: int) -> str:
        """The placeholder of a picture, its token as often as the model has embeddings for it."""
        token = self._pictures.token
        if "image_grid_thw" in processed:
            rows = int(processed["image_grid_thw"][number].prod()) // self._pictures.patches
            return self._pictures.placeholder.replace(token, token * rows)
        piece = token * self._pictures.rows
        if not self._pictures.marked:
            tiles = processed.get("tiles", [1] * (number + 1))[number]
            return self._pictures.placeholder.replace(token, piece * tiles)
        rows, columns = processed["rows"][number], processed["cols"][number]
        # As Idefics3's processor writes them.
        fake, whole = "<fake_token_around_image>", f"<fake_token_around_image><global-img>{piece}"
        tiles = "".join(
            "".join(f"{fake}<row_{row + 1}_col_{column + 1}>{piece}" for column in range(columns)) + "\n"
            for row in range(rows)
        )
        return f"{tiles}\n{whole}{fake}" if tiles else f"{whole}{fake}"

    def _ids(self, text: str, special: bool) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=special)["input_ids"]
        return ids


def _images(content: ReadContent) -> list[PIL.Image.Image]:
    return [_upright(image) for image in content.images] if isinstance(content, Pictured) else []


def _upright(image: Image) -> PIL.Image.Image:
    """The picture's file as `transformers.image_utils.load_image` opens it, but with the modes of its own."""
    return PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(file_of(image))))


def _feeds(ids: Sequence[int], processed: dict[str, Any]) -> Feeds:
    tokens = np.array([ids], np.int64)
    arrays = {name: value for name, value in processed.items() if isinstance(value, np.ndarray)}
    return {"input_ids": tokens, "attention_mask": np.ones_like(tokens)} | arrays
