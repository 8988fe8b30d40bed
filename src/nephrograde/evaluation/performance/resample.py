"""Means over patients in resamples: the bootstrap of everything that is an average over patients.

Net benefit, the Brier score and their differences between two models are averages of one number for each patient. A
resample draws as many patients as there are, with replacement and whatever their grade, as another sample from the same
clinic would have another number of high-grade patients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.errors import ScoresError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nephrograde.vocabulary import FloatVector

Counts: TypeAlias = Annotated[npt.NDArray[np.int32], "resample patient"]
Positions: TypeAlias = Annotated[npt.NDArray[np.int64], "position"]
Contributions: TypeAlias = Annotated[npt.NDArray[np.float64], "patient quantity"]
Means: TypeAlias = Annotated[npt.NDArray[np.float64], "resample quantity"]

MOST_DRAWS = 20_000_000
"""More than 10,000 patients at 2,000 replicates get fewer replicates; the interval is then narrow anyway."""
FEWEST_REPLICATES = 200
DRAWS_AT_ONCE = 1_000_000
"""Patients drawn into memory at once: 8 MB for each array that holds them."""


def affordable_replicates(asked: int, patients: int, *, most_draws: int = MOST_DRAWS) -> int:
    """Return how many resamples are drawn: as many as were asked for, but fewer in very large tables.

    Args:
        asked: Number of resamples.
        patients: Patients in each.
        most_draws: Maximum number of patients drawn, over all resamples.

    >>> affordable_replicates(2000, 90), affordable_replicates(2000, 100_000), affordable_replicates(2000, 10**7)
    (2000, 200, 200)
    """
    return max(min(asked, most_draws // patients), min(asked, FEWEST_REPLICATES))


def resampled_means(contributions: Contributions, *, replicates: int, seed: int) -> Means:
    """Compute the mean of each quantity over patients in every resample.

    The resamples depend only on the seed and the number of patients, so quantities that are given together, or in two
    calls, are computed on the same resamples.

    Args:
        contributions: One row per patient, one column per quantity.
        replicates: Number of resamples; in very large tables fewer are drawn.
        seed: Seed of the random stream.

    Returns:
        One row per resample.

    Raises:
        ScoresError: No patient, or fewer than one replicate.

    Source:
        Efron & Tibshirani 1993, chapter 6.

    >>> means = resampled_means(np.array([[0.0], [1.0]]), replicates=1000, seed=1)
    >>> means.shape, round(float(means.mean()), 1), sorted(set(means[:, 0].tolist()))
    ((1000, 1), 0.5, [0.0, 0.5, 1.0])
    """
    parts = [
        counts.astype(np.float64) @ contributions / len(contributions)
        for counts in drawn_counts(len(contributions), replicates=replicates, seed=seed)
    ]
    return np.concatenate(parts)


def drawn_counts(patients: int, *, replicates: int, seed: int) -> Iterator[Counts]:
    """Draw resamples: how often each patient is in each of them.

    Args:
        patients: Number of patients.
        replicates: Number of resamples; in very large tables fewer are drawn.
        seed: Seed of the random stream.

    Returns:
        Several resamples at a time; each has as many patients as there are.

    Raises:
        ScoresError: No patient, or fewer than one replicate.

    >>> [counts.sum(axis=1).tolist() for counts in drawn_counts(4, replicates=3, seed=1)]
    [[4, 4, 4]]
    """
    if not patients or replicates < 1:
        raise ScoresError(f"{replicates} resamples of {patients} patients. Give at least one of each.")
    drawn = affordable_replicates(replicates, patients)
    stream = np.random.default_rng(seed)
    at_once = max(1, DRAWS_AT_ONCE // patients)
    for start in range(0, drawn, at_once):
        yield counts_of(stream.integers(0, patients, (min(at_once, drawn - start), patients)), patients)


def counts_of(chosen: npt.NDArray[np.int64], patients: int) -> Counts:
    """Count how often each patient was chosen.

    Args:
        chosen: The patients that were drawn, ``resample × draw``, as numbers from 0; changed in place.
        patients: Number of patients.

    >>> counts_of(np.array([[0, 0, 2], [1, 1, 1]]), 3).tolist()
    [[2, 0, 1], [0, 3, 0]]
    """
    chosen += patients * np.arange(len(chosen))[:, np.newaxis]
    counts = np.bincount(chosen.ravel(), minlength=len(chosen) * patients)
    return counts.reshape(len(chosen), patients).astype(np.int32)  # read three times as fast as the default


def counts_up_to(counts: Counts, ranked: Positions) -> Counts:
    """Add up how often patients are in each resample, from the lowest score to the highest.

    Args:
        counts: How often each patient is in each resample.
        ranked: The patients, or some of them, by increasing score.

    Returns:
        ``resample × rank``: how often one of the first 0, 1, 2 … of these patients is in the resample.

    >>> counts_up_to(np.array([[2, 0, 1]], dtype=np.int32), np.array([2, 0, 1])).tolist()
    [[0, 1, 3, 3]]
    """
    up_to = np.zeros((len(counts), ranked.size + 1), dtype=np.int32)
    np.cumsum(np.take(counts, ranked, axis=1), axis=1, dtype=np.int32, out=up_to[:, 1:])
    return up_to


def percentile_bounds(resampled: Means, *, confidence: float) -> tuple[FloatVector, FloatVector]:
    """Compute the percentile interval of each quantity.

    Args:
        resampled: One row per resample.
        confidence: Coverage probability of the interval.

    Returns:
        The low and the high bounds.

    >>> low, high = percentile_bounds(np.linspace(0, 1, 101)[:, np.newaxis], confidence=0.9)
    >>> low.round(6).tolist(), high.round(6).tolist()
    ([0.05], [0.95])
    """
    low, high = np.quantile(resampled, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0], axis=0)
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
