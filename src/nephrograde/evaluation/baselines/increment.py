"""What the images add to what is known without them: a stacked score with and without the image.

A network may be better than tumour size and still add nothing to it, and one that is worse may add something. So for
each network, two penalised logistic regressions are fitted in the same folds on the same patients: one on the clinical
columns and the tumour size, the other on these and the network's score. The score of a training patient is the
out-of-fold one, of the network that was not trained on this patient; test patients are scored by the mean over folds,
as everywhere. Their differences on the test patients are what the images add.

The networks of the other folds were trained on a fold's patients, so out of fold the stack has seen a little of
them. Where there are no test patients and the differences are out of fold, every row says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nephrograde.cohort.clinical import present_columns
from nephrograde.errors import ScoresError
from nephrograde.evaluation.baselines.baseline import fit_baseline, stacked_predictors, transformed
from nephrograde.evaluation.calibration.benefit import benefit_contributions
from nephrograde.evaluation.calibration.calibration import calibration_intercept, calibration_slope
from nephrograde.evaluation.calibration.logistic import clipped_log_odds, firth_likelihood
from nephrograde.evaluation.comparison.compare import auc_row
from nephrograde.evaluation.comparison.pairs import auc_differences, pair_models
from nephrograde.evaluation.performance.resample import percentile_bounds, resampled_means
from nephrograde.evaluation.remarks import FEWEST_FOR_VERDICT, Caution, Judged, Reason
from nephrograde.evaluation.scores.scores import SPLITS, Score, Scores
from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.evaluation.scores.scores import ModelScores, SplitName
    from nephrograde.study import EvaluateSettings
    from nephrograde.vocabulary import BoolVector

SIZE_COLUMN = "size_cm"
WITHOUT, WITH = "without-image", "with-image"
"""The two stacks of a network; their scores are called like ``weak-1-cmp/with-image``."""
_ALIKE = 1e-8  # relative length below which a column follows from others


@dataclass(frozen=True, slots=True)
class Increment(Judged):
    """One measure of a network's stack, without and with the image; a row of ``statistics/increment.csv``.

    ``base`` lists the columns of both stacks. For "auc", "brier" and "net_benefit" (at the threshold probability
    ``at``), ``difference`` is the value with minus that without the image, and ``low`` and ``high`` bound it; a
    negative difference of the Brier score is a gain. For "likelihood_ratio" there are only ``statistic`` and
    ``p_value``. For "calibration_intercept" and "calibration_slope", ``low`` and ``high`` bound the value with the
    image. NaN means "not computed", and ``reason`` says why.
    """

    model: str
    base: str
    split: str
    measure: str
    at: float
    without: float
    with_image: float
    difference: float
    low: float
    high: float
    statistic: float
    p_value: float
    n: int
    n_high: int
    method: str
    confidence: float | None = None
    replicates: int | None = None
    reason: Reason | None = None
    caution: Caution | None = None
    is_reliable: bool = field(init=False)


@dataclass(frozen=True, slots=True)
class Stacks:
    """The increments of all networks, and the scores of their stacks, from which they are computed."""

    increments: tuple[Increment, ...] = ()
    scores: Scores = field(default_factory=lambda: Scores(()))


def stack_images(
    scores: Scores,
    cohort: Cohort,
    split: Split,
    settings: EvaluateSettings,
    *,
    log_sizes: Mapping[str, tuple[float | str | None, ...]],
) -> Stacks:
    """Fit and compare the stacks of every network.

    Args:
        scores: The scores of the networks, out of fold and for the test patients.
        cohort: The patients with their clinical columns.
        split: Test patients and folds of the study.
        settings: ``[evaluate]`` of the study: clinical columns, threshold probabilities, confidence level, bootstrap.
        log_sizes: The logarithm of the tumour size by patient id, from
            :func:`~nephrograde.evaluation.baselines.baseline.measured_predictors`.

    Returns:
        The rows by network; nothing if the cohort has neither clinical columns nor sizes.

    Source:
        Stacking: Wolpert 1992, Neural Networks 5:241. Added value: Steyerberg 2010, Epidemiology 21:128.
    """
    columns = [name for name in present_columns(settings.clinical, cohort.clinical_columns) if name != SIZE_COLUMN]
    names = [*columns, *(["size"] if log_sizes else [])]
    if not names:
        return Stacks()
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    increments: list[Increment] = []
    rows: list[Score] = []
    for model in scores.models:
        if model in BASELINES:
            continue
        log_odds = _image_log_odds(scores, model)
        pair = [
            stacked_predictors(cohort, columns, log_sizes=log_sizes, image_log_odds=log_odds, with_image=with_image)
            for with_image in (False, True)
        ]
        try:
            stacked = [
                fit_baseline(predictors, is_high, split, model=f"{model}/{name}")
                for predictors, name in zip(pair, (WITHOUT, WITH), strict=True)
            ]
        except ScoresError:  # the training patients of some fold are of one grade
            continue
        own = Scores((*stacked[0], *stacked[1]))
        rows += own.rows
        reported: SplitName = "test" if scores.has_test else "oof"
        without, with_image = (own.of(f"{model}/{name}", reported) for name in (WITHOUT, WITH))
        if len(without):
            learning = [patient_id for patient_id in split.train_ids() if patient_id in log_odds]
            columns_seen = transformed(pair[0], learning, without.patient_ids)
            image = np.array([log_odds[patient_id] for patient_id in without.patient_ids])
            stack = _Stack(model, " + ".join(names), reported, without, with_image, columns_seen, image)
            increments += _measure(stack, settings)
    return Stacks(tuple(increments), Scores(tuple(rows)))


class _Stack(NamedTuple):
    """The two stacks of a network on the same patients, and what the likelihood ratio test needs."""

    model: str
    base: str
    split: SplitName
    without: ModelScores
    with_image: ModelScores
    columns: npt.NDArray[np.float64]
    image: npt.NDArray[np.float64]

    @property
    def is_high(self) -> BoolVector:
        return self.without.is_high


def _image_log_odds(scores: Scores, model: str) -> dict[str, float]:
    """The score of every patient by a network that was not trained on the patient."""
    found: dict[str, float] = {}
    for split in SPLITS:
        patients = scores.of(model, split)
        log_odds = clipped_log_odds(patients.p_high)
        found.update(zip(patients.patient_ids, log_odds.tolist(), strict=True))
    return found


def _measure(stack: _Stack, settings: EvaluateSettings) -> list[Increment]:
    rows = [
        _likelihood_ratio(stack),
        _auc(stack, settings),
        *_averages(stack, settings),
        *_calibration(stack, settings),
    ]
    return [_cautious(row) for row in rows]


def _row(stack: _Stack, measure: str, method: str, **values: Any) -> Increment:
    """A row in which only the given numbers are there."""
    nan = math.nan
    truths = stack.is_high
    empty = dict.fromkeys(("at", "without", "with_image", "difference", "low", "high", "statistic", "p_value"), nan)
    counts = {"n": truths.size, "n_high": int(truths.sum())}
    return Increment(
        stack.model,
        stack.base,
        stack.split,
        measure,
        **{**empty, **counts, "method": f"{method}; {stack.split} patients", **values},
    )


def _cautious(row: Increment) -> Increment:
    """Say of a number what limits it: that it is out of fold, or that there are few patients."""
    if row.reason is not None or row.caution is not None:
        return row
    if row.split == "oof":
        return replace(row, caution=Caution.FITTED_FOLDS)
    if min(row.n_high, row.n - row.n_high) < FEWEST_FOR_VERDICT:
        return replace(row, caution=Caution.UNSTABLE)
    return row


def _likelihood_ratio(stack: _Stack) -> Increment:
    """Test on the reported patients whether the image score tells more than the columns, all of them fitted again.

    Fitted again, because the frozen stack is itself uncertain: an image score that only repeats the size would correct
    its errors, and be called an addition in 7 to 10 instead of 5 % of studies.
    """
    from scipy.stats import chi2

    method = "penalised likelihood ratio (Firth), columns fitted again on these patients"
    truths = stack.is_high
    if truths.all() or not truths.any():
        return _row(stack, "likelihood_ratio", "not computed: patients of one grade", reason=Reason.ONE_GRADE)
    base = _independent(np.column_stack([np.ones(truths.size), stack.columns]))
    whole = _independent(np.column_stack([base, stack.image - stack.image.mean()]))
    if whole.shape[1] == base.shape[1]:
        return _row(stack, "likelihood_ratio", "not computed: scores alike", reason=Reason.PREDICTIONS_ALIKE)
    if whole.shape[1] >= truths.size:
        return _row(
            stack, "likelihood_ratio", "not computed: as many columns as patients", reason=Reason.TOO_MANY_VALUES
        )
    free = whole.shape[1]
    with_image, without = (firth_likelihood(whole, truths, free=count) for count in (free, free - 1))
    statistic = max(0.0, 2.0 * (with_image - without))
    if math.isnan(with_image + without):
        return _row(stack, "likelihood_ratio", "not computed: no maximum found", reason=Reason.NOT_CONVERGED)
    return _row(stack, "likelihood_ratio", method, statistic=statistic, p_value=float(chi2.sf(statistic, 1)))


def _independent(columns: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The columns that do not follow from those before them, such as an entry that nobody has."""
    kept: list[npt.NDArray[np.float64]] = []
    directions: list[npt.NDArray[np.float64]] = []
    for column in columns.T:
        rest = column.astype(np.float64)
        for direction in (*directions, *directions):  # twice, against rounding
            rest = rest - direction * (direction @ rest)
        length = float(np.linalg.norm(rest))
        if length > _ALIKE * max(1.0, float(np.linalg.norm(column))):
            kept.append(column)
            directions.append(rest / length)
    return np.column_stack(kept)


def _auc(stack: _Stack, settings: EvaluateSettings) -> Increment:
    both = {WITH: stack.with_image, WITHOUT: stack.without}
    (found,) = auc_differences(pair_models(both, split=stack.split))
    row = auc_row(found, confidence=settings.confidence)
    values: dict[str, float] = {}
    if found.areas is not None:
        values = {"without": found.areas[1].value, "with_image": found.areas[0].value}
    return _row(
        stack,
        "auc",
        row.method.partition(";")[0],
        n=found.n,
        n_high=found.n_high,
        difference=row.difference,
        low=row.low,
        high=row.high,
        statistic=row.statistic,
        p_value=row.p_value,
        confidence=row.confidence,
        reason=row.reason,
        caution=row.caution,
        **values,
    )


def _averages(stack: _Stack, settings: EvaluateSettings) -> list[Increment]:
    """The Brier score and the net benefit, which are averages over patients, with bootstrap intervals."""
    truths = stack.is_high
    parts = []
    for patients in (stack.without, stack.with_image):
        squares = (patients.p_high - truths) ** 2
        benefits = benefit_contributions(patients.p_high, truths, thresholds=settings.benefit_at)
        parts.append(np.column_stack([squares, benefits]))
    differences = parts[1] - parts[0]
    resampled = resampled_means(differences, replicates=settings.bootstraps, seed=settings.seed)
    low, high = percentile_bounds(resampled, confidence=settings.confidence)
    varies = np.ptp(differences, axis=0) > 0.0
    drawn = len(resampled)
    method = f"bootstrap by patient, {drawn} replicates, percentile, {100 * settings.confidence:g} % CI"
    names = [("brier", math.nan), *(("net_benefit", at) for at in settings.benefit_at)]
    return [
        _row(
            stack,
            measure,
            method,
            at=at,
            without=float(parts[0][:, k].mean()),
            with_image=float(parts[1][:, k].mean()),
            difference=float(differences[:, k].mean()),
            low=float(low[k]) if varies[k] else math.nan,
            high=float(high[k]) if varies[k] else math.nan,
            confidence=settings.confidence,
            replicates=drawn,
            caution=None if varies[k] else Caution.ZERO_VARIANCE,
        )
        for k, (measure, at) in enumerate(names)
    ]


def _calibration(stack: _Stack, settings: EvaluateSettings) -> list[Increment]:
    rows = []
    for measure in (calibration_intercept, calibration_slope):
        try:
            without, with_image = (
                measure(patients.p_high, stack.is_high, confidence=settings.confidence)
                for patients in (stack.without, stack.with_image)
            )
        except ScoresError as error:
            if error.reason is None:
                raise
            rows.append(_row(stack, measure.__name__, f"not computed: {error}", reason=Reason(error.reason)))
        else:
            rows.append(
                _row(
                    stack,
                    measure.__name__,
                    with_image.method,
                    without=without.value,
                    with_image=with_image.value,
                    low=with_image.low,
                    high=with_image.high,
                    confidence=with_image.confidence,
                    reason=with_image.reason,
                )
            )
    return rows
