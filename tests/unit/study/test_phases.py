"""Arms that name their phases: their models, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from nephrograde.errors import InputError
from nephrograde.study import Study


def study_of(*arms: dict[str, Any], **tables: Any) -> Study:
    named = [{"name": f"arm-{k}", "supervision": "box", "slices": 1, **arm} for k, arm in enumerate(arms)]
    given: dict[str, Any] = {"cohort": {"table": "cohort.csv", "phases": ["cmp", "np", "up"]}, "arm": named}
    return Study(**given, **tables)


def test_an_arm_has_a_model_for_each_phase_or_one_for_all() -> None:
    models = study_of({}, {"phases": ["up"]}, {"phases": ["cmp", "up"], "fusion": "intermediate"}).models()
    assert [model.id for model in models] == ["arm-0-cmp", "arm-0-np", "arm-0-up", "arm-1-up", "arm-2-cmp+up"]
    assert (models[-1].phase, models[-1].phases, models[-1].fusion) == ("cmp+up", ("cmp", "up"), "intermediate")
    assert {model.fusion for model in models[:-1]} == {None}


def test_clinical_values_may_be_joined_with_one_phase() -> None:
    (model,) = study_of({"phases": ["cmp"], "fusion": "intermediate", "clinical": ["age_years"]}).models()
    assert (model.id, model.phases, model.fusion) == ("arm-0-cmp", ("cmp",), "intermediate")


def test_late_fusion_has_the_models_of_its_phases_as_well() -> None:
    models = study_of({"phases": ["cmp", "up"], "fusion": "late"}, fit={"pooling": "max"}).models()
    assert [(model.id, model.fusion, model.has_networks) for model in models] == [
        ("arm-0-cmp", None, True),
        ("arm-0-up", None, True),
        ("arm-0-cmp+up", "late", False),
    ]
    assert models[-1].parts == {"cmp": "arm-0-cmp", "up": "arm-0-up"}


def test_early_fusion_has_one_model_with_one_region_of_all_phases() -> None:
    fused = {"phases": ["cmp", "up"], "fusion": "early", "registration": "rigid", "differences": ["cmp-up"]}
    (model,) = study_of(fused, fit={"pooling": "max"}).models()
    assert (model.id, model.fusion, model.has_networks) == ("arm-0-cmp+up", "early", True)
    assert (model.phases, model.region_phases) == (("cmp", "up"), ("cmp+up",))
    (other,) = study_of({"phases": ["cmp", "up"], "fusion": "intermediate"}).models()
    assert other.region_phases == ("cmp", "up")


def test_differences_in_hu_need_windows_in_hu() -> None:
    fused = {"phases": ["cmp", "up"], "fusion": "early", "differences": ["cmp-up"]}
    relative = {"low": 1.0, "high": 99.0, "percentiles": True}
    for window in ({"default": relative}, {"up": relative}):
        with pytest.raises(InputError) as caught:
            study_of(fused, window=window)
        assert [problem.place for problem in caught.value.problems] == ["arm.arm-0.differences item 1"]
    study_of(fused, window={"np": relative})
    study_of({**fused, "differences": []}, window={"default": relative})


def test_an_arm_is_shown_its_own_phases() -> None:
    study = study_of({}, {"phases": ["cmp", "up"], "fusion": "intermediate"})
    assert [[arm.name for arm in study.arms_on(phase)] for phase in ("cmp", "np")] == [["arm-0", "arm-1"], ["arm-0"]]


def test_an_arm_without_phases_is_sealed_as_before() -> None:
    assert study_of({}).sealed()["arm"] == [{"name": "arm-0", "supervision": "box", "slices": 1, "fit": {}}]


def test_a_binary_head_is_sealed_as_before_and_an_ordinal_one_is_not() -> None:
    assert study_of({"head": "binary"}).sealed() == study_of({}).sealed()
    assert study_of({"head": "ordinal"}).sealed() != study_of({}).sealed()


@pytest.mark.parametrize(
    ("arm", "place"),
    [
        ({"phases": ["cmp", "np"]}, "arm.arm-0"),
        ({"fusion": "intermediate"}, "arm.arm-0"),
        ({"phases": ["cmp"], "fusion": "intermediate"}, "arm.arm-0"),
        ({"phases": ["cmp", "cmp"], "fusion": "intermediate"}, "arm.arm-0.phases"),
        ({"phases": ["cmp", "ep"], "fusion": "intermediate"}, "arm.arm-0.phases item 2"),
        ({"phases": ["cmp", "np"], "clinical": ["age_years"]}, "arm.arm-0"),
        ({"clinical": ["age_years"]}, "arm.arm-0"),
        ({"phases": ["cmp"], "fusion": "late", "clinical": ["age_years"]}, "arm.arm-0"),
        ({"phases": ["cmp", "np"], "fusion": "late", "differences": ["cmp-np"]}, "arm.arm-0"),
        ({"phases": ["cmp", "np"], "fusion": "intermediate", "differences": ["cmp-up"]}, "arm.arm-0"),
        ({"phases": ["cmp", "np"], "fusion": "intermediate", "differences": ["cmp-cmp"]}, "arm.arm-0"),
        ({"phases": ["cmp", "np"], "fusion": "intermediate", "differences": ["cmp-np", "cmp-np", "x-y"]}, "arm.arm-0"),
        ({"phases": ["cmp", "np"], "fusion": "sideways"}, "arm.arm-0.fusion"),
        ({"phases": ["cmp"], "fusion": "early", "clinical": ["age_years"]}, "arm.arm-0"),
        ({"phases": ["cmp", "np"], "fusion": "early", "differences": ["cmp-up"]}, "arm.arm-0"),
        ({"phases": ["cmp", "np"], "fusion": "early", "differences": ["cmp-np", "np-cmp"]}, "arm.arm-0"),
        ({"phases": ["cmp", "np"], "fusion": "early", "network": "frozen:efficientnet-lite0"}, "arm.arm-0"),
        ({"phases": ["cmp", "np"], "fusion": "intermediate", "registration": "rigid"}, "arm.arm-0"),
        ({"registration": "rigid"}, "arm.arm-0"),
        ({"phases": ["cmp", "np"], "fusion": "early", "registration": "elastic"}, "arm.arm-0.registration"),
        (
            {"phases": ["cmp", "np"], "fusion": "early", "registration": "rigid", "supervision": "slice"},
            "arm.arm-0",
        ),
        ({"phases": ["cmp", "np"], "fusion": "intermediate", "phase_dropout": 1.0}, "arm.arm-0.phase_dropout"),
        ({"phases": ["cmp", "np"], "fusion": "intermediate", "fit": {"pooling": "max"}}, "arm.arm-0.fusion"),
        ({"head": "nominal"}, "arm.arm-0.head"),
        ({"head": "ordinal", "network": "frozen:efficientnet-lite0"}, "arm.arm-0"),
    ],
)
def test_what_does_not_go_together_is_refused(arm: dict[str, Any], place: str) -> None:
    with pytest.raises(InputError) as caught:
        study_of(arm)
    assert [problem.place for problem in caught.value.problems] == [place]


def test_a_rule_of_pooling_that_has_no_meaning_for_features_is_refused() -> None:
    fused = {"phases": ["cmp", "np"], "fusion": "intermediate"}
    with pytest.raises(InputError):
        study_of(fused, fit={"pooling": "noisy-or"})
    study_of({**fused, "fit": {"pooling": "attention"}}, fit={"pooling": "noisy-or"})


def test_the_primary_comparison_may_name_phases_together() -> None:
    fused = {"phases": ["cmp", "np"], "fusion": "intermediate"}
    assert study_of(fused, evaluate={"primary": ["arm-0-cmp+np", "size"]}).evaluate.primary is not None
    with pytest.raises(InputError) as caught:
        study_of(fused, evaluate={"primary": ["arm-0-cmp", "size"]})
    assert [problem.place for problem in caught.value.problems] == ["evaluate.primary item 1"]
