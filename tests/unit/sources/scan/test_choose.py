"""Which series is chosen for each phase, and the reason given for each of the others."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nephrograde.sources.scan.choose import choose_series, kidney_share
from nephrograde.sources.scan.kinds import kernel_of, set_aside, step_of
from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.dicom.moment import read_day
from nephrograde.volume.phase.evidence import PHASES, PhaseAnswer
from nephrograde.volume.statement import REASONS, Statement

if TYPE_CHECKING:
    from nephrograde.sources.scan.choose import Choice


def series(uid: str, **known: Any) -> SeriesHeader:
    plain = {"modality": "CT", "n_images": 60, "patient_id": "A", "study_uid": "s1"}
    return SeriesHeader(series_uid=uid, **{**plain, **known})


def sure(phase: str, probability: float = 0.95) -> PhaseAnswer:
    return PhaseAnswer(phase, probability, ())


def reasons(choices: list[Choice]) -> dict[str, str]:
    return {choice.header.key: choice.text for choice in choices}


def taken(choices: list[Choice]) -> set[str]:
    return {choice.header.key for choice in choices if choice.chosen}


def best_of(better: SeriesHeader, worse: SeriesHeader, **places: Any) -> str:
    """The reason why the first one wins, in either order."""
    found = set()
    for pair in ([better, worse], [worse, better]):
        choices = choose_series([(one, sure("np")) for one in pair], **places)
        assert taken(choices) == {better.key}
        found.add(reasons(choices)[worse.key])
    (reason,) = found
    return reason


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"modality": "MR"}, "not-ct:modality=MR"),
        ({"modality": "SEG", "rows": 0}, "not-ct:modality=SEG"),
        ({"modality": "SR", "description": "Dose Report"}, "dose-sheet"),
        ({"description": "Patient Protocol"}, "dose-sheet"),
        ({"description": "剂量报告"}, "dose-sheet"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.7"}, "secondary-capture"),
        ({"samples": 3}, "secondary-capture"),
        ({"image_type": "ORIGINAL\\PRIMARY\\LOCALIZER"}, "localiser"),
        ({"description": "定位像"}, "localiser"),
        ({"description": "AP/LAT"}, "localiser"),
        ({"description": "PreMonitoring  9.6  B30s"}, "bolus-tracking"),
        ({"description": "SmartPrep Series"}, "bolus-tracking"),
        ({"image_type": "DERIVED\\SECONDARY\\AXIAL\\CT_SOM5 MIP"}, "projection"),
        ({"description": "15X2 COR MIPS"}, "projection"),
        ({"image_type": "DERIVED\\SECONDARY\\REFORMATTED\\AVERAGE"}, "reformat"),
        ({"description": "<MPR Thick Range[1]>"}, "reformat"),
        ({"image_type": "DERIVED\\SECONDARY\\AXIAL"}, "derived-image"),
        ({"description": "动脉期减影"}, "derived-image"),
        ({"description": "Biopsy Abd  2.4  B30s"}, "intervention"),
        ({"orientation": "coronal"}, "not-axial:plane=coronal"),
        ({"description": "腹部冠状位"}, "not-axial:plane=coronal"),
        ({"description": "Arterial_Phase  5.0  B20f  cor"}, "not-axial:plane=coronal"),
        ({"description": "SAG 3MM"}, "not-axial:plane=sagittal"),
        ({"description": "斜位"}, "not-axial:plane=oblique"),
        ({"n_images": 9}, "too-few-slices:n=9"),
        ({"step_mm": 10.0}, "slices-too-thick:step_mm=10"),
        ({"extent_mm": (0.0, 40.0)}, "too-short:length_mm=40"),
        ({"burnt_in": True}, "burnt-in-text"),
        ({"kernel": "B70f"}, "sharp-kernel"),
        ({"kernel": "LUNG"}, "sharp-kernel"),
        ({"description": "腹部 骨窗"}, "sharp-kernel"),
        ({"description": "CHEST & DELAY BLADDER"}, "other-body-part"),
        ({"description": "5.0 mm", "study_description": "胸部平扫"}, "other-body-part"),
    ],
)
def test_set_aside_with_the_reason(known: dict[str, Any], reason: str) -> None:
    found = set_aside(series("1", **known))
    assert found is not None
    assert found.text == reason
    assert found.code in REASONS


@pytest.mark.parametrize(
    "known",
    [
        {"description": "Faza tetnicza  1.5  3D"},
        {"description": "CORTICOMEDULLARY"},
        {"description": "C/A/P (RENAL)"},
        {"description": "ChestAbdPel  5.0  B31f"},
        {"description": "低剂量平扫"},
        {"description": "CT ABD KIDNEY PROTOCOL"},
        {"image_type": "ORIGINAL\\PRIMARY\\VOLUME\\NONE"},
        {"image_type": "DERIVED\\PRIMARY\\AXIAL"},
        {"description": "coronal", "orientation": "axial"},
        {"description": "5.0 mm", "body_part": "CHEST", "study_description": "chest abdomen pelvis"},
        {"step_mm": 7.5, "extent_mm": (0.0, 200.0)},
        {"modality": ""},
    ],
)
def test_scans_of_the_abdomen_stay(known: dict[str, Any]) -> None:
    assert set_aside(series("1", **known)) is None


def test_kidneys_in_view_outweigh_the_words() -> None:
    chest = series("1", description="CHEST", extent_mm=(0.0, 400.0))
    assert set_aside(chest) == Statement.of("other-body-part")
    assert set_aside(chest, has_kidneys=True) is None


@pytest.mark.parametrize(
    ("known", "kernel"),
    [
        ({"kernel": "I30f\\3"}, "soft"),
        ({"kernel": "STANDARD"}, "soft"),
        ({"kernel": "FC08"}, "soft"),
        ({"kernel": "FC52"}, "sharp"),
        ({"kernel": "B"}, "soft"),
        ({"kernel": "DETAIL"}, "medium"),
        ({"kernel": "Br49"}, "medium"),
        ({"kernel": "YC"}, "medium"),
        ({"kernel": "BONEPLUS"}, "sharp"),
        ({"description": "Faza zylna  5.0  miekkie"}, "soft"),
        ({"description": "ABD/PELVIS LUNG"}, "medium"),
        ({"description": "LUNG"}, "sharp"),
        ({"kernel": "B31f", "description": "LUNG"}, "soft"),
        ({}, "unknown"),
    ],
)
def test_kernels_of_the_makers(known: dict[str, Any], kernel: str) -> None:
    assert kernel_of(series("1", **known)) == kernel


def test_step_is_that_of_the_positions_before_the_thickness() -> None:
    assert step_of(series("1", step_mm=2.5, thickness_mm=5.0, description="1.0 mm")) == 2.5
    assert step_of(series("1", thickness_mm=5.0)) == 5.0
    assert step_of(series("1", step_mm=0.0, description="1,5 mm")) == 1.5


def test_soft_kernel_wins() -> None:
    soft = series("2", kernel="B30f", step_mm=5.0)
    assert best_of(soft, series("1", kernel="B50f", step_mm=1.5)) == "better-series | by.kernel:kernel=soft"


@pytest.mark.parametrize(("better", "worse"), [(1.5, 5.0), (3.0, 5.0), (2.0, 0.5), (1.0, 0.625), (0.625, 7.0)])
def test_slices_nearest_to_1_to_3_mm_win(better: float, worse: float) -> None:
    low, high = (series(str(step), step_mm=step, extent_mm=(0.0, 300.0)) for step in (better, worse))
    assert best_of(low, high) == f"better-series | by.step:step_mm={better:g}"


def test_longest_wins_up_to_the_length_that_is_enough() -> None:
    whole, part = series("2", extent_mm=(0.0, 220.0), step_mm=5.0), series("1", extent_mm=(0.0, 120.0), step_mm=2.0)
    assert best_of(whole, part) == "better-series | by.length:length_mm=220"
    trunk = series("3", extent_mm=(0.0, 700.0), step_mm=5.0)
    abdomen = series("4", extent_mm=(0.0, 260.0), step_mm=2.0)
    assert best_of(abdomen, trunk).startswith("better-series | by.step:")


def test_original_then_most_images_then_lowest_number() -> None:
    original = series("2", image_type="ORIGINAL\\PRIMARY\\AXIAL")
    assert best_of(original, series("1", image_type="DERIVED\\PRIMARY\\AXIAL")) == "better-series | by.original"
    assert best_of(series("2", n_images=61), series("1")) == "better-series | by.images:n=61"
    assert best_of(series("2", series_number=3), series("1", series_number=4)) == "better-series | by.number"
    assert best_of(series("1"), series("2")) == "better-series | by.uid"


def test_surer_phase_wins() -> None:
    pairs = [(series("1", kernel="B30f"), sure("np", 0.72)), (series("2"), sure("np", 0.93))]
    choices = choose_series(pairs)
    assert taken(choices) == {"2"}
    assert reasons(choices) == {
        "1": "better-series | by.certainty:probability=0.93",
        "2": "best-of:n=2 | by.certainty:probability=0.93",
    }


def test_place_of_the_kidneys_counts_for_all_series_of_the_study() -> None:
    high, low = series("1", extent_mm=(100.0, 300.0), orientation="axial"), series("2", extent_mm=(-60.0, 140.0))
    whole = series("3", extent_mm=(-100.0, 300.0))
    kidneys = {"3": (0.0, 120.0)}
    choices = choose_series([(high, sure("cmp")), (low, sure("np")), (whole, sure("up"))], kidneys=kidneys)
    assert taken(choices) == {"2", "3"}
    assert reasons(choices)["1"] == "kidneys-not-in-view:share_percent=17"
    part = series("4", extent_mm=(20.0, 400.0), kernel="B30f")
    assert best_of(low, part, kidneys={"2": (0.0, 120.0)}) == "better-series | by.kidneys:share_percent=100"
    assert kidney_share(series("5"), (0.0, 120.0)) == 1.0
    assert kidney_share(series("5", extent_mm=(200.0, 300.0)), (0.0, 120.0)) == 0.0


def test_unknown_phase_and_unreadable_series_are_not_taken() -> None:
    choices = choose_series(
        [(series("1"), sure("", 0.4)), (series("2"), sure("np")), (series("3"), sure("np"))],
        unreadable={"2": "gap"},
    )
    assert reasons(choices) == {
        "1": "phase-unknown",
        "2": "unreadable:fault=gap",
        "3": "only-series",
    }


def visits() -> list[tuple[SeriesHeader, PhaseAnswer]]:
    """2019: two phases in two studies on one day. 2020: one phase. 2021: one phase. No date: one."""
    return [
        (series("1", study_uid="a", study_date="20190105"), sure("up")),
        (series("2", study_uid="b", study_date="20190105"), sure("cmp")),
        (series("3", study_uid="c", study_date="20200105"), sure("np")),
        (series("4", study_uid="d", study_date="20210105"), sure("np")),
        (series("5", study_uid="e"), sure("np")),
    ]


def test_last_visit_before_surgery_is_taken() -> None:
    choices = choose_series(visits(), surgery={"A": date(2020, 1, 5)})
    assert taken(choices) == {"3"}
    assert reasons(choices)["4"] == "after-surgery"
    assert reasons(choices)["1"] == "another-visit | visit.nearer-surgery"
    assert taken(choose_series(visits(), surgery={"A": date(2018, 1, 1)})) == {"5"}
    assert taken(choose_series(visits()[:4], surgery={"A": date(2018, 1, 1)})) == set()
    assert taken(choose_series(visits(), surgery={"B": date(2020, 1, 5)})) == {"1", "2"}


def test_without_surgery_most_phases_then_latest() -> None:
    choices = choose_series(visits())
    assert taken(choices) == {"1", "2"}
    assert reasons(choices)["4"] == "another-visit | visit.more-phases:n=2"
    late = choose_series(visits()[2:])
    assert taken(late) == {"4"}
    assert reasons(late)["3"] == "another-visit | visit.later"


def test_parts_of_a_series_compete_as_series() -> None:
    parts = [series("1", part=part, n_images=n) for part, n in (("1", 50), ("2", 70))]
    assert taken(choose_series([(part, sure("np")) for part in parts])) == {"1.2"}


HEADERS = st.builds(
    SeriesHeader,
    series_uid=st.sampled_from("123456789"),
    patient_id=st.sampled_from("AB"),
    study_uid=st.sampled_from(["s1", "s2"]),
    study_date=st.sampled_from(["", "20200101", "20210101", "x"]),
    modality=st.sampled_from(["CT", "MR", ""]),
    description=st.sampled_from(["", "SCOUT", "arterial 5.0 B30f", "静脉期", "COR"]),
    n_images=st.integers(0, 40),
    step_mm=st.none() | st.floats(0, 20),
    extent_mm=st.none() | st.tuples(st.floats(-500, 0), st.floats(0, 500)),
    kernel=st.sampled_from(["", "B30f", "B70f"]),
)
ANSWERS = st.builds(PhaseAnswer, st.sampled_from([*PHASES, ""]), st.floats(0.25, 1), st.just(()))


@pytest.mark.slow
@given(st.lists(st.tuples(HEADERS, ANSWERS), unique_by=lambda pair: pair[0].key, max_size=9), st.randoms())
def test_at_most_one_series_a_phase_from_one_visit_whatever_the_order(pairs: Any, random: Any) -> None:
    choices = choose_series(pairs, surgery={"A": date(2020, 6, 1)})
    assert [choice.header for choice in choices] == [header for header, _ in pairs]
    for patient in "AB":
        chosen = [choice for choice in choices if choice.chosen and choice.header.patient_id == patient]
        phases = [choice.answer.phase for choice in chosen]
        assert len(set(phases)) == len(phases)
        assert "" not in phases
        days = {read_day(choice.header.study_date) or choice.header.study_uid for choice in chosen}
        assert len(days) <= 1
    assert all(one.is_listed for choice in choices for one in (choice.reason, *choice.grounds))
    assert all(choice.chosen == (choice.reason.code in {"best-of", "only-series"}) for choice in choices)
    shuffled = list(pairs)
    random.shuffle(shuffled)
    assert reasons(choose_series(shuffled, surgery={"A": date(2020, 6, 1)})) == reasons(choices)
