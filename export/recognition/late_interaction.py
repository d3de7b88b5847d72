"""Reads the recipes of late-interaction models, which give an embedding for each token, compared by MaxSim."""

import string
from dataclasses import replace

from ..checkpoint.files import Checkpoint
from ..checkpoint.reading import read_object
from ..recipe import Head, Marking, Recipe
from . import multi_vector
from .module_flow import require_projections, require_states
from .module_list import Folder, require_kinds

# PyLate's defaults, those of its ColBERT class.
_PYLATE_QUERY_LENGTH = 32
_PYLATE_DOCUMENT_LENGTH = 180
# colbert-ai's, in its settings.
_COLBERT_QUERY_LENGTH = 32
_COLBERT_DOCUMENT_LENGTH = 220

_BGE_M3_PROJECTION = "colbert_linear.pt"


def read(checkpoint: Checkpoint, folder: Folder | None) -> Recipe:
    """The recipe of a PyLate or sentence-transformers folder, or of a colbert-ai checkpoint. Raises `ExportError`."""
    if folder is None:
        return _colbert(checkpoint)
    return multi_vector.read(checkpoint, folder) if multi_vector.MASK in folder.kinds else _pylate(checkpoint, folder)


def from_embedder(checkpoint: Checkpoint, recipe: Recipe) -> Recipe:
    """A bi-encoder's token embeddings before pooling, normalised; bge-m3's through the projection it has for this."""
    heads = [Head("Normalize", {}, checkpoint.folder)]
    side = Marking()
    projection = checkpoint.folder / _BGE_M3_PROJECTION
    if projection.is_file():
        tensors = {"linear.weight": "weight", "linear.bias": "bias"}
        heads.insert(0, Head("Dense", {}, projection, tensors))
        # FlagEmbedding leaves the first token out of bge-m3's ColBERT vectors.
        side = Marking(skip=("<s>",))
    return replace(
        recipe,
        score_type="late-interaction",
        heads=heads,
        matryoshka=None,
        similarity="cosine",
        query=side,
        document=side,
    )


def _pylate(checkpoint: Checkpoint, folder: Folder) -> Recipe:
    # PyLate drops every module but Dense, and always normalises.
    require_kinds(folder, "Pooling", "Dense", "Normalize")
    require_states(folder)
    heads = [head for head in folder.heads if head.kind == "Dense"]
    require_projections(heads)
    settings = folder.settings
    expand = settings.flag("do_query_expansion", True)
    query = Marking(
        marker=settings.text("query_prefix", "[Q] "),
        length=settings.length("query_length") or _PYLATE_QUERY_LENGTH,
        expand=expand,
        attend=settings.flag("attend_to_expansion_tokens", False) and expand,
    )
    document = Marking(
        marker=settings.text("document_prefix", "[D] "),
        length=settings.length("document_length") or _PYLATE_DOCUMENT_LENGTH,
        skip=settings.texts("skiplist_words", string.punctuation),
    )
    return Recipe(
        "late-interaction",
        checkpoint.architecture,
        heads=[*heads, Head("Normalize", {}, checkpoint.folder)],
        similarity="cosine",
        lower_case=folder.lower_case,
        query_prompt=folder.default_prompt,
        document_prompt=folder.default_prompt,
        query=query,
        document=document,
    )


def _colbert(checkpoint: Checkpoint) -> Recipe:
    """A projection `linear.weight` beside the body; markers only where colbert-ai's `artifact.metadata` has them."""
    heads = [
        Head("Dense", {}, checkpoint.folder, {"linear.weight": "linear.weight"}),
        Head("Normalize", {}, checkpoint.folder),
    ]
    recipe = Recipe("late-interaction", checkpoint.architecture, heads=heads, similarity="cosine")
    metadata = read_object(checkpoint.folder / "artifact.metadata")
    if metadata is None:
        return recipe
    if metadata.get("similarity", "cosine") != "cosine":
        raise metadata.refused("similarity", "cosine, which ScoreRT has")
    return replace(
        recipe,
        query=Marking(
            marker=metadata.name("query_token_id") or "[unused0]",
            length=metadata.length("query_maxlen") or _COLBERT_QUERY_LENGTH,
            expand=True,
            attend=metadata.flag("attend_to_mask_tokens", False),
        ),
        document=Marking(
            marker=metadata.name("doc_token_id") or "[unused1]",
            length=metadata.length("doc_maxlen") or _COLBERT_DOCUMENT_LENGTH,
            skip_texts=tuple(string.punctuation) if metadata.flag("mask_punctuation", True) else (),
        ),
    )
