"""`/rerank`: documents in order of their scores for a query."""

import msgspec
from msgspec import UNSET

from .decoding import decode
from .ids import response_id
from .models import Models
from .schemas import Document, RerankRequest, RerankResponse, RerankResult, Usage
from .texts import plain_text, plain_texts

_decoder = msgspec.json.Decoder(RerankRequest)


def rerank(models: Models, body: bytes) -> RerankResponse:
    """Answer one request. Blocks until its scores are there.

    Raises `RequestError` and the engine's `InvalidInput`.
    """
    request = decode(_decoder, body)
    model, engine = models.get(request.model)
    architecture = engine.manifest.architecture
    documents = plain_texts(request.documents, architecture)
    ranking = engine.rerank(
        plain_text(request.query, architecture),
        documents,
        top_n=request.top_n,
        use_activation=request.use_activation is not False,
        truncate_prompt_tokens=request.truncate_prompt_tokens,
        truncation_side=request.truncation_side,
        max_tokens_per_query=request.max_tokens_per_query,
        max_tokens_per_doc=request.max_tokens_per_doc,
        instruction=request.instruction,
        chat_template_kwargs=request.chat_template_kwargs,
    )
    with_documents = request.return_documents is not False
    return RerankResponse(
        id=response_id(request.request_id),
        model=model,
        usage=Usage(ranking.tokens, ranking.tokens),
        results=[
            RerankResult(ranked.index, Document(documents[ranked.index]) if with_documents else UNSET, ranked.score)
            for ranked in ranking.results
        ],
    )
