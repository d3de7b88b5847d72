"""Reads the recipes of late-interaction models that sentence-transformers' MultiVectorEncoder has saved."""

from ..checkpoint.files import Checkpoint
from ..checkpoint.settings import Settings
from ..errors import ExportError
from ..recipe import Marking, Recipe
from .module_flow import TOKENS, require_flow, require_projections, require_states
from .module_list import Folder, require_kinds

MASK = "MultiVectorMask"
"""The module that says which tokens are scored, which no other model has."""

# PyLate's names for what such a folder has elsewhere.
_OF_PYLATE = ("query_prefix", "document_prefix", "query_length", "document_length", "query_expansion", "skiplist_words")


def read(checkpoint: Checkpoint, folder: Folder) -> Recipe:
    """The recipe of a folder with a MultiVectorMask. Raises `ExportError`."""
    require_kinds(folder, "Dense", MASK, "Normalize")
    require_states(folder, of_sides=True)
    heads = [head for head in folder.heads if head.kind != MASK]
    if [head.kind for head in heads].count("Normalize") != 1 or heads[-1].kind != "Normalize":
        raise ExportError(
            "The folder's modules.json does not end its Dense modules in one Normalize, so that its scores would have "
            "no bounds: add one that reads token_embeddings, as MultiVectorEncoder does."
        )
    require_projections(heads[:-1])
    require_flow(heads[-1:], TOKENS, TOKENS)
    for name in _OF_PYLATE:
        if name in folder.settings:
            raise folder.settings.refused(name, f"absent from a folder with a {MASK}, as MultiVectorEncoder saves it")
    if folder.settings.get("similarity_fn_name") not in (None, "MaxSim", "maxsim"):
        raise folder.settings.refused("similarity_fn_name", "null or MaxSim, which ScoreRT has")
    if folder.transformer.section("modality_config").get("message") is not None:
        raise folder.transformer.refused("modality_config", "of texts alone, since a chat template comes around others")
    query, document = _sides(folder)
    lengths = [side.length for side in (query, document) if side.length is not None]
    return Recipe(
        "late-interaction",
        checkpoint.architecture,
        # Those of the sides go before what the tokenizer says.
        max(lengths) if len(lengths) == 2 else folder.transformer.length("max_seq_length"),
        heads=heads,
        similarity="cosine",
        lower_case=folder.lower_case,
        # A default prompt is for texts of no role.
        query_prompt=folder.prompts.text("query"),
        document_prompt=folder.prompts.text("document"),
        query=query,
        document=document,
    )


def _sides(folder: Folder) -> tuple[Marking, Marking]:
    """The query's and the document's."""
    lengths = [folder.transformer.length(f"{role}_length") for role in ("query", "document")]
    expansion = folder.transformer.section("query_expansion")
    if expansion and expansion.get("strategy") != "fixed":
        raise expansion.refused("strategy", "fixed, which ScoreRT has")
    if expansion.get("token") is not None:
        raise expansion.refused("token", "null, which is the tokenizer's mask token")
    width = expansion.length("length")
    if expansion and width is None:
        raise expansion.refused("length", "a whole number above 0")
    skipped = _skipped(folder)
    return (
        Marking(
            length=width or lengths[0],
            expand=width is not None,
            attend=expansion.flag("attend", False) and width is not None,
            skip=skipped["query"],
            skip_known=True,
        ),
        Marking(length=lengths[1], skip=skipped["document"], skip_known=True),
    )


def _skipped(folder: Folder) -> dict[str, tuple[str, ...]]:
    """The words of each role that are not scored."""
    own = next(head for head in folder.heads if head.kind == MASK)
    settings = Settings(own.config, own.weights / "config.json")
    if settings.get("keep_only_token_ids"):
        raise settings.refused("keep_only_token_ids", "null, since models of texts are scored by all tokens")
    tasks = settings.get("skiplist_tasks")
    named = [tasks] if isinstance(tasks, str) else ["document"] if tasks is None else tasks
    if not isinstance(named, list):
        raise settings.refused("skiplist_tasks", "a list of query or document")
    words = settings.texts("skiplist_words", ())
    return {role: words if role in named else () for role in ("query", "document")}
