"""How often the interval of an out-of-fold AUC contains the true value, by fold and pooled: a simulation.

Scores are drawn from a binormal model, in which the true AUC is known. Every fold is scored by a network of its own,
with the same AUC, but another level and another spread, as in the cross-validation of a small cohort. The table
compares the mean AUC of the folds, whose interval is shown in reports, with R's cvAUC (LeDell's plain interval) and
with the AUC pooled over the folds. The exit code is 1 if the claim is missed. The seed is fixed.

Run: python bench/out_of_fold.py [--replicates 2000]
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from nephrograde.evaluation.comparison.compare import compare_models
from nephrograde.evaluation.comparison.out_of_fold import ledell_auc, stratified_auc
from nephrograde.evaluation.performance.metrics import auc_delong
from nephrograde.evaluation.scores.scores import ModelScores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.evaluation.performance.metrics import Estimate
    from nephrograde.evaluation.scores.scores import SplitName
    from nephrograde.vocabulary import BoolVector, FloatVector

SEED = 20261127
FOLDS = 5
LEVEL, SPREAD = 0.5, 0.3
"""Standard deviations of a network's level, in those of its scores within a grade, and of the log of its spread."""
ENOUGH, WANTED, BIAS = 200, 0.92, 0.005
"""From so many patients, the coverage is at least this, and the bias at most this."""
CORRELATION, HIGHEST_ERROR = 0.7, 0.07
PAIR_HEADINGS = ("high", "n (high)", "mean difference", "pooled", "errs", "pooled errs")
HEADINGS = ("high", "n (high)", "true AUC", "bias", "bias, pooled", "covered", "covered, cvAUC", "covered, pooled")


def draw(is_high: BoolVector, folds: npt.NDArray[np.intp], true: float, stream: np.random.Generator) -> FloatVector:
    """Draw the scores of one model, whose networks differ in level and spread."""
    scores = stream.standard_normal(is_high.size) + math.sqrt(2.0) * float(ndtri(true)) * is_high
    levels = LEVEL * stream.standard_normal(FOLDS)
    spreads = np.exp(SPREAD * stream.standard_normal(FOLDS))
    return np.asarray(levels[folds] + spreads[folds] * scores, dtype=np.float64)


def row(n: int, share: float, true: float, replicates: int) -> tuple[tuple[str, ...], str]:
    """Simulate one scenario: the row of the table, and how it misses the claim."""
    n_high = round(n * share)
    is_high = np.arange(n) < n_high
    folds = np.arange(n) % FOLDS
    stream = np.random.default_rng([SEED, n, n_high, round(1000 * true)])
    drawn = [draw(is_high, folds, true, stream) for _ in range(replicates)]
    shown = [stratified_auc(scores, is_high, folds) for scores in drawn]
    plain = [ledell_auc(scores, is_high, folds) for scores in drawn]
    pooled = [auc_delong(scores, is_high) for scores in drawn]
    bias, covered = bias_of(shown, true), coverage(shown, true)
    is_missed = n >= ENOUGH and (covered < WANTED or abs(bias) > BIAS)
    cells = (
        f"{100 * share:.0f} %",
        f"{n} ({n_high})",
        f"{true:.2f}",
        f"{bias:+.3f}",
        f"{bias_of(pooled, true):+.3f}",
        f"**{covered:.3f}**",
        f"{coverage(plain, true):.3f}",
        f"{coverage(pooled, true):.3f}",
    )
    return cells, f"n = {n} ({n_high}) at {true}: covered {covered:.3f}, bias {bias:+.4f}" if is_missed else ""


def pair_row(n: int, share: float, replicates: int) -> tuple[tuple[str, ...], str]:
    """Compare two equal models whose networks differ in level and spread, one of them twice as much."""
    n_high = round(n * share)
    is_high, folds = np.arange(n) < n_high, np.arange(n) % FOLDS
    stream = np.random.default_rng([SEED, n, n_high, 2])
    ids = tuple(f"{k}" for k in range(n))
    found, differences = np.zeros(2), np.zeros(2)
    for _ in range(replicates):
        shared = math.sqrt(CORRELATION) * stream.standard_normal(n)
        models = {}
        for name, factor in (("a", 0.5), ("b", 1.5)):
            own = shared + math.sqrt(1.0 - CORRELATION) * stream.standard_normal(n)
            scores = own + math.sqrt(2.0) * float(ndtri(0.85)) * is_high
            levels, spreads = (
                factor * LEVEL * stream.standard_normal(FOLDS),
                factor * SPREAD * stream.standard_normal(FOLDS),
            )
            p_high = ndtr(levels[folds] + np.exp(spreads)[folds] * scores)
            models[name] = ModelScores(ids, is_high, p_high, tuple(int(fold) for fold in folds))
        for k, split in enumerate(("oof", "test")):  # as for test patients: over all of them
            row = compare_models(models, {"a": 0.5, "b": 0.5}, split=cast("SplitName", split))[0]
            found[k] += row.p_value < 0.05
            differences[k] += row.difference
    error, pooled = found / replicates
    cells = (
        f"{100 * share:.0f} %",
        f"{n} ({n_high})",
        f"{differences[0] / replicates:+.3f}",
        f"{differences[1] / replicates:+.3f}",
        f"**{error:.3f}**",
        f"{pooled:.3f}",
    )
    return cells, f"n = {n} ({n_high}): {error:.3f} of equal pairs differ" if error > HIGHEST_ERROR else ""


def bias_of(estimates: Sequence[Estimate], true: float) -> float:
    """The mean estimate minus the true value."""
    return float(np.mean([made.value for made in estimates])) - true


def coverage(estimates: Sequence[Estimate], true: float) -> float:
    """The proportion of intervals that contain the true value."""
    return float(np.mean([made.low <= true <= made.high for made in estimates]))


def main() -> int:
    """Print the table; 1 where the claim is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--replicates", type=int, default=2000)
    replicates: int = parser.parse_args().replicates
    print(
        f"The mean AUC of {FOLDS} folds is unbiased, and its 95 % interval covers the true AUC in at least "
        f"{100 * WANTED:.0f} % of samples from {ENOUGH} patients, where networks differ in level and spread. "
        f"{replicates:,} replicates.\n"
    )
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS))
    misses = []
    for share in (0.45, 0.2):
        for n in (60, 100, 210, 400):
            for true in (0.70, 0.85, 0.95):
                cells, miss = row(n, share, true, replicates)
                print("| " + " | ".join(cells) + " |")
                misses += [miss] if miss else []
    print(
        f"\nTwo models of AUC 0.85 (correlation {CORRELATION}), the networks of b differing three times as much as "
        f"those of a: the test of their difference within folds errs in at most {100 * HIGHEST_ERROR:.0f} % of samples "
        "at a level of 5 %.\n"
    )
    print("| " + " | ".join(PAIR_HEADINGS) + " |\n|" + "---|" * len(PAIR_HEADINGS))
    for share in (0.45, 0.2):
        for n in (100, 210, 400):
            cells, miss = pair_row(n, share, replicates)
            print("| " + " | ".join(cells) + " |")
            misses += [miss] if miss else []
    for miss in misses:
        print(f"MISSED: {miss}")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
