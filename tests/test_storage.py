"""A full disk and folders that cannot be written cost one sentence: nothing half is left, and what was there stays."""

import contextlib
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checkpoints import tiny
from engine.__main__ import main as engine_main
from export.__main__ import main as export_main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Writing past `size` bytes of a file fails, as it does where the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def without_roots_rights(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a module of ours as somebody whom the modes of files bind, which root is not."""
    held = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    return subprocess.run(
        [*held, sys.executable, "-m", *map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build("bert", tmp_path_factory.mktemp("storage") / "bert")


@pytest.fixture(scope="module")
def whole(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole")
    assert export_main([str(checkpoint), "--output", str(output), "--precision", "int8"]) == 0
    return output / "bert"


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    path = tmp_path / "documents.jsonl"
    path.write_text("".join(f'{{"id": "{number}", "text": "word {number}"}}\n' for number in range(50)))
    return path


@pytest.mark.parametrize("name", ["tokenizer.json", "model_int8.onnx"])
def test_a_disk_that_is_full_for_a_file_of_an_export(
    checkpoint: Path, whole: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = tmp_path / "bert"
    earlier.mkdir()
    (earlier / "mine").write_text("of an export before")
    command = [str(checkpoint), "--output", str(tmp_path), "--precision", "int8", "--force"]
    with largest_file((whole / name).stat().st_size - 1):
        assert export_main(command) == 2
    assert last_line(capsys.readouterr().err) == f"error: {tmp_path / 'bert'} could not be written: File too large."
    assert [path.name for path in tmp_path.iterdir()] == ["bert"]
    assert (earlier / "mine").read_text() == "of an export before"


@pytest.mark.parametrize("model", ["minilm-bi", "minilm-colbert"])
def test_a_disk_that_is_full_for_any_file_of_an_index(
    artifacts: Callable[[str], Path],
    documents: Path,
    tmp_path: Path,
    model: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["index", str(artifacts(model)), str(documents), "--store", "int8", "--output"]
    assert engine_main([*command, str(tmp_path / "whole")]) == 0
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "whole").iterdir()}
    assert len(sizes) == (5 if model == "minilm-colbert" else 4)
    target = tmp_path / "index"
    for name, size in sizes.items():
        with largest_file(size - 1):
            assert engine_main([*command, str(target)]) == 2, name
        assert last_line(capsys.readouterr().err) == f"error: {target} could not be written: File too large.", name
        assert {path.name for path in tmp_path.iterdir()} == {"whole", documents.name}


def test_folders_that_cannot_be_written(
    checkpoint: Path, artifacts: Callable[[str], Path], documents: Path, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    for command in (
        ["export", checkpoint, "--output", closed],
        ["export", checkpoint, "--output", closed / "new"],
        ["engine", "index", artifacts("minilm-bi"), documents, "--output", closed / "index"],
    ):
        ended = without_roots_rights(*command)
        assert ended.returncode == 2, ended.stderr
        assert re.search(
            r"cannot be written: (you may not write into .*|Permission denied)\.$", last_line(ended.stderr)
        )
        assert "Traceback" not in ended.stderr
        assert not list(closed.iterdir())


def test_an_export_neither_writes_nor_needs_to_write_beside_the_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    """Checkpoints are mounted for reading alone, and so may be the home folder and its caches."""
    before = sorted((path.name, path.stat().st_mtime_ns) for path in checkpoint.iterdir())
    checkpoint.chmod(0o555)
    try:
        ended = without_roots_rights("export", checkpoint, "--output", tmp_path)
    finally:
        checkpoint.chmod(0o755)
    assert ended.returncode == 0, ended.stderr
    assert sorted((path.name, path.stat().st_mtime_ns) for path in checkpoint.iterdir()) == before


def test_an_artifact_that_cannot_be_written_is_read(whole: Path) -> None:
    code = f"""
import engine
opened = engine.Engine.load({str(whole)!r}, threads=1)
print(opened.score("a", ["b", "c"]).scores.shape)
"""
    whole.chmod(0o555)
    held = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    try:
        ended = subprocess.run(
            [*held, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
        )
    finally:
        whole.chmod(0o755)
    assert ended.stdout.strip() == "(2,)", ended.stderr
