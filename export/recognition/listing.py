"""Writes the table of families, for `python -m export --list` and docs/reference/families.md."""

from .families import FAMILIES, MULTIMODAL, Family

_COLUMNS = ("score type", "architecture", "body", "for example", "prompted", "pictures", "tested as")


def table() -> str:
    """Markdown, its columns aligned so that it reads as it is."""
    rows = [_COLUMNS, *map(_row, (*FAMILIES, *MULTIMODAL))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join(lines)


def _row(family: Family) -> tuple[str, ...]:
    prompted = "yes" if family.reranker or family.template else ""
    pictures = "yes" if family in MULTIMODAL else ""
    return family.score_type, family.architecture, family.body, family.example, prompted, pictures, family.name
