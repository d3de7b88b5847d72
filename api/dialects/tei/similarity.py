"""Answers `/similarity` with how alike sentences are to one (TEI)."""

import msgspec

from engine import BI_ENCODER, InvalidInput, similarity

from ...endpoint import Call, Endpoint, Fields, Headers
from ...wire.vectors import role
from ...words import Words
from .common import DIALECT, PromptName, Truncated, truncation_arguments


class SimilarityInputs(msgspec.Struct):
    source_sentence: str
    sentences: list[str]


class SimilarityParameters(Truncated, kw_only=True):
    """`prompt_name` names the prompt that all the sentences get, the source too; without it they get none."""

    prompt_name: PromptName | None = None


class SimilarityRequest(msgspec.Struct, kw_only=True):
    inputs: SimilarityInputs
    parameters: SimilarityParameters | None = None
    model: str | None = None


def compare(request: SimilarityRequest, call: Call) -> list[float]:
    """Answer one request: the cosine of each sentence's embedding with the source's."""
    _, engine = call.engine(request.model, BI_ENCODER)
    inputs, parameters = request.inputs, request.parameters or SimilarityParameters()
    call.count(len(inputs.sentences), "inputs.sentences")
    if not inputs.sentences:
        raise InvalidInput("inputs.sentences is empty: give at least one.", "inputs.sentences")
    source, *sentences = engine.embed(
        [inputs.source_sentence, *inputs.sentences],
        role=role(parameters.prompt_name),
        **truncation_arguments(parameters, call),
    ).embeddings
    cosines: list[float] = similarity(source, sentences, "cosine").tolist()
    return cosines


def _is_meant(fields: Fields, headers: Headers) -> bool:
    return bytes(fields.get("inputs", b"")).lstrip().startswith(b"{")


ENDPOINTS = tuple(
    Endpoint(
        method="POST",
        paths=(path,),
        dialect=DIALECT,
        summary="Compare sentences with one, by a bi-encoder's embeddings",
        request=SimilarityRequest,
        example={
            "inputs": {"source_sentence": "capital of France", "sentences": ["Paris is in France.", "Cows eat grass."]}
        },
        response=list[float],
        answer=compare,
        words=Words(cutting="parameters.truncate to true"),
        when=when,
        told_by=told_by,
    )
    for path, when, told_by in (("/similarity", None, ""), ("/", _is_meant, "a body whose `inputs` is an object"))
)
