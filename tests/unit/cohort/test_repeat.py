"""Repeats of a split: other folds of the same training patients, or fewer patients to learn from."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nephrograde.cohort.case import Case, Cohort
from nephrograde.cohort.repeat import Repeat, repeats_of_arm, repeats_of_split, split_of
from nephrograde.cohort.split import draw_split
from nephrograde.errors import InputError, RunError
from nephrograde.study import Arm, CohortSettings, FitSettings, SplitSettings, Study
from nephrograde.vocabulary import Supervision


def cohort_of(n_low, n_high):
    cases = (Case(f"P{k:03}", k >= n_low, None, {}, {}) for k in range(n_low + n_high))
    return Cohort(tuple(cases), (), (), None)


def drawn(n_low=40, n_high=24, **settings):
    cohort, chosen = cohort_of(n_low, n_high), SplitSettings(folds=4, **settings)
    return cohort, chosen, draw_split(cohort, chosen)


def test_the_first_repeat_is_the_split_itself():
    cohort, settings, split = drawn()
    assert split_of(Repeat(), split, cohort, settings) == split


@given(n_low=st.integers(20, 60), n_high=st.integers(20, 40), drawing=st.integers(1, 9))
def test_another_drawing_deals_the_same_training_patients_to_other_folds(n_low, n_high, drawing):
    cohort, settings, split = drawn(n_low, n_high)
    again = split_of(Repeat(drawing=drawing), split, cohort, settings)
    assert again.test_ids() == split.test_ids()
    assert again.train_ids() == split.train_ids()
    assert again.assignments != split.assignments
    for high in (False, True):
        counts = [sum((int(p[1:]) >= n_low) == high for p in again.fold_ids(fold)) for fold in range(4)]
        assert max(counts) - min(counts) <= 1


def test_drawings_differ_from_each_other():
    cohort, settings, split = drawn()
    folds = {split_of(Repeat(drawing=k), split, cohort, settings).fold_ids(0) for k in range(10)}
    assert len(folds) == 10


@given(shares=st.lists(st.floats(0.2, 0.95), min_size=2, max_size=2, unique=True).map(sorted))
def test_a_larger_share_includes_the_patients_of_a_smaller(shares):
    cohort, settings, split = drawn()
    few, many = (split_of(Repeat(share=share), split, cohort, settings) for share in shares)
    for fold in range(4):
        assert set(few.learning_ids(fold)) <= set(many.learning_ids(fold)) <= set(split.learning_ids(fold))
        assert few.fold_ids(fold) == split.fold_ids(fold)  # all are scored
        expected = shares[0] * len(split.learning_ids(fold))
        assert len(few.learning_ids(fold)) == pytest.approx(
            expected, abs=3 * 2 * 0.5
        )  # half a patient a fold and grade


def test_a_share_without_both_grades_is_refused_before_anything_is_fitted():
    cohort, settings, split = drawn(40, 8)
    with pytest.raises(RunError, match=r"learning_curve: a share of 0\.1 .* both classes"):
        split_of(Repeat(share=0.1), split, cohort, settings)


def test_repeats_that_are_asked_for():
    assert repeats_of_split(SplitSettings()) == [Repeat()]
    arm = Arm(name="weak", supervision=Supervision.BOX, slices=1)
    many = Arm(name="strong", supervision=Supervision.MASK, fit={"repeats": 3})
    study = Study(cohort=CohortSettings(table=Path("c.csv")), arm=(arm, many), split=SplitSettings(repeats=2))
    assert repeats_of_arm(study, arm) == [Repeat(), Repeat(drawing=1)]
    assert repeats_of_arm(study, many) == [Repeat(), Repeat(drawing=1), Repeat(seed=1), Repeat(seed=2)]


def test_seeds_of_repeats_never_meet_those_of_folds():
    seeds = {Repeat(seed=number).fit_seed(FitSettings().seed) + fold for number in range(5) for fold in range(100)}
    assert len(seeds) == 500


@pytest.mark.parametrize("shares", [(0.5, 0.25), (0.5, 0.5), (0.0,), (1.0,)])
def test_shares_that_make_no_curve(shares):
    with pytest.raises(InputError, match="learning_curve"):
        SplitSettings(learning_curve=shares)
