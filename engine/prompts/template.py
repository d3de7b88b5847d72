"""Renders score templates: the prompts that rerankers made from language models read their pairs in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import jinja2

from ..artifact.artifact import Manifest, PairLayout, Role
from ..content import ReadContent, own_text
from ..errors import ArtifactError, InputTooLong, InvalidInput
from ..images.picture import PictureInput
from ..text.layout import Input, lay_out_prompt
from ..text.tokenizer import Tokenizer
from ..text.truncation import Truncation
from . import sandbox
from .budget import LimitReached, characters
from .control_tokens import ControlTokens
from .pictures import STAND_INS, PicturePrompts

# What a template must write out to be one. Digits, because templates may change the case of letters.
_QUERY, _DOCUMENT = "271828182845", "314159265358"

# What transformers gives templates, whether a tokenizer has them or not.
_SPECIAL_TOKENS = {f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")}
_RESERVED = {"add_generation_prompt", "chat_template", "messages", "tokenize"} | _SPECIAL_TOKENS

# The prompts that are made before their tokens are counted: a choice.
_AT_A_TIME = 32

# How deep lists and objects may lie in each other in what a request gives: a choice.
_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Prompting:
    """What a request says to the template besides its pairs: an instruction, and values for the template's variables.

    Both are as the user wrote them; `ScoreTemplate` checks them.
    """

    instruction: str | None = None
    variables: Mapping[str, Any] | None = None

    def refuse(self, instructed: bool = False) -> None:
        """Raises `InvalidInput` where a model has no use for it; `instructed` ones have one for an instruction."""
        if self.instruction is not None and not instructed:
            raise InvalidInput("The model takes no instruction here: leave it out.", "instruction")
        if self.variables:
            raise InvalidInput(
                "This model has no score template that chat_template_kwargs could be for: leave them out.",
                "chat_template_kwargs",
            )


@dataclass(frozen=True, slots=True)
class _Shown:
    """What stands for the pictures of a query and of a document, and those pictures."""

    query: str
    document: str
    pictures: Sequence[PictureInput]


_NOTHING = _Shown("", "", ())


class ScoreTemplate:
    """A Jinja template that makes one text of a pair, and the way from there to token ids.

    It gets `messages`, one with the role "query" and one with "document", after one with "system" where there is an
    instruction; `instruction` itself; `add_generation_prompt`, which is false; the special tokens' strings by their
    names (`eos_token`, …); `tools` and `documents`, which are none; and the request's own variables.

    The `content` of one with pictures has them first; its message has them apart, too, as `pictures` and `text`.
    """

    def __init__(self, text: str, manifest: Manifest, tokenizer: Tokenizer) -> None:
        """Raises `ArtifactError` for a template that does not compile, or does not write out both texts."""
        assert manifest.pair is not None
        self._layout: PairLayout = manifest.pair
        self._instruction = manifest.instruction
        self._special = {name: tokenizer.token(token) for name, token in manifest.special_tokens.items()}
        try:
            self._template = sandbox.compile_template(text)
            reserved = STAND_INS if manifest.pictures is not None else ""
            self._control = ControlTokens(tokenizer, sandbox.literals(text), reserved)
        except jinja2.TemplateError as error:
            line = f" from its line {error.lineno} on" if isinstance(error, jinja2.TemplateSyntaxError) else ""
            raise ArtifactError(f"The score template cannot be used{line}: {error.message}.") from None
        self._pictures = PicturePrompts(manifest.pictures) if manifest.pictures is not None else None
        self._probe()

    @classmethod
    def of(cls, folder: Path, manifest: Manifest, tokenizer: Tokenizer, text: str | None = None) -> Self | None:
        """The template of `text`, else the one in an artifact's folder, if it has one.

        Raises `ArtifactError`, also for `text` where the model is no cross-encoder.
        """
        if text is not None and not manifest.scoring.reads_pairs:
            raise ArtifactError(
                f"{manifest.name} is a {manifest.score_type} model, and only cross-encoders take a score template: "
                f"load it without one."
            )
        if text is None and manifest.template is not None:
            text = (folder / manifest.template).read_text(encoding="utf-8")
        return None if text is None else cls(text, manifest, tokenizer)

    def inputs(
        self,
        queries: Sequence[ReadContent],
        documents: Sequence[ReadContent],
        limits: Truncation,
        prompting: Prompting,
    ) -> Iterator[Input]:
        """An input for each query with the document beside it, made some at a time.

        Where `limits` shorten it, the document loses tokens first and then the query, at their ends or, on the left, at
        their beginnings; pictures and what the template says stay whole. Raises as `lay_out_pair`.
        """
        self._control.long_texts.refuse(characters([prompting.instruction, prompting.variables]), limits)
        variables, system = self._variables(prompting)
        limited_queries = self._limited(queries, limits, limits.query)
        limited_documents = self._limited(documents, limits, limits.document)
        for start in range(0, len(queries), _AT_A_TIME):
            some = slice(start, start + _AT_A_TIME)
            pairs = [*zip(limited_queries[some], limited_documents[some], strict=True)]
            shown = [self._shown(*own) for own in zip(queries[some], documents[some], strict=True)]
            yield from self._inputs(pairs, shown, limits, variables, system)

    def _inputs(
        self,
        pairs: Sequence[tuple[str, str]],
        shown: Sequence["_Shown"],
        limits: Truncation,
        variables: dict[str, Any],
        system: list[dict[str, str]],
    ) -> list[Input]:
        prompts = [self._prompt(*pair, own, variables, system) for pair, own in zip(pairs, shown, strict=True)]
        inputs = self._lay_out(prompts, shown, limits)
        for index, (query, document) in enumerate(pairs):
            total = limits.max_length if limits.total is None else limits.total
            while (over := len(inputs[index]) - total) > 0:
                if limits.total is None:
                    raise InputTooLong(len(inputs[index]), limits.max_length)
                if document:
                    document = self._control.drop(document, over, limits.side)
                elif query:
                    query = self._control.drop(query, over, limits.side)
                else:
                    least = len(inputs[index])
                    if least > limits.max_length:
                        raise InvalidInput(
                            f"A prompt has {least} tokens without its texts, and the model takes {limits.max_length}: "
                            "shorten the instruction, or send fewer or smaller pictures."
                        )
                    raise InvalidInput(
                        f"truncate_prompt_tokens must be at least {least}, the number of tokens in a prompt without "
                        "its texts.",
                        "truncate_prompt_tokens",
                    )
                prompt = self._prompt(query, document, shown[index], variables, system)
                (inputs[index],) = self._lay_out([prompt], [shown[index]], limits)
        return inputs

    def offsets(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Where the tokens begin and end that texts have in a prompt, in characters of each."""
        return self._control.offsets([self._control.mask(text) for text in texts])

    def _shown(self, query: ReadContent, document: ReadContent) -> "_Shown":
        """The pictures of a pair. Raises `InvalidInput` where the model cannot read them."""
        if self._pictures is None:
            return _NOTHING
        on_query, on_document = self._pictures.stand_ins([query, document])
        return _Shown(on_query, on_document, self._pictures.lay_out([query, document]))

    def _limited(self, contents: Sequence[ReadContent], limits: Truncation, tokens: int | None) -> list[str]:
        """The texts of contents, masked, of so many tokens, and not much longer than is left of them in the end."""
        limited = {}
        for text in dict.fromkeys(map(own_text, contents)):
            # What stands after a text may depend on its end.
            bounded = self._control.long_texts.bounded(text, limits, tokens, keep_end=tokens is None)
            masked = self._control.mask(bounded)
            limited[text] = masked if tokens is None else self._control.keep(masked, tokens)
        return [limited[own_text(content)] for content in contents]

    def _lay_out(self, prompts: Sequence[str], shown: Sequence["_Shown"], limits: Truncation) -> list[Input]:
        if self._pictures is None:
            return [lay_out_prompt(ids, self._layout) for ids in self._control.encode(prompts, limits.job)]
        written = [self._pictures.written(prompt, own.pictures) for prompt, own in zip(prompts, shown, strict=True)]
        encoded = self._control.encode([text for text, _ in written], limits.job)
        inputs = [lay_out_prompt(ids, self._layout) for ids in encoded]
        return [self._pictures.placed(item, own) for item, (_, own) in zip(inputs, written, strict=True)]

    def _prompt(
        self, query: str, document: str, shown: "_Shown", variables: dict[str, Any], system: list[dict[str, str]]
    ) -> str:
        """The prompt's text, from masked strings."""
        messages = [
            *system,
            _message("query", shown.query, query),
            _message("document", shown.document, document),
        ]
        try:
            return sandbox.render(self._template, variables | {"messages": messages})
        except LimitReached as error:
            raise InvalidInput(f"The score template was stopped because {error.message}.") from None
        except jinja2.TemplateError as error:
            raise InvalidInput(f"The score template does not take this input: {error.message}") from None

    def _variables(self, prompting: Prompting) -> tuple[dict[str, Any], list[dict[str, str]]]:
        """What the template gets besides the texts, masked: its variables, and the system's message if there is one."""
        given = dict(prompting.variables or {})
        instruction = prompting.instruction
        if instruction is None and "instruction" not in given:
            instruction = self._instruction
        reserved = _RESERVED | self._special.keys() | ({"instruction"} if prompting.instruction is not None else set())
        for name in given:
            if name in reserved:
                raise InvalidInput(
                    f"chat_template_kwargs may not have {name}, which the server sets itself: leave it out.",
                    "chat_template_kwargs",
                )
        if not _is_json(given):
            raise InvalidInput(
                f"chat_template_kwargs must be JSON data, nested at most {_DEPTH} deep.", "chat_template_kwargs"
            )
        given = self._control.mask(given)
        variables = {"tools": None, "documents": None, "add_generation_prompt": False} | self._special | given
        if not instruction:
            return variables, []
        content = self._control.mask(instruction)
        return {"instruction": content} | variables, [{"role": "system", "content": content}]

    def _probe(self) -> None:
        """See that both texts come out, and where."""
        variables, system = self._variables(Prompting())
        try:
            prompt = self._prompt(_QUERY, _DOCUMENT, _NOTHING, variables, system)
        except InvalidInput as error:
            raise ArtifactError(f"The score template cannot be used: {error}") from None
        for role, text in (("query", _QUERY), ("document", _DOCUMENT)):
            before, *others = prompt.split(text)
            if not others:
                raise ArtifactError(
                    f"The score template does not write out the {role}: it must print the content of the message with "
                    f'the role "{role}".'
                )
            for after in others:
                token = self._control.could_surround(before, after)
                if token is not None:
                    raise ArtifactError(
                        f"The score template writes the two ends of {token} around the {role}, which could then "
                        f"complete it: put something between them and the text."
                    )
                before = after


def _message(role: Role, pictures: str, text: str) -> dict[str, str]:
    """A query or a document as transformers gives it to templates, and with its pictures if it has some."""
    message = {"role": role, "content": pictures + text}
    return message | {"pictures": pictures, "text": text} if pictures else message


def _is_json(value: Any, depth: int = _DEPTH) -> bool:
    if isinstance(value, dict):
        return depth > 0 and all(isinstance(name, str) and _is_json(item, depth - 1) for name, item in value.items())
    if isinstance(value, list):
        return depth > 0 and all(_is_json(item, depth - 1) for item in value)
    return value is None or isinstance(value, str | int | float)
