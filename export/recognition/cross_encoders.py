"""Reads the recipes of cross-encoders, which read a query and a document together and give one logit."""

from collections.abc import Sequence
from dataclasses import replace

from engine.artifact.artifact import Activation

from ..checkpoint.files import Checkpoint
from ..checkpoint.published import nemotron
from ..checkpoint.settings import Settings
from ..errors import ExportError
from ..recipe import Head, Recipe
from .families import Reranker, is_decoder, read_template, reranker_of, template_of
from .labels import positive_label
from .module_flow import LOGITS, SCORES, TOKENS, require_flow
from .module_list import Folder, require_kinds
from .score_templates import own_template

_ACTIVATIONS: dict[str | None, Activation] = {
    None: "sigmoid",
    "Sigmoid": "sigmoid",
    "Identity": "identity",
}
# Bodies that read from left to right: what they say of a pair is in its last token.
_LAST_TOKEN = "lasttoken"
# Encoders that read from left to right where `is_decoder` says so.
_CAUSAL_WHERE_SAID = frozenset({"bert", "roberta", "xlm-roberta"})


def read(checkpoint: Checkpoint, folder: Folder | None) -> Recipe:
    """The recipe of a classifier, of a language model that reranks, or of a sentence-transformers CrossEncoder folder.

    Raises `ExportError`.
    """
    if folder is not None and folder.heads:
        return _cross_encoder_folder(checkpoint, folder)
    tokens = _tokens(checkpoint.config)
    if tokens is not None or checkpoint.architecture.endswith("ForCausalLM"):
        return _language_model(checkpoint, tokens)
    return _classifier(checkpoint, folder)


def prompted(checkpoint: Checkpoint, recipe: Recipe, template: str | None) -> Recipe:
    """The recipe with a score template that was given, or with a warning where a language model's is none or a guess.

    Raises `ExportError` where the model is no cross-encoder, and for an instruction that no template writes.
    """
    if template is not None and recipe.score_type != "cross-encoder":
        raise ExportError(
            f"{recipe.architecture} is a {recipe.score_type} model, and only cross-encoders take a score template: "
            "leave --chat-template out."
        )
    if template is not None:
        return replace(recipe, template=template, surrounded=True)
    if recipe.template is None and recipe.instruction:
        raise ExportError(
            f"The folder's default prompt {recipe.instruction!r} goes before the query of each pair, which ScoreRT "
            "does by a score template alone: give one by --chat-template FILE, or take default_prompt_name out of "
            "config_sentence_transformers.json and send queries that begin with it."
        )
    warning = None
    if recipe.template is None and any(head.kind == "TokenRows" for head in recipe.heads):
        warning = (
            f"{recipe.architecture} scores pairs by the next token and has no score template, so that a query and its "
            "document are run together as they are: give the prompt that it was trained with by --chat-template FILE."
        )
    elif borrowed := _borrowed(checkpoint, recipe):
        warning = (
            f"{checkpoint.name} answers with {' and '.join(borrowed.tokens)} and has no score template, so that it is "
            f"given that of {borrowed.template.removesuffix('.jinja')}"
            f"{f' and its scale of {borrowed.scale}' if borrowed.scale != 1 else ''}: if it was trained with another "
            "prompt, give that by --chat-template FILE."
        )
    elif recipe.template is None and recipe.score_type == "cross-encoder" and (row := _base_row(checkpoint)):
        warning = (
            f"{checkpoint.name} was made from a model that is prompted ({row.template.removesuffix('.jinja')}) and has "
            "no score template, so that its pairs are run as they are: if it was trained with that prompt, give it by "
            "--chat-template FILE."
        )
    return replace(recipe, warnings=[*recipe.warnings, warning]) if warning else recipe


def _borrowed(checkpoint: Checkpoint, recipe: Recipe) -> Reranker | None:
    """The family whose template a model has for what it was made from or answers with, and not for its name."""
    language_model = any(head.kind == "TokenRows" for head in recipe.heads)
    row = _row(checkpoint, _tokens(checkpoint.config)) if language_model and _own_row(checkpoint) is None else None
    return row if row is not None and recipe.template == read_template(row.template) else None


def is_reranker(checkpoint: Checkpoint) -> bool:
    """Whether a language model's checkpoint is known, or said, to rerank."""
    config = checkpoint.config
    return config.get("classifier_from_token") is not None or _row(checkpoint, None) is not None


def _tokens(config: Settings) -> list[str] | None:
    """The tokens that a language model answers with, where its configuration names them."""
    named = config.texts("classifier_from_token", ())
    if not named and config.get("classifier_from_token") is not None:
        raise config.refused("classifier_from_token", 'a list of one or two tokens, such as ["no", "yes"]')
    return list(named) or None


def _row(checkpoint: Checkpoint, tokens: Sequence[str] | None) -> Reranker | None:
    """The family of a language model: by its name, by what it was made from, or by the tokens it answers with."""
    by_tokens = reranker_of((), str(checkpoint.native["model_type"]), tokens)
    return _own_row(checkpoint) or _base_row(checkpoint) or by_tokens


def _own_row(checkpoint: Checkpoint) -> Reranker | None:
    return reranker_of(checkpoint.names, str(checkpoint.native["model_type"]), None)


def _base_row(checkpoint: Checkpoint) -> Reranker | None:
    return reranker_of(checkpoint.made_from, str(checkpoint.native["model_type"]), None)


def _language_model(checkpoint: Checkpoint, tokens: list[str] | None) -> Recipe:
    """The classifier is made of the language model's own output rows, one or two of the whole vocabulary."""
    row = _row(checkpoint, tokens)
    if tokens is None:
        assert row is not None, "is_reranker found it"
        tokens = list(row.tokens)
    method = checkpoint.config.name("method") or ("no_post_processing" if len(tokens) == 1 else "from_2_way_softmax")
    expected = {"no_post_processing": 1, "from_2_way_softmax": 2}.get(method)
    if expected is None:
        raise ExportError(f"The method '{method}' is unknown; it is from_2_way_softmax or no_post_processing.")
    if len(tokens) != expected:
        raise ExportError(
            f"The method {method} makes one score of {expected} token{'s' * (expected > 1)}, and classifier_from_token "
            f"names {len(tokens)}."
        )
    heads = [
        Head("Pooling", {"pooling_mode": _LAST_TOKEN}, checkpoint.folder),
        Head("TokenRows", {"tokens": tokens, "scale": row.scale if row else 1.0}, checkpoint.folder),
    ]
    own = own_template(checkpoint.folder)
    return Recipe(
        "cross-encoder",
        checkpoint.architecture,
        heads=heads,
        activation=_activation(checkpoint.config, None),
        template=own or (read_template(row.template) if row else None),
        surrounded=own is None,
    )


def _classifier(checkpoint: Checkpoint, folder: Folder | None) -> Recipe:
    config = checkpoint.config
    positive = positive_label(checkpoint.architecture, config, checkpoint.overrides)
    # One that was made from such a model may have been trained with pairs as they are, as sentence-transformers does.
    row = _own_row(checkpoint)
    built_in = read_template(row.template) if row else template_of(checkpoint.architecture)
    own = own_template(checkpoint.folder, folder)
    return Recipe(
        "cross-encoder",
        checkpoint.architecture,
        folder.transformer.length("max_seq_length") if folder else None,
        heads=_classifier_heads(checkpoint, positive),
        activation=_activation(config, folder) if positive is None else "sigmoid",
        template=own or built_in,
        lower_case=folder.lower_case if folder else False,
        instruction=(folder.default_prompt or None) if folder else None,
        surrounded=own is None,
        positive=positive,
    )


def _classifier_heads(checkpoint: Checkpoint, positive: int | None) -> list[Head]:
    """None for an encoder, whose transformers class has its own; a decoder's, for which padding must not count."""
    config = checkpoint.native
    if not is_decoder(checkpoint.native):
        # A decoder's first token, which such a classifier reads, has seen no other.
        if checkpoint.is_traced and config.get("model_type") in _CAUSAL_WHERE_SAID and config.get("is_decoder"):
            raise checkpoint.config.refused("is_decoder", "false, since all texts have the same score otherwise")
        return []
    mode = nemotron.POOLING.get(str(config.get("pooling")), _LAST_TOKEN)
    scale = 1.0 / float(config.get("temperature") or 1.0)
    tensors = {"linear.weight": "score.weight", "linear.bias": "score.bias"}
    return [
        Head("Pooling", {"pooling_mode": mode}, checkpoint.folder),
        Head("Dense", {"scale": scale, "positive": positive}, checkpoint.folder, tensors),
    ]


def _cross_encoder_folder(checkpoint: Checkpoint, folder: Folder) -> Recipe:
    """A folder of sentence-transformers 5 or newer: its modules end in a LogitScore, or in a Dense that scores."""
    require_kinds(folder, "Pooling", "Dense", "LayerNorm", "LogitScore")
    heads = []
    known = range(checkpoint.config.whole("vocab_size", 2**31, least=1))
    for head in folder.heads:
        if head.kind == "LogitScore":
            ids = [head.config.get("false_token_id"), head.config.get("true_token_id")]
            tokens = [token for token in ids if token is not None]
            if ids[1] is None or not all(type(token) is int and token in known for token in tokens):
                raise ExportError(
                    f"{head.weights / 'config.json'} must have a true_token_id, and may have a false_token_id, both "
                    "numbers of tokens that the model has: fetch it again."
                )
            heads.append(Head("Pooling", {"pooling_mode": _LAST_TOKEN}, checkpoint.folder))
            heads.append(Head("TokenRows", {"tokens": tokens, "scale": 1.0}, checkpoint.folder))
        else:
            heads.append(head)
    if heads[0].kind != "Pooling" or heads[-1].kind not in ("TokenRows", "Dense"):
        raise ExportError("The folder's modules.json neither pools and projects nor ends in a LogitScore: no score.")
    labels = heads[-1].config.get("out_features", 1)
    if labels != 1:
        raise ExportError(f"The folder's last Dense module gives {labels} labels, so it classifies rather than scores.")
    require_flow(folder.heads, LOGITS if folder.kinds[0] == "LogitScore" else TOKENS, SCORES)
    return Recipe(
        "cross-encoder",
        checkpoint.architecture,
        folder.transformer.length("max_seq_length"),
        heads=heads,
        activation=_activation(checkpoint.config, folder),
        template=own_template(checkpoint.folder, folder),
        lower_case=folder.lower_case,
        instruction=folder.default_prompt or None,
        surrounded=False,
    )


def _activation(config: Settings, folder: Folder | None) -> Activation:
    own = config.section("sentence_transformers").name("activation_fn")
    named = own or config.name("sbert_ce_default_activation_function")
    if folder is not None:
        named = folder.settings.name("activation_fn") or named
    activation = named.rsplit(".", 1)[-1] if named else None
    if activation not in _ACTIVATIONS or (named and not named.startswith("torch.nn.")):
        raise ExportError(f"The checkpoint's activation '{named}' is not one ScoreRT has: Sigmoid or Identity.")
    return _ACTIVATIONS[activation]
