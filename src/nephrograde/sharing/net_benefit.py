"""Net benefit over several hospitals, from the calls that each of them counted at the same threshold probabilities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.sharing.combined import BenefitRow, NotPooled
from nephrograde.sharing.site import THRESHOLDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.sharing.site import CallCounts, SiteStatistics


def pool_benefit(model: str, sites: Sequence[SiteStatistics], *, confidence: float) -> list[BenefitRow]:
    """Compute net benefit at each threshold probability over the patients of all hospitals.

    The interval is that of a ratio over clusters, with one degree of freedom less than there are hospitals, so that it
    allows for hospitals that differ. Where any hospital suppressed its counts, there is no number: the others alone
    would be those with more calls.

    Args:
        model: The model id.
        sites: The hospitals.
        confidence: Coverage probability of the interval at each point.

    Source:
        Net benefit: Vickers & Elkin 2006, Med Decis Making 26:565. Variance of a ratio over clusters: Cochran 1977,
        Sampling Techniques, section 6.3.
    """
    return [
        _pooled(model, at, [(one, one.model(model).benefit[k]) for one in sites], confidence)
        for k, at in enumerate(THRESHOLDS)
    ]


def _pooled(
    model: str, at: float, counted: Sequence[tuple[SiteStatistics, CallCounts]], confidence: float
) -> BenefitRow:
    from scipy import stats

    odds = at / (1.0 - at)
    n, k = sum(site.n for site, _ in counted), len(counted)
    treat_all = sum(site.n_high - odds * site.n_low for site, _ in counted) / n
    known = [(site, one.tp, one.fp) for site, one in counted if one.tp is not None and one.fp is not None]
    if len(known) < k:
        nan, reason = math.nan, NotPooled.SUPPRESSED
        return BenefitRow(model, at, nan, nan, nan, treat_all, 0, 0, len(known), n, None, None, reason)
    gains = [tp - odds * fp for _, tp, fp in known]
    value = sum(gains) / n
    residuals = [gain - site.n * value for gain, (site, _, _) in zip(gains, known, strict=True)]
    error = math.sqrt(k / (k - 1) * sum(one**2 for one in residuals)) / n
    reach = float(stats.t.isf((1.0 - confidence) / 2.0, k - 1)) * error
    everyone = [site.n_high - odds * site.n_low for site, _, _ in known]
    return BenefitRow(
        model,
        at,
        value,
        value - reach,
        value + reach,
        treat_all,
        better_than_all=sum(gain > own for gain, own in zip(gains, everyone, strict=True)),
        better_than_none=sum(gain > 0.0 for gain in gains),
        sites=k,
        n=n,
        tp=sum(tp for _, tp, _ in known),
        fp=sum(fp for _, _, fp in known),
    )
