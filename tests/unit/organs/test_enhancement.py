"""HU of kidneys and aorta are measured as painted, and identify the phase."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nephrograde.organs.enhancement import Enhancement, judge_enhancement, measure_enhancement
from nephrograde.organs.kidneys import find_organs, read_organs
from nephrograde.sources.synthetic.phantom import PhantomSettings, cohort_patients, write_cohort
from nephrograde.sources.synthetic.scanner import draw_body, scan_patient
from nephrograde.volume.phase.evidence import PHASES
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import Volume, make_volume, write_image

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.volume.phase.evidence import Evidence

SEED = 12
HU = st.floats(-1024, 3071)


@cache
def synthetic(phase: str, number: int) -> tuple[Volume, Enhancement]:
    patient = cohort_patients(PhantomSettings(patients=4, phases=PHASES, seed=SEED))[number]
    body = draw_body(patient, seed=SEED)
    scan = scan_patient(patient, body, phase=phase, matrix_px=160, seed=SEED)
    volume = make_volume(scan.values_hu.T, spacing_mm=scan.spacing_mm, origin_mm=scan.origin_mm)
    enhancement = measure_enhancement(volume)
    assert enhancement is not None
    return volume, enhancement


def enhancement_of(cortex: float, medulla: float, collecting: float, aorta: float | None) -> Enhancement:
    return Enhancement(cortex, medulla, collecting, aorta, ((-60.0, 0.0, 0.0),), (-50.0, 50.0), 1.0)


def probabilities(evidence: Evidence) -> dict[str, float]:
    total = sum(evidence.likelihood.values())
    return {phase: value / total for phase, value in evidence.likelihood.items()}


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("phase", PHASES)
def test_a_synthetic_scan_names_its_phase(phase: str, number: int) -> None:
    _, enhancement = synthetic(phase, number)
    assert probabilities(judge_enhancement(enhancement))[phase] > 0.6


def test_hu_come_out_as_they_were_painted() -> None:
    # Painted: cortex 36, 240, 198, 150; medulla 36, 115, 184, 148; aorta 42, 300, 165, 135; urine in EP 420; ± 10 %.
    up, cmp, np_, ep = (synthetic(phase, 0)[1] for phase in PHASES)
    assert up.cortex_hu == pytest.approx(36, abs=8)
    assert 15 < up.medulla_hu < 45  # urine of 6 HU beside it, and noise
    assert up.aorta_hu == pytest.approx(42, abs=12)
    assert cmp.cortex_hu == pytest.approx(240, abs=40)
    assert cmp.cortex_hu - cmp.medulla_hu > 60
    assert cmp.aorta_hu == pytest.approx(300, abs=40)
    assert np_.cortex_hu == pytest.approx(198, abs=30)
    assert abs(np_.cortex_hu - np_.medulla_hu) < 30
    assert ep.collecting_hu > ep.cortex_hu + 100


def test_the_kidneys_of_all_phases_lie_at_one_height() -> None:
    found = [synthetic(phase, 1)[1] for phase in PHASES]
    assert all(len(one.centers_mm) == 2 for one in found)
    assert np.ptp([one.centers_mm[0][2] for one in found]) < 15  # the patient breathes
    assert all(80 < one.kidney_extent_mm[1] - one.kidney_extent_mm[0] < 160 for one in found)
    assert all(one.centers_mm[0][0] < one.centers_mm[1][0] for one in found)


def test_the_type_of_the_numbers_and_the_place_of_the_scan_change_nothing_else() -> None:
    volume, enhancement = synthetic("np", 0)
    moved_mm = (volume.origin_mm[0] + 7.0, volume.origin_mm[1], volume.origin_mm[2] - 100.0)
    moved = make_volume(volume.values.astype(np.float32), spacing_mm=volume.spacing_mm, origin_mm=moved_mm)
    again = measure_enhancement(moved)
    assert again is not None
    assert again.cortex_hu == pytest.approx(enhancement.cortex_hu, abs=0.1)
    assert again.aorta_hu == pytest.approx(enhancement.aorta_hu, abs=0.1)
    assert again.kidney_extent_mm[0] == pytest.approx(enhancement.kidney_extent_mm[0] - 100.0)


@pytest.mark.slow
def test_a_dicom_series_gives_what_its_nifti_gives(tmp_path: Path) -> None:
    found = []
    for dicom, name in ((False, "cmp.nii.gz"), (True, "cmp")):
        cohort = PhantomSettings(patients=2, phases=("cmp",), matrix_px=128, dicom=dicom)
        folder = write_cohort(tmp_path / name, cohort).parent / "images"
        found.append(measure_enhancement(read_volume(next(folder.iterdir()) / name)))
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].cortex_hu == pytest.approx(found[1].cortex_hu, abs=1)
    assert probabilities(judge_enhancement(found[1]))["cmp"] > 0.6


def test_masks_that_were_given_are_measured_instead(tmp_path: Path) -> None:
    volume, enhancement = synthetic("cmp", 0)
    organs = find_organs(volume)
    assert organs is not None
    numbers = np.array([0, 2, 3, 52], dtype=np.uint8)[organs.labels]
    organs_path = tmp_path / "organs.nii.gz"
    write_image(numbers, organs_path, spacing_mm=organs.grid.spacing_mm, origin_mm=organs.grid.origin_mm)
    given_organs = measure_enhancement(volume, read_organs(organs_path, volume))
    assert given_organs is not None
    assert given_organs.quality == 1.0
    assert given_organs.cortex_hu == pytest.approx(enhancement.cortex_hu, abs=15)


def test_masks_too_small_to_measure_give_none(tmp_path: Path) -> None:
    volume, _ = synthetic("cmp", 0)
    labels = np.zeros(volume.values.shape, dtype=np.uint8)
    labels[60:66, 60:66, 10:13] = 2
    write_image(labels, tmp_path / "organs.nii.gz", spacing_mm=volume.spacing_mm, origin_mm=volume.origin_mm)
    assert measure_enhancement(volume, read_organs(tmp_path / "organs.nii.gz", volume)) is None


@pytest.mark.slow
def test_the_real_enhanced_scan_is_nephrographic_or_later(shared_data: Path) -> None:
    # Its liver is portal venous, but its renal pelvis and ureters already contain contrast medium: early excretory.
    enhancement = measure_enhancement(read_volume(shared_data / "ct_dicom" / "CRLM-CT-1004" / "image"))
    assert enhancement is not None
    assert len(enhancement.centers_mm) == 2
    assert enhancement.cortex_hu == pytest.approx(190, abs=15)
    assert abs(enhancement.cortex_hu - enhancement.medulla_hu) < 20
    assert enhancement.collecting_hu > 300
    assert enhancement.aorta_hu == pytest.approx(147, abs=10)  # the aorta itself, drawn by hand: 140–153 HU
    found = probabilities(judge_enhancement(enhancement))
    assert found["np"] + found["ep"] > 0.98


@pytest.mark.slow
def test_the_real_unenhanced_scan_is_unenhanced_despite_its_stone(shared_data: Path) -> None:
    enhancement = measure_enhancement(read_volume(shared_data / "ct_nifti" / "example_ct.nii.gz"))
    assert enhancement is not None
    assert enhancement.collecting_hu > 200  # a stone of the left kidney
    assert 10 < enhancement.cortex_hu < 50
    assert enhancement.aorta_hu == pytest.approx(42, abs=12)
    assert probabilities(judge_enhancement(enhancement))["up"] > 0.9


@pytest.mark.parametrize(
    ("phase", "cortex", "medulla", "collecting", "aorta"),
    [
        ("up", 38, 35, 45, 42),
        ("up", 30, 28, 900, 45),  # a staghorn stone
        ("up", 40, 38, 60, None),
        ("cmp", 235, 110, 240, 300),
        ("cmp", 150, 50, 170, 330),  # early arterial
        ("cmp", 190, 95, 200, None),
        ("np", 190, 175, 200, 160),
        ("np", 175, 135, 195, 165),  # portal venous, 70 s: medulla still a little darker
        ("ep", 150, 148, 420, 130),
        ("ep", 110, 108, 900, 95),
    ],
)
def test_textbook_kidneys_name_their_phase(
    phase: str, cortex: float, medulla: float, collecting: float, aorta: float | None
) -> None:
    found = probabilities(judge_enhancement(enhancement_of(cortex, medulla, collecting, aorta)))
    assert max(found, key=lambda one: found[one]) == phase
    assert found[phase] > 0.6


@given(HU, HU, HU, st.none() | HU, st.floats(0, 1))
def test_likelihoods_are_above_zero_and_at_most_one(
    cortex: float, medulla: float, collecting: float, aorta: float | None, quality: float
) -> None:
    evidence = judge_enhancement(replace(enhancement_of(cortex, medulla, collecting, aorta), quality=quality))
    assert evidence.seen.code.startswith("image.")
    assert tuple(evidence.likelihood) == PHASES
    assert max(evidence.likelihood.values()) == 1.0
    assert min(evidence.likelihood.values()) > 0.0


def test_the_lower_the_quality_the_flatter_the_answer() -> None:
    arterial = enhancement_of(230, 110, 240, 300)
    shares = [
        probabilities(judge_enhancement(replace(arterial, quality=quality)))["cmp"] for quality in (0, 0.1, 0.3, 0.9)
    ]
    assert shares[0] == pytest.approx(0.25)
    assert shares == sorted(shares)


def test_the_evidence_says_the_hu() -> None:
    text = judge_enhancement(enhancement_of(182.4, 61.2, 190, None)).seen.english
    assert text == "cortex 182 HU, medulla 61 HU, inside up to 190 HU, aorta not found"
    assert re.fullmatch(r"[a-z0-9 ,-]+", text.replace("HU", "hu"))
