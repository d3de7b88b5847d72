"""Graphs that exist already: what they hold, what is appended to them, and what they are refused for."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnxruntime.quantization import quantize_dynamic
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tokenizers import Tokenizer
from torch import nn

from checkpoints import tiny
from checkpoints.minilm import write_json
from checkpoints.onnx_folders import WIDTH, Toy, write_body, write_toy_with_heads
from checkpoints.rerankers import qwen3_reranker
from engine import Engine
from engine.artifact.manifest import read_manifest
from export.__main__ import main
from export.checkpoint.weights import read_tensors
from export.errors import ExportError
from export.heads.loaded import LoadedHead
from export.recognition.module_list import POOLING_MODES
from export.verification.texts import texts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What lies beside the graphs of a plain BERT: configuration and tokenizer."""
    tiny.build("bert", tmp_path / "plain", head="Model")
    (tmp_path / "plain" / "model.safetensors").unlink()
    return tmp_path / "plain"


def imported(folder: Path, *options: str) -> Path:
    output = folder.parent / "out"
    assert main(["--from-onnx", str(folder), "--output", str(output), "--max-length", "64", *options]) == 0
    return output / folder.name


def ids_of(artifact: Path, text: str) -> list[int]:
    """With the special tokens around them."""
    ids: list[int] = Tokenizer.from_file(str(artifact / "tokenizer.json")).encode(text).ids
    return ids


def refusal(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    code = main(["--from-onnx", str(folder), "--output", str(folder.parent / "out"), *options])
    error = capsys.readouterr().err.splitlines()[-1]
    assert code == 2, error
    assert not list((folder.parent / "out").glob("*"))
    return error


def test_a_plain_graph_is_pooled_by_its_mean(folder: Path) -> None:
    toy = Toy()
    graph = toy.write(folder / "onnx" / "model.onnx")
    artifact = imported(folder)
    shutil.rmtree(folder)
    embedding = Engine.load(artifact).embed("some text here").embeddings[0]
    np.testing.assert_allclose(embedding, toy.states(ids_of(artifact, "some text here")).mean(axis=0), atol=1e-5)
    manifest = read_manifest(artifact)
    assert list(manifest.source.weights) == [f"onnx/{graph.name}"]
    assert (manifest.pooling, manifest.normalized, manifest.dimension) == ("mean", False, WIDTH)
    assert [tensor.name for tensor in manifest.graphs[0].inputs] == ["input_ids", "attention_mask"]
    assert manifest.graphs[0].outputs[0].dims == ["batch", WIDTH]
    assert manifest.graphs[0].verification is not None
    reference = f"ONNX Runtime {onnxruntime.__version__} on the original graph"
    assert manifest.graphs[0].verification.reference == reference
    assert "torch" not in manifest.built_with


def test_position_ids_are_counted_in_the_graph(folder: Path) -> None:
    toy = Toy()
    toy.write(folder / "model.onnx", inputs=("input_ids", "attention_mask", "position_ids"))
    artifact = imported(folder)
    assert [tensor.name for tensor in read_manifest(artifact).graphs[0].inputs] == ["input_ids", "attention_mask"]
    ids = ids_of(artifact, "some text here")
    want = ((toy.table[ids] + toy.positions[: len(ids)]) @ toy.matrix).mean(axis=0)
    np.testing.assert_allclose(Engine.load(artifact).embed("some text here").embeddings[0], want, atol=1e-5)


def test_a_half_precision_graph_is_pooled_in_float32(folder: Path) -> None:
    """The sum over 64 tokens is more than float16 holds."""
    toy = Toy(words=1500.0)
    toy.write(folder / "model_fp16.onnx", dtype=np.float16)
    artifact = imported(folder)
    text = "list " * 70
    embedding = Engine.load(artifact).embed(text, truncate_prompt_tokens=64).embeddings[0]
    states = toy.states([*ids_of(artifact, text)[:63], ids_of(artifact, text)[-1]])
    assert np.abs(states.sum(axis=0)).max() > np.finfo(np.float16).max
    np.testing.assert_allclose(embedding, states.mean(axis=0), rtol=0.02, atol=20)
    assert read_manifest(artifact).graphs[0].precision == "fp16"
    assert read_manifest(artifact).graphs[0].outputs[0].type == "float32"


def test_precisions_are_told_by_what_graphs_hold_and_the_best_is_taken(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = Toy().write(folder / "onnx" / "model.onnx")
    quantize_dynamic(graph, folder / "onnx" / "model_quantized.onnx", op_types_to_quantize=["MatMul"])
    assert [graph.precision for graph in read_manifest(imported(folder)).graphs] == ["fp32"]
    both = read_manifest(imported(folder, "--precision", "int8-fast,fp32", "--force"))
    assert [(graph.precision, graph.max_batch) for graph in both.graphs] == [("int8-fast", 1), ("fp32", None)]
    assert set(both.source.weights) == {"onnx/model.onnx", "onnx/model_quantized.onnx"}
    shutil.rmtree(folder.parent / "out")
    error = refusal(folder, capsys, "--precision", "fp16")
    assert f"{folder} has no fp16 graph, but model.onnx (fp32): ask for one of those with --precision." in error
    # A name says nothing: optimum-cli calls a graph of any kind model.onnx.
    (folder / "onnx" / "model_quantized.onnx").replace(graph)
    assert [graph.precision for graph in read_manifest(imported(folder)).graphs] == ["int8-fast"]


def test_weights_beside_a_graph_come_into_the_artifact(folder: Path) -> None:
    options = {"save_as_external_data": True, "location": "model.onnx_data", "size_threshold": 0}
    Toy().write(folder / "onnx" / "model.onnx", **options)
    artifact = imported(folder)
    assert set(read_manifest(artifact).source.weights) == {"onnx/model.onnx", "onnx/model.onnx_data"}
    shutil.rmtree(folder)
    assert Engine.load(artifact).embed("some text").embeddings.shape == (1, WIDTH)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        ({"inputs": ("input_ids", "attention_mask", "past_key_values.0.key")}, "takes past_key_values"),
        ({"inputs": ("input_ids", "attention_mask", "pixel_values")}, "has an input pixel_values"),
        ({"inputs": ("input_ids",)}, "has no input attention_mask"),
        ({"dims": (1, 128)}, "any batch and length"),
        ({"output": "pooler_output"}, "has the outputs pooler_output, and a bi-encoder needs last_hidden_state"),
        ({"output": "last_hidden_state", "dtype": np.float64}, None),
    ],
)
def test_a_graph_that_cannot_be_used_is_refused_by_name(
    graph: dict[str, Any], message: str | None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Toy().write(folder / "model.onnx", **graph)
    if message is None:
        assert read_manifest(imported(folder)).graphs[0].outputs[0].type == "float32"
    else:
        assert message in refusal(folder, capsys)


def test_a_graph_of_a_checkpoint_with_adapters_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | {"lora_adaptations": ["retrieval.query", "retrieval.passage"]})
    Toy().write(folder / "model.onnx")
    assert "which of the checkpoint's adapters to use" in refusal(folder, capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give MODEL, or --from-onnx"),
        (["model", "--from-onnx", "folder"], "give MODEL, or --from-onnx"),
        (["--from-onnx", "folder", "--exporter", "optimum"], "give one of them"),
    ],
)
def test_arguments_name_one_source(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message.casefold() in said.casefold()
    assert said.count("\n") == 1


def test_a_folder_without_graphs_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no weights: expected model.onnx or model_fp16.onnx or" in refusal(folder, capsys)


def test_a_dense_module_without_its_weights_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Toy().write(folder / "model.onnx")
    with_modules(folder, modules.Pooling(WIDTH, "mean"), modules.Dense(WIDTH, 4))
    (folder / "2_Dense" / "model.safetensors").unlink()
    said = "2_Dense has no weights named 'linear.weight' for its Dense module, as modules.json names it"
    assert said in refusal(folder, capsys)


def test_weights_that_only_pytorch_reads_are_refused_without_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Toy().write(folder / "model.onnx")
    dense = modules.Dense(WIDTH, 4)
    with_modules(folder, modules.Pooling(WIDTH, "mean"), dense)
    (folder / "2_Dense" / "model.safetensors").unlink()
    torch.save(dense.state_dict(), folder / "2_Dense" / "pytorch_model.bin")
    assert read_manifest(imported(folder)).projections == [4]
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ExportError, match="can only be read with PyTorch: save its tensors as safetensors"):
        read_tensors(folder / "2_Dense")


def test_an_unknown_activation_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Toy().write(folder / "model.onnx")
    with_modules(folder, modules.Pooling(WIDTH, "mean"), modules.Dense(WIDTH, 4, activation_function=nn.Hardshrink()))
    assert "activation 'torch.nn.modules.activation.Hardshrink' is not one ScoreRT has" in refusal(folder, capsys)


@pytest.mark.parametrize("score_type", ["bi-encoder", "late-interaction"])
def test_what_a_graph_pools_itself_is_found_by_looking(score_type: str, folder: Path, tmp_path: Path) -> None:
    """Maximum and length 1 inside, and no modules.json: so optimum exports a sentence-transformers folder."""
    chain = [LoadedHead("Pooling", {"pooling_mode": "max"}), LoadedHead("Normalize")]
    write_toy_with_heads(folder / "model.onnx", chain)
    manifest = read_manifest(imported(folder, "--score-type", score_type))
    if score_type == "bi-encoder":
        assert (manifest.pooling, manifest.normalized) == ("max", True)
    else:
        assert (manifest.pooling, manifest.graphs[0].outputs[0].dims) == (None, ["batch", "tokens", WIDTH])


def test_only_the_heads_that_are_not_inside_are_appended(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pooling = LoadedHead("Pooling", {"pooling_mode": "max"})
    write_toy_with_heads(folder / "model.onnx", [pooling])
    with_modules(folder, modules.Pooling(WIDTH, "max"), modules.Normalize())
    artifact = imported(folder)
    manifest = read_manifest(artifact)
    assert (manifest.pooling, manifest.normalized) == ("max", True)
    embedding = Engine.load(artifact).embed("some text").embeddings[0]
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
    shutil.rmtree(folder.parent / "out")

    with_modules(folder, modules.Pooling(WIDTH, "mean"), modules.Normalize())
    error = refusal(folder, capsys)
    assert "has a sentence_embedding that is not what its modules.json says of its token_embeddings" in error


def with_modules(folder: Path, *after: Any) -> None:
    """Put the modules.json of sentence-transformers, and its modules' folders, beside a graph."""
    listed = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    for index, module in enumerate(after, start=1):
        kind = type(module).__name__
        path = folder / f"{index}_{kind}"
        path.mkdir(exist_ok=True)
        module.save(str(path))
        listed.append(
            {"idx": index, "name": str(index), "path": path.name, "type": f"sentence_transformers.models.{kind}"}
        )
    write_json(folder / "modules.json", listed)


@pytest.mark.slow
def test_a_folder_with_every_module_embeds_as_sentence_transformers_does(tmp_path: Path) -> None:
    """A traced body, and after it all six pooling modes, Dense, LayerNorm, Normalize and prompts."""
    body = tiny.build("bert", tmp_path / "body", head="Model")
    torch.manual_seed(1)
    reference = SentenceTransformer(
        modules=[
            modules.Transformer(str(body), max_seq_length=48),
            modules.Pooling(128, POOLING_MODES),
            modules.Dense(128 * 6, 24, activation_function=nn.Tanh()),
            modules.LayerNorm(24),
            modules.Normalize(),
        ],
        prompts={"query": "query: ", "document": "passage: "},
    )
    folder = tmp_path / "st"
    reference.save(str(folder))
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 48})
    write_body(body, folder / "onnx" / "model.onnx")
    (folder / "model.safetensors").unlink()
    assert main(["--from-onnx", str(folder), "--output", str(tmp_path / "out")]) == 0

    engine = Engine.load(tmp_path / "out" / "st")
    got = engine.embed(texts().queries, role="query", truncate_prompt_tokens=-1).embeddings
    np.testing.assert_allclose(got, reference.encode_query(texts().queries), atol=1e-5)
    got = engine.embed(texts().documents, truncate_prompt_tokens=-1).embeddings
    np.testing.assert_allclose(got, reference.encode_document(texts().documents), atol=1e-5)
    manifest = read_manifest(tmp_path / "out" / "st")
    assert (manifest.pooling, manifest.projections, manifest.dimension) == ("+".join(POOLING_MODES), [24], 24)


@pytest.mark.parametrize("labels", [1, 3])
def test_a_classifier_has_one_logit(labels: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}, "model_type": "bert"}
    write_json(folder / "config.json", config)
    weight = np.random.default_rng(3).standard_normal((labels, WIDTH)).astype(np.float32)
    chain = [LoadedHead("Pooling", {"pooling_mode": "mean"}), LoadedHead("Dense", weights={"linear.weight": weight})]
    write_toy_with_heads(folder / "model.onnx", chain, "logits")
    if labels > 1:
        assert "gives logits of shape [8, 3] for 8 pairs" in refusal(folder, capsys)
        return
    artifact = imported(folder)
    ids = Tokenizer.from_file(str(artifact / "tokenizer.json")).encode("a query", "a document").ids
    want = Toy().states(ids).mean(axis=0) @ weight[0]
    got = Engine.load(artifact).score("a query", "a document", use_activation=False).scores[0]
    assert got == pytest.approx(want, abs=1e-4)
    assert read_manifest(artifact).graphs[0].outputs[0].dims == ["batch"]


@pytest.mark.parametrize(
    ("config", "toy", "inputs", "output", "message"),
    [
        (
            *(
                {"max_position_embeddings": 600},
                {},
                ("input_ids", "attention_mask", "position_ids"),
                "token_embeddings",
            ),
            "takes inputs of at most 512 tokens, and its config.json allows 600 or more: give --max-length 512, or",
        ),
        (
            *({}, {"vocabulary": 50}, ("input_ids", "attention_mask"), "token_embeddings"),
            "put the tokenizer and the config.json that it was exported with beside it.",
        ),
        (
            *({}, {}, ("input_ids", "attention_mask"), "sentence_embedding"),
            "and not a vector each: call states of tokens last_hidden_state, as optimum-cli does.",
        ),
        ({}, {}, ("input_ids", "attention_mask"), "logits", "export it with that (optimum-cli export onnx --task feat"),
        (
            *({"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}, {}),
            *(("input_ids", "attention_mask"), "last_hidden_state"),
            "so it lacks the classifier that its config.json names: export it with that (optimum-cli",
        ),
    ],
)
def test_a_graph_that_is_not_of_its_configuration_is_one_sentence(
    config: dict[str, Any],
    toy: dict[str, int],
    inputs: tuple[str, ...],
    output: str,
    message: str,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, changes in (("config.json", config), ("tokenizer_config.json", {"model_max_length": 10**30})):
        write_json(folder / name, json.loads((folder / name).read_text()) | changes)
    Toy(**toy).write(folder / "model.onnx", output=output, inputs=inputs)
    assert message in refusal(folder, capfd)


def test_a_reranker_made_of_a_language_model_needs_its_states_and_its_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row of yes less that of no, on the last token's state; the weights hold nothing else."""
    folder = qwen3_reranker(tmp_path / "qwen3-reranker")
    (folder / "model.safetensors").unlink()
    toy = Toy(vocabulary=json.loads((folder / "config.json").read_text())["vocab_size"])
    toy.write(folder / "model.onnx", output="logits")
    assert "gives the logits of a whole vocabulary and no last_hidden_state" in refusal(folder, capsys)
    toy.write(folder / "model.onnx", inputs=("input_ids", "attention_mask", "position_ids"))
    assert "has no weights named" in refusal(folder, capsys)
    rows = np.random.default_rng(4).standard_normal(toy.table.shape).astype(np.float32)
    save_file({"model.embed_tokens.weight": rows}, folder / "model.safetensors")
    manifest = read_manifest(imported(folder, "--max-length", "512"))
    assert (manifest.score_type, manifest.pooling, manifest.projections) == ("cross-encoder", "lasttoken", [1])
    assert manifest.template is not None
