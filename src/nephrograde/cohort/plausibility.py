"""Whether clinical numbers can be what their column says: a size in cm, a volume in ml, an age in years.

A unit mistaken in a whole column shows in its median, one mistaken in a row in a value that no patient has. The limits
lie outside everything that 199 patients of KiTS23 have, so that real extremes pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nephrograde.cohort.case import Cohort

FEWEST_VALUES = 3
"""A median of fewer values says nothing about a column."""
SPHERE_SHARE = (0.05, 4.0)
"""Median volume relative to a sphere of the tumour's largest diameter; a tumour fills 0.4 to 1 of it."""
FACTOR_OFF = 2.0
"""Factor by which a value of the table may differ from the mask's before it counts as another one."""
SHARE_OFF = 0.25
"""Fraction of the patients with such values from which the column and the masks do not belong together."""
TABLE_FAR_ABOVE = 4.0
TABLE_FAR_BELOW = 12.0
"""Factors by which a single value may exceed the mask's, or remain below it: reports measure obliquely, and masks
differ in what they include."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something about a column of the table that is hard to believe."""

    column: str
    code: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a column may contain: its unit, the limits of a value and of the median, and what else it may be."""

    code: str
    unit: str
    values: tuple[float, float]
    median: tuple[float, float]
    too_high: str
    too_low: str


_KINDS = {
    "size_cm": _Kind("implausible-size", "cm", (0.05, 25.0), (0.8, 15.0), "in mm", "in dm or m"),
    "volume_ml": _Kind("implausible-volume", "ml", (0.001, 8000.0), (0.5, 2500.0), "in mm³", "in litres"),
    "age_years": _Kind(
        "implausible-age", "years", (0.0, 110.0), (10.0, 100.0), "years of birth, months or days", "scaled or grouped"
    ),
}


def doubt_columns(cohort: Cohort) -> list[Doubt]:
    """Find columns whose numbers are hard to believe.

    Args:
        cohort: As read from the table.

    Returns:
        At most one doubt per column: "implausible-size", "implausible-volume" or "implausible-age".

    >>> from nephrograde.cohort.case import Case, Cohort
    >>> cases = tuple(Case(f"P{i}", False, 1, {}, {"size_cm": 40.0 + 4 * i}) for i in range(5))
    >>> doubt_columns(Cohort(cases, (), ("size_cm",), None))[0].message
    'the median of 5 values is 48 cm; they seem to be in mm.'
    """
    doubts = []
    for column, kind in _KINDS.items():
        values = clinical_values(cohort, column)
        if values and (doubt := _doubt_values(column, kind, values)):
            doubts.append(doubt)
    if not doubts:
        doubts += _doubt_volumes(clinical_values(cohort, "size_cm"), clinical_values(cohort, "volume_ml"))
    return doubts


def doubt_against_masks(column: str, table: Mapping[str, float], masks: Mapping[str, float], unit: str) -> list[Doubt]:
    """Compare a column with what was measured on the masks.

    Args:
        column: "size_cm" or "volume_ml".
        table: The values of the column by patient.
        masks: The same measured on the masks, in the same unit.
        unit: For the message.

    Returns:
        No doubt, or one with code "size-against-mask" or "volume-against-mask".

    >>> sizes = {f"P{i}": 10.0 * i for i in range(2, 8)}
    >>> doubt_against_masks("size_cm", sizes, {patient: size / 10 for patient, size in sizes.items()}, "cm")[0].message
    'the value differs from the mask by more than a factor of 2 in 6 of 6 patients, with a median ratio of 10.'
    """
    ratios = {
        patient: value / masks[patient] for patient, value in table.items() if value > 0 and masks.get(patient, 0.0) > 0
    }
    if not ratios:
        return []
    code = f"{column.partition('_')[0]}-against-mask"
    off = [patient for patient, ratio in ratios.items() if not 1 / FACTOR_OFF <= ratio <= FACTOR_OFF]
    if len(ratios) >= FEWEST_VALUES and len(off) > SHARE_OFF * len(ratios):
        message = (
            f"the value differs from the mask by more than a factor of {FACTOR_OFF:g} in {len(off)} of "
            f"{len(ratios)} patients, with a median ratio of {np.median(list(ratios.values())):.2g}."
        )
        remedy = f"Check that the column is in {unit}, and that its rows and the masks are of the same patients."
        return [Doubt(column, code, message, remedy)]
    far = {p: ratio for p, ratio in ratios.items() if ratio > TABLE_FAR_ABOVE or ratio < 1 / TABLE_FAR_BELOW}
    if not far:
        return []
    listed = _listed([f"{p} {table[p]:g}/{masks[p]:.2g} {unit}" for p in far], ", ")
    message = f"does not agree with the mask in {len(far)} of {len(ratios)} patients (table/mask: {listed})."
    return [Doubt(column, code, message, "Correct the table, or see that the masks are those of these patients.")]


def clinical_values(cohort: Cohort, column: str) -> dict[str, float]:
    """Return the numbers of a clinical column by patient; patients without one are left out.

    Args:
        cohort: As read from the table.
        column: A clinical column.
    """
    found = {case.patient_id: case.clinical.get(column) for case in cohort.cases}
    return {patient: float(value) for patient, value in found.items() if isinstance(value, float | int)}


def _doubt_values(column: str, kind: _Kind, values: Mapping[str, float]) -> Doubt | None:
    median = float(np.median(list(values.values())))
    low, high = kind.median
    if len(values) >= FEWEST_VALUES and not low <= median <= high:
        what = kind.too_high if median > high else kind.too_low
        message = f"the median of {len(values)} values is {median:.4g} {kind.unit}; they seem to be {what}."
        return Doubt(column, kind.code, message, f"Write the column in {kind.unit}, and run again.")
    odd = {patient: value for patient, value in values.items() if not kind.values[0] <= value <= kind.values[1]}
    if not odd:
        return None
    listed = _listed([f"{patient} {value:g}" for patient, value in odd.items()], ", ")
    message = (
        f"{len(odd)} of {len(values)} values are not between {kind.values[0]:g} and {kind.values[1]:g} {kind.unit} "
        f"({listed})."
    )
    return Doubt(column, kind.code, message, "Correct them, or leave the cells empty.")


def _doubt_volumes(sizes_cm: Mapping[str, float], volumes_ml: Mapping[str, float]) -> Iterable[Doubt]:
    ratios = [volumes_ml[p] / (math.pi / 6 * size**3) for p, size in sizes_cm.items() if p in volumes_ml and size > 0]
    if len(ratios) < FEWEST_VALUES or SPHERE_SHARE[0] <= np.median(ratios) <= SPHERE_SHARE[1]:
        return
    message = (
        f"the median volume is {np.median(ratios):.2g} times that of a sphere of size_cm, over {len(ratios)} patients."
    )
    yield Doubt("volume_ml", "implausible-volume", message, "Check that volume_ml is in ml and size_cm in cm.")


def _listed(entries: Sequence[str], joint: str) -> str:
    return joint.join(entries[:_SHOWN]) + (f"{joint}…" if len(entries) > _SHOWN else "")
