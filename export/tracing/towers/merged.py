"""The text body of a model that reads pictures: its language model, which a table of their embeddings is given to."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from engine.artifact.artifact import IMAGE_EMBEDDINGS
from engine.runtime.feeds import IMAGE_ROWS, POSITIONS

from .rotary import AxesRotary


class MergedBody(PreTrainedModel):
    """A language model with more inputs, `[batch, tokens]` like its ids unless said otherwise.

    - `image_rows`, int64: for a token that stands for pictures its row in the table, 0 for any other.
    - `image_embeddings`, float32 `[levels, rows, dim]`: the table. Level 0 takes the place of token embeddings; level i
      is added to the states after layer i, as Qwen3-VL does ("DeepStack"). No token refers to row 0.
    - `positions`, int64 `[3, batch, tokens]`: positions in time, height and width, where `has_positions`.

    `inputs` are the names of those that it has. Without `image_rows` it is its language model. Tokens count from
    `first_position` where it is given.
    """

    # The language model has settled how it attends; this keeps PreTrainedModel from settling it again.
    _supports_sdpa = _supports_flash_attn = _supports_attention_backend = True

    def __init__(
        self,
        language_model: PreTrainedModel,
        levels: int = 1,
        has_positions: bool = False,
        first_position: int | None = None,
    ) -> None:
        super().__init__(language_model.config)
        self.language_model: Any = language_model
        self.levels = levels
        self.inputs = ([POSITIONS] if has_positions else []) + [IMAGE_ROWS, IMAGE_EMBEDDINGS]
        self.first_position = first_position
        # A graph scores whole inputs, so keys and values would be kept for nothing.
        self.config.use_cache = False
        if has_positions:
            language_model.rotary_emb = AxesRotary(language_model.rotary_emb)
        if levels > 1:
            # What is added has a row for each token here, and there is no need to look for those of pictures.
            setattr(language_model, "_deepstack_process", _add)  # noqa: B010 - its type would be Tensor | Module

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        positions: Tensor | None = None,
        image_rows: Tensor | None = None,
        image_embeddings: Tensor | None = None,
        past_key_values: DynamicCache | None = None,
    ) -> Any:
        more: dict[str, Any] = {}
        if positions is not None:
            more["position_ids"] = positions
        elif self.first_position is not None:
            more["position_ids"] = torch.arange(input_ids.shape[1])[None] + self.first_position
        if past_key_values is not None:
            more["past_key_values"] = past_key_values
        # A graph has as many levels as the tower; without this they would be traced as a size that varies.
        assert image_embeddings is None or image_embeddings.shape[0] == self.levels
        embed = self.language_model.get_input_embeddings()
        if image_rows is None or image_embeddings is None:
            return self.language_model(inputs_embeds=embed(input_ids), attention_mask=attention_mask, **more)
        is_image = image_rows > 0
        # The id of placeholders may be past the vocabulary.
        states = embed(torch.where(is_image, 0, input_ids))
        tables = (image_embeddings[level] for level in range(self.levels))
        levels = [nn.functional.embedding(image_rows, table).to(states.dtype) for table in tables]
        states, *added = [
            torch.where(is_image[..., None], level, other)
            for level, other in zip(levels, [states] + [torch.zeros_like(states)] * (self.levels - 1), strict=True)
        ]
        if added:
            more |= {"deepstack_visual_embeds": added, "visual_pos_masks": is_image}
        return self.language_model(inputs_embeds=states, attention_mask=attention_mask, **more)

    def sample(self, input_ids: Tensor) -> dict[str, Tensor]:
        """What to trace with beside ids `[batch, tokens]`: one more size, the table's rows, different from others."""
        batch, tokens = input_ids.shape
        table = torch.zeros(self.levels, 9, self.config.hidden_size)
        rows = torch.arange(batch * tokens).reshape(batch, tokens) % table.shape[1]
        positions = torch.arange(tokens).expand(3, batch, tokens).clone()
        sample = {POSITIONS: positions, IMAGE_ROWS: rows, IMAGE_EMBEDDINGS: table}
        return {name: sample[name] for name in self.inputs}


def _add(states: Tensor, is_image: Tensor, added: Tensor) -> Tensor:
    return states + added
