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


Conversation = Annotated[list[Message], Meta(min_length=1)]
"""A user's message, after a system message where the input has an instruction of its own.

An assistant's message without text may follow, because vLLM's clients end their prompts with one; the models' prompts
here have it already. For the same reason `add_generation_prompt`, `continue_final_message` and `add_special_tokens`
change nothing.
"""

Messages = Annotated[list[Message | list[Message]], Meta(min_length=1)]
"""One conversation, or a list of several, which are as many inputs."""


def as_input(kind: type[T], request: Any) -> T:
    """A request with `messages` as one of `kind`, whose `input` and `instruction` they are.

    Raises `InvalidRequest` for messages that are not inputs, and for an instruction that not all of them have, or that
    `kind` has no place for.
    """
    inputs, instructions = zip(*map(_conversation, _several(request.messages)), strict=True)
    options = {name: getattr(request, name) for name in request.__struct_fields__ if name != "messages"}
    instruction = instructions[0]
    if any(other != instruction for other in instructions):
        raise InvalidRequest("messages have several instructions: send those of each in a request.", "body.messages")
    if "instruction" in kind.__struct_fields__:
        options |= {"instruction": instruction, "input_type": options["input_type"] or "document"}
    elif instruction is not None:
        raise InvalidRequest(
            "messages have an instruction, which this path has no use for: leave it out.", "body.messages"
        )
    return kind(input=list(inputs), **options)


def _several(messages: list[Message | list[Message]]) -> list[list[Message]]:
    several = [message for message in messages if isinstance(message, list)]
    if not several:
        return [[message for message in messages if isinstance(message, Message)]]
    if len(several) < len(messages) or not all(several):
        raise InvalidRequest("messages must be a conversation, or a list of conversations.", "body.messages")
    return several


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
