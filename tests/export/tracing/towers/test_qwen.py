"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL, split: the two graphs together give what transformers' model gives."""

import copy
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLModel,
    Qwen2VLConfig,
    Qwen2VLModel,
    Qwen3VLConfig,
    Qwen3VLModel,
)

from engine.images import grids
from engine.images.grids import Grid
from engine.score_types import LATE_INTERACTION
from export.graph import save
from export.tracing.convert import Converter
from export.tracing.network import Network
from export.tracing.towers.convert import convert_vision
from export.tracing.towers.split import split

from .graphs import FUSED, Graph, filled, text_graph, vision_graph

IMAGE, START, END = 290, 288, 289
MARKS = {"image_token_id": IMAGE, "video_token_id": 291, "vision_start_token_id": START, "vision_end_token_id": END}
TEXT = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 4096,
}
VISION = {"depth": 3, "num_heads": 2, "patch_size": 4}
TABLE = 8
MERGE = 2


def rope(sections: list[int], **more: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": sections, **more}}


def qwen2_vl() -> Any:
    vision = VISION | {"embed_dim": 48, "hidden_size": 64, "mlp_ratio": 2}
    return filled(Qwen2VLModel(Qwen2VLConfig(text_config=TEXT | rope([4, 6, 6]), vision_config=vision, **MARKS)))


def qwen2_5_vl() -> Any:
    sizes = {"hidden_size": 48, "out_hidden_size": 64, "intermediate_size": 64}
    vision = VISION | sizes | {"window_size": 32, "fullatt_block_indexes": [1]}
    return filled(Qwen2_5_VLModel(Qwen2_5_VLConfig(text_config=TEXT | rope([4, 6, 6]), vision_config=vision, **MARKS)))


def qwen3_vl() -> Any:
    sizes = {"hidden_size": 48, "out_hidden_size": 64, "intermediate_size": 64}
    vision = VISION | sizes | {"num_position_embeddings": TABLE**2, "deepstack_visual_indexes": [0, 1]}
    text = TEXT | {"head_dim": 32} | rope([6, 5, 5], mrope_interleaved=True)
    return filled(Qwen3VLModel(Qwen3VLConfig(text_config=text, vision_config=vision, **MARKS)))


@pytest.fixture(scope="module", params=[qwen2_vl, qwen2_5_vl, qwen3_vl])
def models(request):
    """A model, and its towers made of another one with the same weights."""
    model = request.param()
    return model, split(copy.deepcopy(model))


@pytest.fixture(scope="module")
def vision(models):
    return vision_graph(models[1].vision)


@pytest.fixture(scope="module")
def text(models):
    return text_graph(models[1].text, [*models[1].text.inputs, "past"])


def pixels_of(model: Any, grid: Grid) -> Any:
    values = 3 * 2 * model.visual.config.patch_size**2
    return np.random.default_rng(grid.cells).normal(size=(grid.cells, values)).astype(np.float32)


def feeds_of(model: Any, grid: Grid) -> dict[str, Any]:
    """What the vision graph is told of a picture, whichever model's it is."""
    entries, weights = grids.bilinear_taps(grid, TABLE, MERGE)
    order, numbers = grids.windows([grid], MERGE, 32 // MERGE // model.visual.config.patch_size)
    return {
        "pixels": pixels_of(model, grid),
        "patch_positions": grids.positions(grid, MERGE),
        "taps": entries,
        "tap_weights": weights,
        "window_order": order,
        "windows": numbers,
    }


@torch.no_grad()
def features(model: Any, grid: Grid) -> Any:
    """transformers' own, all levels of them."""
    got = model.visual(torch.from_numpy(pixels_of(model, grid)), grid_thw=torch.tensor([[1, *grid]]))
    return torch.stack([got.pooler_output, *getattr(got, "deepstack_features", [])]).numpy()


GRIDS = [Grid(2, 2), Grid(4, 6), Grid(8, 4), Grid(10, 14), Grid(2, 40), Grid(24, 22)]


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"{grid.rows}x{grid.columns}")
def test_pictures_have_transformers_embeddings(models, vision, grid):
    got = vision.run(**feeds_of(models[0], grid))
    np.testing.assert_allclose(got, features(models[0], grid), atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "half", "tolerance"), FUSED[1:])
def test_so_they_have_in_other_graphs(models, provider, half, tolerance):
    graph = vision_graph(models[1].vision, provider, half)
    for grid in GRIDS[1:4]:
        np.testing.assert_allclose(
            graph.run(**feeds_of(models[0], grid)), features(models[0], grid), atol=tolerance, rtol=tolerance
        )


def test_the_graph_takes_pictures_of_any_size(models, vision):
    assert all(shape[0] in {"patches", "merged_patches"} for shape in vision.inputs.values())
    assert vision.outputs == {"image_embeddings": [models[1].vision.levels, "rows", 64]}


PEAK = """
import re, sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
session.run(None, dict(np.load(sys.argv[2])))
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak memory from /proc")
def test_large_pictures_take_little_memory(models, vision, tmp_path):
    """The scores of one layer at 12,000 patches, 2 heads, would take 1,099 MiB."""
    save(convert_vision(models[1].vision, "cpu"), tmp_path / "vision.onnx")
    feeds = feeds_of(models[0], Grid(120, 100))
    np.savez(tmp_path / "feeds.npz", **{name: feeds[name] for name in vision.inputs})
    command = [sys.executable, "-c", PEAK, str(tmp_path / "vision.onnx"), str(tmp_path / "feeds.npz")]
    peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1024
    assert peak < 450, peak


class Prompts:
    """Prompts of a batch, padded on the right, with the pictures of each row."""

    def __init__(self, pictures: list[list[Grid]]) -> None:
        random = np.random.default_rng(sum(map(len, pictures)) + len(pictures))
        prompts = []
        for row in pictures:
            ids = [*random.integers(0, 280, 3)]
            for grid in row:
                tokens = grid.cells // MERGE**2
                ids += [START, *[IMAGE] * tokens, END, *random.integers(0, 280, random.integers(0, 4))]
            prompts.append([*ids, *random.integers(0, 280, 2)])
        self.grids = [grid for row in pictures for grid in row]
        shape = len(prompts), max(map(len, prompts))
        self.ids, self.mask, self.image_rows = (np.zeros(shape, np.int64) for _ in range(3))
        self.positions = np.zeros((3, *shape), np.int64)
        next_row = 1
        for row, ids in enumerate(prompts):
            self.ids[row, : len(ids)] = ids
            self.mask[row, : len(ids)] = 1
            is_image = np.array(ids) == IMAGE
            self.positions[:, row, : len(ids)] = grids.token_positions(is_image, pictures[row], MERGE)
            tokens = int(is_image.sum())
            self.image_rows[row, : len(ids)][is_image] = np.arange(next_row, next_row + tokens)
            next_row += tokens

    def feeds(self, model: Any, vision: Any, levels: int) -> dict[str, Any]:
        """What the text graph is fed, a table of the vision graph's outputs with it; row 0 is no picture's."""
        tables = [vision.run(**feeds_of(model, grid)) for grid in self.grids]
        return {
            "input_ids": self.ids,
            "attention_mask": self.mask,
            "positions": self.positions,
            "image_rows": self.image_rows,
            "image_embeddings": np.concatenate([np.full((levels, 1, 64), 9, np.float32), *tables], axis=1),
            "past": np.zeros((TEXT["num_hidden_layers"], 2, 1, 0, 32), np.float32),
        }

    @torch.no_grad()
    def wanted(self, model: Any) -> Any:
        """The states that transformers' whole model gives."""
        ids, mask = torch.from_numpy(self.ids), torch.from_numpy(self.mask)
        pictures: dict[str, Any] = {}
        if self.grids:
            pictures = {
                "pixel_values": torch.from_numpy(np.concatenate([pixels_of(model, grid) for grid in self.grids])),
                "image_grid_thw": torch.tensor([[1, *grid] for grid in self.grids]),
                "mm_token_type_ids": (ids == IMAGE).int(),
            }
        model.rope_deltas = None
        return model(input_ids=ids, attention_mask=mask, use_cache=False, **pictures).last_hidden_state.numpy()


SMALL, WIDE, TALL = Grid(4, 6), Grid(2, 12), Grid(8, 4)
BATCHES = [
    [[SMALL]],
    [[]],
    [[], []],
    [[SMALL], [WIDE, TALL]],
    [[], [TALL], [SMALL, WIDE], [Grid(2, 2), SMALL, TALL]],
    [[Grid(20, 24)], []],
]


@pytest.mark.parametrize("pictures", BATCHES, ids=str)
def test_prompts_have_transformers_states(models, vision, text, pictures):
    prompts = Prompts(pictures)
    got = text.run(**prompts.feeds(models[0], vision, models[1].vision.levels))
    attended = prompts.mask.astype(bool)
    np.testing.assert_allclose(got[attended], prompts.wanted(models[0])[attended], atol=2e-5)


def test_the_text_graph_takes_a_table_of_any_length(models, text):
    assert text.inputs["image_embeddings"] == [models[1].text.levels, "rows", 64]
    assert text.inputs["image_rows"] == ["batch", "tokens"]
    assert text.inputs["positions"] == [3, "batch", "tokens"]


def test_prompts_do_not_depend_on_their_neighbours(models, vision, text):
    prompts = Prompts([[SMALL], [WIDE, TALL], []])
    feeds = prompts.feeds(models[0], vision, models[1].vision.levels)
    together = text.run(**feeds)
    for row, length in enumerate(prompts.mask.sum(axis=1)):
        own = {name: feeds[name][row : row + 1, :length] for name in ("input_ids", "attention_mask", "image_rows")}
        alone = text.run(**feeds | own | {"positions": feeds["positions"][:, row : row + 1, :length]})
        np.testing.assert_allclose(together[row, :length], alone[0], atol=1e-5)


@pytest.mark.parametrize("begin", [2, 9, 14], ids=["before the picture", "within it", "after it"])
def test_a_prompt_may_begin_in_the_past(models, vision, text, begin):
    """Positions say where a token is, whatever is past."""
    feeds = Prompts([[Grid(4, 8), SMALL]]).feeds(models[0], vision, models[1].vision.levels)
    parts = []
    for part in (slice(None, begin), slice(begin, None)):
        own = {name: feeds[name][..., part] for name in ("input_ids", "attention_mask", "image_rows", "positions")}
        made = text.run_all(**feeds | own)
        parts.append(made["token_embeddings"])
        feeds["past"] = made["present"]
    whole = text.run(**Prompts([[Grid(4, 8), SMALL]]).feeds(models[0], vision, models[1].vision.levels))
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=2e-5)


@pytest.mark.slow
def test_a_table_is_float32_in_half_precision(models, vision):
    body = models[1].text
    half = text_graph(body, [*body.inputs, "past"], "fp16")
    assert half.types["image_embeddings"] == "tensor(float)"
    assert half.types["past"] == "tensor(float16)"
    prompts = Prompts([[SMALL], [WIDE, TALL], []])
    feeds = prompts.feeds(models[0], vision, models[1].vision.levels)
    got = half.run(**feeds | {"past": feeds["past"].astype(np.float16)})
    attended = prompts.mask.astype(bool)
    np.testing.assert_allclose(got[attended], prompts.wanted(models[0])[attended], atol=2e-2)


@pytest.mark.slow
def test_a_graph_of_onnxs_own_operators_has_no_past(models, vision):
    body = models[1].text
    inputs = ["input_ids", "attention_mask", *body.inputs, "past"]
    plain = Graph(Converter(Network(body), [], LATE_INTERACTION, inputs).plain("fp32"))
    assert set(plain.inputs) == set(inputs) - {"past"}
    prompts = Prompts([[SMALL], [WIDE, TALL], []])
    got = plain.run(**prompts.feeds(models[0], vision, models[1].vision.levels))
    attended = prompts.mask.astype(bool)
    np.testing.assert_allclose(got[attended], prompts.wanted(models[0])[attended], atol=2e-5)
