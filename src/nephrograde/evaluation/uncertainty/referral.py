"""Refer to biopsy: what follows if patients whose prediction set is not a single grade are referred.

The others are decided by their set. The rows say how often the sets contain the truth, how many patients are referred,
how good the calls are among those decided, what a biopsy of the referred would find, and how good both together would
be if every biopsy were right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.evaluation.performance.interval import share_interval
from nephrograde.evaluation.performance.metrics import confusion
from nephrograde.evaluation.remarks import Caution, Judged, Reason, Rule
from nephrograde.evaluation.uncertainty.conformal import GradeSet, SetKind, coverage_range, no_sets_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nephrograde.evaluation.performance.interval import ShareMethod
    from nephrograde.evaluation.performance.threshold import Threshold
    from nephrograde.evaluation.scores.scores import ModelScores, SplitName
    from nephrograde.evaluation.uncertainty.cross_fit import CrossFitted
    from nephrograde.study import EvaluateSettings


COVERAGES = ("coverage", "coverage_high", "coverage_low")
"""The shares of sets that contain the truth: of all patients, and of either grade."""


@dataclass(frozen=True, slots=True)
class ReferralRow(Judged):
    """One measure of the prediction sets of a model; a row of ``statistics/referral.csv``.

    ``kind`` is that of the sets. ``value`` is ``part`` of ``whole`` patients, with its interval. For the coverage of
    test patients, ``expected_low`` and ``expected_high`` bound the true coverage over calibration sets of this size;
    coverage out of fold has no interval, because it is close to its target by construction. Where ``value`` is NaN, it
    was not computed, and ``reason`` says why.

    The measures are ``coverage``, ``coverage_high`` and ``coverage_low``; ``referred``, and of these ``referred_both``
    and ``referred_none`` by their set; ``high_of_referred``, what a biopsy would find; ``sensitivity_decided``,
    ``specificity_decided``, ``ppv_decided`` and ``npv_decided`` among the others; ``sensitivity_with_biopsy`` and
    ``specificity_with_biopsy`` of all patients, if every biopsy is right; ``errors`` at the frozen threshold with no
    biopsy, and ``errors_with_biopsy``, both of all patients.
    """

    model: str
    split: str
    kind: SetKind
    measure: str
    value: float
    low: float
    high: float
    part: int | None
    whole: int | None
    n: int
    n_high: int
    expected_low: float
    expected_high: float
    error: float
    method: str
    confidence: float | None = None
    reason: Reason | None = None
    caution: Caution | None = None
    is_reliable: bool = field(init=False)


@dataclass(frozen=True, slots=True)
class _Counts:
    """The patients by truth (high, low) and by what their set decides."""

    high_as_high: int
    high_as_low: int
    high_both: int
    high_none: int
    low_as_high: int
    low_as_low: int
    low_both: int
    low_none: int

    @property
    def high_referred(self) -> int:
        return self.high_both + self.high_none

    @property
    def low_referred(self) -> int:
        return self.low_both + self.low_none

    @property
    def n_high(self) -> int:
        return self.high_as_high + self.high_as_low + self.high_referred

    @property
    def n_low(self) -> int:
        return self.low_as_high + self.low_as_low + self.low_referred


def estimate_referral(
    fitted: CrossFitted,
    threshold: Threshold,
    settings: EvaluateSettings,
    *,
    calibrated_on: tuple[int, int],
    model: str,
    split: SplitName,
) -> Iterator[ReferralRow]:
    """Estimate coverage and yield of the prediction sets of a model.

    Args:
        fitted: The patients with their sets.
        threshold: The frozen threshold of the model, for the errors without biopsy.
        settings: ``[evaluate]`` of the study: the error of the sets, and the confidence level.
        calibrated_on: How many patients the sets of test patients were calibrated on, and how many of high grade.
        model: The model id, for the rows.
        split: Of the scores, for the rows.

    Source:
        Coverage: the exact interval of Clopper & Pearson 1934, Biometrika 26:404. Other proportions: Wilson 1927.
    """
    patients = fitted.patients
    rows = _Rows(model, split, fitted, calibrated_on, settings)
    for kind in SetKind:
        if kind not in fitted.sets:
            if kind not in fitted.reasons:  # nobody asked for them
                continue
            yield rows.missing(kind, fitted.reasons[kind])
            continue
        counts = _count(patients, fitted.sets[kind])
        yield from rows.covered(kind, counts)
        yield from rows.shares(kind, counts)
        yield rows.errors(kind, threshold)
        decided_wrong = counts.high_as_low + counts.low_as_high
        yield rows.share(kind, "errors_with_biopsy", decided_wrong, len(patients))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Makes the rows of one model in one split."""

    model: str
    split: SplitName
    fitted: CrossFitted
    calibrated_on: tuple[int, int]
    settings: EvaluateSettings

    @property
    def patients(self) -> ModelScores:
        return self.fitted.patients

    def missing(self, kind: SetKind, reason: Reason) -> ReferralRow:
        words = f"not computed: {no_sets_words(reason, error=self.settings.conformal_error)}"
        return self._row(kind, "coverage", method=words, reason=reason)

    def covered(self, kind: SetKind, counts: _Counts) -> Iterator[ReferralRow]:
        high, low = counts.high_as_high + counts.high_both, counts.low_as_low + counts.low_both
        parts = ((high + low, len(self.patients)), (high, counts.n_high), (low, counts.n_low))
        for measure, (part, whole) in zip(COVERAGES, parts, strict=True):
            if self.split == "oof":
                how = f"no interval: close to its target by construction{self._crossed()}"
                nothing: dict[str, Any] = {"low": math.nan, "high": math.nan, "confidence": None}
                yield self.share(kind, measure, part, whole, method=how, **nothing)
            else:
                yield self.share(kind, measure, part, whole, interval="exact", **self._expected(kind, measure))

    def shares(self, kind: SetKind, counts: _Counts) -> Iterator[ReferralRow]:
        n, referred = len(self.patients), counts.high_referred + counts.low_referred
        found = {
            "referred": (referred, n),
            "referred_both": (counts.high_both + counts.low_both, n),
            "referred_none": (counts.high_none + counts.low_none, n),
            "high_of_referred": (counts.high_referred, referred),
            "sensitivity_decided": (counts.high_as_high, counts.n_high - counts.high_referred),
            "specificity_decided": (counts.low_as_low, counts.n_low - counts.low_referred),
            "ppv_decided": (counts.high_as_high, counts.high_as_high + counts.low_as_high),
            "npv_decided": (counts.low_as_low, counts.low_as_low + counts.high_as_low),
            "sensitivity_with_biopsy": (counts.n_high - counts.high_as_low, counts.n_high),
            "specificity_with_biopsy": (counts.n_low - counts.low_as_high, counts.n_low),
        }
        for measure, (part, whole) in found.items():
            yield self.share(kind, measure, part, whole)

    def errors(self, kind: SetKind, threshold: Threshold) -> ReferralRow:
        """The wrong calls with no biopsy; the threshold has nothing to do with the folds of the sets."""
        counts = confusion(self.patients.p_high, self.patients.is_high, threshold=threshold.value)
        is_chosen_here = self.split == "oof" and threshold.rule is not Rule.FIXED
        how = f"{self._with_interval('wilson')}; {threshold}"
        return self.share(
            kind,
            "errors",
            counts.fp + counts.fn,
            counts.n,
            method=f"{how}, chosen on these same patients: optimistic" if is_chosen_here else how,
            caution=Caution.OPTIMISTIC if is_chosen_here else None,
        )

    def share(
        self,
        kind: SetKind,
        measure: str,
        part: int,
        whole: int,
        *,
        interval: ShareMethod = "wilson",
        **values: Any,
    ) -> ReferralRow:
        """A share with its interval; other values take the place of what is usual."""
        if whole == 0:
            reason = _NOBODY.get(measure, Reason.NO_PATIENTS)
            return self._row(kind, measure, method="not computed: no such patient", reason=reason)
        confidence = self.settings.confidence
        low, high = share_interval(part, whole, confidence=confidence, method=interval)
        usual = {
            "method": self._with_interval(interval) + self._crossed(),
            "value": part / whole,
            "low": low,
            "high": high,
            "part": part,
            "whole": whole,
            "confidence": confidence,
            "caution": Caution.CROSS_FITTED if self.split == "oof" else None,
        }
        return self._row(kind, measure, **{**usual, **values})

    def _with_interval(self, interval: ShareMethod) -> str:
        words = {"exact": "Clopper–Pearson exact", "wilson": "Wilson score"}[interval]
        return f"{words}, {100 * self.settings.confidence:g} % CI"

    def _crossed(self) -> str:
        return f"; {self.fitted.how}" if self.split == "oof" else ""

    def _expected(self, kind: SetKind, measure: str) -> dict[str, float]:
        """How far the true coverage may lie from its target by the luck of calibration, where it has a target."""
        n, n_high = self.calibrated_on
        counted = {
            (SetKind.MARGINAL, "coverage"): n,
            (SetKind.BY_CLASS, "coverage_high"): n_high,
            (SetKind.BY_CLASS, "coverage_low"): n - n_high,
        }.get((kind, measure))
        if counted is None:
            return {}
        error, confidence = self.settings.conformal_error, self.settings.confidence
        low, high = coverage_range(counted, error=error, confidence=confidence)
        return {"expected_low": low, "expected_high": high}

    def _row(self, kind: SetKind, measure: str, *, method: str, **values: Any) -> ReferralRow:
        """A row in which only the given numbers are there."""
        nan = math.nan
        names = ("value", "low", "high", "expected_low", "expected_high")
        empty = {**dict.fromkeys(names, nan), "part": None, "whole": None}
        counts = {"n": len(self.patients), "n_high": int(self.patients.is_high.sum())}
        return ReferralRow(
            self.model,
            self.split,
            kind,
            measure,
            error=self.settings.conformal_error,
            method=method,
            **{**empty, **counts, **values},
        )


_NOBODY = {
    "coverage_high": Reason.NO_HIGH,
    "coverage_low": Reason.NO_LOW,
    "sensitivity_decided": Reason.NO_HIGH,
    "sensitivity_with_biopsy": Reason.NO_HIGH,
    "specificity_decided": Reason.NO_LOW,
    "specificity_with_biopsy": Reason.NO_LOW,
    "ppv_decided": Reason.NONE_CALLED_HIGH,
    "npv_decided": Reason.NONE_CALLED_LOW,
}
"""Why a share of nobody was not computed."""


def _count(patients: ModelScores, sets: tuple[GradeSet, ...]) -> _Counts:
    found = np.array(sets)
    by_truth = [[int(((found == kind) & (patients.is_high == truth)).sum()) for kind in GradeSet] for truth in (1, 0)]
    return _Counts(*by_truth[0], *by_truth[1])
