"""Heads as ONNX nodes and in numpy, against the PyTorch modules that are held against sentence-transformers' own."""

from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from torch import nn

from export.heads import in_torch as torch_heads
from export.heads.in_numpy import apply
from export.heads.in_onnx import ACTIVATIONS, NodeList, add_heads
from export.heads.loaded import LoadedHead

WIDTH = 16


def loaded(*heads: LoadedHead) -> nn.Sequential:
    """The same heads as the PyTorch modules that checkpoints' own graphs are traced from."""
    kinds: dict[str, Any] = {
        "Pooling": lambda head: torch_heads.Pooling(head.modes),
        "Normalize": lambda head: torch_heads.Normalize(),
        "Dense": lambda head: torch_heads.Dense(head.config, tensors(head)),
        "LayerNorm": lambda head: torch_heads.LayerNorm(tensors(head)),
    }
    return nn.Sequential(*(kinds[head.kind](head) for head in heads))


def tensors(head: LoadedHead) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in head.weights.items()}


def random_weights(**shapes: tuple[int, ...]) -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {name.replace("_", "."): random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


LAYER_NORM = LoadedHead("LayerNorm", {}, random_weights(norm_weight=(WIDTH,), norm_bias=(WIDTH,)))
SQUARE = LoadedHead("Dense", {"use_residual": True}, random_weights(linear_weight=(WIDTH, WIDTH), linear_bias=(WIDTH,)))
NARROWER = LoadedHead(
    "Dense", {"use_residual": True}, random_weights(linear_weight=(4, WIDTH), residual_weight=(4, WIDTH))
)
EVERYTHING = [
    LoadedHead("Pooling", {"pooling_mode": list(torch_heads.POOLING)}),
    LoadedHead("Dense", {}, random_weights(linear_weight=(WIDTH, WIDTH * 6))),
    LAYER_NORM,
    LoadedHead("Normalize"),
]
CHAINS = {
    **{mode: [LoadedHead("Pooling", {"pooling_mode": mode})] for mode in torch_heads.POOLING},
    **{
        name: [LoadedHead("Dense", {"activation_function": f"torch.nn.modules.activation.{name}"}, SQUARE.weights)]
        for name in ACTIVATIONS
    },
    "residual": [SQUARE],
    "projected residual": [NARROWER],
    "layer norm": [LAYER_NORM],
    "normalize": [LoadedHead("Normalize")],
    "everything": EVERYTHING,
}


@pytest.mark.parametrize("opset", [12, 13, 18, 21])
@pytest.mark.parametrize("chain", CHAINS)
def test_appended_heads_are_those_of_the_network_and_of_plain_numpy(chain: str, opset: int) -> None:
    """Padding on either side, at opsets where operators take their axes in different ways."""
    states_in = ir.Value(name="states", shape=ir.Shape(["b", "t", WIDTH]), type=ir.TensorType(ir.DataType.FLOAT))
    mask_in = ir.Value(name="mask", shape=ir.Shape(["b", "t"]), type=ir.TensorType(ir.DataType.INT64))
    graph = ir.Graph([states_in, mask_in], [], nodes=[], opset_imports={"": opset}, name="heads")
    nodes = NodeList(graph, "scorert")
    # Identity, so that a chain without a node still has an output of its own.
    output = nodes.add("Identity", add_heads(nodes, CHAINS[chain], states_in, mask_in))
    output.type = ir.TensorType(ir.DataType.FLOAT)
    graph.extend(nodes.nodes)
    graph.outputs.append(output)
    model = ir.to_proto(ir.Model(graph, ir_version=8))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    states = np.random.default_rng(1).standard_normal((4, 9, WIDTH)).astype(np.float32)
    lengths = np.array([[9], [1], [5], [8]])
    for mask in (np.arange(9) < lengths, np.arange(9) >= 9 - lengths):
        mask = mask.astype(np.int64)
        (got,) = session.run(None, {"states": states, "mask": mask})
        want = torch.from_numpy(states)
        for module in loaded(*CHAINS[chain]):
            want = module(want, torch.from_numpy(mask))
        np.testing.assert_allclose(got, want.detach().numpy(), atol=1e-5, rtol=1e-5)
        np.testing.assert_allclose(apply(CHAINS[chain], states, mask), want.detach().numpy(), atol=1e-5, rtol=1e-5)
