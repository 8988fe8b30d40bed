"""The AUC when a patient has several rows: tumours, slices or scans.

Rows of one patient are correlated, so they carry less information than as many rows of different patients. The AUC
itself is computed over rows. Its variance treats the patient as the unit: the placements of a patient's rows are summed
before they are squared, and a patient with rows of both grades contributes a covariance between the two sums.

With one row per patient this equals DeLong's variance up to rounding.

Source: Obuchowski 1997, Biometrics 53:567.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.errors import ScoresError
from nephrograde.evaluation.comparison.compare import Comparison, adjust
from nephrograde.evaluation.performance.delong import Covariance, ModelMatrix, normal_quantile, place, two_sided_p
from nephrograde.evaluation.performance.interval import Area, auc_bounds, difference_bounds
from nephrograde.evaluation.performance.metrics import Estimate
from nephrograde.evaluation.remarks import Caution, Reason
from nephrograde.evaluation.scores.scores import paired_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.vocabulary import BoolVector, FloatVector

RowMatrix: TypeAlias = Annotated[npt.NDArray[np.float64], "model row"]
PatientVector: TypeAlias = Annotated[npt.NDArray[np.intp], "patient"]

ROUNDING = 1e-30
"""A variance below this is 0 plus rounding error; one discordant pair among a million rows per grade gives 1e-24."""


@dataclass(frozen=True, slots=True, eq=False)
class ClusteredAucs:
    """The AUCs of models over rows, with the covariance over patients.

    Attributes:
        aucs: One per model; the proportion of pairs of a high-grade and a low-grade row in the right order.
        covariance: ``model × model``; NaN if a grade has rows of a single patient, and 0 if an AUC is 0 or 1.
        n_rows: All rows.
        n_high_rows: Rows of high grade.
        n_patients: All patients.
        n_high_patients: Patients with at least one row of high grade; some may have rows of low grade as well.
        n_low_patients: Patients with at least one row of low grade.
    """

    aucs: FloatVector
    covariance: Covariance
    n_rows: int
    n_high_rows: int
    n_patients: int
    n_high_patients: int
    n_low_patients: int


@dataclass(frozen=True, slots=True, eq=False)
class _Clusters:
    """For each patient, the sums of the placements of its rows, as counts, and the number of rows."""

    of_high: ModelMatrix
    of_low: ModelMatrix
    high_rows: PatientVector
    low_rows: PatientVector

    def aucs(self) -> FloatVector:
        shares: FloatVector = self.of_high.sum(axis=1) / (int(self.high_rows.sum()) * int(self.low_rows.sum()))
        return shares

    def difference(self, first: int, second: int) -> _Clusters:
        """The differences of two models as the placements of one, so that models with equal ranks give exactly 0."""
        return replace(
            self,
            of_high=self.of_high[[first]] - self.of_high[[second]],
            of_low=self.of_low[[first]] - self.of_low[[second]],
        )

    def covariance(self) -> Covariance:
        m, n = int(self.high_rows.sum()), int(self.low_rows.sum())
        with_high, with_low = int((self.high_rows > 0).sum()), int((self.low_rows > 0).sum())
        if with_high < 2 or with_low < 2:
            return np.full((len(self.of_high), len(self.of_high)), np.nan)
        # Both sums of placements have mean θ times the number of rows; in counts that is a fraction of the total.
        high = (self.of_high - self.high_rows * self.of_high.sum(axis=1, keepdims=True) / m) / (m * n)
        low = (self.of_low - self.low_rows * self.of_low.sum(axis=1, keepdims=True) / n) / (m * n)
        # Obuchowski's S10, S01 and S11, combined into squares, so that rounding cannot make a variance negative.
        both, together = high + low, _unbiased(self.high_rows.size)
        return np.asarray(
            both @ both.T * together
            + high @ high.T * (_unbiased(with_high) - together)
            + low @ low.T * (_unbiased(with_low) - together),
            dtype=np.float64,
        )


def clustered_aucs(p_high: RowMatrix, is_high: npt.ArrayLike, patient_ids: Sequence[str]) -> ClusteredAucs:
    """Compute the AUCs of several models and their covariance, when a patient may have several rows.

    Args:
        p_high: The predictions, ``model × row``.
        is_high: The truth of each row; a patient may have rows of both grades.
        patient_ids: The patient of each row; rows may be in any order.

    Returns:
        AUCs, covariance and counts.

    Raises:
        ScoresError: One class only, no row, a value that is not finite, different lengths, or a row without patient.

    Source:
        Obuchowski 1997, Biometrics 53:567.

    >>> made = clustered_aucs(np.array([[0.1, 0.6, 0.4, 0.9]]), [0, 0, 1, 1], ["A", "B", "A", "C"])
    >>> made.aucs, made.n_patients
    (array([0.75]), 3)
    """
    clusters = _cluster(p_high, is_high, patient_ids)
    aucs, covariance = clusters.aucs(), clusters.covariance()
    certain = np.isin(aucs, (0.0, 1.0))
    covariance[certain, :] = 0.0
    covariance[:, certain] = 0.0
    return ClusteredAucs(
        aucs,
        covariance,
        n_rows=int(clusters.high_rows.sum() + clusters.low_rows.sum()),
        n_high_rows=int(clusters.high_rows.sum()),
        n_patients=clusters.high_rows.size,
        n_high_patients=int((clusters.high_rows > 0).sum()),
        n_low_patients=int((clusters.low_rows > 0).sum()),
    )


def clustered_auc(
    p_high: npt.ArrayLike, is_high: npt.ArrayLike, patient_ids: Sequence[str], *, confidence: float = 0.95
) -> Estimate:
    """Estimate the AUC over rows with an interval that accounts for rows of the same patient.

    Args:
        p_high: The predictions, one per row.
        is_high: The truth of each row.
        patient_ids: The patient of each row.
        confidence: Coverage probability of the interval.

    Returns:
        The estimate; ``n`` counts patients, ``n_high`` those with a row of high grade, and the note gives the number of
        rows. The interval is NaN if a grade has rows of a single patient.

    Raises:
        ScoresError: As :func:`clustered_aucs`.

    Source:
        Obuchowski 1997; interval: :func:`nephrograde.evaluation.performance.interval.auc_bounds`.

    >>> rows = [0.1, 0.2, 0.6, 0.5, 0.8, 0.9, 0.3], [0, 0, 0, 1, 1, 1, 1], ["A", "A", "B", "B", "C", "C", "D"]
    >>> print(clustered_auc(*rows))
    0.833 (0.090–0.996)
    """
    made = clustered_aucs(np.asarray(p_high, dtype=np.float64)[np.newaxis], is_high, patient_ids)
    value, variance = float(made.aucs[0]), float(made.covariance[0, 0])
    if 1 in {made.n_high_patients, made.n_low_patients}:
        variance = math.nan
    elif variance < ROUNDING:
        variance = 0.0
    area = Area(value, variance, made.n_high_patients, made.n_low_patients)
    low, high = auc_bounds(area, z=normal_quantile(confidence))
    method, note = "Obuchowski, clustered by patient, on the logit scale", f"{made.n_rows} rows"
    note += f", {made.n_high_rows} of them high grade"
    caution: Caution | None = None
    if math.isnan(variance):
        caution = Caution.SINGLE_PATIENT
        note += "; no interval: the rows of one grade are of a single patient"
    elif not area.has_variance:
        method, caution = "Newcombe's method 5, by patient", Caution.SCORE_INTERVAL
        note += "; no variance: the AUC is exactly 0 or 1, or all scores are equal"
    return Estimate(
        "auc",
        value,
        low,
        high,
        n=made.n_patients,
        n_high=made.n_high_patients,
        method=f"{method}, {100 * confidence:g} % CI",
        note=note,
        confidence=confidence,
        caution=caution,
    )


def compare_clustered(
    models: Mapping[str, npt.ArrayLike], is_high: npt.ArrayLike, patient_ids: Sequence[str], *, confidence: float = 0.95
) -> tuple[Comparison, ...]:
    """Compare the AUCs of every pair of models over the same rows, with the patient as the unit.

    Args:
        models: The predictions of each model, one per row, by model id.
        is_high: The truth of each row.
        patient_ids: The patient of each row.
        confidence: Coverage probability of the interval of the difference.

    Returns:
        One row per pair, with Holm-adjusted P; ``n`` counts patients. A pair that cannot be tested keeps its row, with
        the reason.

    Raises:
        ScoresError: As :func:`clustered_aucs`.

    Source:
        Obuchowski 1997; Holm 1979.

    >>> rows = {"a": [0.1, 0.6, 0.4, 0.9, 0.8], "b": [0.2, 0.3, 0.6, 0.5, 0.1]}
    >>> row = compare_clustered(rows, [0, 0, 1, 1, 1], ["A", "B", "A", "C", "D"])[0]
    >>> round(row.difference, 3), row.n
    (0.167, 4)
    """
    if not models:
        return ()
    columns = [np.asarray(column, dtype=np.float64) for column in models.values()]
    for column in columns:
        paired_vectors(column, is_high)
    clusters = _cluster(np.stack(columns), is_high, patient_ids)
    aucs = clusters.aucs()
    rows = []
    for first, second in itertools.combinations(range(len(columns)), 2):
        names = list(models)[first], list(models)[second]
        certain = bool(np.isin(aucs[[first, second]], (0.0, 1.0)).any())
        rows.append(_compare(names, clusters.difference(first, second), certain=certain, confidence=confidence))
    return adjust(rows)


def _compare(names: tuple[str, str], difference: _Clusters, *, certain: bool, confidence: float) -> Comparison:
    value, variance = float(difference.aucs()[0]), float(difference.covariance()[0, 0])
    n_rows = int(difference.high_rows.sum() + difference.low_rows.sum())
    method = f"paired Obuchowski, clustered by patient, {100 * confidence:g} % CI; {n_rows} rows"
    alike = not difference.of_high.any() and not difference.of_low.any()
    error, z = math.nan, math.nan
    reason: Reason | None = None
    caution: Caution | None = None
    if math.isnan(variance):
        reason = Reason.SINGLE_PATIENT
        method = "not computed: the rows of one grade are of a single patient, and so no variance"
    elif alike:
        error, z = 0.0, 0.0
        caution = Caution.RANKED_ALIKE
        method += "; both models rank the rows alike"
    elif variance < ROUNDING:
        reason = Reason.CONSTANT_DIFFERENCE
        method = "not computed: the difference is the same in every patient, and so its variance 0"
    else:
        error = math.sqrt(variance)
        z = value / error
        if certain:
            caution = Caution.PERFECT_AUC
            method += "; one AUC is exactly 0 or 1: unreliable"
    low, high = difference_bounds(value, error**2, z=normal_quantile(confidence))
    return Comparison(
        *names,
        "auc",
        value,
        low,
        high,
        statistic=z,
        p_value=two_sided_p(z),
        p_adjusted=math.nan,
        n=difference.high_rows.size,
        method=method,
        confidence=None if reason else confidence,
        reason=reason,
        caution=caution,
    )


def _cluster(p_high: RowMatrix, is_high: npt.ArrayLike, patient_ids: Sequence[str]) -> _Clusters:
    predictions = np.asarray(p_high, dtype=np.float64)
    if predictions.ndim != 2 or not len(predictions):
        raise ScoresError(f"The predictions have the shape {predictions.shape}. Give a matrix, model × row.")
    truths: BoolVector
    for model in predictions:
        _, truths = paired_vectors(model, is_high)
    if len(patient_ids) != truths.size:
        raise ScoresError(f"{len(patient_ids)} patient ids for {truths.size} rows. Give one for each row.")
    for number, patient_id in enumerate(patient_ids, start=1):
        if not isinstance(patient_id, str) or not patient_id:
            raise ScoresError(f"Row {number} has the patient id {patient_id!r}. Give each row a patient id as text.")
    position = {patient_id: k for k, patient_id in enumerate(sorted(set(patient_ids)))}
    patient_of = np.array([position[patient_id] for patient_id in patient_ids], dtype=np.intp)
    placements = place(predictions, truths)
    return _Clusters(
        _sum_up(placements.of_high, patient_of[truths], len(position)),
        _sum_up(placements.of_low, patient_of[~truths], len(position)),
        np.bincount(patient_of[truths], minlength=len(position)),
        np.bincount(patient_of[~truths], minlength=len(position)),
    )


def _sum_up(counts: RowMatrix, patient_of: npt.NDArray[np.intp], patients: int) -> ModelMatrix:
    return np.stack([np.bincount(patient_of, weights=model, minlength=patients) for model in counts])


def _unbiased(patients: int) -> float:
    return patients / (patients - 1)
