"""Reads the recipes of bi-encoders, which embed one text at a time."""

from ..checkpoint.files import Checkpoint
from ..checkpoint.published import adapters, instructions, nemotron
from ..checkpoint.settings import Settings
from ..errors import ExportError
from ..recipe import Head, Recipe
from .module_flow import TEXT, TOKENS, require_flow, require_states
from .module_list import Folder, require_kinds


def read(checkpoint: Checkpoint, folder: Folder | None) -> Recipe:
    """The recipe of a sentence-transformers folder, or of a body alone. Raises `ExportError`."""
    return _plain(checkpoint) if folder is None else _sentence_transformer(checkpoint, folder)


def _plain(checkpoint: Checkpoint) -> Recipe:
    """A body alone: the pooling that nemotron's config names, or else the mean, as sentence-transformers does."""
    mode = nemotron.POOLING.get(str(checkpoint.native.get("pooling")), "mean")
    pooling = Head("Pooling", {"pooling_mode": mode}, checkpoint.folder)
    return Recipe(
        "bi-encoder",
        checkpoint.architecture,
        heads=[pooling],
        similarity="cosine",
        matryoshka=_matryoshka(checkpoint.config),
    )


def _sentence_transformer(checkpoint: Checkpoint, folder: Folder) -> Recipe:
    require_kinds(folder, "Pooling", "Dense", "LayerNorm", "Normalize")
    if folder.kinds.count("Pooling") != 1 or folder.kinds[0] != "Pooling":
        raise ExportError("The folder's modules.json has no Pooling right after its Transformer, so it embeds no text.")
    if folder.settings.get("truncate_dim") is not None:
        raise folder.settings.refused("truncate_dim", "null: embeddings are cut where a request asks for dimensions")
    require_states(folder)
    require_flow(folder.heads, TOKENS, TEXT)
    query_prompt, document_prompt = _prompts(checkpoint, folder)
    if folder.heads[0].config.get("include_prompt", True) is False and (query_prompt or document_prompt):
        raise ExportError("The folder pools without its prompt (include_prompt false), which ScoreRT does not do yet.")
    return Recipe(
        "bi-encoder",
        checkpoint.architecture,
        folder.transformer.length("max_seq_length"),
        folder.heads,
        similarity=folder.similarity,
        lower_case=folder.lower_case,
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        matryoshka=_matryoshka(checkpoint.config),
        warnings=folder.warnings,
    )


def _prompts(checkpoint: Checkpoint, folder: Folder) -> tuple[str, str]:
    """The query's and the document's."""
    if adapters(checkpoint.config):
        instructed = instructions(checkpoint.config)
        return instructed["query"], instructed["document"]
    return folder.role_prompts


def _matryoshka(config: Settings) -> list[int] | None:
    """The sizes a config names, under the keys vLLM's users know."""
    sizes = config.get("matryoshka_dimensions") or []
    if not isinstance(sizes, list) or not all(type(size) is int and size > 0 for size in sizes):
        raise config.refused("matryoshka_dimensions", "a list of whole numbers above 0")
    is_any = config.flag("is_matryoshka", False)
    return sorted(sizes) or ([] if is_any else None)
