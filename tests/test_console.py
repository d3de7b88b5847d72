"""Runs `scorert` as it is typed, also where a user's own `api`, `engine` and `export` are in the way."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

import scorert
from engine import __version__
from tests.e2e.server import ROOT, Server

SCORERT = [sys.executable, "-m", "scorert"]


def run(*arguments: str | Path, folder: Path = ROOT, path: str = "") -> subprocess.CompletedProcess[str]:
    """`scorert` in a folder, with `path` before the checkout on Python's path."""
    environment = os.environ | {"PYTHONPATH": f"{path}:{ROOT}"}
    return subprocess.run([*SCORERT, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def test_the_help_names_every_command_and_imports_none() -> None:
    program = "import sys, scorert; scorert.main([]); print({'api', 'engine', 'export', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.endswith("\nset()\n"), done.stdout
    for name, command in scorert.COMMANDS.items():
        assert re.search(rf"^  {name} +{command.does}$", done.stdout, re.MULTILINE)
        assert f"  scorert {name} {command.example}\n" in done.stdout


@pytest.mark.parametrize("name", scorert.COMMANDS)
def test_each_command_helps_under_the_name_that_was_typed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        scorert.main([name, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: scorert {name} ")
    assert f"\nexamples:\n  scorert {name} {scorert.COMMANDS[name].example}\n" in said
    assert "python -m export" not in said


@pytest.mark.parametrize("name", scorert.COMMANDS)
def test_the_version_of_a_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        scorert.main([name, "--version"])
    assert capsys.readouterr().out == f"ScoreRT {__version__}\n"


def test_the_version_needs_nothing_that_is_not_installed(tmp_path: Path) -> None:
    for missing in ("onnxruntime", "numpy", "starlette"):
        (tmp_path / f"{missing}.py").write_text("raise ModuleNotFoundError")
    done = run("--version", path=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ScoreRT {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["exprot"],
            "error: exprot is not a command: use export, serve, index, info, verify, doctor, or see `scorert --help`.",
        ),
        (["export"], "error: Give MODEL, or --from-onnx with a folder or hub id that has ONNX graphs; see `scorert e"),
        (["export", "a", "--forc"], "error: Unrecognized arguments: --forc; see `scorert export --help`."),
        (["index", "a"], "error: The following arguments are required: DOCUMENTS, --output; see `scorert index --help"),
        (["info"], "error: The following arguments are required: ARTIFACT; see `scorert info --help`."),
        (["verify", "a", "--provider", "npu"], "error: Argument --provider: invalid choice: 'npu'"),
        (["info", ""], "error: Argument ARTIFACT: must not be empty; see `scorert info --help`."),
        (["verify", ""], "error: Argument ARTIFACT: must not be empty; see `scorert verify --help`."),
        (["index", "a", "", "--output", "b"], "error: Argument DOCUMENTS: must not be empty; see `scorert index --h"),
        (["index", "a", "b", "--output", ""], "error: Argument --output: must not be empty; see `scorert index --h"),
        (["serve", ""], "--model: '' is not a path."),
        (["serve", "--uds", ""], "--uds: '' is not a path."),
        (["serve", "--index", ""], "--index: '' is not a path."),
        (["doctor", "a"], "error: Unrecognized arguments: a; see `scorert doctor --help`."),
        (["serve", "--xyzzy"], "--xyzzy is not a flag: `scorert serve --help` lists them."),
    ],
)
def test_a_refusal_is_a_sentence_that_names_the_command(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scorert.main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(complaint)
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "missing", "needs"),
    [
        (["export", "a"], "safetensors", "error: Exporting needs what is not installed here"),
        (["info", "models/all-MiniLM-L6-v2"], "numpy", "error: `scorert info` needs what is not installed here"),
        (["verify", "a"], "onnxruntime", "error: `scorert verify` needs what is not installed here"),
        (["serve"], "onnxruntime", "`scorert serve` needs what is not installed here"),
        (
            ["index", "a", "b", "--output", "c"],
            "onnxruntime",
            "error: `scorert index` needs what is not installed here",
        ),
    ],
)
def test_what_is_not_installed_is_one_sentence(arguments: list[str], missing: str, needs: str, tmp_path: Path) -> None:
    (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{missing}'\")")
    done = run(*arguments, path=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith(f"{needs} (No module named '{missing}'): run `pip install ")
    assert done.stderr.count("\n") == 1


def test_a_users_own_packages_are_not_taken(strangers: Path) -> None:
    """In the working directory, which is first on the path of `python -m`, and again by PYTHONPATH."""
    shadowed = subprocess.run([sys.executable, "-m", "api"], cwd=strangers, capture_output=True, text=True)
    assert "the wrong api" in shadowed.stderr
    with Server(
        *("--model", ROOT / "models" / "all-MiniLM-L6-v2"),
        command=[*SCORERT, "serve"],
        folder=strangers,
        environment={"PYTHONPATH": f".:{ROOT}"},
    ) as server:
        assert server.client.post("/score", json={"queries": "a", "documents": "a"}).json()["data"][0]["score"] > 0.99
        assert server.stop() == 0
        assert server.stderr() == "", "nor is numpy left with all threads"
    (strangers / "docs.jsonl").write_text(json.dumps({"text": "a"}))
    made = run("index", ROOT / "models/all-MiniLM-L6-v2", "docs.jsonl", "--output", "made", folder=strangers, path=".")
    assert (made.returncode, made.stdout) == (0, "made\n"), made.stderr
    listed = run("export", "--list", folder=strangers, path=".")
    assert listed.stdout.startswith("| score type"), listed.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_a_console_that_is_not_utf_8_is_no_traceback(environment: dict[str, str]) -> None:
    with Server("--served-model-name", "重排模型", environment=environment) as server:
        assert server.client.get("/v1/models").json()["data"][0]["id"] == "重排模型"
        assert server.stop() == 0
        assert server.stderr() == ""
    done = subprocess.run(
        [*SCORERT, "export", "./重排"], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["info", "models/all-MiniLM-L6-v2"], ["doctor", "--json"]])
def test_a_pipe_that_nobody_reads_is_no_traceback(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*SCORERT, *arguments], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("arguments", ["--help", "info --help", "info models/all-MiniLM-L6-v2", "export --list"])
@pytest.mark.parametrize(
    ("streams", "code", "said"),
    [
        (">/dev/full", 1, "error: Standard output could not be written: No space left on device.\n"),
        (">&-", 1, "error: Standard output "),
        (">/dev/null 2>/dev/full", 0, ""),
        (">/dev/null 2>&-", 0, ""),
        (">/dev/full 2>&1", 1, ""),
        (">&- 2>&- <&-", 1, ""),
    ],
)
def test_streams_that_are_full_or_closed_end_it_as_coreutils(
    arguments: str, streams: str, code: int, said: str
) -> None:
    command = f'"$0" -m scorert {arguments} {streams}'
    done = subprocess.run(["sh", "-c", command, sys.executable], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == bool(said)


@pytest.mark.parametrize("streams", [">/dev/full 2>/dev/full", ">&- 2>&- <&-"])
def test_a_server_goes_on_without_its_streams(streams: str, tmp_path: Path) -> None:
    uds = tmp_path / "socket"
    command = f'exec "$0" -m scorert serve --uds "$1" {streams}'
    process = subprocess.Popen(["sh", "-c", command, sys.executable, str(uds)], cwd=ROOT)
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(uds), retries=8), base_url="http://x") as client:
            deadline = time.monotonic() + 60
            while not uds.exists():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert client.get("/nowhere").status_code == 404, "which is logged"
            assert client.get("/health").status_code == 200
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize("name", ["a" * 5_000, os.fsdecode(b"\xff\xfe"), "none"])
@pytest.mark.parametrize(
    "arguments",
    [
        "info {}",
        "verify {}",
        "index --output /proc/made {} docs.jsonl",
        "index --output /proc/made models/all-MiniLM-L6-v2 {}",
        "serve --port 0 --model {}",
        "serve --port 0 --index {}",
        "serve --port 0 --config {}",
    ],
)
def test_a_path_that_cannot_be_is_one_sentence(arguments: str, name: str) -> None:
    command = [*SCORERT, *(word.format(name) for word in arguments.split())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == 2
    assert os.fsencode(name) in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_an_artifact_where_no_name_is_utf_8_is_one_sentence(tmp_path: Path) -> None:
    place = tmp_path / os.fsdecode(b"\xff\xfe")
    place.symlink_to(ROOT / "models" / "all-MiniLM-L6-v2")
    for arguments in (("verify", place), ("serve", "--port", "0", "--model", place)):
        done = subprocess.run([*SCORERT, *arguments], cwd=ROOT, capture_output=True)
        assert done.returncode == 2
        assert b"\xff\xfe is not UTF-8, which an artifact's path must be: rename it.\n" in done.stderr
        assert done.stderr.count(b"\n") == 1
