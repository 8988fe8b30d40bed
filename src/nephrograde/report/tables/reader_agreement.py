"""The agreement of readers who annotated the same scans, in words and rows: for a page, the terminal and the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.report.text.language import phase_heading, t
from nephrograde.report.text.numbers import NOTHING, decimal, with_bounds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.annotations.agreement import Disagreement
    from nephrograde.cohort.agreement_row import AgreementRow


def measure_words(measure: str) -> str:
    """Name a measure of agreement.

    Args:
        measure: Its code.
    """
    return {
        "point_distance_mm": t("distance of points, mm"),
        "box_centre_distance_mm": t("distance of the centres of boxes, mm"),
        "box_iou": t("overlap of boxes (IoU)"),
        "box_size_icc_2_1": t("size of boxes, ICC(2,1)"),
        "slice_distance_mm": t("distance of slices, mm"),
        "slice_icc_2_1": t("choice of slice, ICC(2,1)"),
        "mask_dice": t("overlap of masks (Dice)"),
        "mask_volume_icc_2_1": t("volume of masks, ICC(2,1)"),
        "state_kappa": t("tumour, no tumour or not to be judged, kappa"),
        "state": t("tumour, no tumour or not to be judged"),
        "label": t("marked by one reader only"),
    }[measure]


def rule_words(one: Disagreement) -> str:
    """Say by which rule two readers disagree.

    Args:
        one: The disagreement.
    """
    mm = decimal(one.distance_mm, 1) if math.isfinite(one.distance_mm) else ""
    return {
        "state": t("different states: tumour, no tumour, or not to be judged"),
        "label": t("marked by {reader} only", reader=one.reader),
        "box_iou": t("boxes do not overlap, centres {mm} mm apart", mm=mm),
        "mask_dice": t("masks do not overlap, centres {mm} mm apart", mm=mm),
        "point_distance_mm": t("points {mm} mm apart", mm=mm),
        "slice_distance_mm": t("slices {mm} mm apart", mm=mm),
    }[one.measure]


def agreement_rows(rows: Iterable[AgreementRow]) -> list[tuple[str, ...]]:
    """Give the measures as rows of a table: phase, measure, readers, value with its spread, and number of scans.

    Args:
        rows: The measures.

    >>> from nephrograde.cohort.agreement_row import AgreementRow
    >>> agreement_rows([AgreementRow("np", "point_distance_mm", "li", "chen", 12, 3.26, q1=1.0, q3=4.5)])
    [('Nephrographic', 'distance of points, mm', 'li and chen', '3.26 [1.00–4.50]', '12')]
    """
    return [
        (
            phase_heading(row.phase),
            measure_words(row.measure),
            t("{a} and {b}", a=row.reader, b=row.other_reader),
            _spread(row),
            str(row.n),
        )
        for row in rows
    ]


def _spread(row: AgreementRow) -> str:
    if math.isnan(row.value):
        return NOTHING
    low, high = (row.q1, row.q3) if not math.isnan(row.q1) else (row.low, row.high)
    return with_bounds(row.value, low, high, 2)
