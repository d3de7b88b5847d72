"""What a checkpoint is taken for, and the sentence for one that cannot be exported."""

import json
from pathlib import Path

import pytest

from export.errors import ExportError
from export.recipe import recognise
from export.source import open_checkpoint
from tests.checkpoints import build_minilm_bi, build_minilm_colbert, build_minilm_pylate, write_json

ROOT = Path(__file__).parents[2]


def folder(path: Path, config: dict, files: dict | None = None) -> Path:
    path.mkdir(exist_ok=True)
    write_json(path / "config.json", config)
    (path / "model.safetensors").write_bytes(b"")
    for name, content in (files or {}).items():
        (path / name).parent.mkdir(exist_ok=True)
        write_json(path / name, content)
    return path


def recipe(path: Path, score_type: str = "auto", **overrides: object):
    return recognise(open_checkpoint(str(path), None, overrides, False), score_type)


BERT = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}


def test_one_label_is_a_cross_encoder_with_a_sigmoid(tmp_path):
    found = recipe(folder(tmp_path, BERT))
    assert (found.score_type, found.activation) == ("cross-encoder", "sigmoid")


def test_an_activation_the_checkpoint_names_is_kept(tmp_path):
    named = {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}
    assert recipe(folder(tmp_path, BERT | named)).activation == "identity"
    older = {"sbert_ce_default_activation_function": "torch.nn.modules.activation.Sigmoid"}
    assert recipe(folder(tmp_path, BERT | older)).activation == "sigmoid"
    strange = {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.GELU"}}
    with pytest.raises(ExportError, match="GELU"):
        recipe(folder(tmp_path, BERT | strange))


def test_real_folders_are_recognised(tmp_path):
    bi = recipe(build_minilm_bi(tmp_path / "bi"))
    assert (bi.score_type, bi.max_length, bi.similarity) == ("bi-encoder", 256, "cosine")
    assert [head.kind for head in bi.heads] == ["Pooling", "Normalize"]
    colbert = recipe(build_minilm_colbert(tmp_path / "colbert"))
    assert (colbert.score_type, colbert.query.marker, colbert.query.expand) == ("late-interaction", "", False)
    pylate = recipe(build_minilm_pylate(tmp_path / "pylate"))
    assert (pylate.query.marker, pylate.query.length, pylate.query.expand) == ("[Q] ", 32, True)
    assert (pylate.document.marker, pylate.document.length, len(pylate.document.skip)) == ("[D] ", 180, 32)
    assert [head.kind for head in pylate.heads] == ["Dense", "Normalize"]


def test_prompts_of_each_role_are_found(tmp_path):
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    settings = {"prompts": {"query": "q: ", "passage": "p: "}, "similarity_fn_name": "dot"}
    files = {
        "modules.json": modules,
        "config_sentence_transformers.json": settings,
        "1_Pooling/config.json": {"pooling_mode_cls_token": True},
    }
    found = recipe(folder(tmp_path, BERT | {"architectures": ["BertModel"]}, files))
    assert (found.query_prompt, found.document_prompt, found.similarity) == ("q: ", "p: ", "dot")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (BERT | {"id2label": {"0": "no", "1": "yes"}}, "has 2 labels, so it classifies rather than scores"),
        (BERT | {"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM has no scoring head"),
        ({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}, "is a decoder and its folder says no pooling"),
        ({"model_type": "t5", "architectures": ["T5Model"]}, "model type 't5', which ScoreRT cannot export"),
        ({"model_type": "bert"}, "A checkpoint without architectures has no scoring head"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(tmp_path, config, message):
    with pytest.raises(ExportError, match=message) as refused:
        recipe(folder(tmp_path, config))
    assert "\n" not in str(refused.value)


def test_overrides_change_what_a_checkpoint_is(tmp_path):
    path = folder(tmp_path, BERT | {"id2label": {"0": "no", "1": "yes"}})
    assert recipe(path, id2label={"0": "LABEL_0"}).score_type == "cross-encoder"
    assert recipe(path, architectures=["HF_ColBERT"]).score_type == "late-interaction"


def test_a_score_type_the_checkpoint_cannot_have_is_refused(tmp_path):
    path = folder(tmp_path, BERT | {"architectures": ["BertModel"]})
    with pytest.raises(ExportError, match="has no classifier"):
        recipe(path, "cross-encoder")
    assert recipe(path, "late-interaction").score_type == "late-interaction"
    with pytest.raises(ExportError, match="is a cross-encoder"):
        recipe(folder(tmp_path, BERT), "bi-encoder")


def test_modules_and_modes_that_are_not_known_are_named(tmp_path):
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_CNN", "type": "sentence_transformers.models.CNN"},
    ]
    config = BERT | {"architectures": ["BertModel"]}
    with pytest.raises(ExportError, match="CNN module"):
        recipe(folder(tmp_path, config, {"modules.json": modules}))
    modules[1] |= {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
    files = {"modules.json": modules, "1_Pooling/config.json": {"pooling_mode": "median"}}
    with pytest.raises(ExportError, match="pooling mode 'median' is unknown"):
        recipe(folder(tmp_path, config, files))


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(ExportError, match=r"has no config\.json"):
        open_checkpoint(str(tmp_path), None, {}, False)
    write_json(tmp_path / "config.json", BERT)
    with pytest.raises(ExportError, match="has no weights"):
        open_checkpoint(str(tmp_path), None, {}, False)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ExportError, match="is not valid JSON"):
        open_checkpoint(str(tmp_path), None, {}, False)
    with pytest.raises(ExportError, match="is not a folder"):
        open_checkpoint(str(tmp_path / "nothing"), None, {}, False)


def test_the_shipped_texts_are_many_and_mixed():
    content = json.loads((ROOT / "export" / "verification_texts.json").read_text(encoding="utf-8"))
    lengths = [len(document.split()) for document in content["documents"]]
    assert len(content["documents"]) + len(content["queries"]) >= 64
    assert min(lengths) == 1
    assert max(lengths) > 1000
