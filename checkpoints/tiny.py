"""Builds tiny seeded checkpoints of each encoder family, with tokenizers trained on the spot.

Weights are random but not small: scores must spread widely enough for an error to show.
"""

import string
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, PreTrainedTokenizerFast

VOCABULARY = 1000

_BERT_TOKENS = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
# What ColBERT checkpoints of these vocabularies mark queries and documents with.
_UNUSED = ["[unused0]", "[unused1]"]
_ROBERTA_TOKENS = {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"}

# What a tiny config must say besides the sizes they all share.
_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    # The smallest width whose weights are worth 8 bits.
    "hidden_size": 128,
    # Tracing takes as long as a graph has operators.
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "initializer_range": 0.1,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {"max_position_embeddings": 512},
    "deberta-v2": {
        "max_position_embeddings": 512,
        "relative_attention": True,
        "position_buckets": 32,
        "pos_att_type": ["p2c", "c2p"],
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "type_vocab_size": 0,
        "position_biased_input": False,
        "pooler_hidden_size": 128,
        # They share their table of relative positions.
        "num_hidden_layers": 2,
    },
    "distilbert": {"max_position_embeddings": 512},
    # A global layer and a local one.
    "modernbert": {
        "max_position_embeddings": 2048,
        "local_attention": 16,
        "global_attn_every_n_layers": 2,
        "num_hidden_layers": 2,
    },
    "mpnet": {"max_position_embeddings": 514, "pad_token_id": 1},
    "roberta": {"max_position_embeddings": 514, "type_vocab_size": 1},
    "xlm-roberta": {"max_position_embeddings": 514, "type_vocab_size": 1},
}
_MODEL_NAMES = {
    "bert": "Bert",
    "deberta-v2": "DebertaV2",
    "distilbert": "DistilBert",
    "modernbert": "ModernBert",
    "mpnet": "MPNet",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
}


def build(family: str, folder: Path, head: str = "ForSequenceClassification", **config: Any) -> Path:
    """A checkpoint of `family` with random weights: a one-label classifier, or `head="Model"` for the body alone."""
    torch.manual_seed(len(family))
    tokenizer = build_tokenizer(family)
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos", "cls", "sep")}
    settings = _SIZES | FAMILIES[family] | {key: value for key, value in ids.items() if value is not None}
    if head == "ForSequenceClassification":
        settings["num_labels"] = 1
    if family == "distilbert":
        settings |= {"dim": 128, "hidden_dim": 256, "n_layers": 1, "n_heads": 4}
    model_class = getattr(transformers, _MODEL_NAMES[family] + head)
    model = model_class(AutoConfig.for_model(family, **(settings | config)))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # They begin as zeros, and then it would not show what a graph makes of them.
            if name.endswith("bias"):
                parameter.normal_(std=0.1)
    if head == "ForSequenceClassification":
        _tell_texts_apart(model.eval(), tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tell_texts_apart(model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast) -> None:
    """Turn the classifier to where texts differ most, with logits of mean 0 and standard deviation 1.

    Logits of a random classifier lie closer together than a trained one's, so close that 8 bits reorder them.
    """
    (classifier,) = (m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 1)
    seen: list[torch.Tensor] = []
    hook = classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    paragraphs = [paragraph[:300] for page in corpus() for paragraph in page.split("\n\n")[:8]]
    with torch.no_grad():
        model(**tokenizer(paragraphs, padding=True, return_tensors="pt"))
        hook.remove()
        features = seen[0] - seen[0].mean(dim=0)
        direction = torch.linalg.svd(features, full_matrices=False).Vh[0]
        direction /= (features @ direction).std()
        classifier.weight.copy_(direction.unsqueeze(0))
        classifier.bias.copy_(-(seen[0].mean(dim=0) @ direction))


def build_tokenizer(family: str) -> PreTrainedTokenizerFast:
    """A tokenizer of the kind the family has: WordPiece, byte-level BPE or Unigram, with its special tokens."""
    if family in ("bert", "distilbert"):
        return _word_piece(_BERT_TOKENS, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", type_ids=family == "bert")
    if family == "mpnet":
        tokens = _ROBERTA_TOKENS | {"unk": "[UNK]"}
        return _word_piece(tokens, "<s> $A </s>", "<s> $A </s> </s> $B </s>", type_ids=False)
    if family == "modernbert":
        return _byte_level(_BERT_TOKENS, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]")
    if family == "roberta":
        return _byte_level(_ROBERTA_TOKENS, "<s> $A </s>", "<s> $A </s> </s> $B </s>")
    if family == "deberta-v2":
        return _unigram(_BERT_TOKENS, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", type_ids=True)
    return _unigram(_ROBERTA_TOKENS, "<s> $A </s>", "<s> $A </s> </s> $B </s>", type_ids=False)


def corpus() -> Iterator[str]:
    yield from list(topics.values())[:20]


def _word_piece(tokens: dict[str, str], single: str, pair: str, type_ids: bool) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(unk_token=tokens["unk"]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[*tokens.values(), *_UNUSED],
        initial_alphabet=list(string.punctuation),
        show_progress=False,
    )
    return _finish(tokenizer, trainer, tokens, single, pair, type_ids)


def _byte_level(tokens: dict[str, str], single: str, pair: str) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[*tokens.values(), *_UNUSED],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    return _finish(tokenizer, trainer, tokens, single, pair, type_ids=False)


def _unigram(tokens: dict[str, str], single: str, pair: str, type_ids: bool) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=VOCABULARY, special_tokens=list(tokens.values()), unk_token=tokens["unk"], show_progress=False
    )
    return _finish(tokenizer, trainer, tokens, single, pair, type_ids)


def _finish(
    tokenizer: Tokenizer, trainer: Any, tokens: dict[str, str], single: str, pair: str, type_ids: bool
) -> PreTrainedTokenizerFast:
    tokenizer.train_from_iterator(corpus(), trainer)
    special = [(token, tokenizer.token_to_id(token)) for token in (tokens["cls"], tokens["sep"])]
    tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=special)
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if type_ids else ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_input_names=inputs,
        **{f"{name}_token": token for name, token in tokens.items()},
    )
