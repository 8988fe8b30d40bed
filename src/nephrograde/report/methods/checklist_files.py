"""The filled checklists as files: a table for each list, and all of them as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nephrograde.files import write_json, write_rows
from nephrograde.report.text.language import spoken

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nephrograde.report.methods.checklist import Checklist, FilledItem
    from nephrograde.run.folder import RunFolder

COLUMNS = ("number", "section", "topic", "filled_by", "answer", "missing", "weight")


def write_checklists(checklists: Iterable[Checklist], folder: RunFolder) -> list[Path]:
    """Write ``report/reporting-checklists/``: ``KEY.csv`` for each list, and ``checklists.json`` with all of them.

    In Chinese the names end in ``.zh.csv`` and ``.zh.json``. ``filled_by`` is the same in every language: "run",
    "author", "not met" or "not applicable".

    Args:
        checklists: The filled lists.
        folder: The run folder.

    Returns:
        The paths, the JSON file last.
    """
    language = "" if spoken() == "en" else f".{spoken()}"
    written = []
    contents = []
    for filled in checklists:
        path = folder.report.checklists_dir / f"{filled.key}{language}.csv"
        write_rows(path, COLUMNS, (_row(item) for item in filled.items))
        written.append(path)
        contents.append(_content(filled))
    json_path = folder.report.checklists_dir / f"checklists{language}.json"
    write_json(json_path, {"checklists": contents})
    return [*written, json_path]


def _row(item: FilledItem) -> dict[str, object]:
    cells = {name: getattr(item, name) for name in COLUMNS}
    return {**cells, "missing": "; ".join(item.missing)}


def _content(filled: Checklist) -> dict[str, Any]:
    score = filled.score
    return {
        "key": filled.key,
        "name": filled.name,
        "citation": filled.citation,
        "items_answered_by_run": filled.n_run,
        "score": None if score is None else {**asdict(score), "low": round(score.low, 1), "high": round(score.high, 1)},
        "items": [asdict(item) for item in filled.items],
    }
