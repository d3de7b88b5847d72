"""Adapters against peft's arithmetic in float64, in layouts of names of any age, and those that are refused."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from checkpoints import multimodal
from checkpoints.minilm import write_json
from engine.artifact.manifest import sha256
from export.checkpoint.files import open_checkpoint
from export.checkpoint.weights import read_tensors
from export.errors import ExportError

RANK = 3
QUERY = "model.layers.0.self_attn.q_proj"
# Both towers have a layer of this name.
BASE = {
    f"{QUERY}.weight": (8, 6),
    f"{QUERY}.bias": (8,),
    "model.layers.10.self_attn.q_proj.weight": (8, 6),
    "model.embed_tokens.weight": (20, 6),
    "visual.blocks.0.attn.qkv.weight": (12, 4),
    "visual.patch_embed.proj.weight": (4, 3, 2, 2),
    "custom_text_proj.weight": (5, 8),
}


def write_base(folder, dtype=torch.float32, shards=1):
    folder.mkdir()
    torch.manual_seed(1)
    weights = {name: torch.randn(shape).to(dtype) for name, shape in BASE.items()}
    names = sorted(weights)
    for number in range(shards):
        part = {name: weights[name] for name in names[number::shards]}
        save_file(part, folder / (f"model-{number}.safetensors" if shards > 1 else "model.safetensors"))
    write_json(folder / "config.json", {"model_type": "qwen2_vl", "architectures": ["ColQwen2"]})
    write_json(folder / "tokenizer_config.json", {"of": "base"})
    write_json(folder / "vocab.json", {"a": 0})
    return {name: weight.double() for name, weight in weights.items()}


def factors(*modules, rank=RANK, seed=2, prefix="base_model.model."):
    """Random factors for modules of the base, whatever the adapter calls them: pairs of the two names."""
    torch.manual_seed(seed)
    tensors = {}
    for module, called in modules:
        rows, *columns = BASE[f"{module}.weight"]
        tensors[f"{prefix}{called}.lora_A.weight"] = torch.randn(rank, *columns)
        ones = [1] * (len(columns) - 1)
        tensors[f"{prefix}{called}.lora_B.weight"] = torch.randn(rows, rank, *ones)
    return tensors


def write_adapter(folder, base, tensors, **settings):
    folder.mkdir()
    plain = {"peft_type": "LORA", "base_model_name_or_path": str(base), "r": RANK, "lora_alpha": 6, "bias": "none"}
    write_json(folder / "adapter_config.json", plain | settings)
    save_file(tensors, folder / "adapter_model.safetensors")
    write_json(folder / "tokenizer_config.json", {"of": "adapter"})
    (folder / "README.md").write_text("# of the adapter", encoding="utf-8")


def merged(tmp_path, tensors, base_settings=None, **settings):
    """The base's weights in float64, and the merged ones as they were written."""
    weights = write_base(tmp_path / "base", **(base_settings or {}))
    write_adapter(tmp_path / "adapter", tmp_path / "base", tensors, **settings)
    (tmp_path / "scratch").mkdir()
    checkpoint = open_checkpoint(str(tmp_path / "adapter"), None, {}, False, scratch=tmp_path / "scratch")
    return weights, checkpoint


def assert_merged(checkpoint, weights, changed):
    """The weights on disk are the base's but for those `changed`, in float64."""
    got = read_tensors(checkpoint.folder)
    assert got.keys() == weights.keys() | changed.keys()
    for name, tensor in (weights | changed).items():
        np.testing.assert_allclose(got[name], tensor.numpy(), rtol=1e-6, atol=1e-6, err_msg=name)
    for name, tensor in changed.items():
        assert name not in weights or (tensor - weights[name]).abs().max() > 0.1, f"{name} hardly changes"


def product(tensors, called, scale, prefix="base_model.model."):
    a, b = (tensors[f"{prefix}{called}.lora_{factor}.weight"].double() for factor in "AB")
    return scale * (b @ a)


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        ({}, 6 / 3),
        ({"use_rslora": True}, 6 / math.sqrt(3)),
        ({"alpha_pattern": {"self_attn.q_proj": 12}}, 12 / 3),
        ({"alpha_pattern": {"layers.1.self_attn.q_proj": 12, "attn.qkv": 12}}, 6 / 3),
        ({"alpha_pattern": {"^model.layers.0.self_attn.q_proj": 12}}, 12 / 3),
        ({"alpha_pattern": {"^layers.0.self_attn.q_proj": 12}}, 6 / 3),
    ],
)
def test_the_factors_product_is_added_times_its_scale(tmp_path, settings, scale):
    tensors = factors((QUERY, QUERY))
    weights, checkpoint = merged(tmp_path, tensors, **settings)
    name = f"{QUERY}.weight"
    assert_merged(checkpoint, weights, {name: weights[name] + product(tensors, QUERY, scale)})


def test_ranks_may_differ_between_modules(tmp_path):
    tensors = factors((QUERY, QUERY)) | factors(("custom_text_proj", "custom_text_proj"), rank=2)
    weights, checkpoint = merged(tmp_path, tensors, rank_pattern={"custom_text_proj": 2})
    query, projection = f"{QUERY}.weight", "custom_text_proj.weight"
    changed = {query: product(tensors, QUERY, 6 / 3), projection: product(tensors, "custom_text_proj", 6 / 2)}
    assert_merged(checkpoint, weights, {name: weights[name] + added for name, added in changed.items()})


def test_an_embedding_and_a_convolution(tmp_path):
    torch.manual_seed(3)
    embedding = {
        "base_model.model.model.embed_tokens.lora_embedding_A": torch.randn(RANK, 20),
        "base_model.model.model.embed_tokens.lora_embedding_B": torch.randn(6, RANK),
    }
    convolution = factors(("visual.patch_embed.proj", "visual.patch_embed.proj"))
    weights, checkpoint = merged(tmp_path, embedding | convolution)
    a, b = (tensor.double() for tensor in embedding.values())
    table, kernel = "model.embed_tokens.weight", "visual.patch_embed.proj.weight"
    down, up = (tensor.double() for tensor in convolution.values())
    # As PyTorch composes two convolutions: the second looks at one place.
    composed = torch.nn.functional.conv2d(down.permute(1, 0, 2, 3), up).permute(1, 0, 2, 3)
    assert_merged(checkpoint, weights, {table: weights[table] + 2 * (b @ a).T, kernel: weights[kernel] + 2 * composed})


def test_linear_layers_are_not_transposed_whatever_the_settings_say(tmp_path):
    """peft sets fan_in_fan_out back for them, and no body here has others."""
    tensors = factors((QUERY, QUERY))
    weights, checkpoint = merged(tmp_path, tensors, fan_in_fan_out=True)
    name = f"{QUERY}.weight"
    assert_merged(checkpoint, weights, {name: weights[name] + product(tensors, QUERY, 2)})


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["q_proj"]},
        {"target_modules": [QUERY], "layers_to_transform": [5]},
        {"target_modules": r".*layers\.\d+\.self_attn\.(q|k)_proj"},
        {"target_modules": "all-linear", "exclude_modules": ["k_proj"]},
        {"target_modules": ["q_proj"], "layers_to_transform": 0},
        {"target_modules": ["q_proj"], "layers_to_transform": [0, 3], "layers_pattern": "layers"},
    ],
)
def test_layers_that_the_settings_name_are_changed(tmp_path, settings):
    tensors = factors((QUERY, QUERY))
    weights, checkpoint = merged(tmp_path, tensors, **settings)
    assert_merged(checkpoint, weights, {f"{QUERY}.weight": weights[f"{QUERY}.weight"] + product(tensors, QUERY, 2)})


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"target_modules": ["k_proj"]}, 'target_modules ["k_proj"]'),
        ({"target_modules": "q_proj"}, 'target_modules "q_proj"'),
        ({"exclude_modules": ["q_proj"]}, 'exclude_modules ["q_proj"]'),
        ({"exclude_modules": ".*q_proj"}, 'exclude_modules ".*q_proj"'),
        ({"target_modules": ["q_proj"], "layers_to_transform": [1]}, "layers_to_transform [1]"),
        (
            {"target_modules": ["q_proj"], "layers_to_transform": [0], "layers_pattern": ["blocks"]},
            "layers_to_transform [0]",
        ),
    ],
)
def test_layers_that_the_settings_leave_out_are_refused(tmp_path, settings, named):
    with pytest.raises(ExportError) as refused:
        merged(tmp_path, factors((QUERY, QUERY)), **settings)
    assert str(refused.value).startswith(
        f"The adapter has factors for {QUERY}, which its adapter_config.json leaves out ({named}): peft would pass"
    )


@pytest.mark.parametrize("settings", [{"r": 4}, {"rank_pattern": {"q_proj": 4}}])
def test_factors_of_another_rank_than_the_settings_say_are_refused(tmp_path, settings):
    with pytest.raises(
        ExportError, match=r"factors for \S+q_proj have rank 3, and its adapter_config.json says 4 \(r, ra"
    ):
        merged(tmp_path, factors((QUERY, QUERY)), **settings)


def test_an_adapter_without_tensors_is_refused(tmp_path):
    with pytest.raises(ExportError, match="The adapter's weights have no tensors, so it would change nothing: fetch"):
        merged(tmp_path, {})


def nested(tmp_path, **settings):
    """A folder of sentence-transformers whose Transformer, in a folder of its own, is an adapter."""
    write_base(tmp_path / "base")
    root = tmp_path / "nested"
    root.mkdir()
    write_adapter(root / "0_Transformer", tmp_path / "base", factors((QUERY, QUERY)), **settings)
    (root / "1_Pooling").mkdir()
    kinds = {"0_Transformer": "Transformer", "1_Pooling": "Pooling"}
    listed = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    write_json(root / "modules.json", listed)
    return root


def opened(root, tmp_path):
    return open_checkpoint(str(root), None, {}, False, scratch=tmp_path / "scratch")


def test_an_adapter_is_merged_where_modules_say_the_body_is(tmp_path):
    root = nested(tmp_path)
    checkpoint = opened(root, tmp_path)
    assert checkpoint.architecture == "ColQwen2"
    assert checkpoint.json("tokenizer_config.json") == {"of": "adapter"}
    assert (checkpoint.root / "1_Pooling").is_dir()
    got = read_tensors(checkpoint.folder)[f"{QUERY}.weight"]
    assert np.abs(got - read_tensors(tmp_path / "base")[f"{QUERY}.weight"]).max() > 0.1


def test_an_adapter_beside_whole_weights_or_apart_from_the_body_is_named(tmp_path):
    root = nested(tmp_path)
    save_file({"a": torch.ones(2)}, root / "0_Transformer" / "model.safetensors")
    with pytest.raises(
        ExportError, match=r"nested has an adapter \(adapter_config.json\) beside whole weights \(model.s"
    ):
        opened(root, tmp_path)
    for path in (root / "0_Transformer").glob("adapter_*"):
        path.rename(root / path.name)
    with pytest.raises(
        ExportError, match=r"nested has an adapter \(.*\), and its modules.json the body in 0_Transformer"
    ):
        opened(root, tmp_path)


def test_modules_that_were_trained_whole_take_the_place_of_the_bases_or_are_added(tmp_path):
    torch.manual_seed(5)
    whole = {
        f"base_model.model.{name}": torch.randn(shape)
        for name, shape in (("custom_text_proj.weight", (5, 8)), ("score.weight", (1, 6)), ("score.bias", (1,)))
    }
    tensors = whole | factors((QUERY, QUERY))
    weights, checkpoint = merged(tmp_path, tensors, modules_to_save=["custom_text_proj", "score"])
    changed = {name.removeprefix("base_model.model."): tensor.double() for name, tensor in whole.items()}
    changed[f"{QUERY}.weight"] = weights[f"{QUERY}.weight"] + product(tensors, QUERY, 2)
    assert_merged(checkpoint, weights, changed)


@pytest.mark.parametrize(
    "called",
    [
        "model.layers.0.self_attn.q_proj",
        "model.language_model.layers.0.self_attn.q_proj",
        "language_model.model.layers.0.self_attn.q_proj",
        "vlm.model.language_model.layers.0.self_attn.q_proj",
        "layers.0.self_attn.q_proj",
        "transformer.layers.0.self_attn.q_proj",
    ],
)
def test_names_of_any_age_are_found_in_the_base(tmp_path, called):
    tensors = factors((QUERY, called), ("visual.blocks.0.attn.qkv", "model.visual.blocks.0.attn.qkv"))
    weights, checkpoint = merged(tmp_path, tensors)
    changed = {
        f"{QUERY}.weight": product(tensors, called, 2),
        "visual.blocks.0.attn.qkv.weight": product(tensors, "model.visual.blocks.0.attn.qkv", 2),
    }
    assert_merged(checkpoint, weights, {name: weights[name] + added for name, added in changed.items()})


def test_a_base_in_several_files_is_written_file_by_file_and_keeps_its_type(tmp_path):
    tensors = factors((QUERY, QUERY))
    weights, checkpoint = merged(tmp_path, tensors, {"dtype": torch.bfloat16, "shards": 3})
    name = f"{QUERY}.weight"
    assert_merged(checkpoint, weights, {name: weights[name] + product(tensors, QUERY, 2)})
    index = json.loads((checkpoint.folder / "model.safetensors.index.json").read_text())["weight_map"]
    assert index.keys() == weights.keys()
    changed = checkpoint.folder / index[name]
    for file in set(index.values()):
        assert (checkpoint.folder / file).is_symlink() != (file == changed.name)
    with safe_open(changed, framework="pt") as file:
        types = {own: file.get_tensor(own).dtype for own in file.keys()}  # noqa: SIM118 - not a dict
    assert types == {own: torch.float32 if own == name else torch.bfloat16 for own in types}
    assert len(types) > 1


def test_pickled_weights_are_merged_too(tmp_path):
    tensors = factors((QUERY, QUERY))
    weights = write_base(tmp_path / "base")
    (tmp_path / "base" / "model.safetensors").unlink()
    torch.save({name: weight.float() for name, weight in weights.items()}, tmp_path / "base" / "pytorch_model.bin")
    write_adapter(tmp_path / "adapter", tmp_path / "base", tensors)
    torch.save(tensors, tmp_path / "adapter" / "adapter_model.bin")
    (tmp_path / "adapter" / "adapter_model.safetensors").unlink()
    checkpoint = open_checkpoint(str(tmp_path / "adapter"), None, {}, False, scratch=tmp_path / "scratch")
    name = f"{QUERY}.weight"
    assert_merged(checkpoint, weights, {name: weights[name] + product(tensors, QUERY, 2)})


def test_the_adapters_own_files_come_first_and_both_are_the_source(tmp_path):
    _, checkpoint = merged(tmp_path, factors((QUERY, QUERY)))
    assert checkpoint.json("tokenizer_config.json") == {"of": "adapter"}
    assert checkpoint.json("vocab.json") == {"a": 0}
    assert checkpoint.name == checkpoint.source.model == "adapter"
    assert checkpoint.architecture == "ColQwen2"
    assert "of the adapter" in checkpoint.names
    assert checkpoint.source.weights == {
        "adapter_model.safetensors": sha256(tmp_path / "adapter" / "adapter_model.safetensors"),
        "base/model.safetensors": sha256(tmp_path / "base" / "model.safetensors"),
    }
    assert not list(checkpoint.folder.glob("adapter_*"))
    # Nothing was written where the two were read.
    assert {path.name for path in (tmp_path / "base").iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer_config.json",
        "vocab.json",
    }


def test_the_class_that_was_trained_is_the_architecture(tmp_path):
    mapping = {"base_model_class": "ColQwen2_5", "parent_library": "colpali_engine.models"}
    _, checkpoint = merged(tmp_path, factors((QUERY, QUERY)), auto_mapping=mapping)
    assert checkpoint.architecture == "ColQwen2_5"
    assert json.loads((tmp_path / "base" / "config.json").read_text())["architectures"] == ["ColQwen2"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"use_dora": True}, "has use_dora true, which ScoreRT cannot merge: merge it with peft"),
        ({"bias": "lora_only"}, 'has bias "lora_only", which'),
        ({"peft_type": "IA3"}, 'has peft_type "IA3", which'),
        ({"layer_replication": [[0, 2], [1, 3]]}, r"has layer_replication \[\[0, 2\], \[1, 3\]\], which"),
        ({"init_lora_weights": "pissa"}, 'has init_lora_weights "pissa", which'),
        ({"base_model_name_or_path": None}, "names no base: give base_model_name_or_path"),
        ({"base_model_name_or_path": "/nowhere/base"}, "cannot be opened: /nowhere/base is not a folder"),
    ],
)
def test_what_is_more_than_products_is_refused_in_one_sentence(tmp_path, settings, message):
    with pytest.raises(ExportError, match=message) as refused:
        merged(tmp_path, factors((QUERY, QUERY)), **settings)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "scratch" / "merged").exists()


@pytest.mark.parametrize(
    "tensors",
    [
        factors((QUERY, "model.layers.1.self_attn.q_proj")),
        factors((QUERY, "q_proj")),  # of two layers
        {"base_model.model.score.weight": torch.ones(1, 6)},
        {f"base_model.model.{QUERY}.lora_magnitude_vector": torch.ones(8)},
        {f"base_model.model.{QUERY}.lora_A.weight": torch.ones(RANK, 6)},
    ],
)
def test_a_tensor_that_changes_nothing_is_refused(tmp_path, tensors):
    with pytest.raises(ExportError, match=r"The adapter's base_model\.model\.\S+ changes no weight of its base"):
        merged(tmp_path, tensors)


def test_a_base_of_another_size_is_refused(tmp_path):
    tensors = {
        f"base_model.model.{QUERY}.lora_A.weight": torch.ones(RANK, 7),
        f"base_model.model.{QUERY}.lora_B.weight": torch.ones(8, RANK),
    }
    with pytest.raises(ExportError, match=r"changes \[8, 7\] numbers of .*q_proj\.weight, which is \[8, 6\]"):
        merged(tmp_path, tensors)


@pytest.mark.parametrize("name", ["colqwen2-adapter", "colpali-adapter"])
def test_the_published_layouts_are_merged(tmp_path, name):
    adapter = multimodal.build(name, tmp_path)
    checkpoint = open_checkpoint(str(adapter), None, {}, False, scratch=tmp_path / "scratch")
    base = read_tensors(tmp_path / json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"])
    got = read_tensors(checkpoint.folder)
    changed = {key for key in base if np.abs(got[key] - base[key]).max() > 0.01}
    texts = "language_model" if name == "colpali-adapter" else "model.layers"
    wanted = ("down_proj", "gate_proj", "up_proj", "k_proj", "q_proj", "v_proj", "o_proj")
    assert changed == {"custom_text_proj.weight"} | {
        key for key in base if texts in key and key.endswith(tuple(f"{word}.weight" for word in wanted))
    }


def test_without_a_folder_to_merge_in_an_adapter_has_no_configuration(tmp_path):
    write_base(tmp_path / "base")
    write_adapter(tmp_path / "adapter", tmp_path / "base", factors((QUERY, QUERY)))
    with pytest.raises(ExportError, match=r"is an adapter \(adapter_config\.json\), whose base has the config\.json"):
        open_checkpoint(str(tmp_path / "adapter"), None, {}, False)
