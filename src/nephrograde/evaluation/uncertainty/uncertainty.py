"""How sure a model may be of a patient: recalibrated probabilities, prediction sets, and referral to biopsy.

Everything is learnt on out-of-fold scores: for the test patients on all of them, for an out-of-fold patient on those of
the other folds, so that no patient's outcome enters the patient's own probability or prediction set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from nephrograde.evaluation.calibration.calibration import (
    brier,
    calibration_intercept,
    calibration_slope,
    expected_calibration_error,
)
from nephrograde.evaluation.calibration.recalibration import NOT_LEARNT, Way
from nephrograde.evaluation.performance.delong import normal_quantile
from nephrograde.evaluation.remarks import Caution, Judged, Reason
from nephrograde.evaluation.scores.scores import SPLITS
from nephrograde.evaluation.tables import read_table, write_table
from nephrograde.evaluation.uncertainty.conformal import SetKind, conformal_cutoffs, why_no_sets
from nephrograde.evaluation.uncertainty.cross_fit import CalibratedScore, JudgedRows, blocks_of, cross_fit, fit_to_all
from nephrograde.evaluation.uncertainty.referral import ReferralRow, estimate_referral

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nephrograde.evaluation.performance.metrics import Estimate
    from nephrograde.evaluation.performance.threshold import Threshold
    from nephrograde.evaluation.scores.scores import ModelScores, Scores, SplitName
    from nephrograde.evaluation.uncertainty.cross_fit import CrossFitted
    from nephrograde.evaluation.uncertainty.frozen import Frozen
    from nephrograde.run.folder import RunFolder
    from nephrograde.study import EvaluateSettings
    from nephrograde.vocabulary import FloatVector

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class RecalibrationRow(Judged):
    """One calibration measure of a model before and after recalibration; a row of ``statistics/recalibration.csv``.

    ``way`` is how the probabilities were recalibrated. ``before`` is the measure of ``p_high`` with its interval,
    ``after`` that of the recalibrated probabilities of the same patients. ``difference`` is after minus before with its
    interval, for the Brier score only; out of fold, it has no interval where ``p_high`` was calibrated on the same
    patients. NaN means "not computed", and ``reason`` says why ``after`` was not. ``caution`` is that of ``after`` as a
    measure, or else ``cross-fitted`` out of fold.
    """

    model: str
    split: str
    way: Way
    measure: str
    before: float
    before_low: float
    before_high: float
    after: float
    after_low: float
    after_high: float
    difference: float
    low: float
    high: float
    n: int
    n_high: int
    method: str
    confidence: float | None = None
    reason: Reason | None = None
    caution: Caution | None = None
    is_reliable: bool = field(init=False)


@dataclass(frozen=True, slots=True)
class ConformalRow:
    """The cutoffs of a model's prediction sets for new patients; a row of ``statistics/conformal.csv``.

    High grade is plausible for ``p_high >= high_from``, low grade for ``p_high <= low_to``. The sets were calibrated on
    ``n`` out-of-fold patients, ``n_high`` of them high grade. NaN means "not computed", and ``reason`` says why.
    """

    model: str
    kind: SetKind
    error: float
    high_from: float
    low_to: float
    n: int
    n_high: int
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Recalibration, cutoffs and referral by model, and the probabilities and sets of all patients."""

    recalibrations: tuple[RecalibrationRow, ...] = ()
    cutoffs: tuple[ConformalRow, ...] = ()
    referrals: tuple[ReferralRow, ...] = ()
    patients: Sequence[CalibratedScore] = ()

    def of(self, model: str) -> Uncertainty:
        """Select the rows of one model.

        Args:
            model: The model id.
        """
        return Uncertainty(
            tuple(row for row in self.recalibrations if row.model == model),
            tuple(row for row in self.cutoffs if row.model == model),
            tuple(row for row in self.referrals if row.model == model),
            JudgedRows(lambda: (row for row in self.patients if row.model == model)),
        )


def uncertainty_of(
    scores: Scores,
    model: str,
    threshold: Threshold,
    settings: EvaluateSettings,
    *,
    is_calibrated: bool = False,
    frozen: Frozen | None = None,
) -> Uncertainty:
    """Recalibrate a model of a score table, find the prediction sets, and evaluate both.

    Args:
        scores: The score table.
        model: The model id.
        threshold: The frozen threshold of the model.
        settings: ``[evaluate]`` of the study: confidence level, error of the sets, seed.
        is_calibrated: Whether the scores were calibrated on all out-of-fold patients, as those of a study's networks.
            Out of fold, they know the patient's own outcome, which the recalibrated ones do not, and so the difference
            of the Brier scores, which is biased against recalibration, has no interval.
        frozen: What the model brings along if it is from elsewhere; nothing is learnt of it here.

    Returns:
        The tables. What cannot be computed keeps a row, with a reason instead of a number.

    >>> from nephrograde.evaluation.remarks import Rule
    >>> from nephrograde.evaluation.scores.scores import Score, Scores
    >>> from nephrograde.evaluation.performance.threshold import Threshold
    >>> from nephrograde.study import EvaluateSettings
    >>> rows = [Score(f"P{k}", "size", "oof", k % 3, k % 5 > 2, (7 * k % 30) / 30) for k in range(60)]
    >>> threshold = Threshold(0.5, Rule.YOUDEN, 60)
    >>> found = uncertainty_of(Scores(tuple(rows)), "size", threshold, EvaluateSettings(conformal_error=0.2))
    >>> [(row.kind.value, round(row.high_from, 2), round(row.low_to, 2)) for row in found.cutoffs]
    [('by-class', 0.2, 0.8), ('marginal', 0.2, 0.8)]
    """
    oof = scores.of(model, "oof")
    recalibrations: list[RecalibrationRow] = []
    referrals: list[ReferralRow] = []
    judged: list[tuple[CrossFitted, str, SplitName]] = []
    cutoffs = _cutoffs(model, oof, settings) if frozen is None else _frozen_cutoffs(model, frozen)
    calibrated_on = (len(oof), int(oof.is_high.sum())) if frozen is None else (frozen.n, frozen.n_high)
    for split in SPLITS:
        patients = scores.of(model, split)
        fitted = _fit(scores, model, split, settings) if frozen is None else frozen.apply(patients)
        if fitted is None or not len(patients):
            continue
        judged.append((fitted, model, split))
        recalibrations += _recalibrations(
            fitted, settings, model=model, split=split, is_calibrated=is_calibrated and split == "oof"
        )
        referrals += estimate_referral(
            fitted, threshold, settings, calibrated_on=calibrated_on, model=model, split=split
        )
    return Uncertainty(tuple(recalibrations), tuple(cutoffs), tuple(referrals), _rows_of(judged))


def joined(parts: Sequence[Uncertainty]) -> Uncertainty:
    """Join the tables of several models.

    Args:
        parts: Of one model each.
    """
    return Uncertainty(
        tuple(chain.from_iterable(part.recalibrations for part in parts)),
        tuple(chain.from_iterable(part.cutoffs for part in parts)),
        tuple(chain.from_iterable(part.referrals for part in parts)),
        JudgedRows(
            lambda: chain.from_iterable(part.patients for part in parts),
            lambda: chain.from_iterable(blocks_of(part.patients) for part in parts),
        ),
    )


def write_uncertainty(found: Uncertainty, run: RunFolder) -> None:
    """Write the tables of recalibration, cutoffs and referral, and ``scores/calibrated.csv``.

    Args:
        found: What :func:`joined` gives of all models.
        run: The run folder; created if it is missing.
    """
    write_table(found.recalibrations, RecalibrationRow, run.recalibration_path)
    write_table(found.cutoffs, ConformalRow, run.conformal_path)
    write_table(found.referrals, ReferralRow, run.referral_path)
    write_table(found.patients, CalibratedScore, run.calibrated_path)


def read_uncertainty(run: RunFolder) -> Uncertainty:
    """Read what :func:`write_uncertainty` wrote; what is absent is empty.

    Args:
        run: The run folder.

    Raises:
        RunError: A table is damaged; that of the patients is read when its rows are gone through.
    """

    def table(kind: type[Row], path: Path) -> tuple[Row, ...]:
        return read_table(kind, path) if path.exists() else ()

    return Uncertainty(
        table(RecalibrationRow, run.recalibration_path),
        table(ConformalRow, run.conformal_path),
        table(ReferralRow, run.referral_path),
        JudgedRows(lambda: table(CalibratedScore, run.calibrated_path)),
    )


def _rows_of(judged: Sequence[tuple[CrossFitted, str, SplitName]]) -> JudgedRows:
    return JudgedRows(
        lambda: chain.from_iterable(fitted.rows(model, split) for fitted, model, split in judged),
        lambda: (fitted.columns(model, split) for fitted, model, split in judged),
    )


def _fit(scores: Scores, model: str, split: SplitName, settings: EvaluateSettings) -> CrossFitted | None:
    """The patients of a split with their probabilities and sets; None if there are none."""
    oof, patients = scores.of(model, "oof"), scores.of(model, split)
    if not len(patients):
        return None
    if split == "test":
        return fit_to_all(oof, patients, error=settings.conformal_error)
    return cross_fit(oof, error=settings.conformal_error, seed=settings.seed)


def _cutoffs(model: str, oof: ModelScores, settings: EvaluateSettings) -> Iterator[ConformalRow]:
    n, n_high, error = len(oof), int(oof.is_high.sum()), settings.conformal_error
    for kind in SetKind:
        reason = why_no_sets(oof.is_high, error=error, kind=kind)
        if reason is not None:
            yield ConformalRow(model, kind, error, math.nan, math.nan, n, n_high, reason)
        else:
            found = conformal_cutoffs(oof.p_high, oof.is_high, error=error, kind=kind)
            yield ConformalRow(model, kind, error, found.high_from, found.low_to, n, n_high)


def _frozen_cutoffs(model: str, frozen: Frozen) -> Iterator[ConformalRow]:
    if frozen.cutoffs is not None:
        high_from, low_to = frozen.cutoffs.high_from, frozen.cutoffs.low_to
        yield ConformalRow(model, SetKind.BY_CLASS, frozen.error, high_from, low_to, frozen.n, frozen.n_high)


def _recalibrations(
    fitted: CrossFitted, settings: EvaluateSettings, *, model: str, split: SplitName, is_calibrated: bool
) -> Iterator[RecalibrationRow]:
    patients = fitted.patients
    before = _measures(patients.p_high, patients, settings)
    for way in (way for way in Way if way in fitted.probabilities or way in fitted.reasons):
        recalibrated = fitted.probabilities.get(way)
        after = None if recalibrated is None else _measures(recalibrated, patients, settings)
        for measure, first in before.items():
            second = None if after is None else after[measure]
            reason = fitted.reasons[way] if second is None else second.reason
            method = f"not computed: {NOT_LEARNT[fitted.reasons[way]]}" if second is None else second.method
            is_brier = measure == "brier" and recalibrated is not None
            difference = _brier_difference(patients, recalibrated, settings.confidence) if is_brier else _NOTHING
            if is_calibrated:
                difference = (difference[0], math.nan, math.nan)
            caution = None if second is None else second.caution
            if split == "oof" and second is not None:
                caution = caution or Caution.CROSS_FITTED
                method += f"; {fitted.how}"
                method += "; before: calibrated on these same patients" if is_calibrated else ""
            yield RecalibrationRow(
                model,
                split,
                way,
                measure,
                *(first.value, first.low, first.high),
                *(_NOTHING if second is None else (second.value, second.low, second.high)),
                *difference,
                n=len(patients),
                n_high=int(patients.is_high.sum()),
                method=method,
                confidence=None if second is None else second.confidence,
                reason=reason,
                caution=caution,
            )


_NOTHING = (math.nan, math.nan, math.nan)


def _measures(p_high: FloatVector, patients: ModelScores, settings: EvaluateSettings) -> dict[str, Estimate]:
    truths, confidence = patients.is_high, settings.confidence
    return {
        "brier": brier(p_high, truths, confidence=confidence),
        "calibration_intercept": calibration_intercept(p_high, truths, confidence=confidence),
        "calibration_slope": calibration_slope(p_high, truths, confidence=confidence),
        "ece": expected_calibration_error(p_high, truths),
    }


def _brier_difference(
    patients: ModelScores, recalibrated: FloatVector | None, confidence: float
) -> tuple[float, float, float]:
    """The Brier score after minus that before, with a normal interval from the patients' paired differences."""
    if recalibrated is None:
        return _NOTHING
    differences = (recalibrated - patients.is_high) ** 2 - (patients.p_high - patients.is_high) ** 2
    value = float(differences.mean())
    if differences.size < 2 or np.ptp(differences) == 0.0:
        return value, math.nan, math.nan
    reach = normal_quantile(confidence) * float(differences.std(ddof=1)) / math.sqrt(differences.size)
    return value, value - reach, value + reach
