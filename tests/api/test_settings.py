import os
from pathlib import Path

import pytest

from api.settings import DEFAULT_MODEL, Settings, SettingsError, read_settings


def test_defaults() -> None:
    assert read_settings([], {}) == Settings(
        models=[DEFAULT_MODEL],
        served_model_names=[],
        host="0.0.0.0",
        port=8000,
        provider="cpu",
        precision=None,
        threads=None,
        chat_template=None,
    )


def test_default_model_lies_beside_the_package() -> None:
    import api

    assert api.__file__ is not None
    assert Path(api.__file__).parents[1] / "models" / "all-MiniLM-L6-v2" == DEFAULT_MODEL


FLAGS = {
    "model": "a",
    "served-model-name": "x",
    "host": "127.0.0.1",
    "port": "9000",
    "provider": "cuda,cpu",
    "precision": "fp16",
    "threads": "3",
    "chat-template": __file__,
}
EXPECTED = Settings([Path("a")], ["x"], "127.0.0.1", 9000, "cuda,cpu", "fp16", 3, Path(__file__).read_text("utf-8"))


def test_every_flag() -> None:
    assert read_settings([f"--{flag}={value}" for flag, value in FLAGS.items()], {}) == EXPECTED


def test_every_variable() -> None:
    variables = {f"SCORERT_{flag.upper().replace('-', '_')}": value for flag, value in FLAGS.items()}
    assert read_settings([], variables) == EXPECTED


def test_flags_win_over_variables() -> None:
    others = {
        "model": "b",
        "served-model-name": "y",
        "host": "::1",
        "port": "1",
        "provider": "cpu",
        "precision": "fp32",
        "threads": "1",
        "chat-template": os.devnull,
    }
    variables = {f"SCORERT_{flag.upper().replace('-', '_')}": value for flag, value in others.items()}
    assert read_settings([f"--{flag}={value}" for flag, value in FLAGS.items()], variables) == EXPECTED


def test_empty_variables_are_not_set() -> None:
    variables = {f"SCORERT_{flag.upper().replace('-', '_')}": "" for flag in FLAGS}
    assert read_settings([], variables) == read_settings([], {})


@pytest.mark.parametrize(
    "arguments",
    [
        ["--model", "a", "b", "--served-model-name", "x,y"],
        ["--model", "a", "--model", "b", "--served-model-name", "x", "--served-model-name", "y"],
        ["--model", "a", "b", "--served-model-name", "x", "y"],
    ],
)
def test_several_models_in_order(arguments: list[str]) -> None:
    settings = read_settings(arguments, {"SCORERT_MODEL": "c,d,e", "SCORERT_SERVED_MODEL_NAME": "p,q,r"})
    assert settings.models == [Path("a"), Path("b")]
    assert settings.served_model_names == ["x", "y"]


def test_variables_separate_lists_by_commas() -> None:
    settings = read_settings([], {"SCORERT_MODEL": "a, b", "SCORERT_SERVED_MODEL_NAME": "x, y"})
    assert settings.models == [Path("a"), Path("b")]
    assert settings.served_model_names == ["x", "y"]


@pytest.mark.parametrize(
    ("arguments", "variables", "named"),
    [
        (["--port", "http"], {}, "--port"),
        (["--port", "65536"], {}, "--port"),
        (["--threads", "0"], {}, "--threads"),
        (["--chat-template", "no/such.jinja"], {}, "no/such.jinja cannot be read (No such file or directory)"),
        ([], {"SCORERT_CHAT_TEMPLATE": "no/such.jinja"}, "--chat-template: no/such.jinja cannot be read"),
        ([], {"SCORERT_PORT": "http"}, "'http' is not a port"),
        ([], {"SCORERT_THREADS": "-1"}, "'-1' is not a number of threads"),
        (["--modle", "a"], {}, "--modle"),
        (["--model"], {}, "--model"),
        (["--model", "a", "b", "--served-model-name", "x"], {}, "1 name for 2 models"),
        (["--served-model-name", "x,y"], {}, "2 names for 1 model:"),
    ],
)
def test_refusals_are_one_sentence(arguments: list[str], variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(arguments, variables)
    message = str(raised.value)
    assert named in message
    assert "\n" not in message
    assert message.endswith(".")
