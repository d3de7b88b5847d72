"""Settings of a checkpoint's JSON files that are of any type or size: an export works with them or names them."""

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from checkpoints import embedders, rerankers, tiny
from checkpoints.minilm import write_json
from export.__main__ import main
from export.checkpoint.files import open_checkpoint
from export.errors import ExportError
from export.pipeline import Loaded, Options, load
from export.recognition.recognise import recognise
from export.run import traced

VALUES: list[Any] = [None, "x", -1, 0, 1.5, [], {}, True, 2**70]
QUERY = "base_model.model.bert.encoder.layer.0.attention.self.query"
# Of each checkpoint: a choice, for the time they take.
CASES = 5


def embedder(folder: Path) -> Path:
    """A folder of sentence-transformers with a Dense module."""
    embedders.bert_embedder(folder)
    (folder / "3_Dense").mkdir()
    settings = {"in_features": 128, "out_features": 16, "bias": False, "activation_function": "torch.nn.Identity"}
    write_json(folder / "3_Dense" / "config.json", settings)
    save_file({"linear.weight": torch.ones(16, 128)}, folder / "3_Dense" / "model.safetensors")
    modules = json.loads((folder / "modules.json").read_text())
    write_json(folder / "modules.json", [*modules, {"path": "3_Dense", "type": "sentence_transformers.models.Dense"}])
    return folder


def adapter(folder: Path) -> Path:
    """A LoRA adapter of one layer of a cross-encoder, with the settings that peft saves."""
    base = tiny.build("bert", folder.parent / "base")
    folder.mkdir()
    factors = {f"{QUERY}.lora_A.weight": torch.ones(4, 128) / 9, f"{QUERY}.lora_B.weight": torch.ones(128, 4) / 9}
    save_file(factors, folder / "adapter_model.safetensors")
    settings = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(base),
        "revision": None,
        "r": 4,
        "lora_alpha": 8,
        "alpha_pattern": {"key": 4},
        "rank_pattern": {},
        "modules_to_save": ["classifier"],
        "use_rslora": False,
        "fan_in_fan_out": False,
        "auto_mapping": {"base_model_class": "BertForSequenceClassification"},
    }
    write_json(folder / "adapter_config.json", settings)
    return folder


def colbert(folder: Path) -> Path:
    return embedders.colbert(folder, attend=True)


BUILDERS: dict[str, Callable[[Path], Path]] = {
    "cross-encoder": partial(tiny.build, "bert"),
    "embedder": embedder,
    "pylate": embedders.pylate,
    "colbert": colbert,
    "adapter": adapter,
    "Qwen3-Reranker-0.6B": rerankers.qwen3_reranker,
    "cross-encoder-folder": rerankers.cross_encoder_folder,
}


@pytest.fixture(scope="module", params=BUILDERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name: str = request.param
    return BUILDERS[name](tmp_path_factory.mktemp("settings") / name)


def loaded(folder: Path, scratch: Path) -> Loaded:
    """What an export does before it traces."""
    checkpoint = open_checkpoint(str(folder), None, {}, False, scratch=scratch)
    opened = partial(traced, precisions=["fp32"], allow_missing=False, mapped_in=None)
    return load(checkpoint, recognise(checkpoint), opened, Options(scratch, "x"))


def places(content: Any) -> Iterator[tuple[Any, ...]]:
    """Where there are settings in a file, those of objects in it and of the first in lists, too."""
    items = content.items() if isinstance(content, dict) else [*enumerate(content)][:1]
    for name, inner in items:
        yield (name,)
        if isinstance(inner, dict | list):
            yield from ((name, *place) for place in places(inner))


def changed(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    first, *rest = place
    copy = content.copy()
    copy[first] = changed(content[first], tuple(rest), value) if rest else value
    return copy


def test_a_setting_of_any_type_or_size_works_or_is_named(folder: Path, tmp_path: Path) -> None:
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in (".json", ".metadata")]
    contents = {path: json.loads(path.read_text()) for path in files if path.name != "tokenizer.json"}
    loaded(folder, tmp_path / "whole")
    cases = [(path, place, value) for path, said in contents.items() for place in places(said) for value in VALUES]
    refused = 0
    for number, (path, place, value) in enumerate(random.Random(5).sample(cases, CASES)):
        write_json(path, changed(contents[path], place, value))
        said = refusal(folder, tmp_path / str(number))
        write_json(path, contents[path])
        refused += said is not None
        assert said is None or (path.name in said and "\n" not in said), (path.name, place, value, said)
    assert refused


def refusal(folder: Path, scratch: Path) -> str | None:
    try:
        loaded(folder, scratch)
    except ExportError as error:
        return str(error)
    return None


# A file, a setting of it, and what it must be.
WHOLE = "a whole number of at least 8"
REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "embedder",
        "config_sentence_transformers.json",
        {"prompts": {"query": 5}},
        "prompts.query 5, and it must be a text",
    ),
    ("embedder", "config_sentence_transformers.json", {"prompts": ["q"]}, 'prompts ["q"], and it must be an object'),
    (
        "embedder",
        "1_Pooling/config.json",
        {"pooling_mode": []},
        "pooling_mode [], and it must be one or several of cls",
    ),
    (
        "embedder",
        "1_Pooling/config.json",
        {"pooling_mode": {}},
        "pooling_mode {}, and it must be one or several of cls",
    ),
    (
        "embedder",
        "1_Pooling/config.json",
        {"include_prompt": "no"},
        'include_prompt "no", and it must be true or false',
    ),
    ("embedder", "sentence_bert_config.json", {"max_seq_length": 2}, f"max_seq_length 2, and it must be {WHOLE}"),
    ("embedder", "sentence_bert_config.json", {"max_seq_length": 0}, f"max_seq_length 0, and it must be {WHOLE}"),
    ("pylate", "config_sentence_transformers.json", {"query_prefix": 5}, "query_prefix 5, and it must be a text"),
    (
        "pylate",
        "config_sentence_transformers.json",
        {"query_length": "32"},
        f'query_length "32", and it must be {WHOLE}',
    ),
    ("pylate", "config_sentence_transformers.json", {"query_length": -1}, f"query_length -1, and it must be {WHOLE}"),
    ("pylate", "config_sentence_transformers.json", {"document_length": 1.5}, f"length 1.5, and it must be {WHOLE}"),
    ("pylate", "config_sentence_transformers.json", {"skiplist_words": [5]}, "[5], and it must be a list of texts"),
    ("pylate", "config_sentence_transformers.json", {"do_query_expansion": "no"}, "and it must be true or false"),
    ("colbert", "artifact.metadata", {"query_token_id": 5}, "query_token_id 5, and it must be a text"),
    ("colbert", "artifact.metadata", {"query_maxlen": "x"}, f'query_maxlen "x", and it must be {WHOLE}'),
    ("colbert", "artifact.metadata", {"doc_maxlen": 3}, f"doc_maxlen 3, and it must be {WHOLE}"),
    ("cross-encoder", "tokenizer_config.json", {"model_max_length": 2}, f"model_max_length 2, and it must be {WHOLE}"),
    (
        "cross-encoder",
        "tokenizer_config.json",
        {"model_max_length": 1.5},
        f"model_max_length 1.5, and it must be {WHOLE}",
    ),
    ("cross-encoder", "tokenizer_config.json", {"chat_template": 5}, "chat_template 5, and it must be a text"),
    (
        "cross-encoder",
        "tokenizer_config.json",
        {"split_special_tokens": True},
        "split_special_tokens true, and it must be false: ScoreRT reads",
    ),
    ("cross-encoder", "config.json", {"num_hidden_layers": 2**70}, "and it must be a whole number from 1 to 1000"),
    ("cross-encoder", "config.json", {"hidden_size": "128"}, 'hidden_size "128", and it must be a whole number from 1'),
    (
        "cross-encoder",
        "config.json",
        {"num_attention_heads": 3},
        "config.json describes it (The hidden size (128) is not",
    ),
    ("cross-encoder", "config.json", {"layer_norm_eps": "x"}, "error: The checkpoint's config.json has a setting that"),
    ("cross-encoder", "config.json", {"hidden_act": "x"}, "as its config.json describes it (there is no 'x')"),
    (
        "cross-encoder",
        "config.json",
        {"intermediate_size": 99},
        ".dense.bias [256] and not [99], and so have 2 more",
    ),
    ("adapter", "adapter_config.json", {"lora_alpha": None}, "lora_alpha null, and it must be a number"),
    ("adapter", "adapter_config.json", {"lora_alpha": "8"}, 'lora_alpha "8", and it must be a number'),
    ("adapter", "adapter_config.json", {"alpha_pattern": {"(": 3}}, "and it must be an object of regular expressions"),
    ("adapter", "adapter_config.json", {"alpha_pattern": [1]}, "alpha_pattern [1], and it must be an object"),
    ("adapter", "adapter_config.json", {"auto_mapping": "x"}, 'auto_mapping "x", and it must be an object'),
    (
        "cross-encoder-folder",
        "1_LogitScore/config.json",
        {"true_token_id": 2**70},
        "numbers of tokens that the model has",
    ),
    ("Qwen3-Reranker-0.6B", "config.json", {"classifier_from_token": 5}, "and it must be a list of texts"),
]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("named")
    return {name: build(place / name) for name, build in BUILDERS.items()}


@pytest.mark.parametrize(("name", "file", "change", "said"), REFUSED)
def test_a_setting_is_named_with_what_it_must_be(
    checkpoints: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    file: str,
    change: dict[str, Any],
    said: str,
) -> None:
    path = checkpoints[name] / file
    content = path.read_text() if path.exists() else "{}"
    write_json(path, json.loads(content) | change)
    assert main([str(checkpoints[name]), "--output", str(tmp_path / "out")]) == 2
    path.write_text(content)
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert said in error
    assert not [*(tmp_path / "out").glob("*")]


@pytest.mark.parametrize(
    "shapes", [((), (128, 4)), ((4, 128), (128,)), ((0, 128), (128, 0)), ((4, 128), (128, 5)), ((4, 128), (64, 4))]
)
def test_factors_of_other_shapes_are_named(tmp_path: Path, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    folder = adapter(tmp_path / "adapter")
    first, second = (torch.ones(shape) for shape in shapes)
    save_file({f"{QUERY}.lora_A.weight": first, f"{QUERY}.lora_B.weight": second}, folder / "adapter_model.safetensors")
    with pytest.raises(ExportError, match=r"no factors of a product: fetch|changes \[64, 128\] numbers of"):
        loaded(folder, tmp_path / "scratch")


def test_modules_that_do_not_fit_each_other_are_named(tmp_path: Path) -> None:
    folder = embedder(tmp_path / "embedder")
    modules = json.loads((folder / "modules.json").read_text())
    write_json(folder / "modules.json", [*modules, modules[-1]])
    with pytest.raises(ExportError, match=r"3_Dense has a Dense module whose linear.weight is \[16, 128\], and .* 16:"):
        loaded(folder, tmp_path / "scratch")


def test_what_no_score_depends_on_changes_none(tmp_path: Path) -> None:
    """How a network returns its states, and in which chunks it computes them."""
    settings = {"return_dict": False, "chunk_size_feed_forward": 4, "output_hidden_states": True}
    pairs = [("who", "a text that is longer")]
    folder = tiny.build("bert", tmp_path / "bert")
    plain = scored(loaded(folder, tmp_path / "scratch"), pairs)
    write_json(folder / "config.json", json.loads((folder / "config.json").read_text()) | settings)
    assert scored(loaded(folder, tmp_path / "scratch"), pairs) == plain


@pytest.mark.parametrize("named", [None, 0, 7, "x"])
def test_a_tokenizer_without_padding_pads_with_any_token(tmp_path: Path, named: object) -> None:
    pairs = [("who", "a text that is longer"), ("who", "a")]
    folder = tiny.build("bert", tmp_path / "bert")
    padded = scored(loaded(folder, tmp_path / "scratch"), pairs)
    for file, changes in (("tokenizer_config.json", {"pad_token": None}), ("config.json", {"pad_token_id": named})):
        write_json(folder / file, json.loads((folder / file).read_text()) | changes)
    if named == "x":
        with pytest.raises(ExportError, match=r"config\.json"):
            loaded(folder, tmp_path / "scratch")
    else:
        assert scored(loaded(folder, tmp_path / "scratch"), pairs) == pytest.approx(padded, abs=1e-6)


def scored(found: Loaded, pairs: list[tuple[str, str]]) -> list[float]:
    reference = found.exporter.reference(found.exporter.reference_model("fp32"), found.manifest.max_length)
    return [float(logit) for logit in reference.logits(pairs)]
