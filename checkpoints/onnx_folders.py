"""Makes ONNX graphs as they are found on the Hub: by torch's own exporter under optimum's names, and toys like them."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnx import TensorProto, helper, numpy_helper
from transformers import AutoModel, AutoModelForSequenceClassification

from checkpoints.tiny import VOCABULARY
from export.heads.in_onnx import add_heads
from export.heads.loaded import LoadedHead
from export.rewrites.nodes import NodeList

WIDTH = 16
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_AXES = {0: "batch_size", 1: "sequence_length"}


class Wrapped(torch.nn.Module):
    """A body with tensors in and tensors out, by position."""

    def __init__(self, body: torch.nn.Module, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.body = body
        self.inputs = inputs
        self.outputs = outputs

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = self.body(**dict(zip(self.inputs, tensors, strict=True)))
        return tuple(found[name] for name in self.outputs)


def write_graph(
    module: torch.nn.Module, path: Path, outputs: tuple[str, ...], inputs: tuple[str, ...] = INPUTS, opset: int = 14
) -> Path:
    """Trace `module`, which takes `inputs` by position and returns `outputs`, at an opset of the wild."""
    ones = torch.ones((2, 9), dtype=torch.int64)
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(ones for _ in inputs),
            path,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=dict.fromkeys((*inputs, *outputs), _AXES),
            opset_version=opset,
            dynamo=False,
        )
    return path


def write_body(checkpoint: Path, path: Path, outputs: tuple[str, ...] = ("last_hidden_state",), **options: Any) -> Path:
    """The graph of a checkpoint's body, or of its classifier for the output "logits"."""
    auto = AutoModelForSequenceClassification if "logits" in outputs else AutoModel
    body = auto.from_pretrained(checkpoint, attn_implementation="eager")
    return write_graph(Wrapped(body, options.get("inputs", INPUTS), outputs), path, outputs, **options)


def folder_of(checkpoint: Path, folder: Path) -> Path:
    """A copy of a checkpoint without its body's weights: what lies beside the folder `onnx`."""
    shutil.copytree(checkpoint, folder)
    (folder / "model.safetensors").unlink()
    return folder


def write_half(path: Path, target: Path) -> Path:
    """The graph with float16 weights and arithmetic, its inputs and output as they were: what converters make."""
    model = onnx.load(path)
    graph = model.graph
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            half = numpy_helper.to_array(tensor).clip(-65504, 65504).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
            elif attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
                half = numpy_helper.to_array(attribute.t).clip(-65504, 65504).astype(np.float16)
                attribute.t.CopyFrom(numpy_helper.from_array(half, attribute.t.name))
    for output in graph.output:
        output.type.tensor_type.elem_type = TensorProto.FLOAT16
    del graph.value_info[:]
    onnx.save(model, target)
    return target


class Toy:
    """A body of one embedding and one product: `table[input_ids] @ matrix`, with positions where it is given them."""

    def __init__(self, words: float = 1.0, vocabulary: int = VOCABULARY) -> None:
        random = np.random.default_rng(2)
        self.table = (words * random.standard_normal((vocabulary, WIDTH))).astype(np.float32)
        self.matrix = random.standard_normal((WIDTH, WIDTH)).astype(np.float32)
        self.positions = random.standard_normal((512, WIDTH)).astype(np.float32)

    def states(self, ids: list[int]) -> np.ndarray[Any, Any]:
        return self.table[ids] @ self.matrix

    def write(
        self,
        path: Path,
        output: str = "last_hidden_state",
        inputs: tuple[str, ...] = ("input_ids", "attention_mask"),
        dims: tuple[str | int, ...] = ("batch_size", "sequence_length"),
        dtype: Any = np.float32,
        **options: Any,
    ) -> Path:
        constants = {"table": self.table, "matrix": self.matrix, "positions": self.positions}
        nodes = [helper.make_node("Gather", ["table", "input_ids"], ["words"])]
        last = "words"
        if "position_ids" in inputs:
            nodes.append(helper.make_node("Gather", ["positions", "position_ids"], ["places"]))
            nodes.append(helper.make_node("Add", ["words", "places"], ["placed"]))
            last = "placed"
        nodes.append(helper.make_node("MatMul", [last, "matrix"], [output]))
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        graph = helper.make_graph(
            nodes,
            "toy",
            [helper.make_tensor_value_info(name, TensorProto.INT64, dims) for name in inputs],
            [helper.make_tensor_value_info(output, kind, [*dims, WIDTH])],
            [numpy_helper.from_array(array.astype(dtype), name) for name, array in constants.items()],
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
        onnx.save(model, path, **options)
        return path


def write_toy_with_heads(path: Path, chain: list[LoadedHead], name: str = "sentence_embedding") -> Path:
    """A toy with the heads inside, under the names of optimum's sentence-transformers exports."""
    model = ir.load(Toy().write(path, output="token_embeddings"))
    nodes = NodeList(model.graph, "inside")
    mask = next(value for value in model.graph.inputs if value.name == "attention_mask")
    output = add_heads(nodes, chain, model.graph.outputs[0], mask)
    output.name, output.type = name, ir.TensorType(ir.DataType.FLOAT)
    model.graph.extend(nodes.nodes)
    model.graph.outputs.append(output)
    ir.save(model, path)
    return path
