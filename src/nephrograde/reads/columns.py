"""The columns of a table of reads under the headings that people give them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from nephrograde.cohort.columns import Columns
from nephrograde.cohort.headings import HEADINGS, OTHER_GRADES, headings_like, plain_heading
from nephrograde.errors import Problem
from nephrograde.sheet import clean_heading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nephrograde.sheet import Sheet

REQUIRED = ("patient_id", "reader", "score")
TRUTHS = ("is_high", "isup_grade")
"""Columns that hold the truth; the first that a table has is used."""

_HEADINGS: Final[dict[str, tuple[str, ...]]] = {
    "patient_id": (*HEADINGS["patient_id"], "case", "caseno", "casenumber", "patient", "subject", "病例", "病例号"),
    "reader": (
        *("reader", "readers", "readerid", "rater", "raterid", "observer", "observerid", "radiologist", "doctor"),
        *("physician", "reviewer", "阅片者", "阅片人", "阅片医师", "阅片医生", "读片者", "读片医师", "读片医生"),
        *("评阅者", "评阅医师", "观察者", "医师", "医生", "放射科医师", "放射科医生", "评价者", "閱片者", "醫師"),
        *("befunder", "arzt", "czytelnik", "lekarz", "lecteur", "lector"),
    ),
    "modality": (
        *("modality", "treatment", "test", "condition", "arm", "aid", "aided", "assistance", "readingmode", "session"),
        *("模态", "方式", "阅片方式", "读片方式", "阅片条件", "条件", "检查方法", "方法", "辅助", "是否辅助", "ai辅助"),
        *("阅片模式", "模式", "閱片方式", "modalität", "modalité", "modalidad", "modalność"),
    ),
    "score": (
        *("score", "scores", "rating", "ratings", "confidence", "suspicion", "probability", "phigh", "likert"),
        *("confidencescore", "评分", "得分", "打分", "分值", "分数", "可疑度", "置信度", "信心评分", "概率", "評分"),
        *("bewertung", "ocena", "note", "puntuación"),
    ),
    "is_high": (
        *("ishigh", "truth", "goldstandard", "groundtruth", "reference", "referencestandard", "label", "outcome"),
        *(
            "disease",
            "diseased",
            "highgrade",
            "金标准",
            "真值",
            "真实",
            "真实类别",
            "参考标准",
            "标签",
            "结局",
            "高级别",
        ),
        *("是否高级别", "金標準"),
    ),
    "isup_grade": HEADINGS["isup_grade"],
}


def name_read_columns(sheet: Sheet, named: Mapping[str, str] | None = None) -> tuple[Columns, list[Problem]]:
    """Find the columns of a table of reads by their headings.

    Args:
        sheet: The table.
        named: Headings by standard name (``patient_id``, ``reader``, ``modality``, ``score``, ``is_high``,
            ``isup_grade``), where they are not usual ones.

    Returns:
        The columns, and the problems: what is missing, and names or headings that do not exist.

    >>> from nephrograde.sheet import Sheet
    >>> sheet = Sheet("阅片.csv", ("病例号", "阅片医师", "评分", "金标准"), ())
    >>> name_read_columns(sheet)[0].note
    '阅片.csv: 病例号 as patient_id, 阅片医师 as reader, 评分 as score, 金标准 as is_high'
    """
    heading_of: dict[str, str] = {}
    problems: list[Problem] = []
    for name, heading in (named or {}).items():
        wanted = clean_heading(heading)
        if name not in _HEADINGS:
            problems.append(Problem("columns", f"{name} is not a column of reads", f"Use {', '.join(_HEADINGS)}."))
        elif wanted not in sheet.headings:
            problems.append(Problem(sheet.name, f"there is no column '{heading}'", _near(heading, sheet.headings)))
        else:
            heading_of[name] = wanted
    recognised: list[str] = []
    for name in _HEADINGS:
        if name in heading_of or name in (named or {}):
            continue
        free = [heading for heading in sheet.headings if heading not in heading_of.values()]
        if alike := _headings_of(name, free):
            heading_of[name] = alike[0]
            if alike[0] != name:
                recognised.append(name)
    for name in REQUIRED:
        if name not in heading_of and name not in (named or {}):
            what = f"there is no column {name}"
            problems.append(Problem(sheet.name, what, _near(name, sheet.headings)))
    return Columns(sheet.name, heading_of, None, None, (), (), tuple(recognised)), problems


def _headings_of(name: str, headings: list[str]) -> list[str]:
    if name in headings:
        return [name]
    if name == "isup_grade":
        return headings_like(name, headings)
    known = _HEADINGS[name]
    plain = {heading: plain_heading(heading) for heading in headings}
    alike = [heading for heading in headings if plain[heading] in known and not OTHER_GRADES.search(plain[heading])]
    return sorted(alike, key=lambda heading: known.index(plain[heading]))


def _near(name: str, headings: Iterable[str]) -> str:
    """Say what to do about a missing column: rename one that looks like it, or add it."""
    there = list(headings)
    near = difflib.get_close_matches(name, there, n=1, cutoff=0.7)
    if near:
        return f"Rename '{near[0]}', or name its heading with --columns."
    return f"Add it, or name its heading with --columns; a row is one read. The table has: {', '.join(there)}."
