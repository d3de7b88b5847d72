"""A graph without a queue: what is in a run changes no row, and GPUs' way of feeding gives the same."""

import msgspec
import numpy as np
import pytest

from engine import Engine, Job
from engine.runtime.devices.providers import CPU
from engine.runtime.opened import Opened
from engine.text.layout import lay_out_pair
from engine.text.truncation import Truncation
from export.verification.texts import texts

QUERY = "What is the capital of France?"
DOCUMENTS = ["The capital of Brazil is Brasilia.", "The capital of France is Paris.", "Horses and cows"]


@pytest.fixture(scope="module")
def cross_encoder(artifacts):
    engine = Engine.load(artifacts("minilm-ce"))
    yield engine
    engine.close()


@pytest.mark.parametrize("padded", [False, True])
def test_a_pair_scores_the_same_alone_and_among_63_others(cross_encoder, padded):
    """As planned for a CPU, and all in one padded run as on a GPU."""
    pair = cross_encoder.manifest.pair
    limits = Truncation(max_length=512, total=512)
    encoded = [cross_encoder._tokenizer.encode(both) for both in texts().pairs[:64]]
    inputs = [lay_out_pair(query, document, pair, limits) for query, document in encoded]
    assert len({len(item) for item in inputs}) > 20
    opened = cross_encoder._opened
    together = opened.runner.run(inputs) if padded else opened.workers.run(inputs, Job())
    alone = [opened.runner.run([item])[0] for item in inputs]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_failing_run_reports_and_the_engine_goes_on(cross_encoder):
    """An id past the vocabulary makes ONNX Runtime raise; the next call is unharmed."""
    item = lay_out_pair([10**6], [5], cross_encoder.manifest.pair, Truncation(max_length=512))
    with pytest.raises(Exception, match="indices element out of data bounds"):
        cross_encoder._opened.workers.run([item] * 5, Job())
    assert cross_encoder.score(QUERY, DOCUMENTS).scores.shape == (3,)


def test_runs_are_padded_to_the_graphs_multiple(artifacts, cross_encoder):
    folder, manifest = artifacts("minilm-ce"), cross_encoder.manifest
    graph = msgspec.structs.replace(manifest.graphs[0], multiple=8)
    opened = Opened.of(folder, manifest, graph, CPU, CPU.schedule(graph, 2), None)
    batches = []
    opened.workers.on_batch = batches.append
    limits = Truncation(max_length=512)
    inputs = [lay_out_pair([5, 6, 7], [8] * n, manifest.pair, limits) for n in (2, 3, 3, 10, 11)]
    assert [len(item) for item in inputs] == [8, 9, 9, 16, 17]
    want = cross_encoder._opened.workers.run(inputs, Job())
    np.testing.assert_allclose(opened.workers.run(inputs, Job()), want, atol=1e-5)
    opened.close()
    assert {tensor.shape for tensor in opened.runner._feeds(inputs, 0).values()} == {(5, 24)}
    assert sum(batch.padding for batch in batches) == 7 + 7 + 7


def test_inputs_and_outputs_can_be_bound(cross_encoder):
    """The path that GPU providers take, with the output bound to this machine's memory."""
    inputs = [lay_out_pair([5, 6, 7][:n], [8], cross_encoder.manifest.pair, Truncation(max_length=512)) for n in (1, 3)]
    runner = cross_encoder._opened.runner
    bound = runner._run_bound(runner._feeds(inputs, 0), None, "logits")
    np.testing.assert_array_equal(bound.numpy(), runner.run(inputs))
