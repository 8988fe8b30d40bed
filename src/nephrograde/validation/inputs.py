"""Drift of the inputs: how the patients of another hospital lie in the range that the model learnt from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nephrograde.evaluation.comparison.family import holm
from nephrograde.evaluation.performance.interval import share_interval
from nephrograde.predict.cohort_range import region_greys, shows_hu
from nephrograde.sample.dataset import open_region

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nephrograde.predict.cohort_range import CohortRange, Spread
    from nephrograde.quality.cohort_quality import CohortQuality
    from nephrograde.run.folder import RunFolder
    from nephrograde.sample.prepare import Prepared
    from nephrograde.validation.source import Elsewhere
    from nephrograde.vocabulary import BoolVector, FloatVector

Quantities: TypeAlias = "dict[tuple[str, str], dict[str, float]]"
"""By phase and name of the quantity: the value of each patient for whom it is known."""

CONTINUOUS = {"tumour_diameter_mm", "tumour_volume_ml", "region_mean_hu", "region_sd_hu"}
"""Quantities without ties, of which half of the patients lie above the median where nothing has drifted."""
FEWEST_KNOWN = 20
"""Development patients below which percentiles are too uncertain to be tested against."""
FEWEST_HERE = 10
"""Patients below which no drift is tested."""
LEVEL = 0.05
RANGE_GROUP = "development_range"
"""The column of subgroups that says whether a patient lies in the range that the model learnt from."""
_ROUNDED = 1e-5
"""A range is stored with six digits."""


@dataclass(frozen=True, slots=True)
class InputRow:
    """A quantity of the patients against its range in development; a row of ``validation/inputs.csv``.

    ``known_…`` describe the ``known_n`` development patients: 5 % lie below ``known_low`` and 5 % above ``known_high``,
    so that about 10 % are outside of both. Of ``n`` patients here, ``n_below`` and ``n_above`` lie outside on either
    side, and ``n_beyond`` outside of ``known_least`` to ``known_most``. ``share_outside`` has an exact interval.
    ``p_outside`` is the probability of at least so many patients outside if nothing has drifted, given how uncertain
    the percentiles of ``known_n`` patients are; ``p_median`` that of so uneven a share above the median; both are
    adjusted by Holm's method over the whole table. ``has_drifted`` is whether either is below 0.05. NaN means "not
    tested".
    """

    phase: str
    quantity: str
    known_n: int
    known_least: float
    known_low: float
    known_median: float
    known_high: float
    known_most: float
    n: int
    low: float
    median: float
    high: float
    n_below: int
    n_above: int
    n_beyond: int
    share_outside: float
    outside_low: float
    outside_high: float
    p_outside: float = math.nan
    p_median: float = math.nan
    has_drifted: bool = False


def measure_quantities(
    elsewhere: Elsewhere, prepared: Prepared, quality: CohortQuality | None, run: RunFolder
) -> Quantities:
    """Measure each patient as the range of the model was measured.

    Args:
        elsewhere: The cohort.
        prepared: Its prepared regions.
        quality: What the check of its scans found; None if they were not checked, and then nothing is known about the
            size of voxels.
        run: The folder of the validation.
    """
    found: Quantities = {}

    def add(phase: str, name: str, patient: str, value: float | None) -> None:
        if value is not None and math.isfinite(value):
            found.setdefault((phase, name), {})[patient] = value

    model, study = elsewhere.model, elsewhere.study
    for phase in dict.fromkeys((*model.region_phases, *model.phases)):
        window = study.window_of(phase)
        for region in prepared.regions:
            if (region.arm, region.phase) == (model.arm.name, phase):
                add(phase, "tumour_diameter_mm", region.patient_id, region.tumour_diameter_mm)
                add(phase, "tumour_volume_ml", region.patient_id, region.tumour_volume_ml)
                if shows_hu(study, model, phase):
                    pictures = open_region(run.volumes_dir / region.file)
                    mean, spread = region_greys(pictures, has_mask=model.arm.has_mask)
                    add(phase, "region_mean_hu", region.patient_id, window.low + (window.high - window.low) * mean)
                    add(phase, "region_sd_hu", region.patient_id, (window.high - window.low) * spread)
        for patient, size, spacing_mm in _scans(quality, phase) if phase in model.phases else ():
            add(phase, "pixel_mm", patient, round(spacing_mm[0], 2))  # as the range was measured
            add(phase, "slice_distance_mm", patient, round(spacing_mm[2], 2))
            add(phase, "slices", patient, float(size[2]))
    return found


def _scans(
    quality: CohortQuality | None, phase: str
) -> Iterable[tuple[str, tuple[int, int, int], tuple[float, float, float]]]:
    """Patient, size and spacing of each scan of a phase."""
    if quality is None:
        return
    for (patient, of), scan in quality.scans.items():
        if of == phase and scan.is_readable and any(scan.spacing_mm):
            yield patient, scan.size, scan.spacing_mm


def compare_inputs(quantities: Quantities, known: CohortRange, *, confidence: float) -> tuple[InputRow, ...]:
    """Compare the patients with the range of development, quantity by quantity.

    Args:
        quantities: Of the patients.
        known: The range that the model learnt from.
        confidence: Coverage probability of the intervals.

    Returns:
        A row for each quantity that is known of both, in the order of the range.

    Source:
        The share of new patients between two order statistics follows a beta-binomial distribution: Wilks 1941, Ann
        Math Stat 12:91. Several quantities: Holm 1979.

    >>> from nephrograde.predict.cohort_range import CohortRange, Spread
    >>> spread = Spread(100, 20.0, 25.0, 45.0, 80.0, 95.0)
    >>> here = {f"P{k}": 60.0 + k for k in range(40)}
    >>> (row,) = compare_inputs(
    ...     {("cmp", "tumour_diameter_mm"): here},
    ...     CohortRange({"cmp": {"tumour_diameter_mm": spread}}),
    ...     confidence=0.95,
    ... )
    >>> row.n_above, row.n_beyond, row.has_drifted
    (19, 4, True)
    """
    rows = [
        _row(phase, name, spread, list(quantities[phase, name].values()), confidence=confidence)
        for phase, spreads in known.phases.items()
        for name, spread in spreads.items()
        if quantities.get((phase, name))
    ]
    adjusted = iter(holm([p for row in rows for p in (row.p_outside, row.p_median)]))
    return tuple(_adjusted(row, next(adjusted), next(adjusted)) for row in rows)


def outside_patients(quantities: Quantities, known: CohortRange, patients: Sequence[str]) -> dict[str, str]:
    """Name the patients who lie outside of the 5th to 95th percentile in any quantity, and those inside in all.

    Args:
        quantities: Of the patients.
        known: The range that the model learnt from.
        patients: All of them.

    Returns:
        ``inside`` or ``outside`` by patient; without those of whom nothing is known.
    """
    found: dict[str, str] = {}
    for phase, spreads in known.phases.items():
        for name, spread in spreads.items():
            for patient, value in quantities.get((phase, name), {}).items():
                is_outside = bool(_below(np.array([value]), spread.low)[0] or _above(np.array([value]), spread.high)[0])
                found[patient] = "outside" if is_outside or found.get(patient) == "outside" else "inside"
    return {patient: found[patient] for patient in patients if patient in found}


def _below(values: FloatVector, limit: float) -> BoolVector:
    return values < limit - _ROUNDED * abs(limit)


def _above(values: FloatVector, limit: float) -> BoolVector:
    return values > limit + _ROUNDED * abs(limit)


def _row(phase: str, name: str, spread: Spread, own: list[float], *, confidence: float) -> InputRow:
    values = np.array(own)
    n_below, n_above = int(_below(values, spread.low).sum()), int(_above(values, spread.high).sum())
    n_beyond = int(_below(values, spread.least).sum() + _above(values, spread.most).sum())
    outside = n_below + n_above
    low, median, high = np.percentile(values, [5, 50, 95])
    share_low, share_high = share_interval(outside, values.size, confidence=confidence, method="exact")
    is_tested = spread.n >= FEWEST_KNOWN and values.size >= FEWEST_HERE
    above_median = int(_above(values, spread.median).sum())
    untied = int(_below(values, spread.median).sum()) + above_median
    has_median = is_tested and name in CONTINUOUS and untied >= FEWEST_HERE
    return InputRow(
        phase,
        name,
        spread.n,
        spread.least,
        spread.low,
        spread.median,
        spread.high,
        spread.most,
        values.size,
        float(low),
        float(median),
        float(high),
        n_below,
        n_above,
        n_beyond,
        outside / values.size,
        share_low,
        share_high,
        p_outside=_p_outside(outside, values.size, spread.n) if is_tested else math.nan,
        p_median=_p_median(above_median, untied, spread.n) if has_median else math.nan,
    )


def _p_outside(outside: int, n: int, known: int) -> float:
    """The probability of at least so many outside of the 5th to 95th percentile of ``known`` patients."""
    from scipy.stats import betabinom

    between = 0.9 * (known - 1)  # steps from one order statistic to the next
    return float(betabinom.sf(outside - 1, n, known + 1 - between, between))


def _p_median(above: int, n: int, known: int) -> float:
    """The probability of so uneven a number above the median of ``known`` patients, on either side."""
    from scipy.stats import betabinom

    half = betabinom(n, (known + 1) / 2, (known + 1) / 2)
    return min(1.0, 2.0 * min(float(half.cdf(above)), float(half.sf(above - 1))))


def _adjusted(row: InputRow, p_outside: float, p_median: float) -> InputRow:
    has_drifted = any(p < LEVEL for p in (p_outside, p_median))
    return replace(row, p_outside=p_outside, p_median=p_median, has_drifted=has_drifted)
