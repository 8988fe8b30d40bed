"""Several phases: the map lies on the scan whose picture holds what was found, and on the grid of that scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.unit.explanation.spot_networks import grader_with
from tests.unit.explanation.test_lattice import oblique

import nephrograde as ng
from nephrograde.errors import InputError
from nephrograde.explanation.occlusion import Occlusion, Region, fill_of, plan_patches
from nephrograde.sample.channels import ABSENT
from nephrograde.sample.frames import Frame
from nephrograde.study import Window
from nephrograde.volume.volume import make_volume, write_image

if TYPE_CHECKING:
    from nephrograde.explanation.explanation import ScanMap

pytest.importorskip("onnxruntime")
IMAGE = {"slice_px": 64, "slice_mm": 64.0}
"""2 × 2 cells, 32 and 0 mm from the middle."""
POINT_MM = (10.0, -20.0, 30.0)
SPOT_MM = (-14.0, -46.0, 30.0)


def write_scan(path: Any, *, turn: int, has_spot: bool) -> None:
    """A scan around the point, with its axes turned in its own way; the spot lies at the same place of the patient."""
    spacing, size = (1.1, 0.9, 3.0), (100, 110, 30)
    direction = oblique(0) if turn else np.eye(3)
    origin = np.array(POINT_MM) - direction @ ((np.array(size) - 1) / 2 * spacing)
    values = np.random.default_rng(turn).normal(40, 3, size)
    values[:3] = -1000
    if has_spot:
        volume = make_volume(values, spacing_mm=spacing, origin_mm=tuple(origin), direction=direction)
        x, y, z = np.rint(volume.to_index(SPOT_MM)).astype(int)
        values[x - 1 : x + 2, y - 1 : y + 2, z - 1 : z + 2] = 400
    write_image(values.astype(np.int16), path, spacing_mm=spacing, origin_mm=tuple(origin), direction=direction)


@pytest.fixture
def scans(tmp_path):
    paths = {phase: tmp_path / f"{phase}.nii.gz" for phase in ("cmp", "np")}
    write_scan(paths["cmp"], turn=0, has_spot=False)
    write_scan(paths["np"], turn=1, has_spot=True)
    return paths


def place_of(found: ScanMap) -> Any:
    """The strongest place towards high grade, mm."""
    assert found.high is not None
    return found.high.position_mm


def at(place: Any) -> str:
    return ",".join(map(str, place)) + " mm"


@pytest.mark.slow
def test_joined_phases_have_a_map_each_on_their_own_grid(scans):
    arm = {"supervision": "point", "slices": 1, "phases": ["cmp", "np"], "fusion": "intermediate"}
    grader = grader_with(arm, IMAGE, phases=("cmp", "np"), folds=1)
    found = ng.explain(grader, scans, point={phase: at(POINT_MM) for phase in scans}, patch_mm=16.0)
    assert [(one.phase, one.weight) for one in found.pictures] == [("cmp", 0.5), ("np", 0.5)]
    for maps, reach_mm in ((found.cam, 17.0), (found.occlusion, 8.0)):
        assert maps["np"].values.shape == maps["np"].volume.values.shape
        assert maps["np"].volume is not maps["cmp"].volume
        assert maps["np"].limit > 20 * maps["cmp"].limit
        assert np.abs(np.subtract(place_of(maps["np"]), SPOT_MM)).max() < reach_mm
    adds = sum(one.adds for one in found.pictures)
    assert found.constant + adds == pytest.approx(found.log_odds)
    one = ng.explain(grader, {"np": scans["np"]}, point={"np": at(POINT_MM)}, occlusion=False)
    assert [share.phase for share in one.pictures] == ["np"]
    assert (one.occlusion, one.patches) == ({}, None)


@pytest.mark.slow
def test_phases_that_are_channels_have_one_map_on_the_grid_of_the_first(scans):
    arm = {"supervision": "point", "slices": 1, "phases": ["cmp", "np"], "fusion": "early"}
    grader = grader_with(arm, IMAGE, phases=("cmp", "np"), folds=1, seen=1)
    found = ng.explain(grader, scans, point={phase: at(POINT_MM) for phase in scans}, patch_mm=16.0)
    assert list(found.cam) == list(found.occlusion) == ["cmp"]
    for maps in (found.cam, found.occlusion):
        assert maps["cmp"].values.shape == (100, 110, 30)
        assert np.abs(np.subtract(place_of(maps["cmp"]), SPOT_MM)).max() < 12.0
    bright: dict[str, Any] = {"patch_mm": 16.0, "step_mm": 16.0, "fill_hu": 400.0}
    low = ng.explain(grader, scans, point={phase: at(POINT_MM) for phase in scans}, **bright).occlusion["cmp"].low
    assert low is not None
    assert low.value < -0.1  # patches of that value speak for high grade


def test_a_mask_and_a_missing_phase_are_never_hidden():
    pictures = np.full((1, 3, 8, 8), 0.25, np.float32)
    pictures[0, 1], pictures[0, 2] = ABSENT, 1.0
    frame = Frame((0.0, 0.0, -0.5), (8.0, 8.0, 0.5), 0, (8.0, 8.0))
    region = Region(pictures, [frame], np.array([[0.75, 0.75, 0.75]], np.float32), has_mask=True)
    places = list(region.places(0, plan_patches([frame], (8, 8), Occlusion(4.0, 4.0))))
    assert len(places) == 4
    hidden = region.without(0, places[1])
    assert hidden[0].sum() == 64 * 0.25 + 16 * 0.5
    assert (hidden[0] == 0.75)[:4, 4:].all()
    assert (hidden[1] == ABSENT).all()
    assert (hidden[2] == 1.0).all()


def test_patches_that_cannot_be_used_are_refused():
    frame = Frame((0.0, 0.0, -0.5), (60.0, 60.0, 0.5), 0, (60.0, 60.0))
    for wanted, place in (
        (Occlusion(0.1), "patch_mm"),
        (Occlusion(90.0), "patch_mm"),
        (Occlusion(10.0, 11.0), "step_mm"),
        (Occlusion(10.0, -1.0), "step_mm"),
        (Occlusion(10.0, 0.2), "step_mm"),
    ):
        with pytest.raises(InputError) as caught:
            plan_patches([frame], (128, 128), wanted)
        assert caught.value.problems[0].place == place
    plan = plan_patches([frame] * 60, (512, 512), Occlusion())
    assert plan.patch_mm > 20.0
    assert plan.hidden * 512**2 <= 2e8
    assert plan_patches([frame], (128, 128), Occlusion()) == (20.0, 10.0, 25)


def test_a_value_in_hu_needs_a_window_in_hu():
    grader = grader_with({"supervision": "point", "slices": 1, "neighbours": 1}, IMAGE, folds=1)
    own = grader.scorer.file.preprocessing.own_model(grader.study)
    pictures = np.linspace(0, 1, 2 * 3 * 16, dtype=np.float32).reshape(2, 3, 4, 4)
    windows = [Window(low=-100.0, high=300.0), Window(low=-300.0, high=100.0)]
    assert fill_of(pictures, own, windows, 100.0).tolist() == [[0.5] * 3, [1.0] * 3]
    assert fill_of(pictures, own, windows, None) == pytest.approx(pictures.mean(axis=(2, 3)))
    with pytest.raises(InputError, match="percentiles"):
        fill_of(pictures, own, [Window(low=1.0, high=99.0, percentiles=True)], 100.0)
