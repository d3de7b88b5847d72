"""Each kind of processor makes, bit for bit, the pixels that transformers' own processor in Pillow and numpy makes."""

import msgspec
import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from transformers import (
    CLIPImageProcessorPil,
    GotOcr2ImageProcessorPil,
    Idefics3ImageProcessorPil,
    Qwen2VLImageProcessorPil,
    Siglip2ImageProcessorPil,
    SiglipImageProcessorPil,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize
from transformers.models.siglip2.image_processing_pil_siglip2 import get_image_size_for_max_num_patches

from engine import InvalidInput
from engine.images.decode import from_pillow
from engine.images.fixed_size import FixedSize
from engine.images.grids import Grid
from engine.images.image import Image
from engine.images.naflex import NaFlex, pad
from engine.images.preprocessing import Preprocessing
from engine.images.smart_resize import SmartResize
from engine.images.tiles import DynamicTiling, ImageSplitting

from .pictures import pictures

CLIP = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
HALVES = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
FILTERS = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]
"""By their numbers in Pillow."""

compared = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def of_transformers(processor, picture: PIL.Image.Image, **settings) -> dict[str, np.ndarray]:
    return processor(**settings)(images=[picture], return_tensors="np", do_convert_rgb=True)


def wide(picture: PIL.Image.Image) -> bool:
    return max(picture.size) > 200 * min(picture.size)


@compared
@given(pictures, st.sampled_from([32, 56, 224]), st.integers(0, 40))
def test_clip(picture, side, more):
    assume(not wide(picture))
    kind = FixedSize(height=side, width=side, shortest_edge=side + more, filter="bicubic", **CLIP)
    crop = {"height": side, "width": side}
    want = of_transformers(CLIPImageProcessorPil, picture, size={"shortest_edge": side + more}, crop_size=crop)
    got = kind.prepare(from_pillow(picture))
    assert np.array_equal(got.pixels, want["pixel_values"])
    assert got.grid == (1, 1)


@compared
@given(pictures, st.sampled_from([(32, 32), (64, 48), (224, 224)]), st.integers(0, 5))
def test_siglip_and_paligemma(picture, size, number):
    height, width = size
    kind = FixedSize(height=height, width=width, filter=FILTERS[number], **HALVES)
    size = {"height": height, "width": width}
    want = of_transformers(SiglipImageProcessorPil, picture, size=size, resample=number)
    assert np.array_equal(kind.prepare(from_pillow(picture)).pixels, want["pixel_values"])


@compared
@given(
    pictures,
    st.sampled_from([(14, CLIP), (16, HALVES)]),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([1, 2]),
    st.integers(1, 40_000),
    st.integers(0, 60_000),
)
def test_qwen(picture, tower, merge, temporal, least, more):
    assume(not wide(picture))
    patch, colours = tower
    kind = SmartResize(
        patch=patch,
        merge=merge,
        temporal=temporal,
        min_pixels=least,
        max_pixels=least + more,
        filter="bicubic",
        **colours,
    )
    want = of_transformers(
        Qwen2VLImageProcessorPil,
        picture,
        patch_size=patch,
        merge_size=merge,
        temporal_patch_size=temporal,
        size={"shortest_edge": least, "longest_edge": least + more},
        image_mean=colours["mean"],
        image_std=colours["std"],
    )
    got = kind.prepare(from_pillow(picture))
    assert np.array_equal(got.pixels, want["pixel_values"])
    assert [[1, *got.grid]] == want["image_grid_thw"].tolist()


@compared
@given(pictures, st.sampled_from([8, 14, 16]), st.integers(1, 300))
def test_siglip2_naflex(picture, patch, most):
    kind = NaFlex(patch=patch, max_patches=most, filter="bilinear", **HALVES)
    want = of_transformers(Siglip2ImageProcessorPil, picture, patch_size=patch, max_num_patches=most)
    got = kind.prepare(from_pillow(picture))
    pixels, mask = pad([got.pixels], most)
    assert np.array_equal(pixels, want["pixel_values"])
    assert np.array_equal(mask, want["pixel_attention_mask"])
    assert [list(got.grid)] == want["spatial_shapes"].tolist()


@compared
@given(pictures, st.sampled_from([16, 30, 64]), st.integers(1, 300), st.booleans())
def test_colmodernvbert(picture, tile, edge, split):
    kind = ImageSplitting(tile=tile, longest_edge=edge, split=split, filter="lanczos", **HALVES)
    want = of_transformers(
        Idefics3ImageProcessorPil,
        picture,
        size={"longest_edge": edge},
        max_image_size={"longest_edge": tile},
        do_image_splitting=split,
        return_row_col_info=True,
    )
    got = kind.prepare(from_pillow(picture))
    assert np.array_equal(got.pixels, want["pixel_values"][0])
    assert got.grid == kind.grid(picture.height, picture.width)
    several = got.grid.cells > 1
    assert (want["rows"], want["cols"]) == ([[got.grid.rows * several]], [[got.grid.columns * several]])


def test_no_side_of_an_idefics3_is_over_its_bound():
    picture = PIL.Image.new("RGB", (50, 10), "red")
    kind = ImageSplitting(tile=512, longest_edge=6000, filter="nearest", **HALVES)
    want = of_transformers(
        Idefics3ImageProcessorPil,
        picture,
        size={"longest_edge": 6000},
        max_image_size={"longest_edge": 512},
        resample=0,
    )
    assert np.array_equal(kind.prepare(from_pillow(picture)).pixels, want["pixel_values"][0])


@compared
@given(pictures, st.sampled_from([16, 32]), st.integers(1, 9))
def test_tiles_of_nemotron_are_cut_as_transformers_cuts_tiles_of_the_same_grid(picture, tile, most):
    kind = DynamicTiling(tile=tile, max_tiles=most, filter="bicubic", **HALVES)
    got = kind.prepare(from_pillow(picture))
    processor = GotOcr2ImageProcessorPil()
    tiles = pytest.MonkeyPatch()
    with tiles.context() as patched:
        patched.setattr(
            "transformers.models.got_ocr2.image_processing_pil_got_ocr2.get_optimal_tiled_canvas",
            lambda *_: (got.grid.columns, got.grid.rows),
        )
        want = processor(
            images=[picture],
            return_tensors="np",
            do_convert_rgb=True,
            crop_to_patches=True,
            max_patches=max(most, 2),
            size={"height": tile, "width": tile},
            image_mean=HALVES["mean"],
            image_std=HALVES["std"],
        )
    assert np.array_equal(got.pixels, want["pixel_values"])


@settings(max_examples=1000, deadline=None)
@given(
    st.integers(1, 20_000),
    st.integers(1, 20_000),
    st.sampled_from([14, 16]),
    st.integers(1, 10**6),
    st.integers(0, 10**7),
)
def test_grids_of_large_pictures(height, width, patch, least, more):
    """Sizes alone, so that they may be larger than there is time to resize."""
    naflex = NaFlex(patch=patch, max_patches=least % 2000 + 1, filter="bilinear", **HALVES)
    want = get_image_size_for_max_num_patches(height, width, patch, naflex.max_patches)
    assert tuple(side * patch for side in naflex.grid(height, width)) == want
    assume(max(height, width) <= 200 * min(height, width))
    qwen = SmartResize(patch=patch, min_pixels=least, max_pixels=least + more, filter="bicubic", **HALVES)
    want = smart_resize(height, width, 2 * patch, least, least + more)
    assert tuple(side * patch for side in qwen.grid(height, width)) == want


@pytest.mark.parametrize(
    ("width", "height", "most", "columns", "rows"),
    [
        (640, 480, 6, 3, 2),
        (480, 640, 6, 2, 3),
        (1920, 1080, 6, 3, 2),
        (1280, 680, 6, 2, 1),
        (850, 1100, 6, 2, 3),
        (512, 512, 6, 1, 1),
        (3000, 3000, 6, 2, 2),
        (3000, 3000, 2, 1, 1),
        (2048, 2048, 5, 2, 2),
        (4000, 500, 6, 6, 1),
        (100, 90, 6, 1, 1),
        (1654, 2339, 12, 3, 4),
    ],
)
def test_tiles_of_nemotron_are_as_many_as_vllm_makes(width, height, most, columns, rows):
    """Recorded from `find_closest_aspect_ratio` of vLLM's `transformers_utils/processors/nemotron_vl.py`."""
    kind = DynamicTiling(tile=512, max_tiles=most, filter="bicubic", **HALVES)
    assert kind.grid(height, width) == Grid(rows, columns)


def test_levels_are_those_of_torchvision():
    """Nemotron's processor scales with `ToTensor` and `Normalize`, in float32 throughout."""
    kind = DynamicTiling(tile=16, max_tiles=1, filter="bicubic", **HALVES)
    levels = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    want = torch.from_numpy(levels).permute(2, 0, 1).float().div(255).sub(0.5).div(0.5)
    assert np.array_equal(kind.prepare(Image(levels)).pixels[0], want)


def test_a_thumbnail_can_be_left_out():
    image = from_pillow(PIL.Image.new("RGB", (200, 100)))
    kind = DynamicTiling(tile=16, max_tiles=6, filter="bicubic", **HALVES)
    with_one, without = (msgspec.structs.replace(kind, thumbnail=shown).prepare(image) for shown in (True, False))
    assert with_one.grid == without.grid == Grid(2, 3)
    assert np.array_equal(with_one.pixels[:-1], without.pixels)


@pytest.mark.parametrize(
    "kind",
    [
        FixedSize(height=8, width=8, shortest_edge=8, filter="bicubic", **CLIP),
        SmartResize(patch=14, min_pixels=1, max_pixels=10_000, filter="bicubic", **CLIP),
    ],
)
def test_extreme_aspects_are_refused(kind):
    assert kind.prepare(Image(np.zeros((1, 200, 3), np.uint8)))
    with pytest.raises(InvalidInput, match="The image is 1 x 201 pixels, and one side may be at most 200 times the"):
        kind.prepare(Image(np.zeros((201, 1, 3), np.uint8)))


def test_a_cut_that_would_not_fit_is_refused():
    with pytest.raises(ValueError, match="less than what is cut"):
        FixedSize(height=8, width=9, shortest_edge=8, filter="bicubic", **CLIP)


@pytest.mark.parametrize(
    "kind",
    [
        FixedSize(height=8, width=8, shortest_edge=8, filter="bicubic", **CLIP),
        SmartResize(patch=14, min_pixels=1, max_pixels=10_000, filter="bicubic", **CLIP),
        NaFlex(patch=16, max_patches=256, filter="bilinear", **HALVES),
        ImageSplitting(tile=512, longest_edge=2048, filter="lanczos", **HALVES),
        DynamicTiling(tile=512, max_tiles=6, filter="bicubic", **HALVES),
    ],
)
def test_processors_are_written_as_json_and_read(kind):
    written = msgspec.json.encode(kind)
    assert msgspec.json.decode(written, type=Preprocessing) == kind
    with pytest.raises(msgspec.ValidationError, match="unknown field `patches`"):
        msgspec.json.decode(written.replace(b'"filter"', b'"patches":1,"filter"'), type=Preprocessing)
