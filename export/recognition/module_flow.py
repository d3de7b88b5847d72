"""Refuses modules of a sentence-transformers folder that read or write other features than those that come out."""

from collections.abc import Sequence

from ..errors import ExportError
from ..recipe import Head
from .module_list import Folder

TEXT, TOKENS, SCORES, LOGITS = "sentence_embedding", "token_embeddings", "scores", "causal_logits"
"""sentence-transformers' names of features: of a text, of its tokens, of a pair, and of a language model's words."""

# Settings of a Transformer that shorten or lengthen the texts of one side.
_SIDES = ("query_length", "document_length", "query_expansion")


def require_projections(heads: Sequence[Head]) -> None:
    """Raise `ExportError` unless each head changes the embeddings of tokens; PyLate makes one of texts such a one."""
    for head in heads:
        written = head.config.get("module_output_name") or head.config.get("module_input_name") or TOKENS
        read = head.config.get("module_input_name", written)
        if read not in (TEXT, TOKENS):
            raise _broken(head, "reads", read, TOKENS)
        if written != read:
            raise _broken(head, "writes", written, read)


def require_flow(heads: Sequence[Head], begin: str, end: str) -> None:
    """Raise `ExportError` unless each head reads what the one before it writes, from `begin` to `end`."""
    feature = begin
    for head in heads:
        read, written = _features(head)
        if read != feature:
            raise _broken(head, "reads", read, feature)
        feature = written
    if feature != end:
        raise _broken(heads[-1], "writes", feature, end)


def _features(head: Head) -> tuple[str, str]:
    """What a head reads and writes."""
    if head.kind == "LogitScore":
        return str(head.config.get("module_input_name", LOGITS)), SCORES
    if head.kind == "Pooling":
        return TOKENS, TEXT
    if head.kind == "LayerNorm":
        return TEXT, TEXT
    read = str(head.config.get("module_input_name", TEXT))
    return read, str(head.config.get("module_output_name") or read)


def _broken(head: Head, verb: str, named: object, wanted: str) -> ExportError:
    return ExportError(
        f"The {head.kind} module in {head.weights.name} {verb} {named!r} and not {wanted!r}, so that a module would be "
        "without effect: correct module_input_name and module_output_name in the config.json of each."
    )


def require_states(folder: Folder, of_sides: bool = False) -> None:
    """Raise `ExportError` where the folder's Transformer gives others than the body's last states, or other texts.

    Settings `of_sides` may shorten or lengthen texts where they are read elsewhere.
    """
    settings = folder.transformer
    if settings.get("transformer_task", "feature-extraction") != "feature-extraction":
        raise settings.refused("transformer_task", "feature-extraction for such a model")
    modalities = settings.section("modality_config")
    for name in ("text", "message"):
        modality = modalities.section(name)
        given = modality.get("method", "forward"), modality.get("method_output_name", "last_hidden_state")
        if given != ("forward", "last_hidden_state"):
            raise modalities.refused(name, "of the method forward and its last_hidden_state, which ScoreRT has")
    if settings.get("module_output_name", TOKENS) != TOKENS:
        raise settings.refused("module_output_name", TOKENS)
    for name in _SIDES:
        if settings.get(name) and not of_sides:
            raise settings.refused(
                name, "absent: of models of late interaction it is read in config_sentence_transformers.json"
            )
