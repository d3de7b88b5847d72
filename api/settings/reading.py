"""Makes the server's settings of what its flags are given."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine import IMAGE_FORMATS, ImageLimits
from engine.command import legible

from ..limits import Limits
from ..media.settings import MediaSettings
from .errors import SettingsError
from .flags import listed, read_flags
from .keys import keys_of_variable
from .settings import Access, Network, Observing, Serving, Settings
from .table import FLAGS


def read_settings(arguments: Sequence[str], environment: Mapping[str, str], command: str = "python -m api") -> Settings:
    """Settings of a command line, `SCORERT_*` variables and the file that either names; see `read_flags`.

    `command` is what the user typed before the arguments. Raises `SettingsError`.
    """
    given = read_flags(FLAGS, arguments, environment, command)
    names = [name for names in given["served-model-name"] or () for name in listed(legible(names))]
    templates = given["chat-template"] or ()
    if [name for name, _ in templates].count(None) > 1:
        raise SettingsError("--chat-template names several files for all models: say whose each is, as in NAME=FILE.")
    return Settings(
        models=tuple(given["model"] or Settings().models),
        serving=Serving(
            served_model_names=tuple(names),
            aliases=tuple(given["alias"] or ()),
            indexes=tuple(given["index"] or ()),
            precision=given["precision"],
            provider=given["provider"],
            threads=given["threads"],
            chat_template=next((text for name, text in templates if name is None), None),
            chat_templates=tuple((name, text) for name, text in templates if name is not None),
            embedding_cache_bytes=given["embedding-cache-bytes"],
            embedding_cache_store=given["embedding-cache-store"],
            cuda_graphs=given["cuda-graphs"],
        ),
        network=Network(
            **_place(given["host"], given["port"], given["uds"]),
            root_path=given["root-path"],
            max_connections=given["max-connections"],
            head_timeout=given["head-timeout"],
            shutdown_timeout=given["shutdown-timeout"],
        ),
        limits=Limits(
            max_body_bytes=given["max-body-bytes"],
            max_documents=given["max-documents"],
            max_request_tokens=given["max-request-tokens"],
            timeout=given["timeout"],
            max_concurrent_requests=given["max-concurrent-requests"],
            max_queued_tokens=given["max-queued-tokens"],
            long_documents=given["long-documents"],
            max_chunks_per_doc=given["max-chunks-per-doc"],
            chunk_overlap=given["chunk-overlap"],
            auto_truncate=not given["no-auto-truncate"],
            refuse_token_ids=given["refuse-token-ids"],
        ),
        media=MediaSettings(
            allowed_domains=tuple(given["allowed-media-domain"] or ()),
            allowed_path=given["allowed-media-path"],
            limits=ImageLimits(
                max_bytes=given["max-image-bytes"],
                max_pixels=given["max-image-pixels"],
                max_frames=given["max-image-frames"],
                formats=tuple(given["image-format"] or IMAGE_FORMATS),
            ),
            max_images=given["max-images"],
            max_held_pixels=given["max-held-pixels"],
            fetch_timeout=given["image-fetch-timeout"],
            max_concurrent_fetches=given["max-concurrent-fetches"],
            max_concurrent_decodes=given["max-concurrent-decodes"],
        ),
        access=Access(
            api_keys=(given["api-key-file"] or frozenset()) | keys_of_variable(environment),
            public_metrics=given["public-metrics"],
            allow_origins=tuple(given["allow-origin"] or ()),
        ),
        observing=Observing(
            log_format=given["log-format"], log_level=given["log-level"], otlp_endpoint=given["otlp-endpoint"]
        ),
    )


def _place(host: str | None, port: int | None, uds: Path | None) -> dict[str, Any]:
    """Where to listen, as fields of `Network`; None is what was not given."""
    if uds is not None and (host is not None or port is not None):
        raise SettingsError("--uds is given with --host or --port: give one or the other.")
    return {name: value for name, value in (("host", host), ("port", port), ("uds", uds)) if value is not None}
