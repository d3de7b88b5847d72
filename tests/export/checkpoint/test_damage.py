"""Every file that an export reads, damaged in every way that downloads and copies damage files: one sentence each."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoints import multimodal, rerankers, tiny
from checkpoints.minilm import write_json
from checkpoints.onnx_folders import Toy
from export.__main__ import main

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22ea\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html>\n<html><body>404</body></html>"
# Of a file of any kind, and of JSON besides.
DAMAGES = {
    "pointer": "is a pointer of Git LFS and not the file itself: fetch it with `git lfs pull`.",
    "page": "is a web page, which was saved in its place: fetch it again.",
    "empty": "is empty: fetch it again.",
    "folder": "is no file: put the checkpoint's own in its place.",
    "link": "is a link to a file that is not there: fetch it again.",
    "junk": "",
}
JSON_DAMAGES = ("cut", "utf-16", "[]", "5", '"x"', "null")


def split(folder: Path) -> Path:
    """The weights in two files, and the list of which is where."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {}
    for number in (1, 2):
        part = {name: weights[name] for name in sorted(weights)[number - 1 :: 2]}
        file = f"model-{number:05}-of-00002.safetensors"
        save_file(part, folder / file, {"format": "pt"})
        places |= dict.fromkeys(part, file)
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})
    return folder


def pickled(folder: Path) -> Path:
    """The weights in PyTorch's own format, beside what a Trainer leaves."""
    for path in folder.rglob("*.safetensors"):
        torch.save(load_file(path), path.with_name("pytorch_model.bin"))
        path.unlink()
    torch.save({"seed": 1}, folder / "training_args.bin")
    return folder


def embedder(folder: Path) -> Path:
    """A folder of sentence-transformers with everything it may have."""
    tiny.build("bert", folder, head="Model")
    types = ("Transformer", "Pooling", "Dense")
    paths = ("", "1_Pooling", "2_Dense")
    modules = [
        {"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in zip(paths, types, strict=True)
    ]
    write_json(folder / "modules.json", modules)
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "cls", "word_embedding_dimension": 128})
    (folder / "2_Dense").mkdir()
    write_json(folder / "2_Dense" / "config.json", {"in_features": 128, "out_features": 16, "bias": False})
    save_file({"linear.weight": torch.ones(16, 128)}, folder / "2_Dense" / "model.safetensors")
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 64})
    write_json(folder / "config_sentence_transformers.json", {"prompts": {"query": "q: "}})
    write_json(folder / "special_tokens_map.json", {"pad_token": "[PAD]"})
    write_json(folder / "added_tokens.json", {})
    return folder


def colbert(folder: Path) -> Path:
    """colbert-ai's, pickled."""
    tiny.build("bert", folder)
    weights = load_file(folder / "model.safetensors")
    body = {name: tensor for name, tensor in weights.items() if name.startswith("bert.") and "pooler" not in name}
    save_file(body | {"linear.weight": torch.eye(16, 128)}, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | {"architectures": ["HF_ColBERT"]})
    write_json(folder / "artifact.metadata", {"query_maxlen": 24})
    return pickled(folder)


def with_vocabulary(folder: Path) -> Path:
    """A BERT whose tokenizer is made of its words."""
    tiny.build("bert", folder)
    words = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(words, key=words.__getitem__)))
    (folder / "tokenizer.json").unlink()
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    write_json(folder / "tokenizer_config.json", settings | {"tokenizer_class": "BertTokenizer"})
    return folder


def graphs(folder: Path) -> Path:
    tiny.build("bert", folder, head="Model")
    (folder / "model.safetensors").unlink()
    Toy().write(folder / "onnx" / "model.onnx")
    return folder


BUILDERS = {
    "split": lambda folder: split(tiny.build("roberta", folder)),
    "embedder": embedder,
    "pickled-embedder": lambda folder: pickled(embedder(folder)),
    "colbert": colbert,
    "vocabulary": with_vocabulary,
    "prompted": rerankers.cross_encoder_folder,
    "pickled-decoder": lambda folder: pickled(rerankers.qwen3_reranker_seq_cls(folder)),
    "clip": lambda folder: multimodal.build("clip", folder),
    "adapter": lambda folder: multimodal.build("colqwen2-adapter", folder.parent),
    "graphs": graphs,
}
# Files that export does not read: another's, or what transformers reads in other cases than these.
NOT_READ = {
    "README.md",
    "training_args.bin",
    "generation_config.json",
    "merges.txt",
    "vocab.json",
    "chat_template.json",
}
ONLY = {
    "pickled-embedder": "pytorch_model.bin",
    "pickled-decoder": "pytorch_model.bin",
    "adapter": "adapter_",
    "graphs": ".onnx",
    "vocabulary": "vocab.txt",
}


@pytest.fixture(scope="module", params=BUILDERS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    name: str = request.param
    # The names of rerankers say how they are prompted.
    called = "qwen3-reranker" if name == "pickled-decoder" else name
    return name, BUILDERS[name](tmp_path_factory.mktemp(name) / called)


def files(name: str, folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in NOT_READ and ONLY.get(name, "") in path.name:
            yield path


def damaged(content: bytes, damage: str) -> bytes:
    if damage == "cut":
        return content[: len(content) // 2]
    if damage == "utf-16":
        return content.decode().encode("utf-16")
    made = {"pointer": POINTER, "page": PAGE, "empty": b"", "junk": bytes(range(128, 256)) * 40}
    return made.get(damage, damage.encode())


def said(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which an export ends that is asked for a length which no checkpoint here has."""
    model = ["--from-onnx", str(folder)] if name == "graphs" else [str(folder)]
    assert main([*model, "--output", str(folder.parent / "out"), "--max-length", "99999"]) == 2
    error = capsys.readouterr().err
    (sentence,) = error[error.index("error: ") :].splitlines()
    return sentence


def test_a_damaged_file_is_named(checkpoint, capsys):
    name, folder = checkpoint
    whole = said(name, folder, capsys)
    assert "--max-length must be from 8 to" in whole or name == "graphs"
    tried = 0
    for path in files(name, folder):
        content = path.read_bytes()
        is_json = path.suffix in (".json", ".metadata")
        holds_weights = path.suffix in (".safetensors", ".bin", ".onnx")
        for damage in (*DAMAGES, *(JSON_DAMAGES if is_json else ["cut"] if holds_weights else [])):
            if damage == "junk" and path.suffix == ".txt":
                continue
            path.unlink()
            if damage == "folder":
                path.mkdir()
            elif damage == "link":
                path.symlink_to("nowhere")
            else:
                path.write_bytes(damaged(content, damage))
            sentence = said(name, folder, capsys)
            assert path.name in sentence, (path, damage, sentence)
            assert sentence.endswith(DAMAGES.get(damage, "")), (path, damage, sentence)
            if damage == "folder":
                path.rmdir()
            else:
                path.unlink()
            path.write_bytes(content)
            tried += 1
    assert tried
    assert said(name, folder, capsys) == whole


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("model.safetensors.index.json", {}, "does not say which file each weight is in: fetch it again."),
        ("model.safetensors.index.json", {"weight_map": {"a": 5}}, "does not say which file each weight is in"),
        ("model.safetensors.index.json", {"weight_map": {"a": "b.safetensors"}}, "names b.safetensors, which is not"),
        ("model.safetensors.index.json", None, "has the weights model-00001-of-00002.safetensors, model-00002-of"),
        ("model-00002-of-00002.safetensors", None, "index.json names model-00002-of-00002.safetensors, which is not"),
    ],
)
def test_parts_that_are_not_all_there_are_named(tmp_path, capsys, file, content, sentence):
    folder = split(tiny.build("bert", tmp_path / "split"))
    (folder / file).unlink()
    if content is not None:
        write_json(folder / file, content)
    assert sentence in said("split", folder, capsys)


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("config.json", {"model_type": None}),
        ("config.json", {"hidden_size": "wide"}),
        ("config.json", {"hidden_size": None}),
        ("config.json", {"num_attention_heads": 7}),
        ("config.json", {"dtype": []}),
        ("tokenizer_config.json", {"model_max_length": ["long"]}),
        ("config_sentence_transformers.json", {"prompts": 5}),
        ("config_sentence_transformers.json", {"default_prompt_name": ["a"]}),
        ("1_Pooling/config.json", {"pooling_mode": True}),
        ("2_Dense/config.json", {"activation_function": 5}),
    ],
)
def test_settings_of_another_type_are_one_sentence(tmp_path, capsys, file, changed):
    folder = embedder(tmp_path / "embedder")
    write_json(folder / file, json.loads((folder / file).read_text()) | changed)
    assert "--max-length must" not in said("embedder", folder, capsys)


@pytest.mark.parametrize("longest", ["64", -3, [], True])
def test_a_longest_input_that_is_no_number_is_one_sentence(tmp_path, capsys, longest):
    folder = embedder(tmp_path / "embedder")
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": longest or ["x"]})
    assert main([str(folder), "--output", str(tmp_path / "out")]) == 2
    assert "sentence_bert_config.json has max_seq_length " in capsys.readouterr().err


def test_a_tokenizer_of_a_newer_release_is_named(tmp_path, capsys):
    folder = tiny.build("bert", tmp_path / "bert")
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    for changed in (
        {"model": content["model"] | {"type": "Newer"}},
        {"pre_tokenizer": {"type": "Newer"}},
        {"normalizer": {"type": "BertNormalizer"}},
    ):
        write_json(file, content | changed)
        sentence = said("bert", folder, capsys)
        assert re.match(f"error: {file} is damaged, or made for a newer release of tokenizers than [0-9.]+, ", sentence)


QUANTISED: list[tuple[dict[str, Any], str]] = [
    ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, "bitsandbytes"),
    ({"quantization_config": {"load_in_8bit": True}}, "bitsandbytes"),
    *[
        ({"quantization_config": {"quant_method": method}}, method)
        for method in ("gptq", "awq", "compressed-tensors", "fp8", "hqq", "torchao", "mxfp4", "fbgemm_fp8", "eetq")
    ],
    ({"text_config": {"quantization_config": {"quant_method": "awq"}}}, "awq"),
    ({"compression_config": {"quant_method": "sparseml"}}, "sparseml"),
    ({"quantization": {"group_size": 64, "bits": 4}}, "some method"),
]


@pytest.mark.parametrize(("settings", "method"), QUANTISED)
def test_quantised_weights_are_named_with_what_to_export_instead(tmp_path, capsys, settings, method):
    folder = tiny.build("bert", tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", config | settings)
    assert said("bert", folder, capsys) == (
        f"error: The checkpoint's weights are quantised with {method}, which ScoreRT does not read: export the "
        "checkpoint that they were quantised from, with --precision int8 if it must be small."
    )


def test_quantised_weights_are_told_by_the_file_beside_them_too(tmp_path, capsys):
    folder = tiny.build("bert", tmp_path / "bert")
    write_json(folder / "quantize_config.json", {"quant_method": "gptq", "bits": 4})
    assert "are quantised with gptq" in said("bert", folder, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("build", [colbert, lambda folder: pickled(rerankers.qwen3_reranker_seq_cls(folder))])
def test_what_a_trainer_leaves_beside_pickled_weights_is_no_weights(tmp_path, build):
    folder = build(tmp_path / "qwen3-reranker")
    assert (folder / "training_args.bin").is_file()
    assert not list(folder.glob("*.safetensors"))
    assert main([str(folder), "--output", str(tmp_path / "out")]) == 0


def test_what_is_not_read_may_be_damaged(tmp_path, capsys):
    folder = tiny.build("bert", tmp_path / "bert")
    for name in ("pytorch_model.bin", "tf_model.h5", "onnx/model.onnx", "README.md", "generation_config.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(POINTER)
    assert "--max-length must be from 8 to" in said("bert", folder, capsys)
