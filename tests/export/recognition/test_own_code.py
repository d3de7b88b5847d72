"""Code, settings and weights that transformers does not read are refused or named, and never become other scores."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from checkpoints import rerankers, tiny
from checkpoints.minilm import write_json
from export.__main__ import main
from export.checkpoint.files import open_checkpoint
from export.errors import ExportError
from export.recipe import Recipe
from export.recognition.recognise import recognise


def recipe(folder: Path, **overrides: Any) -> Recipe:
    return recognise(open_checkpoint(str(folder), None, overrides, False))


def changed(folder: Path, **settings: Any) -> Path:
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | settings)
    return folder


def refusal(folder: Path, **overrides: Any) -> str:
    with pytest.raises(ExportError) as refused:
        recipe(folder, **overrides)
    assert "\n" not in str(refused.value)
    return str(refused.value)


CODE = {"AutoConfig": "configuration_own.OwnConfig", "AutoModel": "modeling_own.OwnModel"}


@pytest.mark.parametrize("body", tiny.FAMILIES)
def test_code_of_an_encoders_own_is_refused(tmp_path, body):
    folder = changed(tiny.build(body, tmp_path), auto_map=CODE)
    assert refusal(folder) == (
        "The checkpoint has code of its own (auto_map: configuration_own.OwnConfig), which is not run, and its scores "
        "may be others without it: say --hf-overrides '{\"auto_map\": null}' where transformers' own class computes "
        "the same; if it was published with ONNX graphs, import those with --from-onnx."
    )
    assert recipe(folder, auto_map=None).score_type == "cross-encoder"


@pytest.mark.parametrize("build", [rerankers.qwen3_embedding, rerankers.e5_mistral])
def test_code_of_a_language_models_own_is_refused_unless_its_attention_is_known(tmp_path, build):
    """So GritLM and gte-Qwen2 are published, which attend to later tokens as well."""
    folder = changed(build(tmp_path / "embedder"), auto_map={"AutoModel": "modeling_gritlm7b.MistralModel"})
    assert '{"auto_map": null, "is_causal": false}' in refusal(folder)
    assert recipe(folder, is_causal=False).score_type == "bi-encoder"
    assert recipe(folder, auto_map=None, is_causal=False).score_type == "bi-encoder"


@pytest.mark.parametrize("kind", ["alibi", "relative_key", "relative_key_query", "rotary"])
@pytest.mark.parametrize("body", ["bert", "roberta"])
def test_positions_that_transformers_does_not_have_are_refused(tmp_path, body, kind):
    folder = changed(tiny.build(body, tmp_path), position_embedding_type=kind)
    assert f"has position_embedding_type {kind!r}, which transformers' class for {body} does not" in refusal(folder)
    assert not recipe(folder, position_embedding_type="absolute").warnings


@pytest.mark.parametrize(
    "head", ["Qwen2ForRewardModel", "JinaBertModel", "MistralBiModel", "OwnForSequenceClassification"]
)
def test_an_architecture_of_nobodys_is_refused(tmp_path, head):
    folder = changed(tiny.build("bert", tmp_path), architectures=[head])
    assert refusal(folder).startswith(f"{head} is no class of transformers, and no family's that ScoreRT knows")
    assert recipe(folder, architectures=["BertForSequenceClassification"]).score_type == "cross-encoder"


@pytest.mark.parametrize("body", ["bert", "distilbert", "modernbert"])
def test_settings_that_no_score_depends_on_are_not(tmp_path, body):
    of_older_classes = {"torchscript": True, "output_past": True, "num_beams": 4, "temperature": 0.7, "top_k": 50}
    of_training = {"gradient_checkpointing": True, "hidden_dropout_prob": 0.3, "layerdrop": 0.1, "initializer_std": 0.1}
    of_weights = {"intermediate_size": 256, "type_vocab_size": 2, "use_cache": True}
    folder = changed(tiny.build(body, tmp_path), **of_older_classes, **of_training, **of_weights)
    assert recipe(folder).warnings == []


def test_settings_that_transformers_does_not_read_are_named(tmp_path):
    folder = tiny.build("bert", tmp_path)
    assert recipe(folder).warnings == []
    changed(folder, rope_scaling={"type": "linear", "factor": 2.0}, logn_attention_scale=True, use_cache=False)
    assert recipe(folder).warnings == [
        "BertConfig of transformers does not read these settings of config.json, so scores are those without them: "
        "rope_scaling {'type': 'linear', 'factor': 2.0}, logn_attention_scale True."
    ]
    assert not recipe(folder, rope_scaling=None, logn_attention_scale=False).warnings


def test_the_command_says_what_is_not_read(tmp_path, capsys):
    folder = changed(tiny.build("bert", tmp_path / "bert"), logn_attention_scale=True)
    settings = folder / "tokenizer_config.json"
    own = {"auto_map": {"AutoTokenizer": ["own.Tokenizer", None]}}
    settings.write_text(json.dumps(json.loads(settings.read_text()) | own))
    assert main([str(folder), "--output", str(tmp_path / "out"), "--max-length", "9999"]) == 2
    said = capsys.readouterr().err
    assert re.search(r"^warning: BertConfig .*: logn_attention_scale True\.$", said, re.MULTILINE)
    assert "warning: The checkpoint's tokenizer has code of its own" in said


@pytest.mark.parametrize("head", ["ForSequenceClassification", "Model"])
def test_layers_of_a_body_are_never_random(tmp_path, capsys, head):
    """As where weights are laid out as jina-reranker-v2's are."""
    folder = tiny.build("xlm-roberta", tmp_path / "model", head=head)
    weights = load_file(folder / "model.safetensors")
    named = {name.replace("encoder.layer.", "encoder.layers."): tensor for name, tensor in weights.items()}
    save_file(named, folder / "model.safetensors", {"format": "pt"})
    for options in ([], ["--allow-missing"]):
        assert main([str(folder), "--output", str(tmp_path / "out"), *options]) == 2
        said = capsys.readouterr().err
        assert "import ONNX graphs that it was published with (--from-onnx)." in said
        assert "--allow-missing" not in said


def test_weights_for_llama_cpp_are_named(tmp_path):
    (tmp_path / "model-q4.gguf").write_bytes(b"GGUF")
    assert "has weights for llama.cpp (*.gguf)" in refusal(tmp_path)
