"""The tables of what is joined: phases together with clinical values, and the stack of all models."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.cohort.case import Case, Cohort
from nephrograde.cohort.split import Assignment, Split, draw_split
from nephrograde.evaluation.baselines.baseline import (
    clinical_predictors,
    fit_baseline,
    penalised,
    radiomics_parts,
    radiomics_predictors,
)
from nephrograde.evaluation.baselines.increment import Stacks, stack_images
from nephrograde.evaluation.baselines.late import fuse_late
from nephrograde.evaluation.baselines.phase_table import Against, Inputs, PhaseRow, compare_phases
from nephrograde.evaluation.baselines.stack import PENALTY, STACK, stack_scores
from nephrograde.evaluation.baselines.stack_table import Kind, StackRow, Together, stack_models
from nephrograde.evaluation.comparison.family import holm
from nephrograde.evaluation.evaluation import evaluate_scores
from nephrograde.evaluation.remarks import Caution, Reason
from nephrograde.evaluation.scores.prevalence import probability
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.evaluation.tables import read_table, write_table
from nephrograde.study import Arm, CohortSettings, EvaluateSettings, SplitSettings, Study
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Callable

    from nephrograde.evaluation.baselines.baseline import Predictors

PHASES = ("cmp", "np", "up")
BOXED = Arm(name="weak-1", supervision=Supervision.BOX, slices=1, phases=PHASES, fusion="late")
JOINT = Arm(
    name="joint", supervision=Supervision.BOX, slices=1, phases=PHASES, fusion="intermediate", clinical=("age_years",)
)
FROZEN = Arm(name="frozen", supervision=Supervision.BOX, slices=1, network="frozen:mine", phases=("cmp",))
EVALUATE = EvaluateSettings(bootstraps=100, clinical=("age_years",))


def study_of(*arms: Arm) -> Study:
    return Study(cohort=CohortSettings(table=Path("cohort.csv"), phases=PHASES), arm=arms, evaluate=EVALUATE)


STUDY = study_of(BOXED, JOINT, FROZEN)
SIGNAL = {"cmp": 1.2, "np": 0.8, "up": 0.3}
WITHOUT_UP = ("P007", "P020", "P100")


def make_cohort(patients: int = 150) -> Cohort:
    chance = np.random.default_rng(5)
    is_high = np.arange(patients) % 2 == 0
    ages = 60 + 10 * (chance.normal(size=patients) + 0.4 * is_high)
    cases = tuple(
        Case(f"P{k:03}", bool(is_high[k]), None, {}, {} if k == 3 else {"age_years": float(ages[k])})
        for k in range(patients)
    )
    return Cohort(cases, PHASES, ("age_years",), None)


COHORT = make_cohort()
SPLIT = draw_split(COHORT, SplitSettings(folds=4))
AGES = clinical_predictors(COHORT, ["age_years"])


def make_networks(split: Split = SPLIT, *, turned: bool = False) -> list[Score]:
    """The scores of all networks; in ``turned`` ones the first phase is the worst on the test patients."""
    chance = np.random.default_rng(7)
    rows = []
    models = [*((f"weak-1-{phase}", phase) for phase in PHASES), ("joint-cmp+np+up", ""), ("frozen-cmp", "cmp")]
    for model, phase in models:
        for case in COHORT.cases:
            place = split.assignments[case.patient_id]
            signal = SIGNAL.get(phase, 1.6)
            if turned and phase == "cmp" and place.fold is None:
                signal = -signal
            p_high = probability(signal * (case.is_high - 0.5) + float(chance.normal()))
            if phase == "up" and case.patient_id in WITHOUT_UP:
                continue
            name = "test" if place.fold is None else "oof"
            rows.append(Score(case.patient_id, model, name, place.fold, case.is_high, p_high))  # type: ignore[arg-type]
    return rows


def all_scores(networks: list[Score], *, study: Study = STUDY) -> Scores:
    late = fuse_late(networks, study, COHORT).scores
    truths = {case.patient_id: case.is_high for case in COHORT.cases}
    return Scores((*networks, *late, *fit_baseline(AGES, truths, SPLIT, model="clinical")))


SCORES = all_scores(make_networks())
FEATURES = {
    case.patient_id: {"morph_volume": float(k % 7), "stat_mean": float(k % 5), "cm_energy": float(k % 3)}
    for k, case in enumerate(COHORT.cases)
}


def phases_of(scores: Scores, study: Study = STUDY) -> tuple[list[PhaseRow], Stacks]:
    stacks = stack_images(scores, COHORT, SPLIT, EVALUATE, log_sizes={})
    evaluation = evaluate_scores(scores, EVALUATE)
    return list(compare_phases(scores, stacks.scores, evaluation.estimates, study)), stacks


@pytest.fixture(scope="module")
def found() -> tuple[list[PhaseRow], Stacks]:
    return phases_of(SCORES)


@pytest.fixture(scope="module")
def phases(found: tuple[list[PhaseRow], Stacks]) -> list[PhaseRow]:
    return found[0]


@pytest.fixture(scope="module")
def together() -> Together:
    radiomics = radiomics_predictors(FEATURES)
    truths = {case.patient_id: case.is_high for case in COHORT.cases}
    scores = Scores((*SCORES.rows, *fit_baseline(radiomics, truths, SPLIT, model="radiomics")))
    baselines = {"clinical": AGES, "radiomics": radiomics}
    return stack_models(scores, STUDY, SPLIT, baselines, features=radiomics_parts(FEATURES))


def test_every_model_of_a_family_is_compared_with_the_best_single_phase_and_with_the_clinical_values(
    phases: list[PhaseRow],
) -> None:
    models = ["weak-1-cmp", "weak-1-np", "weak-1-up", "weak-1-cmp+np+up", "joint-cmp+np+up"]
    keys = [(row.split, row.model, row.inputs, row.against) for row in phases]
    scored = [(models[0], Inputs.CLINICAL), *((m, i) for m in models for i in (Inputs.IMAGES, Inputs.WITH_CLINICAL))]
    assert keys == [(split, *one, against) for split in ("oof", "test") for one in scored for against in Against]
    assert {row.family for row in phases} == {"weak-1"}
    assert {(row.model, row.fusion) for row in phases if row.fusion} == {
        (models[3], "late"),
        (models[4], "intermediate"),
    }
    assert {row.joined for row in phases if row.model == "joint-cmp+np+up"} == {"age_years"}
    references = {(row.inputs, row.against): row.reference for row in phases if row.model == "weak-1-np"}
    assert references[Inputs.IMAGES, Against.PHASE] == "weak-1-cmp"
    assert references[Inputs.WITH_CLINICAL, Against.PHASE] == "weak-1-cmp/with-image"
    assert {name for (_, against), name in references.items() if against is Against.CLINICAL} == {
        "weak-1-np/without-image"
    }


def test_the_differences_are_those_of_the_other_tables(found: tuple[list[PhaseRow], Stacks]) -> None:
    phases, stacks = found
    evaluation = evaluate_scores(SCORES, EVALUATE)
    pair = next(row for row in evaluation.comparisons if {row.model_a, row.model_b} == {"weak-1-cmp", "weak-1-up"})
    row = next(
        row
        for row in phases
        if (row.model, row.split, row.inputs, row.against) == ("weak-1-up", "test", Inputs.IMAGES, Against.PHASE)
    )
    assert (row.difference, row.n_compared) == (-pair.difference, pair.n)
    assert (row.difference_low, row.difference_high) == (-pair.high, -pair.low)
    for model in ("weak-1-cmp", "weak-1-cmp+np+up"):
        added = next(one for one in stacks.increments if (one.model, one.measure) == (model, "auc"))
        row = next(
            row
            for row in phases
            if (row.model, row.split, row.inputs, row.against)
            == (model, "test", Inputs.WITH_CLINICAL, Against.CLINICAL)
        )
        assert (row.difference, row.difference_low, row.difference_high) == (added.difference, added.low, added.high)
        assert (row.auc, row.reference_auc) == pytest.approx((added.with_image, added.without))


def test_p_is_adjusted_among_the_models_that_join_something_and_cautioned_out_of_fold(phases: list[PhaseRow]) -> None:
    for split in ("oof", "test"):
        rows = [row for row in phases if (row.split, row.against) == (split, Against.PHASE)]
        tested = [row for row in rows if not math.isnan(row.p_value)]
        assert {row.model for row in tested} == {"weak-1-cmp+np+up", "joint-cmp+np+up"}
        assert [row.p_adjusted for row in tested] == holm([row.p_value for row in tested])
        assert {row.family_size for row in tested} == {4}
        assert [row.inputs for row in rows if row.is_reference] == [Inputs.IMAGES, Inputs.WITH_CLINICAL]
        assert {row.model for row in rows if row.is_reference} == {"weak-1-cmp"}
        assert all(math.isnan(row.difference) == row.is_reference for row in rows)
    assert {row.caution for row in phases if row.split == "oof" and not row.is_reference} == {Caution.FITTED_FOLDS}


def test_the_best_single_phase_is_chosen_without_the_test_patients() -> None:
    found, _ = phases_of(all_scores(make_networks(turned=True)))
    aucs = {row.model: row.auc for row in found if row.split == "test" and row.inputs is Inputs.IMAGES}
    assert aucs["weak-1-cmp"] < aucs["weak-1-np"]
    references = {row.reference for row in found if (row.against, row.inputs) == (Against.PHASE, Inputs.IMAGES)}
    assert references == {"weak-1-cmp"}


def test_arms_with_different_heads_are_not_one_family() -> None:
    ordinal = JOINT.model_copy(update={"head": "ordinal"})
    families = [
        {row.arm for row in phases_of(SCORES, study_of(BOXED, other))[0] if row.family == "weak-1"}
        for other in (JOINT, ordinal)
    ]
    assert families == [{"weak-1", "joint"}, {"weak-1"}]


def test_nothing_is_said_of_families_that_join_nothing_and_of_phases_that_were_not_scored() -> None:
    apart = study_of(Arm(name="weak-1", supervision=Supervision.BOX, slices=1), FROZEN)
    assert compare_phases(SCORES, Scores(()), (), apart) == ()
    joint_only = Scores(tuple(row for row in SCORES.rows if row.model in {"joint-cmp+np+up", "clinical"}))
    assert {row.against for row in phases_of(joint_only)[0]} == {Against.CLINICAL}
    without_test = phases_of(joint_only.out_of_fold())[0]
    assert {row.split for row in without_test} == {"oof"}


def test_the_rows_of_the_stack_are_in_order_on_the_same_patients(together: Together) -> None:
    names = ["clinical", "radiomics", "radiomics/shape", "radiomics/intensity", "frozen-cmp"]
    names += ["weak-1-cmp", "weak-1-np", "weak-1-up", "weak-1-cmp+np+up", "joint-cmp+np+up", STACK]
    for split in ("oof", "test"):
        rows = [row for row in together.rows if row.split == split]
        assert [row.model for row in rows] == names
        assert len({(row.n, row.n_high, row.n_scored) for row in rows}) == 1
        assert {row.reference for row in rows} == {"clinical"}
        assert [row.model for row in rows if math.isnan(row.difference)] == ["clinical"]
        assert [row.p_adjusted for row in rows[1:]] == holm([row.p_value for row in rows[1:]])
    n = {row.split: (row.n, row.n_scored) for row in together.rows}
    assert n["oof"][1] - n["oof"][0] + n["test"][1] - n["test"][0] == len(WITHOUT_UP) + 1  # one without an age
    kinds = {row.model: (row.kind, row.network) for row in together.rows}
    assert kinds["frozen-cmp"] == (Kind.ENCODER, "frozen:mine")
    assert kinds["weak-1-cmp"] == (Kind.NETWORK, "resnet18")
    assert kinds["radiomics/shape"] == (Kind.FEATURES, "")
    assert set(together.scores.models) == {"radiomics/intensity", "radiomics/shape", STACK}


def test_the_stack_is_better_than_its_parts_where_they_know_different_things(together: Together) -> None:
    for split in ("oof", "test"):
        *others, stack = [row.auc for row in together.rows if row.split == split]
        assert stack > max(others)


@pytest.mark.parametrize("folds", [2, 4])
def test_the_outcomes_of_a_fold_and_of_the_test_patients_do_not_enter_its_scores(folds: int) -> None:
    split = draw_split(COHORT, SplitSettings(folds=folds))
    networks = [row for row in make_networks(split) if row.model.startswith("weak-1-")]
    parts = ["clinical", "weak-1-cmp", "weak-1-np", "weak-1-up"]
    turned = {*split.fold_ids(1), *split.test_ids()}

    def scored(is_high: Callable[[str, bool], bool]) -> dict[str, float]:
        truths = {case.patient_id: is_high(case.patient_id, case.is_high) for case in COHORT.cases}
        rows = [Score(r.patient_id, r.model, r.split, r.fold, truths[r.patient_id], r.p_high) for r in networks]
        scores = Scores((*rows, *fit_baseline(AGES, truths, split, model="clinical")))
        return {row.patient_id: row.p_high for row in stack_scores(scores, split, parts, {"clinical": AGES}, seed=1)}

    before = scored(lambda _, truth: truth)
    after = scored(lambda name, truth: truth != (name in turned))
    assert {*before} == {case.patient_id for case in COHORT.cases}
    assert all(before[name] == after[name] for name in split.fold_ids(1))
    assert any(before[name] != after[name] for name in split.fold_ids(0))
    only_test = scored(lambda name, truth: truth != (name in split.test_ids()))
    assert only_test == before


def test_the_regression_is_the_usual_one_where_every_score_is_useful_and_turns_no_score_round() -> None:
    chance = np.random.default_rng(2)
    is_high = np.arange(120) % 3 == 0
    good, bad = chance.normal(size=120) + is_high, chance.normal(size=120) - 0.5 * is_high
    split = Split(
        {f"P{k:03}": Assignment("train" if k < 90 else "test", k // 3 % 3 if k < 90 else None) for k in range(120)}
    )

    def scored(values: dict[str, np.ndarray]) -> np.ndarray:
        rows = [
            Score(name, model, "test" if place.fold is None else "oof", place.fold, bool(high), probability(float(one)))
            for model, column in values.items()
            for (name, place), high, one in zip(split.assignments.items(), is_high, column, strict=True)
        ]
        found = stack_scores(Scores(tuple(rows)), split, list(values), {}, seed=1)
        return np.array([row.p_high for row in found if row.split == "test"])

    learning = good[:90]
    inputs = ((good - learning.mean()) / learning.std())[:, np.newaxis]
    usual = penalised(PENALTY).fit(inputs[:90], is_high[:90]).predict_proba(inputs[90:])[:, 1]
    assert scored({"good": good}) == pytest.approx(usual, abs=1e-7)
    assert scored({"good": good, "bad": bad}) == pytest.approx(usual, abs=1e-7)


def test_a_stack_that_cannot_be_fitted_has_no_row_and_the_others_stay() -> None:
    low = {name for fold in (0, 1) for name in SPLIT.fold_ids(fold)}
    truths = {case.patient_id: case.patient_id not in low for case in COHORT.cases}
    rows = [Score(r.patient_id, r.model, r.split, r.fold, truths[r.patient_id], r.p_high) for r in SCORES.rows]
    found = stack_models(Scores(tuple(rows)), STUDY, SPLIT, {"clinical": AGES})
    assert STACK not in {row.model for row in found.rows}
    assert {row.reason for row in found.rows if row.split == "test"} == {Reason.ONE_GRADE}


def test_models_without_common_patients_have_a_reason() -> None:
    half = Scores(tuple(r for r in SCORES.rows if (r.model != "weak-1-cmp") == (int(r.patient_id[1:]) % 4 > 1)))
    found = stack_models(half, study_of(BOXED), SPLIT, {"clinical": AGES})
    assert {row.reason for row in found.rows} == {Reason.NO_COMMON_PATIENTS}
    assert all(math.isnan(row.auc) for row in found.rows)


def test_one_model_is_not_stacked() -> None:
    alone = Scores(tuple(row for row in SCORES.rows if row.model == "frozen-cmp"))
    assert stack_models(alone, STUDY, SPLIT, {}) == Together()


def test_the_tables_are_read_as_they_were_written(together: Together, phases: list[PhaseRow], tmp_path: Path) -> None:
    write_table(together.rows, StackRow, tmp_path / "stack.csv")
    assert repr(read_table(StackRow, tmp_path / "stack.csv")) == repr(together.rows)
    write_table(phases, PhaseRow, tmp_path / "phases.csv")
    assert repr(list(read_table(PhaseRow, tmp_path / "phases.csv"))) == repr(phases)


def test_a_part_of_the_features_that_cannot_be_fitted_is_left_out() -> None:
    few: dict[str, Predictors] = {"radiomics/shape": radiomics_predictors({"P000": {"morph_volume": 1.0}})}
    found = stack_models(SCORES, STUDY, SPLIT, {"clinical": AGES}, features=few)
    assert "radiomics/shape" not in {row.model for row in found.rows}
