"""Defines Llama-Nemotron-VL, which transformers has no class for: SigLIP, a projector and a bidirectional Llama.

After the authors' own code: `nemo_automodel/components/models/llama_nemotron_vl/model.py` in
https://github.com/NVIDIA-NeMo/Automodel, the same as in their checkpoints.
"""

from typing import Any

from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import (
    LlamaConfig,
    LlamaModel,
    PreTrainedConfig,
    PreTrainedModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)
from transformers.configuration_utils import SubConfigSpec


@strict
class LlamaNemotronVLConfig(PreTrainedConfig):
    """`vision_config` of `siglip_vision_model` and `text_config`, the checkpoints' `llm_config`, of `llama`.

    `downsample_ratio` is what pixel shuffle leaves of a side: 0.5 makes one row of the table of 2 x 2 patches.
    """

    model_type = "llama_nemotron_vl"
    sub_configs_defaults = {  # noqa: RUF012 - as transformers' own configurations are written
        "vision_config": SubConfigSpec(config_class=SiglipVisionConfig),
        "text_config": SubConfigSpec(config_class=LlamaConfig),
    }

    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    text_config: dict[str, Any] | PreTrainedConfig | None = None
    downsample_ratio: float = 0.5


class LlamaNemotronVLModel(PreTrainedModel):
    """The parts with their weights, under the names of checkpoints: it is split, and has no forward of its own."""

    config_class = LlamaNemotronVLConfig
    base_model_prefix = "model"
    _supports_sdpa = _supports_flash_attn = _supports_attention_backend = True

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        vision, text = config.vision_config, config.text_config
        self.vision_model = SiglipVisionModel(vision)
        self.language_model = LlamaModel(text)
        width = vision.hidden_size * round(1 / config.downsample_ratio) ** 2
        self.mlp1 = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, text.hidden_size),
            nn.GELU(),
            nn.Linear(text.hidden_size, text.hidden_size),
        )
        self.post_init()


class ShuffledProjector(nn.Module):
    """Puts the patches of each `merge x merge` square side by side (pixel shuffle, version 2), and projects them."""

    def __init__(self, model: LlamaNemotronVLModel) -> None:
        super().__init__()
        self.merge = round(1 / model.config.downsample_ratio)
        self.mlp = model.mlp1

    def forward(self, states: Tensor) -> Tensor:
        """`[tiles, patches, dim]` to `[tiles, patches / merge ** 2, text dim]`."""
        tiles, patches, dim = states.shape
        side, merge = round(patches**0.5) // self.merge, self.merge
        squares = states.reshape(tiles, side, merge, side, merge, dim).transpose(2, 3)
        projected: Tensor = self.mlp(squares.reshape(tiles, side * side, merge * merge * dim))
        return projected
