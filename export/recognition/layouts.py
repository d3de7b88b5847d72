"""Finds out how a tokenizer surrounds texts and pairs with special tokens, by asking it."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.artifact.artifact import PairLayout, TextLayout
from engine.images.placeholder import TileMarks

from ..errors import ExportError
from ..recipe import Marking

if TYPE_CHECKING:  # or recognition would wait for PyTorch
    from transformers import PreTrainedTokenizerBase

# Idefics3's sides, at most 4,096 pixels (`engine.images.tiles`), make 8 tiles; its tokenizer names 6.
_MOST_TILES = 6
# A prompt whose instruction a request may replace: Qwen3-Embedding's and e5-mistral's, and Qwen3-VL-Embedding's.
_INSTRUCTION = re.compile(
    r"Instruct: (.+)\n ?Query: ?$|<\|im_start\|>system\n(Represent .+)<\|im_end\|>\n<\|im_start\|>user\n$"
)


def prompt_layout(tokenizer: "PreTrainedTokenizerBase", surrounded: bool, end: Sequence[int] = ()) -> PairLayout:
    """The special tokens around the prompt of a score template; if not `surrounded`, it writes them all itself.

    `end` always comes last.
    """
    prefix, suffix = _around(tokenizer) if surrounded else ([], [])
    return PairLayout(prefix=prefix, middle=[], suffix=suffix, type_ids=(0, 0, 0, 0, 0), end=list(end))


def pair_layout(tokenizer: "PreTrainedTokenizerBase") -> PairLayout:
    """The special tokens before, between and after a pair, and each part's token type id."""
    encoding = _encode(tokenizer, "a", "b")
    ids, sides = encoding["input_ids"], encoding.sequence_ids(0)
    type_ids = encoding.get("token_type_ids") or [0] * len(ids)
    first, last = sides.index(0), len(sides) - 1 - sides[::-1].index(0)
    second, end = sides.index(1), len(sides) - 1 - sides[::-1].index(1)

    def type_id(part: slice, default: int) -> int:
        return int(type_ids[part][0]) if type_ids[part] else default

    query_type, document_type = int(type_ids[first]), int(type_ids[second])
    return PairLayout(
        prefix=ids[:first],
        middle=ids[last + 1 : second],
        suffix=ids[end + 1 :],
        type_ids=(
            type_id(slice(0, first), query_type),
            query_type,
            type_id(slice(last + 1, second), query_type),
            document_type,
            type_id(slice(end + 1, None), document_type),
        ),
    )


def text_layout(
    tokenizer: "PreTrainedTokenizerBase", marking: Marking, prompt: str, adapter: int | None = None
) -> TextLayout:
    """The special tokens around one text, with a ColBERT model's marker, lengths, expansion and skip list.

    PyLate puts the marker after the first token. Raises `ExportError` for a marker the tokenizer does not know.
    """
    prefix, suffix = _around(tokenizer)
    if marking.tail:
        suffix = [*tokenizer.encode(marking.tail, add_special_tokens=False), *suffix]
    if marking.marker:
        purpose = "marks queries or documents by config_sentence_transformers.json or artifact.metadata"
        prefix = [*prefix[:1], known_token(tokenizer, marking.marker, purpose), *prefix[1:]]
    instruction = _INSTRUCTION.match(prompt)
    return TextLayout(
        prefix=prefix,
        suffix=suffix,
        prompt=prompt,
        instruction=instruction[instruction.lastindex or 0] if instruction else None,
        max_length=marking.length,
        expand_to=marking.length if marking.expand else marking.fill,
        expansion_token=_expansion(tokenizer, marking),
        attend_to_expansion=marking.attend or marking.fill is not None,
        skip=skipped(tokenizer, marking),
        adapter=adapter,
        empty=marking.empty,
        pictured=marking.pictured,
        caption=marking.caption,
        blank=marking.blank,
    )


def _expansion(tokenizer: "PreTrainedTokenizerBase", marking: Marking) -> int | None:
    if marking.expand:
        return expansion_token(tokenizer)
    return None if marking.fill is None else int(tokenizer.pad_token_id or 0)


def skipped(tokenizer: "PreTrainedTokenizerBase", marking: Marking) -> list[int]:
    """The ids of tokens whose embeddings are not scored."""
    first = {tokenizer(text, add_special_tokens=False)["input_ids"][0] for text in marking.skip_texts}
    ids = {word: token_id(tokenizer, word) for word in (*marking.skip, *marking.skip_texts)}
    if marking.skip_known:
        ids = {word: own for word, own in ids.items() if own != tokenizer.unk_token_id or word == tokenizer.unk_token}
    return sorted(first | set(ids.values()))


def expansion_token(tokenizer: "PreTrainedTokenizerBase") -> int:
    """The token that PyLate expands queries with: the mask token, else the end of text, else padding."""
    for token in (tokenizer.mask_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id):
        if token is not None:
            return int(token)
    raise ExportError("The tokenizer has no mask, end or padding token to expand queries with.")


def token_id(tokenizer: "PreTrainedTokenizerBase", token: str) -> int:
    """The id of one token; the unknown token's where the vocabulary lacks it."""
    found = tokenizer.convert_tokens_to_ids(token)
    assert isinstance(found, int)
    return found


def known_token(tokenizer: "PreTrainedTokenizerBase", token: str, purpose: str) -> int:
    """The id of a token that the model needs. Raises `ExportError`, which says what for."""
    found = tokenizer.convert_tokens_to_ids(token)
    if not isinstance(found, int) or found == tokenizer.unk_token_id:
        raise ExportError(f"The tokenizer has no token {token!r}, which {purpose} in this model.")
    return found


def tile_marks(tokenizer: "PreTrainedTokenizerBase") -> TileMarks:
    """What Idefics3's processor writes between the tiles of a picture, of which there are at most 6 x 6."""

    def ids(text: str) -> list[int]:
        found: list[int] = tokenizer.encode(text, add_special_tokens=False)
        return found

    fake, whole = "<fake_token_around_image>", "<global-img>"
    known_token(tokenizer, fake, "stands around pictures")
    rows = range(1, _MOST_TILES + 1)
    return TileMarks(
        tiles=[[ids(f"{fake}<row_{row}_col_{column}>") for column in rows] for row in rows],
        between=ids("\n"),
        whole=ids(f"\n\n{fake}{whole}"),
        only=ids(f"{fake}{whole}"),
        end=ids(fake),
    )


def _around(tokenizer: "PreTrainedTokenizerBase") -> tuple[list[int], list[int]]:
    """The special tokens before and after one text."""
    encoding = _encode(tokenizer, "a")
    ids, sides = encoding["input_ids"], encoding.sequence_ids(0)
    return ids[: sides.index(0)], ids[len(sides) - sides[::-1].index(0) :]


def _encode(tokenizer: "PreTrainedTokenizerBase", *texts: str) -> Any:
    return tokenizer(*texts)
