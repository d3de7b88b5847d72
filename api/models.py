"""Opens the models that are served, and finds them by the names that requests give them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from engine import Engine, Index, ScoreType, decode_manifest, read_index_manifest

from .errors import UnknownModel
from .settings.errors import SettingsError
from .settings.settings import Serving, Settings


class Models:
    """Engines by name, in the order they were given, which is that in which they serve requests that name none."""

    def __init__(
        self,
        engines: Mapping[str, Engine],
        aliases: Mapping[str, str] | None = None,
        indexes: Mapping[str, Index] | None = None,
    ) -> None:
        """`aliases` are other names of `engines`, each with the served name it stands for.

        `indexes` are by served names.
        """
        self.served = engines
        """Without aliases."""
        self.indexes = indexes or {}
        """By the served names of the models that made them."""
        self._names = {name: name for name in engines} | dict(aliases or {})
        self._default = next(iter(engines))

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Open every artifact; where one cannot be, those that are open already are closed.

        Raises the engine's `ScoreRTError`, or `SettingsError` where two share a name, an alias or a template is for
        none, or an index is of none or of one that has another.
        """
        serving = settings.serving
        engines: dict[str, Engine] = {}
        with ExitStack() as opened:
            templates = _templates(settings)
            for position, folder in enumerate(settings.models):
                engine = _open(folder, settings, templates[position])
                name = serving.served_model_names[position] if serving.served_model_names else engine.manifest.name
                opened.callback(engine.close)
                if settings.limits.chunk_overlap >= engine.manifest.max_length:
                    raise SettingsError(
                        f"--chunk-overlap is {settings.limits.chunk_overlap} tokens, and {name} reads texts of up to "
                        f"{engine.manifest.max_length}: choose fewer."
                    )
                if name in engines:
                    raise SettingsError(
                        f"Two models are called {name}: give each its own name with --served-model-name."
                    )
                engines[name] = engine
            models = cls(engines, _aliases(serving, engines), _indexes(serving, engines))
            opened.pop_all()
        return models

    def __iter__(self) -> Iterator[tuple[str, Engine]]:
        """Served names and then aliases, each with its engine."""
        return ((name, self.served[served]) for name, served in self._names.items())

    def get(self, name: str | None, score_type: ScoreType | None = None) -> tuple[str, Engine]:
        """The served name and the engine of what a request asks for.

        A request that names none gets the first of `score_type`, or where there is none the first of all. Raises
        `UnknownModel`.
        """
        if name is None:
            fitting = (own for own, engine in self.served.items() if engine.manifest.scoring is score_type)
            name = next(fitting, self._default)
        if name not in self._names:
            raise UnknownModel(name, list(self._names))
        served = self._names[name]
        return served, self.served[served]

    def close(self) -> None:
        """Finish what is running and release the engines' workers."""
        for engine in self.served.values():
            engine.close()


def _open(folder: str | Path, settings: Settings, template: str | None) -> Engine:
    serving = settings.serving
    return Engine.load(
        folder,
        precision=serving.precision,
        provider=serving.provider,
        threads=serving.threads,
        chat_template=template,
        max_waiting_tokens=settings.limits.max_queued_tokens,
        embedding_cache_bytes=serving.embedding_cache_bytes,
        embedding_cache_store=serving.embedding_cache_store,
        cuda_graphs=serving.cuda_graphs,
    )


def _templates(settings: Settings) -> list[str | None]:
    """The score template that each model is given, in their order; None for its own."""
    serving = settings.serving
    named = dict(serving.chat_templates)
    if serving.chat_template is None and not named:
        return [None] * len(settings.models)
    manifests = [decode_manifest(Path(folder)) for folder in settings.models]
    names = list(serving.served_model_names or (manifest.name for manifest in manifests))
    for name in named:
        if name not in names:
            raise SettingsError(
                f"--chat-template {name}=… is for a model that is not served: use {' or '.join(dict.fromkeys(names))}."
            )
    prompted = [manifest.template is not None for manifest in manifests]
    if serving.chat_template is not None and not any(prompted):
        pairs = [name for name, manifest in zip(names, manifests, strict=True) if manifest.scoring.reads_pairs]
        raise SettingsError(
            "--chat-template is for rerankers that are prompted, and none that is served is: "
            + (f"name the one that shall be, as in {pairs[0]}=FILE, or leave it out." if pairs else "leave it out.")
        )
    return [
        named.get(name, serving.chat_template if is_prompted else None)
        for name, is_prompted in zip(names, prompted, strict=True)
    ]


def _aliases(serving: Serving, engines: Mapping[str, Engine]) -> dict[str, str]:
    aliases: dict[str, str] = {}
    for alias, name in serving.aliases:
        if name not in engines:
            raise SettingsError(
                f"--alias {alias}={name} is for a model that is not served: use {' or '.join(engines)}."
            )
        if alias in engines or alias in aliases:
            raise SettingsError(f"--alias {alias}={name} gives a name that is taken: choose another.")
        aliases[alias] = name
    return aliases


def _indexes(serving: Serving, engines: Mapping[str, Engine]) -> dict[str, Index]:
    """Each index with every model it fits: the same artifact may be served by several names."""
    indexes: dict[str, Index] = {}
    folders: dict[str, Path] = {}
    for folder in map(Path, serving.indexes):
        manifest = read_index_manifest(folder)
        own = [name for name, engine in engines.items() if manifest.is_of(engine.manifest, engine.graph)]
        if not own:
            raise SettingsError(
                f"--index {folder} was made by {manifest.model} ({manifest.precision}), which is not served as it was "
                "then: add it with --model, or make the index again."
            )
        for name in own:
            if name in folders:
                raise SettingsError(
                    f"--index {folders[name]} and {folder} are both of {name}: give each model one, of all documents."
                )
            indexes[name], folders[name] = Index(folder, engines[name]), folder
    return indexes
