"""The evaluation over several hospitals: each alone, all together, each left out, models against each other.

Everything is computed from the sufficient statistics of the hospitals, so that it makes no difference whether a
hospital shared scores or statistics.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.evaluation.performance.interval import Area, auc_bounds, expit, logit, newcombe_bounds, share_interval
from nephrograde.sharing.combined import Combined, NotPooled, PooledRow, SiteRow, WithoutRow
from nephrograde.sharing.matching import FEWEST_SITES, check_matching
from nephrograde.sharing.net_benefit import pool_benefit
from nephrograde.sharing.random_effects import pool_effects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nephrograde.sharing.random_effects import Pooled
    from nephrograde.sharing.share_file import SharedSite
    from nephrograde.sharing.site import ModelStatistics, SiteStatistics


class Effect(NamedTuple):
    """A value of one hospital on the scale on which it is pooled, with its sampling variance."""

    value: float
    variance: float


class Scale(NamedTuple):
    """How a measure is pooled: the name of its scale, and the way back."""

    name: str
    back: Callable[[float], float]


LOGIT, LOG, IDENTITY = Scale("logit", expit), Scale("log", math.exp), Scale("identity", float)


def combine_shared(shared: Mapping[str, SharedSite], *, confidence: float = 0.95) -> Combined:
    """Evaluate models over several hospitals.

    Args:
        shared: What each hospital shared, by its name.
        confidence: Coverage probability of all intervals.

    Raises:
        InputError: Fewer than two hospitals, the same patients twice, or other models, thresholds or outcomes.
    """
    check_matching(shared)
    sites = {name: one.statistics for name, one in shared.items()}
    first = next(iter(shared.values()))
    models = tuple(one.name for one in first.head.models)
    aucs = {model: [auc_effect(area_of(one, model)) for one in sites.values()] for model in models}
    pooled = [
        *(row for model in models for row in _pooled_rows(model, aucs[model], sites, confidence=confidence)),
        *(_difference(a, b, sites, confidence) for a, b in combinations(models, 2)),
    ]
    means = {model: _pooled(aucs[model], confidence) for model in models}
    rows = [
        _site_row(name, one, model, weight=means[model].weights[k], confidence=confidence)
        for model in models
        for k, (name, one) in enumerate(shared.items())
    ]
    without = [
        row
        for model in models
        for row in _left_out(model, tuple(sites), aucs[model], mean=means[model], confidence=confidence)
    ]
    benefit = [row for model in models for row in pool_benefit(model, tuple(sites.values()), confidence=confidence)]
    return Combined(dict(shared), tuple(rows), tuple(pooled), tuple(without), tuple(benefit), confidence)


def auc_effect(area: Area) -> Effect:
    """Return the AUC of a hospital on the logit scale, with DeLong's variance.

    An AUC of 0 or 1 is moved inwards by half a pair, with the variance by which its interval reaches as far as that
    of Newcombe, and so are that of scores that are all equal and that of a single patient of a grade: to leave such
    hospitals out would favour the others.

    Args:
        area: The AUC, its variance, and the patients of either grade.

    Source:
        Logit scale: Pepe 2003, section 5.2.3. Without variance: Newcombe 2006, Stat Med 25:559, method 5.

    >>> auc_effect(Area(0.5, 0.01, 30, 40))
    Effect(value=0.0, variance=0.16)
    """
    auc = area.value
    if area.has_variance:
        return Effect(logit(auc), area.variance / (auc * (1.0 - auc)) ** 2)
    pairs, z = area.n_high * area.n_low, normal_quantile(0.95)
    value = logit((auc * pairs + 0.5) / (pairs + 1.0))
    low, high = newcombe_bounds(auc, area.n_high, area.n_low, z=z)
    reaches = [abs(logit(bound) - value) for bound in (low, high) if 0.0 < bound < 1.0]
    return Effect(value, (sum(reaches) / len(reaches) / z) ** 2)


def area_of(site: SiteStatistics, model: str) -> Area:
    """Return the AUC of a model in a hospital, with a variance of NaN if a grade has a single patient there.

    Args:
        site: The hospital.
        model: The model id.
    """
    own = site.model(model)
    is_single = 1 in {site.n_high, site.n_low}
    return Area(own.auc, math.nan if is_single else own.auc_variance or 0.0, site.n_high, site.n_low)


def _pooled_rows(
    model: str, aucs: Sequence[Effect], sites: Mapping[str, SiteStatistics], *, confidence: float
) -> list[PooledRow]:
    """The measures of one model."""
    own = {name: one.model(model) for name, one in sites.items()}
    ratios = [_ratio_effect(one, own[name]) for name, one in sites.items()]
    intercepts = [_effect(one.intercept, one.intercept_variance) for one in own.values()]
    slopes = [_effect(one.slope, one.slope_variance) for one in own.values()]
    briers = [_effect(one.brier, one.brier_variance) for one in own.values()]

    def row(measure: str, effects: Sequence[Effect | None], scale: Scale) -> PooledRow:
        return pooled_row(model, measure, effects, scale=scale, sites=tuple(sites.values()), confidence=confidence)

    return [
        row("auc", aucs, LOGIT),
        row("observed_expected", ratios, LOG),
        row("calibration_intercept", intercepts, IDENTITY),
        row("calibration_slope", slopes, IDENTITY),
        row("brier", briers, IDENTITY),
    ]


def pooled_row(  # noqa: PLR0913 - a row with what it is made from
    model: str,
    measure: str,
    effects: Sequence[Effect | None],
    *,
    scale: Scale,
    sites: Sequence[SiteStatistics],
    confidence: float,
    against: str = "",
) -> PooledRow:
    """Pool a measure over the hospitals in which it could be computed.

    Args:
        model: The model id.
        measure: The measure.
        effects: Of each hospital; None where it could not be computed.
        scale: That of the effects.
        sites: The hospitals, in the same order.
        confidence: Coverage probability of the intervals.
        against: The model that is subtracted.
    """
    used = [(effect, site) for effect, site in zip(effects, sites, strict=True) if effect is not None]
    row = PooledRow(
        model,
        against,
        measure,
        *(math.nan,) * 8,
        sites=len(used),
        n=sum(site.n for _, site in used),
        n_high=sum(site.n_high for _, site in used),
        scale=scale.name,
        confidence=confidence,
    )
    if len(used) < FEWEST_SITES:
        return replace(row, reason=NotPooled.TOO_FEW_SITES)
    if not all(effect.variance > 0.0 for effect, _ in used):
        return replace(row, reason=NotPooled.NO_VARIANCE)
    made = _pooled([effect for effect, _ in used], confidence)
    return replace(
        row,
        value=_back(scale, made.value),
        low=_back(scale, made.low),
        high=_back(scale, made.high),
        prediction_low=_back(scale, made.prediction_low),
        prediction_high=_back(scale, made.prediction_high),
        tau2=made.tau2,
        i2=made.i2,
        p_heterogeneity=made.p_heterogeneity,
    )


def _pooled(effects: Sequence[Effect], confidence: float) -> Pooled:
    return pool_effects([one.value for one in effects], [one.variance for one in effects], confidence=confidence)


def _back(scale: Scale, value: float) -> float:
    try:
        return scale.back(value)
    except OverflowError:  # two hospitals that differ widely
        return math.inf


def _difference(a: str, b: str, sites: Mapping[str, SiteStatistics], confidence: float) -> PooledRow:
    """The AUC of one model minus that of another, each hospital paired."""
    effects = []
    for one in sites.values():
        pair = next((pair for pair in one.pairs if (pair.model_a, pair.model_b) == (a, b)), None)
        sign = 1.0
        if pair is None:
            pair, sign = next((pair for pair in one.pairs if (pair.model_a, pair.model_b) == (b, a)), None), -1.0
        effects.append(None if pair is None else Effect(sign * pair.difference, pair.variance))
    return pooled_row(
        a,
        "auc_difference",
        effects,
        scale=IDENTITY,
        sites=tuple(sites.values()),
        confidence=confidence,
        against=b,
    )


def _left_out(
    model: str, names: tuple[str, ...], aucs: Sequence[Effect], *, mean: Pooled, confidence: float
) -> list[WithoutRow]:
    if len(names) < 3:
        return []
    whole = expit(mean.value)
    rows = []
    for k, name in enumerate(names):
        rest = [effect for j, effect in enumerate(aucs) if j != k]
        made = _pooled(rest, confidence)
        value = expit(made.value)
        rows.append(
            WithoutRow(model, name, value, expit(made.low), expit(made.high), made.tau2, made.i2, value - whole)
        )
    return rows


def _ratio_effect(site: SiteStatistics, model: ModelStatistics) -> Effect | None:
    """The logarithm of observed / expected (Debray 2017, BMJ 356:i6460)."""
    if not (0 < site.n_high < site.n and model.expected > 0.0):
        return None
    return Effect(math.log(site.n_high / model.expected), (1.0 - site.n_high / site.n) / site.n_high)


def _effect(value: float | None, variance: float | None) -> Effect | None:
    return None if value is None or variance is None else Effect(value, variance)


def _site_row(name: str, shared: SharedSite, model: str, *, weight: float, confidence: float) -> SiteRow:
    site = shared.statistics
    own = site.model(model)
    z = normal_quantile(confidence)
    ratio = _ratio_effect(site, own)
    numbers = {
        **_named("auc", own.auc, *auc_bounds(area_of(site, model), z=z)),
        **_named("sensitivity", *_share(own.calls.tp, site.n_high, confidence)),
        **_named("specificity", *_share(_rest(site.n_low, own.calls.fp), site.n_low, confidence)),
        **_named("observed_expected", *_exponentials(ratio, z)),
        **_named("calibration_intercept", *_wald(own.intercept, own.intercept_variance, z)),
        **_named("calibration_slope", *_wald(own.slope, own.slope_variance, z)),
        **_named("brier", *_wald(own.brier, own.brier_variance, z)),
    }
    return SiteRow(
        site=name, kind=shared.head.kind, model=model, n=site.n, n_high=site.n_high, weight=weight, **numbers
    )


def _exponentials(effect: Effect | None, z: float) -> tuple[float, float, float]:
    if effect is None:
        return math.nan, math.nan, math.nan
    value, low, high = _wald(effect.value, effect.variance, z)
    return math.exp(value), math.exp(low), math.exp(high)


def _named(measure: str, value: float, low: float, high: float) -> dict[str, float]:
    return {measure: value, f"{measure}_low": low, f"{measure}_high": high}


def _rest(whole: int, part: int | None) -> int | None:
    return None if part is None else whole - part


def _share(part: int | None, whole: int, confidence: float) -> tuple[float, float, float]:
    if part is None:
        return math.nan, math.nan, math.nan
    return part / whole, *share_interval(part, whole, confidence=confidence)


def _wald(value: float | None, variance: float | None, z: float) -> tuple[float, float, float]:
    if value is None or variance is None:
        return (math.nan if value is None else value), math.nan, math.nan
    reach = z * math.sqrt(variance)
    return value, value - reach, value + reach
