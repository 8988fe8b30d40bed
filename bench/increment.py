"""Does a stack find what an image adds, and only that? Simulation with the package's own functions.

A study of 300 patients, 210 of them for training in five folds and 90 for testing. The grade depends on age, size and
a finding that only the image shows. The image score is one of five: noise; a noisy copy of the size, which looks good
alone and adds nothing; an overconfident network that has learnt nothing, with another level and scale in every fold; or
the finding with noise, weak and strong. Printed for each: how often the intervals of the differences contain 0, how
often both stacks call every patient alike at 0.3, so that their net benefit has no interval (such a study is left out
of the share of intervals), how often the likelihood ratio test rejects at 0.05, and the mean differences. Where the
image adds nothing, the interval of the AUC difference must contain 0 in at least 93 % of studies and the test reject in
at most 6 %, or the exit code is 1. The seed is fixed.

Run: python bench/increment.py [--replicates 1000] [SCENE …]
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn import config_context

from nephrograde.cohort.case import Case, Cohort
from nephrograde.cohort.split import draw_split
from nephrograde.evaluation.baselines.increment import stack_images
from nephrograde.evaluation.scores.scores import Score, Scores, SplitName
from nephrograde.study import EvaluateSettings, SplitSettings

if TYPE_CHECKING:
    from nephrograde.cohort.split import Split
    from nephrograde.evaluation.baselines.increment import Increment
    from nephrograde.vocabulary import FloatVector

SEED = 20261127
PATIENTS = 300
FOLDS = 5
SETTINGS = EvaluateSettings(bootstraps=400, benefit_at=(0.3,))
SPLITTING = SplitSettings(folds=FOLDS)
LOWEST_COVERAGE = 0.93
HIGHEST_SIZE = 0.06
HEADINGS = (
    *("image score", "high", "replicates", "ΔAUC holds 0", "ΔBrier holds 0", "ΔNB(0.3) holds 0", "ΔNB(0.3) alike"),
    *("LR rejects", "mean ΔAUC", "mean ΔBrier", "slope of the stack"),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the image score is made of, and how many patients are high grade.

    Attributes:
        words: For the table.
        finding: Weight of the finding in the image score; 0 if the image adds nothing.
        size: Weight of the size.
        noise: Standard deviation of the noise.
        by_fold: Spread of level and of the logarithm of the scale between the folds' networks.
        intercept: Log odds of high grade at average age and size.
    """

    words: str
    finding: float
    size: float
    noise: float
    by_fold: float = 0.0
    intercept: float = -0.2

    @property
    def is_null(self) -> bool:
        """Whether the image adds nothing."""
        return self.finding == 0.0


SCENES = {
    "noise": Scene("noise", 0.0, 0.0, 1.0),
    "size": Scene("size with noise", 0.0, 1.0, 0.5),
    "size-rare": Scene("size with noise", 0.0, 1.0, 0.5, intercept=-1.6),
    "folds": Scene("noise, other level and scale in each fold", 0.0, 0.0, 2.0, by_fold=0.5),
    "weak": Scene("finding, weak (correlation 0.4)", 0.4, 0.0, 0.9),
    "strong": Scene("finding, strong (correlation 0.8)", 0.8, 0.0, 0.6),
}


def simulate(scene: Scene, stream: np.random.Generator) -> tuple[Cohort, Split, Scores, dict[str, tuple[float]]]:
    """Draw one study: patients, split, scores of the network, and the logarithms of the sizes."""
    log_size, age, finding = stream.standard_normal((3, PATIENTS))
    log_odds = scene.intercept + 0.9 * log_size + 0.3 * age + 0.9 * finding
    is_high = stream.random(PATIENTS) < 1.0 / (1.0 + np.exp(-log_odds))
    image = scene.finding * finding + scene.size * log_size + scene.noise * stream.standard_normal(PATIENTS)
    cases = tuple(
        Case(f"P{k:03}", bool(is_high[k]), None, {}, {"age_years": 60.0 + 10.0 * float(age[k])})
        for k in range(PATIENTS)
    )
    cohort = Cohort(cases, ("cmp",), ("age_years",), None)
    split = draw_split(cohort, SPLITTING)
    sizes = {case.patient_id: (float(value),) for case, value in zip(cases, log_size, strict=True)}
    return cohort, split, _score(cohort, split, image, scene=scene, stream=stream), sizes


def _score(cohort: Cohort, split: Split, image: FloatVector, *, scene: Scene, stream: np.random.Generator) -> Scores:
    """The scores out of fold, each network with its own level and scale, and their mean for the test patients."""
    levels = scene.by_fold * stream.standard_normal(FOLDS)
    scales = np.exp(scene.by_fold * stream.standard_normal(FOLDS))
    rows = []
    for case, value in zip(cohort.cases, image.tolist(), strict=True):
        place = split.assignments[case.patient_id]
        each = 1.0 / (1.0 + np.exp(-(levels + scales * value)))
        p_high = float(each.mean() if place.fold is None else each[place.fold])
        part: SplitName = "test" if place.fold is None else "oof"
        rows.append(Score(case.patient_id, "network", part, place.fold, case.is_high, p_high))
    return Scores(tuple(rows))


def judge(name: str, replicates: int) -> tuple[tuple[str, ...], list[str]]:
    """Simulate one scene, and return its row with what it misses."""
    scene = SCENES[name]
    stream = np.random.default_rng([SEED, *name.encode()])
    found: dict[str, list[Increment]] = {}
    n_high = 0
    for _ in range(replicates):
        cohort, split, scores, sizes = simulate(scene, stream)
        n_high += sum(case.is_high for case in cohort.cases)
        with config_context(skip_parameter_validation=True, assume_finite=True):  # a quarter of the time
            stacks = stack_images(scores, cohort, split, SETTINGS, log_sizes=sizes)
        for row in stacks.increments:
            found.setdefault(row.measure, []).append(row)
    holds = {measure: _share_holding_zero(rows) for measure, rows in found.items()}
    alike = float(np.mean([math.isnan(row.low) for row in found["net_benefit"]]))
    rejects = float(np.mean([row.p_value < 0.05 for row in found["likelihood_ratio"]]))
    means = [float(np.mean([row.difference for row in found[measure]])) for measure in ("auc", "brier")]
    slopes = [row.with_image for row in found["calibration_slope"] if not math.isnan(row.with_image)]
    misses = []
    if scene.is_null and holds["auc"] < LOWEST_COVERAGE:
        misses.append(f"{name}: the interval of the AUC difference holds 0 in {holds['auc']:.3f}")
    if scene.is_null and rejects > HIGHEST_SIZE:
        misses.append(f"{name}: the likelihood ratio test rejects in {rejects:.3f}")
    return (
        scene.words,
        f"{n_high / replicates / PATIENTS:.0%}",
        f"{replicates:,}",
        *(f"{holds[measure]:.3f}" for measure in ("auc", "brier", "net_benefit")),
        f"{alike:.3f}",
        f"{rejects:.3f}",
        *(f"{mean:+.4f}" for mean in means),
        f"{np.median(slopes):.2f}",
    ), misses


def _share_holding_zero(rows: list[Increment]) -> float:
    """Share of the intervals that contain 0; NaN if there is none."""
    intervals = [(row.low, row.high) for row in rows if not math.isnan(row.low)]
    return float(np.mean([low <= 0 <= high for low, high in intervals])) if intervals else math.nan


def main() -> int:
    """Print the table of the scenes that were asked for."""
    parser = argparse.ArgumentParser(description="What a stack finds that an image adds, by simulation.")
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"any of {', '.join(SCENES)}; all by default")
    parser.add_argument("--replicates", type=int, default=1000)
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
