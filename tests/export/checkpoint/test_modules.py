"""What sentence-transformers reads of a folder is what an export reads of it, or it is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from sentence_transformers.base.modules import Dense

from checkpoints.embedders import colbert
from checkpoints.minilm import write_json
from checkpoints.tiny import build
from export.checkpoint.files import open_checkpoint
from export.checkpoint.modules import read_modules
from export.checkpoint.tokenizer import load_tokenizer
from export.errors import ExportError
from export.heads.loaded import LoadedHead, load_head, normalized
from export.manifest import longest_input
from export.recipe import Head
from export.recognition.recognise import recognise

TRANSFORMER = {"path": "", "type": "sentence_transformers.models.Transformer"}
POOLING = {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bi-encoder that pools the first token, its body in the root."""
    root = build("bert", tmp_path, head="Model")
    (root / "1_Pooling").mkdir()
    write_json(root / "1_Pooling" / "config.json", {"pooling_mode": "cls", "word_embedding_dimension": 128})
    write_json(root / "modules.json", [TRANSFORMER, POOLING])
    return root


def recipe(root: Path) -> Any:
    return recognise(open_checkpoint(str(root), None, {}, False))


def refusal(root: Path) -> str:
    with pytest.raises(ExportError) as refused:
        recipe(root)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_the_body_is_where_modules_say_whatever_the_root_has(folder: Path) -> None:
    assert open_checkpoint(str(folder), None, {}, False).folder == folder
    shutil.copytree(folder, folder / "0_Transformer")
    write_json(folder / "modules.json", [TRANSFORMER | {"path": "0_Transformer"}, POOLING])
    checkpoint = open_checkpoint(str(folder), None, {}, False)
    assert (checkpoint.folder, checkpoint.root) == (folder / "0_Transformer", folder)
    assert list(checkpoint.source.weights) == ["0_Transformer/model.safetensors"]
    (folder / "0_Transformer" / "config.json").unlink()
    assert "has no config.json" in refusal(folder)


def test_modules_run_in_the_files_order(folder: Path) -> None:
    """sentence-transformers reads no `idx`."""
    (folder / "2_Normalize").mkdir()
    normalize = {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
    for numbers in ([None] * 3, [0, 2, 1]):
        modules = [TRANSFORMER, POOLING, normalize]
        numbered = [module if n is None else module | {"idx": n} for module, n in zip(modules, numbers, strict=True)]
        write_json(folder / "modules.json", numbered)
        assert [head.kind for head in recipe(folder).heads] == ["Pooling", "Normalize"]


def test_a_module_that_was_lost_is_named(folder: Path) -> None:
    shutil.rmtree(folder / "1_Pooling")
    assert refusal(folder) == (
        "The folder lacks 1_Pooling/config.json, which modules.json names: fetch the whole folder."
    )


@pytest.mark.parametrize("kind", ["StaticEmbedding", "BoW", "MLMTransformer"])
def test_a_first_module_of_another_kind_is_named(folder: Path, kind: str) -> None:
    static = {"path": "", "type": f"sentence_transformers.models.{kind}"}
    write_json(folder / "modules.json", [static])
    assert refusal(folder).startswith(f"The model begins with a {kind} module, and ScoreRT exports those that begin")
    # Such folders often have no configuration of a body.
    (folder / "config.json").unlink()
    assert refusal(folder).startswith(f"The model begins with a {kind} module")


@pytest.mark.parametrize("listed", [[], {}, "x", [{"path": ""}], [{"type": "Transformer"}], [5], None])
def test_a_list_that_is_none_is_named(folder: Path, listed: object) -> None:
    (folder / "modules.json").write_text(json.dumps(listed))
    wanted = "says null and nothing else" if listed is None else "does not list modules with a type and a path"
    assert refusal(folder).startswith(f"{folder / 'modules.json'} {wanted}")


@pytest.mark.parametrize("path", ["../other", "/etc", "1_Pooling/../../other"])
def test_modules_stay_in_their_folder(folder: Path, path: str) -> None:
    write_json(folder / "modules.json", [TRANSFORMER | {"path": path}, POOLING])
    assert refusal(folder) == f"{folder / 'modules.json'} names {path}, which is outside of the folder."


@pytest.mark.parametrize("body", ["bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"])
def test_settings_are_read_from_every_name_they_have(folder: Path, body: str) -> None:
    write_json(folder / f"sentence_{body}_config.json", {"max_seq_length": 64, "do_lower_case": True})
    assert (recipe(folder).max_length, recipe(folder).lower_case) == (64, True)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 32})
    assert recipe(folder).max_length == 32


def test_the_settings_length_goes_before_the_tokenizers(folder: Path) -> None:
    file = folder / "tokenizer_config.json"
    write_json(file, json.loads(file.read_text()) | {"model_max_length": 128})

    def longest() -> int:
        checkpoint = open_checkpoint(str(folder), None, {}, False)
        found = recognise(checkpoint)
        return longest_input(checkpoint, found, load_tokenizer(checkpoint, found), None)

    assert longest() == 128
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 256})
    assert longest() == 256
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 4096})
    assert longest() == 512, "the positions that the model has"


@pytest.mark.parametrize("name", ["config.json", "1_Pooling/config.json", "sentence_bert_config.json"])
@pytest.mark.parametrize("content", ["[]", "5", '"x"', "{", "\ufffd", "[" * 100_000])
def test_json_that_is_no_object_is_named(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    assert refusal(folder).startswith(f"{folder / name} is no")


def test_an_adapter_beside_whole_weights_is_named(folder: Path, tmp_path: Path) -> None:
    write_json(folder / "adapter_config.json", {"peft_type": "LORA"})
    with pytest.raises(ExportError, match=r"has an adapter \(adapter_config\.json\) beside whole weights \(model\.saf"):
        open_checkpoint(str(folder), None, {}, False, scratch=tmp_path / "scratch")


def test_a_module_may_be_a_link_to_another_folder(tmp_path: Path) -> None:
    """As the modules of an adapter's base are."""
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "1_Pooling").symlink_to(tmp_path / "elsewhere")
    write_json(folder / "modules.json", [TRANSFORMER, POOLING])
    assert [module.path for module in read_modules(folder)] == ["", "1_Pooling"]


def test_embeddings_are_normalised_where_that_comes_last() -> None:
    normalize, dense = LoadedHead("Normalize"), LoadedHead("Dense")
    assert [normalized(heads) for heads in ([], [normalize], [dense, normalize], [normalize, dense])] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    "kind",
    [
        "sentence_transformers.models.Pooling.Pooling",
        "sentence_transformers.sentence_transformer.modules.Pooling",
        "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    ],
)
def test_a_module_is_known_where_any_release_has_it(folder: Path, kind: str) -> None:
    transformer = TRANSFORMER | {"type": "sentence_transformers.base.modules.transformer.Transformer"}
    write_json(folder / "modules.json", [transformer, POOLING | {"type": kind}])
    assert [head.kind for head in recipe(folder).heads] == ["Pooling"]


@pytest.mark.parametrize("kind", ["my_pooling.Pooling", "Pooling", "x.sentence_transformers.models.Pooling"])
def test_a_module_of_somebodys_own_is_refused_whatever_it_is_called(folder: Path, kind: str) -> None:
    write_json(folder / "modules.json", [TRANSFORMER, POOLING | {"type": kind}])
    assert refusal(folder) == (
        f"The folder's modules.json has the module {kind}, which is neither sentence-transformers' nor PyLate's and is "
        "not run: where sentence_transformers.models.Pooling computes the same, name that in its place."
    )
    write_json(folder / "modules.json", [TRANSFORMER | {"type": "custom_st.Transformer"}, POOLING])
    assert "has the module custom_st.Transformer, which is neither" in refusal(folder)


@pytest.mark.parametrize("prompts", [{}, {"query": "q: "}])
def test_a_default_prompt_that_is_none_is_refused(folder: Path, prompts: dict[str, str]) -> None:
    settings = folder / "config_sentence_transformers.json"
    write_json(settings, {"prompts": prompts, "default_prompt_name": "nope"})
    assert refusal(folder) == (
        f'{settings} has default_prompt_name "nope", and it must be null or a name of prompts ({", ".join(prompts)}): '
        "correct it, or fetch the file again."
    )
    write_json(settings, {"prompts": {"query": None, "all": "a: "}, "default_prompt_name": "all"})
    assert (recipe(folder).query_prompt, recipe(folder).document_prompt) == ("", "a: ")


def test_a_default_prompt_of_pairs_is_refused_where_no_template_writes_it(tmp_path: Path) -> None:
    root = build("bert", tmp_path)
    write_json(root / "modules.json", [TRANSFORMER])
    settings = {"model_type": "CrossEncoder", "prompts": {"query": "q: "}}
    write_json(root / "config_sentence_transformers.json", settings)
    assert recipe(root).instruction is None
    write_json(root / "config_sentence_transformers.json", settings | {"default_prompt_name": "query"})
    assert refusal(root).startswith("The folder's default prompt 'q: ' goes before the query of each pair, which")
    assert recognise(open_checkpoint(str(root), None, {}, False), template="t").instruction == "q: "


DENSE = {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}


@pytest.mark.parametrize(
    ("kind", "settings", "sentence"),
    [
        (
            "2_Dense",
            {"module_output_name": "other"},
            "Normalize module in 3_Normalize reads 'sentence_embedding' and not 'other'",
        ),
        (
            "2_Dense",
            {"module_input_name": "token_embeddings"},
            "Dense module in 2_Dense reads 'token_embeddings' and not 'senten",
        ),
        (
            "3_Normalize",
            {"module_input_name": "token_embeddings"},
            "Normalize module in 3_Normalize reads 'token_embeddings' and n",
        ),
        (
            "3_Normalize",
            {"module_output_name": "x"},
            "3_Normalize writes 'x' and not 'sentence_embedding', so that a m",
        ),
        ("", {"transformer_task": "fill-mask"}, 'has transformer_task "fill-mask", and it must be feature-extraction'),
        ("", {"module_output_name": "sentence_embedding"}, 'has module_output_name "sentence_embedding", and it must'),
        ("", {"query_length": 16}, "has query_length 16, and it must be absent: of models of late intera"),
        (
            "",
            {"modality_config": {"text": {"method": "forward", "method_output_name": "pooler_output"}}},
            "must be of the method forward and its last_hidden_state, which ScoreRT has",
        ),
    ],
)
def test_modules_that_read_or_write_elsewhere_are_refused(
    folder: Path, kind: str, settings: dict[str, Any], sentence: str
) -> None:
    normalize = {"path": "3_Normalize", "type": "sentence_transformers.models.Normalize"}
    write_json(folder / "modules.json", [TRANSFORMER, POOLING, DENSE, normalize])
    for name in ("2_Dense", "3_Normalize"):
        (folder / name).mkdir()
        write_json(folder / name / "config.json", {})
    forward = {"method": "forward", "method_output_name": "last_hidden_state"}
    written = {"transformer_task": "feature-extraction", "modality_config": {"text": forward}}
    write_json(folder / "sentence_bert_config.json", written | {"module_output_name": "token_embeddings"})
    assert len(recipe(folder).heads) == 3
    write_json(folder / kind / ("config.json" if kind else "sentence_bert_config.json"), settings)
    assert sentence in refusal(folder)


@pytest.mark.parametrize(
    ("settings", "tensors", "sentence"),
    [
        (
            {"bias": True},
            {"linear.weight": (4, 6)},
            "linear.bias of the shape [4], as its config.json says, and it is n",
        ),
        ({}, {"linear.weight": (4, 6)}, "linear.bias of the shape [4], as its config.json says, and it is not there"),
        ({"bias": False}, {"linear.weight": (4, 6), "linear.bias": (4,)}, "linear.bias not there, as its config.json"),
        (
            {"out_features": 3, "bias": False},
            {"linear.weight": (4, 6)},
            "linear.weight of the shape [3, 6], as its con",
        ),
        (
            {"in_features": 5, "bias": False},
            {"linear.weight": (4, 6)},
            "linear.weight of the shape [4, 5], as its conf",
        ),
        (
            {"bias": False, "use_residual": True},
            {"linear.weight": (4, 6)},
            "residual.weight of the shape [4, 6], as its config.json says, and it is not there",
        ),
        (
            {"bias": False},
            {"linear.weight": (4, 6), "linear2.weight": (4, 4)},
            "linear2.weight not there, as its confi",
        ),
    ],
)
def test_a_modules_weights_are_what_its_settings_say(
    tmp_path: Path, settings: dict[str, Any], tensors: dict[str, tuple[int, ...]], sentence: str
) -> None:
    """sentence-transformers refuses the same."""
    folder = tmp_path / "2_Dense"
    folder.mkdir()
    settings = {
        "in_features": 6,
        "out_features": 4,
        "activation_function": "torch.nn.modules.linear.Identity",
    } | settings
    write_json(folder / "config.json", settings)
    save_file({name: np.ones(shape, np.float32) for name, shape in tensors.items()}, folder / "model.safetensors")
    with pytest.raises(RuntimeError):
        Dense.load(str(folder))
    with pytest.raises(ExportError) as refused:
        load_head(Head("Dense", settings, folder))
    assert str(refused.value).startswith("The Dense module in 2_Dense should have ")
    assert sentence in str(refused.value)


def test_a_modules_weights_are_in_the_file_that_sentence_transformers_reads(tmp_path: Path) -> None:
    settings = {"in_features": 6, "out_features": 4, "bias": False}
    folder = tmp_path / "2_Dense"
    folder.mkdir()
    for name, value in (("model", 1), ("other", 2)):
        save_file({"linear.weight": np.full((4, 6), value, np.float32)}, folder / f"{name}.safetensors")
    assert (load_head(Head("Dense", settings, folder)).weights["linear.weight"] == 1).all()


def test_modules_of_one_name_are_refused(folder: Path) -> None:
    """sentence-transformers has them in a dictionary."""
    write_json(folder / "modules.json", [TRANSFORMER | {"name": "0"}, POOLING | {"name": "0"}])
    assert refusal(folder).startswith(f"{folder / 'modules.json'} has 2 modules with the name '0', of which sentence-")


def test_a_setting_of_pooling_that_no_release_has_is_refused(folder: Path) -> None:
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "cls", "pooling_layers": 4})
    assert "has pooling_layers 4, and it must be absent, since no release of sentence-t" in refusal(folder)


def test_embeddings_that_are_cut_without_asking_are_refused(folder: Path) -> None:
    write_json(folder / "config_sentence_transformers.json", {"truncate_dim": 64})
    assert "has truncate_dim 64, and it must be null: embeddings are cut where a request asks for dim" in refusal(
        folder
    )


def test_colberts_compared_by_distance_are_refused(tmp_path: Path) -> None:
    root = colbert(tmp_path / "colbert")
    metadata = json.loads((root / "artifact.metadata").read_text())
    write_json(root / "artifact.metadata", metadata | {"similarity": "l2"})
    assert 'has similarity "l2", and it must be cosine, which ScoreRT has' in refusal(root)
