from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from nephrograde.errors import ScoresError
from nephrograde.evaluation.performance.delong import place, two_sided_p
from nephrograde.evaluation.performance.metrics import auc
from nephrograde.evaluation.performance.subgroup import SubgroupEstimate, estimate_subgroups
from nephrograde.evaluation.remarks import Caution
from nephrograde.evaluation.scores.scores import ModelScores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_TEST = "interaction not computed: fewer than two parts whose AUC has an interval and a variance above 0"


def drawn(n: int = 80, seed: int = 5) -> ModelScores:
    chance = np.random.default_rng(seed)
    truths = np.arange(n) % 2 == 0
    return ModelScores(
        tuple(f"P{k:02}" for k in range(n)), truths, np.clip(chance.normal(0.4 + 0.2 * truths, 0.2), 0, 1)
    )


def estimated(
    patients: ModelScores, values: Mapping[str, Sequence[str]], columns: Sequence[str] | None = None
) -> tuple[SubgroupEstimate, ...]:
    by_id = {column: dict(zip(patients.patient_ids, texts, strict=True)) for column, texts in values.items()}
    return estimate_subgroups(
        patients, by_id, model="size", split="test", confidence=0.9, columns=columns or tuple(values)
    )


def test_two_parts_have_their_own_auc_and_the_z_test_of_the_difference() -> None:
    patients = drawn()
    in_f = np.arange(80) % 3 == 0
    first, second = estimated(patients, {"sex": ["F" if f else "M" for f in in_f]})
    assert (first.model, first.split, first.column, first.group, second.group) == ("size", "test", "sex", "F", "M")
    variances = []
    for row, members in ((first, in_f), (second, ~in_f)):
        alone = auc(patients.p_high[members], patients.is_high[members], confidence=0.9)
        assert (row.auc, row.low, row.high, row.n, row.n_high) == (
            alone.value, alone.low, alone.high, members.sum(), patients.is_high[members].sum(),
        )  # fmt: skip
        variances.append(place(patients.p_high[members][np.newaxis], patients.is_high[members]).covariance()[0, 0])
    z = (first.auc - second.auc) / math.sqrt(sum(variances))
    assert first.p_interaction == second.p_interaction == pytest.approx(two_sided_p(z), rel=1e-9)
    assert (
        first.method == "DeLong on the logit scale, 90 % CI; interaction: Wald chi-square test of equal AUCs in 2 parts"
    )


def test_three_parts_are_tested_by_a_contrast_of_their_aucs() -> None:
    patients = drawn(90)
    centre = np.arange(90) // 2 % 3
    rows = estimated(patients, {"centre": [f"hospital {k}" for k in centre]})
    values = np.array([row.auc for row in rows])
    members = [centre == k for k in range(3)]
    covariance = np.diag(
        [float(place(patients.p_high[m][np.newaxis], patients.is_high[m]).covariance()[0, 0]) for m in members]
    )
    contrast = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]])
    wald = contrast @ values @ np.linalg.inv(contrast @ covariance @ contrast.T) @ contrast @ values
    assert [row.p_interaction for row in rows] == pytest.approx([stats.chi2.sf(wald, 2)] * 3, rel=1e-9)


def test_a_model_that_works_in_one_part_only_is_found_out() -> None:
    chance = np.random.default_rng(1)
    truths = np.arange(400) % 2 == 0
    works = np.arange(400) < 200
    patients = ModelScores(
        tuple(str(k) for k in range(400)), truths, np.where(works, 0.3 * truths, 0.0) + 0.5 * chance.random(400)
    )
    rows = estimated(patients, {"sex": ["F" if k else "M" for k in works]})
    assert rows[0].auc > 0.85
    assert rows[1].auc < 0.6
    assert rows[0].p_interaction < 1e-6


@pytest.mark.parametrize(
    ("column", "texts", "groups"),
    [
        ("size_cm", ["4", "4.0", "4.01", " 12 "], ["≤ 4 cm", "> 4 cm"]),
        ("age_years", ["65", "64.9", "65.5", "80"], ["≤ 65 years", "> 65 years"]),
    ],
)
def test_numbers_are_cut_in_two_and_the_cut_itself_is_below(column: str, texts: list[str], groups: list[str]) -> None:
    patients = ModelScores(tuple("ABCD"), np.array([0, 1, 0, 1], dtype=bool), np.array([0.2, 0.5, 0.6, 0.8]))
    rows = estimated(patients, {column: texts})
    assert [row.group for row in rows] == groups
    assert [(row.n, row.n_high, row.auc) for row in rows] == [(2, 1, 1.0)] * 2


def test_what_is_no_number_is_unknown_and_an_empty_part_keeps_its_row() -> None:
    patients = drawn(6)
    small, large, unknown = estimated(patients, {"size_cm": ["3", "2", "", "about 4", "nan", "inf"]})
    assert (small.n, small.n_high) == (2, 1)
    assert (large.group, large.n, large.method) == ("> 4 cm", 0, f"not computed: no patients; {NO_TEST}")
    assert (unknown.group, unknown.n, unknown.n_high) == ("unknown", 4, 2)


def test_the_unknown_have_an_auc_but_no_part_in_the_test() -> None:
    patients = drawn()
    texts = [("F", "M", "", "n/a")[k // 2 % 4] for k in range(80)]
    rows = estimated(patients, {"sex": texts})
    assert [(row.group, row.n) for row in rows] == [("F", 20), ("M", 20), ("unknown", 40)]
    known = tuple(name for name, text in zip(patients.patient_ids, texts, strict=True) if text in {"F", "M"})
    alone = estimate_subgroups(
        patients.select(known), {"sex": dict(zip(patients.patient_ids, texts, strict=True))},
        model="size", split="test", confidence=0.9, columns=("sex",),
    )  # fmt: skip
    assert {row.p_interaction for row in rows} == {alone[0].p_interaction}
    assert "in 2 parts" in rows[2].method
    assert 0 < rows[2].low < rows[2].auc


def test_a_patient_that_the_column_does_not_name_is_unknown() -> None:
    patients = drawn(4)
    rows = estimate_subgroups(
        patients, {"sex": {"P00": "F", "P01": "F"}}, model="m", split="oof", confidence=0.95, columns=("sex",)
    )
    assert [(row.group, row.n) for row in rows] == [("F", 2), ("unknown", 2)]


def test_columns_come_in_the_order_asked_for_and_unheard_of_ones_are_passed_over() -> None:
    patients = drawn(8)
    rows = estimated(patients, {"sex": ["F"] * 8, "side": ["left"] * 8}, columns=("side", "centre", "sex"))
    assert [row.column for row in rows] == ["side", "sex"]


def test_eight_values_make_groups_and_nine_do_not() -> None:
    patients = drawn(90)
    assert len(estimated(patients, {"centre": [*(str(k % 8) for k in range(89)), ""]})) == 9
    (row,) = estimated(patients, {"centre": [str(k % 9) for k in range(90)]})
    assert (row.group, row.n, row.n_high) == ("9 values", 90, 45)
    assert math.isnan(row.auc)
    assert math.isnan(row.p_interaction)
    assert row.method == "not computed: 9 different values, and 8 at most make groups"


def test_parts_of_one_grade_or_without_variance_have_no_part_in_the_test() -> None:
    truths = np.array([0, 1, 0, 1, 0, 0, 0, 1, 1, 0, 1, 1], dtype=bool)
    p_high = np.array([0.2, 0.6, 0.7, 0.8, 0.1, 0.2, 0.1, 0.9, 0.8, 0.5, 0.5, 0.5])
    patients = ModelScores(tuple("ABCDEFGHIJKL"), truths, p_high)
    texts = ["overlap"] * 4 + ["one grade"] * 2 + ["separated"] * 3 + ["tied"] * 3
    rows = {row.group: row for row in estimated(patients, {"centre": texts})}
    assert rows["one grade"].method == f"not computed: patients of one grade only; {NO_TEST}"
    assert math.isnan(rows["one grade"].auc)
    assert rows["separated"].auc == 1.0
    assert rows["separated"].caution is Caution.TOO_FEW
    assert rows["tied"].auc == 0.5
    assert math.isnan(rows["tied"].low)
    assert all(math.isnan(row.p_interaction) and row.method.endswith(NO_TEST) for row in rows.values())


def test_everything_tied_has_newcombe_s_interval_and_no_part_in_the_test() -> None:
    patients = ModelScores(tuple(f"P{k}" for k in range(40)), np.arange(40) % 2 == 0, np.full(40, 0.5))
    first, _ = estimated(patients, {"sex": ["F"] * 20 + ["M"] * 20})
    assert first.auc == 0.5
    assert first.low < 0.4
    assert first.high > 0.6
    assert (first.caution, math.isnan(first.p_interaction)) == (Caution.SCORE_INTERVAL, True)


@pytest.mark.parametrize(
    ("n_high", "n_low", "is_shown"), [(10, 10, True), (9, 40, False), (40, 9, False), (1, 1, False)]
)
def test_a_group_with_fewer_than_ten_patients_of_a_grade_has_no_interval_and_gives_the_limit(
    n_high: int, n_low: int, is_shown: bool
) -> None:
    chance = np.random.default_rng(3)
    sizes = (n_high, n_low, 30, 30)
    truths = np.repeat([True, False, True, False], sizes)
    patients = ModelScores(tuple(f"P{k:03}" for k in range(truths.size)), truths, chance.random(truths.size))
    few, enough = estimated(patients, {"sex": ["F"] * (n_high + n_low) + ["M"] * 60})
    assert math.isnan(few.low) == math.isnan(few.high) == (not is_shown)
    assert (few.caution, few.caution_value, few.is_reliable) == (
        (None, None, True) if is_shown else (Caution.TOO_FEW, 10, False)
    )
    assert (enough.caution, math.isnan(enough.low)) == (None, False)
    assert enough.tested_groups == 1 + is_shown
    assert math.isnan(enough.p_interaction) == (not is_shown)


def test_no_patients_have_no_rows_and_two_have_their_rows() -> None:
    nobody = ModelScores((), np.zeros(0, dtype=bool), np.zeros(0))
    assert estimated(nobody, {"sex": []}) == ()
    assert [row.auc for row in estimated(drawn(2), {"sex": ["F", "F"]})] in ([0.0], [1.0])


def test_a_prediction_that_is_no_number_is_refused() -> None:
    patients = ModelScores(("A", "B"), np.array([True, False]), np.array([0.5, math.nan]))
    with pytest.raises(ScoresError, match="Prediction 2 is nan"):
        estimated(patients, {"sex": ["F", "F"]})


def test_words_for_nothing_are_unknown_and_none_is_an_answer() -> None:
    patients = drawn(8)
    rows = estimated(patients, {"necrosis": ["有", "无", "NaN", "#N/A", "—", "／", "", "null"]}, columns=("necrosis",))
    assert [(row.group, row.n) for row in rows] == [("无", 1), ("有", 1), ("unknown", 6)]
    rows = estimated(patients, {"necrosis": ["present", "none"] * 4}, columns=("necrosis",))
    assert [(row.group, row.n) for row in rows] == [("none", 4), ("present", 4)]
