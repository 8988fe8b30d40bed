"""A bright spot is planted in one place of a scan, and the maps must be strongest there: not mirrored, nor shifted."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
import SimpleITK
from tests.unit.explanation.spot_networks import grader_with
from tests.unit.explanation.test_lattice import oblique
from tests.unit.explanation.test_phases import place_of

import nephrograde as ng
from nephrograde.explanation.lattice import OF_RESNET
from nephrograde.volume.volume import write_image

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.slow
BACKGROUND_HU, SPOT_HU = 40, 400
SLICES = {"slice_px": 128, "slice_mm": 64.0}
"""4 × 4 cells, 16 mm apart; the first of them at the edge, so that they are -32, -16, 0 and 16 mm from the middle."""
BOXES = {"box_voxels": (40, 36, 33), "box_mm": (40.0, 36.0, 66.0)}
"""2 × 2 × 2 cells, 32, 32 and 64 mm apart."""
ORIENTATIONS = [(0, (1, 1, 1)), (1, (-1, 1, 1)), (3, (1, -1, -1)), (4, (-1, -1, 1))]


class Planted:
    """A scan on an oblique grid with a bright spot, as a file."""

    def __init__(self, path: Any, turn: int, flips: Any, away_mm: Any, *, spacing: Any = (0.7, 0.8, 2.0)) -> None:
        self.path, direction = path, oblique(turn, flips)
        size = [round(90 / edge) for edge in spacing]
        draws = np.random.default_rng(turn)
        values = draws.normal(BACKGROUND_HU, 4, size)
        values[:3] = values[-3:] = -1000
        middle = np.array([(n - 1) / 2 for n in size])
        image = SimpleITK.GetImageFromArray(values.T.astype(np.int16))
        image.SetSpacing(spacing)
        image.SetOrigin((-31.0, 12.0, -140.0))
        image.SetDirection(direction.ravel().tolist())
        self.center_mm = np.array(image.TransformContinuousIndexToPhysicalPoint(middle.tolist()))
        # Away along the axes of the scan that run to the left, to the back and to the head.
        order = max(itertools.permutations(range(3)), key=lambda p: sum(abs(direction[r, p[r]]) for r in range(3)))
        axes = np.stack([direction[:, axis] * np.sign(direction[row, axis]) for row, axis in enumerate(order)], axis=1)
        self.axes = axes
        self.spot_mm = self.center_mm + axes @ np.array(away_mm)
        at = np.array(image.TransformPhysicalPointToContinuousIndex(self.spot_mm.tolist()))
        steps = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1)
        away = np.abs((steps - at) * np.array(spacing))
        values[(away <= np.maximum(np.array(spacing) * 0.75, 1.6)).all(axis=-1)] = SPOT_HU
        write_image(
            values.astype(np.int16), path, spacing_mm=spacing, origin_mm=(-31.0, 12.0, -140.0), direction=direction
        )

    @property
    def point(self) -> str:
        return ",".join(f"{one:.4f}" for one in self.center_mm) + " mm"

    @property
    def spot(self) -> str:
        return ",".join(f"{one:.4f}" for one in self.spot_mm) + " mm"


def strongest_in(path: Any) -> Any:
    """The middle of the strongest voxels of a file, as another program reads it: LPS, mm."""
    image = SimpleITK.ReadImage(str(path))
    values = SimpleITK.GetArrayFromImage(image)
    places = np.argwhere(values >= values.max() * (1 - 1e-6)).mean(axis=0)[::-1]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(places.tolist()))


def away(axes: Any, one: Any, other: Any) -> Any:
    """How far two places are apart along the axes of the scan, mm."""
    return np.abs(axes.T @ (np.asarray(one) - np.asarray(other)))


@pytest.fixture(scope="module")
def planar() -> Any:
    return grader_with({"supervision": "point", "slices": 1}, SLICES, folds=1)


@pytest.fixture(scope="module")
def solid() -> Any:
    return grader_with({"supervision": "point"}, BOXES, folds=1)


@pytest.mark.parametrize("kind", ["planar", "solid"])
def test_a_cell_is_centred_on_every_32nd_pixel_beginning_with_the_first(kind, request):
    scorer = request.getfixturevalue(kind).scorer
    size = scorer.file.preprocessing.size
    draws = np.random.default_rng(2)
    for _ in range(4):
        spot = [int(draws.integers(2, (n + 31) // 32 * 32 - 33)) for n in size]
        picture = np.full((1, 1, *size), 0.5, np.float32)
        picture[(0, 0, *spot)] = 20.0
        maps = scorer.last_maps(picture)[0, 0, 0].astype(np.float64)
        for axis, wanted in enumerate(spot):
            share = maps.sum(axis=tuple(other for other in range(len(size)) if other != axis)) / maps.sum()
            assert (share * np.arange(len(share))).sum() * OF_RESNET == pytest.approx(wanted, abs=2.0)


@pytest.mark.parametrize(("turn", "flips"), ORIENTATIONS)
def test_slices_are_strongest_where_the_spot_is(planar, tmp_path, turn, flips):
    spot = [(-23.0, 6.0, 0.0), (5.0, -25.0, 0.0), (0.0, 0.0, 0.0), (-14.0, 5.0, 0.0), (7.0, -12.0, 0.0)][turn]
    planted = Planted(tmp_path / "scan.nii.gz", turn, flips, spot)
    out = tmp_path / "out"
    found = ng.explain(planar, planted.path, point=planted.point, out=out, patch_mm=16.0, step_mm=8.0)
    cells: Any = found.cam["cmp"].high
    scan, overlay = (SimpleITK.ReadImage(str(one)) for one in (planted.path, out / "cam-cmp.nii.gz"))
    assert overlay.GetSize() == scan.GetSize()
    for name in ("GetDirection", "GetOrigin", "GetSpacing"):
        assert getattr(overlay, name)() == pytest.approx(getattr(scan, name)(), abs=1e-5)
    for method, reach_mm in (("cam", 8.5), ("occlusion", 5.5)):
        read_mm = strongest_in(out / f"{method}-cmp.nii.gz")
        assert away(planted.axes, read_mm, planted.spot_mm)[:2].max() < reach_mm
        peak: Any = getattr(found, method)["cmp"].high
        assert away(planted.axes, peak.position_mm, planted.spot_mm).max() < reach_mm
        assert away(planted.axes, peak.position_mm, scan.TransformIndexToPhysicalPoint(peak.vox)).max() < 1.1
    said = json.loads((out / "explanation.json").read_text(encoding="utf-8"))
    adds = sum(one["adds"] for one in said["pictures"])
    assert said["constant"] + adds == pytest.approx(np.log(said["p_high"] / (1 - said["p_high"])), abs=1e-4)
    assert said["cam"]["cmp"]["towards_high"]["vox"] == list(cells.vox)


@pytest.mark.parametrize(("turn", "flips"), ORIENTATIONS[1:3])
def test_boxes_are_strongest_where_the_spot_is(solid, tmp_path, turn, flips):
    spot = [(), (-13.0, 9.0, -20.0), (), (8.0, -14.0, 19.0)][turn]
    planted = Planted(tmp_path / "scan.nii.gz", turn, flips, spot, spacing=(1.0, 1.2, 2.5))
    out = tmp_path / "out"
    found = ng.explain(solid, planted.path, point=planted.point, out=out, patch_mm=20.0, step_mm=20.0)
    assert (away(planted.axes, place_of(found.cam["cmp"]), planted.spot_mm) < np.array((16.0, 16.0, 32.0)) + 0.5).all()
    for read_mm in (place_of(found.occlusion["cmp"]), strongest_in(out / "occlusion-cmp.nii.gz")):
        assert away(planted.axes, read_mm, planted.spot_mm).max() < 10.5
