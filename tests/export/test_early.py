"""What can be seen without PyTorch is said before it is imported."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpoints import tiny

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "scipy", "onnx", "onnx_ir", "onnxscript", "huggingface_hub")

PROGRAM = f"""
import json, shutil, sys
import export.__main__
import export.staging

for line in sys.stdin:
    case = json.loads(line)
    if case["free"] is not None:
        export.staging.shutil.disk_usage = lambda path: shutil._ntuple_diskusage(0, 0, case["free"])
    try:
        code = export.__main__.main(case["arguments"])
    except SystemExit as ended:
        code = ended.code
    print("ended", code, [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build("bert", tmp_path_factory.mktemp("early") / "tiny-bert")


def spoilt(name: str, spoil: Callable[[Path], object]) -> Callable[[Path, Path], list[str]]:
    """The arguments of an export of a copy of the checkpoint, spoilt."""

    def arguments(bert: Path, place: Path) -> list[str]:
        copy = Path(shutil.copytree(bert, place / name))
        spoil(copy)
        return [str(copy), "--output", str(place / "models")]

    return arguments


def with_config(**changes: object) -> Callable[[Path], object]:
    def change(copy: Path) -> object:
        config = json.loads((copy / "config.json").read_text())
        return (copy / "config.json").write_text(json.dumps(config | changes))

    return change


def taken(bert: Path, place: Path) -> list[str]:
    (place / "taken").mkdir()
    return [str(bert), "--output", str(place), "--name", "taken"]


def template(text: str) -> Callable[[Path, Path], list[str]]:
    def arguments(bert: Path, place: Path) -> list[str]:
        file = place / f"{len(text)}.jinja"
        file.write_text(text)
        return [str(bert), "--chat-template", str(file)]

    return arguments


def in_the_way(bert: Path, place: Path) -> list[str]:
    (place / "file").touch()
    return [str(bert), "--output", str(place / "file" / "models")]


CASES: dict[str, tuple[Callable[[Path, Path], list[str]], int, str]] = {
    "help": (lambda bert, place: ["--help"], 0, ""),
    "version": (lambda bert, place: ["--version"], 0, ""),
    "list": (lambda bert, place: ["--list"], 0, ""),
    "no model": (lambda bert, place: [], 2, "Give MODEL, or --from-onnx"),
    "unknown flag": (lambda bert, place: ["a", "--frobnicate"], 2, "--frobnicate"),
    "unknown precision": (lambda bert, place: [str(bert), "--precision", "int9"], 2, "'int9' is not one of fp32"),
    "unknown score type": (lambda bert, place: [str(bert), "--score-type", "x"], 2, "invalid choice: 'x'"),
    "overrides": (lambda bert, place: [str(bert), "--hf-overrides", "{"], 2, "not valid JSON"),
    "no template": (lambda bert, place: [str(bert), "--chat-template", "x"], 2, "x cannot be read (No such file"),
    "broken template": (template("{{ messages"), 2, "jinja cannot be used from its line 1 on"),
    "looping template": (template("{% for i in range(10 ** 9) %}{% endfor %}"), 2, "it loops more than 10,000 times"),
    "half a template": (template("{{ messages[0].content }}"), 2, "does not write out the document"),
    "missing folder": (lambda bert, place: ["./nowhere"], 2, "is not a folder"),
    "a file": (lambda bert, place: [str(bert / "config.json")], 2, "is not a folder"),
    "output in the way": (in_the_way, 2, "cannot be written: "),
    "output exists": (taken, 2, "taken exists already: give another --name or --output"),
    "empty folder": (spoilt("empty", lambda copy: [path.unlink() for path in copy.iterdir()]), 2, "empty has no "),
    "malformed config": (spoilt("a", lambda copy: (copy / "config.json").write_text("{")), 2, "is not valid JSON"),
    "config of another kind": (spoilt("b", lambda copy: (copy / "config.json").write_text("[]")), 2, "no JSON object"),
    "unknown family": (spoilt("c", with_config(model_type="zebra")), 2, "the model type 'zebra', which ScoreRT cannot"),
    "no weights": (spoilt("e", lambda copy: (copy / "model.safetensors").unlink()), 2, "e has no weights"),
    "no tokenizer": (spoilt("f", lambda copy: (copy / "tokenizer.json").unlink()), 2, "has no tokenizer.json"),
    "little memory": (
        lambda bert, place: [str(bert), "--output", str(place), "--max-memory", "20MB"],
        2,
        "--max-memory is 20 MB: give it as much",
    ),
    "little disk": (
        lambda bert, place: [str(bert), "--output", str(place)],
        2,
        "needs about 2 MB and its disk has 0 MB: free some, or give another",
    ),
}


def test_mistakes_are_told_before_pytorch_is_imported(bert: Path, tmp_path: Path) -> None:
    lines = [
        json.dumps({"arguments": make(bert, tmp_path), "free": 100_000 if name == "little disk" else None})
        for name, (make, _, _) in CASES.items()
    ]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, input="\n".join(lines), capture_output=True, text=True
    )
    said: list[str] = []
    endings = iter(CASES.items())
    for line in done.stderr.splitlines():
        if not line.startswith("ended"):
            said.append(line)
            continue
        name, (_, code, sentence) = next(endings)
        assert line == f"ended {code} []", (name, said)
        assert sentence in "".join(said), (name, said)
        assert len(said) == (code != 0), (name, said)
        said = []
    assert next(endings, None) is None, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["--bogus"], ["--model"], ["--config", "/no/file"]])
@pytest.mark.parametrize("command", ["api", "engine", "export"])
def test_no_command_imports_what_only_exports_need(command: str, arguments: list[str]) -> None:
    program = (
        f"import sys, atexit; sys.path.insert(0, {str(ROOT)!r})\n"
        f"atexit.register(lambda: print([name for name in {(*HEAVY, 'uvicorn')} if name in sys.modules]))\n"
        f"from {command}.__main__ import main; sys.exit(main({arguments}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert "Traceback" not in done.stderr
