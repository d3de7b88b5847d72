"""Builds encoders weight by weight under the published names, so that nothing depends on how they are read."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast

from checkpoints.minilm import write_json
from checkpoints.published.files import (
    HEADS,
    INNER,
    LAYERS,
    SIZES,
    WIDTH,
    direction,
    linear,
    matrix,
    norm,
    texts_batch,
    write_sentence_transformer,
)
from checkpoints.tiny import VOCABULARY, build_tokenizer
from export.checkpoint.published import native_config
from export.tracing.loading import load_body

RANK = 4
TASKS = ["retrieval.query", "retrieval.passage", "separation", "classification", "text-matching"]
INSTRUCTIONS = {
    "retrieval.query": "Represent the query for retrieving evidence documents: ",
    "retrieval.passage": "Represent the document for retrieval: ",
    "separation": "",
    "classification": "",
    "text-matching": "",
}

_MGTE = SIZES | {
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.0,
    "layer_norm_type": "layer_norm",
    "layer_norm_eps": 1e-12,
    "logn_attention_clip1": False,
    "logn_attention_scale": False,
    "max_position_embeddings": 8192,
    "model_type": "new",
    "pack_qkv": True,
    "position_embedding_type": "rope",
    "rope_theta": 20000,
    "unpad_inputs": False,
    "use_memory_efficient_attention": False,
    "vocab_size": VOCABULARY,
}
_FLASH = "jinaai/xlm-roberta-flash-implementation--"
_JINA = SIZES | {
    "attention_probs_dropout_prob": 0.1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 8194,
    "model_type": "xlm-roberta",
    "pad_token_id": 1,
    "position_embedding_type": "rotary",
    "rotary_emb_base": 20000.0,
    "type_vocab_size": 1,
    "use_cache": True,
    "use_flash_attn": True,
}


def gte_reranker(folder: Path) -> Path:
    """Alibaba-NLP/gte-multilingual-reranker-base."""
    config = _MGTE | {
        "architectures": ["NewForSequenceClassification"],
        "auto_map": {
            "AutoConfig": "configuration.NewConfig",
            "AutoModelForSequenceClassification": "modeling.NewForSequenceClassification",
        },
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
        "pad_token_id": 1,
        "rope_scaling": {"factor": 8.0, "type": "ntk"},
        "type_vocab_size": 1,
    }
    weights = {f"new.{name}": weight for name, weight in _mgte_weights(1, type_vocabulary=1).items()}
    weights |= linear("new.pooler.dense", WIDTH, WIDTH) | linear("classifier", WIDTH, 1)
    _write(folder, config, weights, build_tokenizer("xlm-roberta"))
    body, _ = load_body(folder, native_config(config), AutoModelForSequenceClassification)
    seen: list[Tensor] = []
    body.get_submodule("classifier").register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    body(**texts_batch(build_tokenizer("xlm-roberta")))
    weights |= {"classifier.weight": direction(seen[0]), "classifier.bias": torch.zeros(1)}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def gte_embedder(folder: Path) -> Path:
    """Alibaba-NLP/gte-base-en-v1.5."""
    config = _MGTE | {
        "architectures": ["NewModel"],
        "auto_map": {"AutoConfig": "configuration.NewConfig", "AutoModel": "modeling.NewModel"},
        "pad_token_id": 0,
        "rope_scaling": {"factor": 2.0, "type": "ntk"},
        "rope_theta": 500000,
        "type_vocab_size": 0,
    }
    _write(folder, config, _mgte_weights(2, type_vocabulary=0), build_tokenizer("bert"))
    write_sentence_transformer(folder, "cls", max_length=8192, normalize=True)
    return folder


def nomic(folder: Path) -> Path:
    """nomic-ai/nomic-embed-text-v1: v1.5 differs in `rotary_scaling_factor`, which is null there."""
    names = ("Config", "Model", "ForPreTraining")
    config = {
        "activation_function": "swiglu",
        "architectures": ["NomicBertModel"],
        "attn_pdrop": 0.0,
        "auto_map": {
            f"Auto{name}": f"nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBert{name}" for name in names
        },
        "causal": False,
        "dense_seq_output": True,
        "fused_bias_fc": True,
        "layer_norm_epsilon": 1e-12,
        "max_trained_positions": 2048,
        "mlp_fc1_bias": False,
        "mlp_fc2_bias": False,
        "model_type": "nomic_bert",
        "n_embd": WIDTH,
        "n_head": HEADS,
        "n_inner": INNER,
        "n_layer": LAYERS,
        "n_positions": 8192,
        "pad_vocab_size_multiple": 64,
        "parallel_block": False,
        "prenorm": False,
        "qkv_proj_bias": False,
        "rotary_emb_base": 1000,
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None,
        "rotary_scaling_factor": 2,
        "type_vocab_size": 2,
        "use_flash_attn": True,
        "use_rms_norm": False,
        "vocab_size": VOCABULARY,
    }
    torch.manual_seed(3)
    padded = -(-VOCABULARY // 64) * 64
    weights = {
        "embeddings.word_embeddings.weight": matrix(padded, WIDTH),
        "embeddings.token_type_embeddings.weight": matrix(2, WIDTH),
        **norm("emb_ln"),
    }
    for layer in (f"encoder.layers.{number}." for number in range(LAYERS)):
        weights |= linear(f"{layer}attn.Wqkv", WIDTH, 3 * WIDTH, bias=False)
        weights |= linear(f"{layer}attn.out_proj", WIDTH, WIDTH, bias=False)
        weights |= linear(f"{layer}mlp.fc11", WIDTH, INNER, bias=False)
        weights |= linear(f"{layer}mlp.fc12", WIDTH, INNER, bias=False)
        weights |= linear(f"{layer}mlp.fc2", INNER, WIDTH, bias=False)
        weights |= norm(f"{layer}norm1") | norm(f"{layer}norm2")
    _write(folder, config, weights, build_tokenizer("bert"))
    write_sentence_transformer(folder, "mean", max_length=8192)
    return folder


def jina_v3(folder: Path) -> Path:
    """jinaai/jina-embeddings-v3, with its five adapters."""
    config = _JINA | {
        "architectures": ["XLMRobertaModel"],
        "auto_map": {
            "AutoConfig": f"{_FLASH}configuration_xlm_roberta.XLMRobertaFlashConfig",
            "AutoModel": f"{_FLASH}modeling_lora.XLMRobertaLoRA",
        },
        "emb_pooler": "mean",
        "load_trained_adapters": True,
        "lora_adaptations": TASKS,
        "lora_alpha": 2,
        "lora_dropout_p": 0.0,
        "lora_main_params_trainable": False,
        "lora_rank": RANK,
        "matryoshka_dimensions": [32, 64, WIDTH],
        "task_instructions": INSTRUCTIONS,
        "truncate_dim": None,
        "vocab_size": VOCABULARY,
    }
    weights: dict[str, Tensor] = {}
    for name, weight in _jina_weights(4, VOCABULARY).items():
        if weight.dim() == 1:
            weights[name] = weight
            continue
        rows, columns = weight.shape
        stored = name.removesuffix("weight") + "parametrizations.weight."
        embedding = "_embeddings." in name
        weights[f"{stored}original"] = weight
        weights[f"{stored}0.lora_A"] = matrix(len(TASKS), *((rows, RANK) if embedding else (RANK, columns)))
        weights[f"{stored}0.lora_B"] = matrix(len(TASKS), *((RANK, columns) if embedding else (rows, RANK)))
    _write(folder, config, weights, build_tokenizer("xlm-roberta"))
    write_sentence_transformer(folder, "mean", max_length=8194, normalize=True)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0] |= {"name": "transformer", "type": "custom_st.Transformer", "kwargs": ["task"]}
    write_json(folder / "modules.json", modules)
    write_json(folder / "config_sentence_transformers.json", {"prompts": INSTRUCTIONS, "similarity_fn_name": "cosine"})
    return folder


def jina_colbert(folder: Path) -> Path:
    """jinaai/jina-colbert-v2."""
    tokenizer = build_tokenizer("xlm-roberta")
    tokenizer.add_tokens(["[QueryMarker]", "[DocumentMarker]"], special_tokens=True)
    config = _JINA | {
        "architectures": ["HF_ColBERT"],
        "auto_map": {
            "AutoConfig": f"{_FLASH}configuration_xlm_roberta.XLMRobertaFlashConfig",
            "AutoModel": f"{_FLASH}modeling_xlm_roberta.XLMRobertaModel",
        },
        "lora_adaptations": None,
        "load_trained_adapters": False,
        "vocab_size": len(tokenizer),
    }
    weights = _jina_weights(5, len(tokenizer)) | linear("linear", WIDTH, 64, bias=False)
    _write(folder, config, weights, tokenizer)
    metadata = {
        "query_token_id": "[QueryMarker]",
        "doc_token_id": "[DocumentMarker]",
        "query_token": "[QueryMarker]",
        "doc_token": "[DocumentMarker]",
        "query_maxlen": 32,
        "doc_maxlen": 300,
        "dim": 64,
        "mask_punctuation": True,
        "attend_to_mask_tokens": True,
        "similarity": "cosine",
    }
    write_json(folder / "artifact.metadata", metadata)
    return folder


def _mgte_weights(seed: int, type_vocabulary: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    weights = {"embeddings.word_embeddings.weight": matrix(VOCABULARY, WIDTH), **norm("embeddings.LayerNorm")}
    if type_vocabulary:
        weights["embeddings.token_type_embeddings.weight"] = matrix(type_vocabulary, WIDTH)
    for layer in (f"encoder.layer.{number}." for number in range(LAYERS)):
        weights |= linear(f"{layer}attention.qkv_proj", WIDTH, 3 * WIDTH)
        weights |= linear(f"{layer}attention.o_proj", WIDTH, WIDTH)
        weights |= linear(f"{layer}mlp.up_gate_proj", WIDTH, 2 * INNER, bias=False)
        weights |= linear(f"{layer}mlp.down_proj", INNER, WIDTH)
        weights |= norm(f"{layer}attn_ln") | norm(f"{layer}mlp_ln")
    return weights


def _jina_weights(seed: int, vocabulary: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    weights = {
        "roberta.embeddings.word_embeddings.weight": matrix(vocabulary, WIDTH),
        "roberta.embeddings.token_type_embeddings.weight": matrix(1, WIDTH),
        **norm("roberta.emb_ln"),
    }
    for layer in (f"roberta.encoder.layers.{number}." for number in range(LAYERS)):
        weights |= linear(f"{layer}mixer.Wqkv", WIDTH, 3 * WIDTH) | linear(f"{layer}mixer.out_proj", WIDTH, WIDTH)
        weights |= linear(f"{layer}mlp.fc1", WIDTH, INNER) | linear(f"{layer}mlp.fc2", INNER, WIDTH)
        weights |= norm(f"{layer}norm1") | norm(f"{layer}norm2")
    return weights


def _write(
    folder: Path, config: dict[str, Any], weights: dict[str, Tensor], tokenizer: PreTrainedTokenizerFast
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    tokenizer.save_pretrained(folder)
