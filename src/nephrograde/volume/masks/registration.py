"""How far the region around a tumour moved between two scans of one patient: a rigid registration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nephrograde.volume.grid import Grid
from nephrograde.volume.overlay import bounding_box

if TYPE_CHECKING:
    import numpy.typing as npt
    import SimpleITK

    from nephrograde.vocabulary import MaskArray, Triple
    from nephrograde.volume.volume import Volume

MARGIN_MM = 30.0
SEARCH_MM = 30.0
"""Margin around the tumour that is registered, and how far breathing may have moved it up or down."""
MOST_SHIFT_MM = 50.0
MOST_TURN_DEG = 20.0
_STEP_MM = 2.0  # approximate sampling distance within the region
_SEARCH_STEP_MM = 5.0
_RANGE_HU = (-200.0, 300.0)  # outside it, bowel gas and bone would outweigh the kidney
_BINS = 32
_FEWEST_VOXELS = 8  # along each axis, for a meaningful metric


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """A rigid motion of the patient from one scan to another (LPS): rotation about the origin, then shift.

    ``gain`` is the increase in mutual information of the two scans, in nats; ``moved_mm`` how far it moves the middle
    of the tumour. ``is_found`` is false if no registration was requested, or if it failed; ``is_tried`` distinguishes
    the two. ``failure`` is "too-far" if the best motion exceeds what breathing can cause, in which case it is given in
    ``moved_mm`` and ``turn_deg`` but not applied, and "no-overlap" if the scans share too little of the region; it is
    empty if staying in place is best.
    """

    rotation: npt.NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    shift_mm: Triple = (0.0, 0.0, 0.0)
    moved_mm: float = 0.0
    turn_deg: float = 0.0
    gain: float = 0.0
    is_found: bool = False
    is_tried: bool = False
    failure: Literal["", "too-far", "no-overlap"] = ""

    def __str__(self) -> str:
        if self.is_found:
            return (
                f"after a rigid registration (moved {self.moved_mm:.1f} mm, turned {self.turn_deg:.1f}°, mutual "
                f"information +{self.gain:.3f})"
            )
        return "by position (a rigid registration found nothing better)" if self.is_tried else "by position"

    def move(self, place_mm: Triple) -> Triple:
        """Return where a position in the first scan lies in the second.

        Args:
            place_mm: LPS, mm.
        """
        x, y, z = self.rotation @ np.asarray(place_mm) + self.shift_mm
        return float(x), float(y), float(z)

    def move_grid(self, grid: Grid) -> Grid:
        """Return where the voxels of a grid in the first scan lie in the second.

        Args:
            grid: Its size and spacing are kept.
        """
        direction = self.rotation @ grid.direction
        return Grid(grid.size, grid.spacing_mm, self.move(grid.origin_mm), direction, source=grid.source)


def find_height(source: Volume, target: Volume, *, mask: MaskArray, near: MaskArray) -> float:
    """Find how far breathing moved the region around a tumour up or down between two scans.

    Args:
        source: The scan with the tumour drawn.
        target: The other scan.
        mask: The tumour on the grid of ``source``.
        near: The tumour on the grid of ``target``, by position.

    Returns:
        The shift towards the head in mm, in steps of 5 up to 30, with the highest mutual information; 0 if it cannot be
        determined.

    Source: As in :func:`register_region`.
    """
    import SimpleITK  # takes a tenth of a second, and few scans need it

    fixed, moving = _region(target, near, MARGIN_MM), _region(source, mask, MARGIN_MM + SEARCH_MM)
    if min(*fixed.GetSize(), *moving.GetSize()) < _FEWEST_VOXELS:
        return 0.0
    try:
        return -_best_height(fixed, moving, SimpleITK.Euler3DTransform())
    except RuntimeError:  # the two regions do not overlap enough
        return 0.0


def register_region(source: Volume, target: Volume, *, mask: MaskArray, near: MaskArray) -> Motion:
    """Find the rigid motion of the region around a tumour between two scans.

    Maximizes the mutual information of the two scans, which is insensitive to the contrast phase: first over shifts up
    and down, where breathing moves the kidney most, then over shift and rotation. It runs on one thread and samples
    regularly, so that the same scans always give the same motion.

    Args:
        source: The scan with the tumour drawn.
        target: The other scan.
        mask: The tumour on the grid of ``source``.
        near: The tumour on the grid of ``target``, by position.

    Returns:
        The motion; not ``is_found`` if nothing is better than staying in place, or if the best motion exceeds what
        breathing can cause (50 mm, 20°).

    Source: Mattes et al. 2003, "PET-CT image registration in the chest using free-form deformations" (IEEE TMI 22:120),
        for the metric; the search and its limits are ours.
    """
    import SimpleITK  # takes a tenth of a second, and few scans need it

    fixed, moving = _region(target, near, MARGIN_MM), _region(source, mask, MARGIN_MM + SEARCH_MM)
    if min(*fixed.GetSize(), *moving.GetSize()) < _FEWEST_VOXELS:
        return Motion(is_tried=True, failure="no-overlap")
    center_mm = np.array(target.to_mm(np.mean(bounding_box(near), axis=0)))
    transform = SimpleITK.Euler3DTransform()
    transform.SetCenter(center_mm.tolist())
    try:
        in_place = _measure(fixed, moving, transform)
        transform.SetTranslation([0.0, 0.0, _best_height(fixed, moving, transform)])
        method = _method()
        method.SetInitialTransform(transform, inPlace=True)
        method.Execute(fixed, moving)
        gain = in_place - _measure(fixed, moving, transform)
    except RuntimeError:  # the two regions do not overlap enough
        return Motion(is_tried=True, failure="no-overlap")
    # The transform maps the target to the source; the patient has moved the other way.
    onto = np.array(transform.GetMatrix()).reshape(3, 3)
    rotation = onto.T
    at_center_mm = np.array(transform.TransformPoint(center_mm.tolist()))
    moved_mm = float(np.linalg.norm(at_center_mm - center_mm))
    turn_deg = float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))
    shift = center_mm - rotation @ at_center_mm
    if gain <= 0:
        return Motion(is_tried=True)
    if moved_mm > MOST_SHIFT_MM or turn_deg > MOST_TURN_DEG:
        return Motion(moved_mm=moved_mm, turn_deg=turn_deg, gain=float(gain), is_tried=True, failure="too-far")
    return Motion(
        rotation, (float(shift[0]), float(shift[1]), float(shift[2])), moved_mm, turn_deg, float(gain), True, True
    )


def _region(volume: Volume, mask: MaskArray, margin_mm: float) -> SimpleITK.Image:
    """Return the region around a mask at about 2 mm, as floating point, clipped to soft tissue."""
    import SimpleITK  # takes a tenth of a second, and few scans need it

    spacing_mm = np.array(volume.spacing_mm)
    margin = np.ceil(margin_mm / spacing_mm).astype(int)
    low, high = (np.array(corner) for corner in bounding_box(mask))
    first, last = np.maximum(low - margin, 0), np.minimum(high + margin + 1, volume.values.shape)
    part = volume.values[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    values: Any = np.clip(part.astype(np.float32), *_RANGE_HU)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(values.T))
    image.SetSpacing(volume.spacing_mm)
    image.SetOrigin(volume.to_mm(first))
    image.SetDirection(volume.direction.ravel().tolist())
    factors = np.maximum(np.round(_STEP_MM / spacing_mm), 1).astype(int)
    return SimpleITK.BinShrink(image, [int(factor) for factor in factors])


def _method() -> SimpleITK.ImageRegistrationMethod:
    import SimpleITK  # takes a tenth of a second, and few scans need it

    method = SimpleITK.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # with several, sums would depend on their order
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.25, 20260415)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=0.02, numberOfIterations=100, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([4.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    return method


def _measure(fixed: SimpleITK.Image, moving: SimpleITK.Image, transform: SimpleITK.Transform) -> float:
    """Return the negative mutual information of the two scans under a transform; lower is better."""
    method = _method()
    method.SetInitialTransform(transform)
    return float(method.MetricEvaluate(fixed, moving))


def _best_height(fixed: SimpleITK.Image, moving: SimpleITK.Image, transform: SimpleITK.Euler3DTransform) -> float:
    """Return the shift along z with the highest mutual information, on a grid; staying in place wins a tie."""
    import SimpleITK  # takes a tenth of a second, and few scans need it

    heights = sorted(np.arange(-SEARCH_MM, SEARCH_MM + 1, _SEARCH_STEP_MM), key=abs)
    measured = []
    for height in heights:
        shifted = SimpleITK.Euler3DTransform(transform)
        shifted.SetTranslation([0.0, 0.0, float(height)])
        measured.append(_measure(fixed, moving, shifted))
    return float(heights[int(np.argmin(measured))]) + 0.0
