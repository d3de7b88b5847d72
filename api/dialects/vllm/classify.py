"""Answers `/classify` with what a cross-encoder's classifier says of single texts (vLLM)."""

import time

import msgspec

from engine import CROSS_ENCODER

from ...endpoint import Call, Endpoint, has
from ...wire.contents import Inputs, several
from ...wire.ids import response_id
from ...wire.requiring import require
from .common import Common, CompletionUsage, common_arguments
from .messages import Messages, as_input

# What transformers calls the class of a model with one, unless its configuration names it.
LABEL = "LABEL_0"


class ClassifyRequest(Common, kw_only=True):
    """Texts to classify: no model classifies images by themselves. `use_activation` null means true."""

    input: Inputs
    use_activation: bool | None = None
    add_special_tokens: bool | None = None


class ClassifiedConversation(Common, kw_only=True):
    """A conversation is one text: what the user says."""

    messages: Messages
    use_activation: bool | None = None


class Classified(msgspec.Struct, frozen=True):
    index: int
    label: str
    probs: list[float]
    num_classes: int


class ClassifyResponse(msgspec.Struct, frozen=True, kw_only=True):
    """`created` is in seconds since 1970."""

    id: str
    object: str = "list"
    created: int
    model: str
    data: list[Classified]
    usage: CompletionUsage


def classify(request: ClassifyRequest, call: Call) -> ClassifyResponse:
    """Answer one request."""
    model, engine = call.engine(request.model, CROSS_ENCODER)
    require(request, add_special_tokens=True)
    arguments = common_arguments(request, call)
    texts = several(request.input, engine, call)
    classes = engine.classify(texts, use_activation=request.use_activation is not False, **arguments)
    return ClassifyResponse(
        id=response_id("classify", request.request_id, call),
        created=int(time.time()),
        model=model,
        data=[Classified(index, LABEL, [score], 1) for index, score in enumerate(classes.scores.tolist())],
        usage=CompletionUsage.of(sum(classes.tokens)),
    )


def classify_conversation(request: ClassifiedConversation, call: Call) -> ClassifyResponse:
    """Answer one request."""
    return classify(as_input(ClassifyRequest, request), call)


ENDPOINTS = (
    Endpoint(
        method="POST",
        paths=("/classify",),
        dialect="vLLM",
        summary="Classify the user's content of a conversation with a cross-encoder",
        request=ClassifiedConversation,
        example={"messages": [{"role": "user", "content": "Paris is in France."}]},
        response=ClassifyResponse,
        answer=classify_conversation,
        when=lambda fields, headers: has(fields, "messages"),
        told_by="a body with `messages`",
    ),
    Endpoint(
        method="POST",
        paths=("/classify",),
        dialect="vLLM",
        summary="Classify texts with a cross-encoder",
        request=ClassifyRequest,
        example={"input": ["Paris is in France.", "Cows eat grass."]},
        response=ClassifyResponse,
        answer=classify,
        told_by="any other body",
    ),
)
