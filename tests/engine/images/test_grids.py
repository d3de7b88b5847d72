"""What depends on sizes is computed in numpy as transformers' towers compute it in PyTorch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen2VLConfig, Qwen2VLModel, Qwen3VLConfig, Qwen3VLModel, vision_utils
from transformers.models.siglip2.modeling_siglip2 import Siglip2VisionEmbeddings

from engine.images.grids import Grid, antialiased, bilinear_taps, positions, segments, token_positions, windows

compared = settings(max_examples=100, deadline=None)
sides = st.integers(1, 12)
blocks = st.lists(st.tuples(sides, sides), min_size=1, max_size=4)
merges = st.sampled_from([1, 2, 3])

small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
QWEN2_VL = Qwen2VLModel(
    Qwen2VLConfig(
        text_config=small | {"num_key_value_heads": 1, "vocab_size": 32},
        vision_config={"depth": 1, "embed_dim": 16, "hidden_size": 16, "num_heads": 1},
    )
)


def grids_of(blocks, merge: int) -> tuple[list[Grid], torch.Tensor]:
    grids = [Grid(rows * merge, columns * merge) for rows, columns in blocks]
    return grids, torch.tensor([[1, *grid] for grid in grids])


@compared
@given(blocks, merges)
def test_positions(blocks, merge):
    grids, tensor = grids_of(blocks, merge)
    want = vision_utils.get_vision_position_ids(tensor, merge)
    assert np.array_equal(np.concatenate([positions(grid, merge) for grid in grids]), want)


@compared
@given(blocks)
def test_segments_begin_where_pictures_do(blocks):
    grids, tensor = grids_of(blocks, 1)
    numbers = segments(grids)
    starts = vision_utils.get_vision_cu_seqlens(tensor).numpy()
    assert np.array_equal(np.flatnonzero(np.diff(numbers, prepend=-1, append=-1)), starts)


@compared
@given(st.lists(st.tuples(st.integers(1, 5), sides, sides), max_size=4), st.integers(0, 5))
def test_token_positions(pictures, texts_after):
    merge = 2
    grids = [Grid(rows * merge, columns * merge) for _, rows, columns in pictures]
    is_image = [False]
    for texts, rows, columns in pictures:
        is_image += [False] * texts + [True] * (rows * columns)
    is_image = np.array(is_image + [False] * texts_after)
    tensor = torch.tensor([[1, *grid] for grid in grids])
    want, _ = Qwen2VLModel.get_rope_index(
        QWEN2_VL, torch.zeros(1, len(is_image), dtype=torch.int64), torch.from_numpy(is_image[None].astype(int)), tensor
    )
    assert np.array_equal(token_positions(is_image, grids, merge), want[:, 0])


@compared
@given(blocks, merges, st.integers(1, 5))
def test_windows(blocks, merge, side):
    grids, tensor = grids_of(blocks, merge)
    patch = 14
    order, starts = vision_utils.get_vision_window_index(tensor, merge, side * merge * patch, patch)
    got = windows(grids, merge, side)
    assert np.array_equal(got.order, order)
    assert np.array_equal(np.flatnonzero(np.diff(got.numbers, prepend=-1, append=-1)), starts)


@compared
@given(blocks, merges, st.integers(1, 48))
def test_bilinear_taps(blocks, merge, side):
    grids, tensor = grids_of(blocks, merge)
    entries, weights = vision_utils.get_vision_interpolation_indices_and_weights(
        tensor, side, mode="bilinear", align_corners=True, spatial_merge_size=merge
    )
    got = [bilinear_taps(grid, side, merge) for grid in grids]
    assert np.array_equal(np.concatenate([taps.entries for taps in got]), entries)
    assert np.array_equal(np.concatenate([taps.weights for taps in got]), weights)
    assert got[0].weights.dtype == np.float32


def test_qwen3_vl_resamples_as_its_taps_say():
    """The model's own choice of interpolation, and not only the function that it calls."""
    config = Qwen3VLConfig(
        text_config=small | {"vocab_size": 32},
        vision_config={"depth": 1, "hidden_size": 16, "out_hidden_size": 16, "intermediate_size": 16, "num_heads": 1}
        | {"num_position_embeddings": 49, "deepstack_visual_indexes": [], "patch_size": 4},
    )
    torch.manual_seed(0)
    tower = Qwen3VLModel(config).visual.eval()
    grid = Grid(6, 10)
    taps = bilinear_taps(grid, 7, 2)
    pixels = torch.randn(grid.cells, 3 * 2 * 4 * 4)
    sizes = torch.tensor([[1, *grid]])
    fed = {
        "interp_indices": torch.from_numpy(taps.entries),
        "interp_weights": torch.from_numpy(taps.weights),
        "position_ids": torch.from_numpy(positions(grid, 2)),
    }
    with torch.no_grad():
        want = tower(pixels, grid_thw=sizes).pooler_output
        assert torch.equal(tower(pixels, grid_thw=sizes, **fed).pooler_output, want)
        fed["interp_indices"] = fed["interp_indices"].flip(0)
        assert not torch.allclose(tower(pixels, grid_thw=sizes, **fed).pooler_output, want)


@compared
@given(sides, sides, st.integers(1, 24), st.integers(0, 3))
def test_antialiased_weights_resample_the_table_of_naflex(rows, columns, side, padding):
    table = torch.randn(side, side, 3, generator=torch.Generator().manual_seed(side))
    by_row, by_column = antialiased(Grid(rows, columns), side)
    got = np.einsum("ph,pw,hwd->pd", by_row, by_column, table.numpy())
    if columns == 1:  # PyTorch 2.13 repeats the first row for a picture one patch wide, so it is asked for its mirror
        rows, columns, table = columns, rows, table.transpose(0, 1)
    want = Siglip2VisionEmbeddings.resize_positional_embeddings(
        table, torch.tensor([[rows, columns]]), rows * columns + padding
    )[0]
    np.testing.assert_allclose(got, want[: rows * columns], atol=5e-6)


@compared
@given(st.integers(1, 256), st.integers(1, 40))
def test_antialiased_weights_are_those_of_pytorch(size, side):
    table = torch.eye(side)[None, :, :, None].expand(1, side, side, 2).contiguous()
    want = torch.nn.functional.interpolate(table, size=(size, 2), mode="bilinear", antialias=True)[0, :, :, 0].T
    by_row, _ = antialiased(Grid(size, 1), side)
    np.testing.assert_allclose(by_row, want, atol=1e-6)


@pytest.mark.parametrize(("size", "side"), [(1, 16), (16, 16), (40, 16), (7, 27)])
def test_antialiased_weights_are_shares(size, side):
    for weights in antialiased(Grid(size, size), side):
        assert weights.dtype == np.float32
        assert weights.shape == (size * size, side)
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
