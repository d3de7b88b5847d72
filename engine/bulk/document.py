"""Defines a document as files hold it: its id, its text, and what its pictures are made of."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidDocuments, ScoreRTError
from .pictures import Picture


@dataclass(frozen=True, slots=True)
class Document:
    """A document. `place` says where in `file` it stands, such as "line 7"; it is empty where that is all of it."""

    file: Path
    place: str
    id: str
    text: str = ""
    pictures: tuple[Picture, ...] = ()

    def refused(self, error: ScoreRTError) -> InvalidDocuments:
        """The error of a document that cannot be used, which says where it stands."""
        return refused(self.file, self.place, error)


def refused(file: Path, place: str, error: ScoreRTError) -> InvalidDocuments:
    """The error of a place that holds no document."""
    where = f"{place.capitalize()} of {file}" if place else str(file)
    return InvalidDocuments(f"{where} cannot be used: {error}")
