"""The analysis of readers on cases that are worked out by hand, and its special cases."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest

from nephrograde.errors import InputError
from nephrograde.evaluation.comparison.compare import compare_models
from nephrograde.evaluation.scores.scores import ModelScores
from nephrograde.reads.agreement import icc_agreement, icc_consistency, weighted_kappa
from nephrograde.reads.analysis import Measure, Remark, Unavailable, analyse_reads
from nephrograde.reads.aucs import CovarianceMethod, ReaderAucs, jackknife_covariance, reader_aucs
from nephrograde.reads.obuchowski_rockette import (
    Inference,
    components,
    equality,
    mean_squares,
    modality_difference,
    modality_mean,
    reader_mean,
)
from nephrograde.reads.table import Reads

SHROUT_FLEISS = np.array([[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7.0]])
TRUTH = np.array([False, False, True, True])


def made_aucs():
    """Two modalities × two readers with AUCs and a covariance that are easy to compute with."""
    covariance = np.empty((2, 2, 2, 2))
    for i in range(2):
        for j in range(2):
            for k in range(2):
                for m in range(2):
                    covariance[i, j, k, m] = {(1, 1): 16, (0, 1): 8, (1, 0): 6, (0, 0): 4}[int(i == k), int(j == m)]
    return ReaderAucs(np.array([[0.70, 0.80], [0.80, 1.00]]), covariance / 10_000)


def reads_of(scores, truth=TRUTH, model=None):
    scores = np.asarray(scores, dtype=float)
    modalities, readers, patients = scores.shape
    return Reads(
        tuple("ABCDEFGH"[:readers]),
        ("without", "with", "third")[:modalities],
        tuple(f"P{k}" for k in range(patients)),
        np.asarray(truth, dtype=bool),
        scores,
        model="" if model is None else "m",
        model_scores=None if model is None else np.asarray(model, dtype=float),
    )


def random_reads(modalities=2, readers=3, patients=40, *, model=False, seed=1):
    rng = np.random.default_rng(seed)
    truth = np.arange(patients) % 2 == 0
    scores = np.clip(np.round(3 + truth + rng.normal(0, 1, (modalities, readers, patients))), 1, 5)
    return reads_of(scores, truth, truth + rng.normal(0, 1, patients) if model else None)


def test_components_by_hand():
    # Means of modalities 0.75 and 0.90, of readers 0.75 and 0.90, of all 0.825; the rest is ±0.025.
    squares = mean_squares(made_aucs())
    assert (squares.modality, squares.reader) == pytest.approx((2 * 2 * 0.075**2, 2 * 2 * 0.075**2))
    assert squares.modality_reader == pytest.approx(4 * 0.025**2)
    parts = components(made_aucs())
    assert (parts.error, parts.cov1, parts.cov2, parts.cov3) == pytest.approx((0.0016, 0.0008, 0.0006, 0.0004))
    assert parts.reader == pytest.approx((0.0225 - 0.0025) / 2 - 0.0008 + 0.0004)
    assert parts.modality_reader == pytest.approx(0.0025 - 0.0016 + 0.0008 + 0.0002)


def test_the_difference_of_two_modalities_by_hand():
    # Denominator 0.0025 + 2 · 0.0002 = 0.0029; df = 0.0029² / 0.0025² = 1.3456; F = 0.0225 / 0.0029.
    made = modality_difference(made_aucs(), 1, 0, Inference.RANDOM_READERS)
    assert made.value == pytest.approx(0.15)
    assert made.standard_error**2 == pytest.approx(0.0029)
    assert made.df == pytest.approx(1.3456)
    test = equality(made_aucs(), Inference.RANDOM_READERS)
    assert test.statistic == pytest.approx(0.0225 / 0.0029)
    assert test.p_value == pytest.approx(made.p_value)
    fixed = modality_difference(made_aucs(), 1, 0, Inference.FIXED_READERS)
    assert fixed.standard_error**2 == pytest.approx(0.0016 - 0.0008 + 0.0006 - 0.0004)
    cases = modality_difference(made_aucs(), 1, 0, Inference.FIXED_CASES)
    assert (cases.standard_error**2, cases.df) == pytest.approx((0.0025, 1))
    assert cases.p_value == pytest.approx(2 * math.atan(1 / 3.0) / math.pi)  # t of 3 with one degree of freedom


def test_the_mean_of_a_modality_by_hand():
    # MS(R) = 0.005; with Cov2 = 0.0006: variance (0.005 + 2 · 0.0006) / 2, df = (0.0062 / 0.005)².
    made = modality_mean(made_aucs(), 0, Inference.RANDOM_READERS)
    assert (made.value, made.standard_error**2) == pytest.approx((0.75, 0.0031))
    assert made.df == pytest.approx((0.0062 / 0.005) ** 2)
    assert made.high == 1.0  # 0.75 + 6.3 · 0.056, cut
    assert math.isnan(made.p_value)


def test_a_negative_covariance_of_readers_counts_as_none():
    covariance = np.array([[4.0, -1.0], [-1.0, 4.0]]) / 10_000
    made = reader_mean(np.array([0.1, 0.2]), covariance, Inference.RANDOM_READERS)
    assert (made.standard_error**2, made.df) == pytest.approx((0.0025, 1))


def test_the_jackknife_by_hand():
    # Without each patient in turn, the AUC of 0.1, 0.6 | 0.4, 0.9 is 1/2, 1, 1 and 1/2.
    placements_of = reader_aucs(np.array([[[0.1, 0.6, 0.4, 0.9]]]), TRUTH, CovarianceMethod.JACKKNIFE)
    assert placements_of.covariance.item() == pytest.approx(float(Fraction(3, 4) * 4 * Fraction(1, 4) ** 2))


def test_the_jackknife_equals_leaving_out_each_patient():
    reads = random_reads(1, 3, 15)
    from nephrograde.evaluation.performance.delong import place

    ours = jackknife_covariance(place(reads.scores[0], reads.is_high))
    without = np.array(
        [
            place(np.delete(reads.scores[0], k, axis=1), np.delete(reads.is_high, k)).aucs()
            for k in range(reads.is_high.size)
        ]
    )
    centred = without - without.mean(axis=0)
    np.testing.assert_allclose(ours, 14 / 15 * centred.T @ centred, rtol=0, atol=1e-15)


def test_a_reader_compared_with_the_model_is_delongs_paired_test():
    reads = random_reads(1, 3, model=True)
    made = analyse_reads(reads)
    rows = [row for row in made.of(Measure.DIFFERENCE) if row.reader]
    for j, row in enumerate(rows):
        models = {
            name: ModelScores(reads.patient_ids, reads.is_high, values)
            for name, values in (("m", reads.model_scores), ("r", reads.scores[0, j]))
        }
        (theirs,) = compare_models(models, {"m": math.inf, "r": math.inf}, confidence=0.95)[:1]
        assert (row.value, row.p_value) == pytest.approx((theirs.difference, theirs.p_value), abs=1e-12)
    assert all(row.p_adjusted >= row.p_value for row in rows)


def test_the_model_against_the_mean_reader_by_hand():
    # Fixed readers: the variance of model − mean reader, straight from the covariance of all AUCs.
    reads = random_reads(1, 4, model=True, seed=3)
    together = np.concatenate([reads.model_scores[None], reads.scores[0]])[None]
    spread = reader_aucs(together, reads.is_high).of_modality(0)
    weights = np.array([1, -0.25, -0.25, -0.25, -0.25])
    made = analyse_reads(reads)
    (row,) = [row for row in made.of(Measure.DIFFERENCE, Inference.FIXED_READERS) if row.model and not row.reader]
    assert row.standard_error**2 == pytest.approx(float(weights @ spread @ weights), abs=1e-15)
    (random,) = [row for row in made.of(Measure.DIFFERENCE, Inference.RANDOM_READERS) if row.model]
    assert random.standard_error > row.standard_error
    assert random.value == row.value


def test_the_same_reads_twice_show_no_difference_and_no_test():
    one = random_reads(1, 3)
    made = analyse_reads(reads_of(np.concatenate([one.scores, one.scores]), one.is_high))
    for row in (*made.of(Measure.DIFFERENCE), *made.of(Measure.EQUALITY)):
        assert math.isnan(row.p_value)
        assert row.reason is Unavailable.NO_VARIANCE
    assert {row.value for row in made.of(Measure.DIFFERENCE)} == {0.0}


def test_one_reader_allows_no_statement_about_others():
    made = analyse_reads(random_reads(2, 1))
    for inference in (Inference.RANDOM_READERS, Inference.FIXED_CASES):
        for row in (*made.of(Measure.AUC, inference), *made.of(Measure.DIFFERENCE, inference)):
            assert row.reason is Unavailable.ONE_READER
            assert not math.isnan(row.value)
            assert math.isnan(row.low)
    pooled, alone = made.of(Measure.DIFFERENCE, Inference.FIXED_READERS)
    assert pooled.p_value == pytest.approx(alone.p_value)
    assert not made.of(Measure.KAPPA)
    assert [remark.code for remark in made.remarks] == [Remark.FEW_READERS]


def test_the_baseline_is_subtracted():
    reads = random_reads(3, 4)
    made = analyse_reads(reads, baseline="with")
    pairs = [(row.modality, row.against) for row in made.of(Measure.DIFFERENCE, "random-readers")]
    assert pairs == [("without", "with"), ("third", "with"), ("third", "without")]
    with pytest.raises(InputError, match="no modality 'fourth'"):
        analyse_reads(reads, baseline="fourth")


def test_a_reversed_scale_is_remarked():
    reads = random_reads(1, 4)
    scores = reads.scores.copy()
    scores[0, 2] = 6 - scores[0, 2]
    remarks = analyse_reads(reads_of(scores, reads.is_high)).remarks
    assert [(remark.code, remark.reader) for remark in remarks] == [(Remark.BELOW_CHANCE, "C")]


def test_readers_on_different_scales_have_aucs_but_no_agreement():
    reads = random_reads(1, 4)
    scores = reads.scores.copy()
    scores[0, 1] *= 20
    made = analyse_reads(reads_of(scores, reads.is_high))
    same = analyse_reads(reads)
    assert [row.value for row in made.of(Measure.AUC)] == [row.value for row in same.of(Measure.AUC)]
    for measure in (Measure.KAPPA, Measure.ICC_AGREEMENT, Measure.ICC_CONSISTENCY):
        assert {row.reason for row in made.of(measure)} == {Unavailable.OTHER_SCALES}


def test_fine_scores_have_no_kappa():
    rng = np.random.default_rng(4)
    truth = np.arange(30) % 2 == 0
    made = analyse_reads(reads_of(rng.integers(0, 101, (1, 4, 30)), truth))
    assert {row.reason for row in made.of(Measure.KAPPA)} == {Unavailable.TOO_MANY_LEVELS}
    assert not math.isnan(made.of(Measure.ICC_AGREEMENT)[0].low)


def test_everything_as_json():
    made = analyse_reads(random_reads(2, 3, model=True))
    content = json.loads(json.dumps(made.as_dict(), allow_nan=False))
    assert (content["n"], content["n_high"], content["model"], content["covariance"]) == (40, 20, "m", "delong")
    assert len(content["results"]) == len(made.results) == len(made.frame())


def test_kappa_by_hand():
    # Scores (1,1) (2,2) (3,2) (3,3): observed disagreement 1/4, expected 5/4.
    assert weighted_kappa(np.array([1.0, 2, 3, 3]), np.array([1.0, 2, 2, 3])).value == pytest.approx(
        1 - (1 / 4) / (5 / 4)
    )
    perfect = weighted_kappa(np.array([1.0, 2, 3]), np.array([1.0, 2, 3]))
    assert perfect.value == 1
    assert math.isnan(perfect.low)
    assert math.isnan(weighted_kappa(np.array([2.0, 2]), np.array([2.0, 2])).value)


def test_kappa_counts_the_distance_of_the_scores_that_were_given():
    # Nobody gave a 2: a 1 against a 3 is still two apart, not one.
    first, second = np.array([1.0, 1, 3, 4, 4]), np.array([1.0, 3, 3, 4, 3])
    observed = (0 + 4 + 0 + 0 + 1) / 5
    expected = np.mean([(a - b) ** 2 for a in first for b in second])
    assert weighted_kappa(first, second).value == pytest.approx(1 - observed / expected)


def test_intraclass_correlations_of_the_published_example():
    # Shrout & Fleiss 1979, table 4: 0.29 and 0.71; the intervals as printed by psych::ICC in R.
    assert [round(value, 2) for value in icc_agreement(SHROUT_FLEISS)] == [0.29, 0.02, 0.76]
    assert [round(value, 2) for value in icc_consistency(SHROUT_FLEISS)] == [0.71, 0.34, 0.95]


def test_a_constant_shift_is_consistent_but_does_not_agree():
    shifted = np.array([[1.0, 2, 3, 4], [2, 3, 4, 5]])
    assert icc_consistency(shifted).value == 1
    # MS between patients 10/3, between readers 2: 10/3 / (10/3 + 2 · 2 / 4).
    assert icc_agreement(shifted).value == pytest.approx((10 / 3) / (10 / 3 + 1))
    assert math.isnan(icc_agreement(shifted).low)
    assert math.isnan(icc_consistency(np.ones((2, 4))).value)
