import re
from pathlib import Path
from typing import Any

import pytest

from api.limits import Limits
from api.media.settings import MediaSettings
from api.settings.errors import SettingsError
from api.settings.reading import read_settings
from api.settings.settings import Access, Network, Observing, Serving, Settings
from api.settings.table import FLAGS
from engine import ImageLimits


def test_nothing_given_is_the_defaults() -> None:
    assert read_settings([], {}) == Settings()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys.txt"
    file.write_text("# Two customers.\nsk-1\n\n  s3cret!  \r\n")
    return file


@pytest.fixture
def flags(keys: Path) -> dict[str, str]:
    """A value for each flag that is not its default."""
    return {
        "model": "a",
        "served-model-name": "x",
        "alias": "y=x",
        "index": "b",
        "precision": "fp16",
        "provider": "cuda,cpu",
        "threads": "3",
        "chat-template": __file__,
        "embedding-cache-bytes": "0",
        "embedding-cache-store": "float16",
        "cuda-graphs": "true",
        "host": "127.0.0.1",
        "port": "9000",
        "root-path": "/scorert/",
        "max-connections": "50",
        "head-timeout": "4.5",
        "shutdown-timeout": "7.5",
        "allow-origin": "https://example.com",
        "max-body-bytes": "1000",
        "max-documents": "7",
        "max-request-tokens": "500",
        "timeout": "2.5",
        "max-concurrent-requests": "2",
        "max-queued-tokens": "600",
        "long-documents": "chunk",
        "max-chunks-per-doc": "4",
        "chunk-overlap": "30",
        "no-auto-truncate": "true",
        "refuse-token-ids": "true",
        "allowed-media-domain": "Images.Example.",
        "allowed-media-path": "pictures",
        "image-format": "PNG",
        "max-images": "3",
        "max-image-bytes": "2000",
        "max-image-pixels": "3000",
        "max-image-frames": "4",
        "max-held-pixels": "5000",
        "image-fetch-timeout": "1.5",
        "max-concurrent-fetches": "6",
        "max-concurrent-decodes": "5",
        "api-key-file": str(keys),
        "public-metrics": "true",
        "log-format": "json",
        "log-level": "debug",
        "otlp-endpoint": "http://localhost:4318/v1/traces",
    }


EXPECTED = Settings(
    models=(Path("a"),),
    serving=Serving(
        served_model_names=("x",),
        aliases=(("y", "x"),),
        indexes=(Path("b"),),
        precision="fp16",
        provider="cuda,cpu",
        threads=3,
        chat_template=Path(__file__).read_text("utf-8"),
        embedding_cache_bytes=0,
        embedding_cache_store="float16",
        cuda_graphs=True,
    ),
    network=Network(
        host="127.0.0.1",
        port=9000,
        root_path="/scorert",
        max_connections=50,
        head_timeout=4.5,
        shutdown_timeout=7.5,
    ),
    limits=Limits(
        max_body_bytes=1000,
        max_documents=7,
        max_request_tokens=500,
        timeout=2.5,
        max_concurrent_requests=2,
        max_queued_tokens=600,
        long_documents="chunk",
        max_chunks_per_doc=4,
        chunk_overlap=30,
        auto_truncate=False,
        refuse_token_ids=True,
    ),
    media=MediaSettings(
        allowed_domains=("images.example",),
        allowed_path=Path("pictures"),
        limits=ImageLimits(max_bytes=2000, max_pixels=3000, max_frames=4, formats=("PNG",)),
        max_images=3,
        max_held_pixels=5000,
        fetch_timeout=1.5,
        max_concurrent_fetches=6,
        max_concurrent_decodes=5,
    ),
    access=Access(api_keys=frozenset({"sk-1", "s3cret!"}), public_metrics=True, allow_origins=("https://example.com",)),
    observing=Observing(log_format="json", log_level="debug", otlp_endpoint="http://localhost:4318/v1/traces"),
)
# A Unix socket goes with no host or port.
NAMES = [flag.name for group in FLAGS.values() for flag in group if flag.name != "uds"]


def command_line(flags: dict[str, str]) -> list[str]:
    return [
        argument
        for flag, value in flags.items()
        for argument in ([f"--{flag}"] if value == "true" else [f"--{flag}", value])
    ]


def variables(flags: dict[str, str]) -> dict[str, str]:
    return {f"SCORERT_{flag.upper().replace('-', '_')}": value for flag, value in flags.items()}


def test_every_flag(flags: dict[str, str]) -> None:
    assert sorted(flags) == sorted(NAMES)
    assert read_settings(command_line(flags), {}) == EXPECTED


def test_every_variable(flags: dict[str, str]) -> None:
    assert read_settings([], variables(flags)) == EXPECTED


def test_flags_win_over_variables(flags: dict[str, str]) -> None:
    # Were any of these read, it would be refused or make another value.
    others = dict.fromkeys(flags, "-1") | {"public-metrics": "false"}
    assert read_settings(command_line(flags), variables(others)) == EXPECTED


def test_empty_variables_are_not_set() -> None:
    assert read_settings([], variables(dict.fromkeys([*NAMES, "api-key", "config"], ""))) == read_settings([], {})


@pytest.mark.parametrize(
    "arguments",
    [
        ["--model", "a", "b", "--served-model-name", "x,y", "--alias", "p=x", "q=y"],
        ["--model", "a", "--model", "b", "--served-model-name", "x", "y", "--alias", "p=x", "--alias", "q=y"],
    ],
)
def test_flags_that_repeat(arguments: list[str]) -> None:
    environment = {"SCORERT_MODEL": "c,d,e", "SCORERT_SERVED_MODEL_NAME": "p,q,r", "SCORERT_ALIAS": "s=p"}
    settings = read_settings(arguments, environment)
    assert settings.models == (Path("a"), Path("b"))
    assert settings.serving.served_model_names == ("x", "y")
    assert settings.serving.aliases == (("p", "x"), ("q", "y"))


def test_variables_separate_lists_by_commas() -> None:
    environment = {
        "SCORERT_MODEL": "a, b",
        "SCORERT_SERVED_MODEL_NAME": "x, y",
        "SCORERT_ALIAS": "p = x, q=y",
        "SCORERT_ALLOW_ORIGIN": "http://localhost:3000,*",
    }
    settings = read_settings([], environment)
    assert settings.models == (Path("a"), Path("b"))
    assert settings.serving.served_model_names == ("x", "y")
    assert settings.serving.aliases == (("p", "x"), ("q", "y"))
    assert settings.access.allow_origins == ("http://localhost:3000", "*")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", True), ("TRUE", True), ("yes", True), ("0", False), ("false", False), ("No", False)],
)
def test_switches_from_variables(text: str, expected: bool) -> None:
    assert read_settings([], {"SCORERT_PUBLIC_METRICS": text}).access.public_metrics is expected


def test_media_domains_are_names_of_hosts_in_one_way() -> None:
    settings = read_settings(["--allowed-media-domain", "Images.Example", "bücher.example."], {})
    assert settings.media.allowed_domains == ("images.example", "xn--bcher-kva.example")
    settings = read_settings([], {"SCORERT_ALLOWED_MEDIA_DOMAIN": "a.example, b.example"})
    assert settings.media.allowed_domains == ("a.example", "b.example")


def test_image_formats() -> None:
    settings = read_settings(["--image-format", "JPEG", "PNG"], {})
    assert settings.media.limits.formats == ("JPEG", "PNG")


def test_origins_are_compared_in_lower_case() -> None:
    settings = read_settings(["--allow-origin", "HTTPS://Example.com:8443"], {})
    assert settings.access.allow_origins == ("https://example.com:8443",)


class TestKeys:
    def test_from_file_and_variable_together(self, keys: Path) -> None:
        settings = read_settings(["--api-key-file", str(keys)], {"SCORERT_API_KEY": "a, b"})
        assert settings.access.api_keys == {"sk-1", "s3cret!", "a", "b"}

    def test_none_is_shown(self, keys: Path) -> None:
        settings = read_settings(["--api-key-file", str(keys)], {"SCORERT_API_KEY": "variable-key"})
        assert not re.search(r"sk-1|s3cret|variable-key", repr(settings))

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            ("", "has no key"),
            ("# only a remark\n\n", "has no key"),
            ("good\nhush hush\n", "line 2 of {file} has white space or characters that are not ASCII"),
            ("hush\u00e9\n", "line 1 of {file} has white space"),
            ("hush\u2028hush\n", "line 1 of {file} has white space"),
        ],
    )
    def test_files_that_are_refused(self, content: str, complaint: str, tmp_path: Path) -> None:
        file = tmp_path / "keys"
        file.write_text(content, encoding="utf-8")
        message = refusal(["--api-key-file", str(file)])
        assert message.startswith("--api-key-file: ")
        assert complaint.format(file=file) in message
        assert "hush" not in message

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            (" , ", "SCORERT_API_KEY has no key"),
            ("good,hush hush", "key 2 has white space"),
            ("hush\u00e9", "key 1 has"),
        ],
    )
    def test_variables_that_are_refused(self, text: str, complaint: str) -> None:
        message = refusal([], {"SCORERT_API_KEY": text})
        assert "SCORERT_API_KEY" in message
        assert complaint in message
        assert "hush" not in message

    @pytest.mark.parametrize("arguments", [["--api-key", "hush"], ["--api-key=hush"], ["--host", "::1", "--key=hush"]])
    def test_no_flag_takes_one_and_the_refusal_does_not_show_it(self, arguments: list[str]) -> None:
        message = refusal(arguments)
        assert "is not a flag" in message
        assert "hush" not in message


@pytest.mark.parametrize(
    ("arguments", "environment", "complaint"),
    [
        (["--port", "http"], {}, "--port: 'http' is not a port (0 to 65535)."),
        (["--port", "65536"], {}, "--port: '65536' is not a port"),
        ([], {"SCORERT_PORT": "http"}, "SCORERT_PORT: 'http' is not a port"),
        (["--threads", "0"], {}, "--threads: '0' is not a number of threads (1 or more)."),
        ([], {"SCORERT_THREADS": "-1"}, "SCORERT_THREADS: '-1' is not a number of threads"),
        (["--chat-template", "no/such.jinja"], {}, "--chat-template: no/such.jinja cannot be read (No such file"),
        (["--chat-template", "x=no/such.jinja"], {}, "--chat-template: no/such.jinja cannot be read (No such file"),
        (["--chat-template", "=x"], {}, "--chat-template: '=x' is neither FILE nor NAME=FILE."),
        (["--chat-template", __file__, __file__], {}, "--chat-template names several files for all models"),
        ([], {"SCORERT_CHAT_TEMPLATE": "no/such.jinja"}, "SCORERT_CHAT_TEMPLATE: no/such.jinja cannot be read"),
        ([], {"SCORERT_API_KEY_FILE": "no/keys"}, "SCORERT_API_KEY_FILE: no/keys cannot be read"),
        (["--modle", "a"], {}, "--modle is not a flag: the nearest is --model."),
        (["--xyzzy", "a"], {}, "--xyzzy is not a flag: `python -m api --help` lists them."),
        (["--mod", "a"], {}, "--mod is not a flag"),
        (["--bogus"], {}, "--bogus is not a flag: `python -m api --help` lists them."),
        (["--secret", "a"], {}, "--secret is not a flag: `python -m api --help` lists them."),
        (["a", "b", "--prot", "1"], {}, "--prot is not a flag: the nearest is --port."),
        (["serve", "a", "--model", "b", "--bogus"], {}, "--bogus is not a flag"),
        (["--model"], {}, "--model"),
        (["--model", "a", "b", "--served-model-name", "x"], {}, "1 name for 2 models"),
        (["--served-model-name", "x,y"], {}, "2 names for 1 model:"),
        (["--served-model-name", ""], {}, "--served-model-name: '' is no name."),
        (["--alias", "x"], {}, "--alias: 'x' is not an alias (NAME=MODEL)."),
        (["--alias", "=x"], {}, "--alias: '=x' is not an alias"),
        ([], {"SCORERT_ALIAS": "a=b,c="}, "SCORERT_ALIAS: 'c=' is not an alias"),
        (["--allow-origin", "example.com"], {}, "--allow-origin: 'example.com' is not an origin"),
        (["--allow-origin", "https://example.com/"], {}, "'https://example.com/' is not an origin"),
        *(
            ([f"--{name}", value], {}, f"--{name}: '{value}' is not a number of ")
            for name in ("max-body-bytes", "max-documents", "max-request-tokens", "max-concurrent-requests")
            for value in ("0", "-1", "1.5", "many")
        ),
        *((["--timeout", value], {}, f"--timeout: '{value}'") for value in ("0", "-1", "inf", "nan", "1e30", "soon")),
        (
            ["--max-queued-tokens", "1000", "--max-request-tokens", "1001"],
            {},
            "--max-queued-tokens is 1,000 and --max-request-tokens is 1,001",
        ),
        *(
            (["--allowed-media-domain", name], {}, f"--allowed-media-domain: '{name}' is not a host's name such as")
            for name in ("*", "*.example", "images.example:80", "https://images.example", "127.0.0.1", "2130706433")
        ),
        ([], {"SCORERT_ALLOWED_MEDIA_DOMAIN": "a,b/c"}, "SCORERT_ALLOWED_MEDIA_DOMAIN: 'b/c' is not a host's name"),
        (["--image-format", "SVG"], {}, "--image-format: 'SVG' is not PNG, JPEG, WEBP, GIF, BMP or TIFF."),
        *(
            ([f"--{name}", value], {}, f"--{name}: '{value}' is not a number of ")
            for name in ("max-images", "max-image-bytes", "max-image-pixels", "max-image-frames", "max-held-pixels")
            for value in ("0", "-1", "many")
        ),
        *(
            ([f"--{name}", "0"], {}, f"--{name}: '0' is not a number of ")
            for name in ("image-fetch-timeout", "max-concurrent-fetches", "max-concurrent-decodes")
        ),
        (["--max-image-pixels", "178956971"], {}, "is not a number of pixels (1 to 178956970)."),
        (["--max-held-pixels", "1000"], {}, "--max-held-pixels is 1,000 and --max-image-pixels is 50,000,000:"),
        (["--log-format", "xml"], {}, "--log-format: 'xml' is not text or json."),
        (["--log-level", "loud"], {}, "'loud' is not debug, info, warning or error."),
        (
            [],
            {"SCORERT_PUBLIC_METRICS": "maybe"},
            "SCORERT_PUBLIC_METRICS: 'maybe' is not 1, true, yes, 0,",
        ),
        *(
            (["--otlp-endpoint", url], {}, f"--otlp-endpoint: '{url}' is not an http")
            for url in ("localhost:4318", "grpc://localhost", "http://", "http://localhost:port", "http://[::1")
        ),
    ],
)
def test_refusals(arguments: list[str], environment: dict[str, str], complaint: str) -> None:
    assert complaint in refusal(arguments, environment)


def refusal(arguments: list[str], environment: dict[str, str] | None = None) -> str:
    """The one sentence that they are refused with."""
    with pytest.raises(SettingsError) as raised:
        read_settings(arguments, environment or {})
    message = str(raised.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_help_shows_every_flag_with_its_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as ended:
        read_settings(["--help"], {})
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert [title for title in FLAGS if f"\n{title}:\n" in text] == list(FLAGS)
    entries: dict[str, Any] = dict(re.findall(r"^  --([a-z-]+)(.*(?:\n {4,}.*)*)", text, re.MULTILINE))
    assert sorted(entries) == sorted([*NAMES, "uds", "config", "version"])
    assert all("default" in entries[name] for name in [*NAMES, "uds"])
    assert f"(default: {Limits().max_body_bytes})" in entries["max-body-bytes"]


@pytest.mark.parametrize(
    ("arguments", "environment"), [(["--uds", "/run/a.sock"], {}), ([], {"SCORERT_UDS": "/run/a.sock"})]
)
def test_a_unix_socket_in_place_of_a_host_and_port(arguments: list[str], environment: dict[str, str]) -> None:
    assert read_settings(arguments, environment).network == Network(uds=Path("/run/a.sock"))
    # Also where they are the defaults.
    for more in (["--host", "0.0.0.0"], ["--port", "8000"]):
        assert refusal([*arguments, *more], environment).startswith("--uds is given with --host or --port: ")
    assert "--host or --port" in refusal(arguments, environment | {"SCORERT_PORT": "8000"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["models/a", "models/b"],
        ["serve", "--model", "models/a", "models/b"],
        ["models/a", "--model", "models/b"],
        ["serve", "models/a", "--port", "8000", "--model", "models/b"],
        ["--port", "8000", "models/a", "--model", "models/b"],
    ],
)
def test_models_by_themselves_are_served_with_those_of_the_flag(arguments: list[str]) -> None:
    settings = read_settings(arguments, {"SCORERT_MODEL": "models/c"})
    assert [*map(str, settings.models)] == ["models/a", "models/b"]
