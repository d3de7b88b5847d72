"""The fastest provider is chosen by measurement, here between sessions on the CPU that differ."""

import time
from itertools import chain, repeat

import numpy as np
import onnx
import onnxruntime
import pytest

from engine import Engine, EngineClosed, Job, ProviderError
from engine.artifact.manifest import read_manifest
from engine.runtime.devices.choosing import choose, made_up_request
from engine.runtime.devices.providers import CPU
from engine.runtime.opened import Opened
from engine.runtime.scheduler import Schedule
from engine.text.tokenizer import Tokenizer

ONE_AT_A_TIME = Schedule(max_sequences=1, max_tokens=1, workers=1, threads=1)
TOGETHER = Schedule(max_sequences=64, max_tokens=16_384, workers=1, threads=1)
# Seconds a pause: longer than a busy machine makes anything wait.
SLOW = 0.4


@pytest.fixture
def folder(artifacts):
    return artifacts("minilm-ce")


@pytest.fixture
def request_(folder):
    return made_up_request(read_manifest(folder), 1000)[:2]


@pytest.fixture
def opened(folder):
    """Opens sessions on the artifact, and keeps them."""
    sessions = []

    def open_one(schedule=ONE_AT_A_TIME, delay=0.0, at=folder, first_delay=0.0):
        manifest = read_manifest(folder)
        session = Opened.of(at, manifest, manifest.graphs[0], CPU, schedule, None)
        # After each run, on the worker's thread.
        delays = chain([first_delay], repeat(delay))
        session.workers.on_batch = lambda batch: time.sleep(next(delays))
        sessions.append(session)
        return session

    yield open_one
    for session in sessions:
        session.close()


def _is_closed(session, inputs):
    with pytest.raises(EngineClosed):
        session.workers.run(inputs, Job())
    return True


@pytest.mark.slow
@pytest.mark.parametrize("slow", ["first", "second"])
def test_the_fastest_is_kept_and_the_other_closed(slow, opened, request_):
    sessions = {}

    def opener(name):
        def open_it():
            schedule = ONE_AT_A_TIME if name == slow else TOGETHER
            sessions[name] = opened(schedule, delay=SLOW if name == slow else 0.0)
            return sessions[name]

        return open_it

    chosen, paces = choose({"first": opener("first"), "second": opener("second")}, request_, 1e-4)
    fast = "second" if slow == "first" else "first"
    assert list(paces) == [fast, slow]
    # Its pause after each input but the last is part of every run.
    assert paces[slow] < len(request_) / (SLOW * (len(request_) - 1))
    assert chosen is sessions[fast]
    assert len(chosen.workers.run(request_, Job())) == len(request_)
    assert _is_closed(sessions[slow], request_)


@pytest.mark.slow
def test_how_long_the_first_run_takes_does_not_count(opened, request_):
    openers = {"cpu": lambda: opened(delay=SLOW), "cuda": lambda: opened(first_delay=4 * SLOW)}
    assert next(iter(choose(openers, request_, 1e-4)[1])) == "cuda"


def test_one_that_does_not_start_is_passed_over_and_a_lone_one_not_measured(opened, request_):
    runs = []

    def refuse():
        raise ProviderError("no driver")

    def reference():
        session = opened()
        session.workers.on_batch = runs.append
        return session

    chosen, paces = choose({"cpu": reference, "cuda": refuse}, request_, 1e-4)
    assert (paces, runs) == ({}, [])
    assert len(chosen.workers.run(request_, Job())) == len(request_)


def test_one_that_fails_is_passed_over(opened, request_):
    def broken():
        session = opened()
        session.close()
        return session

    _, paces = choose({"cpu": opened, "cuda": broken}, request_, 1e-4)
    assert list(paces) == ["cpu"]


@pytest.mark.slow
@pytest.mark.parametrize("off", [0.001, np.nan])
def test_one_with_other_scores_is_passed_over_however_fast(off, opened, request_, folder, tmp_path):
    graph = read_manifest(folder).graphs[0]
    model = onnx.load(folder / graph.file)
    (output,) = model.graph.output
    node = next(node for node in model.graph.node if output.name in node.output)
    node.output[0] = "before"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(off), "off"))
    model.graph.node.append(onnx.helper.make_node("Add", ["before", "off"], [output.name]))
    onnx.save(model, tmp_path / graph.file)

    openers = {"cpu": lambda: opened(delay=SLOW), "cuda": lambda: opened(TOGETHER, at=tmp_path)}
    assert list(choose(openers, request_, 1e-4)[1]) == ["cpu"]
    if off == 0.001:
        assert next(iter(choose(openers, request_, 0.01)[1])) == "cuda"


def test_without_a_reference_nothing_is_chosen(opened, request_):
    others = []

    def broken():
        session = opened()
        session.close()
        return session

    def other():
        others.append(opened())
        return others[0]

    with pytest.raises(ProviderError, match="cpu does not run this model"):
        choose({"cpu": broken, "cuda": other}, request_, 1e-4)
    assert _is_closed(others[0], request_)


def test_the_request_is_as_most_are_and_always_the_same(artifacts):
    for name, tokens in (("minilm-ce", 10 + 75 + 3), ("minilm-bi", 75 + 2)):
        folder = artifacts(name)
        manifest, size = read_manifest(folder), Tokenizer(folder / "tokenizer.json").size
        request = made_up_request(manifest, size)
        assert [len(item) for item in request] == [tokens] * 20
        assert len({item.input_ids.tobytes() for item in request}) == 20
        again = made_up_request(manifest, size)
        assert all(np.array_equal(a.input_ids, b.input_ids) for a, b in zip(request, again, strict=True))
        assert all(item.input_ids.max() < size for item in request)


def test_an_engine_says_what_it_chose(artifacts):
    engine = Engine.load(artifacts("minilm-ce"), provider="auto")
    if onnxruntime.get_available_providers()[0] not in ("CUDAExecutionProvider", "TensorrtExecutionProvider"):
        assert (engine.provider, engine.paces) == ("cpu", {})
    assert engine.score("a", ["b"]).scores.shape == (1,)
    engine.close()


def test_the_paces_of_providers_are_told_in_what_the_model_takes(artifacts):
    for name, unit in (("minilm-ce", "pairs"), ("minilm-bi", "texts")):
        engine = Engine.load(artifacts(name))
        assert engine.paces == {}, "one was asked for, so nothing was tried"
        engine.paces = {"cuda": 1949.6, "cpu": 73.2}
        assert engine.tried == f"cuda (1,950 {unit}/s), cpu (73 {unit}/s)"
        engine.close()
