"""What a checkpoint is taken for, and the sentence for one that cannot be exported."""

import json
from pathlib import Path

import pytest

from checkpoints import multimodal
from checkpoints.minilm import build_minilm_bi, build_minilm_colbert, build_minilm_pylate, write_json
from export.checkpoint.files import open_checkpoint
from export.errors import ExportError
from export.recognition.recognise import recognise

ROOT = Path(__file__).parents[3]


def folder(path: Path, config: dict, files: dict | None = None) -> Path:
    path.mkdir(exist_ok=True)
    write_json(path / "config.json", config)
    (path / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
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


def test_a_default_prompt_of_texts_with_a_role_is_warned_of(tmp_path):
    """Releases of sentence-transformers differ in whether it goes before them."""
    path = build_minilm_bi(tmp_path / "bi")
    for prompts, warned in (
        ({"x": "X: "}, "before queries and documents,"),
        ({"x": "X: ", "query": "q: "}, "before documents,"),
        ({"x": "X: ", "query": "q: ", "document": ""}, None),
    ):
        write_json(path / "config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": "x"})
        found = recipe(path)
        assert found.query_prompt == prompts.get("query", "X: ")
        assert found.document_prompt == prompts.get("document", "X: ")
        assert len(found.warnings) == (warned is not None)
        assert all(warned in warning for warning in found.warnings)


def test_texts_are_lower_cased_for_every_kind_of_folder_that_says_so(tmp_path):
    cross_encoder = {
        "modules.json": [{"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}],
        "config_sentence_transformers.json": {"model_type": "CrossEncoder"},
    }
    paths = [
        folder(tmp_path / "ce", BERT, cross_encoder),
        build_minilm_bi(tmp_path / "bi"),
        build_minilm_pylate(tmp_path / "pylate"),
    ]
    for path in paths:
        assert not recipe(path).lower_case
        write_json(path / "sentence_bert_config.json", {"do_lower_case": True})
        assert recipe(path).lower_case
        write_json(path / "sentence_bert_config.json", {"do_lower_case": [1]})
        with pytest.raises(ExportError, match="has do_lower_case \\[1\\], and it must be true or false"):
            recipe(path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (BERT | {"id2label": {"0": "HR", "1": "sports"}}, "has the labels HR, sports, and none of them says which"),
        (
            BERT | {"id2label": {"0": "a", "1": "b", "2": "c"}},
            r"has 3 labels \(a, b, c\), so it classifies",
        ),
        (
            BERT | {"id2label": {"0": "entailment", "1": "not_entailment"}},
            "tells whether one text follows",
        ),
        (BERT | {"id2label": {"0": "neutral", "1": "x", "2": "y"}}, "tells whether one text follows"),
        (BERT | {"architectures": ["BertForMaskedLM"]}, "with --score-type bi-encoder its body embeds"),
        (BERT | {"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM has no scoring head"),
        (
            {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]},
            r"neither its files nor its name \(\S+\) say how it scores",
        ),
        ({"model_type": "t5", "architectures": ["T5Model"]}, "model type 't5', which ScoreRT cannot export"),
        ({"model_type": "bert"}, "A config.json without architectures has no scoring head"),
        (
            {"model_type": "llava_next", "architectures": ["LlavaNextForConditionalGeneration"]},
            "model type 'llava_next', which ScoreRT cannot export",
        ),
        ({"model_type": "idefics3", "architectures": ["ColIdefics3"]}, "ColIdefics3 has the model type 'idefics3'"),
        (
            {"model_type": "qwen2_vl", "architectures": ["Qwen2VLForConditionalGeneration"]},
            r"nor its name \(\S+\) say .*: give the folder, or a link to it, the name of a model in `[^`]*`\.$",
        ),
        (
            {"model_type": "qwen3_vl", "architectures": ["Qwen3VLForConditionalGeneration"]},
            "or for a reranker name the tokens it answers with",
        ),
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


# What vLLM's users type for these checkpoints; here their names or files are enough.
OVERRIDES = [
    (
        {"model_type": "gemma", "architectures": ["GemmaForCausalLM"]},
        "bge-reranker-v2-gemma",
        {
            "architectures": ["GemmaForSequenceClassification"],
            "classifier_from_token": ["Yes"],
            "method": "no_post_processing",
        },
        "Given a query A and a passage B",
    ),
    (
        {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]},
        "mxbai-rerank-base-v2",
        {
            "architectures": ["Qwen2ForSequenceClassification"],
            "classifier_from_token": ["0", "1"],
            "method": "from_2_way_softmax",
        },
        "You are a search relevance expert",
    ),
    (
        {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]},
        "Qwen3-Reranker-0.6B",
        {
            "architectures": ["Qwen3ForSequenceClassification"],
            "classifier_from_token": ["no", "yes"],
            "is_original_qwen3_reranker": True,
        },
        "Judge whether the Document meets the requirements",
    ),
]


@pytest.mark.parametrize(("config", "name", "overrides", "words"), OVERRIDES)
def test_language_models_that_rerank_are_known_by_name_by_readme_or_by_overrides(
    tmp_path, config, name, overrides, words
):
    by_name = recipe(folder(tmp_path / name, config))
    by_override = recipe(folder(tmp_path / "renamed", config), **overrides)
    (tmp_path / "renamed" / "README.md").write_text(f"---\nlicense: mit\n---\n\n# {name}\n", encoding="utf-8")
    by_readme = recipe(tmp_path / "renamed")
    for found in (by_name, by_override, by_readme):
        assert (found.score_type, found.activation) == ("cross-encoder", "sigmoid")
        assert [head.kind for head in found.heads] == ["Pooling", "TokenRows"]
        assert found.heads[0].config == {"pooling_mode": "lasttoken"}
        assert found.heads[1].config["tokens"] == overrides["classifier_from_token"]
        assert words in found.template


SEQ_CLS = {
    "model_type": "qwen3",
    "architectures": ["Qwen3ForSequenceClassification"],
    "id2label": {"0": "LABEL_0"},
    "hidden_size": 128,
}
CARDS = ["---\nbase_model: {}\n---\n# my finetune\n", "---\nbase_model:\n- {}\n---\n", "# CrossEncoder based on {}\n"]


@pytest.mark.parametrize("card", [*CARDS, None])
def test_a_classifier_that_was_made_from_a_prompted_model_is_not_prompted_and_that_is_said(tmp_path, card):
    """sentence-transformers gives it pairs as they are, whatever its model card says."""
    base = "Qwen/Qwen3-Reranker-0.6B"
    path = folder(tmp_path / "mine", SEQ_CLS | ({} if card else {"_name_or_path": base}))
    if card is not None:
        (path / "README.md").write_text(card.format(base), encoding="utf-8")
    found = recipe(path)
    (warning,) = found.warnings
    assert found.template is None
    assert warning == (
        "mine was made from a model that is prompted (qwen3-reranker) and has no score template, so that its pairs are "
        "run as they are: if it was trained with that prompt, give it by --chat-template FILE."
    )
    assert recognise(open_checkpoint(str(path), None, {}, False), template="t").warnings == []
    # A conversion is the model itself, by the name of its folder or of its card.
    named = folder(tmp_path / "Qwen3-Reranker-0.6B-seq-cls", SEQ_CLS)
    (path / "README.md").write_text(f"---\nbase_model: {base}\n---\n# Qwen3-Reranker-0.6B-seq-cls\n", encoding="utf-8")
    for whole in (path, named):
        assert "Judge whether" in recipe(whole).template
        assert recipe(whole).warnings == []


@pytest.mark.parametrize("card", CARDS)
def test_a_language_model_that_was_made_from_a_reranker_is_given_its_template_and_that_is_said(tmp_path, card):
    path = folder(tmp_path / "mine", {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]})
    (path / "README.md").write_text(card.format("Qwen/Qwen3-Reranker-0.6B"), encoding="utf-8")
    found = recipe(path)
    (warning,) = found.warnings
    assert "Judge whether" in found.template
    assert warning.startswith(
        "mine answers with no and yes and has no score template, so that it is given that of qwen"
    )


def test_overrides_of_other_rerankers_are_followed_or_refused(tmp_path):
    path = folder(tmp_path, {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]})
    found = recipe(path, classifier_from_token=["bad", "good"])
    assert found.heads[1].config == {"tokens": ["bad", "good"], "scale": 1.0}
    assert found.template is None
    assert "no score template" in found.warnings[0]
    given = recognise(open_checkpoint(str(path), None, {"classifier_from_token": ["bad", "good"]}, False), template="t")
    assert (given.template, given.warnings) == ("t", [])
    # Tokens that a family answers with are a guess at its prompt, and its name is none.
    guessed = recipe(path, classifier_from_token=["no", "yes"])
    (warning,) = guessed.warnings
    assert warning.endswith(
        " answers with no and yes and has no score template, so that it is given that of qwen3-reranker: if it was "
        "trained with another prompt, give that by --chat-template FILE."
    )
    scaled = recipe(path, classifier_from_token=["Yes"])
    assert "that of zerank and its scale of 0.2" in scaled.warnings[0]
    known = folder(tmp_path / "Qwen3-Reranker-4B", {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]})
    assert recipe(known, classifier_from_token=["no", "yes"]).warnings == []
    (path / "chat_template.jinja").write_text(
        "{{ 'query' }}{{ 'document' }}{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    assert recipe(path, classifier_from_token=["no", "yes"]).warnings == []
    with pytest.raises(ExportError, match="of 1 token, and classifier_from_token names 2"):
        recipe(path, classifier_from_token=["no", "yes"], method="no_post_processing")
    with pytest.raises(ExportError, match="The method 'guess' is unknown"):
        recipe(path, classifier_from_token=["no", "yes"], method="guess")
    new = folder(tmp_path / "new", MGTE)
    assert recipe(new, architectures=["GteNewForSequenceClassification"]).score_type == "cross-encoder"


MGTE = {
    "model_type": "new",
    "architectures": ["NewForSequenceClassification"],
    "id2label": {"0": "LABEL_0"},
    "hidden_size": 128,
    "num_attention_heads": 4,
    "position_embedding_type": "rope",
    "rope_theta": 20000,
}


def test_only_a_cross_encoder_is_given_a_template(tmp_path):
    path = folder(tmp_path, BERT)
    assert not recipe(path).warnings
    assert recognise(open_checkpoint(str(path), None, {}, False), template="t").template == "t"
    path = folder(tmp_path, BERT | {"architectures": ["BertModel"]})
    with pytest.raises(ExportError, match="bi-encoder model, and only cross-encoders take a score template"):
        recognise(open_checkpoint(str(path), None, {}, False), template="t")


def test_a_language_models_own_chat_template_is_no_score_template(tmp_path):
    config = {"model_type": "qwen3", "architectures": ["Qwen3ForSequenceClassification"], "id2label": {"0": "LABEL_0"}}
    path = folder(tmp_path, config)
    template = tmp_path / "chat_template.jinja"
    template.write_text("{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}")
    assert recipe(path).template is None
    one = "{{ (messages | selectattr('role', 'eq', '%s') | first).content%s }}"
    template.write_text(one % ("query", "") + one % ("document", ""))
    found = recipe(path)
    assert found.template == template.read_text()
    # It writes the special tokens itself.
    assert not found.surrounded
    template.write_text(one % ("query", "[0].text") + one % ("document", "[0].text"))
    assert recipe(path).template.endswith(template.read_text())


def test_colbert_ais_metadata_is_read(tmp_path):
    metadata = {
        "query_token_id": "[unused0]",
        "doc_token_id": "[unused1]",
        "query_maxlen": 24,
        "doc_maxlen": 300,
        "attend_to_mask_tokens": True,
        "mask_punctuation": False,
    }
    found = recipe(folder(tmp_path, BERT | {"architectures": ["HF_ColBERT"]}, {"artifact.metadata": metadata}))
    assert (found.query.marker, found.query.length, found.query.expand, found.query.attend) == (
        "[unused0]", 24, True, True,
    )  # fmt: skip
    assert (found.document.marker, found.document.length, found.document.skip_texts) == ("[unused1]", 300, ())


def test_matryoshka_sizes_are_read(tmp_path):
    config = BERT | {"architectures": ["BertModel"]}
    assert recipe(folder(tmp_path, config)).matryoshka is None
    assert recipe(tmp_path, is_matryoshka=True).matryoshka == []
    assert recipe(tmp_path, matryoshka_dimensions=[256, 64]).matryoshka == [64, 256]


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
    with pytest.raises(ExportError, match='pooling_mode "median", and it must be one or'):
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
    content = json.loads((ROOT / "export" / "verification" / "texts.json").read_text(encoding="utf-8"))
    lengths = [len(document.split()) for document in content["documents"]]
    assert len(content["documents"]) + len(content["queries"]) >= 64
    assert min(lengths) == 1
    assert max(lengths) > 1000


def test_a_folder_of_clip_says_whether_embeddings_have_length_1(tmp_path):
    found = recipe(multimodal.build("clip-folder", tmp_path))
    assert [head.kind for head in found.heads] == ["Pooling", "Dense"], "sentence-transformers leaves their length"
    modules = json.loads((tmp_path / "clip-ViT-B-32" / "modules.json").read_text(encoding="utf-8"))
    normalize = {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"}
    write_json(tmp_path / "clip-ViT-B-32" / "modules.json", [*modules, normalize])
    assert [head.kind for head in recipe(tmp_path / "clip-ViT-B-32").heads] == ["Pooling", "Dense", "Normalize"]
    write_json(
        tmp_path / "clip-ViT-B-32" / "modules.json",
        [*modules, normalize | {"type": "sentence_transformers.models.Dense"}],
    )
    with pytest.raises(ExportError, match="has a Dense module; ScoreRT has Normalize"):
        recipe(tmp_path / "clip-ViT-B-32")


def test_prefixes_of_a_processors_file_are_followed_and_another_prompt_is_refused(tmp_path):
    nvidia = multimodal.build("colqwen3-nvidia", tmp_path)
    write_json(nvidia / "processor_config.json", {"query_prefix": "q:", "passage_prefix": "p:"})
    found = recipe(nvidia)
    assert found.query_prompt == "<|im_start|>user\nQuery: q: "
    assert found.document.pictured.startswith("<|im_start|>user\n{pictures}p: {text}")
    native = multimodal.build("colqwen2", tmp_path)
    page = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Describe the image.<|im_end|><|endoftext|>"
    write_json(native / "processor_config.json", {"query_prefix": "Find: ", "visual_prompt_prefix": page})
    assert recipe(native).query_prompt == "Find: "
    write_json(native / "processor_config.json", {"visual_prompt_prefix": page.replace("Describe", "Read")})
    with pytest.raises(ExportError, match=r"has visual_prompt_prefix .*, which is not ColQwen2ForRetrieval's prompt"):
        recipe(native)
