"""PaliGemma, ModernVBERT and Llama-Nemotron-VL, split: two graphs together give what the whole model gives."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from transformers import ModernVBertConfig, ModernVBertModel, PaliGemmaConfig, PaliGemmaModel

from export.errors import ExportError
from export.tracing.towers.nemotron import LlamaNemotronVLConfig, LlamaNemotronVLModel
from export.tracing.towers.split import split

from .graphs import FUSED, filled, text_graph, vision_graph

IMAGE = 290
SIZE = 64
TEXT = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 1024,
}
VISION = {
    "model_type": "siglip_vision_model",
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIZE,
    "patch_size": 16,
    "vision_use_head": False,
}


def paligemma() -> Any:
    # The id of placeholders is past the vocabulary, as that of some is.
    text = TEXT | {"model_type": "gemma", "head_dim": 32, "vocab_size": 285, "num_image_tokens": 16}
    vision = VISION | {"projection_dim": 64}
    config = PaliGemmaConfig(
        text_config=text, vision_config=vision, image_token_index=IMAGE, projection_dim=64, hidden_size=64
    )
    return filled(PaliGemmaModel(config))


def modernvbert() -> Any:
    special = {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}
    text = TEXT | special | {"model_type": "modernbert", "num_hidden_layers": 4, "local_attention": 16}
    config = ModernVBertConfig(text_config=text, vision_config=VISION, image_token_id=IMAGE, pixel_shuffle_factor=2)
    return filled(ModernVBertModel(config))


def nemotron() -> Any:
    text = TEXT | {"bos_token_id": 1, "eos_token_id": 2}
    return filled(LlamaNemotronVLModel(LlamaNemotronVLConfig(vision_config=VISION, text_config=text)))


@torch.no_grad()
def paligemma_features(model: Any, pixels: torch.Tensor) -> Any:
    return model.get_image_features(pixels).pooler_output.flatten(0, 1)


@torch.no_grad()
def modernvbert_features(model: Any, pixels: torch.Tensor) -> Any:
    return torch.cat(model.get_image_features(pixels[:, None]).pooler_output)


@torch.no_grad()
def nemotron_features(model: Any, pixels: torch.Tensor) -> Any:
    """As the authors' own code computes them, step by step."""
    states = model.vision_model(pixels).last_hidden_state
    tiles, patches, dim = states.shape
    side = int(patches**0.5)
    states = states.view(tiles, side, side // 2, dim * 2).permute(0, 2, 1, 3).contiguous()
    states = states.view(tiles, side // 2, side // 2, dim * 4).permute(0, 2, 1, 3).contiguous()
    return model.mlp1(states.view(tiles, -1, dim * 4)).flatten(0, 1)


@torch.no_grad()
def paligemma_states(model: Any, ids: torch.Tensor, mask: torch.Tensor, pixels: list[torch.Tensor]) -> Any:
    pictures = {"pixel_values": torch.cat(pixels)} if len(torch.cat(pixels)) else {}
    kinds = torch.zeros_like(ids)
    return model(input_ids=ids, attention_mask=mask, token_type_ids=kinds, **pictures).last_hidden_state


@torch.no_grad()
def modernvbert_states(model: Any, ids: torch.Tensor, mask: torch.Tensor, pixels: list[torch.Tensor]) -> Any:
    most = max(map(len, pixels))
    padded = [torch.cat([tiles, torch.zeros(most - len(tiles), 3, SIZE, SIZE)]) for tiles in pixels]
    pictures = {"pixel_values": torch.stack(padded)} if most else {}
    return model(input_ids=ids, attention_mask=mask, **pictures).last_hidden_state


@torch.no_grad()
def nemotron_states(model: Any, ids: torch.Tensor, mask: torch.Tensor, pixels: list[torch.Tensor]) -> Any:
    """Each prompt by itself, so that all that the Llama is told is to mask nothing."""
    states = torch.zeros(*ids.shape, 64)
    for row, tokens in enumerate(mask.sum(1).tolist()):
        embedded = model.language_model.embed_tokens(ids[row, :tokens])
        is_image = ids[row, :tokens] == IMAGE
        if is_image.any():
            embedded[is_image] = nemotron_features(model, pixels[row])
        nothing = torch.zeros(1, 1, tokens, tokens)
        made = model.language_model(inputs_embeds=embedded[None], attention_mask=nothing, use_cache=False)
        states[row, :tokens] = made.last_hidden_state[0]
    return states


@dataclass(frozen=True)
class Whole:
    """A model that is not split, the rows of its table for a picture, and how it gives these and its states."""

    model: Any
    rows: int
    features: Any
    states: Any


FAMILIES = {
    "paligemma": (paligemma, 16, paligemma_features, paligemma_states),
    "modernvbert": (modernvbert, 4, modernvbert_features, modernvbert_states),
    "nemotron": (nemotron, 4, nemotron_features, nemotron_states),
}


@pytest.fixture(scope="module", params=FAMILIES)
def whole(request):
    build, *rest = FAMILIES[request.param]
    return Whole(build(), *rest)


@pytest.fixture(scope="module")
def towers(whole):
    """Of another model with the same weights."""
    return split(copy.deepcopy(whole.model))


@pytest.fixture(scope="module")
def vision(towers):
    return vision_graph(towers.vision)


@pytest.fixture(scope="module")
def text(towers):
    return text_graph(towers.text, towers.text.inputs)


def pixels_of(pictures: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(pictures, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(10 * seed + pictures))


@pytest.mark.parametrize("pictures", [1, 2, 3, 5, 8])
def test_pictures_have_the_models_embeddings(whole, vision, pictures):
    given = pixels_of(pictures)
    got = vision.run(pixels=given)
    assert got.shape == (1, pictures * whole.rows, 64)
    np.testing.assert_allclose(got[0], whole.features(whole.model, given), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "half", "tolerance"), FUSED[1:])
def test_so_they_have_in_other_graphs(whole, towers, provider, half, tolerance):
    graph = vision_graph(towers.vision, provider, half)
    got = graph.run(pixels=pixels_of(3))
    np.testing.assert_allclose(got[0], whole.features(whole.model, pixels_of(3)), atol=tolerance, rtol=tolerance)


def test_the_graph_takes_any_number_of_pictures(vision):
    assert vision.inputs == {"pixels": ["pictures", 3, SIZE, SIZE]}
    assert vision.outputs == {"image_embeddings": [1, "rows", 64]}


class Prompts:
    """Prompts of a batch with some pictures each, padded on the right."""

    def __init__(self, pictures: list[int], rows: int) -> None:
        random = np.random.default_rng(pictures)
        prompts = []
        for number in pictures:
            ids = [1]
            for _ in range(number):
                ids += [*random.integers(3, 280, 2), *[IMAGE] * rows]
            prompts.append([*ids, *random.integers(3, 280, 1 + random.integers(0, 9))])
        shape = len(prompts), max(map(len, prompts))
        self.ids, self.mask = (np.zeros(shape, np.int64) for _ in range(2))
        for row, ids in enumerate(prompts):
            self.ids[row, : len(ids)] = ids
            self.mask[row, : len(ids)] = 1
        is_image = self.ids == IMAGE
        self.image_rows = np.where(is_image, is_image.cumsum().reshape(shape), 0)
        self.pixels = [pixels_of(number, row) for row, number in enumerate(pictures)]

    def feeds(self, vision: Any) -> dict[str, Any]:
        """What the text graph is fed, the vision graph's outputs in it; row 0 is no picture's."""
        given = torch.cat(self.pixels)
        table = [vision.run(pixels=given)] if len(given) else []
        return {
            "input_ids": self.ids,
            "attention_mask": self.mask,
            "image_rows": self.image_rows,
            "image_embeddings": np.concatenate([np.full((1, 1, 64), 9, np.float32), *table], axis=1),
        }


BATCHES = [[1], [0], [0, 0], [1, 2], [0, 1, 2, 3], [5, 0]]


@pytest.mark.parametrize("pictures", BATCHES, ids=str)
def test_prompts_have_the_models_states(whole, vision, text, pictures):
    prompts = Prompts(pictures, whole.rows)
    ids, mask = torch.from_numpy(prompts.ids), torch.from_numpy(prompts.mask)
    wanted = whole.states(whole.model, ids, mask, prompts.pixels).numpy()
    got = text.run(**prompts.feeds(vision))
    attended = prompts.mask.astype(bool)
    np.testing.assert_allclose(got[attended], wanted[attended], atol=1e-4)


def test_the_text_graph_takes_a_table_of_any_length(text):
    assert text.inputs["image_embeddings"] == [1, "rows", 64]
    assert text.inputs["image_rows"] == ["batch", "tokens"]


def test_prompts_do_not_depend_on_their_neighbours(whole, vision, text):
    prompts = Prompts([1, 2, 0], whole.rows)
    feeds = prompts.feeds(vision)
    together = text.run(**feeds)
    for row, length in enumerate(prompts.mask.sum(axis=1)):
        own = {name: feeds[name][row : row + 1, :length] for name in ("input_ids", "attention_mask", "image_rows")}
        np.testing.assert_allclose(together[row, :length], text.run(**feeds | own)[0], atol=1e-5)


@pytest.mark.slow
def test_a_table_is_float32_in_half_precision(whole, towers, vision):
    half = text_graph(towers.text, towers.text.inputs, "fp16")
    assert half.types["image_embeddings"] == "tensor(float)"
    prompts = Prompts([1, 2, 0], whole.rows)
    ids, mask = torch.from_numpy(prompts.ids), torch.from_numpy(prompts.mask)
    wanted = whole.states(whole.model, ids, mask, prompts.pixels).numpy()
    attended = prompts.mask.astype(bool)
    lengths = attended.sum(axis=1)
    places = np.arange(len(lengths) + 1) * attended.shape[1]
    key_lengths = np.concatenate([lengths, places, places]).astype(np.int32)
    got = half.run(**prompts.feeds(vision) | {"key_lengths": key_lengths})
    np.testing.assert_allclose(got[attended], wanted[attended], atol=3e-2)


def test_a_checkpoint_of_nemotron_is_loaded_by_its_own_names(tmp_path):
    """As published: a prefix for all of the body, a second one for its tower, and a head that is not the body's."""
    from safetensors.torch import save_file

    model = nemotron()
    model.config.save_pretrained(tmp_path)
    weights = {
        "model." + name.replace("vision_model.", "vision_model.vision_model."): weight.contiguous()
        for name, weight in model.state_dict().items()
    }
    save_file(weights | {"score.weight": torch.ones(1, 64)}, tmp_path / "model.safetensors", {"format": "pt"})
    loaded, report = LlamaNemotronVLModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert set(report["unexpected_keys"]) <= {"score.weight"}
    for name, weight in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight), name


def test_a_model_of_another_type_is_refused():
    class Config:
        model_type = "llava"

    class Model:
        config = Config()

    with pytest.raises(ExportError, match="cannot split a model of the type 'llava'"):
        split(Model())  # type: ignore[arg-type]
