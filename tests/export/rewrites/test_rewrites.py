"""Rewrites of graphs: the exact ones change no value, the 8-bit ones cannot saturate."""

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from transformers import AutoTokenizer

from checkpoints import tiny
from engine import CROSS_ENCODER
from export.checkpoint.files import open_checkpoint
from export.graph import multiple, save
from export.precisions import PRECISIONS
from export.recognition.recognise import recognise
from export.rewrites.biases import fold_biases
from export.rewrites.order import simplify
from export.rewrites.quantize import quantize_rows, quantize_weight
from export.rewrites.ranges import channel_ranges
from export.tracing.convert import Converter
from export.tracing.network import STATES, Network, load_network

weights = arrays.arrays(
    np.float32, st.tuples(st.integers(2, 40), st.integers(1, 8)), elements=st.floats(-4, 4, width=32)
)


@given(weights)
def test_weights_keep_within_half_a_step_and_neighbours_within_16_bits(weight):
    integers, scale = quantize_weight(weight)
    assert np.abs(integers * scale - weight).max() <= scale.max() / 2 + 1e-6
    pairs = integers[: len(integers) // 2 * 2].astype(np.int32)
    assert np.abs(pairs[::2] + pairs[1::2]).max() * 255 <= 2**15 - 1


@given(weights)
def test_rows_keep_within_half_a_step(table):
    integers, scale = quantize_rows(table)
    assert (np.abs(integers * scale - table) <= scale / 2 + 1e-6).all()


def test_the_integer_product_is_exact_at_its_extremes(tmp_path):
    """On a processor without VNNI, full 8-bit weights would saturate here."""
    random = np.random.default_rng(0)
    weight = np.repeat(random.uniform(0.5, 1, (192, 48)).astype(np.float32), 2, axis=0)
    integers, _ = quantize_weight(weight)
    activations = random.choice(np.array([0, 255], np.uint8), (33, 384))
    x = ir.Value(name="x", shape=ir.Shape([33, 384]), type=ir.TensorType(ir.DataType.UINT8))
    w = ir.Value(name="w", const_value=ir.tensor(integers))
    product = ir.node("MatMulInteger", [x, w])
    product.outputs[0].name = "y"
    product.outputs[0].type = ir.TensorType(ir.DataType.INT32)
    graph = ir.Graph([x], product.outputs, nodes=[product], initializers=[w], opset_imports={"": 20})
    save(ir.Model(graph, ir_version=10), tmp_path / "product.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "product.onnx", providers=["CPUExecutionProvider"])
    got = session.run(None, {"x": activations})[0]
    np.testing.assert_array_equal(got, activations.astype(np.int32) @ integers.astype(np.int32))


def test_ranges_are_a_channels_extremes_over_all_samples():
    x = ir.Value(name="x", shape=ir.Shape(["batch", "tokens", 3]), type=ir.TensorType(ir.DataType.FLOAT))
    half = ir.Value(name="half", const_value=ir.tensor(np.float32(0.5)))
    product = ir.node("Mul", [x, half])
    product.outputs[0].name, product.outputs[0].type, product.outputs[0].shape = "y", x.type, x.shape
    graph = ir.Graph([x], product.outputs, nodes=[product], initializers=[half], opset_imports={"": 20})
    random = np.random.default_rng(0)
    samples = [random.normal(size=(1, tokens, 3)).astype(np.float32) for tokens in (5, 9)]
    ranges = channel_ranges(ir.Model(graph, ir_version=10), product.outputs, [{"x": sample} for sample in samples])
    rows = np.concatenate(samples, axis=1)[0] / 2
    np.testing.assert_array_equal(ranges[product.outputs[0]].lowest, rows.min(axis=0))
    np.testing.assert_array_equal(ranges[product.outputs[0]].highest, rows.max(axis=0))
    np.testing.assert_array_equal(ranges[product.outputs[0]].magnitudes, np.abs(rows).max(axis=0))


@pytest.mark.slow
def test_rewriting_changes_no_score_and_computes_the_last_layer_for_the_first_token(tmp_path, monkeypatch):
    checkpoint = open_checkpoint(str(tiny.build("bert", tmp_path / "tiny", num_hidden_layers=2)), None, {}, False)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder)
    network = load_network(checkpoint, recognise(checkpoint)).network
    monkeypatch.setattr("export.rewrites.order.simplify", lambda model, provider: model)
    monkeypatch.setattr("export.rewrites.order.fold_biases", lambda model: model)
    traced = Converter(network, [], CROSS_ENCODER, ["input_ids", "attention_mask", "token_type_ids"]).convert(
        "fp32", []
    )
    save(traced, tmp_path / "traced.onnx")
    simplified = fold_biases(simplify(traced, "cpu"))
    save(simplified, tmp_path / "simplified.onnx")
    operators = [node.op_type for node in simplified.graph]
    assert "SkipLayerNormalization" not in operators
    assert "Reshape" not in operators
    queries = [node.inputs[0].shape[1] for node in simplified.graph if node.op_type == "ShortAttention"]
    assert queries[-1] == 1
    assert queries[0] != 1
    # Of a layer's biases, those of queries and values are added, and the others are where that costs nothing.
    additions = [node for node in simplified.graph if node.op_type == "Add" and node.inputs[1].const_value is not None]
    readers = [reader.op_type for node in additions for reader in node.outputs[0].consumers()]
    assert readers == ["ShortAttention"] * 4, [node.inputs[1].name for node in additions]

    feeds = dict(tokenizer(["what is a list", "x"], ["a list is mutable", "y z"], padding=True, return_tensors="np"))
    logits = [
        onnxruntime.InferenceSession(tmp_path / name, providers=["CPUExecutionProvider"]).run(None, feeds)[0]
        for name in ("traced.onnx", "simplified.onnx")
    ]
    np.testing.assert_allclose(logits[1], logits[0], atol=1e-5)


@pytest.mark.slow
def test_on_a_gpu_lengths_mask_and_the_last_layer_is_for_the_first_token(tmp_path):
    """What has no bias on its scores has ONNX Runtime's fast kernels at any length."""
    checkpoint = open_checkpoint(str(tiny.build("bert", tmp_path / "tiny", num_hidden_layers=2)), None, {}, False)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder)
    network = load_network(checkpoint, recognise(checkpoint)).network
    graph = Converter(network, [], CROSS_ENCODER, ["input_ids", "attention_mask", "token_type_ids"]).convert("fp16", [])
    attentions = [node for node in graph.graph if node.op_type == "MultiHeadAttention"]
    assert [len(node.inputs) for node in attentions] == [5, 5]
    assert [node.inputs[4].name for node in attentions] == ["key_lengths", "first_key_lengths"]
    assert [value.name for value in graph.graph.inputs] == [
        "input_ids",
        "token_type_ids",
        "key_lengths",
        "first_key_lengths",
    ]
    assert attentions[1].inputs[0].shape[1] == 1
    assert multiple(graph) == 1
    save(graph, tmp_path / "graph.onnx")
    feeds = dict(tokenizer(["what is a list", "x"], ["a list is mutable", "y z"], padding=True, return_tensors="np"))
    lengths, places, width = feeds["attention_mask"].sum(axis=1), np.arange(3), feeds["attention_mask"].shape[1]
    assert lengths[1] < lengths[0] == width
    told = {
        "key_lengths": np.concatenate([lengths, places * width, places * width]).astype(np.int32),
        "first_key_lengths": np.concatenate([lengths, places, places * width]).astype(np.int32),
    }
    session = onnxruntime.InferenceSession(tmp_path / "graph.onnx", providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {name: feeds[name] for name in ("input_ids", "token_type_ids")} | told)
    with torch.no_grad():
        want = network(**{name: torch.from_numpy(array) for name, array in feeds.items()})["logits"].numpy()
    np.testing.assert_allclose(got, want, atol=PRECISIONS["fp16"].limit.max_abs_error)


@pytest.mark.parametrize(
    ("family", "settings", "causal"),
    [
        ("Gemma", {"head_dim": 16}, True),
        ("Qwen3", {}, True),
        ("Mistral", {"sliding_window": 6}, True),
        ("Qwen2", {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1}, True),
        ("Lfm2", {"layer_types": ["conv", "full_attention"]}, False),
        ("Bert", {}, False),
    ],
)
def test_a_past_stands_for_the_tokens_it_was_made_of(family, settings, causal):
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = getattr(transformers, f"{family}Config")(vocab_size=100, num_key_value_heads=2, **sizes, **settings)
    torch.manual_seed(0)
    body = getattr(transformers, f"{family}Model")(config).eval()
    network = Network(body)
    assert network.is_causal == causal
    if causal:
        ids = torch.randint(1, 100, (2, 30))
        ids[1, :20] = ids[0, :20]
        mask = torch.ones_like(ids)
        mask[1, 25:] = 0
        with torch.no_grad():
            whole = network(ids, mask)[STATES][:, 20:]
            outputs = network(ids[:, 20:], mask[:, 20:], past=network.past_of(ids[:1, :20]))
        seen = mask[:, 20:].bool()
        torch.testing.assert_close(outputs[STATES][seen], whole[seen], atol=1e-5, rtol=0)
        torch.testing.assert_close(outputs["present"], network.past_of(ids[:1]), atol=1e-5, rtol=0)
