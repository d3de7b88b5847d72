"""Puts everything that can score a request behind one call: texts in, a score for each document out."""

import http.client
import json
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import onnxruntime
import tokenizers
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder
from transformers.utils import logging as transformers_logging

from engine import Engine, Manifest

from .workload import Request

Floats = NDArray[np.float32]
Scorer = Callable[[Request], Floats]


def padded_batch(artifact: Path, manifest: Manifest) -> Scorer:
    """The plain way: all documents padded to the longest, one run of the fp32 graph, ONNX Runtime's own threads."""
    graph = next(graph for graph in manifest.graphs if graph.precision == "fp32")
    session = onnxruntime.InferenceSession(artifact / graph.file, providers=["CPUExecutionProvider"])
    tokenizer = tokenizers.Tokenizer.from_file(str(artifact / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.enable_padding(pad_id=manifest.pad_token)
    names = {tensor.name for tensor in graph.inputs}

    def score(request: Request) -> Floats:
        encodings = tokenizer.encode_batch([(request.query, document) for document in request.documents])
        feeds = {
            "input_ids": np.array([encoding.ids for encoding in encodings]),
            "attention_mask": np.array([encoding.attention_mask for encoding in encodings]),
            "token_type_ids": np.array([encoding.type_ids for encoding in encodings]),
        }
        logits: Floats = session.run(None, {name: feeds[name] for name in names})[0]
        return logits

    return score


def pair_lengths(engine: Engine, request: Request, limit: int) -> list[int]:
    """The tokens of each pair, cut to `limit`, of a cross-encoder without a template."""
    layout = engine.manifest.pair
    assert layout is not None
    query, *documents = (
        len(engine.tokenize(text, add_special_tokens=False)) for text in (request.query, *request.documents)
    )
    around = len(layout.prefix) + len(layout.middle) + len(layout.suffix)
    return [min(limit, around + query + document) for document in documents]


def in_process(engine: Engine) -> Scorer:
    return lambda request: engine.score(request.query, request.documents, use_activation=False).scores


def over_http(url: str, model: str | None = None) -> Scorer:
    """`POST /rerank`, on one kept-alive connection for each calling thread; peers want to be told their `model`."""
    local = threading.local()
    address = urlsplit(url)

    def ask(body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        local.connection.request("POST", "/rerank", body, {"Content-Type": "application/json"})
        response = local.connection.getresponse()
        return response, response.read()

    def score(request: Request) -> Floats:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(address.hostname or "", address.port)
        asked = {} if model is None else {"model": model}
        body = json.dumps({"query": request.query, "documents": request.documents} | asked).encode()
        try:
            response, content = ask(body)
        except ConnectionError:
            # The server closed it while nobody asked.
            local.connection.close()
            response, content = ask(body)
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{url} answered {response.status}: {content.decode()}")
        results = sorted(json.loads(content)["results"], key=lambda result: result["index"])
        return np.array([result["relevance_score"] for result in results], dtype=np.float32)

    return score


def sentence_transformers(checkpoint: Path, dtype: str, device: str = "cpu") -> Scorer:
    """PyTorch as most people run it: `CrossEncoder.predict` with its defaults, batches of 32 by length."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model = CrossEncoder(str(checkpoint), device=device, model_kwargs={"dtype": dtype})

    def score(request: Request) -> Floats:
        pairs = [(request.query, document) for document in request.documents]
        logits: Floats = model.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False)
        return logits

    return score
