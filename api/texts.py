"""From the shapes a query or document may have on the wire to plain text."""

from .errors import TextOnlyModel
from .schemas import Item, Texts


def plain_texts(texts: Texts, architecture: str) -> list[str]:
    """A string for each query or document; a lone one makes a list of one. Raises as `plain_text`."""
    items = texts if isinstance(texts, list) else [texts]
    return [plain_text(item, architecture) for item in items]


def plain_text(item: str | Item, architecture: str) -> str:
    """The text of one query or document, its text parts on a line each.

    Raises `TextOnlyModel`, which names `architecture`, for any other part.
    """
    if isinstance(item, str):
        return item
    if item.content is None:
        return item.text or ""
    if any(part.type != "text" for part in item.content):
        raise TextOnlyModel(architecture)
    return "\n".join(part.text or "" for part in item.content)
