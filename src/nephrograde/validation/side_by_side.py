"""Development and validation side by side: each measure with its interval, and the difference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.evaluation.performance.interval import share_interval
from nephrograde.evaluation.performance.metrics import Estimate
from nephrograde.evaluation.performance.unpaired import Bounded, unpaired_difference
from nephrograde.evaluation.uncertainty.conformal import SetKind

if TYPE_CHECKING:
    from nephrograde.evaluation.scores.scores import ModelScores
    from nephrograde.predict.grading import Performance
    from nephrograde.results import Results
    from nephrograde.validation.development import Development

MEASURES = (
    "auc",
    "accuracy",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "brier",
    "calibration_intercept",
    "calibration_slope",
    "ece",
)
"""The estimates that are put side by side."""
OF_SETS = ("coverage", "coverage_high", "coverage_low", "referred")
"""Measures of the prediction sets by class."""


class Untested(StrEnum):
    """Why a difference has no interval; the texts stand in ``side_by_side.csv``."""

    NOT_KNOWN = "the grader file does not say it"
    NOT_COMPUTED = "not computed on one side"
    OTHER_CONFIDENCE = "the intervals have different confidence levels"
    SAME_PATIENTS = "patients are in both"
    NO_INTERVAL = "a side has no interval"


@dataclass(frozen=True, slots=True)
class SideRow:
    """One measure on both sides; a row of ``validation/side_by_side.csv``.

    ``known_…`` is development, ``known_split`` the patients that it is about. ``difference`` is validation minus
    development, with the interval that follows from both (MOVER), as the patients are different ones. NaN means "not
    known" or "not computed"; ``untested`` says why the difference has no interval.
    """

    measure: str
    known_value: float
    known_low: float
    known_high: float
    known_n: int | None
    known_n_high: int | None
    known_split: str
    value: float
    low: float
    high: float
    n: int
    n_high: int
    difference: float
    difference_low: float
    difference_high: float
    method: str
    untested: Untested | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """A measure in development."""

    value: float
    low: float
    high: float
    n: int | None
    n_high: int | None
    confidence: float | None


def compare_sides(
    results: Results, development: Development, model: str, *, is_overlapping: bool
) -> tuple[SideRow, ...]:
    """Put development and validation side by side.

    Args:
        results: Of the validation.
        development: What is known about the model in its own study.
        model: The model id.
        is_overlapping: Whether patients are known to be in both, so that no difference has an interval.

    Source:
        Intervals of differences: Zou & Donner 2008, Stat Med 27:1693. Ratio of observed to expected: Debray 2017, BMJ
        356:i6460.
    """
    patients, confidence = results.scores.of(model, "test"), results.settings.confidence
    known = _known(model, development, confidence)
    here = {made.measure: made for name, split, made in results.estimates if (name, split) == (model, "test")}
    found = [here[measure] for measure in MEASURES if measure in here]
    found[1:1] = [prevalence_of(patients, confidence), observed_expected(patients, confidence)]
    found += _of_sets(results, model, "test")
    return tuple(
        _row(made, known.get(made.measure), development.split, confidence=confidence, is_overlapping=is_overlapping)
        for made in found
    )


def prevalence_of(patients: ModelScores, confidence: float) -> Estimate:
    """The share of high grade, with Wilson's interval."""
    n, n_high = len(patients), int(patients.is_high.sum())
    low, high = share_interval(n_high, n, confidence=confidence)
    method = f"Wilson score, {100 * confidence:g} % CI"
    return Estimate("prevalence", n_high / n, low, high, n, n_high, method, confidence=confidence)


def observed_expected(patients: ModelScores, confidence: float) -> Estimate:
    """The number of high grade over the number that the probabilities add up to.

    Args:
        patients: At least one.
        confidence: Coverage probability of the interval, which is symmetric on the log scale.
    """
    n, n_high, expected = len(patients), int(patients.is_high.sum()), float(patients.p_high.sum())
    if not n_high or not expected > 0.0:
        nan = math.nan
        return Estimate("observed_expected", nan, nan, nan, n, n_high, "not computed: no high-grade patient")
    reach = normal_quantile(confidence) * math.sqrt((1.0 - n_high / n) / n_high)
    value = n_high / expected
    method = f"log-normal, {100 * confidence:g} % CI"
    low, high = value * math.exp(-reach), value * math.exp(reach)
    return Estimate("observed_expected", value, low, high, n, n_high, method, confidence=confidence)


def _of_sets(results: Results, model: str, split: str) -> list[Estimate]:
    """The measures of the prediction sets by class."""
    return [
        Estimate(row.measure, row.value, row.low, row.high, row.n, row.n_high, row.method, confidence=row.confidence)
        for row in results.uncertainty.referrals
        if (row.model, row.split, row.kind) == (model, split, SetKind.BY_CLASS) and row.measure in OF_SETS
    ]


def _known(model: str, development: Development, confidence: float) -> dict[str, _Known]:
    """What is known about development, by measure."""
    results = development.results
    if results is None:
        performance = development.performance
        return {} if performance is None or performance.auc is None else {"auc": _of_card(performance)}
    split = development.split
    found = {made.measure: _of_estimate(made) for name, of, made in results.estimates if (name, of) == (model, split)}
    scores = results.scores.of(model, split)
    if len(scores):
        for made in (prevalence_of(scores, confidence), observed_expected(scores, confidence)):
            found[made.measure] = _of_estimate(made)
    for made in _of_sets(results, model, split):
        found[made.measure] = _of_estimate(made)
    return found


def _of_card(known: Performance) -> _Known:
    nan = math.nan
    low, high = nan if known.low is None else known.low, nan if known.high is None else known.high
    return _Known(nan if known.auc is None else known.auc, low, high, known.n, known.n_high, known.confidence)


def _of_estimate(made: Estimate) -> _Known:
    return _Known(made.value, made.low, made.high, made.n, made.n_high, made.confidence)


def _row(made: Estimate, known: _Known | None, split: str, *, confidence: float, is_overlapping: bool) -> SideRow:
    own = known or _Known(math.nan, math.nan, math.nan, None, None, None)
    untested = _why_untested(made, known, confidence, is_overlapping=is_overlapping)
    apart = unpaired_difference(Bounded(made.value, made.low, made.high), Bounded(own.value, own.low, own.high))
    low, high = (math.nan, math.nan) if untested else (apart.low, apart.high)
    return SideRow(
        made.measure,
        own.value,
        own.low,
        own.high,
        own.n,
        own.n_high,
        split if known else "",
        made.value,
        made.low,
        made.high,
        made.n,
        made.n_high,
        apart.value,
        low,
        high,
        made.method,
        untested,
    )


def _why_untested(made: Estimate, known: _Known | None, confidence: float, *, is_overlapping: bool) -> Untested | None:
    if known is None:
        return Untested.NOT_KNOWN
    if np.isnan([made.value, known.value]).any():
        return Untested.NOT_COMPUTED
    if is_overlapping:
        return Untested.SAME_PATIENTS
    if np.isnan([made.low, made.high, known.low, known.high]).any():
        return Untested.NO_INTERVAL
    return Untested.OTHER_CONFIDENCE if known.confidence != confidence else None
