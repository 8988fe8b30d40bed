"""Do planned sample sizes reach what they promise? Simulated test sets of exactly the planned size.

Scores are normal with equal variance in both grades; the grades of the patients are drawn, so that their proportion
varies as in a real test set. Two models are correlated so that their AUCs have the planned correlation of 0.5. A power
is the share of test sets that show what was planned, with the tests of this package; a width is the mean width of
the intervals.

Run it with ``python bench/sample_size.py``.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from nephrograde.evaluation.calibration.calibration import calibration_slope
from nephrograde.evaluation.performance.delong import normal_quantile, place
from nephrograde.evaluation.sample_size.model_size import scores_of_auc, validation
from nephrograde.evaluation.sample_size.sample_size import (
    auc_difference,
    auc_equivalence,
    auc_noninferiority,
    auc_precision,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEED = 20261127
AUCS = (0.75, 0.85, 0.92)
SHARES = (0.4, 0.2)
MARGIN = 0.05
CORRELATION = 0.5
MANY = 40_000
"""Patients on whom the correlation of two AUCs is determined."""
LOWEST_POWER = 0.76
Z = normal_quantile(0.95)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models compared on a test set: what is to be shown, and whether a difference and its error show it."""

    name: str
    aucs: tuple[float, float]
    high: float
    n: int
    is_shown: Callable[[float, float], bool]


def comparisons() -> Iterator[Comparison]:
    """Every kind of comparison with its planned number of patients."""
    for auc in AUCS:
        for high in SHARES:
            n = auc_difference(auc, high, difference=MARGIN).n
            yield Comparison("a difference", (auc, auc - MARGIN), high, n, lambda d, e: abs(d) > Z * e)
            n = auc_noninferiority(auc, high, margin=MARGIN).n
            yield Comparison("non-inferiority", (auc, auc), high, n, lambda d, e: d - Z * e > -MARGIN)
            n = auc_equivalence(auc, high, margin=MARGIN).n
            yield Comparison("equivalence", (auc, auc), high, n, lambda d, e: abs(d) + Z * e < MARGIN)


def draw_scores(
    planned: Comparison, shared: float, n: int, stream: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of two models whose scores have this correlation within a grade, and the grades."""
    apart = np.array([[math.sqrt(2.0) * float(ndtri(auc))] for auc in planned.aucs])
    truth = stream.random(n) < planned.high
    both, own = stream.normal(0, 1, n), stream.normal(0, 1, (2, n))
    return math.sqrt(shared) * both + math.sqrt(1.0 - shared) * own + apart * truth, truth


def shared_of(planned: Comparison) -> float:
    """The correlation of scores at which the AUCs have the planned correlation, found by bisection."""
    low, high = 0.3, 0.8
    for _ in range(12):
        middle = (low + high) / 2.0
        covariance = place(*draw_scores(planned, middle, MANY, np.random.default_rng(SEED))).covariance()
        found = covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1])
        low, high = (middle, high) if found < CORRELATION else (low, middle)
    return low


def power_of(planned: Comparison, replicates: int) -> float:
    """The share of simulated test sets that show what was planned."""
    stream = np.random.default_rng([SEED, planned.n])
    shared = shared_of(planned)
    shown = 0
    for _ in range(replicates):
        difference, variance = place(*draw_scores(planned, shared, planned.n, stream)).difference(0, 1)
        shown += planned.is_shown(difference, math.sqrt(variance))
    return shown / replicates


def auc_width(auc: float, high: float, n: int, stream: np.random.Generator) -> float:
    """The width of DeLong's interval in one test set."""
    truth = stream.random(n) < high
    scores = stream.normal(0, 1, n) + math.sqrt(2.0) * float(ndtri(auc)) * truth
    return 2.0 * Z * math.sqrt(place(scores[None], truth).covariance().item())


def slope_width(auc: float, high: float, n: int, stream: np.random.Generator) -> float:
    """The width of the interval of the calibration slope of a calibrated model in one test set."""
    truth = stream.random(n) < high
    apart = math.sqrt(2.0) * float(ndtri(auc))
    scores = stream.normal(0, 1, n) + apart * truth
    odds = high / (1.0 - high) * np.exp(apart * scores - apart**2 / 2.0)
    made = calibration_slope(odds / (1.0 + odds), truth)
    return made.high - made.low


def print_widths(replicates: int) -> None:
    """Print the widths of intervals in test sets of the planned size."""
    print("\n| interval of | AUC | high | n | width wanted | width found |\n|---|---|---|---|---|---|")
    for auc in AUCS:
        for high in SHARES:
            slope = validation(scores_of_auc(auc, high), auc)[1]
            rows = (
                ("AUC", auc_precision(auc, high).n, 0.1, auc_width),
                ("calibration slope", slope.n, slope.target, slope_width),
            )
            for name, n, wanted, width in rows:
                stream = np.random.default_rng([SEED, n])
                found = float(np.mean([width(auc, high, n, stream) for _ in range(replicates)]))
                print(f"| {name} | {auc:.2f} | {high:.0%} | {n:,} | {wanted:.2f} | {found:.3f} |", flush=True)


def main() -> int:
    """Print the tables; 1 if a power is too low."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--replicates", type=int, default=2000)
    options = parser.parse_args()
    start_s = time.perf_counter()
    print("| to show | AUCs | high | n | power |\n|---|---|---|---|---|")
    powers = []
    for planned in comparisons():
        powers.append(power_of(planned, options.replicates))
        aucs = f"{planned.aucs[0]:.2f}, {planned.aucs[1]:.2f}"
        print(f"| {planned.name} | {aucs} | {planned.high:.0%} | {planned.n:,} | {powers[-1]:.3f} |", flush=True)
    print_widths(options.replicates // 10)
    print(f"\n{options.replicates} test sets each, {time.perf_counter() - start_s:.0f} s")
    return 0 if min(powers) >= LOWEST_POWER else 1


if __name__ == "__main__":
    sys.exit(main())
