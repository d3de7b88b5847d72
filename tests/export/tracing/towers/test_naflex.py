"""SigLIP2 NaFlex, split: its tower gives what transformers' model gives for pictures of any size, padded or not."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Siglip2Config, Siglip2Model

from engine.images import grids, naflex
from engine.images.grids import Grid
from export.rewrites.attention_functions import BLOCK
from export.tracing.towers.split import split

from .graphs import FUSED, filled, text_graph, vision_graph

LAYERS = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 3}
SIDE, VALUES = 8, 3 * 4**2


@pytest.fixture(scope="module")
def models():
    """A model, and its towers made of another one with the same weights."""
    special = {"bos_token_id": 298, "eos_token_id": 299, "pad_token_id": 0}
    text = LAYERS | special | {"vocab_size": 300, "max_position_embeddings": 64, "projection_size": 48}
    vision = LAYERS | {"num_patches": SIDE**2, "patch_size": 4}
    model: Any = filled(Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)))
    return model, split(copy.deepcopy(model))


@pytest.fixture(scope="module")
def vision(models):
    return vision_graph(models[1].vision)


@pytest.fixture(scope="module")
def text(models):
    return text_graph(models[1].text)


def feeds_of(shapes: list[Grid], more: int = 0) -> dict[str, Any]:
    """What the vision graph takes for pictures of these shapes, and `more` patches of padding than they need."""
    random = np.random.default_rng([grid.cells for grid in shapes])
    patches = max(grid.cells for grid in shapes) + more
    pixels = [random.normal(size=(grid.cells, VALUES)).astype(np.float32) for grid in shapes]
    padded, mask = naflex.pad(pixels, patches)
    tables = [grids.antialiased(grid, SIDE) for grid in shapes]
    rows, columns = (naflex.pad([table[axis] for table in tables], patches)[0] for axis in (0, 1))
    return {"pixels": padded, "patch_mask": mask, "table_rows": rows, "table_columns": columns}


@torch.no_grad()
def features(model: Any, shapes: list[Grid], feeds: dict[str, Any]) -> Any:
    made = model.get_image_features(
        pixel_values=torch.from_numpy(feeds["pixels"]),
        pixel_attention_mask=torch.from_numpy(feeds["patch_mask"]),
        spatial_shapes=torch.tensor(shapes),
    )
    return made.pooler_output.numpy()


SHAPES = [
    [Grid(8, 8)],
    [Grid(1, 5)],
    [Grid(4, 6), Grid(5, 8)],
    [Grid(3, 7), Grid(8, 5), Grid(2, 20)],
    [Grid(16, 20), Grid(1, 1), Grid(24, 4), Grid(7, 9)],
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("more", [0, 3])
def test_pictures_have_transformers_embeddings(models, vision, shapes, more):
    feeds = feeds_of(shapes, more)
    np.testing.assert_allclose(vision.run(**feeds), features(models[0], shapes, feeds), atol=1e-5)


def test_a_picture_has_more_patches_than_a_block_of_attention():
    assert max(grid.cells for shapes in SHAPES for grid in shapes) > BLOCK


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "half", "tolerance"), FUSED[1:])
def test_so_they_have_in_other_graphs(models, provider, half, tolerance):
    graph = vision_graph(models[1].vision, provider, half)
    for shapes in SHAPES:
        feeds = feeds_of(shapes)
        np.testing.assert_allclose(graph.run(**feeds), features(models[0], shapes, feeds), atol=tolerance)


def test_the_graph_takes_any_pictures(vision):
    assert set(vision.inputs) == {"pixels", "patch_mask", "table_rows", "table_columns"}
    assert all(shape[:2] == ["pictures", "patches"] for shape in vision.inputs.values())
    assert vision.outputs == {"embeddings": ["pictures", 48]}


def test_pictures_do_not_depend_on_their_neighbours(vision):
    shapes = [Grid(4, 6), Grid(5, 8), Grid(2, 2)]
    alone = np.concatenate([vision.run(**{k: v[i : i + 1] for k, v in feeds_of(shapes).items()}) for i in range(3)])
    np.testing.assert_allclose(vision.run(**feeds_of(shapes)), alone, atol=1e-5)


@pytest.mark.parametrize("lengths", [[1], [5], [11, 6], [20, 20, 3], [64, 50]])
def test_texts_have_transformers_states(models, text, lengths):
    ids = torch.randint(0, 298, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(sum(lengths)))
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    with torch.no_grad():
        wanted = models[0].text_model(input_ids=ids, attention_mask=mask).last_hidden_state.numpy()
    attended = mask.bool().numpy()
    np.testing.assert_allclose(text.run(input_ids=ids, attention_mask=mask)[attended], wanted[attended], atol=1e-5)
