"""The split: disjoint, complete, balanced, independent of the row order, and refused when it is impossible."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nephrograde.cohort.case import Case, Cohort, Scan
from nephrograde.cohort.split import (
    Assignment,
    Split,
    check_disjoint,
    draw_split,
    inner_split,
    read_split,
    split_problems,
    write_split,
)
from nephrograde.errors import RunError
from nephrograde.study import SplitSettings


def cohort_of(n_low: int, n_high: int, centres: int = 1) -> Cohort:
    cases = tuple(
        Case(f"P{i:04}", i >= n_low, None, {}, {"centre": f"C{i % centres}"} if i % 7 else {})
        for i in range(n_low + n_high)
    )
    return Cohort(cases, ("cmp",), ("centre",), None)


def counts_of(cohort: Cohort, split: Split) -> Counter[tuple[int | None, bool]]:
    return Counter((split.assignments[case.patient_id].fold, case.is_high) for case in cohort.cases)


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Cohort, SplitSettings]:
    split = SplitSettings(
        folds=draw(st.integers(2, 6)),
        test_fraction=draw(st.sampled_from([0.1, 0.2, 0.3, 0.45])),
        seed=draw(st.integers(0, 2**40)),
        stratify=draw(st.sampled_from([(), ("centre",)])),
    )
    # Enough that at least one is a test patient and one is left for every fold.
    least = 20 + 2 * split.folds
    return cohort_of(draw(st.integers(least, 70)), draw(st.integers(least, 70)), draw(st.integers(1, 4))), split


@settings(max_examples=60, deadline=None)
@given(drawn())
def test_split_is_disjoint_complete_and_balanced(given_: tuple[Cohort, SplitSettings]) -> None:
    cohort, split_settings = given_
    split = draw_split(cohort, split_settings)
    folds = [split.fold_ids(fold) for fold in range(split_settings.folds)]
    groups = {"test": split.test_ids(), **{str(fold): ids for fold, ids in enumerate(folds)}}
    check_disjoint(groups)
    assert sorted(patient for ids in groups.values() for patient in ids) == [case.patient_id for case in cohort.cases]
    assert sorted(split.train_ids()) == sorted(patient for ids in folds for patient in ids)
    assert split.folds == split_settings.folds
    assert len(split.test_ids()) == round(split_settings.test_fraction * len(cohort.cases))
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    counts = counts_of(cohort, split)
    for high in (False, True):
        per_fold = [counts[fold, high] for fold in range(split_settings.folds)]
        assert min(per_fold) >= 1
        assert max(per_fold) - min(per_fold) <= 1
        share = sum(case.is_high == high for case in cohort.cases) / len(cohort.cases)
        assert abs(counts[None, high] - share * len(split.test_ids())) <= 1


@settings(max_examples=30, deadline=None)
@given(drawn(), st.randoms(use_true_random=False))
def test_order_of_the_rows_does_not_matter(given_: tuple[Cohort, SplitSettings], random: object) -> None:
    cohort, split_settings = given_
    cases = list(cohort.cases)
    random.shuffle(cases)  # type: ignore[attr-defined]
    shuffled = dataclasses.replace(cohort, cases=tuple(cases))
    assert draw_split(shuffled, split_settings) == draw_split(cohort, split_settings)


@settings(max_examples=40, deadline=None)
@given(drawn())
def test_strata_are_spread_within_one(given_: tuple[Cohort, SplitSettings]) -> None:
    cohort, split_settings = given_
    split_settings = split_settings.model_copy(update={"stratify": ("centre",)})
    split = draw_split(cohort, split_settings)
    tests_of_class = Counter(case.is_high for case in cohort.cases if case.patient_id in split.test_ids())
    size_of_class = Counter(case.is_high for case in cohort.cases)
    strata = {(case.is_high, case.clinical.get("centre", "")) for case in cohort.cases}
    for high, centre in strata:
        members = [c for c in cohort.cases if (c.is_high, c.clinical.get("centre", "")) == (high, centre)]
        folds = Counter(split.assignments[case.patient_id].fold for case in members)
        per_fold = [folds[fold] for fold in range(split_settings.folds)]
        assert max(per_fold) - min(per_fold) <= 1
        assert abs(folds[None] - len(members) * tests_of_class[high] / size_of_class[high]) < 1


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.sampled_from([0.05, 0.2, 0.5]), st.integers(0, 99))
def test_inner_split_holds_both_classes(n_low: int, n_high: int, fraction: float, seed: int) -> None:
    is_high = {f"P{i}": i < n_high for i in range(n_low + n_high)}
    learn, stop = inner_split(reversed(list(is_high)), is_high, fraction=fraction, seed=seed)
    check_disjoint({"learn": learn, "stop": stop})
    assert sorted((*learn, *stop)) == sorted(is_high)
    assert {is_high[patient] for patient in learn} == {is_high[patient] for patient in stop} == {False, True}
    assert abs(len(stop) - fraction * len(is_high)) <= 2
    assert (learn, stop) == inner_split(is_high, is_high, fraction=fraction, seed=seed)


def test_seed_decides() -> None:
    cohort = cohort_of(30, 30)
    first, second = (draw_split(cohort, SplitSettings(seed=seed)) for seed in (1, 2))
    assert first != second
    assert first == draw_split(cohort, SplitSettings(seed=1))


def test_every_patient_is_drawn_about_as_often() -> None:
    cohort = cohort_of(20, 20)
    drawn_ids = Counter(
        patient for seed in range(300) for patient in draw_split(cohort, SplitSettings(seed=seed)).test_ids()
    )
    assert len(drawn_ids) == 40
    assert min(drawn_ids.values()) > 60  # 90 expected, standard deviation 8
    assert max(drawn_ids.values()) < 120


def test_tiny_cohort_rounds_so_that_both_classes_are_everywhere() -> None:
    cohort = cohort_of(10, 3)
    split = draw_split(cohort, SplitSettings(folds=2))
    counts = counts_of(cohort, split)
    assert [counts[place, True] for place in (0, 1, None)] == [1, 1, 1]


def test_phases_are_spread_over_the_folds() -> None:
    cohort, scan = cohort_of(50, 50), Scan("cmp", Path("a.nii.gz"), None, None, None, None)
    cases = tuple(
        dataclasses.replace(case, scans={"cmp": scan} if i % 10 == 0 else {}) for i, case in enumerate(cohort.cases)
    )
    split = draw_split(dataclasses.replace(cohort, cases=cases), SplitSettings(test_fraction=0.2, folds=4))
    with_phase = Counter((split.assignments[case.patient_id].fold, case.is_high) for case in cases if case.scans)
    assert set(with_phase.values()) == {1}
    assert len(with_phase) == 10


def test_column_of_the_table_names_the_test_patients() -> None:
    cohort = cohort_of(12, 12)
    names = {case.patient_id: "test" if i % 3 == 0 else "train" for i, case in enumerate(cohort.cases)}
    cohort = dataclasses.replace(cohort, split_column=names)
    split = draw_split(cohort, SplitSettings(column="split", folds=4))
    assert split.test_ids() == tuple(patient for patient, name in names.items() if name == "test")
    assert set(counts_of(cohort, split).values()) == {2, 4}


@pytest.mark.parametrize(
    ("n_low", "n_high", "fraction", "place", "what"),
    [
        (20, 0, 0.3, "cohort.outcome", "of 20 patients none is high"),
        (0, 5, 0.3, "cohort.outcome", "of 5 patients none is low"),
        (
            20,
            4,
            0.3,
            "split.folds",
            "only 3 patients left for training are high (grade 3–4, or outcome 1), but 5 folds",
        ),
        (8, 7, 0.07, "split.test_fraction", "0.07 of 15 patients is 1 test patient, so one class is missing"),
        (8, 7, 0.01, "split.test_fraction", "0.01 of 15 patients is 0 test patients, so one class is missing"),
    ],
)
def test_too_few_patients_are_counted(n_low: int, n_high: int, fraction: float, place: str, what: str) -> None:
    is_high = {f"P{i}": i >= n_low for i in range(n_low + n_high)}
    (problem,) = split_problems(is_high, SplitSettings(test_fraction=fraction))
    assert problem.place == place
    assert what in problem.what


def test_too_few_patients_of_a_given_split() -> None:
    is_high = {f"P{i}": i % 2 == 0 for i in range(8)}
    names = {patient: "test" if is_high[patient] and patient != "P0" else "train" for patient in is_high}
    test, folds = split_problems(is_high, SplitSettings(column="split", folds=2), names)
    assert (test.place, test.what) == (
        "split.column",
        "of 3 test patients none is low (grade 1–2, or outcome 0)",
    )
    assert folds.what == "only 1 patient left for training is high (grade 3–4, or outcome 1), but 2 folds are requested"
    assert folds.remedy == "Add patients of that class."


def test_split_that_cannot_be_drawn_raises() -> None:
    with pytest.raises(RunError, match="only 3 patients left for training are high") as caught:
        draw_split(cohort_of(20, 4), SplitSettings(stratify=("hospital",)))
    assert "split.stratify: the cohort has no column 'hospital'" in str(caught.value)


def test_inner_split_keeps_the_only_patient_of_a_class() -> None:
    is_high = {"A": True, "B": False, "C": False, "D": False}
    learn, stop = inner_split(is_high, is_high, fraction=0.9, seed=0)
    assert "A" in learn
    assert len(stop) == 2


@pytest.mark.parametrize("ids", [[], ["A"], ["A", "B"]])
def test_inner_split_of_too_few_raises(ids: list[str]) -> None:
    with pytest.raises(RunError, match=f"{len(ids)} training patients are too few"):
        inner_split(ids, {"A": True, "B": False}, fraction=0.2, seed=0)


def test_planted_leak_is_named() -> None:
    with pytest.raises(RunError, match=r"Patients P00, P01.* and 2 more are in learn or stop and in test"):
        check_disjoint(
            {
                "learn": [f"P{i:02}" for i in range(6)],
                "stop": [f"P{i:02}" for i in range(6, 12)],
                "test": [f"P{i:02}" for i in range(20)] * 2,
            }
        )


def test_split_is_read_back_as_written(tmp_path: Path) -> None:
    split = draw_split(cohort_of(20, 20), SplitSettings())
    write_split(split, tmp_path / "cohort" / "split.csv")
    assert read_split(tmp_path / "cohort" / "split.csv") == split


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient_id,split\nP1,train\n", "no column fold"),
        ("patient_id,split,fold\nP1,tset,\n", "row 2: split 'tset' with fold '' is neither test nor train with a fold"),
        ("patient_id,split,fold\nP1,test,0\n", "split 'test' with fold '0'"),
        ("patient_id,split,fold\nP1,train,\n", "split 'train' with fold ''"),
        ("patient_id,split,fold\nP1,train,-1\n", "fold '-1'"),
        ("patient_id,split,fold\n,train,1\n", "has no patient_id"),
        ("patient_id,split,fold\nP1,train,0\nP1,train,1\n", "row 3: patient P1 is listed twice"),
        ("patient_id,split,fold\nP1,train,0\nP2,train,2\n", "fold 1 is empty"),
        ("patient_id,split,fold\nP1,train,0\n", "fewer than two folds"),
        ("patient_id,split,fold\nP1,test,\n", "fewer than two folds"),
        ("", "the table is empty"),
    ],
)
def test_damaged_split_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "split.csv").write_text(text, encoding="utf-8")
    with pytest.raises(RunError) as caught:
        read_split(tmp_path / "split.csv")
    assert message in str(caught.value)
    assert "split.csv" in str(caught.value)


def test_missing_split_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="drawn by `nephrograde prepare`"):
        read_split(tmp_path / "split.csv")


def test_empty_split_has_no_folds() -> None:
    assert Split({}).folds == 0
    assert Split({"P1": Assignment("test", None)}).folds == 0
