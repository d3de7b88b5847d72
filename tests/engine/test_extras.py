"""What is not installed is one sentence with a command that installs it, for every command and every package."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from checkpoints import tiny
from checkpoints.onnx_folders import write_body
from engine.extras import EXTRAS as DESCRIBED
from engine.extras import install, missing

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = sorted(PROJECT["optional-dependencies"].keys() - {"dev"})

BLOCKED = """
import sys

class Blocker:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker)
import scorert
sys.exit(scorert.main(sys.argv[1:]))
"""


def run_without(package: str, *arguments: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """`scorert` where a package is not installed."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}){BLOCKED.format(blocked=package)}"
    return subprocess.run([sys.executable, "-c", program, *arguments], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_checkout_is_installed_with_the_extra(extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    assert install(extra).endswith(f' ".[{extra}]"')
    monkeypatch.chdir(tmp_path)
    assert install(extra).endswith(f' "{ROOT}[{extra}]"')
    pinned = f"-c {ROOT}/constraints.txt" in install(extra)
    assert pinned == (extra != "optimum"), "the guide says so"


@pytest.mark.parametrize("extra", EXTRAS)
def test_from_a_wheel_the_packages_are_installed_that_are_not_there(
    extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = [text for text in PROJECT["optional-dependencies"][extra] if not text.startswith("scorert[")]
    wheel = [*PROJECT["dependencies"], *(f"{text}; extra == '{extra}'" for text in own), "else>=1; extra == 'other'"]

    def absent(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "requires", lambda name: wheel)
    monkeypatch.setattr(metadata, "version", absent)
    quoted = " ".join(f'"{text}"' for text in [*PROJECT["dependencies"], *own])
    assert install(extra, tmp_path) == f"pip install {quoted}"
    there = {re.split(r"[^\w.-]", text)[0] for text in PROJECT["dependencies"]}
    monkeypatch.setattr(metadata, "version", lambda package: "1" if package in there else absent(package))
    wanted = [text for text in own if re.split(r"[^\w.-]", text)[0] not in there]
    assert install(extra, tmp_path) == "pip install " + " ".join(f'"{text}"' for text in wanted)


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_an_extra_lacks_is_told(extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = [text for text in PROJECT["optional-dependencies"][extra] if not text.startswith("scorert[")]
    wheel = [*PROJECT["dependencies"], *(f"{text}; extra == '{extra}'" for text in own), "else>=1; extra == 'other'"]
    names = [re.split(r"[^\w.-]", text)[0] for text in own]

    def absent(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "requires", lambda name: wheel)
    monkeypatch.setattr(metadata, "version", absent)
    assert missing(extra, tmp_path) == names
    assert set(names) <= set(missing(extra)), "a checkout has those of the extras within, too"
    monkeypatch.setattr(metadata, "version", lambda package: "1" if package == "onnxruntime-gpu" else absent(package))
    assert "onnxruntime" not in missing(extra), "the other package has the same"
    monkeypatch.setattr(metadata, "version", lambda package: "1")
    assert missing(extra) == missing(extra, tmp_path) == []


def test_every_extra_says_what_it_is_for() -> None:
    assert sorted(DESCRIBED) == EXTRAS


def test_the_two_packages_of_onnx_runtime_do_not_lie_on_each_other() -> None:
    metadata.version("onnxruntime")
    assert install("gpu").startswith("pip uninstall -y onnxruntime && pip install ")


def test_no_sentence_names_a_project_on_the_index() -> None:
    places = [ROOT / "README.md", ROOT / "scorert.py", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*")]
    places += [path for name in ("api", "engine", "export") for path in (ROOT / name).rglob("*.py")]
    assert [path for path in places if path.is_file() and b"scorert[" in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("numpy", ["serve", "--help"], "cpu"),
        ("onnxruntime", ["serve"], "cpu"),
        ("onnxruntime", ["serve"], "gpu"),
        ("uvicorn", ["serve"], "cpu"),
        ("tokenizers", ["serve"], "cpu"),
        ("numpy", ["index", "--help"], "cpu"),
        ("rich", ["index", "models/all-MiniLM-L6-v2", "no", "--output", "no"], "cpu"),
        ("onnxruntime", ["index", "models/all-MiniLM-L6-v2", "no", "--output", "no"], "cpu"),
        ("rich", ["export", "models"], "export"),
        ("msgspec", ["export", "--help"], "export"),
        ("numpy", ["export", "--help"], "export"),
        ("onnx_ir", ["export", "--from-onnx", "models"], "import"),
        ("opentelemetry", ["serve", "--port", "0", "--otlp-endpoint", "http://127.0.0.1:1"], "tracing"),
    ],
)
def test_each_command_says_what_installs_what_it_lacks(package: str, arguments: list[str], extra: str) -> None:
    _assert_told(run_without(package, *arguments), package, extra)


@pytest.mark.parametrize(
    ("package", "extra"),
    [("torch", "export"), ("transformers", "export"), ("transformers", "import"), ("scipy", "import")],
)
def test_an_export_says_what_installs_what_it_lacks(package: str, extra: str, tmp_path: Path) -> None:
    checkpoint = tiny.build("bert", tmp_path / "bert")
    if extra == "import":
        write_body(checkpoint, checkpoint / "model.onnx", outputs=("logits",))
    given = [checkpoint] if extra == "export" else ["--from-onnx", checkpoint]
    _assert_told(run_without(package, "export", *given, "--output", tmp_path / "out"), package, extra)
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize(("package", "extra"), [("pyarrow", "parquet"), ("pypdfium2", "pdf")])
def test_an_index_says_what_installs_what_it_lacks(package: str, extra: str, tmp_path: Path) -> None:
    documents = tmp_path / f"documents.{extra}"
    documents.touch()
    done = run_without(package, "index", "models/all-MiniLM-L6-v2", documents, "--output", tmp_path / "index")
    _assert_told(done, package, extra)


def test_pictures_say_what_installs_what_they_need() -> None:
    program = BLOCKED.partition("import scorert")[0].format(blocked="PIL") + "import engine; engine.decode_image(b'1')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert re.search(r'NotInstalled: Reading pictures needs .* run `pip install .*"\.\[cpu\]"`\.$', done.stderr.strip())


def _assert_told(done: subprocess.CompletedProcess[str], package: str, extra: str) -> None:
    assert done.returncode == 2, done.stderr
    sentence = done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert re.search(rf'`(pip uninstall -y onnxruntime && )?pip install [^`]*\.\[{extra}\]"`', sentence), sentence
    assert package in sentence or extra in ("parquet", "pdf", "tracing")
