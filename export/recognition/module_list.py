"""Reads a sentence-transformers folder's `modules.json`, and the settings beside it."""

from dataclasses import dataclass
from typing import Any

from engine.vectors.similarity import Similarity

from ..checkpoint.files import Checkpoint
from ..checkpoint.modules import read_modules
from ..checkpoint.reading import read_object
from ..checkpoint.settings import Settings
from ..errors import ExportError
from ..recipe import Head

POOLING_MODES = ("cls", "mean", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")

# Configuration keys of sentence-transformers before 6, which had one flag a mode, in the order of concatenation.
_LEGACY_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

_POOLING = {"embedding_dimension", "word_embedding_dimension", "pooling_mode", "include_prompt"}

# What sentence-transformers' Dense has where its settings do not say; PyLate's has none.
_DENSE = {"activation_function": "torch.nn.modules.activation.Tanh"}
_WITHOUT_SETTINGS = frozenset({"Normalize"})

# Where a Transformer module's settings may be, in the order in which sentence-transformers looks for them.
_TRANSFORMER = [
    f"sentence_{body}_config.json"
    for body in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
]

_SIMILARITIES: dict[str, Similarity] = {
    "cosine": "cosine",
    "dot": "dot",
    "dot_product": "dot",
}

# The names, and their order, of SentenceTransformer.encode_query and encode_document; and e5-mistral's.
_ROLES = {"queries": ("query", "web_search_query"), "documents": ("document", "passage", "corpus")}


@dataclass(frozen=True)
class Folder:
    """The content of the JSON files: the heads after the Transformer, the model's settings and the Transformer's."""

    heads: list[Head]
    settings: Settings
    transformer: Settings
    has_pylate_modules: bool = False

    @property
    def kinds(self) -> list[str]:
        return [head.kind for head in self.heads]

    @property
    def prompts(self) -> Settings:
        return self.settings.section("prompts")

    @property
    def default_prompt(self) -> str:
        """What goes before a text of no role. Raises `ExportError` for the name of a prompt that there is not."""
        name = self.settings.name("default_prompt_name")
        if name is not None and name not in self.prompts:
            raise self.settings.refused("default_prompt_name", f"null or a name of prompts ({', '.join(self.prompts)})")
        return "" if name is None else self.prompts.text(name)

    @property
    def role_prompts(self) -> tuple[str, str]:
        """The query's and the document's: its own, or the default."""
        query, document = (
            next((self.prompts.text(name) for name in names if name in self.prompts), self.default_prompt)
            for names in _ROLES.values()
        )
        return query, document

    @property
    def warnings(self) -> list[str]:
        """That a default prompt goes before texts of a role, which not every release of sentence-transformers does."""
        default = self.default_prompt
        roles = [role for role, names in _ROLES.items() if not any(name in self.prompts for name in names)]
        if not default or not roles:
            return []
        return [
            f"The default prompt {default!r} goes before {' and '.join(roles)}, which have no prompt of their own, as "
            "SentenceTransformer.encode puts it; encode_query and encode_document of sentence-transformers 6 put none."
        ]

    @property
    def lower_case(self) -> bool:
        """Whether texts are lower-cased before they are tokenised."""
        return self.transformer.flag("do_lower_case", False)

    @property
    def similarity(self) -> Similarity:
        """How embeddings are compared. Raises `ExportError` for a way that ScoreRT has not."""
        named = self.settings.name("similarity_fn_name") or "cosine"
        if named not in _SIMILARITIES:
            raise self.settings.refused("similarity_fn_name", "cosine or dot, which ScoreRT has")
        return _SIMILARITIES[named]

    @property
    def is_colbert(self) -> bool:
        named = self.settings.get("model_type") in ("ColBERT", "MultiVectorEncoder")
        return named or self.has_pylate_modules or self.settings.get("similarity_fn_name") == "MaxSim"

    @property
    def is_cross_encoder(self) -> bool:
        return self.settings.get("model_type") == "CrossEncoder" or "LogitScore" in self.kinds


def read_folder(checkpoint: Checkpoint) -> Folder | None:
    """The folder's modules, in order, or None where it has no `modules.json`."""
    modules = read_modules(checkpoint.root)
    if not modules:
        return None
    heads = []
    for module in modules[1:]:
        path = checkpoint.root / module.path
        defaults = _DENSE if module.type.startswith("sentence_transformers.") and module.kind == "Dense" else {}
        heads.append(Head(module.kind, defaults | (read_object(path / "config.json") or {}), path))
    settings = checkpoint.root / "config_sentence_transformers.json"
    return Folder(
        heads,
        read_object(settings) or Settings({}, settings),
        next(filter(None, map(checkpoint.json, _TRANSFORMER)), checkpoint.json(_TRANSFORMER[0])),
        has_pylate_modules=any(module.type.startswith("pylate.") for module in modules),
    )


def require_kinds(folder: Folder, *known: str) -> None:
    """Raise `ExportError` for a module that is none of `known`, for one that was lost, and for settings of none."""
    for head in folder.heads:
        if head.kind not in known:
            raise ExportError(f"The folder's modules.json has a {head.kind} module; ScoreRT has {', '.join(known)}.")
        if head.kind not in _WITHOUT_SETTINGS and not (head.weights / "config.json").is_file():
            raise ExportError(
                f"The folder lacks {head.weights.name}/config.json, which modules.json names: fetch the whole folder."
            )
        settings = Settings(head.config, head.weights / "config.json")
        if head.kind == "Pooling":
            _require_pooling(settings)
        if head.kind == "Dense":
            settings.text("activation_function")
            settings.flag("use_residual", False)


def _require_pooling(settings: Settings) -> None:
    for name in settings.keys() - _LEGACY_MODES.keys() - _POOLING:
        raise settings.refused(name, "absent, since no release of sentence-transformers has it for a Pooling module")
    for flag in _LEGACY_MODES:
        settings.flag(flag, False)
    settings.flag("include_prompt", True)
    modes = settings.get("pooling_mode")
    named = [modes] if isinstance(modes, str) else modes
    if named is not None and (not isinstance(named, list) or not named or any(m not in POOLING_MODES for m in named)):
        raise settings.refused("pooling_mode", f"one or several of {', '.join(POOLING_MODES)}, which ScoreRT has")


def pooling_modes(config: dict[str, Any]) -> tuple[str, ...]:
    """The modes of a Pooling module's settings, old or new style."""
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in _LEGACY_MODES.items() if config.get(key)] or ["mean"]
    return (modes,) if isinstance(modes, str) else tuple(modes)
