"""Scores of a checkpoint by other people's code: transformers' classes and sentence-transformers, never the exporter.

Each function takes a checkpoint's folder and pairs of a query and a document, and gives float32 `[pairs]`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from export.recognition.families import read_template

Floats = NDArray[np.float32]
Pairs = Sequence[tuple[str, str]]

MAX_LENGTH = 512


def classifier(folder: Path, pairs: Pairs) -> Floats:
    """transformers' sequence classifier, all pairs in one padded batch."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    queries, documents = map(list, zip(*pairs, strict=True))
    encoding = tokenizer(queries, documents, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(**encoding).logits[:, 0].numpy()


def prompted_classifier(folder: Path, pairs: Pairs, template: str) -> Floats:
    """transformers' sequence classifier on prompts, one at a time so that no padding can matter."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    return _prompted(folder, pairs, template, lambda encoding: model(**encoding).logits[0, 0])


def language_model(folder: Path, pairs: Pairs, template: str, *tokens: str, scale: float = 1.0) -> Floats:
    """The whole vocabulary's logits after each prompt: the last token's, less the first's if there are two."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids(list(tokens))

    def logit(encoding: Any) -> torch.Tensor:
        logits = model(**encoding).logits[0, -1, ids]
        return scale * (logits[-1] - (logits[0] if len(ids) == 2 else 0))

    return _prompted(folder, pairs, template, logit)


def cross_encoder_folder(folder: Path, pairs: Pairs) -> Floats:
    """sentence-transformers' CrossEncoder, before its activation."""
    model = CrossEncoder(str(folder), device="cpu")
    scores: Floats = model.predict(list(pairs), activation_fn=torch.nn.Identity(), show_progress_bar=False)
    return scores


def sentence_transformer(
    folder: Path, pairs: Pairs, query_prompt: str | None = None, document_prompt: str | None = None
) -> Floats:
    """The cosine of sentence-transformers' query and document embeddings, with the prompts it picks or these."""
    model = SentenceTransformer(str(folder), device="cpu")
    queries, documents = map(list, zip(*pairs, strict=True))
    embedded = (
        model.encode_query(queries, prompt=query_prompt),
        model.encode_document(documents, prompt=document_prompt),
    )
    query, document = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in embedded)
    cosines: Floats = (query * document).sum(axis=1)
    return cosines


def multi_vector(folder: Path, pairs: Pairs) -> Floats:
    """MaxSim of sentence-transformers' own ColBERT class, which reads colbert-ai's and PyLate's folders."""
    model = MultiVectorEncoder(str(folder), device="cpu")
    queries, documents = map(list, zip(*pairs, strict=True))
    return _maxsim(model.encode_query(queries), model.encode_document(documents))


def projected_tokens(folder: Path, pairs: Pairs, projection: str | None = None) -> Floats:
    """MaxSim of a body's normalised token embeddings; bge-m3's go through its projection without the first token."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    linear = torch.load(folder / projection, weights_only=True) if projection else None

    def embed(text: str) -> Floats:
        encoding = tokenizer(text, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
        with torch.no_grad():
            states = model(**encoding).last_hidden_state[0]
        if linear is not None:
            states = states[1:] @ linear["weight"].T + linear["bias"]
        return torch.nn.functional.normalize(states, dim=-1).numpy()

    return _maxsim([embed(query) for query, _ in pairs], [embed(document) for _, document in pairs])


def _prompted(folder: Path, pairs: Pairs, template: str, logit: Callable[[Any], torch.Tensor]) -> Floats:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    scores = []
    for query, document in pairs:
        messages = [{"role": "query", "content": query}, {"role": "document", "content": document}]
        prompt = tokenizer.apply_chat_template(messages, chat_template=read_template(template), tokenize=False)
        with torch.no_grad():
            scores.append(float(logit(tokenizer(prompt, return_tensors="pt"))))
    return np.array(scores, dtype=np.float32)


def _maxsim(queries: Sequence[Any], documents: Sequence[Any]) -> Floats:
    scores = [
        (np.asarray(query) @ np.asarray(document).T).max(axis=1).sum()
        for query, document in zip(queries, documents, strict=True)
    ]
    return np.array(scores, dtype=np.float32)


_E5_MISTRAL = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "

# The rows of the exporter's table that other people's code can load. `UNREFERENCED` has the others.
REFERENCES: dict[str, Callable[[Path, Pairs], Floats]] = {
    **dict.fromkeys(("bert", "deberta-v2", "distilbert", "modernbert", "mpnet", "roberta", "xlm-roberta"), classifier),
    "bge-reranker-v2-gemma": lambda f, p: language_model(f, p, "bge-reranker-v2-gemma.jinja", "Yes"),
    "mxbai-rerank-v2": lambda f, p: language_model(f, p, "mxbai-rerank-v2.jinja", "0", "1"),
    "qwen3-reranker": lambda f, p: language_model(f, p, "qwen3-reranker.jinja", "no", "yes"),
    "qwen3-reranker-seq-cls": partial(prompted_classifier, template="qwen3-reranker.jinja"),
    "cross-encoder-folder": cross_encoder_folder,
    "colbert": multi_vector,
    "modern-colbert": multi_vector,
    "lfm2-colbert": multi_vector,
    "bge-m3": partial(projected_tokens, projection="colbert_linear.pt"),
    "embedder": projected_tokens,
    **dict.fromkeys(
        ("bert-embedder", "mpnet-embedder", "modernbert-embedder", "embedding-gemma", "qwen3-embedding"),
        sentence_transformer,
    ),
    # sentence-transformers documents that it takes a prompt called "passage", but prefers its own empty "document".
    "e5": partial(sentence_transformer, document_prompt="passage: "),
    "e5-mistral": partial(sentence_transformer, query_prompt=_E5_MISTRAL),
}

_AUTHORS = "its authors' formulas, written out: tests/export/checkpoint/test_published.py"
UNREFERENCED = {
    **dict.fromkeys(
        ("gte-embedder", "gte-reranker", "jina-colbert", "jina-v3", "nemotron-embed", "nemotron-rerank", "nomic"),
        _AUTHORS,
    ),
    "pylate": "PyLate's recorded scores: tests/engine/test_engine.py",
    "zerank": "a Qwen3 with other settings, which qwen3-reranker holds: tests/export/checkpoint/test_published.py",
}
"""The rows that no other library loads as published, and what is held against instead."""
