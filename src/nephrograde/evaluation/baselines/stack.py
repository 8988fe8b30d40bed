"""Everything that is known of a patient in one score: the stack of all baselines and networks of a study.

A penalised logistic regression joins the log odds of all of them. The score of a patient must not depend on the
patient's own outcome, nor on those of the patients who are scored with it. So the regression that scores the patients
of a fold is fitted to the patients of the other folds, and for it, the baselines of these are fitted once more without
that fold: none of what it learns from has seen the fold. Networks are not trained once more. Those of the other folds
have learnt from the patients of the fold, which leaves a trace of their outcomes in the out-of-fold score of the stack:
``bench/stack.py`` measures it. No score has a negative weight, which about halves this trace: networks that learn noise
are right or wrong in all folds alike, and a negative weight would turn a wrong one round. Test patients are free of it:
the regression that scores them is fitted to all out-of-fold scores.

A score that a patient does not have is replaced by the median, and a further input says that it is missing. Models of
late fusion are left out: they are made of scores that the stack has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.cohort.clinical import encode, learn_terms
from nephrograde.errors import ScoresError
from nephrograde.evaluation.baselines.baseline import fit_and_predict
from nephrograde.evaluation.remarks import Reason
from nephrograde.evaluation.scores.prevalence import log_odds, probability
from nephrograde.evaluation.scores.scores import SPLITS, Score
from nephrograde.evaluation.uncertainty.cross_fit import draw_folds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.cohort.clinical import Term
    from nephrograde.cohort.split import Split
    from nephrograde.evaluation.baselines.baseline import Predictors
    from nephrograde.evaluation.scores.scores import Scores
    from nephrograde.vocabulary import BoolVector

STACK = "stack"
"""What the stack is called in ``scores/stacked.csv``."""
PENALTY = 0.1
"""Inverse strength of the L2 penalty of the stack, on standardised inputs."""
_PRECISE: Any = {"ftol": 1e-14, "gtol": 1e-9, "maxiter": 1000}

ByModel: TypeAlias = "dict[str, dict[str, float]]"
"""Log odds by patient id, then by model."""


def stack_scores(
    scores: Scores, split: Split, parts: Sequence[str], baselines: Mapping[str, Predictors], *, seed: int
) -> tuple[Score, ...]:
    """Score every patient with the stack.

    Args:
        scores: The scores of all models, out of fold and for the test patients.
        split: Test patients and folds of the study.
        parts: The models that are joined.
        baselines: The predictors of those that are baselines, which are fitted once more without each fold.
        seed: Of the halves into which a single other fold is divided.

    Returns:
        Out-of-fold rows by fold and id, then test rows by id; patients without any of the scores have none.

    Raises:
        ScoresError: The patients that a regression would be fitted to are all of one grade.

    Source:
        Stacking on out-of-fold scores: Wolpert 1992, Neural Networks 5:241. Weights of at least 0: Breiman 1996, Mach
        Learn 24:49.
    """
    known: dict[str, ByModel] = {one: {} for one in SPLITS}
    first: dict[str, Score] = {}
    for row in scores.rows:
        if row.model in parts:
            first.setdefault(row.patient_id, row)
            known[row.split].setdefault(row.patient_id, {})[row.model] = log_odds(row.p_high)
    is_high = {patient_id: row.is_high for patient_id, row in first.items()}
    nested = {
        name: _without_each_fold(predictors, is_high, split, seed=seed)
        for name, predictors in baselines.items()
        if name in parts
    }
    rows: list[Score] = []
    for fold in range(split.folds):
        held_out = [patient_id for patient_id in split.fold_ids(fold) if patient_id in known["oof"]]
        others = [patient_id for patient_id in split.train_ids() if patient_id in known["oof"]]
        learning = {patient_id: dict(known["oof"][patient_id]) for patient_id in others if patient_id not in held_out}
        for name, of_fold in nested.items():
            for patient_id, values in learning.items():
                values.pop(name, None)
                if patient_id in of_fold[fold]:
                    values[name] = of_fold[fold][patient_id]
        joined = _join(parts, learning, is_high, where=f"fold {fold}")
        rows += _scored(joined, {one: known["oof"][one] for one in sorted(held_out)}, first, fold)
    if known["test"]:
        joined = _join(parts, known["oof"], is_high, where="for the test patients")
        rows += _scored(joined, {one: known["test"][one] for one in sorted(known["test"])}, first, None)
    return tuple(rows)


class _Joined(NamedTuple):
    """A fitted regression: its inputs, the intercept, and the weights of the inputs."""

    terms: tuple[Term, ...]
    intercept: float
    weights: npt.NDArray[np.float64]


def _join(parts: Sequence[str], learning: ByModel, is_high: Mapping[str, bool], *, where: str) -> _Joined:
    truths = np.array([is_high[patient_id] for patient_id in learning], dtype=np.bool_)
    if truths.all() or not truths.any():
        raise ScoresError(
            f"Stack of all models, {where}: the {truths.size} patients to learn from are not of both grades. "
            "Take fewer folds.",
            Reason.ONE_GRADE,
        )
    terms = learn_terms(parts, [[values.get(name) for name in parts] for values in learning.values()])
    inputs = np.array([encode(terms, values) for values in learning.values()])
    intercept, weights = _regress(inputs, truths, [term.kind == "number" for term in terms])
    return _Joined(terms, intercept, weights)


def _regress(
    inputs: npt.NDArray[np.float64], truths: BoolVector, are_scores: Sequence[bool]
) -> tuple[float, npt.NDArray[np.float64]]:
    """Fit a logistic regression with an L2 penalty, in which no score has a negative weight."""
    from scipy.optimize import minimize
    from scipy.special import expit, logit

    def loss(given: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        intercept, weights = given[0], given[1:]
        log_odds = intercept + inputs @ weights
        value = PENALTY * float((np.logaddexp(0.0, log_odds) - truths * log_odds).sum()) + 0.5 * float(
            weights @ weights
        )
        excess = PENALTY * (expit(log_odds) - truths)
        return value, np.concatenate([[excess.sum()], inputs.T @ excess + weights])

    bounds = [(None, None), *((0.0 if is_score else None, None) for is_score in are_scores)]
    start = np.concatenate([[float(logit(truths.mean()))], np.zeros(inputs.shape[1])])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=_PRECISE).x
    return float(found[0]), np.asarray(found[1:], dtype=np.float64)


def _scored(joined: _Joined, asked: ByModel, first: Mapping[str, Score], fold: int | None) -> list[Score]:
    if not asked:
        return []
    inputs = np.array([encode(joined.terms, values) for values in asked.values()])
    p_high = map(probability, (joined.intercept + inputs @ joined.weights).tolist())
    return [
        Score(patient_id, STACK, "test" if fold is None else "oof", fold, first[patient_id].is_high, p)
        for patient_id, p in zip(asked, p_high, strict=True)
    ]


def _without_each_fold(
    predictors: Predictors, is_high: Mapping[str, bool], split: Split, *, seed: int
) -> list[dict[str, float]]:
    """For each fold, the log odds of the patients of the others, by models that know neither them nor the fold."""
    folds = [
        [patient_id for patient_id in split.fold_ids(fold) if patient_id in predictors.values and patient_id in is_high]
        for fold in range(split.folds)
    ]
    found: list[dict[str, float]] = [{} for _ in folds]
    if len(folds) == 2:  # without both folds nobody is left, so the other fold is halved
        for fold, other in ((0, folds[1]), (1, folds[0])):
            truths = np.array([is_high[patient_id] for patient_id in other], dtype=np.bool_)
            half = draw_folds(truths, 2, np.random.default_rng(seed))
            first, second = ([one for one, own in zip(other, half, strict=True) if own == k] for k in (0, 1))
            found[fold] = {
                **_predicted(predictors, is_high, first, second),
                **_predicted(predictors, is_high, second, first),
            }
        return found
    for a in range(len(folds)):
        for b in range(a):
            learning = [one for fold, own in enumerate(folds) if fold not in {a, b} for one in own]
            both = _predicted(predictors, is_high, learning, [*folds[a], *folds[b]])
            found[a].update({patient_id: both[patient_id] for patient_id in folds[b]})
            found[b].update({patient_id: both[patient_id] for patient_id in folds[a]})
    return found


def _predicted(
    predictors: Predictors, is_high: Mapping[str, bool], learning: Sequence[str], asked: Sequence[str]
) -> dict[str, float]:
    truths = [is_high[patient_id] for patient_id in learning]
    if len(set(truths)) < 2:
        raise ScoresError(
            f"Stack of all models: {len(truths)} patients to learn a baseline from are not of both grades. "
            "Take fewer folds.",
            Reason.ONE_GRADE,
        )
    p_high = fit_and_predict(predictors, learning, truths=truths, asked=asked)
    return dict(zip(asked, map(log_odds, p_high), strict=True))
