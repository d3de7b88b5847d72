"""Runs multimodal models whole, as transformers and the models' authors do: what their two graphs are held against."""

from typing import Any

import torch
from torch import Tensor

from .towers.nemotron import LlamaNemotronVLModel

Tensors = dict[str, Tensor]


def embed_apart(model: Any, tensors: Tensors) -> Tensor:
    """A text's or a picture's embedding `[dim]`, by the towers of a model that has one for each."""
    if tensors["input_ids"].numel():
        tokens = {"input_ids": tensors["input_ids"], "attention_mask": tensors["attention_mask"]}
        embedding: Tensor = model.get_text_features(**tokens).pooler_output[0]
        return embedding
    pixels = {name: tensor for name, tensor in tensors.items() if name not in ("input_ids", "attention_mask")}
    embedding = model.get_image_features(**pixels).pooler_output[0]
    return embedding


def states(model: Any, tensors: Tensors, placeholder: int) -> Tensor:
    """The last hidden states `[1, tokens, dim]` of one input with its pictures, in place of the token `placeholder`."""
    kind = model.config.model_type
    if isinstance(model, LlamaNemotronVLModel):
        return _nemotron(model, placeholder, **tensors)
    if kind == "paligemma":
        # A prompt is all prefix, whose tokens attend to each other.
        tensors = tensors | {"token_type_ids": torch.zeros_like(tensors["input_ids"])}
    elif kind.startswith("qwen") and "pixel_values" in tensors:
        is_image = tensors["input_ids"] == placeholder
        tensors = tensors | {"mm_token_type_ids": is_image.int()}
    last: Tensor = model(**tensors).last_hidden_state
    return last


def _nemotron(
    model: Any, placeholder: int, input_ids: Tensor, attention_mask: Tensor, pixel_values: Tensor | None = None
) -> Tensor:
    """As `LlamaNemotronVLModel.forward` of the authors' modeling_llama_nemotron_vl.py."""
    embeddings = model.language_model.get_input_embeddings()(input_ids)
    if pixel_values is not None:
        patches = model.vision_model(pixel_values).last_hidden_state
        tiles, count, dim = patches.shape
        side, ratio = round(count**0.5), model.config.downsample_ratio
        half = int(side * ratio)
        # Their pixel shuffle, in its second version.
        grid = patches.reshape(tiles, side, half, int(dim / ratio)).permute(0, 2, 1, 3)
        grid = grid.reshape(tiles, half, half, int(dim / ratio**2)).permute(0, 2, 1, 3)
        images = model.mlp1(grid.reshape(tiles, half * half, -1)).flatten(0, 1)
        embeddings[input_ids == placeholder] = images
    last: Tensor = model.language_model(inputs_embeds=embeddings, attention_mask=attention_mask).last_hidden_state
    return last
