"""Prediction sets and recalibration where the truth is known: a simulation with real fits.

Patients have ten predictors, and the true probability of high grade is a logistic function of them. For each of five
folds, a logistic regression is fitted to the patients of the other folds, and new patients are scored by the
mean of the five, as in a study; with few patients such models are overconfident, as networks are. The first table says
how often prediction sets contain the truth, the second how well the probabilities are calibrated before and after
recalibration, both on 2,000 new patients for each sample, the first 100 of whom are the test set. Means of coverage are
given ± their Monte Carlo standard error. The exit code is 1 if a claim is missed. The seed is fixed.

Run: python bench/uncertainty.py [--replicates 400]
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from nephrograde.evaluation.calibration.calibration import brier, calibration_intercept, calibration_slope
from nephrograde.evaluation.calibration.recalibration import Way
from nephrograde.evaluation.performance.interval import share_interval
from nephrograde.evaluation.scores.scores import ModelScores
from nephrograde.evaluation.uncertainty.conformal import GradeSet, SetKind, coverage_range
from nephrograde.evaluation.uncertainty.cross_fit import cross_fit, draw_folds, fit_to_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.evaluation.uncertainty.cross_fit import CrossFitted
    from nephrograde.vocabulary import BoolVector, FloatVector

Values: TypeAlias = npt.NDArray[np.float64]

SEED = 20261128
SIZES = (100, 200, 400)
FOLDS, SHARE = 5, 0.4
"""Number of folds, and the share of high grade."""
PREDICTORS, INFORMATIVE, STRENGTH = 10, 4, 0.6
"""Predictors, how many of them differ between the grades, and by how many standard deviations."""
NEW, TESTED = 2000, 100
"""New patients, and the first of them, who are the test set; the others show the true coverage."""
ERROR = 0.1
SLACK, INTERVALS = 0.02, 0.93
"""How far the mean coverage may fall below its target, and how often exact intervals must contain the true one."""
MOST_STEPS, RIDGE = 30, 1e-3


def draw(n: int, stream: np.random.Generator) -> tuple[Values, BoolVector, FloatVector]:
    """Draw patients: predictors, grades, and the true probabilities of high grade."""
    is_high = stream.random(n) < SHARE
    shift = np.where(np.arange(PREDICTORS) < INFORMATIVE, STRENGTH, 0.0)
    values = stream.standard_normal((n, PREDICTORS)) + shift * is_high[:, np.newaxis]
    log_odds = logit(SHARE) + values @ shift - 0.5 * shift @ shift
    return values, is_high, np.asarray(expit(log_odds))


def fit_weights(values: Values, is_high: BoolVector) -> Values:
    """Fit a logistic regression by Newton's method; a tiny penalty keeps it finite where the grades are separated."""
    columns = np.column_stack([np.ones(len(values)), values])
    weights = np.zeros(columns.shape[1])
    for _ in range(MOST_STEPS):
        shares = expit(columns @ weights)
        information = (columns * (shares * (1.0 - shares))[:, np.newaxis]).T @ columns + RIDGE * np.eye(weights.size)
        step = np.linalg.solve(information, columns.T @ (is_high - shares) - RIDGE * weights)
        weights = weights + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-6:
            break
    return weights


def log_odds_of(values: Values, weights: Values) -> FloatVector:
    """The log odds that a model gives."""
    return np.asarray(weights[0] + values @ weights[1:])


def scores_of(p_high: FloatVector, is_high: BoolVector, folds: Sequence[int] = ()) -> ModelScores:
    """The scores of one model."""
    return ModelScores(tuple(map(str, range(p_high.size))), is_high, p_high, tuple(folds))


def simulate(n: int, stream: np.random.Generator) -> dict[str, list[float]]:
    """Fit the folds on one sample, and measure everything on new patients."""
    values, is_high, _ = draw(n, stream)
    new_values, new_high, true = draw(NEW, stream)
    folds = draw_folds(is_high, FOLDS, stream)
    models = [fit_weights(values[folds != fold], is_high[folds != fold]) for fold in range(FOLDS)]
    held_out = np.array([float(log_odds_of(values[k : k + 1], models[folds[k]])[0]) for k in range(n)])
    by_model = np.array([log_odds_of(new_values, weights) for weights in models])
    oof = scores_of(np.asarray(expit(held_out)), is_high, folds.tolist())
    new = scores_of(np.asarray(expit(by_model.mean(axis=0))), new_high)
    inside, outside = cross_fit(oof, error=ERROR, seed=SEED), fit_to_all(oof, new, error=ERROR)
    found: dict[str, list[float]] = {}
    for kind in SetKind:
        if kind in inside.sets and kind in outside.sets:
            found[f"oof {kind}"] = coverages(inside.sets[kind], is_high)
            found[f"new {kind}"] = coverages(outside.sets[kind], new_high)
            found[f"tested {kind}"] = [float(holds_in_test(outside.sets[kind], new_high))]
    found["cv+"] = coverages(cross_conformal(oof, by_model), new_high)
    for name, fitted, truths in (("oof", inside, is_high), ("new", outside, new_high)):
        for way, p_high in {"as scored": fitted.patients.p_high, **by_way(fitted)}.items():
            found[f"{name} {way}"] = calibration_of(p_high, truths)
            if name == "new":
                found[f"distance {way}"] = [float(((p_high - true) ** 2).mean())]
    return found


def by_way(fitted: CrossFitted) -> dict[str, FloatVector]:
    """The recalibrated probabilities by the name of the way."""
    return {str(way): fitted.probabilities[way] for way in Way if way in fitted.probabilities}


def coverages(sets: Sequence[GradeSet], is_high: BoolVector) -> list[float]:
    """The coverage of all, of high and of low, and the share that is referred."""
    found = np.array(sets)
    holds = (found == GradeSet.BOTH) | (found == np.where(is_high, GradeSet.HIGH, GradeSet.LOW))
    referred = ~np.array([one.is_decided for one in sets])
    return [float(share.mean()) for share in (holds, holds[is_high], holds[~is_high], referred)]


def holds_in_test(sets: Sequence[GradeSet], is_high: BoolVector) -> bool:
    """Whether the exact interval of the coverage of the test patients contains that of all other new patients."""
    tested = round(TESTED * coverages(sets[:TESTED], is_high[:TESTED])[0])
    low, high = share_interval(tested, TESTED, confidence=0.95, method="exact")
    return low <= coverages(sets[TESTED:], is_high[TESTED:])[0] <= high


def cross_conformal(oof: ModelScores, by_model: Values) -> list[GradeSet]:
    """Sets by grade that compare a new patient with each fold under the model of that fold (Vovk 2015)."""
    known, p_high = np.array(oof.folds), expit(by_model)
    beyond = np.zeros((2, p_high.shape[1]))
    for fold in range(FOLDS):
        own = known == fold
        high, low = np.sort(oof.p_high[own & oof.is_high]), np.sort(-oof.p_high[own & ~oof.is_high])
        beyond[0] += np.searchsorted(high, p_high[fold], side="right")
        beyond[1] += np.searchsorted(low, -p_high[fold], side="right")
    n_high = int(oof.is_high.sum())
    is_high, is_low = ((beyond[0] + 1) / (n_high + 1) > ERROR), ((beyond[1] + 1) / (len(oof) - n_high + 1) > ERROR)
    names = {(True, True): GradeSet.BOTH, (True, False): GradeSet.HIGH, (False, True): GradeSet.LOW}
    return [names.get((bool(a), bool(b)), GradeSet.NONE) for a, b in zip(is_high, is_low, strict=True)]


def calibration_of(p_high: FloatVector, is_high: BoolVector) -> list[float]:
    """The Brier score, and intercept and slope of the truths on log odds."""
    measures = (brier, calibration_intercept, calibration_slope)
    return [measure(p_high, is_high).value for measure in measures]


def standard_errors(found: Values) -> FloatVector:
    """The Monte Carlo standard error of the mean of each column."""
    return np.asarray(found.std(axis=0, ddof=1) / np.sqrt(len(found)))


def coverage_rows(n: int, found: Mapping[str, Sequence[Sequence[float]]]) -> tuple[list[list[str]], list[str]]:
    """The lines of the first table, and what misses a claim."""
    rows, misses = [], []
    for kind in SetKind:
        out_of_fold, new = np.array(found[f"oof {kind}"]), np.array(found[f"new {kind}"])
        low, high = np.quantile(new[:, 0 if kind is SetKind.MARGINAL else 1], [0.025, 0.975])
        calibrated = n if kind is SetKind.MARGINAL else round(SHARE * n)
        expected = coverage_range(calibrated, error=ERROR, confidence=0.95)
        held = float(np.mean(found[f"tested {kind}"]))
        means, errors = new.mean(axis=0), standard_errors(new)
        rows.append(
            [
                f"{n}",
                str(kind),
                *(f"{value:.3f}" for value in out_of_fold.mean(axis=0)[:3]),
                *(f"**{value:.3f}** ± {error:.4f}" for value, error in zip(means[:3], errors[:3], strict=True)),
                f"{low:.2f} to {high:.2f} ({expected[0]:.2f} to {expected[1]:.2f})",
                f"{held:.3f} ± {standard_errors(np.array(found[f'tested {kind}']))[0]:.3f}",
                f"{100 * means[3]:.0f} %",
            ]
        )
        wanted = means[:1] if kind is SetKind.MARGINAL else means[:3]
        misses += [f"n = {n}, {kind}: coverage {value:.3f}" for value in wanted if value < 1.0 - ERROR - SLACK]
        misses += [f"n = {n}, {kind}: {held:.3f} of the intervals hold"] if held < INTERVALS else []
    crossed = np.array(found["cv+"]).mean(axis=0)
    dashes = ["–"] * 3
    rows.append(
        [f"{n}", "cross-conformal", *dashes, *(f"{v:.3f}" for v in crossed[:3]), "–", "–", f"{100 * crossed[3]:.0f} %"]
    )
    return rows, misses


def calibration_rows(n: int, found: Mapping[str, Sequence[Sequence[float]]]) -> tuple[list[list[str]], list[str]]:
    """The lines of the second table, and what misses a claim."""
    rows, misses = [], []
    for way in ("as scored", *map(str, Way)):
        inside, outside = (np.array(found[f"{name} {way}"]) for name in ("oof", "new"))
        distances = np.array(found[f"distance {way}"])
        distance = float(distances.mean())
        rows.append(
            [
                f"{n}",
                way,
                f"{inside[:, 0].mean():.3f}",
                f"{outside[:, 0].mean():.3f}",
                f"{distance:.4f} ± {standard_errors(distances)[0]:.4f}",
                f"{outside[:, 1].mean():+.2f}",
                f"{np.median(inside[:, 2]):.2f}",
                f"{np.median(outside[:, 2]):.2f}",
            ]
        )
    before = float(np.mean(found["distance as scored"]))
    after = float(np.mean(found[f"distance {Way.PLATT}"]))
    misses += [f"n = {n}: Platt moves away from the true probabilities"] if after > before else []
    return rows, misses


COVERAGE_HEADINGS = (
    "n",
    "sets",
    "out of fold: all",
    "high",
    "low",
    "new patients: all",
    "high",
    "low",
    "95 % of samples (expected)",
    "intervals hold",
    "referred",
)
CALIBRATION_HEADINGS = (
    "n",
    "probabilities",
    "Brier, out of fold",
    "Brier, new",
    "squared distance from the true probability",
    "intercept, new",
    "slope, out of fold",
    "slope, new",
)


def main() -> int:
    """Print both tables; 1 where a claim is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--replicates", type=int, default=400)
    replicates: int = parser.parse_args().replicates
    first, second, misses = [], [], []
    for n in SIZES:
        stream = np.random.default_rng([SEED, n])
        found: dict[str, list[list[float]]] = defaultdict(list)
        for _ in range(replicates):
            for name, values in simulate(n, stream).items():
                found[name].append(values)
        rows, missed = coverage_rows(n, found)
        more_rows, more_missed = calibration_rows(n, found)
        first += rows
        second += more_rows
        misses += [*missed, *more_missed]
    print(
        f"Prediction sets with an error of {ERROR:g} contain the truth of new patients in at least "
        f"{100 * (1 - ERROR - SLACK):.0f} % of cases on average, sets by class for either grade; exact intervals "
        f"from {TESTED} test patients contain the true coverage in at least {100 * INTERVALS:.0f} % of samples. "
        f"{replicates} replicates.\n"
    )
    print_table(COVERAGE_HEADINGS, first)
    print("\nPlatt's recalibration brings the probabilities of new patients closer to the true ones.\n")
    print_table(CALIBRATION_HEADINGS, second)
    for miss in misses:
        print(f"MISSED: {miss}")
    return 1 if misses else 0


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as Markdown."""
    print("| " + " | ".join(headings) + " |\n|" + "---|" * len(headings))
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    sys.exit(main())
