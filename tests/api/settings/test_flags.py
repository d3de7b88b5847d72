from pathlib import Path
from typing import Any

import pytest

from api.limits import Limits
from api.media.settings import MediaSettings
from api.settings.errors import SettingsError
from api.settings.reading import read_settings
from api.settings.settings import DEFAULT_MODEL, Access, Network, Observing, Serving
from api.settings.table import FLAGS
from engine import ImageLimits

EVERY_KEY = """
model = ["models/a", "/models/b,c"]
served-model-name = ["x", "y"]
alias = ["z=x"]
index = ["i/a", "/i/b"]
precision = "fp16"
provider = "cuda,cpu"
threads = 3
chat-template = ["score.jinja", "x=score.jinja"]
embedding-cache-bytes = 1_000_000
embedding-cache-store = "int8"
cuda-graphs = true
host = "127.0.0.1"
port = 9000
root-path = "/a/b/"
allow-origin = ["*"]
max-connections = 50
head-timeout = 4.5
shutdown-timeout = 7.5
max-body-bytes = 1_000
max-documents = 7
max-request-tokens = 500
timeout = 2
max-concurrent-requests = 2
max-queued-tokens = 600
long-documents = "chunk"
max-chunks-per-doc = 4
chunk-overlap = 30
no-auto-truncate = true
refuse-token-ids = true
allowed-media-domain = ["images.example", "B.example"]
allowed-media-path = "pictures"
image-format = ["PNG", "JPEG"]
max-images = 3
max-image-bytes = 2_000
max-image-pixels = 3_000
max-image-frames = 4
max-held-pixels = 5_000
image-fetch-timeout = 1.5
max-concurrent-fetches = 6
max-concurrent-decodes = 5
api-key-file = "keys"
public-metrics = true
log-format = "json"
log-level = "debug"
otlp-endpoint = "https://traces.example.com"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "score.jinja").write_text("{{ messages }}")
    (folder / "keys").write_text("sk-1")
    return folder / "scorert.toml"


def test_every_key(config: Path) -> None:
    config.write_text(EVERY_KEY)
    assert [line.partition(" =")[0] for line in EVERY_KEY.split("\n") if line] == [
        flag.name for group in FLAGS.values() for flag in group if flag.name != "uds"
    ]
    settings = read_settings(["--config", str(config)], {})
    assert settings.models == (config.parent / "models/a", Path("/models/b,c"))
    assert settings.serving == Serving(
        served_model_names=("x", "y"),
        aliases=(("z", "x"),),
        indexes=(config.parent / "i/a", Path("/i/b")),
        precision="fp16",
        provider="cuda,cpu",
        threads=3,
        chat_template="{{ messages }}",
        chat_templates=(("x", "{{ messages }}"),),
        embedding_cache_bytes=1_000_000,
        embedding_cache_store="int8",
        cuda_graphs=True,
    )
    assert settings.network == Network("127.0.0.1", 9000, None, "/a/b", 50, 4.5, 7.5)
    assert settings.limits == Limits(
        1000, 7, 500, 2.0, 2, 600, "chunk", 4, 30, auto_truncate=False, refuse_token_ids=True
    )
    assert settings.media == MediaSettings(
        ("images.example", "b.example"),
        config.parent / "pictures",
        ImageLimits(max_bytes=2000, max_pixels=3000, max_frames=4, formats=("PNG", "JPEG")),
        max_images=3,
        max_held_pixels=5000,
        fetch_timeout=1.5,
        max_concurrent_fetches=6,
        max_concurrent_decodes=5,
    )
    assert settings.access == Access(frozenset({"sk-1"}), public_metrics=True, allow_origins=("*",))
    assert settings.observing == Observing("json", "debug", "https://traces.example.com")


def test_a_unix_socket_is_relative_to_the_file(config: Path) -> None:
    config.write_text('uds = "run/scorert.sock"')
    assert read_settings([], {"SCORERT_CONFIG": str(config)}).network == Network(uds=config.parent / "run/scorert.sock")


def test_flag_over_variable_over_file_over_default(config: Path) -> None:
    config.write_text('host = "a"\nprecision = "int8"\nprovider = "cuda"\npublic-metrics = true\nalias = ["a=b"]')
    settings = read_settings(
        ["--host", "c"],
        {
            "SCORERT_CONFIG": str(config),
            "SCORERT_HOST": "b",
            "SCORERT_PRECISION": "fp16",
            "SCORERT_PUBLIC_METRICS": "no",
            "SCORERT_ALIAS": "c=d",
        },
    )
    assert settings.network == Network("c", 8000)
    assert settings.serving == Serving(precision="fp16", provider="cuda", aliases=(("c", "d"),))
    assert not settings.access.public_metrics


def test_the_flag_names_the_file_before_the_variable(config: Path) -> None:
    config.write_text("port = 1")
    assert read_settings(["--config", str(config)], {"SCORERT_CONFIG": "no/such.toml"}).network.port == 1


def test_paths_elsewhere_are_relative_to_the_working_directory(config: Path) -> None:
    config.write_text('model = ["a"]')
    assert read_settings(["--config", str(config), "--model", "b"], {}).models == (Path("b"),)
    assert read_settings(["--config", str(config)], {"SCORERT_MODEL": "b"}).models == (Path("b"),)


def test_a_file_with_nothing_in_it(config: Path) -> None:
    config.write_text("# port = 1\nmodel = []\n")
    settings = read_settings(["--config", str(config)], {})
    assert settings.network.port == 8000
    assert settings.models == (DEFAULT_MODEL,)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("prot = 1", "prot in {file} is not a setting: the nearest is port."),
        ("max_documents = 1", "max_documents in {file} is not a setting: the nearest is max-documents."),
        ("xyzzy = 1", "xyzzy in {file} is not a setting: `python -m api --help` lists them."),
        ("[network]\nport = 1", "network in {file} is not a setting"),
        ('config = "other.toml"', "config in {file} is not a setting"),
        ('api-key = "hush"', "api-key in {file} is not a setting: the nearest is api-key-file."),
        ('port = "8000"', "port in {file} must be a whole number."),
        ("port = 1.0", "port in {file} must be a whole number."),
        ("port = true", "port in {file} must be a whole number."),
        ("port = [1]", "port in {file} must be a whole number."),
        ('timeout = "1"', "timeout in {file} must be a number."),
        ("timeout = true", "timeout in {file} must be a number."),
        ("host = 1", "host in {file} must be a string."),
        ("host = 2026-01-01", "host in {file} must be a string."),
        ('public-metrics = "yes"', "public-metrics in {file} must be true or false."),
        ("public-metrics = 1", "public-metrics in {file} must be true or false."),
        ('model = "a"', "model in {file} must be a list of strings."),
        ('model = ["a", 1]', "model in {file} must be a list of strings."),
        ('alias = { a = "b" }', "alias in {file} must be a list of strings."),
        ("port = 70000", "port in {file}: '70000' is not a port"),
        ("threads = -1", "threads in {file}: '-1' is not a number of threads"),
        ("timeout = inf", "timeout in {file}: 'inf' is not a number of seconds"),
        ('alias = ["a"]', "alias in {file}: 'a' is not an alias"),
        ('chat-template = ["none.jinja"]', "chat-template in {file}: {folder}/none.jinja cannot be read"),
        ('chat-template = ["x=none.jinja"]', "chat-template in {file}: {folder}/none.jinja cannot be read"),
        ('chat-template = ["x="]', "chat-template in {file}: 'x=' is neither FILE nor NAME=FILE."),
        ("port = ", "--config: {file} is not TOML: "),
        ("port = 1\nport = 2", "--config: {file} is not TOML: Cannot overwrite a value"),
        (b"# \xff", "--config: {file} is not UTF-8 text: save it as that."),
        ("port = 1".encode("utf-16"), "--config: {file} is not UTF-8 text: save it as that."),
        ("model = " + "[" * 60_000, "--config: {file} is not TOML: "),
        (None, "--config: {file} cannot be read (No such file or directory)."),
    ],
)
def test_refusals_name_the_file_and_the_key(config: Path, content: Any, complaint: str) -> None:
    if content is not None:
        config.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError) as raised:
        read_settings(["--config", str(config)], {})
    message = str(raised.value)
    assert complaint.format(file=config, folder=config.parent) in message
    assert "\n" not in message
    assert message.endswith(".")
    assert "hush" not in message


def test_what_is_wrong_in_the_file_counts_even_where_a_flag_wins(config: Path) -> None:
    config.write_text('port = "8000"')
    with pytest.raises(SettingsError, match="must be a whole number"):
        read_settings(["--config", str(config), "--port", "1"], {})


def test_the_variable_is_named_where_it_names_the_file() -> None:
    with pytest.raises(SettingsError, match=r"^SCORERT_CONFIG: no/such\.toml cannot be read"):
        read_settings([], {"SCORERT_CONFIG": "no/such.toml"})


def test_a_byte_order_mark_is_passed_over(config: Path) -> None:
    """As Notepad begins files with."""
    keys, template = config.parent / "keys", config.parent / "template.jinja"
    for file, text in ((config, "port = 1"), (keys, "secret"), (template, "{{ messages[0].content }}")):
        file.write_text(text, encoding="utf-8-sig")
    arguments = ["--config", str(config), "--api-key-file", str(keys), "--chat-template", str(template)]
    settings = read_settings(arguments, {})
    assert settings.network.port == 1
    assert settings.access.api_keys == {"secret"}
    assert settings.serving.chat_template == "{{ messages[0].content }}"


def test_a_port_that_kubernetes_sets_is_passed_over_with_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    """For a Service that is called scorert, besides variables that no setting has."""
    address = "tcp://10.0.0.1:8000"
    links = {"SCORERT_PORT": address, "SCORERT_SERVICE_HOST": "10.0.0.1", "SCORERT_PORT_8000_TCP": address}
    assert read_settings([], links).network.port == read_settings([], {}).network.port
    assert capsys.readouterr().err == (
        "SCORERT_PORT is tcp://10.0.0.1:8000, as Kubernetes sets it for a Service of that name: it is passed over.\n"
    )
    assert read_settings(["--port", "1"], links).network.port == 1


@pytest.mark.parametrize("name", ["port", "threads", "max-body-bytes"])
@pytest.mark.parametrize("text", ["9" * 400, "9" * 5_000, "\N{SUPERSCRIPT TWO}", "-1", ""])
def test_numbers_of_any_size_are_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^--{name}: .* is not a (port|number of)"):
        read_settings([f"--{name}", text], {})
