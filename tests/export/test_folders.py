"""Folders of the exporter import one another in one direction."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import export

ROOT = Path(export.__file__).parent


def imported(path: Path) -> set[str]:
    """The folders of `export` that a module's relative imports name."""
    folders = set()
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            place = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            names = [place[0]] if place[0] else [alias.name for alias in node.names]
            folders |= {name for name in names if (ROOT / name).is_dir()}
    return folders


def test_no_two_folders_hold_each_other():
    folders = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    graph = {name: set().union(*map(imported, (ROOT / name).rglob("*.py"))) - {name} for name in folders}
    assert graph["tracing"] >= {"heads", "rewrites"}, "or the reading of imports finds none"
    assert "tracing" not in graph["rewrites"]
    TopologicalSorter(graph).prepare()
