"""Loads a checkpoint's tokenizer with transformers, and saves it as an artifact keeps it."""

import json
import re
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import Regex, Tokenizer, normalizers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from engine.artifact.artifact import TOKENIZER

from ..errors import ExportError, explained, one_line
from ..recipe import Recipe
from .files import Checkpoint
from .published import as_transformers
from .reading import read_object
from .vocabulary import SETTINGS, VOCABULARIES, require_files

# A choice: BERT's vocabulary of English does not know 0.5% of the verification texts' tokens.
_MOST_UNKNOWN = 0.5
_MOST_NAMED = 8


def load_tokenizer(checkpoint: Checkpoint, recipe: Recipe) -> PreTrainedTokenizerBase:
    """transformers' own. Raises `ExportError` for one that serving could not run, or would run otherwise."""
    folder = checkpoint.folder
    require_files(folder)
    settings = checkpoint.json("tokenizer_config.json")
    if recipe.max_length is None or not isinstance(settings.get("model_max_length"), int | float):
        settings.length("model_max_length")
    settings.texts("model_input_names", ())
    if settings.flag("split_special_tokens", False):
        raise settings.refused("split_special_tokens", "false: ScoreRT reads a special token in a text as that token")
    try:
        tokenizer = _load(checkpoint)
    except (MemoryError, ExportError):
        raise
    # What is wrong with a tokenizer's files decides what is raised: the library in Rust knows no kinds of errors.
    except Exception as error:
        raise _unreadable(folder, error) from None
    if not tokenizer.is_fast:
        raise ExportError(
            f"{type(tokenizer).__name__} has no tokenizer.json, which serving needs: convert it to a fast tokenizer."
        )
    # Without a mask padding would count, whatever the checkpoint's settings leave out of what texts become.
    tokenizer.model_input_names = [*dict.fromkeys(("input_ids", "attention_mask", *tokenizer.model_input_names))]
    if tokenizer.pad_token_id is None:
        _pad_with_any(tokenizer, recipe, checkpoint.native)
    if recipe.lower_case and tokenizer("A")["input_ids"] != tokenizer("a")["input_ids"]:
        _prepend(tokenizer, normalizers.Lowercase())
    return tokenizer


def _pad_with_any(tokenizer: PreTrainedTokenizerBase, recipe: Recipe, config: dict[str, Any]) -> None:
    """Name a token to pad with, where none is: the one that the model's configuration names, or else any.

    What is padded is not attended to. Raises `ExportError` for a model that reads its padding.
    """
    reads_padding = recipe.query.fill is not None or (
        recipe.query.expand and tokenizer.mask_token_id is None and tokenizer.eos_token_id is None
    )
    if reads_padding:
        raise ExportError(
            "The checkpoint's tokenizer_config.json names no pad_token, which this model reads after its texts: add it."
        )
    token: Any = config.get("pad_token_id")
    if type(token) is not int or not 0 <= token < len(tokenizer):
        token = next(iter(tokenizer.all_special_ids), 0)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(token)


def _load(checkpoint: Checkpoint) -> PreTrainedTokenizerBase:
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            checkpoint.folder,
            config=as_transformers(checkpoint.native),
            trust_remote_code=checkpoint.trust_remote_code,
        )
    except ImportError:
        # SigLIP's class wants another library, for a file that the checkpoint has in a form that needs none.
        tokenizer = _canonical(PreTrainedTokenizerFast.from_pretrained(checkpoint.folder))
    return tokenizer


def _unreadable(folder: Path, error: Exception) -> ExportError:
    """What is wrong with a tokenizer that does not load: its file, if that does not load by itself."""
    path = folder / TOKENIZER
    if read_object(path) is not None:
        try:
            Tokenizer.from_file(str(path))
        except Exception as own:
            return ExportError(
                f"{path} is damaged, or made for a newer release of tokenizers than {tokenizers.__version__}, which is "
                f"installed ({one_line(own)}): fetch it again, or update tokenizers."
            )
    files = [name for name in (TOKENIZER, *SETTINGS) if (folder / name).exists()]
    files += [] if path.exists() else [file.name for pattern in VOCABULARIES for file in folder.glob(pattern)]
    return ExportError(
        f"The checkpoint's tokenizer does not load ({one_line(error)}): fetch its files again, {', '.join(files)}."
    )


def fit(tokenizer: PreTrainedTokenizerBase, checkpoint: Checkpoint, recipe: Recipe) -> str | None:
    """Take tokens out of the tokenizer that the model has no embedding for, and say so in a sentence.

    Checkpoints have some that were added to them and that nothing uses, as Gemma's for pictures where its model reads
    text alone. A text with one in it is read as other words are. Raises `ExportError` for a token that texts are made
    of, or that comes around them.
    """
    rows = as_transformers(checkpoint.native).get_text_config().vocab_size
    backend = tokenizer.backend_tokenizer
    numbered = sorted((number, token) for token, number in tokenizer.get_vocab().items() if number >= rows)
    beyond = {token: number for number, token in numbered}
    if recipe.pictures is not None:
        # An embedding of a picture takes its place.
        beyond.pop(recipe.pictures.token, None)
    if not beyond:
        return None
    sides = (recipe.query, recipe.document)
    expands = any(side.expand for side in sides)
    around = {*tokenizer("a")["input_ids"], *tokenizer("a", "a")["input_ids"], tokenizer.pad_token_id}
    around |= {tokenizer.mask_token_id} if expands else set()
    written = [recipe.template, recipe.query_prompt, recipe.document_prompt]
    written += [text for side in sides for text in (side.marker, side.tail, side.pictured, *side.skip)]
    for token, number in beyond.items():
        is_word = backend.model.id_to_token(number) == token
        if is_word or number in around or any(token in text for text in written if text):
            raise ExportError(
                f"The checkpoint's tokenizer has the token {number} ({token}), and its model embeddings for {rows} "
                "tokens (vocab_size in config.json): put the model's own tokenizer into the folder."
            )
    content = json.loads(backend.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] not in beyond]
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(content))
    for name, token in tokenizer.special_tokens_map.items():
        if token in beyond:
            setattr(tokenizer, name, None)
    named = ", ".join([*beyond][:_MOST_NAMED]) + (
        f" and {len(beyond) - _MOST_NAMED} more" if len(beyond) > _MOST_NAMED else ""
    )
    return f"The model has no embedding for tokens that its tokenizer has, which are read as other words are: {named}."


def check_words(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> None:
    """Raises `ExportError` for a tokenizer that cannot be the one that its model was trained with.

    Its graph and its reference would agree on every wrong score. English models know most words of the `texts`, too.
    """
    with explained("The checkpoint's tokenizer cannot read texts ({}): put the model's own into the folder."):
        ids = [token for own in tokenizer(list(texts), add_special_tokens=False)["input_ids"] for token in own]
    unknown = ids.count(tokenizer.unk_token_id) if tokenizer.unk_token_id is not None else 0
    if unknown > _MOST_UNKNOWN * len(ids):
        raise ExportError(
            f"The checkpoint's tokenizer knows {1 - unknown / len(ids):.0%} of the words of ordinary texts: put the "
            "model's own tokenizer into the folder."
        )


def _canonical(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """A tokenizer that prepares texts as `SiglipTokenizer` does, if its own file does not say so already.

    They lose their case, their punctuation and spaces that follow others (transformers' `canonicalize_text`).
    """
    if tokenizer("A, b")["input_ids"] != tokenizer("a  B")["input_ids"]:
        _prepend(
            tokenizer,
            normalizers.Lowercase(),
            normalizers.Replace(Regex(f"[{re.escape(string.punctuation)}]"), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        )
    return tokenizer


def _prepend(tokenizer: PreTrainedTokenizerBase, *steps: normalizers.Normalizer) -> None:
    """Have the tokenizer prepare texts so before what it does itself, as sentence-transformers lower-cases them."""
    backend = tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Sequence([*steps, *([backend.normalizer] if backend.normalizer else [])])


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write `tokenizer.json` without padding and truncation, which are the manifest's business."""
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    (folder / TOKENIZER).write_text(backend.to_str(pretty=True), encoding="utf-8")
