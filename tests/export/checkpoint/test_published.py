"""Published checkpoints load natively and compute what their authors' code computes.

The authors' networks are in `authors`, without transformers.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from transformers import AutoModel, AutoModelForSequenceClassification, LlamaModel, PreTrainedModel

from checkpoints.published import BUILDERS
from checkpoints.published.files import VOCABULARY
from export.checkpoint.published import adapters, instructions, native_config
from export.errors import ExportError
from export.tracing.loading import load_body
from tests.export.checkpoint.authors import merged, mgte, nomic_bert, ntk, rotary, xlm_roberta_flash

LENGTHS = [9, 4, 30]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a published checkpoint, built when it is first asked for."""
    root = tmp_path_factory.mktemp("published")

    def build(name: str) -> Path:
        folder = root / name
        return folder if folder.exists() else BUILDERS[name](folder)

    return build


def config_of(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return config


def load(folder: Path, auto: Any = AutoModel) -> PreTrainedModel:
    body, _ = load_body(folder, native_config(config_of(folder)), auto)
    return body.eval()


def batch(lengths: list[int] = LENGTHS, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens, padded on the right with more of them, which no network may look at."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, VOCABULARY, (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)).long()
    return {"input_ids": ids, "attention_mask": mask}


def states_of(body: PreTrainedModel, inputs: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        states: Tensor = body(**inputs).last_hidden_state
    return states


def assert_same(got: Tensor, expected: Tensor, mask: Tensor | None = None) -> None:
    if mask is not None:
        got, expected = got[mask.bool()], expected[mask.bool()]
    assert expected.std() > 0.1
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


# mGTE


def test_mgte_positions_are_scaled_at_every_length(checkpoint: Callable[[str], Path]) -> None:
    for name, theta, factor in (("gte_reranker", 20000.0, 8.0), ("gte_embedder", 500000.0, 2.0)):
        body = load(checkpoint(name))
        torch.testing.assert_close(body.rotary_emb.inv_freq, ntk(theta, factor), rtol=1e-5, atol=0)


def test_mgte_embedder(checkpoint: Callable[[str], Path]) -> None:
    folder, inputs = checkpoint("gte_embedder"), batch()
    expected = mgte(load_file(folder / "model.safetensors"), inputs, ntk(500000.0, 2.0))
    assert_same(states_of(load(folder), inputs), expected, inputs["attention_mask"])


def test_mgte_reranker(checkpoint: Callable[[str], Path]) -> None:
    folder, inputs = checkpoint("gte_reranker"), batch([9, 4, 30, 17, 22])
    weights = load_file(folder / "model.safetensors")
    body = {name.removeprefix("new."): weight for name, weight in weights.items()}
    first = mgte(body, inputs, ntk(20000.0, 8.0))[:, 0]
    pooled = functional.linear(first, body["pooler.dense.weight"], body["pooler.dense.bias"]).tanh()
    expected = functional.linear(pooled, weights["classifier.weight"], weights["classifier.bias"])
    with torch.no_grad():
        got = load(folder, AutoModelForSequenceClassification)(**inputs).logits
    assert_same(got, expected)


def test_snowflake_has_mgte_settings_under_the_native_type(checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint("gte_embedder")
    config = config_of(folder) | {"model_type": "gte", "rope_theta": 160000, "rope_scaling": None}
    inputs = batch()
    body, _ = load_body(folder, native_config(config))
    expected = mgte(load_file(folder / "model.safetensors"), inputs, rotary(160000.0))
    assert_same(states_of(body.eval(), inputs), expected, inputs["attention_mask"])


# nomic-bert


def test_nomic(checkpoint: Callable[[str], Path]) -> None:
    folder, inputs = checkpoint("nomic"), batch()
    expected = nomic_bert(load_file(folder / "model.safetensors"), inputs)
    assert_same(states_of(load(folder), inputs), expected, inputs["attention_mask"])


def test_nomic_reads_no_text_whose_frequencies_would_depend_on_its_length(checkpoint: Callable[[str], Path]) -> None:
    config = config_of(checkpoint("nomic"))
    assert native_config(config)["max_position_embeddings"] == config["max_trained_positions"]
    unscaled = native_config(config | {"rotary_scaling_factor": None})
    assert unscaled["max_position_embeddings"] == config["n_positions"]


# xlm-roberta-flash


def test_jina_colbert(checkpoint: Callable[[str], Path]) -> None:
    folder, inputs = checkpoint("jina_colbert"), batch()
    expected = xlm_roberta_flash(load_file(folder / "model.safetensors"), inputs, 20000.0)
    assert adapters(config_of(folder)) == {}
    assert_same(states_of(load(folder), inputs), expected, inputs["attention_mask"])


def test_rotary_base_of_the_authors_configuration_class(checkpoint: Callable[[str], Path]) -> None:
    config = config_of(checkpoint("jina_colbert"))
    del config["rotary_emb_base"]
    assert native_config(config)["rope_parameters"]["rope_theta"] == 10000.0


def test_each_row_has_its_adapter(checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint("jina_v3")
    config, weights = config_of(folder), load_file(folder / "model.safetensors")
    inputs = batch([9, 4, 30, 17, 22])
    got = states_of(load(folder), inputs | {"adapter": torch.tensor([3, 0, 1, 4, 2])})
    scale = config["lora_alpha"] / config["lora_rank"]
    for row, task in enumerate([3, 0, 1, 4, 2]):
        single = {name: value[row : row + 1] for name, value in inputs.items()}
        expected = xlm_roberta_flash(merged(weights, task, scale), single, 20000.0)
        assert_same(got[row : row + 1], expected, single["attention_mask"])


def test_adapters_of_retrieval(checkpoint: Callable[[str], Path]) -> None:
    config = config_of(checkpoint("jina_v3"))
    for either in (config, native_config(config)):
        assert adapters(either) == {"query": 0, "document": 1}
        assert instructions(either) == {
            "query": "Represent the query for retrieving evidence documents: ",
            "document": "Represent the document for retrieval: ",
        }
    assert adapters(config | {"lora_adaptations": ["retrieval.passage", "x", "retrieval.query"]})["query"] == 2
    assert adapters(config | {"load_trained_adapters": False}) == {}
    with pytest.raises(ExportError, match=r"The checkpoint's adapters are separation, but retrieval needs"):
        adapters(config | {"lora_adaptations": ["separation"]})


# Bidirectional Llama


@pytest.mark.parametrize("lengths", [[20], [20, 20], LENGTHS])
def test_nemotron_attends_both_ways(checkpoint: Callable[[str], Path], lengths: list[int]) -> None:
    """As with the mask that the authors' code makes, which hides padding and nothing else."""
    folder, inputs = checkpoint("nemotron_embed"), batch(lengths)
    own = LlamaModel.from_pretrained(folder, attn_implementation="eager").eval()
    hidden = torch.zeros(len(lengths), 1, max(lengths), max(lengths))
    hidden.masked_fill_(inputs["attention_mask"][:, None, None] == 0, torch.finfo(torch.float32).min)
    expected = states_of(own, {"input_ids": inputs["input_ids"], "attention_mask": hidden})
    assert_same(states_of(load(folder), inputs), expected, inputs["attention_mask"])


def test_nemotron_keeps_what_its_classifier_needs(checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint("nemotron_rerank")
    native = native_config(config_of(folder))
    assert (native["pooling"], native["temperature"]) == ("avg", 0.5)
    inputs = batch([9, 4, 30, 17, 22])
    mask = inputs["attention_mask"].unsqueeze(-1)
    pooled = (states_of(load(folder), inputs) * mask).sum(1) / mask.sum(1)
    scores = pooled @ load_file(folder / "model.safetensors")["score.weight"].T / native["temperature"]
    assert scores.std() > 0.1


# All


@pytest.mark.parametrize("name", BUILDERS)
def test_padding_is_not_seen(checkpoint: Callable[[str], Path], name: str) -> None:
    body, inputs = load(checkpoint(name)), batch()
    chosen = {"adapter": torch.tensor([0, 1, 1])} if name == "jina_v3" else {}
    got = states_of(body, inputs | chosen)
    for row, length in enumerate(LENGTHS):
        alone = {key: value[row : row + 1, :length] for key, value in inputs.items()}
        alone |= {key: value[row : row + 1] for key, value in chosen.items()}
        assert_same(got[row : row + 1, :length], states_of(body, alone))


@pytest.mark.parametrize("name", BUILDERS)
def test_every_weight_is_found(checkpoint: Callable[[str], Path], name: str) -> None:
    folder = checkpoint(name)
    _, report = load_body(folder, native_config(config_of(folder)))
    assert {key for key in report["missing_keys"] if not key.startswith("pooler.")} == set()
    assert not report["mismatched_keys"]


def test_other_configurations_stay_as_they_are(checkpoint: Callable[[str], Path]) -> None:
    for config in (
        {"model_type": "bert", "hidden_size": 8},
        {"model_type": "xlm-roberta", "position_embedding_type": "absolute"},
        {"model_type": "gte", "rope_parameters": {"rope_type": "default", "rope_theta": 160000.0}},
        {"model_type": "nomic_bert", "hidden_size": 768},
        config_of(checkpoint("lfm2_colbert")),
        config_of(checkpoint("embedding_gemma")),
    ):
        assert native_config(config) is config


def test_zerank_is_qwen3() -> None:
    for kind in ("zeroentropy", "qwen3"):
        assert native_config({"model_type": kind, "hidden_size": 8}) == {"model_type": "qwen3", "hidden_size": 8}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("gte_reranker", {"logn_attention_scale": True}, "logn_attention_scale True"),
        ("gte_reranker", {"layer_norm_type": "rms_norm"}, "layer_norm_type 'rms_norm'"),
        ("gte_reranker", {"position_embedding_type": "absolute"}, "position_embedding_type 'absolute'"),
        ("gte_reranker", {"pack_qkv": False}, "pack_qkv False"),
        ("gte_reranker", {"rope_scaling": {"type": "ntk", "factor": 2, "mixed_b": 0.5}}, "'mixed_b': 0.5"),
        ("gte_reranker", {"rope_scaling": {"type": "dynamic", "factor": 2}}, "'type': 'dynamic'"),
        ("nomic", {"moe_every_n_layers": 2}, "experts"),
        ("nomic", {"activation_function": "gelu"}, "activation_function 'gelu'"),
        ("nomic", {"prenorm": True}, "prenorm True"),
        ("nomic", {"causal": True}, "causal True"),
        ("nomic", {"qkv_proj_bias": True}, "qkv_proj_bias True"),
        ("nomic", {"rotary_emb_fraction": 0.5}, "rotary_emb_fraction 0.5"),
        ("nomic", {"rotary_emb_interleaved": True}, "rotary_emb_interleaved True"),
        ("nemotron_rerank", {"pooling": "colbert"}, "pooling 'colbert'"),
    ],
)
def test_refusals(checkpoint: Callable[[str], Path], name: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        native_config(config_of(checkpoint(name)) | change)


def test_adapters_without_weights_are_refused(checkpoint: Callable[[str], Path]) -> None:
    folder = checkpoint("jina_colbert")
    config = native_config(config_of(checkpoint("jina_v3"))) | {"vocab_size": config_of(folder)["vocab_size"]}
    with pytest.raises(ExportError, match="no weights of the adapters"):
        load_body(folder, config)
