"""Graphs for TensorRT: what they are made of and what they compute. Their plans need a GPU."""

import copy

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from rich.console import Console

from checkpoints import families, multimodal
from engine.artifact.artifact import PAST
from engine.artifact.manifest import read_manifest
from engine.extras import install
from engine.progress import Progress
from export.__main__ import main
from export.checkpoint.files import open_checkpoint
from export.checkpoint.tokenizer import load_tokenizer
from export.errors import ExportError
from export.pipeline import Options, export
from export.recognition.recognise import recognise
from export.tensorrt import save_graph
from export.tracing.traced import TracedNetwork

pytestmark = pytest.mark.skipif(
    "TensorrtExecutionProvider" in onnxruntime.get_available_providers(), reason="for machines without TensorRT"
)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return families.build("bert", tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def traced(bert):
    return _traced(bert)


def _traced(folder):
    checkpoint = open_checkpoint(str(folder), None, {}, False)
    recipe = recognise(checkpoint, "auto")
    return TracedNetwork(checkpoint, recipe, load_tokenizer(checkpoint, recipe), ["fp32"], False)


def test_it_is_refused_before_anything_is_read(tmp_path, capsys):
    assert main(["no/checkpoint", "--output", str(tmp_path / "out"), "--provider", "tensorrt"]) == 2
    assert capsys.readouterr().err == (
        "error: The installed ONNX Runtime has no tensorrt provider: run the export on the GPU that will serve the "
        f"model, with `{install('gpu')}` and TensorRT, or leave --provider out.\n"
    )
    assert not (tmp_path / "out").exists()


def test_models_of_pictures_are_refused_before_they_are_loaded(tmp_path):
    checkpoint = open_checkpoint(str(multimodal.build("clip", tmp_path)), None, {}, False)
    options = Options(tmp_path / "out", "clip", provider="tensorrt")
    with pytest.raises(ExportError, match="TensorRT's plans are for models of texts: leave --provider out"):
        export(checkpoint, lambda *_: pytest.fail("it was loaded"), options, Progress(Console(quiet=True)))
    assert not (tmp_path / "out").exists()


@pytest.fixture
def manifest(artifacts):
    return read_manifest(artifacts("minilm-ce"))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "precision", "error"), [("bert", "fp16", 5e-3), ("qwen3-reranker", "fp32", 1e-5)])
def test_a_graph_of_onnxs_own_operators_computes_the_same(name, precision, error, manifest, traced, tmp_path):
    exporter = traced if name == "bert" else _traced(families.build(name, tmp_path / "checkpoint"))
    graph = save_graph(exporter.plain(precision), precision, manifest, tmp_path)
    assert (graph.provider, graph.precision, graph.max_batch) == ("tensorrt", precision, 32)
    assert graph.past is None, "which would be empty in most runs"
    assert {node.domain for node in onnx.load(tmp_path / graph.file).graph.node} == {""}
    model = exporter.reference_model(precision)
    assert [tensor.name for tensor in graph.inputs] == model.inputs
    assert PAST not in model.inputs

    random = np.random.default_rng(5)
    lengths = np.array([[23], [9], [1]])
    shape = (len(lengths), int(lengths.max()))
    feeds = {tensor.name: np.zeros(shape, np.int64) for tensor in graph.inputs}
    feeds["input_ids"] = random.integers(5, 500, shape)
    feeds["attention_mask"] = (np.arange(shape[1]) < lengths).astype(np.int64)
    session = onnxruntime.InferenceSession(tmp_path / graph.file, providers=["CPUExecutionProvider"])
    (got,) = session.run(["logits"], feeds)
    np.testing.assert_allclose(got, model.run(feeds), atol=error)


def test_a_graph_of_onnx_runtimes_operators_is_refused(manifest, artifacts, tmp_path):
    model = ir.load(artifacts("minilm-ce") / manifest.graphs[0].file)
    with pytest.raises(ExportError, match=r"has operators that TensorRT lacks \(.*BiasGelu.*\)"):
        save_graph(model, "fp32", manifest, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_an_engine_that_cannot_be_built_leaves_no_artifact(bert, traced, tmp_path):
    """All stages before the engine's own go on here; 8 bits alone are refused at once."""
    checkpoint = open_checkpoint(str(bert), None, {}, False)
    progress = Progress(Console(quiet=True))
    options = Options(tmp_path, "reranker", max_length=64, provider="tensorrt")

    quantised = copy.copy(traced)
    quantised.precisions = ["int8"]
    with pytest.raises(ExportError, match="add fp16 or fp32 to --precision"):
        export(checkpoint, lambda *_: quantised, options, progress)
    with pytest.raises(ExportError, match="TensorRT cannot build the fp32 graph for inputs of 64 tokens"):
        export(checkpoint, lambda *_: traced, options, progress)
    assert list(tmp_path.iterdir()) == []
