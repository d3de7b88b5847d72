"""Builds tiny seeded language models that rerank or embed, each with the files its published checkpoints have."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from sentence_transformers import CrossEncoder
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerFast

from checkpoints import tiny
from checkpoints.embedders import sentence_transformer
from checkpoints.published.files import direction
from export.recognition.families import read_template

_SIZES: dict[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "intermediate_size": 256,
    "initializer_range": 0.05,
    "max_position_embeddings": 768,
}
# What a language model answers with must be one token, so the tokenizer sees enough of it.
_ANSWERS = ["yes", "no", "Yes", "No", "0", "1"]

# A language model's own template, which knows neither queries nor documents.
_CHAT_TEMPLATE = (
    "{%- for message in messages %}{%- if message.role in ('system', 'user', 'assistant') %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def qwen3_reranker(folder: Path) -> Path:
    """Qwen3-Reranker as published: a causal language model whose output rows are tied to its input."""
    return _causal(folder, "Qwen3", qwen_tokenizer(), ("no", "yes"), "qwen3-reranker.jinja", tie_word_embeddings=True)


def mxbai_rerank(folder: Path) -> Path:
    """mxbai-rerank-v2 as published, its output rows its own."""
    tokenizer = qwen_tokenizer()
    return _causal(folder, "Qwen2", tokenizer, ("0", "1"), "mxbai-rerank-v2.jinja", tie_word_embeddings=False)


def bge_gemma(folder: Path) -> Path:
    """bge-reranker-v2-gemma as published: one token's row."""
    return _causal(folder, "Gemma", gemma_tokenizer(), ("Yes",), "bge-reranker-v2-gemma.jinja")


def qwen3_reranker_seq_cls(folder: Path) -> Path:
    """Qwen3-Reranker converted to a sequence classifier, as others have published it."""
    tokenizer = qwen_tokenizer()
    config = _config("qwen3", tokenizer, num_labels=1)
    torch.manual_seed(3)
    model = transformers.Qwen3ForSequenceClassification(config).eval()
    torch.nn.init.zeros_(model.score.weight)
    _spread(model, model.score.weight, tokenizer, "qwen3-reranker.jinja")
    return _save(model, tokenizer, folder)


def cross_encoder_folder(folder: Path) -> Path:
    """What sentence-transformers writes for a language model that reranks with a template of its own."""
    qwen3_reranker(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "{%- set system = messages | selectattr('role', 'eq', 'system') | map(attribute='content') | first -%}"
        "<|im_start|>system\n{{ system }}<|im_end|>\n<|im_start|>user\n"
        "Query: {{ messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first }}\n"
        "Document: {{ messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first }}<|im_end|>\n"
        "{%- if add_generation_prompt %}\n<|im_start|>assistant\n{%- endif %}"
    )
    tokenizer.save_pretrained(folder)
    instruction = "Given a web search query, retrieve relevant passages that answer the query"
    model = CrossEncoder(
        str(folder), device="cpu", prompts={"web_search": instruction}, default_prompt_name="web_search"
    )
    model.activation_fn = torch.nn.Identity()
    model.save_pretrained(str(folder), safe_serialization=True)
    return folder


def qwen3_embedding(folder: Path) -> Path:
    """Qwen3-Embedding: the last token, padding on the left, an instruction in the query's prompt, Matryoshka."""
    tokenizer = qwen_tokenizer(suffix="<|endoftext|>")
    tokenizer.padding_side = "left"
    torch.manual_seed(4)
    model = transformers.Qwen3ForCausalLM(_config("qwen3", tokenizer, tie_word_embeddings=True))
    _save(model, tokenizer, folder)
    prompts = {
        "query": "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
        "document": "",
    }
    return sentence_transformer(folder, "lasttoken", prompts)


def e5_mistral(folder: Path) -> Path:
    """e5-mistral: Mistral's body with a sliding window, the last token, padding on the right."""
    tokenizer = gemma_tokenizer(bos="<s>", eos="</s>", suffix="</s>")
    tokenizer.padding_side = "right"
    torch.manual_seed(5)
    model = transformers.MistralModel(_config("mistral", tokenizer, sliding_window=64))
    _save(model, tokenizer, folder)
    prompts = {
        "web_search_query": "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"
        "Query: "
    }
    return sentence_transformer(folder, "lasttoken", prompts)


def qwen_tokenizer(suffix: str = "") -> PreTrainedTokenizerFast:
    """Byte-level BPE with Qwen's control tokens; `<think>` is added without being special, as Qwen has it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    words, rest = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}", r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    split = rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|{words}|{rest}"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=tiny.VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_texts(), trainer)
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer.add_special_tokens(control)
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    if suffix:
        end = processors.TemplateProcessing(
            single=f"$A {suffix}",
            pair=f"$A {suffix} $B {suffix}",
            special_tokens=[(suffix, tokenizer.token_to_id(suffix))],
        )
        tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), end])
    fast = _fast(tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = _CHAT_TEMPLATE
    return fast


def gemma_tokenizer(bos: str = "<bos>", eos: str = "<eos>", suffix: str = "") -> PreTrainedTokenizerFast:
    """BPE over "▁" with byte fallback, as Gemma's and Mistral's: the first token of a text is `bos`."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<pad>", eos, bos, "<unk>"]
    trainer = trainers.BpeTrainer(
        vocab_size=tiny.VOCABULARY, special_tokens=special, max_token_length=16, show_progress=False
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    # What falls back to bytes needs tokens for them, which are no special ones.
    content = json.loads(tokenizer.to_str())
    vocabulary = content["model"]["vocab"]
    vocabulary |= {f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)}
    tokenizer = Tokenizer.from_str(json.dumps(content))
    end = f" {suffix}" if suffix else ""
    ids = [(token, tokenizer.token_to_id(token)) for token in dict.fromkeys([bos, *([suffix] if suffix else [])])]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A{end}", pair=f"{bos} $A{end} {bos}:1 $B:1{end}{':1' if end else ''}", special_tokens=ids
    )
    return _fast(tokenizer, bos_token=bos, eos_token=eos, unk_token="<unk>", pad_token="<pad>")


def _fast(tokenizer: Tokenizer, **tokens: str) -> PreTrainedTokenizerFast:
    names = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=names, **tokens)


def _texts() -> list[str]:
    return [*tiny.corpus(), *(_ANSWERS * 200)]


def _config(family: str, tokenizer: PreTrainedTokenizerFast, **settings: Any) -> Any:
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    return AutoConfig.for_model(family, **_SIZES | ids | {"vocab_size": len(tokenizer)} | settings)


def _causal(
    folder: Path, name: str, tokenizer: PreTrainedTokenizerFast, tokens: tuple[str, ...], template: str, **settings: Any
) -> Path:
    torch.manual_seed(len(name))
    model = getattr(transformers, f"{name}ForCausalLM")(_config(name.lower(), tokenizer, **settings)).eval()
    rows = [tokenizer.convert_tokens_to_ids(token) for token in tokens]
    assert None not in rows
    weight = model.get_output_embeddings().weight
    with torch.no_grad():
        if len(rows) == 2:
            weight[rows[1]] = weight[rows[0]]
    _spread(model, weight[rows[-1] :][:1], tokenizer, template)
    return _save(model, tokenizer, folder)


def _spread(model: PreTrainedModel, row: torch.Tensor, tokenizer: PreTrainedTokenizerFast, template: str) -> None:
    """Add to a row of the classifier the direction in which last tokens of prompts differ most, at scale 1/10.

    The last token is always the same, so first what it attends to is made to weigh more.
    """
    documents = [paragraph[:200] for page in tiny.corpus() for paragraph in page.split("\n\n")[:3]][:32]
    text = read_template(template)
    body: Callable[..., Any] = model.base_model
    last = []
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("o_proj.weight"):
                weight.mul_(4)
        for document in documents:
            messages = [{"role": "query", "content": "What is this?"}, {"role": "document", "content": document}]
            prompt = tokenizer.apply_chat_template(messages, chat_template=text, tokenize=False)
            last.append(body(**tokenizer(prompt, return_tensors="pt")).last_hidden_state[0, -1])
        row.add_(direction(torch.stack(last))[0] / 10)


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
