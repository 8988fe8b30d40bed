"""Repeated cross-validation and learning curves where the truth is known: a simulation with real fits.

Patients have two sets of predictors of equal strength. Two procedures fit a linear discriminant to one set each, so
that neither is better. The first table says how often a test over repeated cross-validation
finds a difference all the same: the corrected test of the report, and the uncorrected t-test over all folds. The second
compares the power law of the report at twice the patients with the mean AUC of procedures that learnt from that many,
tested on new patients. The exit code is 1 if the claim is missed. The seed is fixed.

Run: python bench/repeats.py [--replicates 1000]
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nephrograde.cohort.case import Case, Cohort
from nephrograde.cohort.repeat import repeats_of_split, split_of
from nephrograde.cohort.split import draw_split
from nephrograde.evaluation.comparison.repeats import RepeatedAuc, compare_procedures, corrected_t
from nephrograde.evaluation.ladder.learning_curve import learning_curves
from nephrograde.evaluation.performance.delong import place
from nephrograde.study import SplitSettings

if TYPE_CHECKING:
    from nephrograde.cohort.split import Split
    from nephrograde.vocabulary import BoolVector

    Values = npt.NDArray[np.float64]

SEED = 20261127
PREDICTORS, STRENGTH = 10, 0.35
"""Predictors of each procedure, and by how many standard deviations each of them differs between the grades."""
HIGHEST_ERROR, HIGHEST_BIAS, LOWEST_COVERAGE = 0.08, 0.015, 0.9
NEW_PATIENTS = 4000


def draw(n: int, share: float, stream: np.random.Generator) -> tuple[Values, BoolVector]:
    """Draw patients: two sets of predictors, and the grade."""
    is_high = np.arange(n) < round(n * share)
    values = stream.standard_normal((n, 2 * PREDICTORS)) + STRENGTH * is_high[:, np.newaxis]
    return values, is_high


def discriminant(values: Values, is_high: BoolVector) -> Values:
    """Learn the weights of a linear discriminant."""
    centred = np.where(
        is_high[:, np.newaxis], values - values[is_high].mean(axis=0), values - values[~is_high].mean(axis=0)
    )
    spread = centred.T @ centred / (len(values) - 2)
    return np.asarray(np.linalg.solve(spread, values[is_high].mean(axis=0) - values[~is_high].mean(axis=0)))


def auc_of(scores: Values, is_high: BoolVector) -> float:
    """The area under the ROC curve."""
    return float(place(scores[np.newaxis], is_high).aucs()[0])


def cohort_of(is_high: BoolVector) -> Cohort:
    """Patients without images."""
    return Cohort(tuple(Case(f"P{k:05}", bool(high), None, {}, {}) for k, high in enumerate(is_high)), (), (), None)


def splits_of(is_high: BoolVector, settings: SplitSettings) -> list[tuple[int, float, Split]]:
    """All repeats of the settings: the drawing, the share, and the folds."""
    cohort = cohort_of(is_high)
    first = draw_split(cohort, settings)
    return [(one.drawing, one.share, split_of(one, first, cohort, settings)) for one in repeats_of_split(settings)]


def repeat(
    values: Values, is_high: BoolVector, splits: list[tuple[int, float, Split]], *, procedures: int
) -> list[RepeatedAuc]:
    """Fit the procedures to every fold of every repeat."""
    rows = []
    for drawing, share, split in splits:
        for fold in range(split.folds):
            held_out = [int(patient[1:]) for patient in split.fold_ids(fold)]
            learn = [int(patient[1:]) for patient in split.learning_ids(fold)]
            for number in range(procedures):
                own = slice(number * PREDICTORS, (number + 1) * PREDICTORS)
                weights = discriminant(values[learn, own], is_high[learn])
                auc = auc_of(values[held_out, own] @ weights, is_high[held_out])
                n_high = int(is_high[held_out].sum())
                rows.append(
                    RepeatedAuc(f"{number}", drawing, 0, share, "oof", fold, auc, len(held_out), n_high, len(learn))
                )
    return rows


def errors(n: int, repeats: int, replicates: int) -> tuple[float, float]:
    """How often the corrected and the uncorrected test find a difference between equal procedures, at 5 %."""
    settings = SplitSettings(test_fraction=0.1, folds=5, repeats=repeats)
    stream = np.random.default_rng([SEED, n, repeats])
    splits = splits_of(draw(n, 0.4, stream)[1], settings)
    found = np.zeros(2)
    for _ in range(replicates):
        values, is_high = draw(n, 0.4, stream)
        rows = repeat(values, is_high, splits, procedures=2)
        (compared,) = compare_procedures(rows, confidence=0.95)
        a, b = ([row.auc for row in rows if row.model == name] for name in ("0", "1"))
        _, naive, _ = corrected_t([x - y for x, y in zip(a, b, strict=True)], ratio=0.0)
        found += [compared.p_value < 0.05, naive < 0.05]
    corrected, naive = found / replicates
    return float(corrected), float(naive)


def extrapolation(n: int, replicates: int) -> tuple[float, float, float]:
    """The mean power law at twice the patients, the truth there, and how often the interval contains it."""
    settings = SplitSettings(test_fraction=0.1, folds=5, repeats=3, learning_curve=(0.25, 0.5, 0.75))
    stream = np.random.default_rng([SEED, n])
    splits = splits_of(draw(n, 0.4, stream)[1], settings)
    true, said, held = [], [], []
    n_twice = 0
    for _ in range(replicates):
        values, is_high = draw(n, 0.4, stream)
        (curve,) = learning_curves(repeat(values, is_high, splits, procedures=1))
        said.append(curve.farther)
        held.append((curve.farther_low, curve.farther_high))
        n_twice = round(curve.farther_n)
        values, is_high = draw(n_twice, 0.4, stream)
        weights = discriminant(values[:, :PREDICTORS], is_high)
        values, is_high = draw(NEW_PATIENTS, 0.4, stream)
        true.append(auc_of(values[:, :PREDICTORS] @ weights, is_high))
    truth = float(np.mean(true))
    return float(np.mean(said)), truth, float(np.mean([low <= truth <= high for low, high in held]))


def main() -> int:
    """Print both tables; 1 where a claim is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--replicates", type=int, default=1000)
    replicates: int = parser.parse_args().replicates
    missed = []
    print(
        f"Two procedures of equal worth, 40 % high grade, tested at 5 %: the corrected test errs in at most "
        f"{100 * HIGHEST_ERROR:.0f} %. {replicates:,} cohorts in each row; numpy {np.__version__}.\n"
    )
    print("| training patients | folds | corrected test | uncorrected t-test |\n|---|---|---|---|")
    for n, repeats in ((100, 5), (234, 2), (234, 5), (234, 10)):
        corrected, naive = errors(n, repeats, replicates)
        print(f"| {n - round(0.1 * n)} | {repeats} × 5 | **{corrected:.3f}** | {naive:.3f} |", flush=True)
        if corrected > HIGHEST_ERROR:
            missed.append(f"{n} patients, {repeats} x 5 folds: {corrected:.3f}")
    print(
        "\nThe power law at twice the patients, from a quarter, a half, three quarters and all of them, 3 × 5 folds, "
        f"against procedures that learnt from so many: mean difference at most {HIGHEST_BIAS}, intervals contain the "
        f"truth in at least {100 * LOWEST_COVERAGE:.0f} %.\n"
    )
    print("| learnt from | law at twice as many | true AUC | interval contains it |\n|---|---|---|---|")
    for n in (100, 234):
        said, true, held = extrapolation(n, max(replicates // 4, 2))
        print(f"| {round(0.8 * 0.9 * n)} | **{said:.3f}** | {true:.3f} | {held:.2f} |", flush=True)
        if abs(said - true) > HIGHEST_BIAS or held < LOWEST_COVERAGE:
            missed.append(f"learning curve of {n}: {said:.3f} instead of {true:.3f}, interval {held:.2f}")
    for claim in missed:
        print(f"missed: {claim}", file=sys.stderr)
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
