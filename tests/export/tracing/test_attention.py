"""Attention in blocks: PyTorch's values at any length and mask, in memory that does not grow with the square of it."""

import functools
import json
import subprocess
import sys

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch

from checkpoints import tiny
from checkpoints.rerankers import qwen3_reranker
from export.__main__ import main
from export.graph import DOMAIN, save
from export.rewrites.attention_functions import BLOCK, define
from export.tracing.attention import as_operators

HEADS, SIZE = 3, 8
LOWEST = np.finfo(np.float32).min


def session(folder, kind, reach=None, key_heads=HEADS):
    """A graph of one attention, and of its mask where it has one."""
    inputs = {name: ir.val(name, ir.DataType.FLOAT, [None] * 3) for name in "qkv"}
    attributes = {"heads": HEADS, "key_heads": key_heads, "scale": 0.3}
    nodes = []
    if kind == "LocalAttention":
        inputs["penalty"] = ir.val("penalty", ir.DataType.FLOAT, [None] * 4)
        attributes["reach"] = reach
        nodes.append(ir.node("LocalMask", [inputs["penalty"]], {"reach": reach}, domain=DOMAIN))
    else:
        inputs["lengths"] = ir.val("lengths", ir.DataType.INT64, [None])
    masks = [node.outputs[0] for node in nodes]
    attention = ir.node(kind, [*inputs.values(), *masks], attributes, domain=DOMAIN)
    attention.outputs[0].name, attention.outputs[0].type = "y", ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph(list(inputs.values()), attention.outputs, nodes=[*nodes, attention], opset_imports={"": 20})
    save(define(ir.Model(graph, ir_version=10)), folder / "attention.onnx")
    return onnxruntime.InferenceSession(folder / "attention.onnx", providers=["CPUExecutionProvider"])


def draw(tokens, key_heads=HEADS):
    """Random states of two sequences; the second ends in padding, a long tail without any key near it."""
    random = np.random.default_rng(tokens)
    states = {
        name: random.normal(size=(2, tokens, heads * SIZE)).astype(np.float32)
        for name, heads in (("q", HEADS), ("k", key_heads), ("v", key_heads))
    }
    lengths = np.array([tokens, (tokens + 1) // 2])
    return states, lengths, np.arange(tokens) < lengths[:, None]


def pytorch(feeds, allowed):
    states = {name: torch.tensor(feeds[name]).unflatten(2, (-1, SIZE)).transpose(1, 2) for name in "qkv"}
    y = torch.nn.functional.scaled_dot_product_attention(
        states["q"], states["k"], states["v"], torch.tensor(allowed), scale=0.3, enable_gqa=True
    )
    return y.transpose(1, 2).flatten(2).numpy()


@pytest.mark.parametrize("tokens", [1, 5, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 7])
@pytest.mark.parametrize("kind", ["Attention", "ShortAttention"])
def test_values_are_pytorchs(tmp_path, tokens, kind):
    states, lengths, attended = draw(tokens)
    got = session(tmp_path, kind).run(None, states | {"lengths": lengths})[0]
    np.testing.assert_allclose(got, pytorch(states, attended[:, None, None, :]), atol=1e-5)


@pytest.mark.parametrize("tokens", [1, 5, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 7])
@pytest.mark.parametrize("reach", [0, 8, 2 * BLOCK])
def test_local_values_are_pytorchs(tmp_path, tokens, reach):
    """With a hole in the second sequence too."""
    states, _, attended = draw(tokens)
    attended[1, 1:3] = False
    positions = np.arange(tokens)
    allowed = attended[:, None, None, :] & (np.abs(positions[:, None] - positions) <= reach)
    penalty = np.where(attended, np.float32(0), LOWEST)[:, None, None, :]
    got = session(tmp_path, "LocalAttention", reach).run(None, states | {"penalty": penalty})[0]
    np.testing.assert_allclose(got, pytorch(states, allowed), atol=1e-5)


@pytest.mark.parametrize("tokens", [5, BLOCK + 1])
def test_of_one_query_there_is_one_row(tmp_path, tokens):
    """As the last layer is computed for the first token."""
    states, lengths, attended = draw(tokens)
    first = states | {"q": states["q"][:, :1]}
    got = session(tmp_path, "Attention").run(None, first | {"lengths": lengths})[0]
    np.testing.assert_allclose(got, pytorch(states, attended[:, None, None, :])[:, :1], atol=1e-5)


def causal_session(folder, reach):
    """The same for attention to what came before."""
    values = {name: ir.val(name, ir.DataType.FLOAT, [None] * 4) for name in "qkv"}
    penalty = ir.val("penalty", ir.DataType.FLOAT, [None] * 4)
    mask = ir.node("CausalMask", [penalty], {"reach": reach}, domain=DOMAIN)
    attributes = {"scale": 0.3, "reach": reach}
    attention = ir.node("CausalAttention", [*values.values(), penalty, mask.outputs[0]], attributes, domain=DOMAIN)
    attention.outputs[0].name, attention.outputs[0].type = "y", ir.TensorType(ir.DataType.FLOAT)
    inputs = [*values.values(), penalty]
    graph = ir.Graph(inputs, attention.outputs, nodes=[mask, attention], opset_imports={"": 20})
    save(define(ir.Model(graph, ir_version=10)), folder / "attention.onnx")
    return onnxruntime.InferenceSession(folder / "attention.onnx", providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("tokens", [1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
@pytest.mark.parametrize("past", [0, 3, BLOCK + 9])
@pytest.mark.parametrize("reach", [0, 8, 2 * BLOCK, 2**48])
def test_causal_values_are_pytorchs(tmp_path, tokens, past, reach):
    """Of two sequences, the second padded on the right, with a past or without."""
    random = np.random.default_rng(tokens)
    keys = past + tokens
    shapes = {"q": (2, 4, tokens, SIZE), "k": (2, 2, keys, SIZE), "v": (2, 2, keys, SIZE)}
    feeds = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    attended = np.ones((2, keys), bool)
    attended[1, past + (tokens + 1) // 2 :] = False
    feeds["penalty"] = np.where(attended, np.float32(0), LOWEST)[:, None, None, :]
    back = np.arange(past, keys)[:, None] - np.arange(keys)
    allowed = attended[:, None, None, :] & (back >= 0) & (back <= reach)
    want = torch.nn.functional.scaled_dot_product_attention(
        *(torch.tensor(feeds[name]) for name in "qkv"), torch.tensor(allowed), scale=0.3, enable_gqa=True
    )
    got = causal_session(tmp_path, reach).run(None, feeds)[0]
    np.testing.assert_allclose(got, want.numpy(), atol=1e-5)


@pytest.mark.parametrize("tokens", [9, 2 * BLOCK + 1])
def test_heads_may_share_keys(tmp_path, tokens):
    states, lengths, attended = draw(tokens, key_heads=1)
    got = session(tmp_path, "Attention", key_heads=1).run(None, states | {"lengths": lengths})[0]
    np.testing.assert_allclose(got, pytorch(states, attended[:, None, None, :]), atol=1e-5)


@pytest.mark.parametrize(("family", "operators"), [("bert", True), ("modernbert", True), ("mpnet", False)])
def test_a_model_attends_as_before_once_it_is_traced(tmp_path, family, operators):
    from transformers import AutoModel

    body = AutoModel.from_pretrained(tiny.build(family, tmp_path, head="Model"))
    before = body.config._attn_implementation
    with as_operators(body, "cpu"):
        assert (body.config._attn_implementation == DOMAIN) == operators
    assert body.config._attn_implementation == before


PEAK = """
import json, re, sys
from engine import Engine
engine = Engine.load(sys.argv[1])
engine.score("a question", ["many words " * 8192], truncate_prompt_tokens=8192)
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak memory from /proc")
@pytest.mark.parametrize(
    ("name", "build", "positions"),
    [
        ("xlm-roberta", functools.partial(tiny.build, "xlm-roberta", max_position_embeddings=8194), 8194),
        ("modernbert", functools.partial(tiny.build, "modernbert"), 8192),
        ("qwen3-reranker", qwen3_reranker, 8192),
    ],
)
def test_long_inputs_take_little_memory(tmp_path, name, build, positions):
    """The scores of one layer at 8,192 tokens, 4 heads, would take 1,024 MiB."""
    checkpoint = build(tmp_path / name)
    config = checkpoint / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"max_position_embeddings": positions}))
    assert main([str(checkpoint), "--output", str(tmp_path / "out")]) == 0
    command = [sys.executable, "-c", PEAK, str(tmp_path / "out" / name)]
    peak = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1024
    assert peak < 450, peak
