"""The shortcuts of the search for kidneys give the same arrays as what they replace, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from nephrograde.organs import enhancement, kidneys, landmarks, nearness
from nephrograde.organs.kidneys import find_organs
from nephrograde.organs.landmarks import find_body, shrink
from nephrograde.organs.nearness import Nearness
from nephrograde.organs.sinus import with_sinus
from nephrograde.organs.windows import box_between, box_of, gaussian_in, places_of
from nephrograde.sources.synthetic.phantom import PhantomSettings, cohort_patients
from nephrograde.sources.synthetic.scanner import draw_body, scan_patient
from nephrograde.volume.volume import Volume, make_volume

MASKS = arrays.arrays(np.bool_, st.tuples(*[st.integers(1, 9)] * 3), elements=st.booleans())
SPACING_MM = st.sampled_from([0.7, 1.0, 1.5, 1.8, 2.0, 2.3, 2.5, 3.0, 5.0, 7.5])


class ByTransform:
    """What ``Nearness`` replaces."""

    def __init__(self, marked: Any, spacing_mm: Any, *, most_mm: float) -> None:
        del most_mm
        self.away_mm = ndimage.distance_transform_edt(~marked, sampling=spacing_mm)

    def within(self, limit_mm: float) -> Any:
        return self.away_mm <= limit_mm

    def closer(self, limit_mm: float) -> Any:
        return self.away_mm < limit_mm


@settings(max_examples=150, deadline=None)
@example(marked=np.eye(9, dtype=bool)[:, :, None], spacing_mm=(1.3, 1.3, 5.0), limit_mm=6.5)  # 5 × 1.3, and √(3² + 4²)
@example(marked=np.zeros((4, 4, 4), dtype=bool), spacing_mm=(2.0, 2.0, 2.0), limit_mm=3.0)
@given(
    marked=MASKS,
    spacing_mm=st.tuples(SPACING_MM, SPACING_MM, SPACING_MM),
    limit_mm=st.sampled_from([1.5, 3.0, 6.5, 9.5]),
)
def test_voxels_within_a_limit_are_those_of_the_distance_transform(
    marked: Any, spacing_mm: tuple[float, float, float], limit_mm: float
) -> None:
    near, expected = Nearness(marked, spacing_mm, most_mm=9.5), ByTransform(marked, spacing_mm, most_mm=9.5)
    assert np.array_equal(near.within(limit_mm), expected.within(limit_mm))
    assert np.array_equal(near.closer(limit_mm), expected.closer(limit_mm))


def test_where_rounding_decides_the_transform_is_asked() -> None:
    assert nearness._ball(6.5, (1.3, 1.3, 5.0), np.less_equal) is None
    assert nearness._ball(9.0, (2.3, 2.3, 5.0), np.less_equal) is not None


@given(mask=MASKS)
def test_boxes_and_places_are_those_of_scipy_and_numpy(mask: Any) -> None:
    found = ndimage.find_objects(mask.astype(np.int8))
    assert box_of(mask) == (found[0] if found else None)
    assert np.array_equal(places_of(mask), np.argwhere(mask))
    columns, rows = mask.any(axis=1), mask.any(axis=0)
    both = ndimage.find_objects((columns[:, None] & rows[None]).astype(np.int8))
    assert box_between(columns, rows) == (both[0] if both else None)


@pytest.mark.parametrize("widths", [(1.0, 1.0, 0.4), (2.5, 7.0, 0.1)])
def test_a_window_is_smoothed_as_the_whole_image_is(widths: tuple[float, float, float]) -> None:
    values = np.random.default_rng(3).normal(0, 300, (31, 24, 9)).astype(np.float32)
    expected = ndimage.gaussian_filter(values, widths, truncate=2.0)
    for window in ((slice(0, 31), slice(0, 24), slice(0, 9)), (slice(3, 9), slice(11, 24), slice(4, 6))):
        assert np.array_equal(gaussian_in(values, np.array(widths), window), expected[window])


@settings(max_examples=60, deadline=None)
@given(mask=MASKS)
def test_the_sinus_is_what_the_convex_hull_encloses(mask: Any) -> None:
    filled = with_sinus(mask)
    for k in range(mask.shape[2]):
        points = np.argwhere(mask[:, :, k])
        along = points - points[0] if len(points) else points
        is_line = len(points) == 0 or not (along[:, 0] * along[-1, 1] - along[:, 1] * along[-1, 0]).any()
        for at in np.ndindex(mask.shape[:2]):
            assert filled[*at, k] == (mask[*at, k] if is_line else _is_enclosed(np.array(at), points))


def _is_enclosed(at: Any, points: Any) -> bool:
    """Whether no line through a place has all points on one side: it would also hold between any two of them."""
    away = points - at
    if (away == 0).all(axis=1).any():
        return True
    angles = np.sort(np.arctan2(away[:, 1], away[:, 0]))
    gaps = np.diff(np.append(angles, angles[0] + 2 * np.pi))
    return bool(gaps.max() <= np.pi + 1e-9)


def test_sums_of_integers_are_those_of_real_numbers() -> None:
    values = np.random.default_rng(5).integers(-3000, 9000, (29, 31, 7)).astype(np.int16)
    for spacing_mm in ((0.8, 0.8, 5.0), (0.8, 1.2, 1.2), (2.5, 2.5, 0.3)):
        few = shrink(make_volume(values, spacing_mm=spacing_mm))
        real = shrink(make_volume(values.astype(np.float32), spacing_mm=spacing_mm))
        assert np.array_equal(few.values_hu, real.values_hu)


def synthetic(phase: str, number: int, matrix_px: int) -> Volume:
    patient = cohort_patients(PhantomSettings(patients=4, phases=("up", "cmp", "np", "ep"), seed=23))[number]
    scan = scan_patient(patient, draw_body(patient, seed=23), phase=phase, matrix_px=matrix_px, seed=23)
    return make_volume(scan.values_hu.T, spacing_mm=scan.spacing_mm, origin_mm=scan.origin_mm)


@pytest.mark.parametrize("first", [0, 20])  # whole, and cut by the edge of the image
def test_the_body_is_that_of_whole_openings(first: int) -> None:
    volume = synthetic("np", 1, 96)
    scan = shrink(make_volume(volume.values[first:, first:], spacing_mm=volume.spacing_mm))
    solid, disc = scan.values_hu > landmarks.AIR_HU, np.ones((3, 3, 1), dtype=bool)
    pieces, _ = ndimage.label(ndimage.binary_opening(solid, disc, iterations=2))
    largest = 1 + int(np.bincount(pieces.ravel())[1:].argmax())
    body = find_body(scan)
    assert body is not None
    assert np.array_equal(body, ndimage.binary_dilation(pieces == largest, disc, iterations=2) & solid)


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "first"), [("up", 0), ("cmp", 32), ("ep", 0)])  # 32: the spine is off the middle
def test_labels_scores_and_hu_are_those_of_whole_transforms_and_filters(
    phase: str, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = synthetic(phase, first // 32, 144)
    volume = make_volume(whole.values[first:], spacing_mm=whole.spacing_mm, origin_mm=whole.origin_mm)
    found = find_organs(volume)
    assert found is not None
    measured = enhancement.measure_enhancement(volume, found)
    for room in (kidneys, enhancement):
        monkeypatch.setattr(room, "Nearness", ByTransform)
    for room in (kidneys, landmarks):
        monkeypatch.setattr(room, "gaussian_in", _smoothed_whole)
    monkeypatch.setattr(landmarks, "_middle_window", lambda bone, _: tuple(slice(0, n) for n in bone.shape))
    expected = find_organs(volume)
    assert expected is not None
    assert np.array_equal(found.labels, expected.labels)
    assert found.scores == expected.scores
    assert measured == enhancement.measure_enhancement(volume, expected)


def _smoothed_whole(values: Any, widths: Any, window: Any) -> Any:
    return ndimage.gaussian_filter(values, widths, truncate=2.0)[window]
