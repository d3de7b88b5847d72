"""Each encoder family in each precision, against PyTorch through transformers' own classes."""

import numpy as np
import onnx
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from engine import Engine
from engine.artifact import read_manifest
from engine.layout import Truncation, lay_out_pair
from export.__main__ import main
from export.verify import LIMITS, texts
from tests import tiny

PAIRS = texts().pairs[:64]
PRECISIONS = ["fp32", "fp16", "int8", "int8-fast"]


@pytest.fixture(scope="module", params=sorted(tiny.FAMILIES))
def exported(request, tmp_path_factory):
    """A family's artifact in every precision, and PyTorch's logits for the pairs in one padded batch."""
    folder = tmp_path_factory.mktemp(request.param)
    checkpoint = tiny.build(request.param, folder / "tiny")
    assert main([str(checkpoint), "--output", str(folder / "out"), "--precision", ",".join(PRECISIONS)]) == 0
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    queries, documents = map(list, zip(*PAIRS, strict=True))
    encoding = tokenizer(queries, documents, padding=True, truncation=True, max_length=512, return_tensors="pt")
    with torch.no_grad():
        logits = model(**encoding).logits[:, 0].numpy()
    return folder / "out" / "tiny", logits


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_scores_are_pytorchs(exported, precision):
    artifact, want = exported
    engine = Engine.load(artifact, precision=precision)
    queries, documents = zip(*PAIRS, strict=True)
    got = engine.score(queries, documents, use_activation=False, truncate_prompt_tokens=512).scores
    limit = LIMITS[precision]
    assert np.abs(got - want).max() <= limit.max_abs_error
    assert np.abs(1 / (1 + np.exp(-got)) - 1 / (1 + np.exp(-want))).max() <= limit.score_max_abs_error
    assert np.std(want) > 0.05, "the logits lie too close together for this to prove anything"


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("fp16", 2e-3), ("int8", 1e-4)])
def test_a_score_does_not_depend_on_its_batch(exported, precision, tolerance):
    engine = Engine.load(exported[0], precision=precision)
    limits = Truncation(max_length=512, total=512)
    encoded = [engine._tokenizer.encode(pair) for pair in PAIRS]
    inputs = [lay_out_pair(*pair, engine.manifest.pair, limits) for pair in encoded]
    together = engine._session.run_batch(inputs)
    alone = [engine._session.run_batch([item])[0] for item in inputs]
    np.testing.assert_allclose(together, alone, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8", "int8-fast"])
def test_products_and_token_embeddings_are_8_bit(exported, precision):
    graph = onnx.load(exported[0] / f"model_{precision}.onnx").graph
    products = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(products) >= 8
    table = next(tensor for tensor in graph.initializer if tensor.dims[:1] == [tiny.VOCABULARY])
    assert table.data_type == onnx.TensorProto.INT8
    per_tensor = any(node.op_type == "DynamicQuantizeLinear" for node in graph.node)
    assert per_tensor == (precision == "int8-fast")


@pytest.mark.slow
def test_the_manifest_says_how_each_graph_was_verified(exported):
    manifest = read_manifest(exported[0])
    assert [graph.precision for graph in manifest.graphs] == PRECISIONS
    for graph in manifest.graphs:
        assert graph.verification.texts >= 64
        assert {tensor.type for tensor in graph.inputs} == {"int64"}
        assert [(tensor.name, tensor.type, tensor.dims) for tensor in graph.outputs] == [
            ("logits", "float32", ["batch"])
        ]
    assert [graph.max_batch for graph in manifest.graphs] == [None, None, None, 1]
