"""Opening the models that settings name, and closing them where that fails."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.errors import UnknownModel
from api.models import Models
from api.settings.errors import SettingsError
from api.settings.reading import read_settings
from api.settings.settings import DEFAULT_MODEL
from engine import BI_ENCODER, CROSS_ENCODER, LATE_INTERACTION, ArtifactError, Engine
from engine.index.build import build_index

NAME = DEFAULT_MODEL.name


def load(*arguments: str | Path | int) -> Models:
    return Models.load(read_settings(list(map(str, arguments)), {}))


@pytest.fixture(scope="module")
def models() -> Iterator[Models]:
    models = load(
        *("--model", DEFAULT_MODEL, DEFAULT_MODEL),
        *("--served-model-name", "first", "second", "--alias", "b=second", "a=first"),
    )
    yield models
    models.close()


def test_iteration_gives_served_names_and_then_aliases(models: Models) -> None:
    engines = dict(models)
    assert list(engines) == ["first", "second", "b", "a"]
    assert engines["a"] is engines["first"]
    assert engines["b"] is engines["second"]
    assert engines["a"] is not engines["b"]


def test_models_are_found_by_all_their_names(models: Models) -> None:
    engines = dict(models)
    for name, engine in engines.items():
        assert models.get(name) == ({"b": "second", "a": "first"}.get(name, name), engine)
    assert models.get(None) == ("first", engines["first"])


def test_requests_that_name_none_get_the_first_that_their_path_is_for(artifacts: Callable[[str], Path]) -> None:
    served = load("--model", artifacts("minilm-ce"), artifacts("minilm-bi"), DEFAULT_MODEL)
    try:
        found = {wanted: served.get(None, wanted)[0] for wanted in (None, CROSS_ENCODER, BI_ENCODER, LATE_INTERACTION)}
        assert list(found.values()) == ["minilm-ce", "minilm-ce", "minilm-bi", "minilm-ce"]
    finally:
        served.close()


def test_a_name_of_any_length_is_told_in_part(models: Models) -> None:
    with pytest.raises(UnknownModel) as raised:
        models.get("m" * 10_000_000)
    assert len(str(raised.value)) < 500


def test_an_overlap_that_no_chunk_can_have_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match=f"^--chunk-overlap is 300 tokens, and {NAME} reads texts of up to 256"):
        load("--model", DEFAULT_MODEL, "--long-documents", "chunk", "--chunk-overlap", 300)


def test_unknown_names_are_told_all_that_there_are(models: Models) -> None:
    with pytest.raises(UnknownModel, match="`c` does not exist; this server has `first`, `second`, `b`, `a`"):
        models.get("c")


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[Engine]:
    """The engines that have been closed since."""
    engines: list[Engine] = []
    close = Engine.close

    def note(engine: Engine) -> None:
        engines.append(engine)
        close(engine)

    monkeypatch.setattr(Engine, "close", note)
    return engines


def test_engines_are_closed_once_however_many_names_they_have(closed: list[Engine]) -> None:
    load("--model", DEFAULT_MODEL, "--alias", f"a={NAME}", f"b={NAME}").close()
    assert len(closed) == 1


@pytest.mark.parametrize(
    ("aliases", "complaint"),
    [
        (["a=none"], f"--alias a=none is for a model that is not served: use {NAME}."),
        ([f"b={NAME}", "a=b"], "--alias a=b is for a model that is not served"),
        ([f"{NAME}={NAME}"], f"--alias {NAME}={NAME} gives a name that is taken"),
        ([f"a={NAME}", f"a={NAME}"], f"--alias a={NAME} gives a name that is taken"),
    ],
)
def test_aliases_that_are_refused(aliases: list[str], complaint: str, closed: list[Engine]) -> None:
    with pytest.raises(SettingsError) as raised:
        load("--model", DEFAULT_MODEL, "--alias", *aliases)
    assert complaint in str(raised.value)
    assert len(closed) == 1


def test_what_is_open_is_closed_when_a_later_artifact_cannot_be(tmp_path: Path, closed: list[Engine]) -> None:
    with pytest.raises(ArtifactError):
        load("--model", DEFAULT_MODEL, tmp_path)
    assert len(closed) == 1


def test_both_of_one_name_are_closed(closed: list[Engine]) -> None:
    with pytest.raises(SettingsError, match=f"Two models are called {NAME}"):
        load("--model", DEFAULT_MODEL, DEFAULT_MODEL)
    assert len(set(map(id, closed))) == 2


def test_an_index_goes_to_every_name_of_the_model_that_made_it(
    contract_artifacts: dict[str, Path], tmp_path: Path, closed: list[Engine]
) -> None:
    (tmp_path / "docs.jsonl").write_text('{"text": "a"}')
    other = Engine.load(contract_artifacts["minilm-colbert"])
    folder = {name: tmp_path / name for name in ("first", "second", "other")}
    models = load("--model", DEFAULT_MODEL)
    for name in ("first", "second"):
        build_index(models.served[NAME], tmp_path / "docs.jsonl", folder[name])
    build_index(other, tmp_path / "docs.jsonl", folder["other"])
    served = ("--model", DEFAULT_MODEL, DEFAULT_MODEL, "--served-model-name", "a", "b")
    assert list(load(*served, "--index", folder["first"]).indexes) == ["a", "b"]
    for indexes, complaint in (
        (("first", "second"), f"--index {folder['first']} and {folder['second']} are both of a: give each model one"),
        (("first", "first"), "are both of a"),
        (("other",), f"--index {folder['other']} was made by minilm-colbert (fp32), which is not served as it was"),
    ):
        before = len(closed)
        with pytest.raises(SettingsError) as raised:
            load(*served, "--index", *(folder[name] for name in indexes))
        assert complaint in str(raised.value)
        assert len(closed) == before + 2
