"""Reads a checkpoint's image processor from its own files into a kind of preprocessing that the engine has."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypedDict, get_args

import transformers
from transformers.models.auto import image_processing_auto

from engine.images.fixed_size import FixedSize
from engine.images.naflex import NaFlex
from engine.images.preprocessing import Preprocessing
from engine.images.processor import Channels, Filter
from engine.images.smart_resize import SmartResize
from engine.images.tiles import DynamicTiling, ImageSplitting

from ...errors import ExportError
from ..files import Checkpoint
from ..settings import Settings

_NEMOTRON = "llama_nemotron_vl"
"""The `model_type` of Llama-Nemotron-VL begins like this. Its processor is the authors' own code."""


def read_preprocessing(checkpoint: Checkpoint) -> Preprocessing:
    """Read how the checkpoint's image processor makes pixels of a picture.

    The processor is the `image_processor` of `processor_config.json`, or else `preprocessor_config.json`. transformers'
    own class reads it, so spellings, precedence and defaults are those of transformers. Llama-Nemotron-VL has no such
    class: its settings are those of `processor_config.json` itself. `do_convert_rgb` has no effect, since pictures are
    RGB when they are decoded.

    Raises `ExportError` for a processor or a setting that makes other pixels than the engine can.
    """
    processor_config = checkpoint.json("processor_config.json")
    if str(checkpoint.config.get("model_type")).startswith(_NEMOTRON):
        return _dynamic_tiling(processor_config, checkpoint.config)
    settings = processor_config.section("image_processor") or checkpoint.json("preprocessor_config.json")
    if not settings:
        raise ExportError(
            "The checkpoint does not say how it prepares pictures: add its preprocessor_config.json to the folder."
        )
    _refuse_what_is_set_elsewhere(processor_config, settings)
    name = _class_name(settings, checkpoint.config)
    processor = _load(name, settings)
    for switch in ("do_resize", "do_rescale", "do_normalize"):
        if not getattr(processor, switch):
            raise _refused(switch, getattr(processor, switch), "set it to true if the model was trained so")
    for switch, value in settings.items():
        if switch.startswith("do_") and value and switch not in processor.valid_kwargs.__annotations__:
            raise _refused(switch, value, f"remove it if {name} has no such step")
    return _READERS[name](processor)


def _refuse_what_is_set_elsewhere(processor_config: Settings, settings: Settings) -> None:
    """Refuse what transformers' image processor would not see, and what only the checkpoint's own code can read."""
    limit = "max_num_visual_tokens"
    if (most := processor_config.get(limit)) is not None:
        raise _refused(limit, most, "write the limit as pixels into the image processor's size.longest_edge")
    code = settings.section("auto_map").get("AutoImageProcessor")
    if code is not None:
        raise _refused("auto_map", code, "its code cannot be served, so name one of transformers' image processors")


def _class_name(settings: dict[str, Any], config: dict[str, Any]) -> str:
    """The image processor's class, without the suffix of its backend.

    As `AutoImageProcessor` does, a name that transformers does not know gives way to the class of the `model_type`:
    older releases wrote Qwen2_5_VLImageProcessor, for one, which was Qwen2VLImageProcessor under another name.
    """
    said = settings.get("image_processor_type") or settings.get("feature_extractor_type")
    name = str(said or "").removesuffix("Pil").removesuffix("Fast").replace("FeatureExtractor", "ImageProcessor")
    if name not in dir(transformers):
        by_model_type = vars(image_processing_auto)["IMAGE_PROCESSOR_MAPPING_NAMES"]  # what mypy takes for private
        name = str(by_model_type.get(config.get("model_type"), {}).get("pil", "")).removesuffix("Pil")
    if name not in _READERS:
        raise _refused("image_processor_type", said, f"it must be one of {', '.join(_READERS)}")
    return name


def _load(name: str, settings: dict[str, Any]) -> Any:
    """transformers' processor in Pillow and numpy, with sizes and colours in its standard form."""
    try:
        return getattr(transformers, f"{name}Pil")(**deepcopy(settings))  # it changes the `size` that it is given
    except (TypeError, ValueError) as error:
        raise ExportError(f"{name} does not take the checkpoint's settings ({error}): correct them.") from None


def _fixed_size(processor: Any) -> FixedSize:
    """CLIP and SigLIP have the same steps: resizing, and cutting from the middle where that is asked for."""
    size = _sizes(processor.size)
    if processor.do_pad:
        raise _refused("do_pad", True, "set it to false, since pictures of one size need no padding")
    if not processor.do_center_crop:
        if size.keys() != {"height", "width"}:
            raise _refused("size", size, "give a height and a width, or set do_center_crop")
        return FixedSize(**_positive(size), **_colours(processor))
    crop = _positive(_sizes(processor.crop_size))
    if crop.keys() != {"height", "width"}:
        raise _refused("crop_size", crop, "give a height and a width")
    if size == crop:
        return FixedSize(**crop, **_colours(processor))
    if size.keys() != {"shortest_edge"}:
        raise _refused("size", size, f"give a shortest_edge, or the size that is cut out, {json.dumps(crop)}")
    if _positive(size)["shortest_edge"] < max(crop.values()):
        raise _refused("crop_size", crop, f"it must fit into pictures whose size is {json.dumps(size)}")
    return FixedSize(**crop, **size, **_colours(processor))


_PATCHES = ("patch_size", "merge_size", "temporal_patch_size")


def _smart_resize(processor: Any) -> SmartResize:
    size = _sizes(processor.size)
    if size.keys() != {"shortest_edge", "longest_edge"}:
        raise _refused("size", size, "give shortest_edge and longest_edge, in pixels of the whole picture")
    numbers = _positive({setting: getattr(processor, setting) for setting in _PATCHES} | size)
    if numbers["shortest_edge"] > numbers["longest_edge"]:
        raise _refused("size", size, "shortest_edge, the fewest pixels, must be at most longest_edge, the most")
    return SmartResize(
        patch=numbers["patch_size"],
        merge=numbers["merge_size"],
        temporal=numbers["temporal_patch_size"],
        min_pixels=numbers["shortest_edge"],
        max_pixels=numbers["longest_edge"],
        **_colours(processor),
    )


def _naflex(processor: Any) -> NaFlex:
    numbers = _positive({"patch_size": processor.patch_size, "max_num_patches": processor.max_num_patches})
    return NaFlex(patch=numbers["patch_size"], max_patches=numbers["max_num_patches"], **_colours(processor))


def _image_splitting(processor: Any) -> ImageSplitting:
    size, tile = _sizes(processor.size), processor.max_image_size
    if size.keys() != {"longest_edge"}:
        raise _refused("size", size, "give a longest_edge")
    if not isinstance(tile, dict) or tile.keys() != {"longest_edge"}:
        raise _refused("max_image_size", tile, "give a longest_edge")
    return ImageSplitting(
        tile=_positive(tile)["longest_edge"],
        split=bool(processor.do_image_splitting),
        **_positive(size),
        **_colours(processor),
    )


_READERS: dict[str, Callable[[Any], Preprocessing]] = {
    "CLIPImageProcessor": _fixed_size,
    "SiglipImageProcessor": _fixed_size,
    "Siglip2ImageProcessor": _naflex,
    "Qwen2VLImageProcessor": _smart_resize,
    "Idefics3ImageProcessor": _image_splitting,
}


def _dynamic_tiling(settings: dict[str, Any], config: dict[str, Any]) -> DynamicTiling:
    """The settings of Llama-Nemotron-VL's `processing_llama_nemotron_vl.py`.

    Its reranker says `force_image_size`, its embedder `image_size`. The number of tiles must be said, because the
    authors' own defaults are 2 in one and 6 in the other. Without `dynamic_image_size` a picture becomes one tile.
    """
    for setting in ("max_input_tiles", "use_thumbnail"):
        if setting not in settings:
            raise ExportError(
                f"The checkpoint's processor_config.json has no {setting}: add it, as the authors used it."
            )
    norm = settings.get("norm_type", "siglip")
    if norm != "siglip":
        raise _refused("norm_type", norm, 'it must be "siglip"')
    side = settings.get("image_size") or settings.get("force_image_size") or config.get("force_image_size")
    numbers = _positive({"image_size": side, "max_input_tiles": settings["max_input_tiles"]})
    return DynamicTiling(
        tile=numbers["image_size"],
        max_tiles=numbers["max_input_tiles"] if settings.get("dynamic_image_size", True) else 1,
        thumbnail=bool(settings["use_thumbnail"]),
        filter="bicubic",
        mean=_HALVES,
        std=_HALVES,
    )


_HALVES = (0.5, 0.5, 0.5)


class _Colours(TypedDict):
    filter: Filter
    mean: Channels
    std: Channels
    rescale: float


def _colours(processor: Any) -> _Colours:
    """What all of transformers' processors say: the filter, and how levels become numbers."""
    return {
        "filter": _filter(processor.resample),
        "mean": _channels("image_mean", processor.image_mean),
        "std": _divisors("image_std", processor.image_std),
        "rescale": float(_number("rescale_factor", processor.rescale_factor)),
    }


def _filter(resample: Any) -> Filter:
    """transformers takes a filter's name for bilinear, whichever it is, so names are refused."""
    import PIL.Image

    filters: tuple[Filter, ...] = get_args(Filter)
    numbers = {int(PIL.Image.Resampling[name.upper()]): name for name in filters}
    if not isinstance(resample, int) or resample not in numbers:
        known = ", ".join(f"{number} for {name}" for number, name in sorted(numbers.items()))
        raise _refused("resample", resample, f"give Pillow's number: {known}")
    return numbers[resample]


def _channels(setting: str, value: Any) -> Channels:
    """Three numbers; one alone stands for all channels."""
    values = value if isinstance(value, tuple | list) else [value] * 3
    if len(values) != 3:
        raise _refused(setting, value, "give three numbers, for red, green and blue")
    red, green, blue = (float(_number(setting, number)) for number in values)
    return red, green, blue


def _divisors(setting: str, value: Any) -> Channels:
    channels = _channels(setting, value)
    if min(channels) <= 0:
        raise _refused(setting, value, "give numbers above 0")
    return channels


def _number(setting: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(setting, value, "give a number")
    return value


def _sizes(size: Any) -> dict[str, Any]:
    """The sides that a `SizeDict` of transformers names."""
    return dict(size or {})


def _positive(numbers: dict[str, Any]) -> dict[str, int]:
    for setting, value in numbers.items():
        if type(value) is not int or value < 1:
            raise _refused(setting, value, "give a whole number of at least 1")
    return numbers


def _refused(setting: str, value: Any, change: str) -> ExportError:
    """What is wrong with one of the checkpoint's settings. `change` says what to do."""
    said = json.dumps(value, default=str)
    return ExportError(
        "Pictures cannot be prepared as preprocessor_config.json or processor_config.json says, while the checkpoint's "
        f"{setting} is {said}: {change}."
    )
