"""Every row of the exporter's table: exported, scored against other people's code, and served."""

import dataclasses
import gc
import json
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime
import pytest
from filelock import FileLock

from checkpoints import families
from engine import Engine, Job
from engine.artifact.manifest import read_manifest
from engine.prompts.template import Prompting
from engine.text.layout import Input, lay_out_pair
from engine.text.truncation import Truncation
from export.__main__ import main
from export.precisions import PRECISIONS
from export.recognition.families import FAMILIES
from export.verification.texts import texts
from tests.e2e.server import Server
from tests.export.recognition.references import REFERENCES, UNREFERENCED

# Short enough for every family, so that no two ways of truncating are compared; of 1 to some 150 words.
PAIRS = [pair for pair in texts().pairs if len(pair[1]) < 1000][:64]
QUERIES, DOCUMENTS = map(list, zip(*PAIRS, strict=True))
# Those that differ in how they attend and tokenise; DistilBERT, MPNet and RoBERTa are like one or another of them.
ENCODERS = ["bert", "deberta-v2", "modernbert", "xlm-roberta"]
# A body's states are the same whatever comes after them, and what comes computes in float32: half precision is shown
# once for each body, and once for each that classifies by itself.
HALVED = {(family.body, "ForSequence" in family.architecture): family.name for family in reversed(FAMILIES)}.values()
# Language models that differ in their bodies and in what their prompts begin with.
PREFIXED = ["bge-reranker-v2-gemma", "mxbai-rerank-v2", "qwen3-reranker"]
# Embedders that are not late-interaction models until someone asks for it.
TURNED = ("bge-m3", "embedder")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(shared_folder):
    """By a row's name its checkpoint and artifact: encoders, and the one with adapters, in every precision."""

    def precisions(name):
        if name in (*ENCODERS, "jina-v3"):
            return "fp32,fp16,int8,int8-fast"
        return "fp32,fp16" if name in HALVED else "fp32"

    def export(name):
        folder = shared_folder / "families" / name
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            if not any(folder.glob("artifacts/*")):
                checkpoint = families.build(name, folder / "checkpoint")
                options = ["--output", str(folder / "artifacts"), "--precision", precisions(name)]
                turned = ["--score-type", "late-interaction"] if name in TURNED else []
                assert main([str(checkpoint), *options, *turned]) == 0
        (checkpoint,), (artifact,) = (folder / "checkpoint").iterdir(), (folder / "artifacts").iterdir()
        return checkpoint, artifact

    return export


def test_every_row_is_held_against_other_peoples_code_or_says_against_what():
    assert not REFERENCES.keys() & UNREFERENCED.keys()
    assert REFERENCES.keys() | UNREFERENCED.keys() == {family.name for family in FAMILIES}


@pytest.mark.parametrize("name", [family.name for family in FAMILIES])
def test_scores_are_those_of_the_checkpoint(exported, name):
    checkpoint, artifact = exported(name)
    manifest = read_manifest(artifact)
    (family,) = (family for family in FAMILIES if family.name == name)
    assert manifest.score_type == family.score_type
    assert (manifest.template is not None) == (family.reranker is not None or name in PROMPTED)
    for graph in manifest.graphs:
        assert graph.verification.texts >= 64
        assert graph.verification.spearman > 0.98
        for tensor in graph.inputs:
            if tensor != graph.past:
                assert tensor.type == ("int32" if tensor.name.endswith("key_lengths") else "int64")
        assert (graph.past is not None) == (manifest.template is not None and name != "nemotron-rerank")
    engines = {graph.precision: Engine.load(artifact, precision=graph.precision) for graph in manifest.graphs}
    got = {precision: logits(engine) for precision, engine in engines.items()}
    # MaxSim sums a similarity for each of a query's tokens, up to 48 of them here.
    terms = 48 if manifest.score_type == "late-interaction" else 1
    if name in HALVED:
        np.testing.assert_allclose(got["fp16"], got["fp32"], atol=terms * PRECISIONS["fp16"].limit.max_abs_error)
    assert np.std(got["fp32"]) > 0.01, "the scores lie too close together for this to prove anything"
    if name in REFERENCES:
        want = REFERENCES[name](checkpoint, PAIRS)
        np.testing.assert_allclose(got["fp32"], want, atol=terms * PRECISIONS["fp32"].limit.max_abs_error)
        for precision in got.keys() & {"int8", "int8-fast"}:
            limit = PRECISIONS[precision].limit.score_max_abs_error
            assert np.abs(sigmoid(got[precision]) - sigmoid(want)).max() <= limit


@pytest.mark.parametrize("name", ENCODERS)
def test_a_score_does_not_depend_on_its_batch(exported, name):
    for precision, tolerance in (("fp32", 1e-5), ("fp16", 2e-3), ("int8", 0.05), ("int8-fast", 0.05)):
        engine = Engine.load(exported(name)[1], precision=precision)
        limits = Truncation(max_length=512, total=512)
        encoded = [engine._tokenizer.encode(pair) for pair in PAIRS]
        inputs = [lay_out_pair(*pair, engine.manifest.pair, limits) for pair in encoded]
        together = engine._opened.runner.run(inputs)
        alone = [engine._opened.runner.run([item])[0] for item in inputs]
        np.testing.assert_allclose(together, alone, atol=tolerance)
        if precision.startswith("int8"):
            # A value on the edge between two of 255 steps may fall on either side: some processors' sums differ in
            # their last bits with a batch's shape.
            assert np.mean(np.abs(np.subtract(together, alone)) > 1e-4) < 0.1


@pytest.mark.parametrize("name", ["jina-v3"])
def test_one_batch_may_go_through_several_adapters(exported, name):
    engine = Engine.load(exported(name)[1])
    limits = Truncation(max_length=512, total=512)
    inputs = [
        *engine._builder.contents(QUERIES[:8], "query", limits, Prompting()),
        *engine._builder.contents(DOCUMENTS[:8], "document", limits, Prompting()),
    ]
    assert len({item.adapter for item in inputs}) == 2
    together = engine._opened.runner.run(inputs)
    alone = [engine._opened.runner.run([item])[0] for item in inputs]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    # The adapter makes a difference.
    (other,) = engine._opened.runner.run([dataclasses.replace(inputs[0], adapter=inputs[-1].adapter)])
    assert np.abs(other - alone[0]).max() > 1e-3


@pytest.mark.parametrize("name", PREFIXED)
def test_a_shared_prefix_changes_no_score(exported, name):
    engine = Engine.load(exported(name)[1])
    query, other = QUERIES[0], QUERIES[-1]
    short, long = "Paris", DOCUMENTS[1]
    alike = [f"{long} {end}" for end in ("yes", "no", "no, not at all")]
    cut = {"truncate_prompt_tokens": engine.score(query, "").tokens + 20}
    calls = {
        "different lengths": (query, sorted(DOCUMENTS[:16], key=len)),
        "duplicates": (query, [short, short, long, short]),
        "one document": (query, [long]),
        "documents that begin alike": (query, alike),
        "no documents to speak of": (query, ["", ""]),
        "two queries": ([query, other, query, other], [short, short, long, long]),
        "a query each": (QUERIES[::12], DOCUMENTS[::12]),
    }
    for what, (queries, documents) in calls.items():
        pairs = list(zip([queries] * len(documents) if isinstance(queries, str) else queries, documents, strict=True))
        for settings in ({}, cut, cut | {"truncation_side": "left"}):
            got = engine.score(queries, documents, use_activation=False, **settings)
            alone = [engine.score(*pair, use_activation=False, **settings) for pair in pairs]
            np.testing.assert_allclose(got.scores, [one.scores[0] for one in alone], atol=1e-5, err_msg=what)
            assert got.tokens == sum(one.tokens for one in alone)


@pytest.mark.parametrize("name", PREFIXED)
def test_a_batch_may_be_of_several_prefixes(exported, name):
    """In padded runs as on a GPU, with the keys and values in its memory: here, this machine's."""
    engine = Engine.load(exported(name)[1])
    runner = engine._opened.runner
    # One query's prompts apart from each other.
    pairs = sorted(PAIRS, key=lambda pair: pair[1])
    inputs = engine._builder.pairs(*zip(*pairs, strict=True), Truncation(max_length=512, total=512), Prompting())
    alone = np.array([runner.run([item])[0] for item in inputs])
    shared = runner.share(inputs, [query for query, _ in pairs])
    np.testing.assert_allclose(runner.run(shared), alone, atol=1e-5)
    prefixes = {item.prefix for item in shared if item.prefix}
    assert len(prefixes) > 1
    nothing = onnxruntime.OrtValue.ortvalue_from_numpy(runner._no_past)
    for prefix in prefixes:
        members = [place for place, item in enumerate(shared) if item.prefix is prefix]
        past = runner._run_bound(runner._feeds([Input(prefix.ids, prefix.ids * 0, len(prefix))], 0), nothing, "present")
        feeds = runner._feeds([inputs[place] for place in members], len(prefix))
        np.testing.assert_allclose(runner._run_bound(feeds, past, "logits").numpy(), alone[members], atol=1e-5)


@pytest.mark.parametrize("name", PREFIXED[-1:])
def test_many_threads_get_their_own_prefixes_scores(exported, name):
    engine = Engine.load(exported(name)[1])
    queries = list(dict.fromkeys(QUERIES))[:8]
    want = {query: [engine.score(query, document).scores[0] for document in DOCUMENTS[:8]] for query in queries}
    with ThreadPoolExecutor(8) as pool:
        for query, got in pool.map(lambda query: (query, engine.score(query, DOCUMENTS[:8])), queries * 4):
            np.testing.assert_allclose(got.scores, want[query], atol=1e-5)


@pytest.mark.parametrize("name", PREFIXED[-1:])
def test_a_prefix_is_gone_after_its_call(exported, name):
    engine = Engine.load(exported(name)[1])
    limits = Truncation(max_length=512, total=512)
    inputs = engine._builder.pairs([QUERIES[0]] * 8, DOCUMENTS[:8], limits, Prompting())
    shared = engine._opened.runner.share(inputs, [QUERIES[0]] * 8)
    prefix = weakref.ref(shared[0].prefix)
    engine._opened.workers.run(shared, Job())
    assert prefix()._states is not None
    del shared
    engine.close()
    gc.collect()
    assert prefix() is None


@pytest.mark.parametrize("name", ENCODERS)
def test_products_and_token_embeddings_are_8_bit(exported, name):
    checkpoint, artifact = exported(name)
    layers = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
    for precision in ("int8", "int8-fast"):
        graph = onnx.load(artifact / f"model_{precision}.onnx").graph
        products = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
        assert len(products) >= 4 * layers
        vocabulary = len(json.loads((artifact / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"])
        table = next(tensor for tensor in graph.initializer if tensor.dims[:1] == [vocabulary])
        assert table.data_type == onnx.TensorProto.INT8
        # Int8 has a scale for each token everywhere; int8-fast where a scale for all would cost quality.
        constants = {tensor.name for tensor in graph.initializer}
        constant_scales = [n.input[1] in constants for n in graph.node if n.op_type == "QuantizeLinear"]
        assert any(constant_scales) == (precision == "int8-fast")
        assert not all(constant_scales)


@pytest.mark.parametrize("name", ["xlm-roberta"])
def test_the_manifest_says_how_each_graph_runs(exported, name):
    manifest = read_manifest(exported(name)[1])
    assert [(graph.precision, graph.provider, graph.max_batch, graph.multiple) for graph in manifest.graphs] == [
        ("fp32", "cpu", None, 1),
        ("fp16", "cuda", None, 1),
        ("int8", "cpu", None, 1),
        ("int8-fast", "cpu", None, 1),
    ]
    for graph in manifest.graphs:
        (output,) = graph.outputs
        assert (output.name, output.type, output.dims) == ("logits", "float32", ["batch"])


@pytest.mark.parametrize("name", PREFIXED)
def test_with_a_bias_on_scores_a_gpu_wants_multiples_of_8_tokens(exported, name):
    graphs = {graph.precision: graph for graph in read_manifest(exported(name)[1]).graphs}
    assert (graphs["fp32"].multiple, graphs["fp16"].multiple) == (1, 8)


def test_one_server_gives_the_scores_of_every_row(exported):
    artifacts = [exported(family.name)[1] for family in FAMILIES]
    request = {"queries": QUERIES, "documents": DOCUMENTS, "use_activation": False, "truncate_prompt_tokens": -1}
    with Server("--model", *artifacts) as server:
        for artifact in artifacts:
            answer = server.client.post("/score", json=request | {"model": artifact.name})
            assert answer.status_code == 200, answer.text
            served = [item["score"] for item in answer.json()["data"]]
            np.testing.assert_allclose(
                served, logits(Engine.load(artifact)), rtol=1e-6, atol=1e-6, err_msg=artifact.name
            )


# Prompted families that have a classifier of their own, or bring their own template.
PROMPTED = ("nemotron-rerank", "cross-encoder-folder")


def logits(engine):
    return engine.score(QUERIES, DOCUMENTS, use_activation=False, truncate_prompt_tokens=-1).scores


def sigmoid(values):
    return 1 / (1 + np.exp(-values))
