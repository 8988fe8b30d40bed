"""Is the out-of-fold AUC of the stack of all models honest? Simulation with the package's own functions.

A study of 200 training patients in five folds and 100 test patients, 40 % high grade, with a size, two clinical columns
and three networks, all of them stacked. Four scenes: noise alone, where each network gives a random number; networks
that *learn* noise, ridge regressions of the grade on 40 random features, fitted in the folds as networks are, so that
those of the other folds have learnt from a fold's patients; the same where the size tells the grade; and networks that
see a finding. Printed for each: the mean AUC of the stack on the test patients, which is what it is worth, and out of
fold; their difference, which is the optimism of the latter, with its standard error; the mean out of fold of a stack
that is given the baselines' plain out-of-fold scores, whose models have learnt from the fold that is scored; and how
often the interval of the AUC contains what the model is worth (the mean on the test patients, 0.5 where nothing tells
the grade): of the stack on the test patients and out of fold, and of a single baseline, size, out of fold. In the first
scene the mean out of fold must lie within 0.01 of 0.5, and the interval of the stack contain it at most 0.1 less often
than that of size does, or the exit code is 1. The seed is fixed.

Run: python bench/stack.py [--replicates 150] [SCENE …]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn import config_context

from nephrograde.cohort.case import Case, Cohort
from nephrograde.cohort.split import draw_split
from nephrograde.evaluation.baselines.baseline import clinical_predictors, fit_baseline, measured_predictors
from nephrograde.evaluation.baselines.stack import STACK, stack_scores
from nephrograde.evaluation.comparison.reference import auc_of
from nephrograde.evaluation.scores.scores import SPLITS, Score, Scores, SplitName
from nephrograde.study import SplitSettings

if TYPE_CHECKING:
    from nephrograde.cohort.split import Split
    from nephrograde.evaluation.baselines.baseline import Predictors
    from nephrograde.evaluation.performance.metrics import Estimate
    from nephrograde.vocabulary import BoolVector, FloatVector

SEED = 20261128
TRAINING, TEST, FOLDS = 200, 100, 5
NETWORKS, FEATURES, RIDGE = 3, 40, 40.0
SPLITTING = SplitSettings(folds=FOLDS, test_fraction=TEST / (TRAINING + TEST))
MOST_BIAS, MOST_LOSS = 0.01, 0.1
HEADINGS = (
    *("scene", "replicates", "AUC, test", "AUC, out of fold", "out of fold − test"),
    *("out of fold, baselines not fitted again", "covered, test", "covered, out of fold", "size covered, out of fold"),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the grade depends on, and what the networks are.

    Attributes:
        words: For the table.
        size: Log odds of high grade per standard deviation of the size.
        finding: The same of a finding that each network sees with noise.
        learns: Whether the networks learn noise; otherwise they give noise, and the finding.
    """

    words: str
    size: float = 0.0
    finding: float = 0.0
    learns: bool = False

    @property
    def is_null(self) -> bool:
        """Whether nothing tells the grade."""
        return not self.size and not self.finding


SCENES = {
    "noise": Scene("noise"),
    "learnt": Scene("networks that learn noise", learns=True),
    "size": Scene("size, and networks that learn noise", size=1.0, learns=True),
    "finding": Scene("size, and networks that see a finding", size=1.0, finding=1.0),
}


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """One simulated study."""

    split: Split
    scores: Scores
    baselines: dict[str, Predictors]


def simulate(scene: Scene, stream: np.random.Generator) -> Drawn:
    """Draw the patients of a study, and score them with baselines and networks."""
    n = TRAINING + TEST
    size, age, finding = stream.standard_normal((3, n))
    is_high = stream.random(n) < 1.0 / (1.0 + np.exp(0.45 - scene.size * size - scene.finding * finding))
    names = [f"P{k:03}" for k in range(n)]
    cases = tuple(
        Case(name, bool(high), None, {}, {"size_cm": float(np.exp(a)), "age_years": float(60 + 10 * b)})
        for name, high, a, b in zip(names, is_high, size, age, strict=True)
    )
    cohort = Cohort(cases, ("cmp",), ("size_cm", "age_years"), None)
    split = draw_split(cohort, SPLITTING)
    folds = np.array([-1 if (fold := split.assignments[name].fold) is None else fold for name in names])
    truths = dict(zip(names, is_high.tolist(), strict=True))
    baselines = {
        "size": measured_predictors("size", cohort, ()),
        "clinical": clinical_predictors(cohort, ["age_years", "size_cm"]),
    }
    rows: list[Score] = []
    for k in range(NETWORKS):
        if scene.learns:
            log_odds = _learn(stream.standard_normal((n, FEATURES)), is_high, folds)
        else:
            log_odds = scene.finding * finding + stream.standard_normal(n)
        for name, fold, value in zip(names, folds.tolist(), log_odds.tolist(), strict=True):
            part: SplitName = "test" if fold < 0 else "oof"
            own = None if fold < 0 else fold
            rows.append(Score(name, f"network-{k}", part, own, truths[name], float(1.0 / (1.0 + np.exp(-value)))))
    for name, predictors in baselines.items():
        rows += fit_baseline(predictors, truths, split, model=name)
    return Drawn(split, Scores(tuple(rows)), baselines)


def _learn(features: FloatVector, is_high: BoolVector, folds: FloatVector) -> FloatVector:
    """A ridge regression per fold on the patients of the others; test patients get the mean of all."""
    found = np.zeros(is_high.size)
    penalty = RIDGE * np.eye(features.shape[1])
    for fold in range(FOLDS):
        learning = (folds != fold) & (folds >= 0)
        columns, target = features[learning], is_high[learning] - is_high[learning].mean()
        weights = np.linalg.solve(columns.T @ columns + penalty, columns.T @ target)
        log_odds = 6.0 * features @ weights
        found[folds == fold] = log_odds[folds == fold]
        found[folds < 0] += log_odds[folds < 0] / FOLDS
    return found


def judge(name: str, replicates: int) -> tuple[tuple[str, ...], list[str]]:
    """Simulate one scene, and return its row with what it misses."""
    scene = SCENES[name]
    stream = np.random.default_rng([SEED, *name.encode()])
    sizes: list[float] = []
    found: dict[str, list[Estimate]] = {"oof": [], "test": [], "plain": [], "size": []}
    for _ in range(replicates):
        with config_context(skip_parameter_validation=True, assume_finite=True):  # a quarter of the time
            drawn = simulate(scene, stream)
            parts = drawn.scores.models
            stack = Scores(stack_scores(drawn.scores, drawn.split, parts, drawn.baselines, seed=1))
            plain = Scores(stack_scores(drawn.scores.out_of_fold(), drawn.split, parts, {}, seed=1))
        for split in SPLITS:
            found[split].append(auc_of(stack.of(STACK, split), split, confidence=0.95))
        found["plain"].append(auc_of(plain.of(STACK, "oof"), "oof", confidence=0.95))
        found["size"].append(auc_of(drawn.scores.of("size", "oof"), "oof", confidence=0.95))
        sizes.append(auc_of(drawn.scores.of("size", "test"), "test", confidence=0.95).value)
    values = {kind: np.array([one.value for one in rows]) for kind, rows in found.items()}
    worth = 0.5 if scene.is_null else float(values["test"].mean())
    of_size = 0.5 if scene.is_null else float(np.mean(sizes))
    covered = {
        kind: float(np.mean([one.low <= truth <= one.high for one in found[kind]]))
        for kind, truth in (("test", worth), ("oof", worth), ("size", of_size))
    }
    optimism = values["oof"] - values["test"]
    misses = []
    if name == "noise" and abs(values["oof"].mean() - 0.5) > MOST_BIAS:
        misses.append(f"{name}: the mean AUC out of fold is {values['oof'].mean():.3f}")
    if name == "noise" and covered["oof"] < covered["size"] - MOST_LOSS:
        misses.append(f"{name}: the interval out of fold contains 0.5 in {covered['oof']:.3f}")
    return (
        scene.words,
        f"{replicates:,}",
        f"{values['test'].mean():.3f}",
        f"{values['oof'].mean():.3f}",
        f"{optimism.mean():+.3f} ± {optimism.std(ddof=1) / np.sqrt(replicates):.3f}",
        f"{values['plain'].mean():.3f}",
        *(f"{covered[kind]:.3f}" for kind in ("test", "oof", "size")),
    ), misses


def main() -> int:
    """Print the table of the scenes that were asked for."""
    parser = argparse.ArgumentParser(description="Is the out-of-fold AUC of the stack of all models honest?")
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"any of {', '.join(SCENES)}; all by default")
    parser.add_argument("--replicates", type=int, default=150)
    chosen = parser.parse_args()
    if unknown := set(chosen.scenes) - set(SCENES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    print("| " + " | ".join(HEADINGS) + " |\n" + "| --- " * len(HEADINGS) + "|")
    misses: list[str] = []
    for name in chosen.scenes or SCENES:
        row, missed = judge(name, chosen.replicates)
        print("| " + " | ".join(row) + " |", flush=True)
        misses += missed
    for miss in misses:
        print(f"MISSED: {miss}")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
