"""Reads who imports whom in the whole repository: `api → engine ← export`, and PyTorch in one folder."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import engine

ROOT = Path(__file__).parents[1]
OURS = ("api", "checkpoints", "engine", "export", "scripts", "scorert", "tests")
# How commands read their arguments and end is shared by all, and no part of what the engine is to its callers.
SHARED_WITH_API = {"engine.command", "engine.errors", "engine.extras", "engine.streams"}
# PyTorch's own files of weights, a checkpoint's `.bin`, are read by PyTorch alone; who has none of them needs it not.
TORCH_WHERE_IT_IS_NEEDED = {("export/checkpoint/weights.py", "torch")}


class Import(NamedTuple):
    """`file` imports `module`, and from it `name` (None: the module itself). `late`: in a function."""

    file: str
    module: str
    name: str | None
    late: bool

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]


def imports_of(file: Path) -> Iterator[Import]:
    place = file.relative_to(ROOT)
    within = place.parent.parts
    tree = ast.parse(file.read_text(encoding="utf-8"))
    late = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(str(place), alias.name, None, id(node) in late)
        elif isinstance(node, ast.ImportFrom):
            above = within[: len(within) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(str(place), module, alias.name, id(node) in late)


IMPORTS = [
    found
    for place in OURS
    for file in [*sorted((ROOT / place).rglob("*.py")), ROOT / f"{place}.py"]
    if file.is_file()
    for found in imports_of(file)
]


def by(*packages: str) -> list[Import]:
    """What the modules of these packages import."""
    return [found for found in IMPORTS if Path(found.file).parts[0].removesuffix(".py") in packages]


def wrong(found: list[Import]) -> set[tuple[str, str]]:
    return {(one.file, one.module) for one in found} - TORCH_WHERE_IT_IS_NEEDED


def test_the_walk_sees_every_package() -> None:
    assert {Path(found.file).parts[0] for found in IMPORTS} == {*OURS, "scorert.py"} - {"scorert"}
    assert Import("api/server.py", "api.app", "create_app", False) in IMPORTS
    assert Import("api/settings/settings.py", "api.limits", "Limits", False) in IMPORTS
    assert Import("export/checkpoint/weights.py", "torch", None, True) in IMPORTS


def test_api_imports_what_the_engine_names() -> None:
    past = [
        found for found in by("api") if found.package == "engine" and found.module not in {"engine", *SHARED_WITH_API}
    ]
    assert wrong(past) == set()
    named = {found.name for found in by("api") if found.module == "engine"}
    assert named - {*engine.__all__, "__version__"} == set()


@pytest.mark.parametrize(
    ("packages", "others"),
    [
        (("engine",), ("api", "export", "scorert")),
        (("export",), ("api", "scorert")),
        (("api",), ("export", "scorert")),
        (("scorert",), ("api", "engine", "export")),
        (("api", "engine", "export", "scorert"), ("checkpoints", "scripts", "tests")),
        (("checkpoints",), ("api", "scripts", "tests")),
        (("scripts",), ("tests",)),
        (("api", "engine"), ("torch", "transformers", "onnx", "onnx_ir", "optimum", "huggingface_hub")),
        (("api",), ("rich",)),
    ],
)
def test_packages_that_do_not_know_others(packages: tuple[str, ...], others: tuple[str, ...]) -> None:
    assert wrong([found for found in by(*packages) if found.package in others]) == set()


def test_tracing_alone_has_pytorch() -> None:
    found = [one for one in by("export") if one.package == "torch" and not one.file.startswith("export/tracing/")]
    assert all(one.late for one in found if (one.file, one.module) in TORCH_WHERE_IT_IS_NEEDED)
    assert wrong(found) == set()
