"""Writes what the builders share: sentence-transformers' files, random weights, tokenizers."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from checkpoints.minilm import write_json
from checkpoints.tiny import VOCABULARY, corpus

WIDTH = 128
LAYERS = 1
INNER = 256
HEADS = 4
SIZES = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "initializer_range": 0.1,
}


def matrix(*shape: int) -> Tensor:
    return torch.randn(shape) * 0.1


def linear(name: str, inputs: int, outputs: int, bias: bool = True) -> dict[str, Tensor]:
    weights = {f"{name}.weight": matrix(outputs, inputs)}
    return weights | {f"{name}.bias": matrix(outputs)} if bias else weights


def norm(name: str) -> dict[str, Tensor]:
    return {f"{name}.weight": 1 + matrix(WIDTH), f"{name}.bias": matrix(WIDTH)}


def direction(features: Tensor) -> Tensor:
    """Where texts differ most and are 0 on average, `[1, width]`: 8 bits would reorder the scores of any other."""
    features = features.detach()
    mean = features.mean(dim=0)
    unit = mean / mean.norm()
    centred = features - mean
    centred = centred - (centred @ unit).unsqueeze(1) * unit
    direction = torch.linalg.svd(centred, full_matrices=False).Vh[:1]
    spread: Tensor = direction / (features @ direction.T).std()
    return spread


def texts_batch(tokenizer: PreTrainedTokenizerFast, end: str = "") -> dict[str, Tensor]:
    paragraphs = [paragraph[:300] + end for page in corpus() for paragraph in page.split("\n\n")[:8]]
    encoded: dict[str, Tensor] = dict(tokenizer(paragraphs, padding=True, return_tensors="pt"))
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def byte_level(special: list[str], template: str, **tokens: str) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in special if token in template]
    if ids:
        tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name}_token": token for name, token in tokens.items()},
    )


def write_sentence_transformer(folder: Path, pooling: str, max_length: int, normalize: bool = False) -> None:
    kinds = ["Transformer", "Pooling", "Normalize"] if normalize else ["Transformer", "Pooling"]
    write_modules(folder, *(f"sentence_transformers.models.{kind}" for kind in kinds))
    write_pooling(folder / "1_Pooling", pooling)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False})
    write_json(folder / "config_sentence_transformers.json", {"__version__": {"sentence_transformers": "2.4.0"}})


def write_modules(folder: Path, *kinds: str) -> None:
    names = ["" if index == 0 else f"{index}_{kind.rsplit('.', 1)[-1]}" for index, kind in enumerate(kinds)]
    modules = [
        {"idx": index, "name": str(index), "path": name, "type": kind}
        for index, (name, kind) in enumerate(zip(names, kinds, strict=True))
    ]
    write_json(folder / "modules.json", modules)


def write_pooling(folder: Path, mode: str) -> None:
    folder.mkdir(parents=True)
    flags = {
        "cls": "pooling_mode_cls_token",
        "mean": "pooling_mode_mean_tokens",
        "lasttoken": "pooling_mode_lasttoken",
    }
    modes = {flag: name == mode for name, flag in flags.items()}
    write_json(folder / "config.json", {"word_embedding_dimension": WIDTH, **modes, "include_prompt": True})


def write_dense(folder: Path, config: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    write_json(folder / "config.json", config)
    save_file({"linear.weight": matrix(config["out_features"], config["in_features"])}, folder / "model.safetensors")
