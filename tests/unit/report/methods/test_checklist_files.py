"""The checklists as files say what the page says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from nephrograde.files import read_rows
from nephrograde.report.methods.checklist import LISTS, fill_checklists
from nephrograde.report.methods.checklist_files import write_checklists
from nephrograde.report.text.language import speaking
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.report.text.language import Language


@pytest.mark.parametrize(("language", "ending"), [("en", ""), ("zh", ".zh")])
def test_tables_and_json_hold_every_item(whole_run: Path, tmp_path: Path, language: Language, ending: str) -> None:
    with speaking(language):
        filled = fill_checklists(Results.read(whole_run))
        paths = write_checklists(filled, RunFolder(tmp_path))
    assert [path.name for path in paths] == [f"{key}{ending}.csv" for key in LISTS] + [f"checklists{ending}.json"]
    for path, one in zip(paths, filled, strict=False):
        rows = read_rows(path)
        assert [row["number"] for row in rows] == [item.number for item in one.items]
        assert [row["filled_by"] for row in rows] == [item.filled_by for item in one.items]
        assert [row["answer"] for row in rows] == [item.answer for item in one.items]
    content = json.loads(paths[-1].read_text(encoding="utf-8"))["checklists"]
    assert [one["key"] for one in content] == list(LISTS)
    metrics = next(one for one in content if one["key"] == "metrics")
    assert 0 < metrics["score"]["low"] < metrics["score"]["high"] < 100
    assert "2" in metrics["score"]["open_items"]
    assert next(one for one in content if one["key"] == "clear")["score"] is None
