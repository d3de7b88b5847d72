"""Reads the score template that a checkpoint brings itself, or that an export is given."""

import re
from pathlib import Path

import msgspec
from jinja2 import TemplateError, TemplateSyntaxError

from engine.prompts.sandbox import compile_template, render

from ..checkpoint.reading import read_object, read_text
from ..errors import ExportError
from .module_list import Folder

# What tells whether a template knows both roles: it names them, and it writes what they say. (A language model's own
# template may write messages of any role there is.)
_ROLES = tuple(re.compile(rf"""["']{role}["']""") for role in ("query", "document"))
_QUERY, _DOCUMENT = "a query to find", "a document to find"

# For a template that expects each content as a list of parts, where ScoreRT gives its text.
_TO_PARTS = (
    "{%- set parts = namespace(messages=[]) -%}{%- for message in messages -%}{%- set parts.messages = parts.messages "
    '+ [{"role": message.role, "content": [{"type": "text", "text": message.content}]}] -%}{%- endfor -%}'
    "{%- set messages = parts.messages -%}"
)
_GENERATION_PROMPT = "{%- set add_generation_prompt = true -%}"


def given_template(file: Path) -> str:
    """The score template of a file that an export is given. Raises `ExportError` where it cannot be used."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        messages = [{"role": "query", "content": _QUERY}, {"role": "document", "content": _DOCUMENT}]
        prompt = render(compile_template(text), {"messages": messages, "add_generation_prompt": False})
    except OSError as error:
        raise ExportError(f"--chat-template: {file} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise ExportError(f"--chat-template: {file} is not UTF-8 text.") from None
    except TemplateError as error:
        line = f" from its line {error.lineno} on" if isinstance(error, TemplateSyntaxError) else ""
        raise ExportError(f"--chat-template: {file} cannot be used{line}: {error.message}.") from None
    for role, said in (("query", _QUERY), ("document", _DOCUMENT)):
        if said not in prompt:
            raise ExportError(
                f"--chat-template: {file} does not write out the {role}: it must print the content of the message with "
                f'the role "{role}".'
            )
    return text


def own_template(path: Path, folder: Folder | None = None) -> str | None:
    """The chat template of a checkpoint's tokenizer, if it is one for the roles "query" and "document".

    A sentence-transformers `folder` also says whether pairs go through it at all, and with which settings.
    """
    template = _chat_template(path)
    if template is None:
        return None
    if folder is not None:
        modalities = folder.transformer.section("modality_config")
        if folder.transformer.get("modality_config") is not None and "message" not in modalities:
            return None
        processing = folder.transformer.section("processing_kwargs").section("chat_template")
        if processing.flag("add_generation_prompt", False):
            template = _GENERATION_PROMPT + template
    return next((text for text in (template, _TO_PARTS + template) if _reads_both(text)), None)


class _Named(msgspec.Struct):
    """One of a tokenizer's several templates."""

    name: str
    template: str


def _chat_template(path: Path) -> str | None:
    own = read_text(path / "chat_template.jinja")
    if own is not None:
        return own
    settings = read_object(path / "tokenizer_config.json")
    if settings is None:
        return None
    if not isinstance(settings.get("chat_template"), list):
        return settings.name("chat_template")
    try:
        listed = msgspec.convert(settings["chat_template"], list[_Named])
    except msgspec.ValidationError:
        raise settings.refused("chat_template", "a text, or a list of objects with a name and a template") from None
    return next((entry.template for entry in listed if entry.name == "default"), None)


def _reads_both(template: str) -> bool:
    # Here, because it brings PyTorch.
    from transformers.utils.chat_template_utils import render_jinja_template

    messages = [{"role": "query", "content": _QUERY}, {"role": "document", "content": _DOCUMENT}]
    try:
        prompt = render_jinja_template([messages], chat_template=template)[0][0]
    except TemplateSyntaxError as error:
        raise ExportError(
            f"The checkpoint's chat template is damaged or cut off at its line {error.lineno} ({error.message}): fetch "
            "chat_template.jinja or tokenizer_config.json again, whichever has it."
        ) from None
    except (TemplateError, TypeError, ValueError):
        return False
    # A template for parts writes a whole text out when it is given one, so both must be there as they are.
    return all(role.search(template) for role in _ROLES) and _QUERY in prompt and _DOCUMENT in prompt
