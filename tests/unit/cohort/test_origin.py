"""A run keeps where a public cohort comes from, and nothing of any other table."""

from __future__ import annotations

import pytest

from nephrograde.cohort.origin import Origin, PublicSeries, Source, keep_origin, read_origin, write_origin
from nephrograde.errors import RunError

ORIGIN = Origin(("A",), (Source("10.1/x", "", "CC BY 3.0"),), (PublicSeries("P1", "cmp", "1.2.3"),))


def test_what_is_written_is_read(tmp_path):
    write_origin(ORIGIN, tmp_path / "sources.json")
    assert read_origin(tmp_path / "sources.json") == ORIGIN


def test_copy_follows_the_table(tmp_path):
    kept_path = tmp_path / "kept.json"
    keep_origin(tmp_path / "cohort.csv", kept_path)
    assert not kept_path.exists()
    write_origin(ORIGIN, tmp_path / "sources.json")
    keep_origin(tmp_path / "cohort.csv", kept_path)
    assert read_origin(kept_path) == ORIGIN
    (tmp_path / "sources.json").unlink()
    keep_origin(tmp_path / "cohort.csv", kept_path)
    assert read_origin(kept_path) == Origin()


@pytest.mark.parametrize("text", ["[]", '{"sources": 3}', '{"series": [{"patient_id": "P1"}]}', "{"])
def test_damaged_file_is_named(tmp_path, text):
    path = tmp_path / "sources.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"sources\.json"):
        read_origin(path)
