"""Builds decoders, whose weights have transformers' names: its classes save them, with the published settings."""

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from checkpoints.minilm import write_json
from checkpoints.published.files import (
    INNER,
    SIZES,
    WIDTH,
    byte_level,
    direction,
    texts_batch,
    write_dense,
    write_modules,
    write_pooling,
    write_sentence_transformer,
)
from export.checkpoint.published import native_config
from export.tracing.loading import load_body


def nemotron_rerank(folder: Path) -> Path:
    """nvidia/llama-nemotron-rerank-1b-v2."""
    _nemotron(folder, "LlamaBidirectionalForSequenceClassification", temperature=0.5)
    weights = load_file(folder / "model.safetensors")
    batch = texts_batch(PreTrainedTokenizerFast.from_pretrained(folder))
    config = json.loads((folder / "config.json").read_text())
    states = load_body(folder, native_config(config))[0](**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    score = direction((states * mask).sum(1) / mask.sum(1))
    weights = {f"model.{name}": weight for name, weight in weights.items()} | {"score.weight": score / 2}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def nemotron_embed(folder: Path) -> Path:
    """nvidia/llama-nemotron-embed-1b-v2."""
    _nemotron(folder, "LlamaBidirectionalModel", temperature=0.02)
    write_sentence_transformer(folder, "mean", max_length=8192, normalize=True)
    prompts = {"query": "query: ", "document": "passage: "}
    write_json(folder / "config_sentence_transformers.json", {"prompts": prompts, "similarity_fn_name": "cosine"})
    return folder


def lfm2_colbert(folder: Path) -> Path:
    """LiquidAI/LFM2-ColBERT-350M: a PyLate folder whose tokenizer has no mask token."""
    special = ["<|pad|>", "<|startoftext|>", "<|im_end|>", "[Q] ", "[D] "]
    tokenizer = byte_level(special, "<|startoftext|> $A", pad="<|pad|>", bos="<|startoftext|>", eos="<|im_end|>")
    config = {
        "block_auto_adjust_ff_dim": False,
        "block_ff_dim": INNER,
        "bos_token_id": 1,
        "conv_L_cache": 3,
        "conv_bias": False,
        "eos_token_id": 2,
        "layer_types": ["conv", "full_attention"],
        "num_hidden_layers": 2,
        "max_position_embeddings": 128000,
        "norm_eps": 1e-05,
        "num_key_value_heads": 2,
        "pad_token_id": 0,
        "rope_theta": 1000000.0,
        "tie_embedding": True,
        "vocab_size": len(tokenizer),
    }
    _save(folder, "Lfm2Model", config, tokenizer, seed=8)
    dense = {"in_features": WIDTH, "out_features": 64, "bias": False}
    write_dense(folder / "1_Dense", dense | {"activation_function": "torch.nn.modules.linear.Identity"})
    write_modules(folder, "sentence_transformers.models.Transformer", "pylate.models.Dense.Dense")
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 511, "do_lower_case": False})
    settings = {
        "prompts": {"query": "", "document": ""},
        "similarity_fn_name": "MaxSim",
        "query_prefix": "[Q] ",
        "document_prefix": "[D] ",
        "query_length": 32,
        "document_length": 512,
        "attend_to_expansion_tokens": False,
        "skiplist_words": list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    }
    write_json(folder / "config_sentence_transformers.json", settings)
    return folder


def embedding_gemma(folder: Path) -> Path:
    """google/embeddinggemma-300m: windows of 8 tokens each way in its sliding layer."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokenizer = byte_level(special, "<bos> $A <eos>", pad="<pad>", bos="<bos>", eos="<eos>")
    config = {
        "bos_token_id": 2,
        "eos_token_id": 1,
        "head_dim": 32,
        "hidden_activation": "gelu_pytorch_tanh",
        "layer_types": ["sliding_attention", "full_attention"],
        "num_hidden_layers": 2,
        "max_position_embeddings": 2048,
        "num_key_value_heads": 1,
        "pad_token_id": 0,
        "query_pre_attn_scalar": 32,
        "rope_local_base_freq": 10000.0,
        "rope_theta": 1000000.0,
        "sliding_window": 16,
        "use_bidirectional_attention": True,
        "vocab_size": len(tokenizer),
    }
    _save(folder, "Gemma3TextModel", config, tokenizer, seed=9)
    write_pooling(folder / "1_Pooling", "mean")
    identity = {"bias": False, "activation_function": "torch.nn.modules.linear.Identity"}
    write_dense(folder / "2_Dense", {"in_features": WIDTH, "out_features": INNER} | identity)
    write_dense(folder / "3_Dense", {"in_features": INNER, "out_features": WIDTH} | identity)
    kinds = ("Transformer", "Pooling", "Dense", "Dense", "Normalize")
    write_modules(folder, *(f"sentence_transformers.models.{kind}" for kind in kinds))
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 2048, "do_lower_case": False})
    prompts = {
        "query": "task: search result | query: ",
        "document": "title: none | text: ",
        "STS": "task: sentence similarity | query: ",
    }
    write_json(folder / "config_sentence_transformers.json", {"prompts": prompts, "similarity_fn_name": "cosine"})
    return folder


def zerank(folder: Path) -> Path:
    """zeroentropy/zerank-2: a Qwen3 language model that answers "Yes"; the score is that token's logit over 5."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "Yes"]
    tokenizer = byte_level(special, "$A", pad="<|endoftext|>", eos="<|im_end|>")
    tokenizer.chat_template = (
        "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    )
    config = {
        "eos_token_id": 2,
        "head_dim": 32,
        "max_position_embeddings": 40960,
        "num_key_value_heads": 2,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": True,
        "vocab_size": len(tokenizer),
    }
    _save(folder, "Qwen3ForCausalLM", config, tokenizer, seed=10)
    weights = load_file(folder / "model.safetensors")
    batch = texts_batch(tokenizer, "<|im_start|>assistant\n")
    model = transformers.Qwen3Model.from_pretrained(folder)
    last = batch["attention_mask"].sum(1) - 1
    states = model(**batch).last_hidden_state[torch.arange(len(last)), last]
    weights["model.embed_tokens.weight"][tokenizer.convert_tokens_to_ids("Yes")] = 5 * direction(states)[0]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    published = json.loads((folder / "config.json").read_text())
    published |= {"model_type": "zeroentropy", "auto_map": {"AutoConfig": "modeling_zeranker.ZEConfig"}}
    write_json(folder / "config.json", published)
    return folder


def _nemotron(folder: Path, architecture: str, temperature: float) -> None:
    special = ["<|begin_of_text|>", "<|eot_id|>", "<|pad|>"]
    tokenizer = byte_level(special, "<|begin_of_text|> $A", pad="<|pad|>", bos="<|begin_of_text|>", eos="<|eot_id|>")
    config = {
        "head_dim": 32,
        "max_position_embeddings": 131072,
        "num_key_value_heads": 2,
        "pad_token_id": 2,
        "rope_scaling": {
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        "rope_theta": 500000.0,
        "vocab_size": len(tokenizer),
    }
    _save(folder, "LlamaModel", config, tokenizer, seed=6)
    published = json.loads((folder / "config.json").read_text())
    parts = ("Config", "Model", "ForSequenceClassification")
    published |= config | {
        "architectures": [architecture],
        "auto_map": {f"Auto{part}": f"llama_bidirectional_model.LlamaBidirectional{part}" for part in parts},
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
        "model_type": "llama_bidirec",
        "pooling": "avg",
        "temperature": temperature,
    }
    published["auto_map"]["AutoModelForSequenceClassification"] = published["auto_map"].pop(
        "AutoForSequenceClassification"
    )
    del published["rope_parameters"]
    write_json(folder / "config.json", published)


def _save(
    folder: Path, architecture: str, config: dict[str, Any], tokenizer: PreTrainedTokenizerFast, seed: int
) -> None:
    """A checkpoint of transformers' own class."""
    torch.manual_seed(seed)
    kind = getattr(transformers, architecture)
    kind(kind.config_class(**(SIZES | config))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
