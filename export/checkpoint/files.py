"""Opens a checkpoint: its configuration with overrides applied, and the folders that its other files are read from."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.artifact.artifact import Source
from engine.artifact.manifest import sha256

from ..errors import ExportError
from .adapters import is_adapter, merge
from .finding import PYTORCH_WEIGHTS, WeightFiles, find
from .published import native_config
from .reading import read_object
from .settings import Settings
from .sizes import require_sizes
from .whole import require_parts, require_plain, require_whole

# A model card's first heading, and the model it says it was made from.
_HEADING = re.compile(r"^# (.+)$", re.MULTILINE)
_BASE = re.compile(r"^base_model:\s*(?:\n- )?(.+)$", re.MULTILINE)
# What a heading says where the name in it is another model's.
_OF_ANOTHER = re.compile(r"\b(based on|fine-?tuned?|trained)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Checkpoint:
    """A model on disk, its `config.json` with overrides applied, and where it came from.

    `folder` has the configuration, the weights, the tokenizer and the image processor. It is in `root`, or the same:
    that has `modules.json` and the README. `other_names` are those that the folder has besides `name`.
    """

    root: Path
    folder: Path
    config: Settings
    overrides: dict[str, Any]
    source: Source
    name: str
    trust_remote_code: bool
    other_names: Sequence[str] = ()

    @property
    def architecture(self) -> str:
        """The first of `config.json`'s architectures, or "" where it names none."""
        named = self.config.get("architectures")
        return str(named[0]) if isinstance(named, list) and named else ""

    @property
    def is_traced(self) -> bool:
        """Whether transformers' classes are to run its weights, and not graphs that others have made of them."""
        return not self.trust_remote_code and not any(name.endswith(".onnx") for name in self.source.weights)

    @cached_property
    def native(self) -> dict[str, Any]:
        """The configuration as transformers' own class reads it; its `model_type` names that class."""
        return native_config(self.config)

    @cached_property
    def names(self) -> list[str]:
        """The names of the model: those given by the user, and by the heading of its README."""
        names = [self.name, self.source.model, *self.other_names]
        return [*filter(None, names), *(heading for heading in self._headings if not _OF_ANOTHER.search(heading))]

    @cached_property
    def made_from(self) -> list[str]:
        """The names of models that it says it was made from, with more training or none."""
        names = [str(self.config.get("_name_or_path") or ""), *_BASE.findall(self._readme)[:1]]
        return [name for name in (*names, *filter(_OF_ANOTHER.search, self._headings)) if name]

    @cached_property
    def _readme(self) -> str:
        # What it says only helps, so that nothing is lost with it.
        with suppress(OSError):
            return (self.root / "README.md").read_text(encoding="utf-8", errors="replace")
        return ""

    @property
    def _headings(self) -> list[str]:
        """The first heading of its README, or none."""
        return _HEADING.findall(self._readme)[:1]

    def json(self, name: str) -> Settings:
        """The object in a JSON file of the folder; nothing where it has no file of that name."""
        return read_object(self.folder / name) or Settings({}, self.folder / name)


def open_checkpoint(
    model: str,
    revision: str | None,
    overrides: dict[str, Any],
    trust_remote_code: bool,
    wanted: WeightFiles = PYTORCH_WEIGHTS,
    scratch: Path | None = None,
) -> Checkpoint:
    """Find `model`'s files, as `find` does, and read its configuration. Raises `ExportError`.

    An adapter is merged with its base, into the folder `scratch`.
    """
    found = find(model, revision, wanted)
    if scratch is not None and is_adapter(found):
        merged = merge(found, scratch / "merged")
        root, folder, digests = merged.folder, merged.folder, merged.digests
    else:
        root, folder, digests = found.root, found.folder, {}
    config = read_object(folder / "config.json")
    if config is None:
        raise _no_config(model, root, folder)
    config |= overrides
    require_sizes(config)
    if wanted is PYTORCH_WEIGHTS:
        require_plain(config, folder)
    if not digests:
        files = found.weights(wanted)
        require_whole(files)
        if wanted is PYTORCH_WEIGHTS:
            require_parts(folder, files)
        digests = {path.relative_to(root).as_posix(): sha256(path) for path in files}
    source = Source(model=found.model, revision=found.revision, weights=digests)
    return Checkpoint(root, folder, config, overrides, source, found.name, trust_remote_code, found.others)


def _no_config(model: str, root: Path, folder: Path) -> ExportError:
    """What a folder without a configuration is, as far as its files tell."""
    if folder != root:
        return ExportError(
            f"{folder} has no config.json, and {root / 'modules.json'} names it: fetch the whole folder."
        )
    if (folder / "adapter_config.json").exists():
        return ExportError(
            f"{model} is an adapter (adapter_config.json), whose base has the config.json: export it from its weights, "
            "or merge the two with peft (merge_and_unload) first."
        )
    if next(folder.glob("*.gguf"), None) is not None:
        return ExportError(f"{model} has weights for llama.cpp (*.gguf): give the checkpoint that they were made of.")
    return ExportError(f"{model} has no config.json: give the folder of a transformers checkpoint.")
