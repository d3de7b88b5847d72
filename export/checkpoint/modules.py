"""Reads which modules a sentence-transformers folder has, from its `modules.json`."""

import os
import re
from pathlib import Path

import msgspec

from ..errors import ExportError
from .reading import read_json

FIRST = ("Transformer", "CLIPModel")
"""The kinds of module that read texts, or texts and pictures."""
# Where releases of sentence-transformers have had their classes, and PyLate has its own, with the file's name or not.
_PUBLISHED = re.compile(
    r"(sentence_transformers\.(models|(base|sentence_transformer|cross_encoder|multi_vector_encoder|sparse_encoder)"
    r"\.(models|modules))|pylate\.models)\.(\w+\.)?\w+"
)


class Module(msgspec.Struct, frozen=True):
    """A module's Python class, the folder of its files, "" for the model's own, and what it is called."""

    type: str
    path: str
    name: str | None = None

    @property
    def kind(self) -> str:
        """Its class without the package, which differs between releases."""
        return self.type.rsplit(".", 1)[-1]

    @property
    def is_published(self) -> bool:
        """Whether the class is sentence-transformers' or PyLate's own, whose kind says what it computes."""
        return _PUBLISHED.fullmatch(self.type) is not None


def read_modules(root: Path) -> list[Module]:
    """The modules of the folder, in the order in which they run, which is the file's; none where it has no such file.

    Raises `ExportError` for a file that lists no modules, or whose first reads no texts.
    """
    listed = read_json(root / "modules.json")
    if listed is None:
        return []
    try:
        modules = msgspec.convert(listed, list[Module])
    except msgspec.ValidationError:
        modules = []
    if not modules:
        raise ExportError(f"{root / 'modules.json'} does not list modules with a type and a path: fetch it again.")
    if modules[0].kind not in FIRST:
        raise ExportError(
            f"The model begins with a {modules[0].kind} module, and ScoreRT exports those that begin with a "
            f"{' or a '.join(FIRST)}: give another, or correct its modules.json."
        )
    names = [module.name for module in modules if module.name is not None]
    for name in names:
        if names.count(name) > 1:
            raise ExportError(
                f"{root / 'modules.json'} has {names.count(name)} modules with the name {name!r}, of which "
                "sentence-transformers keeps the last: give each a name of its own, or leave some out."
            )
    for module in modules:
        # As it is written: a link may lead anywhere, as those to an adapter's base do.
        if not Path(os.path.normpath(root / module.path)).is_relative_to(os.path.normpath(root)):
            raise ExportError(f"{root / 'modules.json'} names {module.path}, which is outside of the folder.")
    return modules
