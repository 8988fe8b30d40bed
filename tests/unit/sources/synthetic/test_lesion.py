from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from nephrograde.sources.synthetic.anatomy import draw_anatomy, paint_abdomen
from nephrograde.sources.synthetic.canvas import Canvas, Floats, Grid, blank
from nephrograde.sources.synthetic.kidney import draw_kidney
from nephrograde.sources.synthetic.lesion import REACH_MM, Lesion, draw_lesion, paint_lesion
from nephrograde.sources.synthetic.tissue import Look

LOOK = Look(solid_hu=150.0, texture_hu=10.0, necrosis=0.3, roughness=0.05, capsule=0.5)


def placed(seed: int, diameter_mm: float) -> tuple[Lesion, Canvas, Floats]:
    rng = np.random.default_rng(seed)
    anatomy = draw_anatomy(rng, field_of_view_mm=360.0)
    kidney = draw_kidney(rng, side=1.0, anatomy=anatomy)
    lesion = draw_lesion(rng, diameter_mm=diameter_mm, kidney=kidney, anatomy=anatomy)
    canvas = blank(Grid((120, 120, 50), (3.0, 3.0, 4.0), (-178.5, -178.5, -98.0)))
    return lesion, canvas, paint_abdomen(canvas, anatomy, phase="cmp")


@pytest.mark.parametrize("diameter_mm", [15.0, 45.0, 110.0])
def test_a_tumour_keeps_its_side_and_stays_within_reach(diameter_mm: float) -> None:
    for seed in range(20):
        lesion, _, _ = placed(seed, diameter_mm)
        assert lesion.half_mm[0] * 2 == diameter_mm
        assert lesion.half_mm[0] >= max(lesion.half_mm[1:])
        assert lesion.centre_mm[0] > 20
        assert abs(lesion.centre_mm[2]) + lesion.half_mm[2] <= REACH_MM + 1e-9


@pytest.mark.parametrize("necrosis", [0.0, 0.1, 0.3, 0.4])
def test_the_necrotic_share_is_the_wanted_one(necrosis: float) -> None:
    lesion, canvas, depth = placed(3, 60.0)
    look = Look(solid_hu=150.0, texture_hu=5.0, necrosis=necrosis, roughness=0.05, capsule=0.0)
    mask = paint_lesion(canvas, lesion, look=look, phase="cmp", depth=depth)
    dead = (canvas.values < 86.5) & binary_erosion(mask)  # the outermost voxels are shared with fat
    assert dead.sum() / mask.sum() == pytest.approx(necrosis, abs=0.05)


def test_texture_does_not_move_the_mean() -> None:
    means = []
    for texture_hu in (0.0, 30.0):
        lesion, canvas, depth = placed(5, 50.0)
        look = Look(solid_hu=150.0, texture_hu=texture_hu, necrosis=0.0, roughness=0.05, capsule=0.0)
        mask = paint_lesion(canvas, lesion, look=look, phase="cmp", depth=depth)
        means.append(float(canvas.values[mask].mean()))
    assert means[0] == pytest.approx(means[1], abs=2.0)


def test_a_scan_that_misses_the_tumour_has_an_empty_mask() -> None:
    lesion, _, _ = placed(1, 30.0)
    far = blank(Grid((20, 20, 4), (3.0, 3.0, 4.0), (-400.0, -400.0, -400.0)))
    far.values[:] = 0.0
    depth = np.zeros((20, 20), dtype=np.float32)
    mask = paint_lesion(far, lesion, look=LOOK, phase="cmp", depth=depth)
    assert not mask.any()
    assert not far.values.any()


def test_a_tumour_does_not_grow_through_the_abdominal_wall() -> None:
    lesion, canvas, depth = placed(2, 110.0)
    mask = paint_lesion(canvas, lesion, look=LOOK, phase="cmp", depth=depth)
    assert not mask[:, depth > 1.1].any()
