"""CLIP and SigLIP, split: each tower gives what transformers' model gives."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

from export.tracing.towers.convert import convert_vision
from export.tracing.towers.split import split

from .graphs import FUSED, filled, text_graph, vision_graph

LAYERS = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 3}
TEXT = LAYERS | {"vocab_size": 300, "max_position_embeddings": 77}
# Six pixels are left over at the right and at the bottom, as in google/siglip-so400m-patch14-384.
VISION = LAYERS | {"image_size": 70, "patch_size": 16}


def clip() -> Any:
    text = TEXT | {"bos_token_id": 298, "eos_token_id": 299, "pad_token_id": 299}
    return filled(CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=20)))


def siglip() -> Any:
    special = {"bos_token_id": 298, "eos_token_id": 299, "pad_token_id": 299}
    return filled(SiglipModel(SiglipConfig(text_config=TEXT | special, vision_config=VISION)))


@pytest.fixture(scope="module", params=[clip, siglip])
def models(request):
    """A model, and its towers made of another one with the same weights."""
    model = request.param()
    return model, split(copy.deepcopy(model))


@pytest.fixture(scope="module")
def vision(models):
    return vision_graph(models[1].vision)


@pytest.fixture(scope="module")
def text(models):
    return text_graph(models[1].text)


def pixels(pictures: int) -> torch.Tensor:
    return torch.randn(pictures, 3, 70, 70, generator=torch.Generator().manual_seed(pictures))


@torch.no_grad()
def features(model: Any, pictures: torch.Tensor) -> Any:
    return model.get_image_features(pixel_values=pictures).pooler_output.numpy()


@pytest.mark.parametrize("pictures", [1, 2, 3, 5, 8])
def test_pictures_have_transformers_embeddings(models, vision, pictures):
    given = pixels(pictures)
    np.testing.assert_allclose(vision.run(pixels=given), features(models[0], given), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "half", "tolerance"), FUSED[1:])
def test_so_they_have_in_other_graphs(models, provider, half, tolerance):
    graph = vision_graph(models[1].vision, provider, half)
    given = pixels(3)
    np.testing.assert_allclose(graph.run(pixels=given), features(models[0], given), atol=tolerance)


def test_the_graph_takes_any_number_of_pictures(models, vision):
    assert vision.inputs == {"pixels": ["pictures", 3, 70, 70]}
    assert list(vision.outputs) == ["embeddings"]
    assert vision.outputs["embeddings"][0] == "pictures"


def test_the_last_layer_of_clip_is_for_the_token_that_is_projected():
    graph = convert_vision(split(clip()).vision, "cpu").graph
    queries = [node.inputs[0] for node in graph if node.op_type == "MultiHeadAttention"]
    assert [str(query.shape[1]) for query in queries] == ["17", "1"]


def test_pictures_do_not_depend_on_their_neighbours(vision):
    given = pixels(4)
    alone = np.concatenate([vision.run(pixels=picture[None]) for picture in given])
    np.testing.assert_allclose(vision.run(pixels=given), alone, atol=1e-5)


@pytest.mark.parametrize("lengths", [[1], [5], [11, 6], [20, 20, 3], [77, 64]])
def test_texts_have_transformers_states(models, text, lengths):
    generator = torch.Generator().manual_seed(sum(lengths))
    ids = torch.randint(0, 298, (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    with torch.no_grad():
        wanted = models[0].text_model(input_ids=ids, attention_mask=mask).last_hidden_state.numpy()
    got = text.run(input_ids=ids, attention_mask=mask)
    attended = mask.bool().numpy()
    np.testing.assert_allclose(got[attended], wanted[attended], atol=1e-5)


@pytest.mark.slow
def test_so_they_have_in_half_precision(models):
    half = text_graph(models[1].text, precision="fp16")
    ids = torch.randint(0, 298, (2, 12), generator=torch.Generator().manual_seed(0))
    lengths = np.array([12, 7])
    mask = torch.from_numpy((np.arange(12) < lengths[:, None]).astype(np.int64))
    places = np.arange(3) * 12
    key_lengths = np.concatenate([lengths, places, places]).astype(np.int32)
    with torch.no_grad():
        wanted = models[0].text_model(input_ids=ids, attention_mask=mask).last_hidden_state.numpy()
    got = half.run(input_ids=ids, attention_mask=mask, key_lengths=key_lengths)
    attended = mask.bool().numpy()
    np.testing.assert_allclose(got[attended], wanted[attended], atol=2e-2)


def test_a_run_of_the_longest_texts_has_room_for_its_padding(models, text):
    ids = torch.randint(0, 298, (2, 80), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(80) < torch.tensor([77, 70])[:, None]).long()
    with torch.no_grad():
        wanted = models[0].text_model(input_ids=ids[:, :77], attention_mask=mask[:, :77]).last_hidden_state.numpy()
    got = text.run(input_ids=ids, attention_mask=mask)[:, :77]
    attended = mask[:, :77].bool().numpy()
    np.testing.assert_allclose(got[attended], wanted[attended], atol=1e-5)


def test_only_clips_texts_are_read_from_left_to_right(models, text):
    ids = torch.arange(1, 13)[None]
    changed = ids.clone()
    changed[0, -1] = 200
    ones = torch.ones_like(ids)
    difference = text.run(input_ids=ids, attention_mask=ones) - text.run(input_ids=changed, attention_mask=ones)
    assert (np.abs(difference[0, :-1]).max() < 1e-5) == (models[0].config.model_type == "clip")
