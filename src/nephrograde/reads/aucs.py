"""The AUCs of all readers in all modalities, and their covariance over new patients."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.evaluation.performance.delong import place

if TYPE_CHECKING:
    from nephrograde.evaluation.performance.delong import Covariance, Placements
    from nephrograde.vocabulary import BoolVector

AucMatrix: TypeAlias = Annotated[npt.NDArray[np.float64], "modality reader"]
ReadArray: TypeAlias = Annotated[npt.NDArray[np.float64], "modality reader patient"]
AucCovariance: TypeAlias = Annotated[npt.NDArray[np.float64], "modality reader modality reader"]


class CovarianceMethod(StrEnum):
    """How the covariance of AUCs is estimated."""

    DELONG = "delong"
    JACKKNIFE = "jackknife"


@dataclass(frozen=True, slots=True, eq=False)
class ReaderAucs:
    """The AUC of every reader in every modality, with the covariance of all of them over patients.

    ``covariance[i, j, k, l]`` is that of reader j in modality i with reader l in modality k.
    """

    aucs: AucMatrix
    covariance: AucCovariance

    @property
    def n_modalities(self) -> int:
        """Number of modalities."""
        return int(self.aucs.shape[0])

    @property
    def n_readers(self) -> int:
        """Number of readers."""
        return int(self.aucs.shape[1])

    def of_modality(self, modality: int) -> Covariance:
        """The covariance of the readers in one modality."""
        return self.covariance[modality, :, modality, :]


def reader_aucs(
    scores: ReadArray, is_high: BoolVector, method: CovarianceMethod = CovarianceMethod.DELONG
) -> ReaderAucs:
    """Compute the AUC of every reader in every modality, and how they vary together.

    Args:
        scores: What each reader gave each patient in each modality; only the order within a reader and modality counts.
        is_high: The truth of the patients.
        method: DeLong's covariance, or that of the jackknife over patients.

    Returns:
        The AUCs with their covariance; NaN covariance with one patient of a grade.

    Raises:
        ScoresError: Only one grade is present.

    Source:
        Obuchowski & Rockette 1995, Commun Stat Simul Comput 24:285; DeLong 1988; Efron 1982 for the jackknife.

    >>> both = np.array([[[1, 2, 2, 3], [1, 3, 2, 3]]], dtype=float)
    >>> reader_aucs(both, np.array([False, False, True, True])).aucs
    array([[0.875, 0.625]])
    """
    modalities, readers, _ = scores.shape
    placements = place(scores.reshape(modalities * readers, -1), is_high)
    covariance = placements.covariance() if method is CovarianceMethod.DELONG else jackknife_covariance(placements)
    shape = (modalities, readers, modalities, readers)
    return ReaderAucs(placements.aucs().reshape(modalities, readers), covariance.reshape(shape))


def jackknife_covariance(placements: Placements) -> Covariance:
    """Compute the jackknife covariance of AUCs: from the AUCs without each patient in turn.

    Args:
        placements: Those of all patients, from :func:`~nephrograde.evaluation.performance.delong.place`.

    Returns:
        ``model × model``; NaN if a class has a single patient.

    >>> placements = place(np.array([[0.1, 0.6, 0.4, 0.9]]), np.array([False, False, True, True]))
    >>> jackknife_covariance(placements)
    array([[0.1875]])
    """
    n_high, n_low = placements.n_high, placements.n_low
    if min(n_high, n_low) < 2:
        models = placements.of_high.shape[0]
        return np.full((models, models), np.nan)
    ranked = placements.of_high.sum(axis=1, keepdims=True)
    without_high = (ranked - placements.of_high) / ((n_high - 1) * n_low)
    without_low = (ranked - placements.of_low) / (n_high * (n_low - 1))
    without = np.concatenate([without_high, without_low], axis=1)
    centred = without - without.mean(axis=1, keepdims=True)
    patients = n_high + n_low
    return np.asarray((patients - 1) / patients * centred @ centred.T, dtype=np.float64)
