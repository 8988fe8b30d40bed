"""Whether every model of a study can be fitted, by the prepared regions and the split."""

from pathlib import Path

import pytest

from nephrograde.cohort.case import Case, Cohort
from nephrograde.cohort.split import Assignment, Split
from nephrograde.quality.readiness import find_obstacles
from nephrograde.sample.prepare import Prepared
from nephrograde.sample.prepared_scan import Region
from nephrograde.study import Arm, CohortSettings, SplitSettings, Study
from nephrograde.vocabulary import Supervision

STUDY = Study(
    cohort=CohortSettings(table=Path("cohort.csv"), phases=("cmp", "np")),
    split=SplitSettings(folds=2),
    arm=(Arm(name="weak", supervision=Supervision.BOX, slices=1),),
)
# P0 to P7 are low and high in turn; P6 and P7 are tested, the others are in fold 0 or 1.
COHORT = Cohort(tuple(Case(f"P{i}", i % 2 == 1, None, {}, {}) for i in range(8)), ("cmp", "np"), (), None)
SPLIT = Split({f"P{i}": Assignment("test", None) if i > 5 else Assignment("train", i // 2 % 2) for i in range(8)})


def prepared(**patients):
    regions = tuple(
        Region(f"P{i}", phase, "weak", "f.npy", "", "", None, None)
        for phase, numbers in patients.items()
        for i in numbers
    )
    return Prepared(regions, (), {})


@pytest.mark.parametrize(
    ("np_patients", "reason"),
    [
        (range(8), None),
        ((), "no patient can be used by weak-np"),
        ((6, 7), "only 0 of high and 0 of low grade are left to learn from by weak-np"),
        ((0, 2, 4, 6), "only 0 of high and 1 of low grade are left to learn from by weak-np"),
        ((0, 1, 3, 6), "only 1 of high and 0 of low grade are left to learn from by weak-np"),
    ],
)
def test_a_model_needs_both_grades_outside_every_fold(np_patients, reason):
    found = find_obstacles(STUDY, COHORT, SPLIT, prepared(cmp=range(8), np=np_patients))
    assert found == (() if reason is None else (reason,))


def test_a_frozen_encoder_needs_four_patients_of_each_grade():
    arm = Arm(name="weak", supervision=Supervision.BOX, slices=1, network="frozen:efficientnet-lite0")
    study = STUDY.model_copy(update={"arm": (arm,)})
    reason = "only 1 of high and 1 of low grade are left to learn from by weak-cmp and weak-np"
    assert find_obstacles(study, COHORT, SPLIT, prepared(cmp=range(8), np=range(8))) == (reason,)


def test_models_with_the_same_reason_are_named_together():
    assert find_obstacles(STUDY, COHORT, SPLIT, prepared()) == ("no patient can be used by weak-cmp and weak-np",)
