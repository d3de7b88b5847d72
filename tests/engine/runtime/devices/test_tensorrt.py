"""What can be shown of TensorRT without a GPU: the shapes its plans are built for, and where they are kept."""

import shutil

import msgspec
import numpy as np
import onnxruntime
import pytest

from engine import Engine, ProviderError
from engine.artifact.artifact import MANIFEST
from engine.artifact.manifest import files_of, read_manifest
from engine.job import Job
from engine.runtime.devices.providers import CUDA, TENSORRT
from engine.runtime.devices.tensorrt import Plans, largest_batch, longest_input
from engine.runtime.opening import Opener, select_graph
from engine.runtime.workers import Workers
from engine.text.layout import Input
from tests.manifests import edit_manifest

pytestmark = pytest.mark.skipif(
    "TensorrtExecutionProvider" in onnxruntime.get_available_providers(), reason="for machines without TensorRT"
)


@pytest.fixture(params=["minilm-ce", "minilm-bi", "minilm-colbert"])
def manifest(request, artifacts):
    return read_manifest(artifacts(request.param))


@pytest.fixture
def artifact(artifacts, tmp_path):
    """One with a graph for TensorRT too; it is the same file, which no test runs there."""
    folder = shutil.copytree(artifacts("minilm-ce"), tmp_path / "copy")
    _add_graph(folder)
    return folder


def _add_graph(folder):
    name = "model_fp32_tensorrt.onnx"
    shutil.copy(folder / "model_fp32.onnx", folder / name)

    def add(manifest):
        (graph,) = manifest["graphs"]
        manifest["graphs"].append(graph | {"provider": "tensorrt", "file": name, "max_batch": 32})
        manifest["files"] |= msgspec.to_builtins(files_of(folder, name))

    edit_manifest(folder, add)


def _plans(folder, manifest):
    (graph,) = manifest.graphs
    bounded = msgspec.structs.replace(
        graph, provider="tensorrt", max_batch=largest_batch(manifest, TENSORRT.max_tokens)
    )
    return Plans.of(folder, manifest, bounded)


def _profile(plans):
    """Each input's smallest, usual and largest shape, read as ONNX Runtime reads them."""
    sides = [plans.options()[f"trt_profile_{side}_shapes"].split(",") for side in ("min", "opt", "max")]
    shapes = [dict(pair.split(":") for pair in side) for side in sides]
    return {name: [tuple(map(int, side[name].split("x"))) for side in shapes] for name in shapes[0]}


@pytest.mark.parametrize("max_length", [8, 512, 8192, 40_000])
def test_every_run_fits_in_the_profile(manifest, max_length, tmp_path):
    manifest = msgspec.structs.replace(manifest, max_length=max_length)
    plans = _plans(tmp_path, manifest)
    profile = _profile(plans)
    assert list(profile) == [tensor.name for tensor in manifest.graphs[0].inputs]
    smallest, usual, largest = profile["input_ids"]
    assert smallest == (1, 1)
    assert all(low <= mid <= high for low, mid, high in zip(smallest, usual, largest, strict=True))
    assert all(shapes == profile["input_ids"] for shapes in profile.values())
    assert largest[0] == 1 or largest[0] * largest[1] <= TENSORRT.max_tokens, "the engine's memory is a run's"

    runs = []

    def record(inputs):
        runs.append((len(inputs), max(map(len, inputs))))
        return [np.zeros((), np.float32)] * len(inputs)

    graph = msgspec.structs.replace(manifest.graphs[0], max_batch=largest[0])
    workers = Workers(record, TENSORRT.schedule(graph, None))
    random = np.random.default_rng(max_length)
    lengths = [longest_input(manifest)] * 5 + random.integers(1, longest_input(manifest) + 1, 300).tolist() + [1] * 200
    blank = np.zeros(longest_input(manifest), np.int64)
    workers.run([Input(blank[:length], blank[:length], length) for length in lengths], Job())
    workers.close()
    assert sum(sequences for sequences, _ in runs) == len(lengths)
    assert all(sequences <= largest[0] and tokens <= largest[1] for sequences, tokens in runs)
    assert max(sequences for sequences, _ in runs) == largest[0], "the profile is no larger than it must be"


def test_dimensions_that_are_fixed_stay(artifacts, tmp_path):
    manifest = read_manifest(artifacts("minilm-ce"))
    (graph,) = manifest.graphs
    adapter = msgspec.structs.replace(graph.inputs[0], name="adapter", dims=["batch"])
    fixed = msgspec.structs.replace(graph.inputs[0], name="fixed", dims=["batch", 4, "tokens"])
    graph = msgspec.structs.replace(graph, inputs=[adapter, fixed])
    profile = _profile(_plans(tmp_path, msgspec.structs.replace(manifest, graphs=[graph])))
    assert profile["adapter"][::2] == [(1,), (32,)]
    assert profile["fixed"][::2] == [(1, 4, 1), (32, 4, 512)]


def test_a_query_that_is_expanded_may_be_longer_than_the_model_takes(artifacts):
    manifest = read_manifest(artifacts("minilm-colbert"))
    query = msgspec.structs.replace(manifest.query, expand_to=32, expansion_token=103)
    assert longest_input(msgspec.structs.replace(manifest, max_length=8, query=query)) == 32
    assert longest_input(msgspec.structs.replace(manifest, max_length=512, query=query)) == 512


def test_plans_move_with_the_artifact_and_are_those_of_its_weights(artifact, tmp_path):
    moved = shutil.copytree(artifact, tmp_path / "moved")
    first, second = (_opened(folder) for folder in (artifact, moved))
    assert first.folder.relative_to(artifact) == second.folder.relative_to(moved)
    with (moved / "model_fp32_tensorrt.onnx").open("ab") as file:
        file.write(b"x")
    manifest = msgspec.structs.replace(read_manifest(artifact), files=files_of(moved))
    other = Plans.of(moved, manifest, select_graph(manifest, None, TENSORRT))
    assert other.folder.name != second.folder.name, "ONNX Runtime would take one for the other"


def test_plans_are_no_part_of_what_is_checked(artifact):
    plans = _opened(artifact)
    plans.folder.mkdir(parents=True)
    (plans.folder / "TRTKernel_graph_0_sm90.engine").write_bytes(b"engine")
    assert list(plans.files) == ["TRTKernel_graph_0_sm90.engine"]
    assert set(files_of(artifact)) == {*read_manifest(artifact).files, MANIFEST}


def _opened(folder):
    manifest = read_manifest(folder)
    return Plans.of(folder, manifest, select_graph(manifest, None, TENSORRT))


def test_the_types_of_the_graph_are_those_that_are_computed_in(manifest, tmp_path):
    assert _plans(tmp_path, manifest).options()["trt_fp16_enable"] is False


def test_a_graph_for_tensorrt_runs_there_alone(artifact, artifacts):
    assert Engine.load(artifact).graph.provider == "cpu"
    manifest = read_manifest(artifact)
    assert select_graph(manifest, "fp32", CUDA).file == "model_fp32.onnx"
    assert select_graph(manifest, "fp32", TENSORRT).file == "model_fp32_tensorrt.onnx"
    with pytest.raises(ProviderError, match=r"minilm-ce has no int8 graph for TensorRT: export it with --provider"):
        select_graph(manifest, "int8", TENSORRT)
    with pytest.raises(ProviderError, match=r"minilm-ce has no graph for TensorRT"):
        select_graph(read_manifest(artifacts("minilm-ce")), None, TENSORRT)


def test_automatic_choice_leaves_out_what_it_would_have_to_build(artifact, artifacts):
    opener = Opener(artifact, read_manifest(artifact))
    assert not opener._is_ready(TENSORRT)
    plans = _opened(artifact)
    plans.folder.mkdir(parents=True)
    (plans.folder / "a_sm90.engine").touch()
    assert opener._is_ready(TENSORRT)
    assert not Opener(artifact, read_manifest(artifact), precision="int8")._is_ready(TENSORRT)
    assert not Opener(artifacts("minilm-ce"), read_manifest(artifacts("minilm-ce")))._is_ready(TENSORRT)
