"""The encoder families that export knows, one row each."""

from dataclasses import dataclass
from typing import Any

from .errors import ExportError


@dataclass(frozen=True)
class Family:
    """A transformer body, by transformers' `model_type`.

    With `positions_after_padding`, a sequence's first token has the position `pad_token_id + 1`, so that many rows of
    the position table are never used.
    """

    model_type: str
    positions_after_padding: bool = False

    def max_positions(self, config: dict[str, Any]) -> int:
        """The longest sequence the position table allows, special tokens included."""
        positions = int(config.get("max_position_embeddings", 512))
        return positions - int(config.get("pad_token_id", 1)) - 1 if self.positions_after_padding else positions


FAMILIES = {
    family.model_type: family
    for family in (
        Family("bert"),
        Family("deberta-v2"),
        Family("distilbert"),
        Family("modernbert"),
        Family("mpnet", positions_after_padding=True),
        Family("roberta", positions_after_padding=True),
        Family("xlm-roberta", positions_after_padding=True),
    )
}


def family_of(config: dict[str, Any], architecture: str) -> Family:
    """The family of a checkpoint's `config.json`. Raises `ExportError` for one that is not in the table."""
    model_type = str(config.get("model_type", ""))
    family = FAMILIES.get(model_type)
    if family is None:
        raise ExportError(
            f"{architecture or 'This checkpoint'} has the model type '{model_type}', which ScoreRT cannot export; "
            f"it exports {', '.join(sorted(FAMILIES))}."
        )
    return family
