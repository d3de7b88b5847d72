"""Finds a model's files: in a local folder, on the Hugging Face Hub, or in the Hub's cache."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from engine.command import LONGEST_NAME
from engine.extras import needing
from engine.text.surrogates import is_utf8

from ..errors import ExportError
from .modules import read_modules

# Configuration, tokenizers and remote code; never another framework's weights.
_SMALL_FILES = ["*.json", "*.txt", "*.model", "*.metadata", "*.jinja", "*.py", "README.md", "colbert_linear.pt"]
# As huggingface_hub lays out its cache.
_IN_CACHE = re.compile(r"/models--(?P<id>[^/]+)/snapshots/(?P<commit>[^/]+)$")
# As many as Linux follows.
_MOST_LINKS = 40
OTHER_FRAMEWORKS = ["openvino/*", "tf_model*", "flax_model*", "rust_model*", "coreml/*"]


Patterns = list[str]
"""Files by name, with wildcards."""
Need = list[Patterns]
"""Choices, the best first."""


@dataclass(frozen=True)
class WeightFiles:
    """Names the files of a model that hold its weights.

    Each need is met by the first of its choices that has files. `beside` are patterns of what else is downloaded,
    `ignored` of what never is.
    """

    description: str
    needs: list[Need]
    beside: list[str]
    ignored: list[str]


PYTORCH_WEIGHTS = WeightFiles(
    description="*.safetensors or pytorch_model*.bin beside its config.json",
    # The star before the name is for folders, which the Hub takes for a part of it.
    needs=[[["*.safetensors"], ["*pytorch_model*.bin"]]],
    beside=[],
    ignored=["onnx/*", *OTHER_FRAMEWORKS],
)


@dataclass(frozen=True)
class Found:
    """A model's whole folder, `root`, and what a manifest calls it: the folder's name or the hub id.

    `others` are the other names that the folder has, where the one given is a link.
    """

    root: Path
    model: str
    revision: str | None
    others: Sequence[str] = ()

    @property
    def name(self) -> str:
        """What the model is called without its organisation."""
        return self.model.split("/")[-1]

    @cached_property
    def folder(self) -> Path:
        """Where the configuration, the weights and the tokenizer are.

        Some folders of sentence-transformers keep those of their first module in a folder of its own (`0_CLIPModel`).
        """
        modules = read_modules(self.root)
        return self.root / modules[0].path if modules else self.root

    def weights(self, wanted: WeightFiles) -> list[Path]:
        """The files of weights there are, in the order of their names. Raises `ExportError` for none."""
        found = sorted({path for choices in wanted.needs for path in first_there(self.folder, choices)})
        if not found:
            raise ExportError(f"{self.model} has no weights: expected {wanted.description}.")
        return found


def find(model: str, revision: str | None, wanted: WeightFiles) -> Found:
    """Find `model`'s files: a local folder, or a hub id that is downloaded or already cached.

    The Hub is asked with the token of the environment (HF_TOKEN, or `hf auth login`). Raises `ExportError`.
    """
    local = Path(model).expanduser()
    # Not by `Path`, which raises for what is longer than any path.
    if os.path.isdir(local):
        found = _found_here(local, revision)
        if not is_utf8(str(found.root)):
            raise ExportError(f"{found.root} is not UTF-8, which every name must be: rename it.")
        return found
    if os.path.exists(local) or model.startswith((".", "/", "~")):
        raise ExportError(f"{model} is not a folder: give a checkpoint's folder or a hub id such as org/name.")
    root = _download(model, revision, wanted)
    return Found(root, model, root.name)


def name_of(model: str) -> str:
    """As `Found.name` will be. Raises `ExportError` for one that no artifact could have."""
    local = Path(model).expanduser()
    is_here = os.path.isdir(local)
    name = (_found_here(local, None) if is_here else Found(local, model, None)).name
    if name and len(os.fsencode(name)) <= LONGEST_NAME:
        return name
    if is_here:
        raise ExportError(f"{model} has no name that its artifact could have: give one with --name.")
    raise _is_nothing(model)


def _is_nothing(model: str) -> ExportError:
    return ExportError(f"{model} is neither a folder here nor a hub id such as org/name.")


def _found_here(folder: Path, revision: str | None) -> Found:
    """A local folder under the name that it was given by, or under its hub id where it is in the Hub's cache."""
    names = []
    place = Path(os.path.abspath(folder))
    # A shell that went through a link says so, and the system does not.
    shell = Path(os.environ.get("PWD", ""))
    if place == Path.cwd() and shell.is_dir() and shell.samefile(place):
        place = Path(os.path.abspath(shell))
    # Each link's own name, and at last what the folder itself is called.
    for _ in range(_MOST_LINKS):
        names.append(place.name)
        if not place.is_symlink():
            break
        place = Path(os.path.abspath(place.parent / place.readlink()))
    root = folder.resolve()
    cached = _IN_CACHE.search(root.as_posix())
    if cached and names[0] == root.name:
        return Found(root, cached["id"].replace("--", "/", 1), cached["commit"], names)
    return Found(root, names[0], revision, [*names[1:], *([cached["id"]] if cached else [root.name])])


def first_there(folder: Path, choices: Need) -> list[Path]:
    """The files of the first choice that has some."""
    found = ([path for pattern in patterns for path in folder.glob(pattern)] for patterns in choices)
    return next((paths for paths in found if paths), [])


def _download(model: str, revision: str | None, wanted: WeightFiles) -> Path:
    # Here, because a folder needs nothing of it.
    with needing("A hub id", "import"):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
        )

    try:
        for choices in wanted.needs:
            for patterns in choices:
                allowed = [*_SMALL_FILES, *wanted.beside, *patterns]
                root = Path(
                    snapshot_download(model, revision=revision, allow_patterns=allowed, ignore_patterns=wanted.ignored)
                )
                if first_there(Found(root, model, None).folder, [patterns]):
                    break
        return root
    except HFValidationError:
        raise _is_nothing(model) from None
    except LocalEntryNotFoundError:
        raise ExportError(
            f"{model} is not in the local cache and the Hub could not be reached: check the network, or give a folder."
        ) from None
    except RepositoryNotFoundError:
        raise ExportError(
            f"The Hub has no model {model} that you may read: check the id, and set HF_TOKEN for a private model."
        ) from None
    except HfHubHTTPError as error:
        raise ExportError(f"The Hub refused {model}: {error.server_message or error}.") from None
    except OSError as error:
        raise ExportError(f"{model} could not be downloaded: {error}.") from None
