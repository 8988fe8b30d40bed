"""The columns of a score table under the headings that people give them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nephrograde.cohort.headings import CASE_HEADINGS, HEADINGS, TRUTH_HEADINGS
from nephrograde.cohort.recognition import recognise_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.cohort.columns import Columns
    from nephrograde.errors import Problem
    from nephrograde.sheet import Sheet

REQUIRED_COLUMNS = ("patient_id", "model", "is_high", "p_high")

_HEADINGS: Final[dict[str, tuple[str, ...]]] = {
    "patient_id": (*HEADINGS["patient_id"], *CASE_HEADINGS),
    "model": (
        *("model", "modelname", "modelid", "algorithm", "classifier", "network", "模型", "模型名称", "模型名"),
        *("模型编号", "算法", "分类器", "网络"),
    ),
    "is_high": TRUTH_HEADINGS,
    "p_high": (
        *("phigh", "probability", "predictedprobability", "prob", "prediction", "predicted", "pred", "score", "scores"),
        *(
            "高级别概率",
            "预测概率",
            "概率",
            "概率值",
            "预测值",
            "模型概率",
            "模型评分",
            "评分",
            "得分",
            "機率",
            "概率預測",
        ),
    ),
    "split": ("split", "划分", "数据划分", "数据集划分", "數據劃分"),
    "fold": ("fold", "折", "折号", "折次", "摺"),
    "lesion_id": ("lesionid", "lesionno", "病灶编号", "病灶号", "病灶id"),
}


def recognise_scores(sheet: Sheet, named: Mapping[str, str] | None = None) -> tuple[Columns, list[Problem]]:
    """Find the columns of a score table by their headings.

    Args:
        sheet: The table.
        named: Headings by standard name (``patient_id``, ``model``, ``is_high``, ``p_high``, ``split``, ``fold``,
            ``lesion_id``), where they are not usual ones.

    Returns:
        The columns, and the problems.

    >>> from nephrograde.sheet import Sheet
    >>> sheet = Sheet("概率.csv", ("患者编号", "模型", "高级别", "概率"), ())
    >>> recognise_scores(sheet)[0].note
    '概率.csv: 患者编号 as patient_id, 模型 as model, 高级别 as is_high, 概率 as p_high'
    """
    return recognise_columns(sheet, _HEADINGS, named, required=REQUIRED_COLUMNS, row="score")


def rename_columns(sheet: Sheet, columns: Columns) -> Sheet:
    """Give a score table its standard headings; all other columns keep theirs.

    Args:
        sheet: The table.
        columns: Its columns.

    >>> from nephrograde.sheet import Sheet
    >>> sheet = Sheet("a.csv", ("模型", "sex"), ((2, {"模型": "m", "sex": "F"}),))
    >>> rename_columns(sheet, recognise_scores(sheet)[0]).rows
    ((2, {'model': 'm', 'sex': 'F'}),)
    """
    name_of = {heading: name for name, heading in columns.heading_of.items()}
    if all(name == heading for heading, name in name_of.items()):
        return sheet
    kept = {
        heading: name_of.get(heading, heading)
        for heading in sheet.headings
        if heading in name_of or heading not in columns.heading_of
    }
    rows = tuple((number, {name: cells[heading] for heading, name in kept.items()}) for number, cells in sheet.rows)
    return replace(sheet, headings=tuple(kept.values()), rows=rows)
