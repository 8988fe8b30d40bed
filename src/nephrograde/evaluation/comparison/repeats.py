"""How much the AUC of a model varies over repeats, and what repeated cross-validation says about two models.

The results of a study come from one drawing of the folds and one seed. :class:`RepeatedAuc` holds the AUC of every
fold, and of the test patients, in that first fit and in all repeats; what is reported is computed from these rows.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from nephrograde.errors import ScoresError
from nephrograde.evaluation.comparison.family import Family, adjust_in_families, family_of
from nephrograde.evaluation.performance.interval import difference_bounds
from nephrograde.evaluation.performance.metrics import auc
from nephrograde.evaluation.remarks import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nephrograde.cohort.repeat import Repeat
    from nephrograde.cohort.split import Split
    from nephrograde.evaluation.comparison.family import Arms, Primary
    from nephrograde.evaluation.scores.scores import ModelScores, Scores


@dataclass(frozen=True, slots=True)
class RepeatedAuc:
    """The AUC of one model in one fold, or on the test patients, of one repeat.

    ``drawing``, ``seed`` and ``share`` identify the repeat (see :class:`nephrograde.cohort.repeat.Repeat`). ``fold`` is
    None on the test patients. ``n`` patients were scored, ``n_high`` of them high grade, by a model that learnt from
    ``n_learn``; on the test patients, this is the mean of the folds. ``auc`` is NaN in a fold of one grade.

    >>> RepeatedAuc("weak-1-cmp", 0, 1, 1.0, "oof", 3, 0.84, 42, 19, 168).auc
    0.84
    """

    model: str
    drawing: int
    seed: int
    share: float
    split: str
    fold: int | None
    auc: float
    n: int
    n_high: int
    n_learn: int

    @property
    def is_first(self) -> bool:
        """Whether it belongs to the fit that the study's results come from."""
        return not self.drawing and not self.seed and self.share == 1.0


@dataclass(frozen=True, slots=True)
class ProcedureComparison:
    """The difference between two models over repeated cross-validation: mean AUC of a minus that of b.

    It compares procedures for making a model: over other training and test patients, not only over other test patients.
    ``folds`` pairs of AUCs from ``drawings`` drawings of the folds. ``family`` and ``p_adjusted`` as in a
    :class:`nephrograde.evaluation.comparison.compare.Comparison`. NaN means "not computed", and ``reason`` says why.
    """

    model_a: str
    model_b: str
    difference: float
    low: float
    high: float
    statistic: float
    degrees: int
    p_value: float
    p_adjusted: float
    folds: int
    drawings: int
    confidence: float
    family: Family = Family.OTHER
    family_size: int | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """How the AUC of one model varies over repeats that differ in one thing: mean, SD and range of ``count`` AUCs."""

    mean: float
    sd: float
    lowest: float
    highest: float
    count: int


def fold_aucs(scores: Scores, repeat: Repeat, split: Split) -> list[RepeatedAuc]:
    """Compute the AUC of every model in every fold, and on the test patients, of one repeat.

    Args:
        scores: The scores of the repeat.
        repeat: The repeat.
        split: Its folds.
    """
    rows = []
    for model in scores.models:
        trained = scores.of(model, "oof")
        known = set(trained.patient_ids)
        n_learn = [len(known.intersection(split.learning_ids(fold))) for fold in range(split.folds)]
        for fold, n in enumerate(n_learn):
            own = tuple(patient for patient in split.fold_ids(fold) if patient in known)
            rows.append(_auc_row(model, repeat, trained.select(own), fold=fold, n_learn=n))
        tested = scores.of(model, "test")
        if len(tested):
            rows.append(_auc_row(model, repeat, tested, fold=None, n_learn=round(sum(n_learn) / len(n_learn))))
    return rows


def compare_procedures(
    rows: Sequence[RepeatedAuc], *, confidence: float, arms: Arms | None = None, primary: Primary | None = None
) -> tuple[ProcedureComparison, ...]:
    """Compare every pair of models over repeated cross-validation.

    Args:
        rows: The AUCs of all repeats; only those of all training patients and the first seed are used.
        confidence: Coverage probability of the intervals.
        arms: The arm and the phase of each network, which decide the families.
        primary: The two models of the primary comparison; None if none was named beforehand.

    Returns:
        One row per pair; none unless the folds were drawn at least twice. P is adjusted by Holm's method within each
        family, except that of the primary comparison.

    Source:
        Nadeau & Bengio 2003, Mach Learn 52:239, for repeated cross-validation as in Bouckaert & Frank 2004, PAKDD, LNAI
        3056:3.
    """
    by_model: dict[str, dict[tuple[int, int], RepeatedAuc]] = defaultdict(dict)
    for row in rows:
        if row.fold is not None and not row.seed and row.share == 1.0:
            by_model[row.model][row.drawing, row.fold] = row
    if len({drawing for places in by_model.values() for drawing, _ in places}) < 2:
        return ()
    compared = []
    for a, b in itertools.combinations(by_model, 2):
        family = family_of(a, b, measure="auc", arms=arms or {}, primary=primary)
        compared.append(replace(_compare(by_model[a], by_model[b], confidence=confidence), family=family))
    return _adjusted(compared)


def corrected_t(values: Sequence[float], *, ratio: float, confidence: float = 0.95) -> tuple[float, float, float]:
    """Test whether the mean of differences over repeated cross-validation is 0, by the corrected resampled t-test.

    The folds share most of their training patients, so that their differences vary less than those of independent
    studies would. The variance of the mean is therefore not s² / J, but (1 / J + ratio) s².

    Args:
        values: The J differences, one per fold and drawing.
        ratio: Tested patients per patient learnt from: 1 / (folds - 1) in cross-validation.
        confidence: Coverage probability of the interval.

    Returns:
        The t statistic with J - 1 degrees of freedom, its two-sided P, and the half-width of the interval of the mean.

    Raises:
        ScoresError: Fewer than two values, or all of them equal.

    Source:
        Nadeau & Bengio 2003, Mach Learn 52:239, section 3.

    >>> [round(number, 4) for number in corrected_t([0.02, 0.05, -0.01, 0.04], ratio=1.0)]
    [0.8452, 0.4601, 0.0941]
    """
    from scipy.stats import t as students

    count = len(values)
    spread = float(np.var(values, ddof=1)) if count > 1 else 0.0
    if not spread:
        raise ScoresError(
            "The differences of all folds are equal, and so have no variance.", Reason.CONSTANT_DIFFERENCE
        )
    error = math.sqrt((1.0 / count + ratio) * spread)
    statistic = float(np.mean(values)) / error
    reach = float(students.ppf(0.5 + confidence / 2.0, count - 1)) * error
    return statistic, float(2.0 * students.sf(abs(statistic), count - 1)), reach


def spread_over(rows: Iterable[RepeatedAuc], *, split: str, over: Literal["drawing", "seed"]) -> Spread | None:
    """Summarise how the AUC of one model varies over drawings of the folds, or over seeds.

    Args:
        rows: The AUCs of one model.
        split: "oof" for the mean of the folds, "test" for the test patients.
        over: What varies; everything else is as in the first fit.

    Returns:
        The spread, the first fit included; None if there are fewer than two AUCs.
    """
    fixed = "seed" if over == "drawing" else "drawing"
    found: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        if row.split == split and row.share == 1.0 and not getattr(row, fixed) and not math.isnan(row.auc):
            found[getattr(row, over)].append(row.auc)
    values = [sum(of_one) / len(of_one) for of_one in found.values()]
    if len(values) < 2:
        return None
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)), min(values), max(values), len(values))


def _auc_row(model: str, repeat: Repeat, patients: ModelScores, *, fold: int | None, n_learn: int) -> RepeatedAuc:
    n, n_high = len(patients), int(patients.is_high.sum())
    value = auc(patients.p_high, patients.is_high).value if 0 < n_high < n else math.nan
    split = "test" if fold is None else "oof"
    return RepeatedAuc(model, repeat.drawing, repeat.seed, repeat.share, split, fold, value, n, n_high, n_learn)


def _compare(
    a: Mapping[tuple[int, int], RepeatedAuc], b: Mapping[tuple[int, int], RepeatedAuc], *, confidence: float
) -> ProcedureComparison:
    """Compare two models on the folds in which both have an AUC."""
    nan = math.nan
    places = [k for k in a if k in b and not math.isnan(a[k].auc) and not math.isnan(b[k].auc)]
    names = next(iter(a.values())).model, next(iter(b.values())).model
    counts = len(places), len({drawing for drawing, _ in places})
    if not places:
        nothing = ProcedureComparison(*names, nan, nan, nan, nan, 0, nan, nan, *counts, confidence)
        return replace(nothing, reason=Reason.ONE_GRADE)
    differences = [a[k].auc - b[k].auc for k in places]
    ratio = sum(a[k].n for k in places) / sum(a[k].n_learn for k in places)
    mean = float(np.mean(differences))
    try:
        statistic, p_value, reach = corrected_t(differences, ratio=ratio, confidence=confidence)
    except ScoresError as error:
        nothing = ProcedureComparison(*names, mean, nan, nan, nan, 0, nan, nan, *counts, confidence)
        return replace(nothing, reason=Reason(error.reason) if error.reason else None)
    low, high = difference_bounds(mean, reach**2, z=1.0)
    return ProcedureComparison(
        *names, mean, low, high, statistic, len(places) - 1, p_value, p_value, *counts, confidence
    )


def _adjusted(compared: Sequence[ProcedureComparison]) -> tuple[ProcedureComparison, ...]:
    """Adjust P within each family by Holm's method."""
    adjusted = adjust_in_families([row.p_value for row in compared], [row.family for row in compared])
    return tuple(
        replace(row, p_adjusted=p, family_size=size) for row, (p, size) in zip(compared, adjusted, strict=True)
    )
