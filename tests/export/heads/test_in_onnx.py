"""Heads as ONNX nodes and in numpy, each against sentence-transformers' and PyTorch's own modules."""

from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from sentence_transformers.sentence_transformer import modules
from torch import nn

from export.errors import ExportError
from export.heads.in_numpy import apply
from export.heads.in_onnx import NodeList, add_heads
from export.heads.loaded import ACTIVATIONS, LoadedHead
from export.recognition.module_list import POOLING_MODES

WIDTH = 16
# Those since which an operator takes its axes as an input, or is there at all.
OPSETS = [12, 13, 17, 18, 20, 21]


def published(chain: list[LoadedHead], states: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """The same heads as sentence-transformers' modules, in a row."""
    made = torch.from_numpy(states)
    for head in chain:
        module: nn.Module
        if head.kind == "Pooling":
            module = modules.Pooling(made.shape[-1], head.modes)
            features = {"token_embeddings": made, "attention_mask": torch.from_numpy(mask)}
            made = module(features)["sentence_embedding"]
            continue
        if head.kind == "Dense":
            outputs, inputs = head.weights["linear.weight"].shape
            activation = getattr(nn, head.config.get("activation_function", "Identity").rsplit(".", 1)[-1])()
            module = modules.Dense(
                inputs,
                outputs,
                bias="linear.bias" in head.weights,
                activation_function=activation,
                use_residual=head.config.get("use_residual", False),
            )
        else:
            module = modules.LayerNorm(made.shape[-1]) if head.kind == "LayerNorm" else modules.Normalize()
        module.load_state_dict({name: torch.from_numpy(weight) for name, weight in head.weights.items()})
        with torch.no_grad():
            made = module({"sentence_embedding": made})["sentence_embedding"]
    return made.numpy()


def in_onnx(chain: list[LoadedHead], opset: int, states: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """What ONNX Runtime makes of a graph of the heads alone."""
    width = states.shape[-1]
    states_in = ir.Value(name="states", shape=ir.Shape(["b", "t", width]), type=ir.TensorType(ir.DataType.FLOAT))
    mask_in = ir.Value(name="mask", shape=ir.Shape(["b", "t"]), type=ir.TensorType(ir.DataType.INT64))
    graph = ir.Graph([states_in, mask_in], [], nodes=[], opset_imports={"": opset}, name="heads")
    nodes = NodeList(graph, "scorert")
    made = add_heads(nodes, chain, states_in, mask_in)
    assert made.dtype == ir.DataType.FLOAT  # which a manifest tells
    # Identity, so that a chain without a node still has an output of its own.
    output = nodes.add("Identity", made)
    output.type, output.shape = made.type, made.shape
    graph.extend(nodes.nodes)
    graph.outputs.append(output)
    model = ir.to_proto(ir.Model(graph, ir_version=8))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"states": states, "mask": mask})
    assert isinstance(got, np.ndarray)
    assert made.shape is not None
    declared = [dim if isinstance(dim, int) else None for dim in made.shape]
    assert len(declared) == got.ndim
    assert all(dim in (None, size) for dim, size in zip(declared, got.shape, strict=True))
    return got


def random_weights(**shapes: tuple[int, ...]) -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {name.replace("_", "."): random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def activated(name: str, weights: dict[str, Any]) -> LoadedHead:
    return LoadedHead("Dense", {"activation_function": f"torch.nn.modules.activation.{name}"}, weights)


MEAN = LoadedHead("Pooling", {"pooling_mode": "mean"})
LAYER_NORM = LoadedHead("LayerNorm", {}, random_weights(norm_weight=(WIDTH,), norm_bias=(WIDTH,)))
SQUARE = LoadedHead("Dense", {"use_residual": True}, random_weights(linear_weight=(WIDTH, WIDTH), linear_bias=(WIDTH,)))
NARROWER = LoadedHead(
    "Dense", {"use_residual": True}, random_weights(linear_weight=(4, WIDTH), residual_weight=(4, WIDTH))
)
EVERYTHING = [
    LoadedHead("Pooling", {"pooling_mode": list(POOLING_MODES)}),
    activated("GELU", random_weights(linear_weight=(WIDTH, WIDTH * 6), linear_bias=(WIDTH,))),
    LAYER_NORM,
    LoadedHead("Normalize"),
]
CHAINS = {
    **{mode: [LoadedHead("Pooling", {"pooling_mode": mode})] for mode in POOLING_MODES},
    "residual": [SQUARE],
    "projected residual": [NARROWER],
    "residual of pooled states": [MEAN, SQUARE],
    "projected residual of pooled states": [MEAN, NARROWER],
    "layer norm": [LAYER_NORM],
    "normalize": [LoadedHead("Normalize")],
    "everything": EVERYTHING,
}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("chain", CHAINS)
def test_heads_are_sentence_transformers_modules(chain: str, opset: int) -> None:
    states = np.random.default_rng(1).standard_normal((4, 9, WIDTH)).astype(np.float32)
    mask = (np.arange(9) < np.array([[9], [1], [5], [8]])).astype(np.int64)
    want = published(CHAINS[chain], states, mask)
    np.testing.assert_allclose(in_onnx(CHAINS[chain], opset, states, mask), want, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(apply(CHAINS[chain], states, mask), want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mode", [mode for mode in POOLING_MODES if mode != "cls"])
def test_pooling_leaves_padding_out_on_either_side(mode: str) -> None:
    """Imported graphs are run with whatever padding their tokenizer makes."""
    random = np.random.default_rng(2)
    lengths = np.array([[9], [1], [5], [8]])
    states = random.standard_normal((4, 9, WIDTH)).astype(np.float32)
    right = (np.arange(9) < lengths).astype(np.int64)
    left = right[:, ::-1].copy()
    shifted = np.stack([np.roll(row, 9 - length, axis=0) for row, (length,) in zip(states, lengths, strict=True)])
    chain = CHAINS[mode]
    want = published(chain, states, right)
    np.testing.assert_allclose(in_onnx(chain, 18, shifted, left), want, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(apply(chain, shifted, left), want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("opset", [12, 20])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_pytorchs(name: str, opset: int) -> None:
    """From where they saturate on one side to the other, through a Dense layer that changes nothing."""
    states = np.linspace(-60, 60, 7 * WIDTH, dtype=np.float32).reshape(1, 7, WIDTH)
    states[0, 3] = np.linspace(-3.5, 3.5, WIDTH)
    want = getattr(nn, name)()(torch.from_numpy(states)).numpy()
    chain = [activated(name, {"linear.weight": np.eye(WIDTH, dtype=np.float32)})]
    mask = np.ones((1, 7), np.int64)
    np.testing.assert_allclose(in_onnx(chain, opset, states, mask), want, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(apply(chain, states, mask), want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["torch.nn.modules.activation.Hardshrink", "os.Tanh"])
def test_another_activation_is_refused(name: str) -> None:
    with pytest.raises(ExportError, match=f"activation '{name}' is not one ScoreRT has: torch.nn's Identity, Tanh, "):
        _ = LoadedHead("Dense", {"activation_function": name}).activation
