"""A checkpoint's own files say how its pictures are prepared, and transformers' processor of those files agrees."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from transformers import (
    CLIPImageProcessorPil,
    Idefics3ImageProcessorPil,
    Qwen2VLImageProcessorPil,
    Siglip2ImageProcessorPil,
    SiglipImageProcessorPil,
)

from engine.artifact.artifact import Source
from engine.images.decode import from_pillow
from engine.images.fixed_size import FixedSize
from engine.images.naflex import NaFlex, pad
from engine.images.preprocessing import Preprocessing
from engine.images.smart_resize import SmartResize
from engine.images.tiles import DynamicTiling, ImageSplitting
from export.checkpoint.files import Checkpoint
from export.checkpoint.images.checking import check_preprocessing
from export.checkpoint.images.reading import read_preprocessing
from export.errors import ExportError
from tests.engine.images.pictures import picture

CLIP = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
HALVES = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}

PICTURES = [picture("RGB", 50, 70, 0), picture("RGBA", 91, 33, 1), picture("P", 20, 190, 2), picture("L", 64, 64, 4)]


def write(folder: Path, **files: Any) -> None:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def checkpoint(folder: Path, **config: Any) -> Checkpoint:
    return Checkpoint(folder, folder, config, {}, Source(model="tiny", revision=None, weights={}), "tiny", False)


def agreed(folder: Path, processor_class: type, **config: Any) -> Preprocessing:
    """What is read from a folder, once its pixels are those of transformers' processor for that folder."""
    got = read_preprocessing(checkpoint(folder, **config))
    write(folder, config=config)
    processor = processor_class.from_pretrained(folder)
    for image in PICTURES:
        want = processor(images=[image], return_tensors="np", do_convert_rgb=True)["pixel_values"]
        pixels = got.prepare(from_pillow(image)).pixels
        if isinstance(got, NaFlex):
            pixels = pad([pixels], got.max_patches)[0]
        assert np.array_equal(pixels.reshape(want.shape), want)
    assert check_preprocessing(got, folder)
    return got


SAVED = [
    (CLIPImageProcessorPil, {}, FixedSize(height=224, width=224, shortest_edge=224, filter="bicubic", **CLIP)),
    (
        CLIPImageProcessorPil,
        {
            "size": {"shortest_edge": 40},
            "crop_size": {"height": 30, "width": 38},
            "resample": 1,
            "image_std": [1, 2, 3],
        },
        FixedSize(height=30, width=38, shortest_edge=40, filter="lanczos", mean=CLIP["mean"], std=(1.0, 2.0, 3.0)),
    ),
    (
        CLIPImageProcessorPil,
        {"size": {"height": 30, "width": 20}, "do_center_crop": False},
        FixedSize(height=30, width=20, filter="bicubic", **CLIP),
    ),
    (
        CLIPImageProcessorPil,
        {"size": {"height": 30, "width": 20}, "crop_size": {"height": 30, "width": 20}},
        FixedSize(height=30, width=20, filter="bicubic", **CLIP),
    ),
    (SiglipImageProcessorPil, {}, FixedSize(height=224, width=224, filter="bicubic", **HALVES)),
    (
        SiglipImageProcessorPil,
        {
            "size": {"height": 28, "width": 42},
            "resample": 2,
            "rescale_factor": 1 / 127.5,
            "image_mean": [0.1, 0.2, 0.3],
        },
        FixedSize(height=28, width=42, filter="bilinear", mean=(0.1, 0.2, 0.3), std=HALVES["std"], rescale=1 / 127.5),
    ),
    (Siglip2ImageProcessorPil, {}, NaFlex(patch=16, max_patches=256, filter="bilinear", **HALVES)),
    (
        Siglip2ImageProcessorPil,
        {"patch_size": 8, "max_num_patches": 30, "resample": 3},
        NaFlex(patch=8, max_patches=30, filter="bicubic", **HALVES),
    ),
    (
        Qwen2VLImageProcessorPil,
        {},
        SmartResize(patch=14, min_pixels=56 * 56, max_pixels=28 * 28 * 1280, filter="bicubic", **CLIP),
    ),
    (
        Qwen2VLImageProcessorPil,
        {
            "size": {"shortest_edge": 65, "longest_edge": 3000},
            "patch_size": 8,
            "merge_size": 3,
            "temporal_patch_size": 1,
            "image_mean": HALVES["mean"],
            "image_std": HALVES["std"],
        },
        SmartResize(patch=8, merge=3, temporal=1, min_pixels=65, max_pixels=3000, filter="bicubic", **HALVES),
    ),
    (Idefics3ImageProcessorPil, {}, ImageSplitting(tile=364, longest_edge=1456, filter="lanczos", **HALVES)),
    (
        Idefics3ImageProcessorPil,
        {"size": {"longest_edge": 90}, "max_image_size": {"longest_edge": 32}, "do_image_splitting": False},
        ImageSplitting(tile=32, longest_edge=90, split=False, filter="lanczos", **HALVES),
    ),
]


@pytest.mark.parametrize(("processor", "changed", "want"), SAVED)
def test_saved_by_transformers(tmp_path, processor, changed, want):
    processor(**changed).save_pretrained(tmp_path)
    assert agreed(tmp_path, processor) == want


@pytest.mark.parametrize(("processor", "changed", "want"), SAVED[1::2])
def test_nested_in_the_settings_of_a_whole_processor(tmp_path, processor, changed, want):
    """As transformers 5 saves it. The file beside it, of transformers 4, gives way to it."""
    write(
        tmp_path,
        processor_config={"processor_class": "AnyProcessor", "image_processor": processor(**changed).to_dict()},
    )
    CLIPImageProcessorPil(size={"shortest_edge": 99}, crop_size=99).save_pretrained(tmp_path)
    assert agreed(tmp_path, processor) == want


OLD_CLIP = {
    "crop_size": 32,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": 32,
}
CLIP_32 = FixedSize(height=32, width=32, shortest_edge=32, filter="bicubic", **CLIP)
QWEN2_VL = {
    "min_pixels": 3136,
    "max_pixels": 12845056,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "image_processor_type": "Qwen2VLImageProcessor",
    "processor_class": "Qwen2VLProcessor",
}
QWEN2_VL_PIXELS = SmartResize(patch=14, min_pixels=3136, max_pixels=12845056, filter="bicubic", **CLIP)
PALIGEMMA = {
    "do_convert_rgb": None,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "SiglipImageProcessor",
    "image_seq_length": 1024,
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "ColPaliProcessor",
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 56, "width": 56},
}


@pytest.mark.parametrize(
    ("processor", "settings", "config", "want"),
    [
        (CLIPImageProcessorPil, OLD_CLIP, {}, CLIP_32),
        # Older releases of transformers wrote their class of then into the new setting.
        (
            CLIPImageProcessorPil,
            OLD_CLIP | {"image_processor_type": "CLIPFeatureExtractor"},
            {"model_type": "clip"},
            CLIP_32,
        ),
        (CLIPImageProcessorPil, OLD_CLIP | {"image_processor_type": "CLIPImageProcessorFast"}, {}, CLIP_32),
        (
            SiglipImageProcessorPil,
            {"image_processor_type": "SiglipImageProcessorFast", "size": [20, 30], "image_mean": 0.25, "image_std": 1},
            {},
            FixedSize(height=20, width=30, filter="bicubic", mean=(0.25,) * 3, std=(1.0,) * 3),
        ),
        (
            SiglipImageProcessorPil,
            {"size": {"height": 20, "width": 30}},
            {"model_type": "paligemma"},
            FixedSize(height=20, width=30, filter="bicubic", **HALVES),
        ),
        (
            SiglipImageProcessorPil,
            PALIGEMMA,
            {"model_type": "colpali"},
            FixedSize(height=56, width=56, filter="bicubic", **HALVES),
        ),
        (Qwen2VLImageProcessorPil, QWEN2_VL, {"model_type": "qwen2_vl"}, QWEN2_VL_PIXELS),
        (
            Qwen2VLImageProcessorPil,
            QWEN2_VL | {"size": {"max_pixels": 12845056, "min_pixels": 3136}},
            {},
            QWEN2_VL_PIXELS,
        ),
        (Qwen2VLImageProcessorPil, QWEN2_VL | {"size": {"longest_edge": 9, "shortest_edge": 8}}, {}, QWEN2_VL_PIXELS),
        (
            Qwen2VLImageProcessorPil,
            {"image_processor_type": "Qwen2VLImageProcessor", "max_pixels": 602112},
            {"model_type": "colqwen2"},
            SmartResize(patch=14, min_pixels=3136, max_pixels=602112, filter="bicubic", **CLIP),
        ),
        # A class that transformers has no more.
        (
            Qwen2VLImageProcessorPil,
            QWEN2_VL | {"image_processor_type": "Qwen2_5_VLImageProcessor"},
            {"model_type": "qwen2_5_vl"},
            QWEN2_VL_PIXELS,
        ),
        (
            Qwen2VLImageProcessorPil,
            {
                "size": {"longest_edge": 16777216, "shortest_edge": 65536},
                "patch_size": 16,
                "temporal_patch_size": 2,
                "merge_size": 2,
                "image_mean": [0.5, 0.5, 0.5],
                "image_std": [0.5, 0.5, 0.5],
                "processor_class": "Qwen3VLProcessor",
                "image_processor_type": "Qwen2VLImageProcessorFast",
            },
            {"model_type": "qwen3_vl"},
            SmartResize(patch=16, min_pixels=65536, max_pixels=16777216, filter="bicubic", **HALVES),
        ),
        (
            Idefics3ImageProcessorPil,
            {
                "do_convert_rgb": True,
                "do_image_splitting": True,
                "do_pad": True,
                "image_processor_type": "Idefics3ImageProcessor",
                "max_image_size": {"longest_edge": 64},
                "processor_class": "Idefics3Processor",
                "resample": 1,
                "size": {"longest_edge": 256},
            },
            {"model_type": "modernvbert"},
            ImageSplitting(tile=64, longest_edge=256, filter="lanczos", **HALVES),
        ),
    ],
)
def test_published_spellings(tmp_path, processor, settings, config, want):
    write(tmp_path, preprocessor_config=settings, video_preprocessor_config={"size": {"longest_edge": 1}})
    assert agreed(tmp_path, processor, **config) == want


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        (OLD_CLIP | {"do_rescale": False}, "do_rescale is false: set it to true"),
        (OLD_CLIP | {"do_normalize": False}, "do_normalize is false"),
        (OLD_CLIP | {"do_resize": None}, "do_resize is null"),
        (OLD_CLIP | {"do_pad": True}, "do_pad is true"),
        (
            OLD_CLIP | {"do_thumbnail": True},
            "do_thumbnail is true: remove it if CLIPImageProcessor has no such step",
        ),
        (OLD_CLIP | {"do_center_crop": False}, r'size is {"shortest_edge": 32}: give a height and a width'),
        (OLD_CLIP | {"crop_size": 33}, r'crop_size is {"height": 33, "width": 33}: it must fit into'),
        (OLD_CLIP | {"size": {"height": 40, "width": 40}}, r'size is {"height": 40, "width": 40}: give a shortest'),
        (OLD_CLIP | {"size": {"shortest_edge": 32, "longest_edge": 50}}, "size is .*: give a shortest_edge"),
        (OLD_CLIP | {"size": {"shortest_edge": 0}}, "shortest_edge is 0: give a whole number of at least 1"),
        (OLD_CLIP | {"size": {"width": 32}}, "CLIPImageProcessor does not take .*: correct them"),
        (OLD_CLIP | {"size": "large"}, "CLIPImageProcessor does not take .*: correct them"),
        (OLD_CLIP | {"resample": "bicubic"}, r'resample is "bicubic": give Pillow\'s number: 0 for nearest'),
        (OLD_CLIP | {"resample": 9}, "resample is 9"),
        (OLD_CLIP | {"image_mean": [0.5]}, r"image_mean is \[0.5\]: give three numbers"),
        (OLD_CLIP | {"image_std": ["1", 1, 1]}, 'image_std is "1": give a number'),
        (OLD_CLIP | {"image_std": [1, 0, 1]}, r"image_std is \[1, 0, 1\]: give numbers above 0"),
        (OLD_CLIP | {"rescale_factor": None}, "rescale_factor is null: give a number"),
        (PALIGEMMA | {"size": 56}, r'size is {"shortest_edge": 56}: give a height and a width'),
        (PALIGEMMA | {"size": {"height": 56.5, "width": 56}}, "height is 56.5: give a whole number of at least 1"),
        (QWEN2_VL | {"patch_size": 0}, "patch_size is 0: give a whole number of at least 1"),
        (
            {"image_processor_type": "Qwen2VLImageProcessor", "size": {"max_pixels": 9, "min_pixels": 3}},
            "size is .*: give shortest_edge and longest_edge, in pixels",
        ),
        (
            {"image_processor_type": "Qwen2VLImageProcessor", "min_pixels": 10**9, "max_pixels": 78400},
            "shortest_edge, the fewest pixels, must be at most longest_edge, the most",
        ),
        ({"image_processor_type": "Siglip2ImageProcessor", "max_num_patches": "x"}, 'max_num_patches is "x"'),
        (
            {"image_processor_type": "Idefics3ImageProcessor", "size": {"height": 9, "width": 9}},
            "size is .*: give a longest_edge",
        ),
        ({"image_processor_type": "Idefics3ImageProcessor", "max_image_size": 364}, "max_image_size is 364"),
        ({"image_processor_type": "ViTImageProcessor"}, 'type is "ViTImageProcessor": it must be one of CLIPImage'),
        ({"image_processor_type": "MyImageProcessor"}, 'image_processor_type is "MyImageProcessor"'),
        ({"size": 224}, "image_processor_type is null"),
        (
            QWEN2_VL | {"auto_map": {"AutoImageProcessor": "own.Own"}},
            'auto_map is "own.Own": its code cannot be served',
        ),
    ],
)
def test_what_would_make_other_pixels_is_refused(tmp_path, settings, setting):
    write(tmp_path, preprocessor_config=settings)
    with pytest.raises(ExportError, match=setting):
        read_preprocessing(checkpoint(tmp_path))


def test_a_limit_outside_the_image_processor_is_refused(tmp_path):
    write(tmp_path, preprocessor_config=QWEN2_VL, processor_config={"max_num_visual_tokens": 1280})
    with pytest.raises(
        ExportError, match=r"max_num_visual_tokens is 1280: write the limit as pixels into .*longest_edge"
    ):
        read_preprocessing(checkpoint(tmp_path))


def test_a_folder_without_settings_is_refused(tmp_path):
    with pytest.raises(ExportError, match=r"does not say how it prepares pictures: add its preprocessor_config\.json"):
        read_preprocessing(checkpoint(tmp_path, model_type="clip"))


NEMOTRON = {
    "auto_map": {"AutoProcessor": "processing_llama_nemotron_vl.LlamaNemotronVLRerankProcessor"},
    "force_image_size": 512,
    "max_input_tiles": 6,
    "num_image_token": 256,
    "processor_class": "LlamaNemotronVLRerankProcessor",
    "use_thumbnail": True,
}
TILES = DynamicTiling(tile=512, max_tiles=6, filter="bicubic", **HALVES)


@pytest.mark.parametrize(
    ("settings", "want"),
    [
        (NEMOTRON, TILES),
        (NEMOTRON | {"image_size": 448, "dynamic_image_size": True, "norm_type": "siglip"}, {"tile": 448}),
        (NEMOTRON | {"force_image_size": None}, {"tile": 384}),
        (NEMOTRON | {"dynamic_image_size": False}, {"max_tiles": 1}),
        (NEMOTRON | {"use_thumbnail": False, "max_input_tiles": 2}, {"thumbnail": False, "max_tiles": 2}),
    ],
)
@pytest.mark.parametrize("model_type", ["llama_nemotron_vl", "llama_nemotron_vl_rerank"])
def test_nemotron(tmp_path, settings, want, model_type):
    write(tmp_path, processor_config=settings)
    got = read_preprocessing(checkpoint(tmp_path, model_type=model_type, force_image_size=384))
    assert got == (want if isinstance(want, DynamicTiling) else msgspec.structs.replace(TILES, **want))
    assert check_preprocessing(got, tmp_path) is False


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "has no max_input_tiles: add it"),
        ({"max_input_tiles": 6}, "has no use_thumbnail: add it"),
        (NEMOTRON | {"max_input_tiles": 0}, "max_input_tiles is 0"),
        (NEMOTRON | {"norm_type": "imagenet"}, 'norm_type is "imagenet": it must be "siglip"'),
        (NEMOTRON | {"force_image_size": None}, "image_size is null"),
    ],
)
def test_nemotron_refused(tmp_path, settings, sentence):
    write(tmp_path, processor_config=settings)
    with pytest.raises(ExportError, match=sentence):
        read_preprocessing(checkpoint(tmp_path, model_type="llama_nemotron_vl"))


@pytest.mark.parametrize(
    ("processor", "changed", "broken"),
    [
        (CLIPImageProcessorPil, SAVED[1][1], {"shortest_edge": 41}),
        (CLIPImageProcessorPil, SAVED[1][1], {"filter": "bicubic"}),
        (SiglipImageProcessorPil, SAVED[5][1], {"rescale": 1 / 127}),
        (SiglipImageProcessorPil, SAVED[5][1], {"height": 29}),
        (Siglip2ImageProcessorPil, SAVED[7][1], {"patch": 9}),
        (Siglip2ImageProcessorPil, SAVED[7][1], {"max_patches": 31}),
        (Qwen2VLImageProcessorPil, SAVED[9][1], {"min_pixels": 5000}),
        (Qwen2VLImageProcessorPil, SAVED[9][1], {"temporal": 2}),
        (
            Qwen2VLImageProcessorPil,
            {"size": {"shortest_edge": 65, "longest_edge": 8_000_000}},
            {"max_pixels": 9_000_000},
        ),
        (Idefics3ImageProcessorPil, SAVED[11][1], {"split": True}),
        (Idefics3ImageProcessorPil, SAVED[11][1], {"std": (0.5, 0.5, 0.5 + 2**-20)}),
    ],
)
def test_a_setting_that_was_misread_is_caught(tmp_path, processor, changed, broken):
    processor(**changed).save_pretrained(tmp_path)
    read = read_preprocessing(checkpoint(tmp_path))
    assert check_preprocessing(read, tmp_path)
    with pytest.raises(ExportError, match=f"differ from those of the checkpoint's own {processor.__name__}"):
        check_preprocessing(msgspec.structs.replace(read, **broken), tmp_path)


def test_a_processor_that_does_not_load_is_no_check(tmp_path):
    with pytest.raises(ExportError, match="does not load, so nothing verifies it"):
        check_preprocessing(CLIP_32, tmp_path)
