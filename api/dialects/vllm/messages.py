"""Reads a conversation as one input: the user's content, and the system's instruction for it (OpenAI and vLLM)."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from ...errors import InvalidRequest
from ...wire.contents import Item, Part

T = TypeVar("T", bound=msgspec.Struct)


class Message(msgspec.Struct):
    """What one side says, as a string or in parts."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]

    @property
    def item(self) -> Item:
        return Item(text=self.content) if isinstance(self.content, str) else Item(content=self.content)


Messages = Annotated[list[Message], Meta(min_length=1)]
"""A user's message, after a system message where the input has an instruction of its own.

An assistant's message without text may follow, because vLLM's clients end their prompts with one; the models' prompts
here have it already.
"""


def as_input(kind: type[T], request: Any) -> T:
    """A request with `messages` as one of `kind`, whose `input` and `instruction` they are.

    Raises `InvalidRequest` for messages that are not one input.
    """
    item, instruction = _conversation(request.messages)
    options = {name: getattr(request, name) for name in request.__struct_fields__ if name != "messages"}
    options["input_type"] = options["input_type"] or "document"
    return kind(input=item, instruction=instruction, **options)


def _conversation(messages: list[Message]) -> tuple[Item, str | None]:
    """The user's content, and the instruction if there is one."""
    if messages[-1].role == "assistant" and not (messages[-1].item.own_text or messages[-1].item.urls):
        messages = messages[:-1]
    match messages:
        case [Message(role="user") as user]:
            return user.item, None
        case [Message(role="system" | "developer") as system, Message(role="user") as user] if not system.item.urls:
            return user.item, system.item.own_text
    raise InvalidRequest(
        "messages must be one user message, after a system message in text if the input has an instruction: send "
        "several inputs in input.",
        "body.messages",
    )
