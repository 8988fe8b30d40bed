"""What an evaluation over several hospitals found, as rows of its tables."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.sharing.share_file import SharedSite


class NotPooled(StrEnum):
    """Why a value was not pooled."""

    TOO_FEW_SITES = "too-few-sites"
    NO_VARIANCE = "no-variance"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class SiteRow:
    """One model in one hospital; a row of ``sites.csv``.

    ``kind`` is what the hospital shared. Bounds belong to the interval of the hospital alone. ``weight`` is its share
    in the pooled AUC. ``observed_expected`` is the number of high-grade patients divided by the expected one. NaN means
    "not computed", or suppressed.
    """

    site: str
    kind: str
    model: str
    n: int
    n_high: int
    auc: float
    auc_low: float
    auc_high: float
    weight: float
    sensitivity: float
    sensitivity_low: float
    sensitivity_high: float
    specificity: float
    specificity_low: float
    specificity_high: float
    observed_expected: float
    observed_expected_low: float
    observed_expected_high: float
    calibration_intercept: float
    calibration_intercept_low: float
    calibration_intercept_high: float
    calibration_slope: float
    calibration_slope_low: float
    calibration_slope_high: float
    brier: float
    brier_low: float
    brier_high: float


@dataclass(frozen=True, slots=True)
class PooledRow:
    """One measure over all hospitals; a row of ``pooled.csv``.

    ``against`` is the model that is subtracted in an ``auc_difference``, else empty. ``low`` and ``high`` bound the
    mean, ``prediction_low`` and ``prediction_high`` the true value of a further hospital. ``tau2`` is on the ``scale``
    on which the values were pooled (``logit``, ``log`` or ``identity``). ``sites`` were pooled. NaN means "not
    computed", and ``reason`` says why where nothing was pooled.
    """

    model: str
    against: str
    measure: str
    value: float
    low: float
    high: float
    prediction_low: float
    prediction_high: float
    tau2: float
    i2: float
    p_heterogeneity: float
    sites: int
    n: int
    n_high: int
    scale: str
    confidence: float
    reason: NotPooled | None = None


@dataclass(frozen=True, slots=True)
class WithoutRow:
    """The pooled AUC without one hospital; a row of ``leave_one_out.csv``."""

    model: str
    without: str
    auc: float
    low: float
    high: float
    tau2: float
    i2: float
    change: float


@dataclass(frozen=True, slots=True)
class BenefitRow:
    """Net benefit over all hospitals at one threshold probability; a row of ``pooled_benefit.csv``.

    Counts of all hospitals together; the interval takes hospitals, not patients, as what is sampled.
    ``better_than_all`` and ``better_than_none`` count the hospitals in which the model beats calling everyone or no one
    high.
    """

    model: str
    threshold: float
    net_benefit: float
    low: float
    high: float
    treat_all: float
    better_than_all: int
    better_than_none: int
    sites: int
    n: int
    tp: int | None
    fp: int | None
    reason: NotPooled | None = None


@dataclass(frozen=True, slots=True)
class Combined:
    """An evaluation over several hospitals.

    Attributes:
        shared: What each hospital shared, by its name here.
        sites: Each model in each hospital.
        pooled: Each measure over all hospitals, and the differences between models.
        without: The pooled AUC without each hospital; empty with two.
        benefit: Net benefit over all hospitals.
        confidence: Coverage probability of all intervals.
        folder: Where it was written; None if it was not.
    """

    shared: dict[str, SharedSite] = field(repr=False)
    sites: tuple[SiteRow, ...] = field(repr=False)
    pooled: tuple[PooledRow, ...] = field(repr=False)
    without: tuple[WithoutRow, ...] = field(repr=False)
    benefit: tuple[BenefitRow, ...] = field(repr=False)
    confidence: float
    folder: Path | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The models."""
        return tuple(dict.fromkeys(row.model for row in self.sites))

    @property
    def n(self) -> int:
        """The patients of all hospitals."""
        return sum(one.statistics.n for one in self.shared.values())

    @property
    def n_high(self) -> int:
        """The high-grade patients of all hospitals."""
        return sum(one.statistics.n_high for one in self.shared.values())

    @property
    def is_synthetic(self) -> bool:
        """Whether the patients are synthetic."""
        return any(one.head.synthetic for one in self.shared.values())

    def estimate(self, model: str, measure: str, against: str = "") -> PooledRow:
        """Return a pooled measure.

        Args:
            model: The model id.
            measure: ``auc``, ``auc_difference``, ``observed_expected``, ``calibration_intercept``,
                ``calibration_slope`` or ``brier``.
            against: The model that is subtracted, of an ``auc_difference``.

        Raises:
            KeyError: There is no such row.
        """
        return {(row.model, row.measure, row.against): row for row in self.pooled}[model, measure, against]

    def __repr__(self) -> str:
        aucs = (self.estimate(model, "auc").value for model in self.models)
        texts = (
            f"{model} {'not pooled' if math.isnan(value) else f'{value:.3f}'}"
            for model, value in zip(self.models, aucs, strict=True)
        )
        return f"Combined({len(self.shared)} hospitals, {self.n} patients; AUC: {', '.join(texts)})"
