"""Merges a LoRA adapter as peft saves it (https://huggingface.co/docs/peft) with its base: W + scale * B @ A.

Numpy and safetensors do it, one file of weights at a time.
"""

import errno
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from safetensors import SafetensorError
from safetensors.numpy import save_file

from engine.artifact.manifest import sha256
from engine.staging import writing_scratch

from ..errors import ExportError, one_line
from .adapter_settings import CONFIG, require_plain_adapter, require_rank, require_target, scale_of
from .finding import PYTORCH_WEIGHTS, Found, WeightFiles, find
from .reading import is_there, read_object
from .settings import Settings
from .weights import StoredTensor, names_in, stored_tensors
from .whole import require_plain, require_whole

_WEIGHTS = WeightFiles(
    description="adapter_model.safetensors or adapter_model.bin",
    needs=[[["adapter_model*.safetensors"], ["adapter_model*.bin"]]],
    beside=[],
    ignored=PYTORCH_WEIGHTS.ignored,
)

_FACTOR = re.compile(r"(.+)\.lora_(embedding_)?([AB])(?:\.default)?(?:\.weight)?")
# Parts of names that come and go with the class that saved them and the age of transformers; the others tell layers of
# texts and of pictures apart.
_WRAPPERS = {"base_layer", "base_model", "language_model", "model", "modules_to_save", "vision_model", "vlm"}
_NOT_LINKED = re.compile(r"\..*|adapter_.*|checkpoint-.*|.*\.(safetensors|bin|index\.json)")

_Path = tuple[str, ...]


@dataclass(frozen=True)
class Merged:
    """The folder of a checkpoint that was made, and the sha256 of the files of weights that it was made of."""

    folder: Path
    digests: dict[str, str]


def is_adapter(found: Found) -> bool:
    """Whether a folder has an adapter where its body is. Raises `ExportError` where it would be lost, or others would.

    transformers would load the adapter and its base, and leave the weights that are there.
    """
    if not any(is_there(folder / CONFIG) for folder in (found.root, found.folder)):
        return False
    if not is_there(found.folder / CONFIG):
        raise ExportError(
            f"{found.model} has an adapter ({CONFIG}), and its modules.json the body in {found.folder.name}, which has "
            "none: leave in the folder what is to be exported."
        )
    weights = {path.name for pattern in ("*.safetensors", "*pytorch_model*.bin") for path in found.folder.glob(pattern)}
    if whole := sorted(name for name in weights if not name.startswith("adapter_")):
        raise ExportError(
            f"{found.model} has an adapter ({CONFIG}) beside whole weights ({whole[0]}): leave in the folder what is "
            "to be exported."
        )
    return True


def merge(adapter: Found, folder: Path) -> Merged:
    """Write the checkpoint that an adapter and its base are into `folder`: links, and weights that are changed.

    What else the adapter's folder has is taken before the base's: its tokenizer, processors and README. Changed weights
    are float32. Raises `ExportError` for an adapter that is more than products, or that is not one of its base.
    """
    settings = read_object(adapter.folder / CONFIG)
    assert settings is not None, "an adapter is told by it"
    require_plain_adapter(settings)
    base = _find_base(settings)
    files = {"": adapter.weights(_WEIGHTS), f"{base.model}/": base.weights(PYTORCH_WEIGHTS)}
    own, stored = files.values()
    for paths in files.values():
        require_whole(paths)
    require_plain(read_object(base.folder / "config.json") or {}, base.folder)
    names = {name for path in stored for name in names_in(path)}
    changes = _Changes.of([tensor for path in own for tensor in stored_tensors(path)], settings, names)
    with writing_scratch():
        folder.mkdir(parents=True)
        for source in dict.fromkeys((base.root, base.folder, adapter.root, adapter.folder)):
            _link_files(source, folder)
        _write_config(folder, settings)
        _write_weights(stored, changes, folder)
    return Merged(folder, {f"{prefix}{path.name}": sha256(path) for prefix, paths in files.items() for path in paths})


def _find_base(settings: Settings) -> Found:
    name, revision = settings.name("base_model_name_or_path"), settings.name("revision")
    if not name:
        raise ExportError(f"The adapter's {CONFIG} names no base: give base_model_name_or_path, a folder or a hub id.")
    try:
        return find(name, revision, PYTORCH_WEIGHTS)
    except ExportError as error:
        raise ExportError(f"The base that the adapter's {CONFIG} names cannot be opened: {error}") from None


@dataclass(frozen=True)
class _Lora:
    """The product `scale * b @ a`, in the shape of a layer's weight or of its transpose, as `is_transposed` says."""

    a: StoredTensor
    b: StoredTensor
    scale: float
    is_transposed: bool

    def added_to(self, weight: StoredTensor) -> StoredTensor:
        a, b = self.a.float32(), self.b.float32()
        # A convolution's weight is a matrix whose columns are the places of its kernel.
        product = b.reshape(len(b), -1) @ a.reshape(len(a), -1) * self.scale
        product = product.T if self.is_transposed else product
        shape = weight.values.shape
        if len(shape) < 2 or product.shape != (shape[0], math.prod(shape[1:])):
            raise ExportError(
                f"The adapter changes {list(product.shape)} numbers of {weight.name}, which is "
                f"{list(shape)} in its base: give the base that it was trained on."
            )
        return StoredTensor(weight.name, weight.float32() + product.reshape(shape))


@dataclass(frozen=True)
class _Changes:
    """What an adapter does to the weights of its base, by their names there: products added, whole tensors in place of
    them, and tensors that the base has none of."""

    products: Mapping[str, _Lora] = field(default_factory=dict)
    tensors: Mapping[str, StoredTensor] = field(default_factory=dict)
    additions: Sequence[StoredTensor] = ()

    @classmethod
    def of(cls, tensors: Sequence[StoredTensor], settings: Settings, names: set[str]) -> Self:
        """Place an adapter's tensors among the base's weights. Raises `ExportError` for one that has no place."""
        if not tensors:
            raise ExportError("The adapter's weights have no tensors, so it would change nothing: fetch them again.")
        base = _Names(names)
        saved = settings.texts("modules_to_save", ())
        factors: dict[tuple[str, bool], dict[str, StoredTensor]] = {}
        whole: dict[str, StoredTensor] = {}
        additions = []
        for tensor in tensors:
            name = tensor.name.removeprefix("base_model.model.")
            if found := _FACTOR.fullmatch(name):
                module, is_embedding, factor = found.groups()
                factors.setdefault((module, bool(is_embedding)), {})[factor] = tensor
            elif place := base.find(name):
                whole[place] = tensor
            elif _is_saved_whole(name, saved):
                additions.append(StoredTensor(name, tensor.values))
            else:
                raise _not_of_this_base(tensor.name)
        products = {}
        for (module, is_embedding), pair in factors.items():
            place = base.find(f"{module}.weight")
            first = next(iter(pair.values()))
            if place is None or len(pair) < 2:
                raise _not_of_this_base(first.name)
            require_target(module, settings)
            rank = _rank(pair["A"], pair["B"])
            require_rank(module, rank, settings)
            products[place] = _Lora(pair["A"], pair["B"], scale_of(module, rank, settings), is_embedding)
        return cls(products, whole, additions)

    def touch(self, names: set[str]) -> bool:
        """Whether one of these weights is changed."""
        return not names.isdisjoint({*self.products, *self.tensors})

    def applied(self, weight: StoredTensor) -> StoredTensor:
        """A weight of the base as it is after the merge."""
        if weight.name in self.tensors:
            weight = StoredTensor(weight.name, self.tensors[weight.name].values)
        return self.products[weight.name].added_to(weight) if weight.name in self.products else weight


class _Names:
    """The base's names of weights, to be found by what a model of another age or class calls them."""

    def __init__(self, names: set[str]) -> None:
        self._by_path: dict[_Path, list[str]] = {}
        for name in names:
            self._by_path.setdefault(_path(name), []).append(name)

    def find(self, name: str) -> str | None:
        """The only weight whose name has the same path, or else the only one where one path ends in the other."""
        wanted = _path(name)
        found = self._by_path.get(wanted) or [
            name
            for path, names in self._by_path.items()
            if path and (path[-len(wanted) :] == wanted or wanted[-len(path) :] == path)
            for name in names
        ]
        return found[0] if len(found) == 1 else None


def _path(name: str) -> _Path:
    return tuple(part for part in name.split(".") if part not in _WRAPPERS)


def _is_saved_whole(name: str, modules: Sequence[str]) -> bool:
    """Whether a tensor is of a module that was trained whole."""
    module = name.rsplit(".", 1)[0]
    return any(module.endswith(saved) for saved in modules)


def _rank(a: StoredTensor, b: StoredTensor) -> int:
    """What two factors have in common. Raises `ExportError` for those that cannot be multiplied."""
    shapes = a.values.shape, b.values.shape
    if min(map(len, shapes)) < 2 or 0 in (*shapes[0], *shapes[1]) or shapes[0][0] != math.prod(shapes[1][1:]):
        raise ExportError(
            f"The adapter's {a.name} is {list(shapes[0])} and its {b.name} is {list(shapes[1])}, which are no factors "
            "of a product: fetch the adapter again."
        )
    return len(a.values)


def _not_of_this_base(name: str) -> ExportError:
    return ExportError(
        f"The adapter's {name} changes no weight of its base, or several: give the base that it was trained on as "
        f"base_model_name_or_path in its {CONFIG}."
    )


def _link_files(source: Path, folder: Path) -> None:
    """Link what is no weights, in place of links of the same names."""
    for path in source.iterdir():
        if not _NOT_LINKED.fullmatch(path.name):
            (folder / path.name).unlink(missing_ok=True)
            (folder / path.name).symlink_to(path.resolve())


def _write_config(folder: Path, settings: Settings) -> None:
    """Name the class that the adapter was trained around as the architecture, where it says one."""
    trained = settings.section("auto_mapping").name("base_model_class")
    config = read_object(folder / "config.json")
    if trained and config is not None:
        (folder / "config.json").unlink()
        text = json.dumps(config | {"architectures": [trained]}, indent=2)
        (folder / "config.json").write_text(text, encoding="utf-8")


def _write_weights(stored: Sequence[Path], changes: _Changes, folder: Path) -> None:
    """Write the base's files of weights anew where they are changed, and link the others."""
    places: dict[str, str] = {}
    for number, path in enumerate(stored, 1):
        names = set(names_in(path))
        additions = changes.additions if path == stored[-1] else ()
        file = folder / f"model-{number:05}-of-{len(stored):05}.safetensors"
        places |= dict.fromkeys([*names, *(tensor.name for tensor in additions)], file.name)
        if path.suffix == ".safetensors" and not additions and not changes.touch(names):
            file.symlink_to(path.resolve())
            continue
        tensors = [*map(changes.applied, stored_tensors(path)), *additions]
        try:
            save_file({tensor.name: tensor.values for tensor in tensors}, file, {"format": "pt"})
        except SafetensorError as error:  # which is the system's in other clothes
            raise OSError(errno.EIO, one_line(error)) from None
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
