"""Does a threshold mean the same for single networks and for their mean? Simulations with the package's own functions.

The log odds of a network are ``level + spread · (signal + noise of its own)``: networks of different folds differ in
level and spread, are overconfident, and share only the signal. Thresholds are chosen on out-of-fold scores of 210
patients, and applied to the mean of five networks for new patients; 90 of these, without their truth, show how far the
networks disagree. The first table compares ways to bring both to one scale, the second repeats the chosen way under
other circumstances, and the third shows what balanced batches do to probabilities. The exit code is 1 where a claim is
missed. The seed is fixed.

Run: python bench/scale.py [--replicates 400]
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import expit, logit, ndtri

from nephrograde.evaluation.calibration.benefit import net_benefit_curve
from nephrograde.evaluation.calibration.calibration import calibration_intercept, calibration_slope
from nephrograde.evaluation.performance.metrics import auc
from nephrograde.evaluation.performance.threshold import sensitivity_threshold
from nephrograde.evaluation.scores.prevalence import prior_shift
from nephrograde.evaluation.scores.scale import NetworkScores, fit_scale

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from nephrograde.evaluation.scores.scale import ModelScale
    from nephrograde.vocabulary import BoolVector, FloatVector

SEED = 20261127
FOLDS = 5
TARGET = 0.9
NEW = 1000
"""New patients of a replicate on whom sensitivity and specificity are counted."""
SEEN = 90
"""How many of them a run has as test patients, whose scores show how far the networks disagree."""
RESAMPLES = 25


@dataclass(frozen=True, slots=True)
class World:
    """How patients and networks are made.

    ``auc`` is that of a single network; ``noise`` the standard deviation of its own noise, where that of the signal
    within a grade is 1; ``level`` and ``spread`` the standard deviations of the networks' levels and logarithms of
    spreads; with ``confidence`` 1, a network without other differences is calibrated for balanced batches.
    """

    n: int = 210
    share: float = 0.45
    auc: float = 0.84
    noise: float = 0.7
    level: float = 0.6
    spread: float = 0.3
    confidence: float = 1.5


class Draw(NamedTuple):
    """One replicate: log odds as the networks give them; ``repeated`` are means of five networks out of fold."""

    folds: npt.NDArray[np.intp]
    is_high: BoolVector
    held_out: FloatVector
    repeated: FloatVector
    new_high: BoolVector
    new: FloatVector


class Scored(NamedTuple):
    """Log odds to be thresholded: out of fold, and of new patients."""

    held_out: FloatVector
    new: FloatVector


def draw(world: World, rng: np.random.Generator) -> Draw:
    """Draw the patients of one replicate and what the networks give them."""
    is_high = np.arange(world.n) < round(world.share * world.n)
    new_high = np.arange(NEW) % 1000 < round(world.share * 1000)
    folds = np.arange(world.n) % FOLDS
    variance = 1 + world.noise**2
    apart = math.sqrt(2 * variance) * float(ndtri(world.auc))
    signal, new_signal = (apart * (truth - 0.5) + rng.normal(size=truth.size) for truth in (is_high, new_high))
    slope = world.confidence * apart / variance

    def give(patients: FloatVector, level: FloatVector | float, spread: FloatVector | float) -> FloatVector:
        noisy = patients + world.noise * rng.normal(size=patients.size)
        return np.asarray(level + slope * spread * noisy)

    levels, spreads = world.level * rng.normal(size=FOLDS), np.exp(world.spread * rng.normal(size=FOLDS))
    held_out = give(signal, levels[folds], spreads[folds])
    new = np.array([give(new_signal, *both) for both in zip(levels, spreads, strict=True)])
    repeats = [
        give(
            signal, (world.level * rng.normal(size=FOLDS))[folds], np.exp(world.spread * rng.normal(size=FOLDS))[folds]
        )
        for _ in range(FOLDS - 1)
    ]
    return Draw(folds, is_high, held_out, np.mean([held_out, *repeats], axis=0), new_high, new)


def scale_of(made: Draw, world: World) -> ModelScale:
    """The package's scale of the five networks."""
    networks = [
        NetworkScores(
            k, world.share, True, expit(made.held_out[made.folds == k]), made.is_high[made.folds == k],
            expit(made.new[k, :: NEW // SEEN][:SEEN]),
        )
        for k in range(FOLDS)
    ]  # fmt: skip
    return fit_scale("simulated", networks)


def rescaled(made: Draw, scale: ModelScale) -> tuple[FloatVector, FloatVector]:
    """Log odds on the common scale: out of fold, and of each network for new patients."""
    intercepts, slopes = (np.array([getattr(row, name) for row in scale.networks]) for name in ("intercept", "slope"))
    shift = scale.networks[0].prior_shift
    held_out = intercepts[made.folds] + slopes[made.folds] * (made.held_out + shift)
    return held_out, intercepts[:, None] + slopes[:, None] * (made.new + shift)


def before(made: Draw, world: World) -> Scored:
    """The mean of the probabilities as the networks give them."""
    del world
    return Scored(made.held_out, logit(expit(made.new).mean(axis=0)))


def mean_of_log_odds(made: Draw, world: World) -> Scored:
    """The mean of the log odds as the networks give them."""
    del world
    return Scored(made.held_out, made.new.mean(axis=0))


def vote(made: Draw, world: World) -> Scored:
    """The median network: high where most networks call high."""
    del world
    return Scored(made.held_out, np.median(made.new, axis=0))


def repeats(made: Draw, world: World) -> Scored:
    """Five repeats of the cross-validation, so that each training patient is scored by five networks too."""
    del world
    return Scored(made.repeated, made.new.mean(axis=0))


def logistic(made: Draw, world: World, *, stretched: bool) -> Scored:
    """An intercept and a slope for each network from its own held-out patients, shrunken towards no change."""
    held_out, new, lost = np.empty_like(made.held_out), np.empty_like(made.new), 0.0
    for k in range(FOLDS):
        own = made.folds == k
        one = NetworkScores(k, world.share, True, expit(made.held_out[own]), made.is_high[own], [])
        (row,) = fit_scale("alone", [one]).networks
        held_out[own] = row.intercept + row.slope * (made.held_out[own] + row.prior_shift)
        new[k] = row.intercept + row.slope * (made.new[k] + row.prior_shift)
    mean = new.mean(axis=0)
    if stretched:
        lost = new[:, :SEEN].var(axis=0, ddof=1).mean() * (FOLDS - 1) / FOLDS
        within = np.concatenate([held_out[g] - held_out[g].mean() for g in (made.is_high, ~made.is_high)])
        ratio = 1 / max(1 - lost / within.var(), 1 / FOLDS)
        center = prior_shift(world.share)
        mean = center + ratio * (mean - center)
    return Scored(held_out, mean)


def common(made: Draw, world: World, *, power: float) -> Scored:
    """The package's scale; ``power`` 0 leaves the mean, 0.5 restores its standard deviation, 1 stretches it fully."""
    scale = scale_of(made, world)
    held_out, new = rescaled(made, scale)
    center = prior_shift(world.share)
    return Scored(held_out, center + scale.ensemble.slope**power * (new.mean(axis=0) - center))


WAYS: dict[str, Callable[[Draw, World], Scored]] = {
    "mean of probabilities, as before": before,
    "mean of log odds": mean_of_log_odds,
    "vote of the networks": vote,
    "each network calibrated on its held-out patients": partial(logistic, stretched=False),
    "the same, mean stretched": partial(logistic, stretched=True),
    "common level and spread, calibrated": partial(common, power=0.0),
    "the same, standard deviation restored": partial(common, power=0.5),
    "**the same, mean stretched (chosen)**": partial(common, power=1.0),
    "five repeats of the cross-validation": repeats,
}


class Tally(NamedTuple):
    """What one replicate gives."""

    sensitivity: float
    specificity: float
    auc: float
    intercept: float
    slope: float


def measure(scored: Scored, made: Draw, *, threshold: float | None = None) -> Tally:
    """Apply the threshold of the out-of-fold scores to new patients."""
    cut = sensitivity_threshold(scored.held_out, made.is_high, target=TARGET) if threshold is None else threshold
    calls, probabilities = scored.new >= cut, np.clip(expit(scored.new), 1e-7, 1 - 1e-7)
    return Tally(
        calls[made.new_high].mean(),
        1 - calls[~made.new_high].mean(),
        auc(scored.new, made.new_high).value,
        calibration_intercept(probabilities, made.new_high).value,
        calibration_slope(probabilities, made.new_high).value,
    )


def single(made: Draw) -> tuple[float, float, float]:
    """Sensitivity, specificity and AUC of single networks at their own threshold, for new patients."""
    calls = made.new >= sensitivity_threshold(made.held_out, made.is_high, target=TARGET)
    found = float(np.mean([auc(one, made.new_high).value for one in made.new]))
    return float(calls[:, made.new_high].mean()), float(1 - calls[:, ~made.new_high].mean()), found


def bagged(scored: Scored, made: Draw, rng: np.random.Generator) -> float:
    """The mean of the thresholds of resampled out-of-fold patients."""
    found = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rng.choice(np.flatnonzero(g), g.sum()) for g in (made.is_high, ~made.is_high)])
        found.append(sensitivity_threshold(scored.held_out[drawn], made.is_high[drawn], target=TARGET))
    return float(np.mean(found))


def table(*headings: str) -> None:
    """Print the head of a Markdown table."""
    print(f"\n| {' | '.join(headings)} |\n|{' --- |' * len(headings)}")


def compare_ways(replicates: int) -> list[str]:
    """Compare the ways to one scale where networks differ and are overconfident."""
    world, rng = World(), np.random.default_rng(SEED)
    tallies: dict[str, list[Tally]] = {name: [] for name in WAYS}
    shrunken: list[Tally] = []
    alone = []
    for _ in range(replicates):
        made = draw(world, rng)
        alone.append(single(made))
        for name, way in WAYS.items():
            scored = way(made, world)
            tallies[name].append(measure(scored, made))
        shrunken.append(measure(scored := common(made, world, power=1.0), made, threshold=bagged(scored, made, rng)))
    tallies["chosen, threshold a mean over resamples"] = shrunken
    print(f"Sensitivity of at least {TARGET} chosen out of fold on {world.n} patients; {replicates} replicates.")
    table("", "sensitivity", "specificity", "AUC", "calibration intercept", "slope")
    print("| single networks | {:.3f} | {:.3f} | {:.3f} | | |".format(*np.mean(alone, axis=0)))
    for name, found in tallies.items():
        print("| {} | {:.3f} | {:.3f} | {:.3f} | {:+.2f} | {:.2f} |".format(name, *center(found)))
    plain, chosen = (
        center(tallies["mean of probabilities, as before"]),
        center(tallies["**the same, mean stretched (chosen)**"]),
    )
    return [] if chosen.auc > plain.auc - 0.001 else ["the AUC of the mean suffers"]


def center(found: list[Tally]) -> Tally:
    """Means over the replicates."""
    return Tally(*np.nanmean(found, axis=0).tolist())


CIRCUMSTANCES = {
    "as above": World(),
    "single networks with AUC 0.76": World(auc=0.76),
    "single networks with AUC 0.91": World(auc=0.91),
    "networks alike but for their noise, calibrated": World(level=0.0, spread=0.0, confidence=1.0),
    "little noise of their own": World(noise=0.4),
    "much noise, very overconfident": World(noise=1.2, confidence=2.5),
    "levels and spreads far apart": World(level=1.5, spread=0.5, confidence=3.0),
    "20 % high grade": World(share=0.2),
    "90 patients": World(n=90),
}


def vary_circumstances(replicates: int) -> list[str]:
    """Repeat the chosen way under other circumstances."""
    missed = []
    print("\nThe chosen way under other circumstances; in brackets single networks.")
    table("", "sensitivity", "specificity", "AUC", "calibration intercept", "slope")
    for name, world in CIRCUMSTANCES.items():
        rng = np.random.default_rng(SEED)
        made = [draw(world, rng) for _ in range(replicates)]
        found = center([measure(common(one, world, power=1.0), one) for one in made])
        alone = np.mean([single(one) for one in made], axis=0)
        print(
            f"| {name} | {found.sensitivity:.3f} ({alone[0]:.3f}) | {found.specificity:.3f} ({alone[1]:.3f}) | "
            f"{found.auc:.3f} ({alone[2]:.3f}) | {found.intercept:+.2f} | {found.slope:.2f} |"
        )
        if world.n == 210 and not 0.88 <= found.sensitivity <= 0.92:
            missed.append(f"{name}: sensitivity {found.sensitivity:.3f}, not 0.88 to 0.92")
        if found.specificity < alone[1] - 0.02:
            missed.append(f"{name}: specificity {found.specificity:.3f}, of single networks {alone[1]:.3f}")
        if abs(found.intercept) > 0.15:
            missed.append(f"{name}: calibration intercept {found.intercept:.2f}")
    return missed


def correct_priors(replicates: int) -> list[str]:
    """Calibration and net benefit with and without the correction for balanced batches."""
    missed = []
    print("\nNetworks that learnt from balanced batches; net benefit at a threshold probability of 0.4, and of the")
    print("better of calling everyone and no one high.")
    headings = ("high grade", "intercept, uncorrected", "corrected", "net benefit, uncorrected", "corrected", "default")
    table(*headings)
    for share in (0.1, 0.2, 0.3, 0.45):
        world = replace(World(share=share), level=0.0, spread=0.0, confidence=1.0)
        rng = np.random.default_rng(SEED)
        rows = []
        for _ in range(replicates):
            made = draw(world, rng)
            pair = [before(made, world).new, common(made, world, power=1.0).new]
            intercepts = [calibration_intercept(expit(odds), made.new_high).value for odds in pair]
            points = [benefit_at(expit(odds), made.new_high) for odds in pair]
            rows.append([*intercepts, points[0][0], points[1][0], max(points[0][1], 0.0)])
        found = np.mean(rows, axis=0)
        print(f"| {share:.0%} | " + " | ".join(f"{value:+.2f}" for value in found[:2]), end=" | ")
        print(" | ".join(f"{value:.3f}" for value in found[2:]) + " |")
        if abs(found[1]) > 0.15:
            missed.append(f"{share:.0%} high grade: calibration intercept {found[1]:.2f}")
        if found[3] < found[4]:
            missed.append(f"{share:.0%} high grade: net benefit {found[3]:.3f} below {found[4]:.3f}")
    return missed


def benefit_at(p_high: FloatVector, is_high: BoolVector) -> tuple[float, float]:
    """Net benefit at 0.4, and that of calling everyone high."""
    point = net_benefit_curve(p_high, is_high, model="m", split="test", low=0.39, high=0.4)[-1]
    return point.net_benefit, point.treat_all


def main() -> int:
    """Print the tables; 1 where a claim is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--replicates", type=int, default=400)
    replicates = parser.parse_args().replicates
    missed = [*compare_ways(replicates), *vary_circumstances(replicates), *correct_priors(replicates)]
    print("\n" + ("\n".join(f"Missed: {text}" for text in missed) or "All claims hold."))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
