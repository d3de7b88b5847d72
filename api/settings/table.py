"""Declares the flags of the server, by subject."""

from pathlib import Path

from engine import IMAGE_FORMATS, LONG_DOCUMENTS, MOST_IMAGE_PIXELS, STORES

from ..media.hosts import host_name
from .flags import Flag
from .keys import API_KEY, key_file
from .settings import Settings
from .values import alias, name, one_of, origin, path, root_path, seconds, switch, template, url, whole

_DEFAULT = Settings()

FLAGS: dict[str, list[Flag]] = {
    "Models": [
        Flag(
            "model",
            "artifacts to serve (default: the all-MiniLM-L6-v2 that comes with ScoreRT)",
            path,
            Path,
            repeats=True,
            metavar="FOLDER",
        ),
        Flag(
            "served-model-name",
            "names that requests use, in the order of --model (default: the artifacts' own)",
            name,
            repeats=True,
            metavar="NAME",
        ),
        Flag("alias", "other names of served models (default: none)", alias, repeats=True, metavar="NAME=MODEL"),
        Flag(
            "index",
            "documents that `python -m engine index` has embedded, for requests with their ids (default: none)",
            path,
            Path,
            repeats=True,
            metavar="FOLDER",
        ),
        Flag("precision", "which of an artifact's graphs (default: its first)"),
        Flag(
            "provider",
            "cpu, cuda or tensorrt; several with commas fall back from left to right; auto tries those that start here "
            "on a short request and takes the fastest",
            default=_DEFAULT.serving.provider,
        ),
        Flag("threads", "CPU threads (default: all cores)", whole("a number of threads"), int),
        Flag(
            "chat-template",
            "a Jinja score template for all prompted rerankers, or for the named one (default: the artifacts' own)",
            template,
            Path,
            repeats=True,
            metavar="FILE|NAME=FILE",
            named=True,
        ),
        Flag(
            "embedding-cache-bytes",
            "memory for each model's embeddings of texts that may come again, 0 for none",
            whole("a number of bytes", 0),
            int,
            _DEFAULT.serving.embedding_cache_bytes,
        ),
        Flag(
            "embedding-cache-store",
            "what they are kept and given as: float32, or rounded to float16 or int8",
            one_of(*STORES),
            default=_DEFAULT.serving.embedding_cache_store,
            metavar="TYPE",
        ),
        Flag(
            "cuda-graphs",
            "on the cuda provider, launch small runs at once instead of kernel by kernel",
            switch,
            bool,
            _DEFAULT.serving.cuda_graphs,
        ),
    ],
    "Network": [
        Flag("host", f"address to listen on, 0.0.0.0 for all (default: {_DEFAULT.network.host})"),
        Flag("port", f"0 for any that is free (default: {_DEFAULT.network.port})", whole("a port", 0, 65535), int),
        Flag("uds", "Unix socket to listen on, instead of --host and --port (default: none)", path, Path),
        Flag(
            "root-path",
            "what a proxy in front leaves out of paths, such as /scorert; the API's description names it",
            root_path,
            default=_DEFAULT.network.root_path,
            metavar="PATH",
        ),
        Flag(
            "allow-origin",
            "web pages that may call the server from a browser, such as https://example.com; * for any (default: none)",
            origin,
            repeats=True,
            metavar="ORIGIN",
        ),
        Flag(
            "max-connections",
            "connections that are open at a time (default: three quarters of the descriptors allowed, at most 8192)",
            whole("a number of connections"),
            int,
        ),
        Flag(
            "head-timeout",
            "how long the head of a request may take from its first byte on",
            seconds,
            float,
            _DEFAULT.network.head_timeout,
            metavar="SECONDS",
        ),
        Flag(
            "shutdown-timeout",
            "how long requests in flight may take after SIGTERM",
            seconds,
            float,
            _DEFAULT.network.shutdown_timeout,
            metavar="SECONDS",
        ),
    ],
    "Limits": [
        Flag(
            "max-body-bytes",
            "size of a request's body",
            whole("a number of bytes"),
            int,
            _DEFAULT.limits.max_body_bytes,
        ),
        Flag(
            "max-documents",
            "documents, pairs or texts of a request",
            whole("a number of documents"),
            int,
            _DEFAULT.limits.max_documents,
        ),
        Flag(
            "max-request-tokens",
            "tokens of a request, all its inputs together",
            whole("a number of tokens"),
            int,
            _DEFAULT.limits.max_request_tokens,
        ),
        Flag("timeout", "how long a request may take", seconds, float, _DEFAULT.limits.timeout, metavar="SECONDS"),
        Flag(
            "max-concurrent-requests",
            "requests that are answered at a time",
            whole("a number of requests"),
            int,
            _DEFAULT.limits.max_concurrent_requests,
        ),
        Flag(
            "max-queued-tokens",
            "tokens that may wait for each model",
            whole("a number of tokens"),
            int,
            _DEFAULT.limits.max_queued_tokens,
        ),
        Flag(
            "long-documents",
            "refuse, truncate or chunk documents longer than a model takes; chunk takes the best score of a document's "
            "chunks (default: what the API of a request does)",
            one_of(*LONG_DOCUMENTS),
            metavar="WAY",
        ),
        Flag(
            "max-chunks-per-doc",
            "chunks of a long document that are scored, its first",
            whole("a number of chunks"),
            int,
            _DEFAULT.limits.max_chunks_per_doc,
        ),
        Flag(
            "chunk-overlap",
            "tokens that a chunk has in common with the one before it, at most half of them",
            whole("a number of tokens", 0),
            int,
            _DEFAULT.limits.chunk_overlap,
        ),
        Flag(
            "no-auto-truncate",
            "refuse texts longer than a model takes where TEI's requests do not say truncate, instead of cutting them",
            switch,
            bool,
            not _DEFAULT.limits.auto_truncate,
        ),
        Flag(
            "refuse-token-ids",
            "refuse texts that come as token ids, which may be another vocabulary's, as those of LangChain are",
            switch,
            bool,
            _DEFAULT.limits.refuse_token_ids,
        ),
    ],
    "Images": [
        Flag(
            "allowed-media-domain",
            "hosts that images are fetched from, each by its exact name, at public addresses alone (default: none)",
            host_name,
            repeats=True,
            metavar="HOST",
        ),
        Flag(
            "allowed-media-path",
            "folder of images that file: URLs may name (default: none)",
            path,
            Path,
            metavar="FOLDER",
        ),
        Flag(
            "image-format",
            f"formats that images may have (default: {', '.join(IMAGE_FORMATS)})",
            one_of(*IMAGE_FORMATS),
            repeats=True,
            metavar="FORMAT",
        ),
        Flag("max-images", "images of a request", whole("a number of images"), int, _DEFAULT.media.max_images),
        Flag(
            "max-image-bytes",
            "size of an image's file",
            whole("a number of bytes"),
            int,
            _DEFAULT.media.limits.max_bytes,
        ),
        Flag(
            "max-image-pixels",
            "pixels of an image",
            whole("a number of pixels", most=MOST_IMAGE_PIXELS),
            int,
            _DEFAULT.media.limits.max_pixels,
        ),
        Flag(
            "max-image-frames",
            "frames or pages of an image's file, of which the first is used",
            whole("a number of frames"),
            int,
            _DEFAULT.media.limits.max_frames,
        ),
        Flag(
            "max-held-pixels",
            "pixels of the images of all requests that are being answered, 3 bytes each",
            whole("a number of pixels"),
            int,
            _DEFAULT.media.max_held_pixels,
        ),
        Flag(
            "image-fetch-timeout",
            "how long it may take to fetch an image, redirects included",
            seconds,
            float,
            _DEFAULT.media.fetch_timeout,
            metavar="SECONDS",
        ),
        Flag(
            "max-concurrent-fetches",
            "images that are fetched at a time",
            whole("a number of fetches"),
            int,
            _DEFAULT.media.max_concurrent_fetches,
        ),
        Flag(
            "max-concurrent-decodes",
            "images that are decoded at a time, which takes up to 16 bytes a pixel",
            whole("a number of decodes"),
            int,
            _DEFAULT.media.max_concurrent_decodes,
        ),
    ],
    "Access": [
        Flag(
            "api-key-file",
            f"keys, one a line; requests must have one of them; {API_KEY} has keys too (default: no key is needed)",
            key_file,
            Path,
        ),
        Flag("public-metrics", "let /metrics be read without a key", switch, bool, _DEFAULT.access.public_metrics),
    ],
    "Logs and traces": [
        Flag(
            "log-format",
            "text or json",
            one_of("text", "json"),
            default=_DEFAULT.observing.log_format,
            metavar="FORMAT",
        ),
        Flag(
            "log-level",
            "debug, info, warning or error",
            one_of("debug", "info", "warning", "error"),
            default=_DEFAULT.observing.log_level,
            metavar="LEVEL",
        ),
        Flag("otlp-endpoint", "where traces are sent with OTLP over HTTP (default: nowhere)", url, metavar="URL"),
    ],
}
