"""Small runs in places and shapes of their own, as recordings have them, here on the CPU, which records nothing."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime
import pytest

from engine import Engine
from engine.artifact.artifact import Manifest
from engine.runtime import opening
from engine.runtime.devices import cuda_graphs
from engine.runtime.devices.cuda_graphs import Recordings
from engine.runtime.devices.providers import CPU
from engine.runtime.sessions import open_session

QUERY = "What is the capital of France?"
DOCUMENTS = ["The capital of Brazil is Brasilia.", "Paris", "Horses and cows", "a " * 90, "long " * 200]


SHAPES = [(1, 16), (2, 16), (2, 128), (4, 32)]


def recordings(folder: Any, manifest: Manifest) -> Recordings:
    (graph,) = manifest.graphs
    session = open_session(folder / graph.file, CPU, 1)
    return Recordings(session, graph.outputs[0].name, "cpu", SHAPES)


@pytest.fixture(params=["minilm-ce", "minilm-bi", "minilm-colbert"])
def engine(request: Any, artifacts: Any) -> Iterator[Engine]:
    """One whose small runs are replayed."""
    engine = Engine.load(artifacts(request.param), embedding_cache_bytes=0)
    engine._opened.runner.replay_small_runs(recordings(artifacts(request.param), engine.manifest))
    yield engine
    engine.close()


def test_scores_are_those_of_other_runs(engine: Engine, artifacts: Any) -> None:
    reference = Engine.load(artifacts(engine.manifest.name), embedding_cache_bytes=0)
    used = engine._opened.runner._recordings
    assert used is not None
    runs: list[tuple[int, int]] = []
    replay = used.replay
    used.replay = lambda shape, *rest: runs.append(shape) or replay(shape, *rest)  # type: ignore[method-assign]
    got, want = engine.score(QUERY, DOCUMENTS), reference.score(QUERY, DOCUMENTS)
    np.testing.assert_allclose(got.scores, want.scores, rtol=1e-4, atol=1e-5)
    assert runs
    assert set(runs) <= set(SHAPES), "what is longer is not"
    reference.close()


def test_threads_take_turns_and_keep_what_they_got(engine: Engine) -> None:
    texts = [f"{text} {number}" for number in range(8) for text in DOCUMENTS]
    want = [engine.score(QUERY, text).scores[0] for text in texts]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda text: engine.score(QUERY, text).scores[0], texts * 2))
    np.testing.assert_allclose(got, want * 2, rtol=1e-4, atol=1e-5)


def test_one_thread_makes_and_replays_them(artifacts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime keeps them by thread."""
    threads = set()
    run = onnxruntime.InferenceSession.run_with_iobinding

    def noted(session: Any, binding: Any, options: Any = None) -> None:
        threads.add(threading.current_thread().name)
        numbers.append(options.get_run_config_entry("gpu_graph_id"))
        run(session, binding, options)

    numbers: list[str] = []
    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", noted)
    engine = Engine.load(artifacts("minilm-ce"))
    engine._opened.runner.replay_small_runs(recordings(artifacts("minilm-ce"), engine.manifest))
    assert [name.startswith("scorert-recordings") for name in threads] == [True]
    recorded = [str(number) for number in range(1, len(SHAPES) + 1)]
    # Each is preceded by a run that is not recorded, and all are there before the first is replayed.
    assert numbers == [number for own in recorded for number in ("-1", own)] + recorded
    engine.score(QUERY, DOCUMENTS)
    assert [name.startswith("scorert-recordings") for name in threads] == [True]
    engine.close()


def test_one_that_gives_other_values_is_not_used(artifacts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that reads what the host had while it was made."""
    monkeypatch.setattr(cuda_graphs._Bound, "write", lambda bound, feeds: None)
    engine = Engine.load(artifacts("minilm-ce"))
    with pytest.raises(ArithmeticError, match="1 sequences of 16 tokens give other values"):
        engine._opened.runner.replay_small_runs(recordings(artifacts("minilm-ce"), engine.manifest))
    assert engine._opened.runner._recordings is None
    assert len(engine.score(QUERY, DOCUMENTS).scores) == len(DOCUMENTS)
    engine.close()


@pytest.mark.parametrize(
    ("sequences", "tokens", "want"),
    [(1, 1, (1, 16)), (3, 16, (4, 16)), (20, 75, (24, 96)), (32, 128, (32, 128)), (33, 16, None), (1, 129, None)],
)
def test_inputs_go_into_the_smallest_shape_that_holds_them(
    sequences: int, tokens: int, want: Any, artifacts: Any
) -> None:
    session = open_session(artifacts("minilm-ce") / "model_fp32.onnx", CPU, 1)
    assert Recordings(session, "logits", "cpu", cuda_graphs.SHAPES).shape_for(sequences, tokens) == want


def test_without_cuda_nothing_is_recorded(artifacts: Any) -> None:
    engine = Engine.load(artifacts("minilm-ce"), provider="cpu", cuda_graphs=True)
    assert engine._opened.runner._recordings is None
    engine.close()


def test_what_cannot_be_recorded_is_said_and_runs_as_ever(artifacts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(opening._LOGGER, "warning", lambda *words: said.append(words[0]))
    engine = Engine.load(artifacts("minilm-ce"))
    # This machine's ONNX Runtime has no CUDA, so that opening the session is what fails.
    opening.Opener(artifacts("minilm-ce"), engine.manifest, cuda_graphs=True)._record(engine._opened)
    assert said == ["No CUDA graphs are used: %s"]
    assert engine._opened.runner._recordings is None
    assert len(engine.score(QUERY, DOCUMENTS).scores) == len(DOCUMENTS)
    engine.close()
