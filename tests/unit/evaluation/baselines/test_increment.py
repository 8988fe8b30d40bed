"""What the images add: stacks of a cohort made by code, with and without information in the image score."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import minimize

from nephrograde.cohort.case import Case, Cohort
from nephrograde.cohort.clinical import present_columns
from nephrograde.cohort.split import Split, draw_split
from nephrograde.evaluation.baselines.baseline import stacked_predictors
from nephrograde.evaluation.baselines.increment import WITH, WITHOUT, Increment, Stacks, stack_images
from nephrograde.evaluation.calibration.logistic import firth_likelihood
from nephrograde.evaluation.comparison.compare import compare_models
from nephrograde.evaluation.comparison.out_of_fold import stratified_auc
from nephrograde.evaluation.remarks import Caution, Reason
from nephrograde.evaluation.scores.scores import Score, Scores, SplitName
from nephrograde.evaluation.tables import read_table, write_table
from nephrograde.study import EvaluateSettings, SplitSettings

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "weak-1-cmp"
SETTINGS = EvaluateSettings(bootstraps=400)


def make_cohort(n: int = 260) -> tuple[Cohort, np.ndarray]:
    """Patients whose grade depends on size, age and a finding in the image; and that finding."""
    chance = np.random.default_rng(3)
    log_size, age, finding = chance.normal(1.4, 0.5, n), chance.normal(60, 10, n), chance.normal(size=n)
    log_odds = 1.6 * (log_size - 1.4) + 0.03 * (age - 60) + 1.6 * finding
    is_high = chance.random(n) < 1 / (1 + np.exp(-log_odds))
    cases = tuple(
        Case(
            f"P{k:03}",
            bool(is_high[k]),
            None,
            {},
            {
                **({} if k % 29 == 0 else {"age_years": float(age[k])}),
                "sex": "male" if k % 3 else "female",
                "size_cm": float(np.exp(log_size[k])),
            },
        )
        for k in range(n)
    )
    return Cohort(cases, ("cmp",), ("age_years", "sex", "size_cm"), None), finding


COHORT, FINDING = make_cohort()
SPLIT = draw_split(COHORT, SplitSettings())
LOG_SIZES = {case.patient_id: (math.log(float(case.clinical["size_cm"] or 0)),) for case in COHORT.cases}


def score(values: np.ndarray, *, splits: tuple[str, ...] = ("oof", "test")) -> Scores:
    rows = []
    for case, value in zip(COHORT.cases, values.tolist(), strict=True):
        place = SPLIT.assignments[case.patient_id]
        split: SplitName = "test" if place.split == "test" else "oof"
        if split in splits:
            rows.append(Score(case.patient_id, MODEL, split, place.fold, case.is_high, 1 / (1 + math.exp(-value))))
    return Scores(tuple(rows))


@pytest.fixture(scope="module")
def informative() -> Stacks:
    noise = np.random.default_rng(4).normal(0, 0.3, FINDING.size)
    return stack_images(score(FINDING + noise), COHORT, SPLIT, SETTINGS, log_sizes=LOG_SIZES)


def row_of(stacks: Stacks, measure: str, at: float | None = None) -> Increment:
    return next(row for row in stacks.increments if row.measure == measure and at in {None, row.at})


def test_every_measure_has_a_row_with_its_patients(informative: Stacks) -> None:
    found = [(row.measure, None if math.isnan(row.at) else row.at) for row in informative.increments]
    assert found == [
        ("likelihood_ratio", None),
        ("auc", None),
        ("brier", None),
        *(("net_benefit", at) for at in (0.2, 0.3, 0.4)),
        ("calibration_intercept", None),
        ("calibration_slope", None),
    ]
    test_ids = SPLIT.test_ids()
    n_high = sum(case.is_high for case in COHORT.cases if case.patient_id in set(test_ids))
    assert {(row.n, row.n_high, row.split) for row in informative.increments} == {(len(test_ids), n_high, "test")}
    assert {row.base for row in informative.increments} == {"age_years + sex + size"}


def test_an_image_that_shows_more_adds_to_the_stack(informative: Stacks) -> None:
    auc, brier, tested = (row_of(informative, name) for name in ("auc", "brier", "likelihood_ratio"))
    assert auc.low > 0
    assert auc.difference == pytest.approx(auc.with_image - auc.without, abs=1e-12)
    assert brier.high < 0
    assert tested.p_value < 1e-3
    assert auc.is_reliable


def test_out_of_fold_the_difference_is_that_of_the_two_aucs_beside_it() -> None:
    level = np.array([0.8 * (SPLIT.assignments[case.patient_id].fold or 0) for case in COHORT.cases])
    made = stack_images(score(FINDING + level, splits=("oof",)), COHORT, SPLIT, SETTINGS, log_sizes=LOG_SIZES)
    row = row_of(made, "auc")
    assert row.split == "oof"
    assert row.difference == pytest.approx(row.with_image - row.without, abs=1e-12)
    part = made.scores.of(f"{MODEL}/{WITH}", "oof")
    by_fold = stratified_auc(part.p_high, part.is_high, part.known_folds or ())
    assert row.with_image == pytest.approx(by_fold.value, abs=1e-12)


def test_the_numbers_are_those_of_the_stored_scores(informative: Stacks) -> None:
    scores = informative.scores
    assert scores.models == (f"{MODEL}/{WITHOUT}", f"{MODEL}/{WITH}")
    without, with_image = (scores.of(f"{MODEL}/{name}", "test") for name in (WITHOUT, WITH))
    pair = compare_models({"with": with_image, "without": without}, {"with": 0.5, "without": 0.5})[0]
    row = row_of(informative, "auc")
    assert (row.difference, row.low, row.high, row.p_value) == (pair.difference, pair.low, pair.high, pair.p_value)
    briers = [float(np.mean((part.p_high - part.is_high) ** 2)) for part in (without, with_image)]
    brier = row_of(informative, "brier")
    assert (brier.without, brier.with_image) == pytest.approx(tuple(briers), abs=1e-12)
    calls = [part.p_high >= 0.3 for part in (without, with_image)]
    benefits = [
        float(np.mean(call & part.is_high) - np.mean(call & ~part.is_high) * 0.3 / 0.7)
        for call, part in zip(calls, (without, with_image), strict=True)
    ]
    benefit = row_of(informative, "net_benefit", 0.3)
    assert (benefit.without, benefit.with_image) == pytest.approx(tuple(benefits), abs=1e-12)
    assert benefit.low <= benefit.difference <= benefit.high


def test_training_patients_are_stacked_on_their_out_of_fold_scores() -> None:
    """The image score of a test patient changes that patient's stack alone."""
    values = FINDING.copy()
    first = stack_images(score(values), COHORT, SPLIT, SETTINGS, log_sizes=LOG_SIZES).scores
    chosen = SPLIT.test_ids()[0]
    values[[case.patient_id for case in COHORT.cases].index(chosen)] += 2
    second = stack_images(score(values), COHORT, SPLIT, SETTINGS, log_sizes=LOG_SIZES).scores
    changed = {a.patient_id for a, b in zip(first.rows, second.rows, strict=True) if a.p_high != b.p_high}
    assert changed == {chosen}


def test_out_of_fold_every_row_says_so() -> None:
    stacks = stack_images(score(FINDING, splits=("oof",)), COHORT, SPLIT, SETTINGS, log_sizes=LOG_SIZES)
    assert {row.split for row in stacks.increments} == {"oof"}
    assert {row.caution for row in stacks.increments} == {Caution.FITTED_FOLDS}
    assert {row.split for row in stacks.scores.rows} == {"oof"}


def test_a_constant_score_adds_nothing_and_is_not_tested() -> None:
    stacks = stack_images(score(np.zeros(FINDING.size)), COHORT, SPLIT, SETTINGS, log_sizes=LOG_SIZES)
    tested, auc = row_of(stacks, "likelihood_ratio"), row_of(stacks, "auc")
    assert (tested.reason, tested.is_reliable) == (Reason.PREDICTIONS_ALIKE, False)
    assert math.isnan(tested.p_value)
    assert auc.difference == 0.0
    benefit = row_of(stacks, "net_benefit", 0.3)
    assert (benefit.difference, benefit.caution) == (0.0, Caution.ZERO_VARIANCE)
    assert math.isnan(benefit.low)


def test_without_clinical_columns_the_base_is_the_size_and_without_both_there_is_nothing() -> None:
    bare = Cohort(COHORT.cases, COHORT.phases, (), None)
    stacks = stack_images(score(FINDING), bare, SPLIT, SETTINGS, log_sizes=LOG_SIZES)
    assert {row.base for row in stacks.increments} == {"size"}
    assert stack_images(score(FINDING), bare, SPLIT, SETTINGS, log_sizes={}).increments == ()


def test_a_baseline_is_not_stacked_on_itself() -> None:
    rows = tuple(Score(r.patient_id, "size", r.split, r.fold, r.is_high, r.p_high) for r in score(FINDING).rows)
    assert stack_images(Scores(rows), COHORT, SPLIT, SETTINGS, log_sizes=LOG_SIZES).increments == ()


def test_a_fold_without_both_grades_gives_no_stack() -> None:
    few = Split({place: SPLIT.assignments[place] for place in list(SPLIT.assignments)[:3]})
    ids = set(few.assignments)
    rows = tuple(row for row in score(FINDING).rows if row.patient_id in ids)
    assert stack_images(Scores(rows), COHORT, few, SETTINGS, log_sizes=LOG_SIZES).increments == ()


def test_the_table_comes_back_digit_for_digit(informative: Stacks, tmp_path: Path) -> None:
    write_table(informative.increments, Increment, tmp_path / "increment.csv")
    assert repr(read_table(Increment, tmp_path / "increment.csv")) == repr(informative.increments)


def test_both_stacks_have_the_same_patients_and_differ_by_one_column() -> None:
    log_odds = {"P001": 0.5, "P029": -0.25}
    without, with_image = (
        stacked_predictors(
            COHORT, ["age_years", "sex"], log_sizes={"P001": (1.5,)}, image_log_odds=log_odds, with_image=image
        ).values
        for image in (False, True)
    )
    assert {patient: row[:-1] for patient, row in with_image.items()}.keys() == without.keys()
    assert with_image["P001"] == (*without["P001"], 0.5)
    assert math.isnan(float(without["P029"][-1] or 0))


def test_sizes_can_be_left_out_of_the_clinical_columns() -> None:
    asked = ["age_years", "volume_ml", "size_cm", "centre"]
    assert present_columns(asked, ["size_cm", "volume_ml", "age_years"]) == ("age_years", "volume_ml", "size_cm")
    assert present_columns(asked, ["size_cm", "volume_ml", "age_years"], with_size=False) == ("age_years",)


@pytest.mark.parametrize(("n", "terms"), [(12, 2), (40, 4), (90, 6)])
def test_firths_likelihood_is_the_maximum_that_an_optimiser_finds(n: int, terms: int) -> None:
    chance = np.random.default_rng(n)
    columns = np.column_stack([np.ones(n), chance.normal(size=(n, terms - 1))])
    truths = chance.random(n) < 0.4

    def loss(free: np.ndarray) -> float:
        log_odds = columns[:, : free.size] @ free
        shares = 1 / (1 + np.exp(-log_odds))
        information = (columns * (shares * (1 - shares))[:, np.newaxis]).T @ columns
        likelihood = float((truths * log_odds - np.logaddexp(0, log_odds)).sum())
        return -(likelihood + 0.5 * float(np.linalg.slogdet(information)[1]))

    for free in (terms, terms - 1):
        found = minimize(loss, np.zeros(free), method="BFGS", options={"gtol": 1e-8})
        assert firth_likelihood(columns, truths, free=free) == pytest.approx(-found.fun, abs=1e-8)


def test_firths_likelihood_exists_where_a_column_separates_the_grades() -> None:
    columns = np.column_stack([np.ones(10), np.arange(10) - 4.5])
    truths = np.arange(10) >= 5
    statistic = 2 * (firth_likelihood(columns, truths, free=2) - firth_likelihood(columns, truths, free=1))
    assert 5 < statistic < 12
