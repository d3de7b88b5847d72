"""The models that are served, by the names requests give them."""

from collections.abc import Iterator
from typing import Self

from engine import Engine

from .errors import UnknownModel
from .settings import Settings, SettingsError


class Models:
    """Engines by name, in the order they were given; the first serves requests that name none."""

    def __init__(self, engines: dict[str, Engine]) -> None:
        self._engines = engines
        self._default = next(iter(engines))

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Open every artifact. Raises the engine's `ScoreRTError`, or `SettingsError` where two share a name."""
        engines: dict[str, Engine] = {}
        for position, folder in enumerate(settings.models):
            engine = Engine.load(
                folder,
                precision=settings.precision,
                provider=settings.provider,
                threads=settings.threads,
                chat_template=settings.chat_template,
            )
            names = settings.served_model_names
            name = names[position] if names else engine.manifest.name
            if name in engines:
                raise SettingsError(f"Two models are called {name}: give each its own name with --served-model-name.")
            engines[name] = engine
        return cls(engines)

    def __iter__(self) -> Iterator[tuple[str, Engine]]:
        return iter(self._engines.items())

    def get(self, name: str | None) -> tuple[str, Engine]:
        """The engine a request asks for and the name it has. Raises `UnknownModel`."""
        name = self._default if name is None else name
        if name not in self._engines:
            raise UnknownModel(name, list(self._engines))
        return name, self._engines[name]

    def close(self) -> None:
        """Finish what is running and release the engines' workers."""
        for engine in self._engines.values():
            engine.close()
