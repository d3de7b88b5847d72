"""Importing graphs of the real all-MiniLM-L6-v2, and a tiny one's, where there is no PyTorch."""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnxruntime.quantization import quantize_dynamic
from sentence_transformers import CrossEncoder, SentenceTransformer

from checkpoints import tiny
from checkpoints.minilm import build_minilm_bi, build_minilm_pylate, minilm_folder
from checkpoints.onnx_folders import folder_of, write_body, write_half
from engine import Engine
from engine.artifact.manifest import read_manifest
from export.verification.texts import texts

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LENGTH = 32


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the serving set and what importing needs, from this checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", with_pip=False)
    interpreter = folder / "venv" / "bin" / "python"
    for name in ("api", "engine", "export", "models"):
        shutil.copytree(ROOT / name, folder / "source" / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source" / name)
    pip = [sys.executable, "-m", "pip", "--python", interpreter, "install", "--quiet", "--no-compile"]
    done = subprocess.run(
        [*pip, "-c", ROOT / "constraints.txt", f"{folder / 'source'}[cpu,import]"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    absent = subprocess.run([interpreter, "-c", "import torch"], cwd=folder, capture_output=True, text=True)
    assert "ModuleNotFoundError" in absent.stderr
    return interpreter


def run(python: Path, folder: Path, *options: str) -> Path:
    """Import the graphs of `folder`, and return the artifact beside it."""
    output = folder.parent / "artifacts"
    command = [python, "-m", "export", "--from-onnx", folder, "--output", output, *options]
    # Not from the checkout, so that what was installed is what runs.
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "PyTorch" not in done.stderr
    return output / folder.name


def test_an_embedder_of_transformers_js_in_three_precisions(python: Path, tmp_path: Path) -> None:
    folder = folder_of(build_minilm_bi(tmp_path / "checkpoint"), tmp_path / "minilm")
    graph = write_body(minilm_folder(), folder / "onnx" / "model.onnx")
    write_half(graph, folder / "onnx" / "model_fp16.onnx")
    quantize_dynamic(graph, folder / "onnx" / "model_quantized.onnx")
    artifact = run(python, folder, "--precision", "fp32,fp16,int8-fast", "--max-length", str(LENGTH))
    manifest = read_manifest(artifact)
    assert (manifest.pooling, manifest.normalized, manifest.dimension) == ("mean", True, 384)

    reference = SentenceTransformer(str(minilm_folder()), device="cpu")
    reference.max_seq_length = LENGTH
    queries, documents = zip(*texts().pairs, strict=True)
    want = reference.similarity_pairwise(reference.encode(list(queries)), reference.encode(list(documents))).numpy()

    def scores(precision: str) -> np.ndarray:
        return Engine.load(artifact, precision=precision).score(queries, documents, truncate_prompt_tokens=-1).scores

    np.testing.assert_allclose(scores("fp32"), want, atol=1e-4)
    np.testing.assert_allclose(scores("fp16"), want, atol=5e-3)
    # What quantize_dynamic costs is its own: each text has to get what its graph gives for that text alone.
    got = Engine.load(artifact, precision="int8-fast").embed(texts().queries, truncate_prompt_tokens=-1).embeddings
    session = onnxruntime.InferenceSession(folder / "onnx" / "model_quantized.onnx", providers=["CPUExecutionProvider"])
    for text, embedding in zip(texts().queries, got, strict=True):
        feeds = reference.tokenizer(text, truncation=True, max_length=LENGTH, return_tensors="np")
        pooled = session.run(None, dict(feeds))[0][0].mean(axis=0)
        np.testing.assert_allclose(embedding, pooled / np.linalg.norm(pooled), atol=1e-5)


def test_a_cross_encoder_with_logits(python: Path, tmp_path: Path) -> None:
    checkpoint = tiny.build("bert", tmp_path / "checkpoint")
    folder = folder_of(checkpoint, tmp_path / "tiny-ce")
    write_body(checkpoint, folder / "model.onnx", outputs=("logits",))
    engine = Engine.load(run(python, folder, "--max-length", str(LENGTH)))
    pairs = texts().pairs[:64]
    want = CrossEncoder(str(checkpoint), device="cpu", max_length=LENGTH).predict(pairs)
    got = engine.score(*zip(*pairs, strict=True), truncate_prompt_tokens=-1).scores
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_a_pylate_folder_with_its_projection_appended(python: Path, tmp_path: Path) -> None:
    checkpoint = build_minilm_pylate(tmp_path / "checkpoint")
    folder = folder_of(checkpoint, tmp_path / "minilm-pylate")
    write_body(checkpoint, folder / "onnx" / "model.onnx")
    artifact = run(python, folder, "--max-length", str(LENGTH))
    assert (read_manifest(artifact).projections, read_manifest(artifact).dimension) == ([128], 128)
    engine = Engine.load(artifact)
    recorded = json.loads((ROOT / "tests" / "engine" / "pylate_scores.json").read_text())
    for query, want in zip(recorded["queries"], recorded["scores"], strict=True):
        np.testing.assert_allclose(engine.score(query, recorded["documents"]).scores, want, atol=1e-3)


def test_a_checkpoint_without_graphs_needs_pytorch(python: Path, tmp_path: Path) -> None:
    checkpoint = tiny.build("bert", tmp_path / "checkpoint")
    command = [python, "-m", "export", checkpoint, "--output", tmp_path / "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Exporting from PyTorch weights (--from-onnx imports graphs without) needs what is not in" in done.stderr
    assert not (tmp_path / "out").exists()
