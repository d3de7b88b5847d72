"""Tokens without an embedding, weights that are no numbers and checkpoints that rank nothing are named as such."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoints import rerankers, tiny
from checkpoints.minilm import write_json
from checkpoints.onnx_folders import folder_of, write_body
from engine import Engine
from engine.arrays import Floats
from export.__main__ import main
from export.checkpoint.files import open_checkpoint
from export.checkpoint.tokenizer import fit, load_tokenizer
from export.errors import ExportError
from export.recognition.recognise import recognise
from export.tracing.traced import TracedNetwork

BEYOND = tiny.VOCABULARY + 5


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return tiny.build("bert", tmp_path / "bert")


def edit(folder: Path, change: Callable[[Any], None], name: str = "tokenizer.json") -> None:
    content = json.loads((folder / name).read_text())
    change(content)
    write_json(folder / name, content)


def add(content: str, special: bool = False) -> Callable[[Any], None]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    token = {"id": BEYOND, "content": content, "special": special} | flags
    return lambda own: own["added_tokens"].append(token)


def move(content: str) -> Callable[[Any], None]:
    """Give a token of the vocabulary a number that the model has no embedding for."""

    def change(own: Any) -> None:
        own["model"]["vocab"][content] = BEYOND
        for token in own["added_tokens"]:
            token["id"] = BEYOND if token["content"] == content else token["id"]
        around = own["post_processor"]["special_tokens"]
        if content in around:
            around[content]["ids"] = [BEYOND]

    return change


def fitted(folder: Path, template: str | None = None) -> tuple[Any, str | None]:
    checkpoint = open_checkpoint(str(folder), None, {}, False)
    recipe = recognise(checkpoint, template=template)
    tokenizer = load_tokenizer(checkpoint, recipe)
    return tokenizer, fit(tokenizer, checkpoint, recipe)


@pytest.mark.parametrize("content", ["[CLS]", "[SEP]", "[PAD]", "the"])
def test_tokens_that_inputs_are_made_of_must_have_embeddings(bert: Path, content: str) -> None:
    edit(bert, move(content))
    with pytest.raises(ExportError) as refused:
        fitted(bert)
    assert str(refused.value) == (
        f"The checkpoint's tokenizer has the token {BEYOND} ({content}), and its model embeddings for "
        f"{tiny.VOCABULARY} tokens (vocab_size in config.json): put the model's own tokenizer into the folder."
    )


def test_tokens_that_a_template_writes_must_have_embeddings(bert: Path) -> None:
    edit(bert, add("<|query|>", special=True))
    assert fitted(bert)[1] is not None
    with pytest.raises(ExportError, match=r"has the token \d+ \(<\|query\|>\)"):
        fitted(bert, template="<|query|>{{ messages }}")


def test_a_tokenizer_that_fits_is_left_as_it_is(bert: Path) -> None:
    assert fitted(bert)[1] is None


def test_added_tokens_without_an_embedding_are_read_as_other_words_are(
    bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(bert, add("zzzz"))
    named = {"mask_token": "<mask>", "extra_special_tokens": {}}
    edit(bert, lambda own: own.update(named), "tokenizer_config.json")
    assert main([str(bert), "--output", str(tmp_path / "out"), "--verify", "0.05"]) == 0
    said = "The model has no embedding for tokens that its tokenizer has, which are read as other words are: "
    assert f"warning: {said}" in capsys.readouterr().err
    engine = Engine.load(tmp_path / "out" / "bert")
    try:
        assert engine.manifest.warnings == [f"{said}zzzz, <mask>."], "in the order of their numbers"
        assert "mask_token" not in engine.manifest.special_tokens
        scores = engine.score("a zzzz b", ["zzzz", "zz zz", "<mask>"]).scores
    finally:
        engine.close()
    assert all(0 < score < 1 for score in scores)


def spoil(folder: Path, name: str, value: float) -> Path:
    weights = load_file(folder / "model.safetensors")
    weights[name].view(-1)[-1] = value
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def refusal(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*arguments, "--output", str(tmp_path / "out"), "--verify", "0.05"]) == 2
    (sentence,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return sentence.removeprefix("error: ")


QUERY = "bert.encoder.layer.0.attention.self.query.weight"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", [QUERY, "classifier.bias"])
def test_a_weight_that_is_no_number_is_named(
    bert: Path, name: str, value: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = refusal([str(spoil(bert, name, value))], tmp_path, capsys)
    assert sentence.startswith(
        f"The checkpoint's weight {name} has values that are no numbers (NaN or infinite): fetch"
    )


def test_a_heads_weight_that_is_no_number_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = rerankers.qwen3_reranker_seq_cls(tmp_path / "qwen3-reranker")
    sentence = refusal([str(spoil(folder, "score.weight", float("nan")))], tmp_path, capsys)
    assert sentence.startswith("The checkpoint's weight score.weight of qwen3-reranker has values that are no numbers")


def test_a_published_graph_whose_scores_are_no_numbers_is_named(
    bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(bert, tmp_path / "graphs")
    write_body(spoil(bert, QUERY, float("nan")), folder / "onnx" / "model.onnx", ("logits",))
    sentence = refusal(["--from-onnx", str(folder)], tmp_path, capsys)
    assert sentence.startswith("The checkpoint itself gives scores that are no numbers: its weights")


def test_a_checkpoint_that_ranks_nothing_is_not_the_graphs_fault(
    bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = load_file(bert / "model.safetensors")
    weights["classifier.weight"] = torch.zeros_like(weights["classifier.weight"])
    save_file(weights, bert / "model.safetensors", {"format": "pt"})
    sentence = refusal([str(bert)], tmp_path, capsys)
    assert sentence.startswith(
        "The checkpoint itself gives all texts the same score: its classifier or projection is all"
    )


def test_a_setting_that_makes_all_scores_the_same_is_named(
    bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(bert, lambda own: own.update(is_decoder=True), "config.json")
    sentence = refusal([str(bert)], tmp_path, capsys)
    assert "config.json has is_decoder true, and it must be false, since all texts have the same score" in sentence


def test_a_tokenizer_whose_token_types_the_model_lacks_is_named(
    bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "bert.embeddings.token_type_embeddings.weight"
    weights = load_file(bert / "model.safetensors")
    save_file(weights | {name: weights[name][:1].clone()}, bert / "model.safetensors", {"format": "pt"})
    edit(bert, lambda own: own.update(type_vocab_size=1), "config.json")
    sentence = refusal([str(bert)], tmp_path, capsys)
    assert sentence.startswith(
        "The checkpoint's tokenizer gives the token types 0 to 1, and its model embeddings for 1 "
    )


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("config.json", {"chunk_size_feed_forward": 64, "return_dict": False, "output_hidden_states": True}),
        ("tokenizer_config.json", {"model_input_names": ["ids", "token_type_ids"]}),
    ],
)
def test_how_a_class_computes_and_what_inputs_are_called_changes_nothing(
    bert: Path, file: str, settings: dict[str, Any]
) -> None:
    def logits() -> Floats:
        checkpoint = open_checkpoint(str(bert), None, {}, False)
        recipe = recognise(checkpoint)
        tokenizer = load_tokenizer(checkpoint, recipe)
        network = TracedNetwork(checkpoint, recipe, tokenizer, ["fp32"], False)
        reference = network.reference(network.reference_model("fp32"), 512)
        return reference.logits([("a", "b"), ("a", "horses graze beside a river"), ("a b c", "d")])

    plain = logits()
    edit(bert, lambda own: own.update(settings), file)
    np.testing.assert_array_equal(logits(), plain)
