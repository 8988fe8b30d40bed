"""Kidneys are found where they were put, and nowhere else."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nephrograde.errors import VolumeError
from nephrograde.organs.kidneys import AORTA, LEFT, RIGHT, find_organs, read_organs
from nephrograde.organs.landmarks import coarse_grid, find_body, find_spine, shrink
from nephrograde.sources.synthetic.phantom import PhantomSettings, cohort_patients
from nephrograde.sources.synthetic.scanner import Body, draw_body, scan_patient
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import Volume, make_volume, write_image

if TYPE_CHECKING:
    from pathlib import Path

SEED = 11


@cache
def synthetic(phase: str, number: int = 0) -> tuple[Volume, Body]:
    """A synthetic patient's scan, and where everything in it was put."""
    patient = cohort_patients(PhantomSettings(patients=4, phases=("up", "cmp", "np", "ep"), seed=SEED))[number]
    body = draw_body(patient, seed=SEED)
    scan = scan_patient(patient, body, phase=phase, matrix_px=144, seed=SEED)
    return make_volume(scan.values_hu.T, spacing_mm=scan.spacing_mm, origin_mm=scan.origin_mm), body


def repainted(volume: Volume, values: Any) -> Volume:
    return make_volume(values, spacing_mm=volume.spacing_mm, origin_mm=volume.origin_mm)


def without_kidney(volume: Volume, body: Body, side: int) -> Volume:
    """Fat in place of one kidney, as after nephrectomy."""
    kidney, values = body.kidneys[side], volume.values.copy()
    reach = (34.0, 34.0, 66.0)
    center = np.array(kidney.centre_mm) + body.table_mm
    low, high = (np.round(volume.to_index(center + sign * np.array(reach))).astype(int) for sign in (-1, 1))
    values[low[0] : high[0], low[1] : high[1], max(low[2], 0) : high[2]] = -100
    return repainted(volume, values)


@pytest.mark.parametrize("phase", ["up", "cmp", "np", "ep"])
def test_both_kidneys_and_the_aorta_lie_where_they_were_painted(phase: str) -> None:
    volume, body = synthetic(phase)
    organs = find_organs(volume)
    assert organs is not None
    assert set(organs.scores) == {RIGHT, LEFT}
    for label, kidney in zip((RIGHT, LEFT), body.kidneys, strict=True):
        index = np.argwhere(organs.labels == label)
        truth_mm = np.array(kidney.centre_mm) + body.table_mm
        assert np.linalg.norm(np.array(organs.grid.to_mm(index.mean(axis=0))) - truth_mm) < 20
        volume_ml = len(index) * np.prod(organs.grid.spacing_mm) / 1000
        ellipsoid_ml = 4 / 3 * np.pi * np.prod(kidney.half_mm) / 1000
        assert 0.5 < volume_ml / ellipsoid_ml < 1.7  # the rim is cut off, or the tumour is included
    aorta = np.argwhere(organs.labels == AORTA)
    x_mm, y_mm, _ = np.array(organs.grid.to_mm(aorta.mean(axis=0))) - body.table_mm
    if phase != "up":  # the vena cava looks the same there
        assert np.hypot(x_mm - 7.0, y_mm - (body.anatomy.spine_y_mm - 31.0)) < 6


@pytest.mark.parametrize("side", [0, 1])
def test_of_a_patient_with_one_kidney_that_one_is_found(side: int) -> None:
    volume, body = synthetic("np")
    organs = find_organs(without_kidney(volume, body, side))
    assert organs is not None
    assert set(organs.scores) == {(LEFT, RIGHT)[side]}


def test_no_kidney_is_found_where_both_are_gone() -> None:
    volume, body = synthetic("cmp")
    assert find_organs(without_kidney(without_kidney(volume, body, 0), body, 1)) is None


def test_the_sides_of_an_image_without_orientation_do_not_matter() -> None:
    volume, _ = synthetic("cmp")
    for flipped in (volume.values[::-1], volume.values[:, :, ::-1]):
        organs = find_organs(repainted(volume, flipped))
        assert organs is not None
        assert set(organs.scores) == {RIGHT, LEFT}


def test_kidneys_that_the_scan_cuts_off_are_not_taken() -> None:
    volume, body = synthetic("np")
    middle = round(volume.to_index(np.array(body.kidneys[0].centre_mm) + body.table_mm)[2])
    step = round(15 / volume.spacing_mm[2])
    assert find_organs(repainted(volume, volume.values[:, :, middle - step : middle + step])) is None


def test_what_is_no_abdomen_in_hu_has_no_kidneys() -> None:
    volume, _ = synthetic("np")
    for values in (volume.values + 1024, -volume.values, np.full_like(volume.values, -1000), volume.values * 0 + 40):
        assert find_organs(repainted(volume, values)) is None
    assert find_organs(repainted(volume, volume.values[60:90, 60:90])) is None


@pytest.mark.slow
def test_other_parts_and_other_modalities_have_no_kidneys(shared_data: Path) -> None:
    for patient in ("STS_001", "STS_005"):
        for series in ("CT", "PET", "MR_T1"):
            assert find_organs(read_volume(shared_data / "sts" / patient / f"{series}_image.nii.gz")) is None
    assert find_organs(read_volume(shared_data / "kits_shape" / "images" / "case_00000.nii.gz")) is None
    pelvis = read_volume(shared_data / "ct_nifti" / "example_ct.nii.gz")
    assert find_organs(repainted(pelvis, pelvis.values[:, :, :50])) is None


def block_with_first_row(*row: int) -> Any:
    values = np.full((8, 5, 3), 143, dtype=np.int16)
    values[0, 0] = row
    return values


@settings(max_examples=40, deadline=None)
@example(values=block_with_first_row(91, 129, 91), spacing_mm=(18.0, 21.0, 22.0))  # a piece of one voxel
@example(values=block_with_first_row(91, 91, 143), spacing_mm=(18.0, 22.0, 29.0))  # nothing near enough around it
@given(
    values=arrays.arrays(
        st.sampled_from([np.int16, np.uint8, np.float32]),
        st.tuples(*[st.integers(3, 12)] * 3),
        elements=st.integers(0, 255),
    ),
    spacing_mm=st.tuples(*[st.floats(0.1, 60.0)] * 3),
)
def test_no_image_makes_it_fail(values: Any, spacing_mm: tuple[float, float, float]) -> None:
    assert find_organs(make_volume(values, spacing_mm=spacing_mm)) is None
    find_organs(make_volume(values.astype(np.float32) * 8 - 1024, spacing_mm=spacing_mm))


def test_the_body_is_found_without_the_couch_and_the_spine_in_its_middle() -> None:
    volume, body = synthetic("cmp")
    scan = shrink(volume)
    mask = find_body(scan)
    assert mask is not None
    y_mm = scan.grid.origin_mm[1] - body.table_mm[1] + np.argwhere(mask)[:, 1] * scan.spacing_mm[1]
    assert (y_mm > body.anatomy.half_depth_mm + 4).mean() < 0.002
    assert (y_mm > body.anatomy.half_depth_mm - 8).any()
    spine = find_spine(scan, mask)
    assert spine is not None
    x_mm = spine[0] + scan.grid.origin_mm[0] - body.table_mm[0]
    behind_mm = spine[1] + scan.grid.origin_mm[1] - body.table_mm[1] - body.anatomy.spine_y_mm
    assert np.abs(x_mm).max() < 8
    assert -15 < behind_mm.min() <= behind_mm.max() < 30  # between the body of a vertebra and its arch


def test_a_scan_of_odd_size_keeps_its_place_when_it_shrinks() -> None:
    values = np.arange(7 * 5 * 4, dtype=np.int16).reshape(7, 5, 4)
    volume = make_volume(values, spacing_mm=(1.25, 1.25, 5.0), origin_mm=(10.0, 20.0, -5.0))
    scan = shrink(volume)
    assert scan.stride == (2, 2, 1)
    assert scan.grid.to_mm((1, 1, 3)) == volume.to_mm((2.5, 2.5, 3))
    np.testing.assert_allclose(scan.values_hu[1, 1, 3], values[2:4, 2:4, 3].mean())


def given_labels(volume: Volume) -> Any:
    labels = np.zeros(volume.values.shape, dtype=np.uint8)
    labels[20:40, 60:80, 5:15], labels[90:110, 60:80, 5:15], labels[64:70, 60:66] = 2, 3, 52
    labels[0:5, 0:5, 0:5] = 5  # liver
    return labels


def test_a_label_map_and_a_folder_of_masks_say_the_same(tmp_path: Path) -> None:
    volume, _ = synthetic("np")
    labels = given_labels(volume)

    def write(values: Any, name: str) -> None:
        write_image(values, tmp_path / name, spacing_mm=volume.spacing_mm, origin_mm=volume.origin_mm)

    write(labels, "organs.nii.gz")
    for number, name in ((2, "kidney_right"), (3, "kidney_left"), (52, "aorta")):
        write(labels == number, f"器官/{name}.nii.gz")
    from_map, from_folder = (read_organs(tmp_path / name, volume) for name in ("organs.nii.gz", "器官"))
    np.testing.assert_array_equal(from_map.labels, from_folder.labels)
    assert from_map.scores == from_folder.scores == {RIGHT: 1.0, LEFT: 1.0}
    grid, stride = coarse_grid(volume)
    assert from_map.labels.shape == grid.size
    share = (from_map.labels == RIGHT).sum() * np.prod(stride) / (labels == 2).sum()
    assert share == pytest.approx(1.0, abs=0.15)


def test_organs_on_another_grid_and_an_aorta_beyond_the_scan_are_taken(tmp_path: Path) -> None:
    volume, _ = synthetic("np")
    origin_mm = (*volume.origin_mm[:2], volume.origin_mm[2] - 60 * volume.spacing_mm[2])
    labels = np.pad(given_labels(volume), ((0, 0), (0, 0), (60, 0)))
    labels[labels == 52] = 0
    labels[64:70, 60:66, :20] = 52
    write_image(labels, tmp_path / "organs.nii.gz", spacing_mm=volume.spacing_mm, origin_mm=origin_mm)
    organs = read_organs(tmp_path / "organs.nii.gz", volume)
    assert set(np.unique(organs.labels)) == {0, RIGHT, LEFT}


def test_organs_without_a_kidney_are_refused(tmp_path: Path) -> None:
    volume, _ = synthetic("np")
    labels = np.zeros(volume.values.shape, dtype=np.uint8)
    labels[:9, :9, :9] = 5
    write_image(labels, tmp_path / "organs.nii.gz", spacing_mm=volume.spacing_mm, origin_mm=volume.origin_mm)
    with pytest.raises(VolumeError, match="no kidney is marked") as caught:
        read_organs(tmp_path / "organs.nii.gz", volume)
    assert caught.value.code == "organs-missing"
