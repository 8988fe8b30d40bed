"""The columns of a table of reads under the headings that people give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nephrograde.cohort.headings import CASE_HEADINGS, HEADINGS, TRUTH_HEADINGS
from nephrograde.cohort.recognition import recognise_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.cohort.columns import Columns
    from nephrograde.errors import Problem
    from nephrograde.sheet import Sheet

REQUIRED = ("patient_id", "reader", "score")
TRUTHS = ("is_high", "isup_grade")
"""Columns that hold the truth; the first that a table has is used."""

_HEADINGS: Final[dict[str, tuple[str, ...]]] = {
    "patient_id": (*HEADINGS["patient_id"], *CASE_HEADINGS),
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
    "is_high": TRUTH_HEADINGS,
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
    return recognise_columns(sheet, _HEADINGS, named, required=REQUIRED, row="read")
