"""Random effects: what several hospitals say together where each may differ from the others in truth.

The true value of a hospital is drawn from a normal distribution with variance ``tau2`` around the mean over all
hospitals of the kind. Paule and Mandel's estimate of ``tau2`` makes the weighted squares about the mean as large as
they are expected to be; it and the weights come from statsmodels. The interval of the mean is that of Hartung and Knapp
and of Sidik and Jonkman with k − 1 degrees of freedom, never narrower than without their correction. The prediction
interval is where the true value of one further hospital is expected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

FEW_SITES = 5
"""Hospitals below which the variance between them is hardly known."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """A mean over hospitals, on the scale on which it was pooled.

    Attributes:
        value: The mean.
        low: Bound of its interval.
        high: The other bound.
        prediction_low: Bound of the prediction interval; NaN with two hospitals.
        prediction_high: The other bound.
        tau2: The variance of the true values between hospitals.
        i2: The share of the variation between hospitals that chance does not explain, 0 to 1.
        p_heterogeneity: Of Cochran's Q test that all hospitals have the same true value.
        weights: Of each hospital; their sum is 1.
    """

    value: float
    low: float
    high: float
    prediction_low: float
    prediction_high: float
    tau2: float
    i2: float
    p_heterogeneity: float
    weights: tuple[float, ...]


def pool_effects(values: Sequence[float], variances: Sequence[float], *, confidence: float) -> Pooled:
    """Pool the values of at least two hospitals.

    Args:
        values: One of each hospital, on a scale on which it is roughly normal.
        variances: Their sampling variances, above 0.
        confidence: Coverage probability of both intervals.

    Source:
        Variance between hospitals: Paule & Mandel 1982, J Res Natl Bur Stand 87:377, recommended by Veroniki 2016, Res
        Synth Methods 7:55. Interval: Hartung & Knapp 2001, Stat Med 20:3875, Sidik & Jonkman 2002, Stat Med 21:3153,
        and Röver 2015, BMC Med Res Methodol 15:99, for the lower limit of the correction. I²: Higgins 2003, BMJ
        327:557. Prediction: Higgins 2009, J R Stat Soc A 172:137. Computed by statsmodels.

    >>> made = pool_effects([0.0, 2.0], [0.5, 0.5], confidence=0.95)
    >>> round(made.value, 6), round(made.tau2, 4), round(made.i2, 6), round(made.high - made.value, 3)
    (1.0, 1.5, 0.75, 12.706)
    """
    from scipy import stats
    from statsmodels.stats.meta_analysis import combine_effects

    effect, variance = np.asarray(values, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    k = effect.size
    # With a smaller tolerance than that of statsmodels, rounding may end the iteration at 0.
    with np.errstate(divide="ignore", invalid="ignore"):  # it also computes I² of values that are all equal
        found = combine_effects(effect, variance, method_re="pm")
    tau2, weights = float(found.tau2), np.asarray(found.weights_rel_re)
    value = float(found.mean_effect_re)
    squared_error = float(found.var_eff_w_re) * max(1.0, float(found.scale_hksj_re))
    reach = float(stats.t.isf((1.0 - confidence) / 2.0, k - 1)) * math.sqrt(squared_error)
    ahead = math.nan
    if k > 2:
        ahead = float(stats.t.isf((1.0 - confidence) / 2.0, k - 2)) * math.sqrt(tau2 + squared_error)
    q = float(found.q)
    return Pooled(
        value,
        low=value - reach,
        high=value + reach,
        prediction_low=value - ahead,
        prediction_high=value + ahead,
        tau2=tau2,
        i2=max(0.0, 1.0 - (k - 1) / q) if q > 0.0 else 0.0,
        p_heterogeneity=float(stats.chi2.sf(max(q, 0.0), k - 1)),
        weights=tuple(float(one) for one in weights),
    )
