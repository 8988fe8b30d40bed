r"""Obuchowski and Rockette's analysis of readers and modalities, with Hillis's degrees of freedom.

The AUC of reader j in modality i is modelled as a mean, an effect of the modality, random effects of the reader and of
reader × modality, and an error whose covariance comes from the patients. Three questions can be asked of one set of
reads, and they need different errors:

* *random readers*: would other readers on other patients show the same? The question of most studies.
* *fixed readers*: would these readers show the same on other patients? There is no statement about other readers.
* *fixed cases*: would other readers show the same on these patients? There is no statement about other patients.

Source: Obuchowski & Rockette 1995, Commun Stat Simul Comput 24:285; Hillis 2007, Stat Med 26:596; Hillis, Berbaum &
Metz 2008, Acad Radiol 15:647. The numbers agree with those of MRMCaov, an R package by Smith and Hillis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nephrograde.evaluation.performance.delong import Covariance
    from nephrograde.reads.aucs import ReaderAucs
    from nephrograde.vocabulary import FloatVector


class Inference(StrEnum):
    """To whom a result is generalised."""

    RANDOM_READERS = "random-readers"
    FIXED_READERS = "fixed-readers"
    FIXED_CASES = "fixed-cases"


@dataclass(frozen=True, slots=True)
class Effect:
    """An AUC or a difference of AUCs with its standard error, interval and test against 0.

    ``df`` is infinite for a normal test. NaN means "not computed".

    >>> Effect(0.05, 0.02, 0.01, 0.09, 15.0, 2.5, 0.02).df
    15.0
    """

    value: float
    standard_error: float
    low: float
    high: float
    df: float
    statistic: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Equality:
    """The test that all modalities have the same mean AUC: F with ``df`` and ``df_error``, or χ² with ``df``."""

    statistic: float
    df: float
    df_error: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Components:
    """Variance components of the AUCs.

    Attributes:
        reader: Variance between readers; an estimate below 0 means that none was found.
        modality_reader: Variance of the readers' differences between modalities.
        error: Variance of one AUC over patients.
        cov1: Covariance of the same reader in two modalities.
        cov2: Covariance of two readers in the same modality.
        cov3: Covariance of two readers in two modalities.
    """

    reader: float
    modality_reader: float
    error: float
    cov1: float
    cov2: float
    cov3: float


@dataclass(frozen=True, slots=True)
class MeanSquares:
    """Mean squares of the AUCs: between modalities, between readers, and of modality × reader."""

    modality: float
    reader: float
    modality_reader: float


def mean_squares(aucs: ReaderAucs) -> MeanSquares:
    """Compute the mean squares of a two-way layout with one value per cell.

    Args:
        aucs: The AUCs; a mean square without degrees of freedom is NaN.

    >>> from nephrograde.reads.aucs import ReaderAucs
    >>> mean_squares(ReaderAucs(np.array([[0.7, 0.8], [0.8, 1.0]]), np.zeros((2, 2, 2, 2)))).modality.__round__(9)
    0.0225
    """
    values = aucs.aucs
    modalities, readers = values.shape
    of_modality, of_reader = values.mean(axis=1), values.mean(axis=0)
    rest = values - of_modality[:, None] - of_reader[None, :] + values.mean()
    squares = (
        readers * float(((of_modality - values.mean()) ** 2).sum()),
        modalities * float(((of_reader - values.mean()) ** 2).sum()),
        float((rest**2).sum()),
    )
    degrees = (modalities - 1, readers - 1, (modalities - 1) * (readers - 1))
    return MeanSquares(*(total / df if df else math.nan for total, df in zip(squares, degrees, strict=True)))


def components(aucs: ReaderAucs) -> Components:
    """Estimate the variance components of the AUCs.

    Args:
        aucs: The AUCs with their covariance.

    Returns:
        The components; NaN for those that need more readers or modalities. With one modality ``cov1`` and ``cov3`` are
        NaN.
    """
    covariance = aucs.covariance
    modalities, readers = aucs.aucs.shape
    same_modality = np.eye(modalities, dtype=bool)[:, None, :, None]
    same_reader = np.eye(readers, dtype=bool)[None, :, None, :]
    error = _mean_of(covariance, same_modality & same_reader)
    cov1 = _mean_of(covariance, ~same_modality & same_reader)
    cov2 = _mean_of(covariance, same_modality & ~same_reader)
    cov3 = _mean_of(covariance, ~same_modality & ~same_reader)
    squares = mean_squares(aucs)
    if modalities == 1:
        return Components(squares.reader - error + cov2, math.nan, error, cov1, cov2, cov3)
    return Components(
        reader=(squares.reader - squares.modality_reader) / modalities - cov1 + cov3,
        modality_reader=squares.modality_reader - error + cov1 + cov2 - cov3,
        error=error,
        cov1=cov1,
        cov2=cov2,
        cov3=cov3,
    )


def modality_mean(aucs: ReaderAucs, modality: int, inference: Inference, *, confidence: float = 0.95) -> Effect:
    """Estimate the mean AUC of the readers in one modality.

    Args:
        aucs: The AUCs with their covariance.
        modality: Its number, from 0.
        inference: To whom the result is generalised.
        confidence: Coverage probability of the interval.

    Returns:
        The mean, with an interval cut to 0–1; its test against 0 has no meaning and is NaN.
    """
    made = reader_mean(aucs.aucs[modality], aucs.of_modality(modality), inference, confidence=confidence)
    return _as_area(made)


def reader_mean(
    values: FloatVector, covariance: Covariance, inference: Inference, *, confidence: float = 0.95
) -> Effect:
    """Estimate the mean over readers of an AUC, or of a difference that each reader has, and test it against 0.

    Applied to the differences between the model and each reader, this compares the model with the mean reader; the
    covariance then includes the model's own error, which all differences share.

    Args:
        values: One value per reader.
        covariance: Their covariance over patients.
        inference: To whom the result is generalised.
        confidence: Coverage probability of the interval.

    Returns:
        The mean with its interval and test. With one reader, only the inference to these readers is computed.

    Source:
        The one-modality form of the analysis: Hillis 2007; Chakraborty 2017, Observer Performance Methods for
        Diagnostic Imaging, for a program alone against readers.

    >>> covariance = np.array([[0.0004, 0.0001], [0.0001, 0.0004]])
    >>> made = reader_mean(np.array([0.1, 0.2]), covariance, Inference.FIXED_READERS)
    >>> round(made.value, 3), round(made.standard_error**2, 6)
    (0.15, 0.00025)
    """
    readers = values.size
    mean = float(values.mean())
    error = float(np.diag(covariance).mean())
    between = float(values.var(ddof=1)) if readers > 1 else math.nan
    cov2 = _mean_of(covariance, ~np.eye(readers, dtype=bool)) if readers > 1 else 0.0
    shared = readers * max(cov2, 0.0)
    if inference is Inference.FIXED_READERS:
        variance, df = (error + (readers - 1) * max(cov2, 0.0)) / readers, math.inf
    elif inference is Inference.FIXED_CASES:
        variance, df = between / readers, float(readers - 1)
    else:
        variance, df = (between + shared) / readers, _satterthwaite(between, shared, readers - 1)
    return _effect(mean, variance, df, confidence)


def modality_difference(
    aucs: ReaderAucs, modality: int, baseline: int, inference: Inference, *, confidence: float = 0.95
) -> Effect:
    """Compare the mean AUCs of two modalities.

    Args:
        aucs: The AUCs with their covariance.
        modality: One modality.
        baseline: The modality whose mean is subtracted.
        inference: To whom the result is generalised.
        confidence: Coverage probability of the interval.

    Returns:
        The difference; its error is estimated from all modalities together.
    """
    difference = float(aucs.aucs[modality].mean() - aucs.aucs[baseline].mean())
    denominator, df = _denominator(aucs, inference)
    return _effect(difference, 2.0 / aucs.n_readers * denominator, df, confidence)


def reader_difference(
    aucs: ReaderAucs, reader: int, modality: int, baseline: int, *, confidence: float = 0.95
) -> Effect:
    """Compare two modalities for one reader, over patients.

    Args:
        aucs: The AUCs with their covariance.
        reader: The reader.
        modality: One modality.
        baseline: The modality whose AUC is subtracted.
        confidence: Coverage probability of the interval.

    Returns:
        The difference. With two modalities this is the paired test of DeLong; with more, the variance is the mean of
        the reader's over all pairs of modalities.
    """
    own = aucs.covariance[:, reader, :, reader]
    apart = ~np.eye(aucs.n_modalities, dtype=bool)
    variance = 2.0 * (float(np.diag(own).mean()) - _mean_of(own, apart))
    difference = float(aucs.aucs[modality, reader] - aucs.aucs[baseline, reader])
    return _effect(difference, variance, math.inf, confidence)


def equality(aucs: ReaderAucs, inference: Inference) -> Equality:
    """Test whether all modalities have the same mean AUC.

    Args:
        aucs: The AUCs with their covariance.
        inference: To whom the result is generalised.

    Returns:
        An F test, or a χ² test for fixed readers; NaN where its error is not above 0.
    """
    from scipy import stats

    denominator, df_error = _denominator(aucs, inference)
    df = float(aucs.n_modalities - 1)
    if not denominator > 0:
        return Equality(math.nan, df, df_error, math.nan)
    statistic = mean_squares(aucs).modality / denominator
    if inference is Inference.FIXED_READERS:
        return Equality(df * statistic, df, math.inf, float(stats.chi2.sf(df * statistic, df)))
    p_value = stats.f.sf(statistic, df, df_error) if math.isfinite(df_error) else stats.chi2.sf(df * statistic, df)
    return Equality(statistic, df, df_error, float(p_value))


def normal_difference(value: float, variance: float, *, confidence: float = 0.95) -> Effect:
    """Give a difference of AUCs its normal interval and test.

    Args:
        value: The difference.
        variance: Its variance over patients.
        confidence: Coverage probability of the interval.

    >>> round(normal_difference(0.1, 0.05**2).p_value, 4)
    0.0455
    """
    return _effect(value, variance, math.inf, confidence)


def normal_area(value: float, variance: float, *, confidence: float = 0.95) -> Effect:
    """Give an AUC its normal interval, cut to 0–1, as MRMCaov does; without a test.

    Args:
        value: The AUC.
        variance: Its variance over patients.
        confidence: Coverage probability of the interval.

    >>> normal_area(0.96, 0.03**2).high
    1.0
    """
    return _as_area(_effect(value, variance, math.inf, confidence))


def _as_area(made: Effect) -> Effect:
    """Cut the interval of an AUC to 0–1, and leave out its test against 0, which has no meaning."""
    low = made.low if math.isnan(made.low) else max(0.0, made.low)
    high = made.high if math.isnan(made.high) else min(1.0, made.high)
    return replace(made, low=low, high=high, statistic=math.nan, p_value=math.nan)


def _denominator(aucs: ReaderAucs, inference: Inference) -> tuple[float, float]:
    """The mean square that modalities with equal AUCs would have, and its degrees of freedom."""
    parts, squares, readers = components(aucs), mean_squares(aucs), aucs.n_readers
    if inference is Inference.FIXED_READERS:
        between = (readers - 1) * (parts.cov2 - parts.cov3) if readers > 1 else 0.0
        return parts.error - parts.cov1 + between, math.inf
    df = (aucs.n_modalities - 1) * (readers - 1)
    if inference is Inference.FIXED_CASES:
        return squares.modality_reader, float(df)
    shared = readers * max(parts.cov2 - parts.cov3, 0.0)
    return squares.modality_reader + shared, _satterthwaite(squares.modality_reader, shared, df)


def _satterthwaite(square: float, shared: float, df: int) -> float:
    """Hillis's degrees of freedom of a mean square to which a covariance, taken as known, is added."""
    if not square > 0:
        return math.inf if square == 0 and shared > 0 else math.nan
    return df * ((square + shared) / square) ** 2


def _effect(value: float, variance: float, df: float, confidence: float) -> Effect:
    from scipy import stats

    if not variance > 0 or math.isnan(df):
        error = 0.0 if variance == 0 else math.nan
        return Effect(value, error, math.nan, math.nan, df, math.nan, math.nan)
    error = math.sqrt(variance)
    spread = stats.t(df) if math.isfinite(df) else stats.norm()
    reach = float(spread.ppf((1.0 + confidence) / 2.0)) * error
    statistic = value / error
    return Effect(value, error, value - reach, value + reach, df, statistic, float(2.0 * spread.sf(abs(statistic))))


def _mean_of(covariance: FloatVector, chosen: np.ndarray) -> float:
    """The mean of the chosen entries; NaN if there are none."""
    entries = covariance[np.broadcast_to(chosen, covariance.shape)]
    return float(entries.mean()) if entries.size else math.nan
