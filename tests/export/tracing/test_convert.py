"""What a conversion to half precision keeps."""

import copy

import torch
from transformers import LlamaConfig, LlamaModel

from export.tracing.convert import halved
from export.tracing.network import Network


def test_positions_are_exact_in_half_precision():
    """Far into a text, a frequency of rotary embeddings rounded to float16 would be another position's."""
    config = LlamaConfig(
        vocab_size=99, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=1
    )
    network = Network(LlamaModel(config).eval())
    rounded = copy.deepcopy(network).half()
    positions = torch.tensor([[8191]])
    exact, kept, lost = (
        module.body.rotary_emb(torch.zeros(1, dtype=module.dtype), positions)[0].float()
        for module in (network, halved(network), rounded)
    )
    assert (kept - exact).abs().max() < 1e-3 < 0.1 < (lost - exact).abs().max()
