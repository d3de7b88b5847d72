"""Documents are read from Parquet as from JSON lines; `test_index` has what cannot be read."""

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from engine import InvalidDocuments
from engine.bulk.records import read_documents


def test_parquet_is_read_as_json_lines_are(tmp_path: Path) -> None:
    def read(columns: dict[str, list[Any]]) -> list[Any]:
        pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "docs.parquet", row_group_size=2)
        return list(read_documents(tmp_path / "docs.parquet"))

    columns = {"title": ["x", "y", "z"], "id": ["a", None, "c"], "text": ["1", "2", "3"]}
    assert read(columns) == [("row 1", "a", "1"), ("row 2", "2", "2"), ("row 3", "c", "3")]
    assert [document.id for document in read({"text": ["1"], "id": [7]})] == ["7"]
    with pytest.raises(InvalidDocuments, match=r"Row 2 of .* is no document: Expected str, got null"):
        read({"text": ["1", None]})
    with pytest.raises(InvalidDocuments, match=r"Row 1 of .* is no document: Object missing required field text"):
        read({"id": ["1"]})
    (tmp_path / "docs.parquet").write_text("not Parquet")
    with pytest.raises(InvalidDocuments, match="cannot be read: Parquet magic bytes not found"):
        list(read_documents(tmp_path / "docs.parquet"))
