"""The evaluation of a study: every model of a score table, alone and against every other.

The threshold of a model is chosen on its out-of-fold training predictions and then applied unchanged to the test rows.
The results are tables that a person can open, and from which the report is made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import ScoresError
from nephrograde.evaluation.calibration.benefit import BenefitPoint, net_benefit_curve, with_bands
from nephrograde.evaluation.calibration.calibration import (
    CalibrationPoint,
    brier,
    calibration_curve,
    calibration_intercept,
    calibration_slope,
    expected_calibration_error,
)
from nephrograde.evaluation.comparison.compare import Comparison, compare_models
from nephrograde.evaluation.comparison.equivalence import Equivalence, compare_equivalence
from nephrograde.evaluation.comparison.out_of_fold import estimate_out_of_fold, of_fitted_folds, pooled_if_out_of_fold
from nephrograde.evaluation.performance.bootstrap import bootstrap_aucs
from nephrograde.evaluation.performance.metrics import (
    Confusion,
    Estimate,
    accuracy,
    auc,
    auc_delong,
    confusion,
    npv,
    ppv,
    sensitivity,
    specificity,
)
from nephrograde.evaluation.performance.subgroup import SubgroupEstimate, estimate_subgroups
from nephrograde.evaluation.performance.threshold import Threshold, choose_threshold
from nephrograde.evaluation.remarks import Caution, Reason, Rule
from nephrograde.evaluation.scores.scores import SPLITS, ModelScores, Scores, SplitName
from nephrograde.evaluation.tables import write_estimates, write_table
from nephrograde.evaluation.uncertainty.uncertainty import Uncertainty, joined, uncertainty_of, write_uncertainty
from nephrograde.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from nephrograde.evaluation.comparison.family import Arms
    from nephrograde.evaluation.tables import ModelEstimate
    from nephrograde.evaluation.uncertainty.frozen import Frozen
    from nephrograde.run.folder import RunFolder
    from nephrograde.study import EvaluateSettings

_MANY_ROWS = 20_000
"""Rows of a score table from which on threads gain time."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that is computed from a score table.

    ``estimates`` are (model, split, estimate); ``thresholds`` are by model. Pairs, curves and subgroups are computed on
    the test patients, or out of fold if there are none; the uncertainty on both.
    """

    estimates: tuple[ModelEstimate, ...]
    comparisons: tuple[Comparison, ...]
    thresholds: Mapping[str, Threshold]
    equivalences: tuple[Equivalence, ...]
    calibration: tuple[CalibrationPoint, ...]
    net_benefit: tuple[BenefitPoint, ...]
    subgroups: tuple[SubgroupEstimate, ...]
    uncertainty: Uncertainty = field(default_factory=Uncertainty)


def evaluate_scores(
    scores: Scores,
    settings: EvaluateSettings,
    groups: Mapping[str, Mapping[str, str]] | None = None,
    *,
    arms: Arms | None = None,
    fused: Collection[str] = (),
    frozen: Mapping[str, Frozen] | None = None,
) -> Evaluation:
    """Evaluate every model of a score table and compare every pair.

    Both splits are estimated. The AUC of the out-of-fold rows is the mean of the folds, with that over all of them as a
    measure of its own; calls on these rows use a threshold chosen on the same patients, and their notes say so. Models
    are compared on the test patients, or out of fold if the table has no test rows. What cannot be computed (one grade
    only in a split, no common patients) keeps its row, with a reason instead of a number.

    Args:
        scores: The score table.
        settings: ``[evaluate]`` of the study: confidence level, threshold rule, margin and so on.
        groups: Columns that define subgroups: by column, the text of each patient.
        arms: The arm and the phase of each network of a study, which decide the families of comparisons.
        fused: The models among these that join the scores of others by a regression fitted to the other folds. Their
            out-of-fold scores were calibrated on other patients, unlike those of networks.
        frozen: Threshold, recalibration and cutoffs of models from elsewhere, by model; they are used as they are.

    Returns:
        Estimates by model, split and measure; comparisons and equivalences by pair; curves and subgroups by model.

    Raises:
        ScoresError: The table is empty, or all its patients are of one grade.

    Source:
        Measures: the paper, which names no intervals, tests or threshold rule.

    >>> from nephrograde.evaluation.scores.scores import Score, Scores
    >>> from nephrograde.study import EvaluateSettings
    >>> p_high = {"A": 0.25, "B": 0.5, "C": 0.75}
    >>> rows = tuple(Score(i, "size", "test", None, i == "C", p) for i, p in p_high.items())
    >>> result = evaluate_scores(Scores(rows), EvaluateSettings())
    >>> print(result.thresholds["size"])
    threshold 0.5 (fixed: no out-of-fold rows)
    >>> [f"{e.measure} {e}" for _, _, e in result.estimates if e.measure == "specificity"]
    ['specificity 0.500 (0.095–0.905)']
    """
    _require_both_grades(scores)
    given = {model: one.threshold for model, one in (frozen or {}).items()}
    thresholds = {
        model: given.get(model) or choose_threshold(scores.of(model, "oof"), settings) for model in scores.models
    }
    reported: SplitName = "test" if scores.has_test else "oof"
    models = {model: scores.of(model, reported) for model in scores.models}
    values = {model: threshold.value for model, threshold in thresholds.items()}
    chosen = [model for model, threshold in thresholds.items() if threshold.rule is not Rule.FIXED]
    calibrated = set(arms or ()).difference(fused)
    confidence, margin, primary = settings.confidence, settings.margin, settings.primary
    # Nothing below depends on anything else, so that the number of threads changes no number.
    with side_by_side(None if len(scores.rows) >= _MANY_ROWS else 1) as workers:
        bootstrapped = {split: workers.begin(_bootstrap, scores, split, settings) for split in SPLITS}
        benefit = workers.begin(_net_benefit, models, reported, settings)
        alone = _Alone(scores, settings, reported, groups or {})
        begun = [
            workers.begin(
                alone.evaluate,
                model,
                threshold,
                is_calibrated=model in calibrated,
                frozen=(frozen or {}).get(model),
            )
            for model, threshold in thresholds.items()
        ]
        compared = workers.begin(
            compare_models, models, values, split=reported, confidence=confidence, arms=arms, primary=primary
        )
        equivalent = workers.begin(compare_equivalence, models, margin=margin, split=reported)
    resampled = {split: made.result() for split, made in bootstrapped.items()}
    parts = [made.result() for made in begun]
    return Evaluation(
        tuple(chain.from_iterable(part.with_bootstrap(resampled, thresholds) for part in parts)),
        of_fitted_folds(compared.result(), reported, chosen=chosen),
        thresholds,
        of_fitted_folds(equivalent.result(), reported),
        tuple(chain.from_iterable(part.calibration for part in parts)),
        benefit.result(),
        tuple(chain.from_iterable(part.subgroups for part in parts)),
        joined([part.uncertainty for part in parts]),
    )


def check_primary(scores: Scores, settings: EvaluateSettings) -> None:
    """Check that a score table has the two models of the primary comparison.

    Args:
        scores: The score table.
        settings: The settings of the evaluation.

    Raises:
        ScoresError: It lacks one of them.
    """
    missing = [model for model in settings.primary or () if model not in scores.models]
    if missing:
        raise ScoresError(
            f"evaluate.primary names {' and '.join(missing)}, but the table has: {', '.join(scores.models)}. "
            "Name two models of the table."
        )


def write_statistics(evaluation: Evaluation, run: RunFolder) -> None:
    """Write all tables of ``statistics/``, and the recalibrated probabilities of the patients.

    Args:
        evaluation: What :func:`evaluate_scores` has computed.
        run: The run folder; created if it is missing.
    """
    write_estimates(evaluation.estimates, run.estimates_path)
    write_table(evaluation.comparisons, Comparison, run.comparisons_path)
    write_table(evaluation.equivalences, Equivalence, run.equivalence_path)
    write_table(evaluation.calibration, CalibrationPoint, run.calibration_path)
    write_table(evaluation.net_benefit, BenefitPoint, run.net_benefit_path)
    write_table(evaluation.subgroups, SubgroupEstimate, run.subgroups_path)
    write_uncertainty(evaluation.uncertainty, run)


def _require_both_grades(scores: Scores) -> None:
    grades = {
        bool(truth)
        for model in scores.models
        for split in SPLITS
        for truth in np.unique(scores.of(model, split).is_high)
    }
    if not grades:
        raise ScoresError("The score table has no rows. Write one row per patient and model.")
    if len(grades) == 1:
        there, other = ("high", "low") if True in grades else ("low", "high")
        raise ScoresError(f"All patients of the score table are {there} grade. Add patients of {other} grade.")


@dataclass(frozen=True, slots=True)
class _OfModel:
    """What is computed of one model alone; ``estimates`` by split, without those of the bootstrap."""

    model: str
    patients: Mapping[SplitName, ModelScores]
    estimates: Mapping[SplitName, list[Estimate]]
    calibration: tuple[CalibrationPoint, ...]
    subgroups: tuple[SubgroupEstimate, ...]
    uncertainty: Uncertainty

    def with_bootstrap(
        self, resampled: Mapping[SplitName, Mapping[str, Estimate]], thresholds: Mapping[str, Threshold]
    ) -> Iterator[ModelEstimate]:
        """All measures in the splits that the model has, in the order of the table."""
        for split, measured in self.estimates.items():
            first, *others = measured
            made = [first, pooled_if_out_of_fold(resampled[split][self.model], split), *others]
            made = _say_constant(made, self.patients[split])
            oof = self.patients["oof"]
            made.append(_threshold_row(thresholds[self.model], int(oof.is_high.sum())))
            yield from ((self.model, split, estimate) for estimate in made)


@dataclass(frozen=True, slots=True)
class _Alone:
    """Evaluates models alone; holds what all of them share."""

    scores: Scores
    settings: EvaluateSettings
    reported: SplitName
    groups: Mapping[str, Mapping[str, str]]

    def evaluate(self, model: str, threshold: Threshold, *, is_calibrated: bool, frozen: Frozen | None) -> _OfModel:
        settings, reported, confidence = self.settings, self.reported, self.settings.confidence
        patients = {split: self.scores.of(model, split) for split in SPLITS}
        own = patients[reported]
        both = own.p_high, own.is_high
        return _OfModel(
            model,
            patients,
            {
                split: _estimate_all(patients[split], threshold, split, confidence=confidence)
                for split in SPLITS
                if len(patients[split])
            },
            calibration_curve(*both, model=model, split=reported, confidence=confidence) if len(own) else (),
            estimate_subgroups(
                own, self.groups, model=model, split=reported, confidence=confidence, columns=settings.subgroups
            ),
            uncertainty_of(self.scores, model, threshold, settings, is_calibrated=is_calibrated, frozen=frozen),
        )


def _bootstrap(scores: Scores, split: SplitName, settings: EvaluateSettings) -> dict[str, Estimate]:
    models = {model: scores.of(model, split) for model in scores.models if len(scores.of(model, split))}
    return bootstrap_aucs(models, replicates=settings.bootstraps, seed=settings.seed, confidence=settings.confidence)


def _net_benefit(
    models: Mapping[str, ModelScores], split: SplitName, settings: EvaluateSettings
) -> tuple[BenefitPoint, ...]:
    """The decision curve of every model, with its band."""
    low, high = settings.benefit_range
    curves = {
        model: net_benefit_curve(patients.p_high, patients.is_high, model=model, split=split, low=low, high=high)
        for model, patients in models.items()
        if len(patients)
    }
    banded = with_bands(
        curves, models, replicates=settings.bootstraps, seed=settings.seed, confidence=settings.confidence
    )
    return tuple(chain.from_iterable(banded.values()))


def _threshold_row(threshold: Threshold, n_high: int) -> Estimate:
    return Estimate(
        "threshold",
        threshold.value,
        math.nan,
        math.nan,
        threshold.n,
        n_high,
        method=threshold.how,
        rule=threshold.rule,
        rule_value=threshold.rule_value,
        caution=threshold.caution,
    )


def _estimate_all(
    patients: ModelScores, threshold: Threshold, split: SplitName, *, confidence: float
) -> list[Estimate]:
    both = patients.p_high, patients.is_high
    counts = confusion(*both, threshold=threshold.value)
    how, caution = str(threshold), _called_alike(counts)
    if split == "oof" and threshold.rule is not Rule.FIXED:
        how += ", chosen on these same patients: optimistic"
        caution = Caution.OPTIMISTIC
    made = _areas(patients, counts, split, confidence=confidence)
    for share in (accuracy, sensitivity, specificity, ppv, npv):
        estimate = _attempt(share.__name__, counts, partial(share, counts, confidence=confidence))
        note = "; ".join(part for part in (estimate.note, how) if part)
        made.append(replace(estimate, note=note, caution=caution))
    for name in ("tp", "fp", "tn", "fn"):
        count = float(getattr(counts, name))
        made.append(Estimate(name, count, math.nan, math.nan, counts.n, counts.n_high, "count", how, caution=caution))
    made += [
        _attempt(quality.__name__, counts, partial(quality, *both, confidence=confidence))
        for quality in (brier, calibration_intercept, calibration_slope)
    ]
    made.append(_attempt("ece", counts, partial(expected_calibration_error, *both)))
    return made


def _areas(patients: ModelScores, counts: Confusion, split: SplitName, *, confidence: float) -> list[Estimate]:
    """The AUC, first the primary one: that of the test patients, or the mean of the folds."""
    if split == "oof" and counts.n_high and counts.n_low:
        return estimate_out_of_fold(patients, confidence=confidence)
    both = patients.p_high, patients.is_high
    return [_attempt(area.__name__, counts, partial(area, *both, confidence=confidence)) for area in (auc, auc_delong)]


def _called_alike(counts: Confusion) -> Caution | None:
    """Whether the threshold lies outside of the range of the scores."""
    if counts.tp + counts.fp == counts.n:
        return Caution.ALL_CALLED_HIGH
    return Caution.ALL_CALLED_LOW if counts.tn + counts.fn == counts.n else None


def _say_constant(made: list[Estimate], patients: ModelScores) -> list[Estimate]:
    """Say of a model that gives everyone the same probability that its AUC is 0.5 by construction."""
    if len(patients) < 2 or np.ptp(patients.p_high) > 0.0:
        return made
    note = "all patients have the same probability: AUC 0.5 by construction"
    return [
        replace(row, note=note, caution=Caution.CONSTANT_SCORES)
        if row.measure.startswith("auc") and row.reason is None
        else row
        for row in made
    ]


def _attempt(measure: str, counts: Confusion, make: Callable[[], Estimate]) -> Estimate:
    try:
        return make()
    except ScoresError as error:
        if error.reason is None:
            raise
        nan, method = math.nan, f"not computed: {error}"
        return Estimate(measure, nan, nan, nan, counts.n, counts.n_high, method, reason=Reason(error.reason))
