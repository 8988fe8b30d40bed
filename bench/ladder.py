"""The ladder of supervision where the truth is known: how often it errs, and what its intervals hold.

First simulation: the networks of every fold are given. Five rungs score the same patients with correlated binormal
scores, and every network has a level and a spread of its own. The AUC of each rung is known. Counted are ladders that
call any rung "not worse" which is worse by the margin or more, ladders that call any rung "worse" which is not, and
rungs of equal AUC that are called "not worse"; and how often the 95 % intervals contain the truth.

Second simulation: the networks are learnt. Each rung has predictors of its own, and a linear discriminant is fitted in
every fold, with two drawings of the folds. The four cheaper rungs are worse than the mask by exactly the margin on
average over training sets. The same is counted for the networks as they were fitted and for the procedures, that is
over other training sets as well.

The exit code is 1 if a claim is missed. The seed is fixed.

Run: python bench/ladder.py [--replicates 2000]
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nephrograde.cohort.repeat import Repeat
from nephrograde.evaluation.comparison.out_of_fold import stratified_auc
from nephrograde.evaluation.comparison.repeats import RepeatedAuc
from nephrograde.evaluation.ladder.curve import ladder_points
from nephrograde.evaluation.ladder.ladder import climb
from nephrograde.evaluation.ladder.minutes import choose_minutes
from nephrograde.evaluation.remarks import Verdict
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.study import Arm, StudyModel
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nephrograde.evaluation.ladder.ladder import LadderRow
    from nephrograde.vocabulary import BoolVector

    Values = npt.NDArray[np.float64]

SEED = 20261128
FOLDS = 5
CORRELATION = 0.7
LEVEL_SD, SPREAD_SD = 0.5, 0.2
"""How far the networks of the folds differ in level and in the logarithm of their spread."""
MARGIN = 0.05
SHARE_HIGH = 0.45
PREDICTORS = 10
SIZES = (100, 200, 400)
DESIGNS = {
    "all 0.80": dict.fromkeys(Supervision, 0.80),
    "mask 0.80, others 0.75": {**dict.fromkeys(Supervision, 0.75), Supervision.MASK: 0.80},
    "0.60, 0.70, 0.75, 0.80, 0.80": dict(zip(Supervision, (0.60, 0.70, 0.75, 0.80, 0.80), strict=True)),
    "mask 0.90, others 0.85": {**dict.fromkeys(Supervision, 0.85), Supervision.MASK: 0.90},
}
HIGHEST_ERROR, LOWEST_COVERAGE = 0.04, 0.93
RUNGS = [
    StudyModel(
        f"{level}-cmp",
        Arm.model_construct(name=level.value, supervision=level, slices=1, fit={}),
        "cmp",
        ("cmp",),
    )
    for level in Supervision
]
MODELS = [model.id for model in RUNGS]
MASK = len(MODELS) - 1


@dataclass(slots=True)
class Tally:
    """What was counted over the ladders of one design."""

    ladders: int = 0
    falsely_not_worse: int = 0
    falsely_worse: int = 0
    equal: int = 0
    equal_shown: int = 0
    auc_covered: int = 0
    difference_covered: int = 0

    def add(self, rows: Iterable[LadderRow], truths: Values, margin: float) -> None:
        """Count one ladder.

        Args:
            rows: Its rows out of fold, in the order of the rungs.
            truths: The true AUC of each rung.
            margin: The margin of its tests.
        """
        self.ladders += 1
        is_false_pass, is_false_fail = False, False
        for k, row in enumerate(rows):
            self.auc_covered += row.low <= truths[k] <= row.high
            if k == MASK:
                continue
            gap = truths[k] - truths[MASK]
            self.difference_covered += row.difference_low <= gap <= row.difference_high
            is_false_pass |= row.verdict is Verdict.NOT_WORSE and gap <= -margin + 1e-12
            is_false_fail |= row.verdict is Verdict.WORSE and gap > -margin + 1e-12
            self.equal += abs(gap) < 1e-12
            self.equal_shown += abs(gap) < 1e-12 and row.verdict is Verdict.NOT_WORSE
        self.falsely_not_worse += is_false_pass
        self.falsely_worse += is_false_fail

    @property
    def coverage(self) -> tuple[float, float]:
        """How often the intervals of the AUCs, and those of the differences, contain the truth."""
        return self.auc_covered / (self.ladders * len(MODELS)), self.difference_covered / (self.ladders * MASK)

    def __str__(self) -> str:
        power = f"{self.equal_shown / self.equal:.3f}" if self.equal else ""
        errors = f"{self.falsely_not_worse / self.ladders:.3f} | {self.falsely_worse / self.ladders:.3f}"
        return f"{errors} | {power} | {self.coverage[0]:.3f} | {self.coverage[1]:.3f}"

    def holds(self) -> bool:
        """Whether the errors and the coverage are as claimed."""
        worst = max(self.falsely_not_worse, self.falsely_worse) / self.ladders
        return worst <= HIGHEST_ERROR and min(self.coverage) >= LOWEST_COVERAGE


def table_of(logits: Values, is_high: BoolVector, folds: npt.NDArray[np.int64]) -> Scores:
    """Make a score table of the rungs."""
    p_high = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
    return Scores(
        tuple(
            Score(f"P{k:04}", model, "oof", int(folds[k]), bool(is_high[k]), float(p_high[m, k]))
            for m, model in enumerate(MODELS)
            for k in range(is_high.size)
        )
    )


def ladder_of(scores: Scores, margin: float) -> tuple[LadderRow, ...]:
    """Place the rungs on a ladder."""
    estimates = []
    for model in MODELS:
        own = scores.of(model, "oof")
        estimates.append((model, "oof", stratified_auc(own.p_high, own.is_high, own.known_folds or ())))
    return climb(scores, estimates, RUNGS, minutes=choose_minutes({}, {}), margin=margin)


def classes(n: int) -> tuple[BoolVector, npt.NDArray[np.int64]]:
    """The grades of n patients, and their folds, dealt by grade."""
    is_high = np.arange(n) < round(n * SHARE_HIGH)
    folds = np.concatenate([np.arange(is_high.sum()) % FOLDS, np.arange((~is_high).sum()) % FOLDS])
    return is_high, folds


def simulate_given(truths: Mapping[Supervision, float], n: int, replicates: int, stream: np.random.Generator) -> Tally:
    """Simulate ladders whose networks are given."""
    is_high, folds = classes(n)
    aucs = np.array([truths[level] for level in Supervision])
    shifts = np.array([math.sqrt(2.0) * NormalDist().inv_cdf(auc) for auc in aucs])
    tally = Tally()
    for _ in range(replicates):
        shared = math.sqrt(CORRELATION) * stream.standard_normal(n)
        own = math.sqrt(1.0 - CORRELATION) * stream.standard_normal((len(MODELS), n))
        values = shifts[:, np.newaxis] * is_high + shared + own
        level = LEVEL_SD * stream.standard_normal((len(MODELS), FOLDS))
        spread = np.exp(SPREAD_SD * stream.standard_normal((len(MODELS), FOLDS)))
        scores = table_of(level[:, folds] + spread[:, folds] * values, is_high, folds)
        tally.add(ladder_of(scores, MARGIN), aucs, MARGIN)
    return tally


@dataclass(frozen=True, slots=True)
class Learnt:
    """The out-of-fold scores of networks that were learnt, and the true mean AUC of those of each rung."""

    logits: Values
    truths: Values


def learn(values: Values, is_high: BoolVector, folds: npt.NDArray[np.int64], strengths: Values) -> Learnt:
    """Fit a linear discriminant for every rung and fold.

    Args:
        values: ``rung × patient × predictor``; predictors are independent, of variance 1.
        is_high: The grades.
        folds: The folds.
        strengths: By how many standard deviations each predictor of a rung differs between the grades.
    """
    logits = np.empty(values.shape[:2])
    truths = np.zeros(len(values))
    for rung, fold in itertools.product(range(len(values)), range(FOLDS)):
        learnt = folds != fold
        x, high = values[rung, learnt], is_high[learnt]
        gap = x[high].mean(axis=0) - x[~high].mean(axis=0)
        centred = np.where(high[:, np.newaxis], x - x[high].mean(axis=0), x - x[~high].mean(axis=0))
        weights = np.linalg.solve(centred.T @ centred / (len(x) - 2), gap)
        logits[rung, ~learnt] = values[rung, ~learnt] @ weights
        distance = strengths[rung] * weights.sum() / np.linalg.norm(weights)
        truths[rung] += NormalDist().cdf(float(distance) / math.sqrt(2.0)) / FOLDS
    return Learnt(logits, truths)


def draw_predictors(is_high: BoolVector, strengths: Values, stream: np.random.Generator) -> Values:
    """Draw the predictors of every rung, which share most of their noise, as those of one image do."""
    shape = (len(strengths), is_high.size, PREDICTORS)
    noise = math.sqrt(CORRELATION) * stream.standard_normal(shape[1:])
    noise = noise + math.sqrt(1.0 - CORRELATION) * stream.standard_normal(shape)
    return np.asarray(noise + strengths[:, np.newaxis, np.newaxis] * is_high[:, np.newaxis])


@dataclass(frozen=True, slots=True)
class LearntTallies:
    """Counts of the second simulation: of the networks as fitted, of the procedures, and of the learning curves."""

    fitted: Tally
    procedures: Tally
    points_fitted: float
    points_procedures: float
    margin: float


def simulate_learnt(n: int, replicates: int, stream: np.random.Generator) -> LearntTallies:
    """Simulate ladders whose networks are learnt; the margin is the true difference of the procedures."""
    is_high, folds = classes(n)
    strengths = np.array([0.33, 0.33, 0.33, 0.33, 0.40])
    orders = [folds, np.roll(folds, 1)]
    pilot = [learn(draw_predictors(is_high, strengths, stream), is_high, folds, strengths) for _ in range(replicates)]
    truths = np.mean([one.truths for one in pilot], axis=0)
    truths[:MASK] = truths[:MASK].mean()
    margin = float(truths[MASK] - truths[0])
    fitted, procedures = Tally(), Tally()
    covered = np.zeros(2)
    for _ in range(replicates):
        values = draw_predictors(is_high, strengths, stream)
        drawn = [np.where(is_high, stream.permutation(order), order) if k else order for k, order in enumerate(orders)]
        learnt = [learn(values, is_high, order, strengths) for order in drawn]
        tables = [table_of(one.logits, is_high, order) for one, order in zip(learnt, drawn, strict=True)]
        rows = ladder_of(tables[0], margin)
        fitted.add(rows, learnt[0].truths, margin)
        procedures.add(rows, truths, margin)
        both = np.mean([one.truths for one in learnt], axis=0)
        sizes = [RepeatedAuc(model, 0, 0, 1.0, "oof", 0, 0.5, n // FOLDS, 1, n - n // FOLDS) for model in MODELS]
        of_repeats = {Repeat(drawing=k): table for k, table in enumerate(tables)}
        points = ladder_points(of_repeats, sizes, RUNGS, minutes=choose_minutes({}, {}), confidence=0.95)
        for k, point in enumerate(points):
            covered += [point.low <= both[k] <= point.high, point.low <= truths[k] <= point.high]
    shares = covered / (replicates * len(MODELS))
    return LearntTallies(fitted, procedures, float(shares[0]), float(shares[1]), margin)


def main() -> int:
    """Print both tables; returns 1 if a claim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=2000)
    replicates = parser.parse_args().replicates
    stream = np.random.default_rng(SEED)
    is_fine = True
    print("| true AUC: none, slice, point, box, mask | n | any falsely not worse | any falsely worse ", end="")
    print("| equal shown | AUC covered | difference covered |\n|---|---|---|---|---|---|---|")
    for name, truths in DESIGNS.items():
        for n in SIZES:
            tally = simulate_given(truths, n, replicates, stream)
            is_fine &= tally.holds()
            print(f"| {name} | {n} | {tally} |", flush=True)
    print("\n| learnt, n | about | any falsely not worse | AUC covered | difference covered | curve covered |")
    print("|---|---|---|---|---|---|")
    for n in SIZES:
        found = simulate_learnt(n, max(replicates // 2, 1), stream)
        both = ("networks as fitted", found.fitted, found.points_fitted)
        for about, tally, points in (both, ("procedures", found.procedures, found.points_procedures)):
            error = tally.falsely_not_worse / tally.ladders
            shares = f"{tally.coverage[0]:.3f} | {tally.coverage[1]:.3f} | {points:.3f}"
            print(f"| {n}, margin {found.margin:.3f} | {about} | {error:.3f} | {shares} |", flush=True)
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
