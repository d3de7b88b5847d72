"""Says how to install what an extra brings, in words that work where this ScoreRT lies.

Its name alone would not: a package index may have none of that name, or one of somebody else's.
"""

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from .errors import NotInstalled

_ROOT = Path(__file__).resolve().parents[1]
_OURS = ("api", "engine", "export")
EXTRAS = {
    "cpu": "serve on a CPU",
    "gpu": "serve on an NVIDIA GPU",
    "export": "export from PyTorch weights",
    "import": "import ONNX graphs",
    "optimum": "export with optimum-onnx, in an environment of its own",
    "parquet": "index Parquet files",
    "pdf": "index PDFs",
    "tracing": "send traces to OpenTelemetry",
}
"""What each of them is for."""

# It needs older packages than the pinned ones.
_UNPINNED = ("optimum",)


def install(extra: str, root: Path = _ROOT) -> str:
    """The command that installs an extra and what ScoreRT needs anyway, such as `pip install ".[export]"`.

    In a checkout, `root`, that is the checkout with its extra. Elsewhere it is the packages that are not there yet.
    """
    if (root / "pyproject.toml").is_file():
        here = root == Path.cwd()
        pins = [] if extra in _UNPINNED else ["-c", "constraints.txt" if here else _quoted(f"{root}/constraints.txt")]
        named = [*pins, f'"{"." if here else root}[{extra}]"']
    else:
        named = [f'"{requirement}"' for requirement in _requirements(extra)]
    command = " ".join(["pip install", *named])
    # The two packages have the same files, and the one that came last would win.
    return f"pip uninstall -y onnxruntime && {command}" if extra == "gpu" and _there("onnxruntime") else command


def missing(extra: str, root: Path = _ROOT) -> list[str]:
    """The packages of an extra that are not there, whatever version of others is."""
    if (root / "pyproject.toml").is_file():
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        own = project["optional-dependencies"][extra]
    else:
        pattern = re.compile(rf"""([^;]+?)\s*;\s*extra == ['"]{extra}['"]""")
        own = [match[1] for text in metadata.requires("scorert") or [] if (match := pattern.fullmatch(text))]
    found: list[str] = []
    for text in own:
        if within := re.match(r"scorert\[([\w,]+)\]", text):
            found += [name for other in within[1].split(",") for name in missing(other, root)]
        elif not _there(_package(text)):
            found.append(_package(text))
    # Two packages have the same ONNX Runtime.
    return [name for name in found if not (name == "onnxruntime" and _there("onnxruntime-gpu"))]


@contextmanager
def needing(what: str, *extras: str) -> Iterator[None]:
    """For a block that imports: raises `NotInstalled`, which says that `what` needs one of the `extras`."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] in _OURS:
            raise
        commands = ", or ".join(f"`{install(extra)}`" for extra in extras)
        raise NotInstalled(f"{what} needs what is not installed here ({error}): run {commands}.") from None


def _requirements(extra: str) -> list[str]:
    """The requirements of an extra and of all that have none installed; all of them where each has some."""
    pattern = re.compile(rf"""([^;]+?)\s*(?:;\s*extra == ['"]{extra}['"])?""")
    found = [match[1] for text in metadata.requires("scorert") or [] if (match := pattern.fullmatch(text))]
    return [text for text in found if not _there(_package(text))] or found


def _package(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0]


def _there(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _quoted(path: str) -> str:
    return f'"{path}"' if re.search(r"[^\w@%+=:,./-]", path) else path
