"""What a checkpoint is, read from its own files: its score type, and what is done before and after its body."""

import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.artifact import Activation, ScoreType, Similarity

from .errors import ExportError
from .families import family_of
from .heads import pooling_modes
from .source import Checkpoint, read_json

_PYLATE_QUERY_LENGTH = 32
_PYLATE_DOCUMENT_LENGTH = 180
_SIMILARITIES: dict[str | None, Similarity] = {
    None: "cosine",
    "cosine": "cosine",
    "dot": "dot",
    "dot_product": "dot",
}
_ACTIVATIONS: dict[str | None, Activation] = {
    None: "sigmoid",
    "Sigmoid": "sigmoid",
    "Identity": "identity",
}


@dataclass(frozen=True)
class Head:
    """A module after the body: its kind (a class of `heads`), its configuration, and the folder of its weights."""

    kind: str
    config: dict[str, Any]
    folder: Path


@dataclass(frozen=True)
class Marking:
    """How a ColBERT checkpoint lays out one side: a marker token after the first special one, and a length.

    `expand` pads to `length` with the mask token, attended to only if `attend`; embeddings of the tokens `skip` are
    not scored. The defaults are plain tokens.
    """

    marker: str = ""
    length: int | None = None
    expand: bool = False
    attend: bool = False
    skip: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """Everything about a checkpoint that its graph and manifest depend on, besides its weights.

    `activation` is a cross-encoder's, `similarity` and the prompts a bi-encoder's, the markings a late-interaction
    model's. `lower_case` says that texts are lower-cased before they are tokenised.
    """

    score_type: ScoreType
    architecture: str
    max_length: int | None
    heads: list[Head] = field(default_factory=list)
    activation: Activation | None = None
    similarity: Similarity | None = None
    lower_case: bool = False
    query_prompt: str = ""
    document_prompt: str = ""
    query: Marking = Marking()
    document: Marking = Marking()


def recognise(checkpoint: Checkpoint, score_type: str = "auto") -> Recipe:
    """The recipe of a checkpoint, or of the score type asked for.

    Raises `ExportError`, whose sentence says what the checkpoint is and what would make it work.
    """
    architecture = checkpoint.architecture
    modules = checkpoint.json("modules.json")
    found = _score_type(checkpoint, modules)
    wanted = found if score_type == "auto" else score_type
    if wanted == "cross-encoder" and found != "cross-encoder":
        raise ExportError(
            f"{architecture} has no classifier, so it cannot be a cross-encoder; its score type is {found}."
        )
    if wanted != "cross-encoder" and found == "cross-encoder":
        raise ExportError(f"{architecture} is a cross-encoder: leave --score-type out, or export its body instead.")
    if wanted == "bi-encoder" and found == "late-interaction":
        raise ExportError(f"{architecture} is a late-interaction model with no pooling: leave --score-type out.")
    if wanted == "cross-encoder":
        return _cross_encoder(checkpoint)
    if found == "late-interaction":
        return _pylate(checkpoint, modules) if modules else _colbert(checkpoint)
    recipe = _sentence_transformer(checkpoint, modules) if modules else _plain(checkpoint)
    return _as_late_interaction(recipe) if wanted == "late-interaction" else recipe


def _score_type(checkpoint: Checkpoint, modules: list[dict[str, Any]] | None) -> ScoreType:
    architecture = checkpoint.architecture
    settings = checkpoint.json("config_sentence_transformers.json") or {}
    if modules:
        family_of(checkpoint.config, architecture)
        colbert = settings.get("model_type") == "ColBERT" or settings.get("similarity_fn_name") == "MaxSim"
        pylate = colbert or any(module["type"].startswith("pylate.") for module in modules)
        return "late-interaction" if pylate else "bi-encoder"
    if architecture.endswith("ForCausalLM"):
        raise ExportError(
            f"{architecture} is a decoder and its folder says no pooling, so there is nothing to score with: "
            "export a checkpoint with a classifier or a sentence-transformers modules.json."
        )
    family_of(checkpoint.config, architecture)
    if architecture == "HF_ColBERT":
        return "late-interaction"
    if architecture.endswith("ForSequenceClassification"):
        return "cross-encoder"
    if architecture.endswith("Model"):
        return "bi-encoder"
    raise ExportError(
        f"{architecture or 'A checkpoint without architectures'} has no scoring head ScoreRT knows: export a "
        "...ForSequenceClassification with one label, a sentence-transformers or ColBERT folder, or a plain ...Model."
    )


def _cross_encoder(checkpoint: Checkpoint) -> Recipe:
    config = checkpoint.config
    labels = len(config["id2label"]) if "id2label" in config else int(config.get("num_labels", 2))
    if labels != 1:
        raise ExportError(
            f"{checkpoint.architecture} has {labels} labels, so it classifies rather than scores: a reranker has one "
            '(if the checkpoint does have one, say so with --hf-overrides \'{"id2label": {"0": "LABEL_0"}}\').'
        )
    settings = config.get("sentence_transformers") or {}
    named = settings.get("activation_fn") or config.get("sbert_ce_default_activation_function")
    activation = named.rsplit(".", 1)[-1] if named else None
    if activation not in _ACTIVATIONS:
        raise ExportError(f"The checkpoint's activation '{named}' is not one ScoreRT has: Sigmoid or Identity.")
    return Recipe("cross-encoder", checkpoint.architecture, None, activation=_ACTIVATIONS[activation])


def _plain(checkpoint: Checkpoint) -> Recipe:
    """A body alone: mean pooling, as sentence-transformers does for such a folder."""
    pooling = Head("Pooling", {"pooling_mode": "mean"}, checkpoint.folder)
    return Recipe("bi-encoder", checkpoint.architecture, None, [pooling], similarity="cosine")


def _sentence_transformer(checkpoint: Checkpoint, modules: list[dict[str, Any]]) -> Recipe:
    settings = checkpoint.json("config_sentence_transformers.json") or {}
    transformer = checkpoint.json("sentence_bert_config.json") or {}
    heads = _heads(checkpoint, modules, allowed=("Pooling", "Dense", "LayerNorm", "Normalize"))
    kinds = [head.kind for head in heads]
    if kinds.count("Pooling") != 1 or kinds[0] != "Pooling":
        raise ExportError("The folder's modules.json has no Pooling right after its Transformer, so it embeds no text.")
    prompts = settings.get("prompts") or {}
    default = prompts.get(settings.get("default_prompt_name"), "")
    # The names and their order are those of SentenceTransformer.encode_document.
    document = next((prompts[name] for name in ("document", "passage", "corpus") if name in prompts), default)
    query = prompts.get("query", default)
    if heads[0].config.get("include_prompt", True) is False and (query or document):
        raise ExportError("The folder pools without its prompt (include_prompt false), which ScoreRT does not do yet.")
    similarity = settings.get("similarity_fn_name")
    if similarity not in _SIMILARITIES:
        raise ExportError(f"The folder's similarity '{similarity}' is not one ScoreRT has: cosine or dot.")
    return Recipe(
        "bi-encoder",
        checkpoint.architecture,
        transformer.get("max_seq_length"),
        heads,
        similarity=_SIMILARITIES[similarity],
        lower_case=bool(transformer.get("do_lower_case")),
        query_prompt=query,
        document_prompt=document,
    )


def _pylate(checkpoint: Checkpoint, modules: list[dict[str, Any]]) -> Recipe:
    """Defaults are PyLate's own (its ColBERT class)."""
    settings = checkpoint.json("config_sentence_transformers.json") or {}
    # PyLate drops every module but Dense, and always normalises.
    heads = [head for head in _heads(checkpoint, modules, allowed=("Dense", "Normalize")) if head.kind == "Dense"]
    expand = bool(settings.get("do_query_expansion", True))
    query = Marking(
        marker=settings.get("query_prefix", "[Q] "),
        length=settings.get("query_length") or _PYLATE_QUERY_LENGTH,
        expand=expand,
        attend=expand and bool(settings.get("attend_to_expansion_tokens", False)),
    )
    document = Marking(
        marker=settings.get("document_prefix", "[D] "),
        length=settings.get("document_length") or _PYLATE_DOCUMENT_LENGTH,
        skip=tuple(settings.get("skiplist_words", string.punctuation)),
    )
    heads.append(Head("Normalize", {}, checkpoint.folder))
    return Recipe(
        "late-interaction", checkpoint.architecture, None, heads, query=query, document=document, similarity="cosine"
    )


def _colbert(checkpoint: Checkpoint) -> Recipe:
    """`HF_ColBERT`: a projection `linear.weight` beside the body; markers only where colbert-ai's metadata has them."""
    if checkpoint.json("artifact.metadata") is not None:
        raise ExportError(
            "This HF_ColBERT folder has colbert-ai's artifact.metadata, whose markers ScoreRT does not read yet: "
            "export the model's PyLate version."
        )
    heads = [Head("Dense", {}, checkpoint.folder), Head("Normalize", {}, checkpoint.folder)]
    return Recipe("late-interaction", checkpoint.architecture, None, heads, similarity="cosine")


def _as_late_interaction(recipe: Recipe) -> Recipe:
    """A bi-encoder's token embeddings before pooling, normalised."""
    normalize = Head("Normalize", {}, recipe.heads[0].folder)
    return Recipe("late-interaction", recipe.architecture, recipe.max_length, [normalize], similarity="cosine")


def _heads(checkpoint: Checkpoint, modules: list[dict[str, Any]], allowed: tuple[str, ...]) -> list[Head]:
    heads = []
    for module in sorted(modules, key=lambda module: int(module["idx"]))[1:]:
        kind = module["type"].rsplit(".", 1)[-1]
        if kind == "Pooling" and "Pooling" not in allowed:
            continue
        if kind not in allowed:
            raise ExportError(
                f"The folder's modules.json has a {kind} module ({module['type']}); ScoreRT has {', '.join(allowed)}."
            )
        folder = checkpoint.folder / module["path"]
        config = read_json(folder / "config.json") or {}
        if kind == "Pooling":
            pooling_modes(config)
        heads.append(Head(kind, config, folder))
    return heads
