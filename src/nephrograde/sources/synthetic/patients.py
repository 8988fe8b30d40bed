"""The synthetic patients: grade, hidden severity, size and the other columns of the cohort table.

The grade and the size depend on the hidden severity; age, sex, hospital and number are independent of everything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.sources.synthetic.tissue import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

SIZE_SHARE = 0.373
"""Correlation of the log size with severity within a class.

Chosen so that size alone has AUC 0.70 when the oracle has 0.92 (Acta Radiol 2016, doi 10.1177/0284185116649795).
"""

MEDIAN_MM = 42.0
LOG_SPREAD = 0.45
SIZE_RANGE_MM = (15.0, 110.0)
"""With these, grade 1 is near 31 ± 11 mm and grade 4 near 64 ± 30 mm (Ankara 2018;71:187)."""

EXTREME_SHARE = 0.3
"""Fraction of the low class that is grade 1, and of the high class that is grade 4."""


@dataclass(frozen=True, slots=True)
class Patient:
    """One synthetic patient.

    Attributes:
        patient_id: ``SYN-0001`` and so on.
        number: 1, 2, …; with the cohort's seed it seeds everything random about the images.
        grade: WHO/ISUP grade 1–4.
        severity: The hidden score that the images are made from; nothing can predict the grade better.
        visible: The severity that each phase shows.
        diameter_mm: Largest axial diameter of the tumour.
        age_years: Age.
        sex: ``F`` or ``M``.
        centre: The hospital, ``A`` or ``B``.
    """

    patient_id: str
    number: int
    grade: int
    severity: float
    visible: Mapping[str, float]
    diameter_mm: float
    age_years: int
    sex: str
    centre: str

    @property
    def is_high(self) -> bool:
        """Whether the grade is 3 or 4."""
        return self.grade >= 3


def class_distance(oracle_auc: float) -> float:
    """Compute the distance d between the mean severities of the classes, in standard deviations, from the oracle's AUC.

    For two normal distributions of equal spread, AUC = Φ(d / √2).

    >>> round(class_distance(0.92), 3)
    1.987
    """
    return math.sqrt(2.0) * NormalDist().inv_cdf(oracle_auc)


def draw_patients(count: int, high: int, *, oracle_auc: float, phases: Sequence[str], seed: int) -> list[Patient]:
    """Draw the patients of a cohort.

    Severities and noise values are not drawn at random: they are quantiles of the normal distribution, shuffled within
    each class, so that the oracle's AUC is close to the requested one in a cohort of any size.

    Args:
        count: Number of patients.
        high: Number of high-grade patients among them.
        oracle_auc: AUC of the hidden severity for the grade.
        phases: The phases that show it.
        seed: Seed of the cohort.

    Returns:
        The patients in the order of their numbers; the classes are mixed.

    >>> patients = draw_patients(100, 46, oracle_auc=0.92, phases=("cmp",), seed=1)
    >>> sum(patient.is_high for patient in patients), patients[0].patient_id
    (46, 'SYN-0001')
    """
    rng = np.random.default_rng([seed, 0])
    half = class_distance(oracle_auc) / 2
    columns: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in ("grade", "severity", "size", *phases)}
    for members, mean, grades in ((count - high, -half, (1, 2)), (high, half, (4, 3))):
        severity = mean + _shuffled_quantiles(members, rng)
        columns["severity"].append(severity)
        rank = np.argsort(np.argsort(-severity if grades[0] == 4 else severity))
        extreme = rank < round(EXTREME_SHARE * members)
        columns["grade"].append(np.where(extreme, grades[0], grades[1]).astype(np.float64))
        own = math.sqrt(1.0 - SIZE_SHARE**2) * _shuffled_quantiles(members, rng)
        columns["size"].append(MEDIAN_MM * np.exp(LOG_SPREAD * (SIZE_SHARE * severity + own)))
        for phase in phases:
            columns[phase].append(severity + SIGNALS[phase].spread * _shuffled_quantiles(members, rng))
    order = rng.permutation(count)
    drawn = {name: np.concatenate(parts)[order] for name, parts in columns.items()}
    ages = np.clip(np.rint(rng.normal(60.0, 11.0, count)), 28, 88)
    sexes = rng.random(count) < 0.65
    centres = rng.random(count) < 0.6
    return [
        Patient(
            patient_id=f"SYN-{index + 1:04d}",
            number=index + 1,
            grade=int(drawn["grade"][index]),
            severity=float(drawn["severity"][index]),
            visible={phase: float(drawn[phase][index]) for phase in phases},
            diameter_mm=float(np.clip(drawn["size"][index], *SIZE_RANGE_MM)),
            age_years=int(ages[index]),
            sex="M" if sexes[index] else "F",
            centre="A" if centres[index] else "B",
        )
        for index in range(count)
    ]


def _shuffled_quantiles(count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    normal = NormalDist()
    quantiles = np.array([normal.inv_cdf((index + 0.5) / count) for index in range(count)], dtype=np.float64)
    return rng.permutation(quantiles)
