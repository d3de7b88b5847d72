"""Makes a checkpoint's recipe of its own files."""

from dataclasses import replace

from engine.artifact.artifact import Prompts
from engine.score_types import ScoreTypeName

from ..checkpoint.files import Checkpoint
from ..checkpoint.published import adapters
from ..errors import ExportError, explained
from ..recipe import Recipe
from . import bi_encoders, cross_encoders, late_interaction, own_code
from .families import BY_NAME, require_known
from .module_list import Folder, read_folder
from .multimodal.read import read as read_multimodal
from .multimodal.read import reads_pictures

# Heads that were trained before a body embeds, and that no embedding needs.
_HEADS_OF_WORDS = ("ForMaskedLM", "ForPreTraining", "WithLMHead")


def recognise(
    checkpoint: Checkpoint, score_type: str = "auto", prompts: Prompts = "authors", template: str | None = None
) -> Recipe:
    """The recipe of a checkpoint, or of the score type asked for, with its authors' prompts or vLLM's.

    `template` is a score template in the place of the checkpoint's.

    Raises `ExportError`, whose sentence says what the checkpoint is and what would make it work.
    """
    with explained(
        "The checkpoint's settings are not those of such a checkpoint ({}): correct its JSON files, or fetch them anew."
    ):
        return cross_encoders.prompted(checkpoint, _recognise(checkpoint, score_type, prompts), template)


def _recognise(checkpoint: Checkpoint, score_type: str, prompts: Prompts) -> Recipe:
    architecture = checkpoint.architecture
    require_known(checkpoint.native, architecture)
    warnings = own_code.require_known(checkpoint, architecture) if checkpoint.is_traced else []
    own_code.require_published_modules(checkpoint)
    folder = read_folder(checkpoint)
    if reads_pictures(checkpoint):
        recipe = read_multimodal(checkpoint, folder, prompts)
        if score_type not in ("auto", recipe.score_type):
            raise ExportError(f"{architecture} is a {recipe.score_type} model: leave --score-type out.")
        return recipe
    masked = architecture.endswith(_HEADS_OF_WORDS) and score_type in ("bi-encoder", "late-interaction")
    found = "bi-encoder" if masked and folder is None else _score_type(checkpoint, folder)
    wanted = found if score_type == "auto" else score_type
    if wanted == "cross-encoder" and found != "cross-encoder":
        raise ExportError(
            f"{architecture} has no classifier, so it cannot be a cross-encoder; its score type is {found}."
        )
    if wanted != "cross-encoder" and found == "cross-encoder":
        raise ExportError(f"{architecture} is a cross-encoder: leave --score-type out, or export its body instead.")
    if wanted == "bi-encoder" and found == "late-interaction":
        raise ExportError(f"{architecture} is a late-interaction model with no pooling: leave --score-type out.")
    recipe = _read(checkpoint, folder, found)
    if wanted != found:
        recipe = late_interaction.from_embedder(checkpoint, recipe)
    return replace(
        recipe,
        adapters=adapters(checkpoint.native),
        warnings=[*recipe.warnings, *warnings],
        by_class=score_type == "auto" and folder is None and found != "late-interaction",
    )


def _read(checkpoint: Checkpoint, folder: Folder | None, score_type: ScoreTypeName) -> Recipe:
    if score_type == "cross-encoder":
        return cross_encoders.read(checkpoint, folder)
    if score_type == "late-interaction":
        return late_interaction.read(checkpoint, folder)
    return bi_encoders.read(checkpoint, folder)


def _score_type(checkpoint: Checkpoint, folder: Folder | None) -> ScoreTypeName:
    architecture = checkpoint.architecture
    if folder is not None:
        if folder.is_cross_encoder:
            return "cross-encoder"
        return "late-interaction" if folder.is_colbert else "bi-encoder"
    if architecture == "HF_ColBERT" or architecture.startswith("ColBERT"):
        return "late-interaction"
    if architecture.endswith("ForSequenceClassification") or cross_encoders.is_reranker(checkpoint):
        return "cross-encoder"
    if architecture.endswith("Model"):
        return "bi-encoder"
    if architecture.endswith("ForCausalLM"):
        raise ExportError(
            f"{architecture} is a language model and neither its files nor its name ({checkpoint.name}) say how it "
            "scores: for a reranker, name the tokens it answers with (--hf-overrides "
            f'\'{{"classifier_from_token": ["no", "yes"]}}\') or {BY_NAME}; for an embedder, give a folder with '
            "sentence-transformers' modules.json."
        )
    raise ExportError(
        f"{architecture or 'A config.json without architectures'} has no scoring head ScoreRT knows: export a "
        "...ForSequenceClassification, a sentence-transformers or ColBERT folder, or a plain ...Model"
        f"{'; with --score-type bi-encoder its body embeds' if architecture.endswith(_HEADS_OF_WORDS) else ''}."
    )
