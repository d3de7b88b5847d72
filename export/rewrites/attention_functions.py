"""Defines ScoreRT's attention operators as ONNX functions, which a graph keeps and ONNX Runtime inlines.

Up to `BLOCK` tokens it is ONNX's own Attention, and for models whose inputs are never long, always: ShortAttention. A
longer input takes `BLOCK` queries at a time, so that scores are [batch, heads, BLOCK, tokens] and never [batch, heads,
tokens, tokens]; local attention also reads only the keys within its reach. A query that has no key to attend to becomes
0, as in PyTorch.

Shapes: q, k, v and the result [batch, tokens, heads * size]; lengths [batch], how many keys of a sequence to attend to,
what is after them being padding; penalty [batch, 1, 1, tokens], 0 for a key to attend to and the lowest float for
another; mask [batch, 1, n, n] with n = min(tokens, BLOCK), the penalty as short inputs need it. An Attention may get
the first row of q alone.

Causal attention has q, k, v and the result as [batch, heads, tokens, size] instead, because rotary embeddings leave
them so. Its queries are the last of the tokens that keys are of; those before them are a past. `reach` is how far back
a query may look.

Window attention is that of one sequence whose windows follow each other, numbered from 0 in `windows` [tokens]: they
are computed one by one, each with its own keys alone.
"""

# The functions are named as ONNX operators are; onnxscript reads their source, whatever its types say.
# ruff: noqa: N802
# mypy: ignore-errors

import numpy as np
import onnx_ir as ir
from onnxscript import script
from onnxscript.onnx_opset import opset24 as op
from onnxscript.values import Opset

from ..graph import DOMAIN

# From 512 to 8,192 tokens blocks of 256 were measured, up to 256 tokens none: docs/benchmarks/log.md, "Attention".
BLOCK = 256
# The first whose Attention takes the lengths of sequences.
OPSET = 24
LOWEST = float(np.finfo(np.float32).min)
_scorert = Opset(DOMAIN, 1)


@script(_scorert)
def ShortAttention(q, k, v, lengths, heads: int, key_heads: int, scale: float):
    return op.Attention(q, k, v, None, None, None, lengths, q_num_heads=heads, kv_num_heads=key_heads, scale=scale)


@script(_scorert)
def LocalMask(penalty, reach: int):
    n = op.Min(op.Shape(penalty, start=3), op.Constant(value_ints=[BLOCK]))
    kept = op.Slice(penalty, [0], n, [3])
    positions = op.Range(0, op.Squeeze(n), 1)
    near = op.Abs(op.Unsqueeze(positions, [1]) - positions) <= reach
    return op.Where(near, kept, op.Constant(value_float=LOWEST))


@script(_scorert)
def Attention(q, k, v, lengths, heads: int, key_heads: int, scale: float):
    block = op.Constant(value_ints=[BLOCK])
    one = op.Constant(value_ints=[1])
    if op.Shape(k, start=1, end=2) > block:
        parts = op.SequenceEmpty()
        for i in range(op.Squeeze((op.Shape(q, start=1, end=2) + block - one) / block)):
            start = i * block
            part = op.Slice(q, start, start + block, one)
            y = op.Attention(
                part, k, v, None, None, None, lengths, q_num_heads=heads, kv_num_heads=key_heads, scale=scale
            )
            parts = op.SequenceInsert(parts, y)
        result = op.ConcatFromSequence(parts, axis=1)
    else:
        result = op.Attention(
            q, k, v, None, None, None, lengths, q_num_heads=heads, kv_num_heads=key_heads, scale=scale
        )
    return result


@script(_scorert)
def LocalAttention(q, k, v, penalty, mask, heads: int, key_heads: int, scale: float, reach: int):
    block = op.Constant(value_ints=[BLOCK])
    one = op.Constant(value_ints=[1])
    lowest = op.Constant(value_float=LOWEST)
    if op.Shape(k, start=1, end=2) > block:
        parts = op.SequenceEmpty()
        for i in range(op.Squeeze((op.Shape(q, start=1, end=2) + block - one) / block)):
            start = i * block
            end = start + block
            key_start = op.Max(start - reach, [0])
            key_end = end + reach
            part = op.Slice(q, start, end, one)
            part_k = op.Slice(k, key_start, key_end, one)
            part_v = op.Slice(v, key_start, key_end, one)
            part_penalty = op.Slice(penalty, key_start, key_end, [3])
            rows = op.Range(0, op.Squeeze(op.Shape(part, start=1, end=2)), 1) + start
            columns = op.Range(0, op.Squeeze(op.Shape(part_k, start=1, end=2)), 1) + key_start
            near = op.Abs(op.Unsqueeze(rows, [1]) - columns) <= reach
            part_mask = op.Where(near, part_penalty, lowest)
            y = op.Attention(part, part_k, part_v, part_mask, q_num_heads=heads, kv_num_heads=key_heads, scale=scale)
            parts = op.SequenceInsert(parts, y)
        result = op.ConcatFromSequence(parts, axis=1)
    else:
        result = op.Attention(q, k, v, mask, q_num_heads=heads, kv_num_heads=key_heads, scale=scale)
    return result


@script(_scorert)
def CausalMask(penalty, reach: int):
    n = op.Min(op.Shape(penalty, start=3), op.Constant(value_ints=[BLOCK]))
    kept = op.Slice(penalty, [0], n, [3])
    positions = op.Range(0, op.Squeeze(n), 1)
    back = op.Unsqueeze(positions, [1]) - positions
    return op.Where(op.And(back >= 0, back <= reach), kept, op.Constant(value_float=LOWEST))


@script(_scorert)
def CausalAttention(q, k, v, penalty, mask, scale: float, reach: int):
    block = op.Constant(value_ints=[BLOCK])
    one = op.Constant(value_ints=[1])
    axis = op.Constant(value_ints=[2])
    lowest = op.Constant(value_float=LOWEST)
    queries = op.Shape(q, start=2, end=3)
    keys = op.Shape(k, start=2, end=3)
    past = keys - queries
    if keys > block:
        parts = op.SequenceEmpty()
        for i in range(op.Squeeze((queries + block - one) / block)):
            start = i * block
            part = op.Slice(q, start, start + block, axis)
            first = past + start
            key_start = op.Max(first - reach, [0])
            key_end = first + block
            part_k = op.Slice(k, key_start, key_end, axis)
            part_v = op.Slice(v, key_start, key_end, axis)
            part_penalty = op.Slice(penalty, key_start, key_end, [3])
            rows = op.Range(0, op.Squeeze(op.Shape(part, start=2, end=3)), 1) + first
            columns = op.Range(0, op.Squeeze(op.Shape(part_k, start=2, end=3)), 1) + key_start
            back = op.Unsqueeze(rows, [1]) - columns
            part_mask = op.Where(op.And(back >= 0, back <= reach), part_penalty, lowest)
            parts = op.SequenceInsert(parts, op.Attention(part, part_k, part_v, part_mask, scale=scale))
        result = op.ConcatFromSequence(parts, axis=2)
    else:
        result = op.Attention(q, k, v, op.Slice(mask, past, keys, axis), scale=scale)
    return result


@script(_scorert)
def WindowAttention(q, k, v, windows, heads: int, scale: float):
    one = op.Constant(value_ints=[1])
    start = op.Constant(value_ints=[0])
    parts = op.SequenceEmpty()
    for i in range(op.ReduceMax(windows, keepdims=0) + 1):
        end = start + op.ReduceSum(op.Cast(windows == i, to=ir.DataType.INT64.value), keepdims=1)
        part = op.Slice(q, start, end, one)
        part_k = op.Slice(k, start, end, one)
        part_v = op.Slice(v, start, end, one)
        y = op.Attention(part, part_k, part_v, q_num_heads=heads, kv_num_heads=heads, scale=scale)
        parts = op.SequenceInsert(parts, y)
        start = end
    return op.ConcatFromSequence(parts, axis=1)


FUNCTIONS = (Attention, ShortAttention, LocalMask, LocalAttention, CausalMask, CausalAttention, WindowAttention)


def define(model: ir.Model) -> ir.Model:
    """Adds to a graph the functions of the operators that are in it, in place."""
    used = {node.op_type for node in model.graph if node.domain == DOMAIN}
    for function in FUNCTIONS:
        if function.name in used:
            defined = ir.serde.deserialize_function(function.to_function_proto())
            model.functions[defined.identifier()] = defined
    if used:
        model.graph.opset_imports.update({"": OPSET, DOMAIN: 1})
    return model
