"""The whole analysis of a table of reads: modalities, readers, the model beside them, and agreement."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.errors import InputError, Problem
from nephrograde.evaluation.comparison.family import holm
from nephrograde.reads.agreement import icc_agreement, icc_consistency, weighted_kappa
from nephrograde.reads.aucs import CovarianceMethod, ReaderAucs, reader_aucs
from nephrograde.reads.obuchowski_rockette import (
    Inference,
    components,
    equality,
    modality_difference,
    modality_mean,
    normal_area,
    normal_difference,
    reader_difference,
    reader_mean,
)
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from nephrograde.evaluation.performance.delong import Covariance
    from nephrograde.reads.agreement import Agreement
    from nephrograde.reads.obuchowski_rockette import Components, Effect
    from nephrograde.reads.table import Reads
    from nephrograde.vocabulary import FloatVector

FEW_READERS = 4
"""With fewer readers, a statement about other readers rests on next to nothing."""
BELOW_CHANCE = 0.4


class Measure(StrEnum):
    """What a row of the results measures."""

    AUC = "auc"
    DIFFERENCE = "auc_difference"
    EQUALITY = "equality"
    KAPPA = "weighted_kappa"
    ICC_AGREEMENT = "icc_2_1"
    ICC_CONSISTENCY = "icc_3_1"


class Unavailable(StrEnum):
    """Why a number of the results is missing."""

    ONE_READER = "one-reader"
    NO_VARIANCE = "no-variance"
    TOO_MANY_LEVELS = "too-many-levels"
    OTHER_SCALES = "other-scales"


class Remark(StrEnum):
    """What whoever reads the results has to know."""

    LEFT_OUT = "left-out"
    FEW_READERS = "few-readers"
    BELOW_CHANCE = "below-chance"
    OTHER_SCALES = "other-scales"


@dataclass(frozen=True, slots=True)
class ReaderRemark:
    """A remark with its values; those that do not apply are empty or NaN."""

    code: Remark
    reader: str = ""
    modality: str = ""
    value: float = math.nan


@dataclass(frozen=True, slots=True)
class ReaderResult:
    """One number of the analysis.

    Attributes:
        measure: What it is.
        inference: To whom an AUC, a difference or a test is generalised; None for agreement.
        modality: The modality; empty for the model's own AUC and the test of equality.
        against: What is subtracted: another modality, or "reader" if the model is compared with people.
        reader: The reader; empty for the mean of all readers. For kappa, the first of a pair.
        other_reader: The second of a pair.
        model: The model, if the row is about it.
        value: An AUC, a difference of AUCs, a statistic (for equality), or a coefficient.
        df: Degrees of freedom: of the error, or infinite for a normal test.
        df_effect: For equality, the number of modalities less one.
        p_adjusted: Adjusted by Holm over the rows of one kind: pairs of modalities, or readers against the model.
        reason: Why the number, or its interval, is missing.
    """

    measure: Measure
    inference: Inference | None = None
    modality: str = ""
    against: str = ""
    reader: str = ""
    other_reader: str = ""
    model: str = ""
    value: float = math.nan
    standard_error: float = math.nan
    low: float = math.nan
    high: float = math.nan
    df: float = math.nan
    df_effect: float = math.nan
    statistic: float = math.nan
    p_value: float = math.nan
    p_adjusted: float = math.nan
    n: int = 0
    n_high: int = 0
    n_readers: int = 0
    confidence: float = 0.95
    reason: Unavailable | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ReaderAnalysis:
    """What a table of reads shows: ``results``, one row per number, and the variance components behind them."""

    reads: Reads
    covariance: CovarianceMethod
    confidence: float
    components: Components
    results: tuple[ReaderResult, ...]
    remarks: tuple[ReaderRemark, ...]

    def __repr__(self) -> str:
        counts = f"{len(self.reads.readers)} readers, {len(self.reads.modalities)} modalities, {self.n} patients"
        return f"ReaderAnalysis({counts}{f', model {self.reads.model}' if self.reads.model else ''})"

    @property
    def n(self) -> int:
        """Number of patients analysed."""
        return len(self.reads.patient_ids)

    @property
    def n_high(self) -> int:
        """Number of high-grade patients analysed."""
        return int(self.reads.is_high.sum())

    def of(self, measure: Measure | str, inference: Inference | str | None = None) -> tuple[ReaderResult, ...]:
        """Select the results of one measure, and of one inference if it is given."""
        found = (row for row in self.results if row.measure == measure)
        return tuple(row for row in found if inference is None or row.inference == inference)

    def frame(self) -> pd.DataFrame:
        """Give the results as a DataFrame with the columns of ``readers.csv``."""
        import pandas as pd

        columns = [field.name for field in fields(ReaderResult)]
        return pd.DataFrame([asdict(row) for row in self.results], columns=columns)

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON has it; what was not computed, and infinite degrees of freedom, are null."""
        return {
            "note": RESEARCH_USE_ONLY,
            "readers": list(self.reads.readers),
            "modalities": list(self.reads.modalities),
            "model": self.reads.model or None,
            "n": self.n,
            "n_high": self.n_high,
            "left_out": list(self.reads.left_out),
            "missing": [asdict(one) for one in self.reads.missing],
            "covariance": self.covariance.value,
            "confidence": self.confidence,
            "variance_components": _finite(asdict(self.components)),
            "remarks": [_finite(asdict(remark)) for remark in self.remarks],
            "results": [_finite(asdict(row)) for row in self.results],
        }

    def _repr_html_(self) -> str:
        shown = [row for row in self.results if row.inference is Inference.RANDOM_READERS and not row.reader]
        columns = ["measure", "modality", "against", "model", "value", "low", "high", "p_value"]
        import pandas as pd

        table = pd.DataFrame([asdict(row) for row in shown])
        body = table[columns].to_html(index=False) if shown else ""
        return f"<p>{self!r}</p>{body}<p>{RESEARCH_USE_ONLY}</p>"


def analyse_reads(
    reads: Reads,
    *,
    covariance: CovarianceMethod = CovarianceMethod.DELONG,
    baseline: str | None = None,
    confidence: float = 0.95,
) -> ReaderAnalysis:
    """Analyse a table of reads.

    Args:
        reads: The reads.
        covariance: How the covariance of AUCs is estimated.
        baseline: The modality that is subtracted from the others, such as reading without the model; the first of the
            table when None.
        confidence: Coverage probability of all intervals.

    Returns:
        The analysis, for random readers, fixed readers and fixed cases alike.

    Raises:
        InputError: The table has no such modality.
    """
    if baseline is not None and baseline not in reads.modalities:
        known = ", ".join(reads.modalities)
        raise InputError([Problem("baseline", f"there is no modality '{baseline}'", f"The table has: {known}.")])
    first = [] if baseline is None else [baseline]
    order = (*first, *(name for name in reads.modalities if name not in first))
    positions = [reads.modalities.index(name) for name in order]
    reads = replace(reads, modalities=order, scores=reads.scores[positions])
    aucs = reader_aucs(reads.scores, reads.is_high, covariance)
    rows = [*_means(aucs, reads, confidence), *_differences(aucs, reads, confidence)]
    if reads.model_scores is not None:
        rows += _model_rows(reads, covariance, confidence)
    rows += _agreement(reads, confidence)
    n, n_high, n_readers = len(reads.patient_ids), int(reads.is_high.sum()), len(reads.readers)
    results = tuple(replace(row, n=n, n_high=n_high, n_readers=n_readers, confidence=confidence) for row in rows)
    return ReaderAnalysis(reads, covariance, confidence, components(aucs), results, tuple(_remarks(aucs, reads)))


def _means(aucs: ReaderAucs, reads: Reads, confidence: float) -> Iterator[ReaderResult]:
    for inference in Inference:
        for i, modality in enumerate(reads.modalities):
            made = modality_mean(aucs, i, inference, confidence=confidence)
            yield _row(made, aucs, measure=Measure.AUC, inference=inference, modality=modality)
    for i, modality in enumerate(reads.modalities):
        for j, reader in enumerate(reads.readers):
            made = normal_area(float(aucs.aucs[i, j]), float(aucs.covariance[i, j, i, j]), confidence=confidence)
            about = {"inference": Inference.FIXED_READERS, "modality": modality, "reader": reader}
            yield _row(made, aucs, measure=Measure.AUC, **about)


def _differences(aucs: ReaderAucs, reads: Reads, confidence: float) -> Iterator[ReaderResult]:
    """Every modality less every earlier one: the mean of the readers, and each reader."""
    pairs = list(combinations(range(len(reads.modalities)), 2))
    if not pairs:
        return
    for inference in Inference:
        test = equality(aucs, inference)
        reason = _reason(test.p_value, aucs, inference)
        yield ReaderResult(
            Measure.EQUALITY,
            inference,
            value=test.statistic,
            df=test.df_error,
            df_effect=test.df,
            statistic=test.statistic,
            p_value=test.p_value,
            reason=reason,
        )
        rows = []
        for before, after in pairs:
            made = modality_difference(aucs, after, before, inference, confidence=confidence)
            about = {"modality": reads.modalities[after], "against": reads.modalities[before], "inference": inference}
            rows.append(_row(made, aucs, measure=Measure.DIFFERENCE, **about))
        yield from _adjusted(rows)
    for j, reader in enumerate(reads.readers):
        for before, after in pairs:
            made = reader_difference(aucs, j, after, before, confidence=confidence)
            about = {"modality": reads.modalities[after], "against": reads.modalities[before], "reader": reader}
            yield _row(made, aucs, measure=Measure.DIFFERENCE, inference=Inference.FIXED_READERS, **about)


def _model_rows(reads: Reads, covariance: CovarianceMethod, confidence: float) -> Iterator[ReaderResult]:
    """The model's AUC, and the model less the mean reader and less each reader, in every modality."""
    for i, modality in enumerate(reads.modalities):
        together = np.concatenate([reads.model_scores[None, :], reads.scores[i]])[None]  # type: ignore[index]
        aucs = reader_aucs(together, reads.is_high, covariance)
        values, spread = aucs.aucs[0], aucs.of_modality(0)
        if i == 0:
            made = normal_area(float(values[0]), float(spread[0, 0]), confidence=confidence)
            about = {"inference": Inference.FIXED_READERS, "model": reads.model}
            yield _row(made, aucs, measure=Measure.AUC, **about)
        ahead, of_difference = model_ahead(values, spread)
        for inference in Inference:
            made = reader_mean(ahead, of_difference, inference, confidence=confidence)
            about = {"inference": inference, "modality": modality, "against": "reader", "model": reads.model}
            yield _row(made, aucs, measure=Measure.DIFFERENCE, **about)
        rows = []
        for j, reader in enumerate(reads.readers):
            made = normal_difference(float(ahead[j]), float(of_difference[j, j]), confidence=confidence)
            about = {"inference": Inference.FIXED_READERS, "modality": modality, "against": "reader"}
            rows.append(_row(made, aucs, measure=Measure.DIFFERENCE, reader=reader, model=reads.model, **about))
        yield from _adjusted(rows)


def model_ahead(values: FloatVector, covariance: Covariance) -> tuple[FloatVector, Covariance]:
    """Compute by how much the model is ahead of each reader, and the covariance of these differences.

    Args:
        values: The AUC of the model, then those of the readers.
        covariance: Their covariance, in the same order.

    >>> ahead, spread = model_ahead(np.array([0.9, 0.8, 0.85]), np.diag([0.0004, 0.0009, 0.0016]))
    >>> ahead.round(3).tolist(), spread.round(4).tolist()
    ([0.1, 0.05], [[0.0013, 0.0004], [0.0004, 0.002]])
    """
    readers = values.size - 1
    contrasts = np.concatenate([np.ones((readers, 1)), -np.eye(readers)], axis=1)
    return contrasts @ values, contrasts @ covariance @ contrasts.T


def _agreement(reads: Reads, confidence: float) -> Iterator[ReaderResult]:
    """Kappa of every pair of readers and the two intraclass correlations, in every modality."""
    if len(reads.readers) < 2:
        return
    for i, modality in enumerate(reads.modalities):
        scores = reads.scores[i]
        scales = has_other_scales(scores)
        for measure, estimate in (
            (Measure.ICC_AGREEMENT, icc_agreement),
            (Measure.ICC_CONSISTENCY, icc_consistency),
        ):
            made = None if scales else estimate(scores, confidence=confidence)
            yield _coefficient(made, measure=measure, modality=modality)
        for j, k in combinations(range(len(reads.readers)), 2):
            pair = None if scales else weighted_kappa(scores[j], scores[k], confidence=confidence)
            about = {"modality": modality, "reader": reads.readers[j], "other_reader": reads.readers[k]}
            yield _coefficient(pair, measure=Measure.KAPPA, **about)


def has_other_scales(scores: np.ndarray) -> bool:
    """Tell whether readers used different scales, such as 1 to 5 and 0 to 100; their scores cannot agree.

    Args:
        scores: ``reader × patient``.

    >>> has_other_scales(np.array([[1.0, 5, 3], [20, 90, 60]])), has_other_scales(np.array([[1.0, 5, 3], [1, 4, 4]]))
    (True, False)
    """
    highest = scores.max(axis=1)
    return bool(highest.max() > 10.0 and highest.min() <= 5.0) or bool(highest.max() > 1.0 and highest.min() < 1.0)


def _coefficient(made: Agreement | None, *, measure: Measure, **about: Any) -> ReaderResult:
    if made is None:
        return ReaderResult(measure, reason=Unavailable.OTHER_SCALES, **about)
    reason = None
    if math.isnan(made.value):
        reason = Unavailable.TOO_MANY_LEVELS if measure is Measure.KAPPA else Unavailable.NO_VARIANCE
    elif math.isnan(made.low):
        reason = Unavailable.NO_VARIANCE
    return ReaderResult(measure, value=made.value, low=made.low, high=made.high, reason=reason, **about)


def _row(made: Effect, aucs: ReaderAucs, *, measure: Measure, **about: Any) -> ReaderResult:
    return ReaderResult(
        measure,
        value=made.value,
        standard_error=made.standard_error,
        low=made.low,
        high=made.high,
        df=made.df,
        statistic=made.statistic,
        p_value=made.p_value,
        reason=_reason(made.low, aucs, about["inference"]),
        **about,
    )


def _reason(bound: float, aucs: ReaderAucs, inference: Inference) -> Unavailable | None:
    if not math.isnan(bound):
        return None
    of_readers = inference is not Inference.FIXED_READERS
    return Unavailable.ONE_READER if of_readers and aucs.n_readers < 2 else Unavailable.NO_VARIANCE


def _adjusted(rows: list[ReaderResult]) -> Iterator[ReaderResult]:
    for row, p in zip(rows, holm([row.p_value for row in rows]), strict=True):
        yield replace(row, p_adjusted=p)


def _remarks(aucs: ReaderAucs, reads: Reads) -> Iterator[ReaderRemark]:
    if reads.left_out:
        yield ReaderRemark(Remark.LEFT_OUT, value=float(len(reads.left_out)))
    if len(reads.readers) < FEW_READERS:
        yield ReaderRemark(Remark.FEW_READERS, value=float(len(reads.readers)))
    for i, modality in enumerate(reads.modalities):
        for j, reader in enumerate(reads.readers):
            if aucs.aucs[i, j] < BELOW_CHANCE:
                yield ReaderRemark(Remark.BELOW_CHANCE, reader, modality, float(aucs.aucs[i, j]))
        if has_other_scales(reads.scores[i]):
            yield ReaderRemark(Remark.OTHER_SCALES, modality=modality)


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()
    }
