from __future__ import annotations

import math
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest

from nephrograde.errors import ScoresError
from nephrograde.evaluation.comparison.clustered import clustered_auc, clustered_aucs, compare_clustered
from nephrograde.evaluation.comparison.compare import compare_models
from nephrograde.evaluation.performance.delong import place
from nephrograde.evaluation.performance.interval import Area, auc_bounds, newcombe_bounds
from nephrograde.evaluation.performance.metrics import auc
from nephrograde.evaluation.remarks import Caution
from nephrograde.evaluation.scores.scores import ModelScores

Rows = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], list[str]]


def drawn(rows: int, patients: int, *, models: int = 2, seed: int = 8) -> Rows:
    """Rows of patients who have rows of either grade or of both, with ties and something of the patient in each."""
    chance = np.random.default_rng(seed)
    patient_of = np.concatenate([np.arange(patients), chance.integers(0, patients, rows - patients)])
    truths = chance.random(rows) < np.where(patient_of % 3 == 0, 0.5, np.where(patient_of % 3 == 1, 0.95, 0.05))
    own = chance.normal(size=(models, patients))[:, patient_of]
    scores = np.round(own + chance.normal(size=(models, rows)) + truths, 1)
    return scores, truths, [f"P{k:03}" for k in patient_of]


def kernel(x: float, y: float) -> float:
    return 1.0 if x > y else 0.5 if x == y else 0.0


def by_the_paper(p_high: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_], ids: list[str]):
    """Obuchowski 1997, formulas 1 to 7, sum by sum: X are the diseased units of a cluster, Y the others."""
    clusters = sorted(set(ids))
    theta, v10, v01 = [], [], []
    m = {i: sum(1 for k, who in enumerate(ids) if who == i and truths[k]) for i in clusters}
    n = {i: sum(1 for k, who in enumerate(ids) if who == i and not truths[k]) for i in clusters}
    big_m, big_n = sum(m.values()), sum(n.values())
    for scores in p_high:
        x = {i: [scores[k] for k, who in enumerate(ids) if who == i and truths[k]] for i in clusters}
        y = {i: [scores[k] for k, who in enumerate(ids) if who == i and not truths[k]] for i in clusters}
        all_x, all_y = [s for i in clusters for s in x[i]], [s for i in clusters for s in y[i]]
        theta.append(sum(kernel(a, b) for a, b in product(all_x, all_y)) / (big_m * big_n))
        v10.append({i: sum(sum(kernel(a, b) for b in all_y) / big_n for a in x[i]) for i in clusters})
        v01.append({i: sum(sum(kernel(a, b) for a in all_x) / big_m for b in y[i]) for i in clusters})
    i10, i01, i_all = sum(v > 0 for v in m.values()), sum(v > 0 for v in n.values()), len(clusters)
    covariance = np.zeros((len(theta), len(theta)))
    for r, s in product(range(len(theta)), repeat=2):
        s10 = sum((v10[r][i] - m[i] * theta[r]) * (v10[s][i] - m[i] * theta[s]) for i in clusters if m[i])
        s01 = sum((v01[r][i] - n[i] * theta[r]) * (v01[s][i] - n[i] * theta[s]) for i in clusters if n[i])
        s11 = sum((v10[r][i] - m[i] * theta[r]) * (v01[s][i] - n[i] * theta[s]) for i in clusters)
        s11_turned = sum((v10[s][i] - m[i] * theta[s]) * (v01[r][i] - n[i] * theta[r]) for i in clusters)
        s10 *= i10 / ((i10 - 1) * big_m)
        s01 *= i01 / ((i01 - 1) * big_n)
        s11, s11_turned = s11 * i_all / (i_all - 1), s11_turned * i_all / (i_all - 1)
        covariance[r, s] = s10 / big_m + s01 / big_n + (s11 + s11_turned) / (big_m * big_n)
    return np.array(theta), covariance


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_sums_of_the_paper(seed: int) -> None:
    rows = drawn(45, 14, models=3, seed=seed)
    made = clustered_aucs(*rows)
    theta, covariance = by_the_paper(*rows)
    np.testing.assert_allclose(made.aucs, theta, rtol=0, atol=1e-12)
    np.testing.assert_allclose(made.covariance, covariance, rtol=0, atol=1e-12)
    assert (made.n_rows, made.n_patients, made.n_high_rows) == (45, 14, int(rows[1].sum()))
    assert made.n_high_patients == len({who for who, high in zip(rows[2], rows[1], strict=True) if high})


def test_patients_of_both_grades_matter() -> None:
    rows = drawn(45, 14)
    apart = [f"{who}{high}" for who, high in zip(rows[2], rows[1], strict=True)]
    assert not np.allclose(clustered_aucs(*rows).covariance, clustered_aucs(*rows[:2], apart).covariance, rtol=1e-3)


def test_with_one_row_a_patient_it_is_delong() -> None:
    scores, truths, ids = drawn(80, 80, models=3)
    made = clustered_aucs(scores, truths, ids)
    placements = place(scores, truths)
    np.testing.assert_allclose(made.aucs, placements.aucs(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(made.covariance, placements.covariance(), rtol=0, atol=1e-12)
    one, delong = clustered_auc(scores[0], truths, ids), auc(scores[0], truths)
    assert (one.low, one.high) == pytest.approx((delong.low, delong.high), abs=1e-12)
    compared = compare_clustered({"a": scores[0], "b": scores[1]}, truths, ids)[0]
    models = {name: ModelScores(tuple(ids), truths, row) for name, row in zip("ab", scores, strict=False)}
    plain = compare_models(models, {"a": 0.5, "b": 0.5})[0]
    for name in ("difference", "low", "high", "statistic", "p_value", "p_adjusted", "n"):
        assert getattr(compared, name) == pytest.approx(getattr(plain, name), abs=1e-12)


def test_more_rows_of_the_same_patients_make_nothing_surer() -> None:
    scores, truths, ids = drawn(60, 20)
    once = clustered_aucs(scores, truths, ids)
    thrice = clustered_aucs(np.tile(scores, 3), np.tile(truths, 3), ids * 3)
    np.testing.assert_allclose(thrice.aucs, once.aucs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(thrice.covariance, once.covariance, rtol=0, atol=1e-12)
    naive = place(np.tile(scores, 3), np.tile(truths, 3)).covariance() / place(scores, truths).covariance()
    assert naive == pytest.approx(np.full((2, 2), 1 / 3), rel=0.05)


def test_the_order_of_rows_changes_nothing() -> None:
    scores, truths, ids = drawn(60, 20)
    order = np.random.default_rng(0).permutation(60)
    shuffled = clustered_aucs(scores[:, order], truths[order], [ids[k] for k in order])
    once = clustered_aucs(scores, truths, ids)
    assert (shuffled.covariance == once.covariance).all()
    assert (shuffled.aucs == once.aucs).all()


def test_an_estimate_counts_patients_and_names_rows() -> None:
    scores, truths, ids = drawn(60, 20)
    made, whole = clustered_auc(scores[0], truths, ids, confidence=0.9), clustered_aucs(scores, truths, ids)
    area = Area(whole.aucs[0], whole.covariance[0, 0], whole.n_high_patients, whole.n_low_patients)
    assert made.value == whole.aucs[0]
    assert (made.low, made.high) == pytest.approx(auc_bounds(area, z=1.6448536269514722), abs=1e-12)
    assert (made.measure, made.n, made.n_high) == ("auc", 20, whole.n_high_patients)
    assert made.method == "Obuchowski, clustered by patient, on the logit scale, 90 % CI"
    assert made.note == f"60 rows, {truths.sum()} of them high grade"


def test_every_pair_is_compared_from_its_covariance_and_adjusted() -> None:
    scores, truths, ids = drawn(60, 20, models=3)
    whole = clustered_aucs(scores, truths, ids)
    rows = compare_clustered(dict(zip("abc", scores, strict=True)), truths, ids)
    assert [(row.model_a, row.model_b) for row in rows] == [("a", "b"), ("a", "c"), ("b", "c")]
    for row, (i, j) in zip(rows, ((0, 1), (0, 2), (1, 2)), strict=True):
        variance = whole.covariance[i, i] + whole.covariance[j, j] - 2 * whole.covariance[i, j]
        assert row.difference == pytest.approx(whole.aucs[i] - whole.aucs[j], abs=1e-12)
        assert row.statistic == pytest.approx(row.difference / math.sqrt(variance), rel=1e-9)
        assert row.high - row.low == pytest.approx(2 * 1.959963984540054 * math.sqrt(variance), rel=1e-9)
        assert row.method == "paired Obuchowski, clustered by patient, 95 % CI; 60 rows"
        assert (row.measure, row.n) == ("auc", 20)
    smallest = min(rows, key=lambda row: row.p_value)
    assert smallest.p_adjusted == pytest.approx(min(1.0, 3 * smallest.p_value), abs=1e-12)


def test_an_auc_of_1_is_flagged_alone_and_in_a_comparison() -> None:
    truths = [False, False, True, True, True]
    right, other = [0.1, 0.2, 0.7, 0.8, 0.9], [0.1, 0.5, 0.3, 0.8, 0.9]
    ids = ["A", "D", "B", "C", "C"]
    made = clustered_auc(right, truths, ids)
    # High grade in patients B and C, low grade in A and D.
    assert (made.value, made.low, made.high) == (1.0, *newcombe_bounds(1.0, 2, 2, z=1.959963984540054))
    assert (made.caution, made.is_reliable) == (Caution.SCORE_INTERVAL, True)
    assert (clustered_aucs(np.array([right, other]), truths, ids).covariance[0] == 0).all()
    row = compare_clustered({"a": right, "b": other}, truths, ids)[0]
    assert row.method.endswith("one AUC is exactly 0 or 1: unreliable")


def test_models_that_rank_alike_have_p_1() -> None:
    scores, truths, ids = drawn(60, 20)
    row = compare_clustered({"a": scores[0], "b": np.exp(scores[0])}, truths, ids)[0]
    assert (row.difference, row.low, row.high, row.statistic, row.p_value) == (0.0, 0.0, 0.0, 0.0, 1.0)
    assert row.method.endswith("both models rank the rows alike")


def test_a_difference_that_is_the_same_everywhere_has_no_test() -> None:
    truths, ids = [False, False, True, True, True], ["A", "D", "B", "C", "C"]
    right, wrong = [0.1, 0.2, 0.7, 0.8, 0.9], [0.9, 0.8, 0.3, 0.2, 0.1]
    row = compare_clustered({"a": right, "b": wrong}, truths, ids)[0]
    assert row.difference == 1.0
    assert math.isnan(row.p_value)
    assert math.isnan(row.p_adjusted)
    assert row.method.startswith("not computed: the difference is the same in every patient")


def test_a_grade_of_a_single_patient_has_no_variance() -> None:
    truths, ids = [False, False, True, True], ["A", "B", "C", "C"]
    made = clustered_auc([0.1, 0.6, 0.4, 0.9], truths, ids)
    assert made.value == 0.75
    assert math.isnan(made.low)
    assert math.isnan(made.high)
    assert made.note.endswith("no interval: the rows of one grade are of a single patient")
    row = compare_clustered({"a": [0.1, 0.6, 0.4, 0.9], "b": [0.1, 0.2, 0.4, 0.9]}, truths, ids)[0]
    assert row.difference == -0.25
    assert math.isnan(row.statistic)
    assert "the rows of one grade are of a single patient" in row.method


def test_no_models_have_no_comparison() -> None:
    assert compare_clustered({}, [False, True], ["A", "B"]) == ()


@pytest.mark.parametrize(
    ("p_high", "is_high", "ids", "message"),
    [
        ([[0.1, 0.2]], [0, 0], ["A", "B"], "All 2 patients are low grade"),
        ([[0.1, math.nan]], [0, 1], ["A", "B"], "Prediction 2 is nan"),
        ([[0.1, 0.2]], [0, 1], ["A"], "1 patient ids for 2 rows"),
        ([[0.1, 0.2]], [0, 1], ["A", ""], "Row 2 has the patient id ''"),
        ([[0.1, 0.2]], [0, 1], ["A", math.nan], "Row 2 has the patient id nan"),
        ([[0.1, 0.2]], [0, 1, 1], ["A", "B"], "Give one of each"),
        ([[]], [], [], "No patient to evaluate"),
        ([0.1, 0.2], [0, 1], ["A", "B"], "Give a matrix"),
        (np.zeros((0, 2)), [0, 1], ["A", "B"], "Give a matrix"),
    ],
)
def test_what_cannot_be_computed_is_refused(p_high, is_high, ids, message: str) -> None:
    with pytest.raises(ScoresError, match=message):
        clustered_aucs(p_high, is_high, ids)


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(ScoresError, match="Give one of each"):
        compare_clustered({"a": [0.1, 0.2], "b": [0.1]}, [False, True], ["A", "B"])
