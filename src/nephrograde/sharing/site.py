"""The sufficient statistics of one hospital: what an evaluation over several hospitals needs, and nothing else.

A file of scores is reduced to the same statistics before anything is combined, so that it makes no difference which of
the two a hospital sends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from pydantic import ConfigDict, with_config

from nephrograde.evaluation.calibration.calibration import brier, calibration_intercept, calibration_slope
from nephrograde.evaluation.performance.delong import normal_quantile, place
from nephrograde.evaluation.performance.metrics import confusion

if TYPE_CHECKING:
    from nephrograde.evaluation.performance.delong import ModelMatrix, Placements
    from nephrograde.evaluation.performance.metrics import Confusion, Estimate
    from nephrograde.vocabulary import BoolVector

STRICT = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")
THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(1, 20))
"""The threshold probabilities at which calls are counted: the same in every hospital."""
_CONFIDENCE = 0.95


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class CallCounts:
    """The calls at one threshold; ``tp`` and ``fp`` are None where a count was suppressed because it is small."""

    threshold: float
    tp: int | None
    fp: int | None


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class ModelStatistics:
    """One model on the patients of one hospital; None means "could not be computed".

    Attributes:
        model: Its id.
        auc: The area under its ROC curve.
        auc_variance: DeLong's variance of it; None where the AUC is 0 or 1, all scores are equal, or a grade has one
            patient.
        expected: The sum of the probabilities: how many high-grade patients the model expects.
        intercept: Calibration in the large, on log odds, with its variance.
        slope: The calibration slope, with its variance.
        brier: The Brier score, with its variance.
        calls: The counts at the threshold of the model.
        benefit: The counts at the fixed threshold probabilities, for net benefit.
    """

    model: str
    auc: float
    auc_variance: float | None
    expected: float
    intercept: float | None
    intercept_variance: float | None
    slope: float | None
    slope_variance: float | None
    brier: float
    brier_variance: float | None
    calls: CallCounts
    benefit: tuple[CallCounts, ...]


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class PairStatistics:
    """Two models on the same patients: DeLong's covariance of their AUCs, and the difference with its variance."""

    model_a: str
    model_b: str
    covariance: float
    difference: float
    variance: float


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class SiteStatistics:
    """All models on the patients of one hospital, whom all of them scored."""

    n: int
    n_high: int
    models: tuple[ModelStatistics, ...]
    pairs: tuple[PairStatistics, ...]

    @property
    def n_low(self) -> int:
        """Low-grade patients."""
        return self.n - self.n_high

    def model(self, name: str) -> ModelStatistics:
        """Return the statistics of a model.

        Args:
            name: Its id.

        Raises:
            KeyError: There is none of that name.
        """
        return {one.model: one for one in self.models}[name]


def measure_site(
    p_high: ModelMatrix, is_high: BoolVector, thresholds: dict[str, float], *, smallest: int = 1
) -> SiteStatistics:
    """Reduce the scores of a hospital to sufficient statistics.

    Args:
        p_high: ``model × patient``: the probabilities of high grade, 0 to 1.
        is_high: The truth of the same patients, in the same order; both grades occur.
        thresholds: The frozen threshold by model id, in the order of the rows.
        smallest: The calls at a threshold are suppressed if any count of the four is below this and not 0.

    Raises:
        ScoresError: One grade only, or a value outside 0 to 1.

    Source:
        DeLong 1988, Biometrics 44:837. Calibration: Van Calster 2019, BMC Med 17:230. Net benefit from counts: Vickers
        & Elkin 2006, Med Decis Making 26:565.

    >>> import numpy as np
    >>> site = measure_site(np.array([[0.1, 0.6, 0.4, 0.9]]), np.array([False, False, True, True]), {"size": 0.5})
    >>> site.n, site.n_high, site.model("size").auc, site.model("size").calls
    (4, 2, 0.75, CallCounts(threshold=0.5, tp=1, fp=1))
    """
    placements = place(p_high, is_high)
    names = tuple(thresholds)
    models = tuple(
        _measure_model(placements, k, p_high[k], is_high, name=name, threshold=thresholds[name], smallest=smallest)
        for k, name in enumerate(names)
    )
    pairs = tuple(_measure_pair(placements, a, b, names) for a, b in combinations(range(len(names)), 2))
    enough = placements.n_high > 1 and placements.n_low > 1
    return SiteStatistics(int(is_high.size), placements.n_high, models, pairs if enough else ())


def _measure_model(  # noqa: PLR0913 - one row of the table with what belongs to it
    placements: Placements,
    row: int,
    p_high: ModelMatrix,
    is_high: BoolVector,
    *,
    name: str,
    threshold: float,
    smallest: int,
) -> ModelStatistics:
    area = placements.area(row)
    intercept, slope = calibration_intercept(p_high, is_high), calibration_slope(p_high, is_high)
    score = brier(p_high, is_high)
    errors = (p_high - is_high) ** 2

    def counts(at: float) -> CallCounts:
        return _counted(confusion(p_high, is_high, threshold=at), at, smallest)

    return ModelStatistics(
        model=name,
        auc=area.value,
        auc_variance=area.variance if area.has_variance else None,
        expected=float(p_high.sum()),
        intercept=_known(intercept.value),
        intercept_variance=_variance(intercept),
        slope=_known(slope.value),
        slope_variance=_variance(slope),
        brier=score.value,
        brier_variance=_known(float(errors.var(ddof=1)) / errors.size) if errors.size > 1 else None,
        calls=counts(threshold),
        benefit=tuple(map(counts, THRESHOLDS)),
    )


def _measure_pair(placements: Placements, a: int, b: int, names: tuple[str, ...]) -> PairStatistics:
    difference, variance = placements.difference(a, b)
    return PairStatistics(names[a], names[b], placements.shared(a, b), difference, variance)


def _counted(table: Confusion, threshold: float, smallest: int) -> CallCounts:
    if any(0 < count < smallest for count in (table.tp, table.fp, table.tn, table.fn)):
        return CallCounts(threshold, None, None)
    return CallCounts(threshold, table.tp, table.fp)


def _variance(made: Estimate) -> float | None:
    """The variance behind Wald's interval."""
    return _known(((made.high - made.low) / (2.0 * normal_quantile(_CONFIDENCE))) ** 2)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
