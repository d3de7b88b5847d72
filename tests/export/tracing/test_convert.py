"""What a conversion to half precision keeps."""

import copy

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from transformers import Gemma3TextConfig, Gemma3TextModel, GemmaConfig, GemmaModel, LlamaConfig, LlamaModel

from engine.score_types import LATE_INTERACTION
from export.tracing.convert import Converter, halved
from export.tracing.network import STATES, Network


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


@pytest.mark.slow
@pytest.mark.parametrize(("config", "body"), [(GemmaConfig, GemmaModel), (Gemma3TextConfig, Gemma3TextModel)])
def test_normalisations_in_float32_are_taken_along(config, body):
    """Gemma's, whose scales are no numbers of float16."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 32}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    network = Network(body(config(vocab_size=99, use_cache=False, **sizes, **heads)).eval())
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=0.1)
    graph = Converter(network, [], LATE_INTERACTION, ["input_ids", "attention_mask"]).convert("fp16", [])
    session = onnxruntime.InferenceSession(ir.to_proto(graph).SerializeToString(), providers=["CPUExecutionProvider"])
    ids = torch.arange(12)[None]
    feeds = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        wanted = network(**feeds)[STATES].numpy()
    (got,) = session.run(None, {name: tensor.numpy() for name, tensor in feeds.items()})
    np.testing.assert_allclose(got, wanted, atol=2e-2)
