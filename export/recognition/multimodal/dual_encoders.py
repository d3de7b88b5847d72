"""Reads the recipes of CLIP, SigLIP and SigLIP2: a tower for texts, another for pictures, and one space for both."""

from dataclasses import replace

from engine.artifact.artifact import Prompts

from ...checkpoint.files import Checkpoint
from ...recipe import Head, Marking, Recipe
from ..module_list import Folder, require_kinds
from .bodies import pictures

_PROJECTIONS = {
    "clip": {"linear.weight": "text_projection.weight"},
    "siglip": {"linear.weight": "text_model.head.weight", "linear.bias": "text_model.head.bias"},
}


def read(checkpoint: Checkpoint, folder: Folder | None, prompts: Prompts) -> Recipe:
    """Both towers' embeddings have length 1, as their classes compare them; in sentence-transformers' folders if said.

    SigLIP's texts are padded to the longest input and the padding is attended to, as in training
    (https://huggingface.co/docs/transformers/model_doc/siglip); vLLM does not pad them.
    """
    native = checkpoint.native
    kind = "clip" if native["model_type"] == "clip" else "siglip"
    heads = [
        # CLIP reads the end of a text, and SigLIP the last of its tokens, padding or not: both are the last here.
        Head("Pooling", {"pooling_mode": "lasttoken"}, checkpoint.folder),
        Head("Dense", {}, checkpoint.folder, _PROJECTIONS[kind]),
    ]
    fill = native["text_config"]["max_position_embeddings"] if kind == "siglip" and prompts == "authors" else None
    side = Marking(fill=fill)
    recipe = Recipe("bi-encoder", checkpoint.architecture, similarity="cosine", query=side, document=side)
    recipe = replace(recipe, pictures=pictures(native))
    if folder is None:
        return replace(recipe, heads=[*heads, Head("Normalize", {}, checkpoint.folder)])
    require_kinds(folder, "Normalize")
    query_prompt, document_prompt = folder.role_prompts
    return replace(
        recipe,
        heads=[*heads, *folder.heads],
        similarity=folder.similarity,
        query_prompt=query_prompt,
        document_prompt=document_prompt,
    )
