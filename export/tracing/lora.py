"""Puts jina-embeddings-v3's adapters into its body, which then serves every task: each row of a batch names its own.

An adapted weight is W + s·B·A for a linear layer and W + s·A·B for an embedding, with s = lora_alpha / lora_rank
(the authors' modeling_lora.py). Here the rank-r product is applied to the states instead, x·W + (x·A)·B·s, so that one
graph holds W once.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..checkpoint.weights import read_tensors
from ..errors import ExportError

RENAMED = {r"\.parametrizations\.weight\.original$": ".weight"}
"""How the weights that adapters change are named in the checkpoint, to how they are named without."""

_FIRST, _SECOND = (f".parametrizations.weight.0.lora_{factor}" for factor in "AB")
# The end of a name in the checkpoint, and of the modules it adapts: QKV is one layer there and three here.
_MODULES = {
    "mixer.Wqkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "mixer.out_proj": ("self_attn.o_proj",),
    "mlp.fc1": ("mlp.fc1",),
    "mlp.fc2": ("mlp.fc2",),
}


def is_factor(name: str) -> bool:
    """Whether a weight of the checkpoint belongs to its adapters."""
    return name.endswith((_FIRST, _SECOND))


class _Chosen:
    """The adapter of each row, for the layers to see while the body runs: its forward does not hand it on."""

    rows: Tensor


class AdaptedBody(PreTrainedModel):
    """The body with one more input, `adapter`: int64 `[batch]`, indices into `lora_adaptations`."""

    # The body has settled how it attends; this keeps PreTrainedModel from settling it again.
    _supports_sdpa = _supports_flash_attn = _supports_attention_backend = True

    def __init__(self, body: PreTrainedModel, factors: dict[str, tuple[Tensor, Tensor]]) -> None:
        """`factors` are float32 A and B·s of the modules named: `[tasks, in, rank]`, `[tasks, rank, out]`."""
        super().__init__(body.config)
        self.body = body
        self._chosen = _Chosen()
        for name, (first, second) in factors.items():
            body.set_submodule(name, _Adapted(body.get_submodule(name), first, second, self._chosen))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, adapter: Tensor, **inputs: Tensor) -> Any:
        self._chosen.rows = adapter
        try:
            return self.body(input_ids=input_ids, attention_mask=attention_mask, **inputs)
        finally:
            del self._chosen.rows


class _Adapted(nn.Module):
    """A linear layer or an embedding, with what the chosen adapters add to it."""

    def __init__(self, layer: nn.Module, first: Tensor, second: Tensor, chosen: _Chosen) -> None:
        super().__init__()
        self.layer = layer
        self.first = nn.Parameter(first)
        self.second = nn.Parameter(second)
        self._chosen = chosen

    def forward(self, inputs: Tensor) -> Tensor:
        rows = self._chosen.rows
        of_embedding = isinstance(self.layer, nn.Embedding)
        low = self.first[rows.unsqueeze(1), inputs] if of_embedding else inputs @ self.first[rows]
        plain: Tensor = self.layer(inputs)
        return plain + low @ self.second[rows]


def adapted(body: PreTrainedModel, folder: Path) -> AdaptedBody:
    """The body with the adapters of the checkpoint in `folder`. Raises `ExportError` where it has none."""
    factors: dict[str, tuple[Tensor, Tensor]] = {}
    stored = {name: torch.from_numpy(factor) for name, factor in read_tensors(folder, is_factor).items()}
    scale = body.config.lora_alpha / body.config.lora_rank
    for name, first in stored.items():
        if not name.endswith(_FIRST):
            continue
        layer = name.removesuffix(_FIRST)
        second = stored[layer + _SECOND] * scale
        layer = layer.removeprefix("roberta.").replace("encoder.layers.", "layers.")
        if layer.startswith("embeddings."):
            factors[layer] = first, second
        elif not layer.startswith("pooler."):
            factors |= _linear(layer, first, second)
    if not factors:
        raise ExportError(f"{folder} has no weights of the adapters that its config.json lists (lora_adaptations).")
    return AdaptedBody(body, factors)


def _linear(name: str, first: Tensor, second: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    block, kind, layer = name.rsplit(".", 2)
    modules = _MODULES[f"{kind}.{layer}"]
    parts = second.chunk(len(modules), dim=1)
    return {
        f"{block}.{module}": (first.transpose(1, 2), part.transpose(1, 2))
        for module, part in zip(modules, parts, strict=True)
    }
