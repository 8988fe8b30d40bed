"""The bootstrap interval of the AUC: a second opinion that does not assume a normal distribution.

High-grade and low-grade patients are resampled separately with replacement, keeping the size of each group, and the
AUC of each resample is computed; the middle 95 % of these AUCs are the interval. Near an AUC of 1 and in small groups
it is skewed, whereas DeLong's is symmetric; if the two disagree, neither should be relied on.

All models that have scored the same patients share the same resamples. These depend only on the seed and the number of
patients, so the interval of a model does not depend on the other models in the table.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.delong import place
from nephrograde.evaluation.performance.metrics import Estimate
from nephrograde.evaluation.performance.resample import (
    DRAWS_AT_ONCE,
    MOST_DRAWS,
    affordable_replicates,
    counts_of,
    counts_up_to,
)
from nephrograde.evaluation.remarks import Caution, Reason
from nephrograde.evaluation.scores.scores import paired_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from nephrograde.evaluation.performance.delong import Placements
    from nephrograde.evaluation.performance.resample import Counts
    from nephrograde.evaluation.scores.scores import ModelScores
    from nephrograde.vocabulary import BoolVector, FloatVector


def bootstrap_aucs(
    models: Mapping[str, ModelScores],
    *,
    replicates: int = 2000,
    seed: int,
    confidence: float = 0.95,
    most_draws: int = MOST_DRAWS,
    draws_at_once: int = DRAWS_AT_ONCE,
) -> dict[str, Estimate]:
    """Estimate the AUC of every model with a stratified percentile bootstrap interval over patients.

    Args:
        models: The scores of each model in one split, by model id.
        replicates: Number of resamples; in very large tables fewer are drawn, and ``method`` says how many.
        seed: Seed of the single random stream from which all resamples are drawn.
        confidence: Coverage probability of the interval.
        most_draws: Maximum number of patients drawn, over all resamples; larger tables have fewer replicates.
        draws_at_once: Number of patients drawn into memory at a time; it does not change the result.

    Returns:
        An estimate of the measure "auc_bootstrap" by model id. A model without patients of both grades keeps its
        estimate, without numbers and with the reason.

    Raises:
        ScoresError: Fewer than one replicate.

    Source:
        Efron & Tibshirani 1993, chapter 13; stratified and 2,000 replicates as pROC's default.

    >>> from nephrograde.evaluation.scores.scores import ModelScores
    >>> truth = np.array([False, False, False, True, True, True])
    >>> size = ModelScores(("A", "B", "C", "D", "E", "F"), truth, np.array([0.1, 0.3, 0.6, 0.5, 0.8, 0.9]))
    >>> print(bootstrap_aucs({"size": size}, seed=1)["size"])
    0.889 (0.556–1.000)
    """
    if replicates < 1:
        raise ScoresError(f"{replicates} bootstrap replicates. Give at least 1, preferably 2,000.")
    groups: dict[tuple[tuple[str, ...], bytes], dict[str, ModelScores]] = {}
    placed: dict[str, Placements] = {}
    estimates: dict[str, Estimate] = {}
    for model, given in models.items():
        patients = given.select(tuple(sorted(given.patient_ids)))
        try:
            paired_vectors(patients.p_high, patients.is_high)
            placed[model] = place(patients.p_high[np.newaxis], patients.is_high)
        except ScoresError as error:
            if error.reason is None:
                raise
            estimates[model] = _not_computed(patients, error)
        else:
            groups.setdefault((patients.patient_ids, patients.is_high.tobytes()), {})[model] = patients
    for group in groups.values():
        truths = next(iter(group.values())).is_high
        drawn = affordable_replicates(replicates, truths.size, most_draws=most_draws)
        method = f"bootstrap by patient, stratified, {drawn} replicates, percentile, {100 * confidence:g} % CI"
        if drawn < replicates:
            method += f"; {replicates} were asked for, too many for {truths.size} patients"
        resampled = _resample(group, truths, replicates=drawn, seed=seed, draws_at_once=draws_at_once)
        for model in group:
            made = _estimate(placed[model], resampled[model], method, confidence=confidence)
            estimates[model] = replace(made, confidence=confidence, replicates=drawn)
    return {model: estimates[model] for model in models}


def _resample(
    group: Mapping[str, ModelScores], truths: BoolVector, *, replicates: int, seed: int, draws_at_once: int
) -> dict[str, FloatVector]:
    """The AUC of each model in each resample; the models share their patients, in one order."""
    order = {model: _Order(patients.p_high[truths], patients.p_high[~truths]) for model, patients in group.items()}
    parts: dict[str, list[FloatVector]] = {model: [] for model in group}
    n_high, n_low = int(truths.sum()), int((~truths).sum())
    at_once = max(1, draws_at_once // truths.size)
    for of_high, of_low in _draw(n_high, n_low, replicates=replicates, seed=seed, at_once=at_once):
        for model, ordered in order.items():
            parts[model].append(ordered.aucs(of_high, of_low))
    return {model: np.concatenate(aucs) for model, aucs in parts.items()}


def _draw(n_high: int, n_low: int, *, replicates: int, seed: int, at_once: int) -> Iterator[tuple[Counts, Counts]]:
    """How often each patient is in each resample, in batches; the batch size does not change the result."""
    stream = np.random.default_rng(seed)
    n = n_high + n_low
    for start in range(0, replicates, at_once):
        uniform = stream.random((min(at_once, replicates - start), n))
        yield _count(uniform[:, :n_high]), _count(uniform[:, n_high:])


def _count(uniform: npt.NDArray[np.float64]) -> Counts:
    patients = uniform.shape[1]
    return counts_of((uniform * patients).astype(np.int64), patients)


class _Order:
    """Ranks of a model's high-grade patients among its low-grade ones, sorted once for all resamples.

    Both are sorted, so that memory is read from front to back.
    """

    def __init__(self, high: FloatVector, low: FloatVector) -> None:
        self.low_order, self.high_order = np.argsort(low), np.argsort(high)
        ordered, ranked = low[self.low_order], high[self.high_order]
        self.below = np.searchsorted(ordered, ranked, side="left")
        self.below_or_tied = np.searchsorted(ordered, ranked, side="right")

    def aucs(self, of_high: Counts, of_low: Counts) -> FloatVector:
        """The AUC of each resample, in integer arithmetic until the final division."""
        up_to = counts_up_to(of_low, self.low_order)
        twice = np.take(up_to, self.below, axis=1)
        twice += np.take(up_to, self.below_or_tied, axis=1)
        pairs = np.einsum("rp,rp->r", np.take(of_high, self.high_order, axis=1), twice, dtype=np.int64)
        return np.asarray(pairs / (2 * of_high.shape[1] * of_low.shape[1]), dtype=np.float64)


def _estimate(placements: Placements, resampled: FloatVector, method: str, *, confidence: float) -> Estimate:
    value = float(placements.aucs()[0])
    low, high = np.quantile(resampled, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    note, caution = "", None
    if value in {0.0, 1.0}:
        caution = Caution.PERFECT_AUC
        note = "no interval: every resample has the AUC of exactly 0 or 1"
    elif 1 in {placements.n_high, placements.n_low}:
        caution = Caution.SINGLE_PATIENT
        note = "no interval: one class has a single patient, drawn every time"
    if caution is not None:
        low, high = math.nan, math.nan
    n_high = placements.n_high
    n = n_high + placements.n_low
    return Estimate("auc_bootstrap", value, float(low), float(high), n, n_high, method, note, caution=caution)


def _not_computed(patients: ModelScores, error: ScoresError) -> Estimate:
    nan = float("nan")
    reason = Reason(error.reason or Reason.NO_PATIENTS)
    n, n_high = len(patients), int(patients.is_high.sum())
    return Estimate("auc_bootstrap", nan, nan, nan, n, n_high, f"not computed: {error}", reason=reason)
