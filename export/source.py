"""Where a checkpoint's files come from: a local folder, the Hugging Face Hub, or the Hub's cache."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

from engine.artifact import Source, sha256

from .errors import ExportError

# Configuration, tokenizers and remote code; never another framework's weights.
_SMALL_FILES = ["*.json", "*.txt", "*.model", "*.metadata", "*.jinja", "*.py"]
_OTHER_FRAMEWORKS = ["onnx/*", "openvino/*", "tf_model*", "flax_model*", "rust_model*", "coreml/*"]


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

    def json(self, name: str) -> Any:
        """A JSON file of the folder, or None if it has none of that name."""
        return read_json(self.folder / name)


def open_checkpoint(model: str, revision: str | None, overrides: dict[str, Any], trust_remote_code: bool) -> Checkpoint:
    """Find `model`'s files: a local folder, or a hub id that is downloaded or already cached.

    The Hub is asked with the token of the environment (HF_TOKEN, or `hf auth login`). Raises `ExportError`.
    """
    local = Path(model).expanduser()
    if local.is_dir():
        folder, commit, name = local.resolve(), revision, local.resolve().name
    elif local.exists() or model.startswith((".", "/", "~")):
        raise ExportError(f"{model} is not a folder: give a checkpoint's folder or a hub id such as org/name.")
    else:
        folder = _download(model, revision)
        commit, name = folder.name, model.split("/")[-1]
    config = read_json(folder / "config.json")
    if config is None:
        raise ExportError(f"{model} has no config.json: give the folder of a transformers checkpoint.")
    weights = sorted({*folder.glob("*.safetensors")} or {*folder.glob("*.bin")})
    if not weights:
        raise ExportError(f"{model} has no weights: expected *.safetensors or *.bin beside its config.json.")
    origin = name if local.is_dir() else model
    source = Source(model=origin, revision=commit, weights={path.name: sha256(path) for path in weights})
    return Checkpoint(folder, config | overrides, overrides, source, name, trust_remote_code)


def read_json(path: Path) -> Any:
    """The file's content, or None if there is no such file."""
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExportError(f"{path} is not valid JSON: {error}.") from None


def _download(model: str, revision: str | None) -> Path:
    try:
        folder = Path(
            snapshot_download(
                model,
                revision=revision,
                allow_patterns=[*_SMALL_FILES, "*.safetensors"],
                ignore_patterns=_OTHER_FRAMEWORKS,
            )
        )
        if not any(folder.glob("*.safetensors")):
            snapshot_download(model, revision=revision, allow_patterns=["*.bin"], ignore_patterns=_OTHER_FRAMEWORKS)
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
