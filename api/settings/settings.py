"""Holds what the server is told to do, with a default for everything.

`reading.py` makes these of a command line, variables and a file; whoever mounts the application makes them in Python.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine import DEFAULT_CACHE_BYTES, Store

from ..limits import Limits
from ..media.settings import MediaSettings
from .errors import SettingsError

DEFAULT_MODEL = Path(__file__).parents[2] / "models" / "all-MiniLM-L6-v2"
"""Beside the packages, in a checkout and in site-packages alike."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How models are opened, and the names that requests give them."""

    served_model_names: Sequence[str] = ()
    """The models' in their order; empty for the artifacts' own names."""
    aliases: Sequence[tuple[str, str]] = ()
    """Pairs of another name and the served name that it stands for."""
    indexes: Sequence[str | Path] = ()
    """Folders, each for the model that made it."""
    precision: str | None = None
    """Which of an artifact's graphs; None for its first."""
    provider: str = "cpu"
    threads: int | None = None
    """CPU threads of each model; None for one a core."""
    chat_template: str | None = None
    """The text of a score template for all models that are prompted; None for the artifacts' own."""
    chat_templates: Sequence[tuple[str, str]] = ()
    """Pairs of a served name and the text of that model's score template, whether it has had one or not."""
    embedding_cache_bytes: int = DEFAULT_CACHE_BYTES
    """Each model's own; 0 for no cache."""
    embedding_cache_store: Store = "float32"
    cuda_graphs: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """Where the server listens, and its connections' bounds; whoever mounts the application listens by itself.

    Times are in seconds.
    """

    host: str = "0.0.0.0"
    port: int = 8000
    """0 for any that is free."""
    uds: Path | None = None
    """A Unix socket to listen on, instead of `host` and `port`."""
    root_path: str = ""
    """What a proxy leaves out at the front of paths, such as "/scorert"."""
    max_connections: int | None = None
    """None for three quarters of the descriptors that the process may have, and 8,192 at most."""
    head_timeout: float = 20.0
    """What a request's head may take from its first byte on."""
    shutdown_timeout: float = 25.0
    """What requests in flight may take after SIGTERM. Kubernetes kills after 30."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask."""

    api_keys: frozenset[str] = field(default=frozenset(), repr=False)
    """Without any, everybody may."""
    public_metrics: bool = False
    """Whether /metrics can be read without a key."""
    allow_origins: Sequence[str] = ()
    """Web pages that may call the server from a browser, such as "https://example.com"; "*" for any."""


@dataclass(frozen=True, slots=True)
class Observing:
    """How requests are told of. `log_format` and `log_level` are the server's; see `api.app.create_app`."""

    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otlp_endpoint: str | None = None
    """The base URL of a collector of OpenTelemetry traces, such as "http://localhost:4318"; None for no traces."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; `models` are folders of artifacts, the first of those that fit for requests that name none.

    Raises `SettingsError` where two do not go together.
    """

    models: Sequence[str | Path] = (DEFAULT_MODEL,)
    serving: Serving = field(default_factory=Serving)
    network: Network = field(default_factory=Network)
    limits: Limits = field(default_factory=Limits)
    media: MediaSettings = field(default_factory=MediaSettings)
    access: Access = field(default_factory=Access)
    observing: Observing = field(default_factory=Observing)

    def __post_init__(self) -> None:
        if isinstance(self.models, str | Path) or not self.models:
            raise SettingsError("models must be a list of artifacts' folders, with at least one.")
        names = self.serving.served_model_names
        if names and len(names) != len(self.models):
            raise SettingsError(
                f"--served-model-name gives {_count(names, 'name')} for {_count(self.models, 'model')}: give each "
                "model one."
            )
        if self.limits.max_queued_tokens < self.limits.max_request_tokens:
            raise SettingsError(
                f"--max-queued-tokens is {self.limits.max_queued_tokens:,} and --max-request-tokens is "
                f"{self.limits.max_request_tokens:,}: raise the first or lower the second, since a request's tokens "
                "must fit in the queue."
            )


def _count(items: Sequence[object], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
