"""How often a recalibration is suggested without need, what the correction of its gain is worth, and drift alarms.

Log odds of a model are drawn from a normal distribution and truths from the probabilities that a planted intercept and
slope make of them, so that the true gain of every recalibration is known. Quantities of patients are drawn from gamma
distributions, as tumour sizes are. A number that misses what a section claims is named, and the exit code is then 1.

Run: python bench/recalibration.py [--replicates 500] [SECTION …]
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit, logit

from nephrograde.evaluation.calibration.updating import Update, Why, advise_update
from nephrograde.predict.cohort_range import CohortRange, Spread
from nephrograde.validation.inputs import compare_inputs

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.evaluation.calibration.updating import Advice

SEED = 20261128
BOOTSTRAPS = 100
SPREAD = 1.2
NAMES = ("tumour_diameter_mm", "tumour_volume_ml", "region_mean_hu", "pixel_mm", "slice_distance_mm", "slices")
Row: TypeAlias = tuple[str, ...]
Vector: TypeAlias = "npt.NDArray[np.float64]"


def printed(claim: str, headings: Row, rows: list[Row]) -> None:
    """Print a section as Markdown."""
    lines = [headings, tuple("---" for _ in headings), *rows]
    print(claim, "", *("| " + " | ".join(line) + " |" for line in lines), "", sep="\n", flush=True)


def advised(
    stream: np.random.Generator, n: int, prevalence: float, planted: tuple[float, float]
) -> tuple[Advice, Vector, Vector]:
    """The advice on one cohort, and the log odds and true probabilities of many further patients."""
    intercept, slope = planted
    level = logit(prevalence)
    log_odds = stream.normal(level, SPREAD, n)
    is_high = stream.random(n) < expit(intercept + slope * log_odds)
    seed = int(stream.integers(2**31))
    advice = advise_update(expit(log_odds), is_high, prevalence=prevalence, seed=seed, replicates=BOOTSTRAPS)
    new = stream.normal(level, SPREAD, 5000)
    return advice, new, expit(intercept + slope * new)


def log_loss(log_odds: Vector, truth: Vector) -> float:
    """The expected log loss where the true probabilities are known."""
    return float((np.logaddexp(0.0, log_odds) - truth * log_odds).mean())


def suggestions(replicates: int) -> list[str]:
    """How often an update is suggested, with and without need."""
    stream, rows, misses = np.random.default_rng(SEED), [], []
    for n in (60, 150, 400):
        for planted in ((0.0, 1.0), (-0.7, 1.0), (0.0, 0.5), (-0.7, 0.5)):
            found = [advised(stream, n, 0.35, planted)[0] for _ in range(replicates)]
            shares = {update: np.mean([one.suggested is update for one in found]) for update in Update}
            too_few = np.mean([one.why is Why.TOO_FEW for one in found])
            any_update = shares[Update.INTERCEPT] + shares[Update.INTERCEPT_SLOPE]
            cells = (any_update, shares[Update.INTERCEPT], shares[Update.INTERCEPT_SLOPE], too_few)
            rows.append((str(n), f"{planted[0]:g}", f"{planted[1]:g}", *(f"{one:.3f}" for one in cells)))
            if planted == (0.0, 1.0) and any_update > 0.05 + 3 * np.sqrt(0.05 * 0.95 / replicates):
                misses.append(f"{n} patients of a calibrated model: an update is suggested in {any_update:.3f}")
    headings = ("n", "true intercept", "true slope", "any suggested", "intercept", "intercept and slope", "too few")
    printed("Suggested recalibrations; at most 0.05 of a calibrated model (0, 1), within the error.", headings, rows)
    return misses


def gains(replicates: int) -> list[str]:
    """Apparent, corrected and true gain in log loss of a new intercept and slope."""
    stream, rows, misses = np.random.default_rng(SEED + 1), [], []
    for n in (100, 200, 400):
        for planted in ((0.0, 1.0), (-0.7, 0.5)):
            found = []
            for _ in range(replicates):
                advice, new, truth = advised(stream, n, 0.5, planted)
                row = advice.row(Update.INTERCEPT_SLOPE)
                if row is not None:
                    true = log_loss(new, truth) - log_loss(row.intercept + row.slope * new, truth)
                    found.append((row.log_loss_gain_apparent, row.log_loss_gain_corrected, true))
            means, errors = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
            cells = (f"{mean:.4f} ± {error:.4f}" for mean, error in zip(means, errors, strict=True))
            rows.append((str(n), f"{planted[0]:g}", f"{planted[1]:g}", *cells))
            apparent, corrected, true = means
            if abs(corrected - true) > 0.5 * abs(apparent - true):
                misses.append(f"{n} patients, {planted}: the correction takes off less than half of the optimism")
    headings = ("n", "true intercept", "true slope", "apparent", "corrected", "true")
    printed(
        "Gain in log loss (± standard error) of a new intercept and slope: most of the optimism is taken off.",
        headings,
        rows,
    )
    return misses


def drift(replicates: int) -> list[str]:
    """How often a table of six quantities warns of drift, without one and with one shifted."""
    stream, rows, misses = np.random.default_rng(SEED + 2), [], []
    for known in (30, 100, 300):
        for here in (30, 100):
            shares = []
            for shift in (0.0, 0.5, 1.0):
                warned = 0
                for _ in range(replicates):
                    drawn = {name: stream.gamma(4.0, 1.0, known) for name in NAMES}
                    spreads = {name: spread_of(values) for name, values in drawn.items()}
                    own = {name: stream.gamma(4.0, 1.0, here) for name in NAMES}
                    own[NAMES[0]] = own[NAMES[0]] + 2.0 * shift  # the standard deviation is 2
                    quantities = {
                        ("cmp", name): {str(k): float(one) for k, one in enumerate(values)}
                        for name, values in own.items()
                    }
                    found = compare_inputs(quantities, CohortRange({"cmp": spreads}), confidence=0.95)
                    warned += any(row.has_drifted for row in found)
                shares.append(warned / replicates)
            rows.append((str(known), str(here), *(f"{one:.3f}" for one in shares)))
            if shares[0] > 0.05 + 3 * np.sqrt(0.05 * 0.95 / replicates):
                misses.append(f"{known} and {here} patients without drift: a warning in {shares[0]:.3f}")
    headings = ("development", "here", "no shift", "0.5 SD", "1 SD")
    printed("Tables of six quantities that warn of drift; one of them is shifted.", headings, rows)
    return misses


def spread_of(values: Vector) -> Spread:
    """The range as a grader file stores it."""
    low, median, high = np.percentile(values, [5, 50, 95])
    return Spread(values.size, *(float(one) for one in (values.min(), low, median, high, values.max())))


def main() -> int:
    """Print all sections, and name what misses its claim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], metavar="SECTION", help=", ".join(SECTIONS))
    given = parser.parse_args()
    misses = [miss for name in given.sections or SECTIONS for miss in SECTIONS[name](given.replicates)]
    print("\n".join(misses))
    return bool(misses)


SECTIONS = {"suggestions": suggestions, "gains": gains, "drift": drift}


if __name__ == "__main__":
    sys.exit(main())
