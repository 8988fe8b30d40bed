"""What only the whole cohort shows."""

from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from nephrograde.cohort.case import Case, Cohort, Scan
from nephrograde.cohort.place import parse_box
from nephrograde.quality.cohort_quality import CohortQuality, examine_cohort, quality_lines
from nephrograde.quality.marks import PersonMarks
from nephrograde.quality.scan_quality import ScanQuality
from nephrograde.study import Arm, CohortSettings, MaskSettings, Study
from nephrograde.vocabulary import Supervision
from nephrograde.volume.finding import Fault

Changes: TypeAlias = dict[tuple[str, str], dict[str, Any]]
PHASES = ("cmp", "up")
GRADES = {"P1": 1, "P2": 2, "P3": 3, "P4": 4, "P5": 1, "P6": 4}
FINE: dict[str, Any] = {"size": (9, 9, 20), "spacing_mm": (1.0, 1.0, 5.0), "supervision": ("mask",)}


def _cohort(patients: int = 4, *, graded: bool = True) -> Cohort:
    cases = tuple(
        Case(
            patient,
            grade > 2,
            grade if graded else None,
            {phase: Scan(phase, Path(f"{patient}-{phase}"), Path("mask"), None, None, None) for phase in PHASES},
            {},
        )
        for patient, grade in list(GRADES.items())[:patients]
    )
    return Cohort(cases, PHASES, (), None)


def _study(**masks: Any) -> Study:
    arms = (Arm(name="weak-1", supervision=Supervision.BOX, slices=1), Arm(name="strong", supervision=Supervision.MASK))
    return Study(cohort=CohortSettings(table=Path("cohort.csv"), phases=PHASES), arm=arms, masks=MaskSettings(**masks))


def _marks(name: str, count: int = 20) -> str:
    return "".join(hashlib.sha256(f"{name}{k}".encode()).hexdigest()[:16] for k in range(count))


def _examine(changed: Changes, cohort: Cohort | None = None, **how: Any) -> CohortQuality:
    cohort = cohort or _cohort()
    qualities = {}
    for case in cohort.cases:
        for phase in case.scans:
            known = {"phase": phase, "faults": (), "marks": _marks(f"{case.patient_id}{phase}"), **FINE}
            qualities[case.patient_id, phase] = ScanQuality(**known | changed.get((case.patient_id, phase), {}))
    return examine_cohort(cohort, how.pop("study", _study()), qualities, **how)


def _found(quality: CohortQuality) -> list[tuple[str, str, str, str]]:
    return [(one.patient_id, one.phase, one.code, one.severity) for one in quality.findings]


def test_a_sound_cohort_has_no_finding() -> None:
    quality = _examine({})
    assert quality.findings == ()
    assert quality_lines(quality)[-1] == "Nothing odd was found."


def test_faults_of_scans_become_findings_in_the_order_of_the_table() -> None:
    fault = Fault("metal", "warning", "m", "r")
    quality = _examine({("P3", "up"): {"faults": (fault,)}, ("P1", "cmp"): {"faults": (fault,)}})
    assert _found(quality) == [("P1", "cmp", "metal", "warning"), ("P3", "up", "metal", "warning")]


def test_an_image_that_another_patient_has_is_fatal() -> None:
    quality = _examine({("P3", "cmp"): {"marks": _marks("P1cmp")}})
    assert _found(quality) == [("P3", "cmp", "duplicate-image", "fatal")]
    assert "20 of 20 slices hold the same pixels as patient P1, phase cmp" in quality.findings[0].message


def test_a_part_of_anothers_image_is_found_and_a_chance_slice_is_not() -> None:
    own = _marks("P3cmp", 15)
    part = _examine({("P3", "cmp"): {"marks": own + _marks("P1up", 5)}})
    assert _found(part) == [("P3", "cmp", "duplicate-image", "fatal")]
    assert "5 of 20 slices" in part.findings[0].message
    assert _found(_examine({("P3", "cmp"): {"marks": own + _marks("P1up", 2)}})) == []


def test_one_image_in_two_phases_of_a_patient_is_fatal() -> None:
    quality = _examine({("P2", "up"): {"marks": _marks("P2cmp")}})
    assert _found(quality) == [("P2", "up", "duplicate-phase", "fatal")]


def test_a_scan_copied_to_many_is_named_once_a_copy() -> None:
    quality = _examine({(patient, "up"): {"marks": _marks("x")} for patient in GRADES})
    assert _found(quality) == [(patient, "up", "duplicate-image", "fatal") for patient in ("P2", "P3", "P4")]
    assert all("patient P1, phase up" in finding.message for finding in quality.findings)


@pytest.mark.slow
def test_copies_are_found_among_many_scans_in_little_memory() -> None:
    grades = {f"P{number:04d}": 1 + number % 4 for number in range(600)}
    cases = tuple(
        Case(patient, grade > 2, grade, {"cmp": Scan("cmp", Path("x"), None, None, None, None)}, {})
        for patient, grade in grades.items()
    )
    qualities = {(case.patient_id, "cmp"): ScanQuality("cmp", (), marks=_marks(case.patient_id)) for case in cases}
    copied = _marks("P0100", 8) + "0" * 32 + _marks("own", 10)
    qualities["P0599", "cmp"] = replace(qualities["P0599", "cmp"], marks=copied)
    text_bytes = sum(len(one.marks) for one in qualities.values())
    cohort, study = Cohort(cases, ("cmp",), (), None), _study()
    examine_cohort(cohort, study, qualities)
    tracemalloc.start()
    quality = examine_cohort(cohort, study, qualities)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [one for one in _found(quality) if "duplicate" in one[2]] == [("P0599", "cmp", "duplicate-image", "fatal")]
    assert "8 of 20 slices hold the same pixels as patient P0100" in quality.findings[-1].message
    assert peak < 6 * text_bytes  # a dictionary of all marks takes ten times


@pytest.mark.parametrize(
    ("kind", "words"),
    [("study", "StudyInstanceUID"), ("frame", "FrameOfReferenceUID"), ("person", "name, birth date and sex")],
)
def test_one_person_under_two_ids_is_known_by_the_headers(kind: str, words: str) -> None:
    marks = {("P1", "cmp"): PersonMarks(**{kind: "m1"}), ("P4", "up"): PersonMarks(**{kind: "m1"})}
    marks[("P2", "cmp")] = PersonMarks(**{kind: "m2"})
    quality = _examine({}, marks=marks)
    assert _found(quality) == [("P4", "", "patient-twice", "warning")]
    assert f"the same {words} as those of patient P1" in quality.findings[0].message
    assert "m1" not in quality.findings[0].message


def test_two_phases_of_one_patient_share_their_marks_rightly() -> None:
    same = PersonMarks("s", "f", "p", "b")
    assert _found(_examine({}, marks={("P1", "cmp"): same, ("P1", "up"): same})) == []


def test_a_pair_is_named_once_for_all_that_it_shares() -> None:
    same = PersonMarks("s", "f", "p", "b")
    quality = _examine({}, marks={("P1", "cmp"): same, ("P3", "cmp"): same})
    assert _found(quality) == [("P3", "", "patient-twice", "warning")]


def test_a_mark_that_many_share_is_a_placeholder() -> None:
    marks = {(patient, "cmp"): PersonMarks(study="1.2.3") for patient in GRADES}
    quality = _examine({}, _cohort(6), marks=marks)
    assert _found(quality) == [("P1", "", "uid-placeholder", "warning")]
    assert "6 patients share one StudyInstanceUID" in quality.findings[0].message


def test_two_persons_in_one_row_are_found() -> None:
    marks = {("P1", "cmp"): PersonMarks(born="a"), ("P1", "up"): PersonMarks(born="b"), ("P2", "up"): PersonMarks()}
    assert _found(_examine({}, marks=marks)) == [("P1", "", "patient-mixed", "warning")]


def test_kernels_and_slice_distances_that_differ_among_phases() -> None:
    changed: Changes = {
        ("P1", "cmp"): {"kernels": ("B30f",)},
        ("P1", "up"): {"kernels": ("B70f",)},
        ("P2", "cmp"): {"kernels": ("B30f",)},
        ("P3", "cmp"): {"spacing_mm": (1.0, 1.0, 2.5)},
        ("P4", "cmp"): {"spacing_mm": (1.0, 1.0, 2.6)},
    }
    quality = _examine(changed)
    assert _found(quality) == [("P1", "", "mixed-kernel", "warning"), ("P3", "", "mixed-thickness", "warning")]
    assert "(cmp B30f, up B70f)" in quality.findings[0].message
    assert "(cmp 2.5 mm, up 5 mm)" in quality.findings[1].message


def test_counts_say_what_each_model_can_use() -> None:
    unread = {"size": (0, 0, 0), "spacing_mm": (0.0, 0.0, 0.0), "supervision": (), "marks": ""}
    changed: Changes = {
        ("P1", "cmp"): unread,
        ("P2", "cmp"): {"supervision": ("box",)},
        ("P3", "cmp"): {"supervision": ()},
    }
    quality = _examine(changed, study=_study(carry="off"))
    numbers = {(one.what, one.name): (one.n, one.low, one.high, one.grades) for one in quality.counts}
    assert numbers["patients", ""] == (4, 2, 2, (1, 1, 1, 1))
    assert numbers["images", "cmp"][0] == 4
    assert numbers["readable", "cmp"] == (3, 1, 2, (0, 1, 1, 1))
    assert numbers["every phase", ""][0] == 3
    assert numbers["usable", "weak-1-cmp"] == (2, 1, 1, (0, 1, 0, 1))
    assert numbers["usable", "strong-cmp"] == (1, 0, 1, (0, 0, 0, 1))
    assert numbers["usable", "strong-up"][0] == 4


def test_a_slice_that_was_chosen_on_the_grid_of_another_phase_is_suspected() -> None:
    changed: Changes = {
        ("P1", "cmp"): {"place_z_mm": -312.0},
        ("P1", "up"): {"place_z_mm": -152.0},
        ("P2", "cmp"): {"place_z_mm": -312.0},
        ("P2", "up"): {"place_z_mm": -270.0},
        ("P3", "cmp"): {"place_z_mm": 0.0},
    }
    found = _examine(changed).findings
    assert [(one.patient_id, one.phase, one.severity) for one in found if one.code == "places-apart"] == [
        ("P1", "", "warning")
    ]


def test_arms_without_a_place_use_every_scan_with_kidneys() -> None:
    arms = (
        Arm(name="none", supervision=Supervision.NONE, slices=1),
        Arm(name="none-3d", supervision=Supervision.NONE),
        Arm(name="slice", supervision=Supervision.SLICE, slices=1),
        Arm(name="beside", supervision=Supervision.SLICE, slices=1, neighbours=1),
    )
    study = Study(cohort=CohortSettings(table=Path("cohort.csv"), phases=PHASES), arm=arms)
    seen = {"has_kidneys": True, "supervision": ()}
    changed: Changes = {
        ("P1", "cmp"): seen,
        ("P2", "cmp"): {**seen, "supervision": ("slice",)},
        ("P3", "cmp"): {"supervision": ("slice",)},
        ("P4", "cmp"): {"is_volume": False, "supervision": ()},
    }
    quality = _examine(changed, study=study)
    without = [finding[:2] for finding in _found(quality) if finding[2] == "kidney-not-found"]
    assert without == [("P1", "up"), ("P2", "up"), ("P3", "cmp"), ("P3", "up"), ("P4", "up")]
    usable = _usable(quality)
    assert {name: n for name, n in usable.items() if name.endswith("cmp")} == {
        "none-cmp": 2,
        "none-3d-cmp": 2,
        "slice-cmp": 3,
        "beside-cmp": 2,
    }


def _usable(quality: CohortQuality) -> dict[str, int]:
    return {one.name: one.n for one in quality.counts if one.what == "usable"}


def _with_scan(patient: str, phase: str, **changes: Any) -> Cohort:
    cohort = _cohort()
    cases = [
        replace(case, scans={**case.scans, phase: replace(case.scans[phase], **changes)})
        if case.patient_id == patient
        else case
        for case in cohort.cases
    ]
    return replace(cohort, cases=tuple(cases))


def test_a_mask_that_is_carried_over_counts() -> None:
    quality = _examine({("P3", "cmp"): {"supervision": ()}}, _with_scan("P3", "cmp", mask_path=None))
    assert _usable(quality) == {"weak-1-cmp": 4, "weak-1-up": 4, "strong-cmp": 4, "strong-up": 4}


def test_a_broken_mask_is_not_replaced_by_that_of_another_phase() -> None:
    quality = _examine({("P3", "cmp"): {"supervision": ()}})
    assert _usable(quality) == {"weak-1-cmp": 3, "weak-1-up": 4, "strong-cmp": 3, "strong-up": 4}


def test_an_annotation_outside_the_image_is_not_replaced_by_a_more_expensive_one() -> None:
    box = parse_box("30,30,5;40,40,9 vox")
    quality = _examine({}, _with_scan("P3", "cmp", box=box))  # the mask can be used, the box cannot
    assert _usable(quality) == {"weak-1-cmp": 3, "weak-1-up": 4, "strong-cmp": 4, "strong-up": 4}


def test_a_table_without_grades_has_no_grade_counts() -> None:
    quality = _examine({}, _cohort(graded=False))
    assert all(one.grades is None for one in quality.counts)
    assert quality_lines(quality)[0] == "Patients: 4 (2 low, 2 high)"


def test_lines_for_the_terminal_name_fatal_kinds_first() -> None:
    metal = Fault("metal", "warning", "holds metal.", "See.")
    changed: Changes = {("P1", "cmp"): {"faults": (metal,)}, ("P2", "cmp"): {"faults": (metal,)}}
    changed[("P2", "up")] = {"marks": _marks("P2cmp")}
    lines = quality_lines(_examine(changed))
    assert lines[0] == "Patients: 4 (2 low, 2 high; grade 1 to 4: 1, 1, 1, 1)"
    assert lines[-2].startswith("Must be fixed: duplicate-phase, 1 ×, first P2 up: up_image: 20 of 20 slices")
    assert lines[-1] == "Check: metal, 2 ×, first P1 cmp: holds metal. See."
