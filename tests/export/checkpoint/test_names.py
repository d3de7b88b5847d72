"""A checkpoint is known by the name that its user gave it, and by what that is a link to."""

import shutil
from pathlib import Path

import pytest

from checkpoints import rerankers
from export.checkpoint.files import Checkpoint, open_checkpoint
from export.errors import ExportError
from export.recognition.recognise import recognise

NAME = "Qwen3-Reranker-0.6B"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reranker whose files do not say that it is one."""
    return rerankers.qwen3_reranker(tmp_path_factory.mktemp("data") / "model")


def opened(path: Path | str) -> Checkpoint:
    return open_checkpoint(str(path), None, {}, False)


def is_known(checkpoint: Checkpoint) -> bool:
    return "Judge whether the Document" in (recognise(checkpoint).template or "")


def test_a_folder_that_says_nothing_is_refused_with_what_would_work(unnamed):
    with pytest.raises(ExportError, match=r"nor its name \(model\) say") as refused:
        recognise(opened(unnamed))
    assert '--hf-overrides \'{"classifier_from_token": ["no", "yes"]}\'' in str(refused.value)
    assert f"`ln -s FOLDER {NAME}`" in str(refused.value)


@pytest.mark.parametrize("ending", ["", "/", "/.", "//"])
def test_a_link_keeps_its_own_name(unnamed, tmp_path, monkeypatch, ending):
    (tmp_path / NAME).symlink_to(unnamed)
    for path in (f"{tmp_path / NAME}{ending}", f"{NAME}{ending}", f"./{NAME}{ending}"):
        monkeypatch.chdir(tmp_path)
        checkpoint = opened(path)
        assert (checkpoint.name, checkpoint.source.model) == (NAME, NAME)
        assert checkpoint.root == unnamed.resolve()
        assert is_known(checkpoint)


def test_a_link_to_a_link_or_to_a_name_has_the_names_of_all(unnamed, tmp_path):
    (tmp_path / NAME).symlink_to(unnamed)
    (tmp_path / "first").symlink_to(NAME)
    (tmp_path / "second").symlink_to("first")
    checkpoint = opened(tmp_path / "second")
    assert checkpoint.name == "second"
    assert is_known(checkpoint)
    shutil.copytree(unnamed, tmp_path / "elsewhere" / NAME)
    (tmp_path / "mount").symlink_to(tmp_path / "elsewhere" / NAME)
    assert is_known(opened(tmp_path / "mount"))


def test_a_snapshot_of_the_hubs_cache_has_its_hub_id(unnamed, tmp_path):
    snapshot = tmp_path / "hub" / f"models--Qwen--{NAME}" / "snapshots" / COMMIT
    shutil.copytree(unnamed, snapshot)
    checkpoint = opened(snapshot)
    assert (checkpoint.name, checkpoint.source.model, checkpoint.source.revision) == (NAME, f"Qwen/{NAME}", COMMIT)
    assert is_known(checkpoint)
    (tmp_path / "model").symlink_to(snapshot)
    assert opened(tmp_path / "model").name == "model"
    assert is_known(opened(tmp_path / "model"))


def test_the_folder_that_one_is_in_has_the_name_it_was_entered_by(unnamed, tmp_path, monkeypatch):
    (tmp_path / NAME).symlink_to(unnamed)
    monkeypatch.chdir(tmp_path / NAME)
    monkeypatch.setenv("PWD", str(tmp_path / NAME))
    assert is_known(opened("."))
    # What a variable says of another folder is nothing.
    monkeypatch.setenv("PWD", str(tmp_path))
    assert opened(".").name == unnamed.name
    monkeypatch.setenv("PWD", "/nowhere")
    assert opened(".").name == unnamed.name
