"""Says how to install what an extra brings, in words that work where this ScoreRT lies.

Its name alone would not: a package index may have none of that name, or one of somebody else's.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from .errors import NotInstalled

_ROOT = Path(__file__).resolve().parents[1]
_OURS = ("api", "engine", "export")
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
    return [text for text in found if not _there(re.split(r"[^\w.-]", text)[0])] or found


def _there(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _quoted(path: str) -> str:
    return f'"{path}"' if re.search(r"[^\w@%+=:,./-]", path) else path
