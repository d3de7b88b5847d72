"""Late interaction with token embeddings that are not numpy's arrays, as they are on a GPU.

No GPU is needed: `DeviceArray` refuses what cupy's arrays refuse. What cupy itself does is proven where it is loaded.
"""

import logging
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Engine, Index
from engine.index.build import build_index
from engine.job import Job
from engine.prompts.template import Prompting
from engine.runtime.devices import gpu_arrays
from engine.text.truncation import Truncation
from engine.vectors import maxsim
from tests.engine.runtime.device_array import DeviceArray

QUERY = "What is the capital of France?"
DOCUMENTS = ["The capital of Brazil is Brasilia.", "Paris, the capital of France!", "Horses and cows", "a " * 90]


def fetch(value: onnxruntime.OrtValue) -> Any:
    return DeviceArray(value.numpy())


@pytest.fixture
def engine(artifacts: Any, request: Any, monkeypatch: Any) -> Iterator[Engine]:
    """One whose runs leave token embeddings elsewhere, and whose cache is as the test's parameters say."""
    engine = Engine.load(artifacts("minilm-colbert"), **getattr(request, "param", {}))
    runner = engine._opened.runner
    monkeypatch.setattr(runner, "_run", runner._run_bound)
    monkeypatch.setattr(runner, "_fetch", fetch)
    yield engine
    engine.close()


CACHES = [{}, {"embedding_cache_bytes": 0}, {"embedding_cache_store": "float16"}, {"embedding_cache_store": "int8"}]


@pytest.mark.parametrize(("engine", "options"), [(options, options) for options in CACHES], indirect=["engine"])
def test_scores_are_those_of_the_cpu_computed_and_remembered(engine: Engine, options: Any, artifacts: Any) -> None:
    reference = Engine.load(artifacts("minilm-colbert"), **options)
    for _ in range(2):
        got, want = engine.score(QUERY, DOCUMENTS), reference.score(QUERY, DOCUMENTS)
        np.testing.assert_allclose(got.scores, want.scores, rtol=1e-5)
        assert (type(got.scores), got.scores.dtype, got.tokens) == (np.ndarray, np.float32, want.tokens)
        pairs = [QUERY, "animals", QUERY, "animals"]
        np.testing.assert_allclose(
            engine.score(pairs, DOCUMENTS).scores, reference.score(pairs, DOCUMENTS).scores, rtol=1e-5
        )
    inputs = engine._builder.contents([QUERY], "query", Truncation(engine.manifest.max_length), Prompting())
    rows = engine._embedder.embed({"query": inputs}, Job())["query"]
    assert isinstance(rows[0], DeviceArray), "they do not come back"
    reference._embedder.embed({"query": inputs}, Job())
    assert engine.cache == reference.cache, "as many bytes, hits and misses"
    reference.close()


def test_what_callers_get_is_numpys(engine: Engine, artifacts: Any, tmp_path: Any) -> None:
    reference = Engine.load(artifacts("minilm-colbert"))
    for _ in range(2):
        got = engine.embed_tokens(DOCUMENTS).embeddings
        for rows, want in zip(got, reference.embed_tokens(DOCUMENTS).embeddings, strict=True):
            np.testing.assert_allclose(rows, want, atol=1e-6)
            rows[:] = 7  # the caller's own
        assert all(type(rows) is np.ndarray for rows in got)
    compared, want = (one.compare_tokens(QUERY, DOCUMENTS[0]) for one in (engine, reference))
    assert type(compared.similarity) is np.ndarray
    np.testing.assert_allclose(compared.similarity, want.similarity, atol=1e-6)
    assert compared.score == pytest.approx(engine.score(QUERY, DOCUMENTS[0]).scores[0], rel=1e-5)

    documents = tmp_path / "documents.jsonl"
    documents.write_text('{"id": "a", "text": "Paris"}\n{"id": "b", "text": "Horses and cows"}\n')
    build_index(engine, documents, tmp_path / "index")
    ranking = Index(tmp_path / "index", engine).rerank(QUERY, ["b", "a"])
    assert [ranked.index for ranked in ranking.results] == [1, 0]
    reference.close()


@given(
    st.integers(1, 9),
    st.lists(st.integers(1, 30), min_size=1, max_size=20),
    st.sampled_from([1, 40, 2**17]),
    st.integers(0, 99),
)
def test_maxsim_is_the_same_however_documents_are_split(queries: int, lengths: Any, room: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    query = random.standard_normal((queries, 8), dtype=np.float32)
    documents = [random.standard_normal((tokens, 8), dtype=np.float32) - 3 for tokens in lengths]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maxsim, "_DEVICE_TOKENS_AT_A_TIME", room)
        blocks = list(maxsim._blocks(np.array(lengths)))
        assert sorted(np.concatenate(blocks).tolist()) == list(range(len(lengths)))
        assert all(len(block) == 1 or len(block) * max(lengths[i] for i in block) <= room for block in blocks)
        there: Any = [DeviceArray(rows) for rows in documents]
        got = maxsim.maxsim(DeviceArray(query), there)  # type: ignore[arg-type]
    np.testing.assert_allclose(got, maxsim.maxsim(query, documents), rtol=1e-4, atol=1e-4)


class Wrong(DeviceArray):
    """A library whose product is off."""

    def __matmul__(self, other: Any) -> DeviceArray:
        return DeviceArray(self._values @ other._values * np.float32(1.01))


class Lacking(DeviceArray):
    """A library that cannot round."""

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        if dtype == np.float16:
            raise RuntimeError("no kernel image is available")
        return super().astype(dtype, copy)


def test_a_library_is_proven_before_it_is_used() -> None:
    gpu_arrays.prove(DeviceArray)
    with pytest.raises(RuntimeError, match="no kernel image"):
        gpu_arrays.prove(Lacking)
    with pytest.raises(ArithmeticError, match="its scores are"):
        gpu_arrays.prove(Wrong)


def test_without_a_cupy_that_works_they_come_to_the_cpu_and_the_log_says_why(monkeypatch: Any, tmp_path: Any) -> None:
    told: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = told.append  # type: ignore[method-assign]
    logger = logging.getLogger("scorert")
    logger.addHandler(handler)
    monkeypatch.setattr(gpu_arrays, "find_spec", lambda name: None)
    assert gpu_arrays.token_fetch() is gpu_arrays.fetch_to_host
    assert not told, "nobody has to have it"

    monkeypatch.undo()
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    (tmp_path / "cupy.py").write_text("raise ImportError('libcublas.so.13: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    assert gpu_arrays.token_fetch() is gpu_arrays.fetch_to_host
    logger.removeHandler(handler)
    (record,) = told
    assert "Token embeddings are compared on the CPU, since cupy does not work here: " in record.getMessage()


def test_onnx_runtime_hands_over_what_a_run_has_left() -> None:
    """By DLPack, as cupy takes it: the same memory, without a copy."""
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    value = onnxruntime.OrtValue.ortvalue_from_numpy(rows)
    assert np.shares_memory(np.from_dlpack(value), rows)
