"""One measure of how much two readers of a cohort agree, as a run keeps and reports it."""

from __future__ import annotations

import math
from dataclasses import dataclass

_NAN = math.nan


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """One measure of agreement of two readers on one phase; NaN is "not computed".

    Attributes:
        phase: The phase.
        measure: ``point_distance_mm``, ``box_centre_distance_mm``, ``slice_distance_mm``, ``box_iou`` and
            ``mask_dice``, whose value is the median over scans, with its quartiles; ``state_kappa``,
            ``slice_icc_2_1``, ``box_size_icc_2_1`` and ``mask_volume_icc_2_1``, with their intervals.
        n: Scans that both readers gave this label.
    """

    phase: str
    measure: str
    reader: str
    other_reader: str
    n: int
    value: float = _NAN
    low: float = _NAN
    high: float = _NAN
    q1: float = _NAN
    q3: float = _NAN
