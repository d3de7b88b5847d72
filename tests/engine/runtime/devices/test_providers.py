"""What each provider needs: its schedule, what it shares, and its names and options."""

import msgspec
import pytest

from engine.artifact.manifest import read_manifest
from engine.runtime.devices.providers import CPU, CUDA, PROVIDERS, TENSORRT
from engine.runtime.machine.cores import cores
from engine.runtime.sessions import _with_options


@pytest.mark.parametrize(
    ("provider", "want"),
    [
        ("cpu", ["CPUExecutionProvider"]),
        ("cuda", ["CUDAExecutionProvider"]),
        ("tensorrt", ["TensorrtExecutionProvider", "CUDAExecutionProvider"]),
    ],
)
def test_providers_are_asked_for_by_onnx_runtimes_names(provider, want):
    options = _with_options(PROVIDERS[provider], None, records=False)
    assert [name for name, _ in options] == want
    if provider != "cpu":
        assert options[-1][1]["use_tf32"] is False, "float32 must stay float32"


def test_only_cuda_records(artifacts):
    for provider, records in ((CPU, None), (CUDA, True), (TENSORRT, None)):
        assert _with_options(provider, None, records=True)[0][1].get("enable_cuda_graph") is records


def test_a_cpu_has_a_worker_a_core_and_no_padding_and_a_gpu_two_with_padding(artifacts):
    (graph,) = read_manifest(artifacts("minilm-ce")).graphs
    cpu, cuda = CPU.schedule(graph, None), CUDA.schedule(graph, None)
    assert (cpu.workers, cpu.threads, cpu.padded) == (cores(), 1, False)
    assert (cuda.workers, cuda.threads, cuda.padded) == (2, 1, True)
    assert (CPU.schedule(graph, 3).workers, CUDA.schedule(graph, 3).threads) == (3, 3)
    bounded = msgspec.structs.replace(graph, max_batch=1, multiple=8)
    assert (CUDA.schedule(bounded, None).max_sequences, CUDA.schedule(bounded, None).multiple) == (1, 8)
    assert CPU.schedule(graph, None, max_waiting=7).max_waiting == 7


def test_prefixes_are_shared_where_a_graph_takes_a_past_and_its_batch_changes_no_score(artifacts):
    (graph,) = read_manifest(artifacts("minilm-ce")).graphs
    assert CPU.shares_from(graph) is None
    past = msgspec.structs.replace(graph.inputs[0], name="past")
    causal = msgspec.structs.replace(graph, inputs=[*graph.inputs, past])
    assert (CPU.shares_from(causal), CUDA.shares_from(causal)) == (32, 16_384)
    assert CPU.shares_from(msgspec.structs.replace(causal, max_batch=1)) is None
