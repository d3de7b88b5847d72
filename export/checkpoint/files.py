"""Finds a checkpoint's files: in a local folder, on the Hugging Face Hub, or in the Hub's cache."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

from engine.artifact import Source, sha256

from ..errors import ExportError
from .published import native_config

# Configuration, tokenizers and remote code; never another framework's weights.
_SMALL_FILES = ["*.json", "*.txt", "*.model", "*.metadata", "*.jinja", "*.py", "README.md", "colbert_linear.pt"]
# A model card's first headings, and the model it says it was made from.
_NAMES_IN_README = re.compile(r"^(?:# |base_model:\s*(?:\n- )?)(.+)$", re.MULTILINE)
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
    description="*.safetensors or *.bin beside its config.json",
    needs=[[["*.safetensors"], ["*.bin"]]],
    beside=[],
    ignored=["onnx/*", *OTHER_FRAMEWORKS],
)


@dataclass(frozen=True)
class Checkpoint:
    """A model's folder on disk, its `config.json` with overrides applied, and where it came from."""

    folder: Path
    config: dict[str, Any]
    overrides: dict[str, Any]
    source: Source
    name: str
    trust_remote_code: bool

    @property
    def architecture(self) -> str:
        """The first of `config.json`'s architectures, or "" where it names none."""
        return str((self.config.get("architectures") or [""])[0])

    @cached_property
    def native(self) -> dict[str, Any]:
        """The configuration as transformers' own class reads it; its `model_type` names that class."""
        return native_config(self.config)

    @cached_property
    def names(self) -> list[str]:
        """The names of the model: those given by the user, by its configuration, and by the head of its README."""
        names = [self.name, self.source.model, str(self.config.get("_name_or_path") or "")]
        readme = self.folder / "README.md"
        if readme.is_file():
            names += _NAMES_IN_README.findall(readme.read_text(encoding="utf-8", errors="replace"))[:3]
        return [name for name in names if name]

    def json(self, name: str) -> Any:
        """A JSON file of the folder, or None if it has none of that name."""
        return read_json(self.folder / name)


def open_checkpoint(
    model: str,
    revision: str | None,
    overrides: dict[str, Any],
    trust_remote_code: bool,
    wanted: WeightFiles = PYTORCH_WEIGHTS,
) -> Checkpoint:
    """Find `model`'s files: a local folder, or a hub id that is downloaded or already cached.

    The Hub is asked with the token of the environment (HF_TOKEN, or `hf auth login`). Raises `ExportError`.
    """
    local = Path(model).expanduser()
    if local.is_dir():
        folder, commit, name = local.resolve(), revision, local.resolve().name
    elif local.exists() or model.startswith((".", "/", "~")):
        raise ExportError(f"{model} is not a folder: give a checkpoint's folder or a hub id such as org/name.")
    else:
        folder = _download(model, revision, wanted)
        commit, name = folder.name, model.split("/")[-1]
    config = read_json(folder / "config.json")
    if config is None:
        raise ExportError(f"{model} has no config.json: give the folder of a transformers checkpoint.")
    weights = sorted({path for choices in wanted.needs for path in _first_there(folder, choices)})
    if not weights:
        raise ExportError(f"{model} has no weights: expected {wanted.description}.")
    called = name if local.is_dir() else model
    digests = {path.relative_to(folder).as_posix(): sha256(path) for path in weights}
    source = Source(model=called, revision=commit, weights=digests)
    return Checkpoint(folder, config | overrides, overrides, source, name, trust_remote_code)


def _first_there(folder: Path, choices: Need) -> list[Path]:
    found = ([path for pattern in patterns for path in folder.glob(pattern)] for patterns in choices)
    return next((paths for paths in found if paths), [])


def read_json(path: Path) -> Any:
    """The file's content, or None if there is no such file."""
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExportError(f"{path} is not valid JSON: {error}.") from None


def _download(model: str, revision: str | None, wanted: WeightFiles) -> Path:
    try:
        for choices in wanted.needs:
            for patterns in choices:
                allowed = [*_SMALL_FILES, *wanted.beside, *patterns]
                folder = Path(
                    snapshot_download(model, revision=revision, allow_patterns=allowed, ignore_patterns=wanted.ignored)
                )
                if _first_there(folder, [patterns]):
                    break
        return folder
    except HFValidationError:
        raise ExportError(f"{model} is neither a folder here nor a hub id such as org/name.") from None
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
