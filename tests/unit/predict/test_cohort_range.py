"""A new scan is compared with the patients that the model learnt from, quantity by quantity."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.unit.export.dicom_patient import grader_of, write_patient

from nephrograde.predict.cohort_range import QUANTITIES, Compared, Spread
from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.predict.grading import Grading

SPREAD = Spread(20, 10.0, 12.0, 30.0, 60.0, 70.0)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (12.0, "usual"), (60.0, "usual"), (11.9, "rare"), (60.1, "rare"), (10.0 - 12.0, "rare"), (70.0 + 12.0, "rare"),
        (10.0 - 12.1, "outside"), (70.0 + 12.1, "outside"),
    ],
)  # fmt: skip
def test_the_verdict_is_by_the_range_and_a_margin(value: float, verdict: str) -> None:
    assert SPREAD.verdict(value) == verdict


def test_equal_values_have_a_margin_too() -> None:
    alike = Spread(20, 5.0, 5.0, 5.0, 5.0, 5.0)
    assert [alike.verdict(value) for value in (5.0, 5.2, 4.8, 5.3, 4.7)] == ["usual", *["rare"] * 2, *["outside"] * 2]


@pytest.fixture
def graded(tmp_path: Path, write_series: Callable[..., list[Path]]) -> Callable[..., Grading]:
    """Grade a patient with pixels of 0.7 and slices of 2.5 mm by a model with the given range."""
    patient = write_patient(write_series, tmp_path / "ct")

    def grade(supervision: str = "mask", *, phase: str = "cmp", **quantities: Spread) -> Grading:
        grader = grader_of(supervision)
        grader.cohort_range.phases[phase] = quantities
        places: dict[str, Any] = {
            "mask": {"mask": patient.mask_path},
            "box": {"box": "18,10,4;30,18,10 vox"},
            "point": {"point": "24,14,7 vox"},
        }
        return grader.grade(patient.folder, **places[supervision])

    return grade


def test_what_is_usual_is_compared_and_not_said(graded: Callable[..., Grading]) -> None:
    grading = graded(slice_distance_mm=Spread(40, 1.0, 1.0, 2.5, 5.0, 5.0))
    (found,) = grading.as_dict()["compared"]
    assert found == {
        "phase": "cmp", "quantity": "slice_distance_mm", "value": pytest.approx(2.5), "low": 1.0, "high": 5.0,
        "least": 1.0, "most": 5.0, "n": 40, "verdict": "usual",
    }  # fmt: skip
    assert "distance of slices" not in grading.as_text()


def test_what_is_rare_is_a_line_and_what_is_outside_a_warning(graded: Callable[..., Grading]) -> None:
    text = graded(
        slice_distance_mm=Spread(40, 1.0, 3.0, 4.0, 5.0, 5.0), pixel_mm=Spread(40, 0.9, 0.9, 0.9, 0.9, 0.9)
    ).as_text()
    assert (
        "\nthe distance of slices (cmp) is 2.5 mm; 90 % of the 40 patients the model learnt from have 3 to 5\n" in text
    )
    assert "\nwarning: the pixel size (cmp) is 0.7 mm; the 40 patients the model learnt from have 0.9 to 0.9.\n" in text


def test_what_is_outside_is_told_wherever_warnings_are(graded: Callable[..., Grading]) -> None:
    warnings = graded(pixel_mm=Spread(40, 0.9, 0.9, 0.9, 0.9, 0.9)).warnings
    assert "the pixel size (cmp) is 0.7 mm; the 40 patients the model learnt from have 0.9 to 0.9." in warnings


def test_sizes_and_greys_are_those_of_the_scan(graded: Callable[..., Grading]) -> None:
    any_range = Spread(40, 0.0, 0.0, 1.0, 2.0, 2.0)
    names = ("slices", "tumour_diameter_mm", "tumour_volume_ml", "region_mean_hu", "region_sd_hu")
    found = {one.quantity: one.value for one in graded(**dict.fromkeys(names, any_range)).compared}
    assert found["slices"] == 12
    assert found["tumour_diameter_mm"] == pytest.approx(13 * 0.7, abs=0.8)
    assert found["tumour_volume_ml"] == pytest.approx(4 / 3 * np.pi * (6 * 0.7) * (4 * 0.9) * (3 * 2.5) / 1000, rel=0.1)
    assert found["region_mean_hu"] == pytest.approx(20, abs=30)  # 0 ± 15 around a tumour that is 100 HU brighter
    assert 10 < found["region_sd_hu"] < 60


def test_a_box_has_a_width_and_a_point_has_none(graded: Callable[..., Grading]) -> None:
    range_of = {"tumour_diameter_mm": SPREAD, "tumour_volume_ml": SPREAD}
    (found,) = graded("box", **range_of).compared
    assert found.quantity == "tumour_diameter_mm"
    assert found.value == pytest.approx(12 * 0.7, abs=0.3)
    assert graded("point", **range_of).compared == ()


def test_another_phase_and_unknown_quantities_are_not_compared(graded: Callable[..., Grading]) -> None:
    assert graded(phase="up", pixel_mm=SPREAD).compared == ()
    assert graded(contrast_agent=SPREAD).compared == ()


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("verdict", ["rare", "outside"])
def test_lines_have_their_chinese(quantity: str, verdict: Any) -> None:
    line = Compared("np", quantity, 8.0, 1.0, 5.0, 0.8, 5.0, 40, verdict).as_text()
    with speaking("zh"):
        said = told(line)
    assert not re.search("[a-zA-Z]{2,}", re.sub(r"np|mm|ml|HU", "", said)), said


def test_a_box_is_compared_by_its_width_alone(graded: Callable[..., Grading]) -> None:
    grading = graded("box", tumour_diameter_mm=replace(SPREAD, least=40.0, low=45.0, median=50.0))
    assert [one.verdict for one in grading.compared] == ["outside"]
