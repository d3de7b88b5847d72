"""`--exporter optimum`, in an environment that has optimum-onnx and the older transformers it needs."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import CrossEncoder

from checkpoints.minilm import build_minilm_ce, build_minilm_pylate
from engine import Engine
from engine.artifact.manifest import read_manifest
from export.__main__ import main
from export.verification.texts import texts

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with optimum-onnx before everything that this one has."""
    folder = tmp_path_factory.mktemp("optimum")
    venv.create(folder, with_pip=False)
    interpreter = folder / "bin" / "python"
    (packages,) = folder.glob("lib/*/site-packages")
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", interpreter, "install", "--quiet", "--no-compile"]
    done = subprocess.run([*pip, "optimum-onnx==0.1.0"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return interpreter


def run(python: Path, checkpoint: Path, *options: str) -> Path:
    output = checkpoint.parent / "artifacts"
    command = [python, "-m", "export", checkpoint, "--exporter", "optimum", "--output", output, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return output / checkpoint.name


@pytest.mark.slow
def test_a_cross_encoder_scores_as_sentence_transformers_does(python: Path, tmp_path: Path) -> None:
    checkpoint = build_minilm_ce(tmp_path / "minilm-ce")
    artifact = run(python, checkpoint, "--max-length", "32")
    manifest = read_manifest(artifact)
    assert manifest.built_with["transformers"].startswith("4.")
    assert manifest.built_with["optimum-onnx"] == "0.1.0"
    assert list(manifest.source.weights) == ["model.safetensors"]
    pairs = texts().pairs[:32]
    want = CrossEncoder(str(checkpoint), device="cpu", max_length=32).predict(pairs)
    got = Engine.load(artifact).score(*zip(*pairs, strict=True), truncate_prompt_tokens=-1).scores
    np.testing.assert_allclose(got, want, atol=1e-4)


@pytest.mark.slow
def test_a_body_gets_the_heads_of_its_modules_and_the_overrides_of_its_configuration(
    python: Path, tmp_path: Path
) -> None:
    checkpoint = build_minilm_pylate(tmp_path / "minilm-pylate")
    overrides = '{"num_hidden_layers": 1}'
    artifact = run(python, checkpoint, "--max-length", "32", "--hf-overrides", overrides)
    manifest = read_manifest(artifact)
    assert (manifest.projections, manifest.normalized, manifest.dimension) == ([128], True, 128)
    # Embeddings of all 30,524 tokens and one layer of six.
    assert manifest.files["model_fp32.onnx"].size < 60_000_000
    rows = Engine.load(artifact).embed_tokens("some text").embeddings[0]
    np.testing.assert_allclose(np.linalg.norm(rows, axis=-1), 1, atol=1e-5)


def test_without_optimum_it_says_which_extra_to_install(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = build_minilm_ce(tmp_path / "minilm-ce")
    command = [str(checkpoint), "--exporter", "optimum", "--output", str(tmp_path / "out")]
    assert main(command) == 2
    assert '[optimum]"` in an environment of its own' in capsys.readouterr().err
    assert main([*command, "--precision", "int8"]) == 2
    assert "--exporter optimum makes fp32 graphs" in capsys.readouterr().err
