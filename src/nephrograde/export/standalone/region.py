"""The region that a nephrograde model sees of a scan, cut with numpy alone; a transform for MONAI's ``Compose``.

The tumour is what the mask marks, on the grid of the scan. Axes are turned to the left, the back and the head of the
patient, and never resampled but for the region itself, by linear interpolation after a blur where it is coarser than
the scan. It gives what nephrograde shows the same model, but for the last digit. Research use only.
"""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_LPS = np.diag([-1.0, -1.0, 1.0])
_AIR_HU, _HOLDS_AIR_BELOW = -1000.0, -900.0
_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))


class CutRegiond:
    """From ``image`` and ``mask``, ``(1, …)`` with their affines to RAS, to the pictures that the network is shown.

    ``image`` becomes ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``, in HU; for a window of percentiles, in
    [0, 1]. ``mask`` becomes the mask of a box, ``(row, 1, x, y, z)``, 0 or 1; for slices it is left out.

    Args:
        settings: What ``configs/model.json`` holds.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._given = settings["preprocessing"]

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Cut the region of one patient."""
        image, mask = data["image"], data["mask"]
        affine = np.asarray(image.affine, np.float64)
        if image.shape != mask.shape or not np.allclose(affine, np.asarray(mask.affine, np.float64), atol=1e-3):
            raise ValueError("the mask is not on the grid of the image")
        values, spacing = _oriented(np.asarray(image)[0], affine)
        drawn, _ = _oriented(np.asarray(mask)[0], affine)
        drawn = drawn > 0.5
        if not drawn.any():
            raise ValueError("the mask marks no tumour")
        arm, sizes = self._given["arm"], self._given["image"]
        middle, first, last, annotated, middles = _target(drawn, spacing, arm["supervision"], sizes)
        if not arm["slices"]:
            return self._box(values, drawn, middle, spacing)
        mm = sizes["whole_mm"] if arm["supervision"] == "slice" else sizes["slice_mm"]
        edge, top = (mm, mm), values.shape[2] - 1
        counts = (sizes["slice_px"],) * 2
        rows = []
        for k in _slices(first, last, annotated, arm["slices"]):
            beside = [min(max(k + one, 0), top) for one in range(-arm["neighbours"], arm["neighbours"] + 1)]
            axes = _axes(values.shape[:2], middles.get(k, middle)[:2], spacing[:2], size_mm=edge, counts=counts)
            planes = [_sampled(values[:, :, one], values, axes, antialias=sizes["antialias"]).T for one in beside]
            rows.append(self._windowed(np.stack(planes)))
        return {"image": np.stack(rows).astype(np.float32)}

    def _box(self, values: Array, drawn: Array, middle: Array, spacing: Array) -> dict[str, Any]:
        sizes = self._given["image"]
        axes = _axes(values.shape, middle, spacing, size_mm=sizes["box_mm"], counts=sizes["box_voxels"])
        box = self._windowed(_sampled(values, values, axes, antialias=sizes["antialias"])[None])
        found = {"image": box[None].astype(np.float32)}
        if "mask" in self._given["channels"]:
            share = _sampled(drawn.astype(np.float32), None, axes, antialias=False)
            found["mask"] = (share >= 0.5).astype(np.float32)[None, None]
        return found

    def _windowed(self, pictures: Array) -> Array:
        """Pictures with their percentiles at 0 and 1, for a window of percentiles."""
        [window] = self._given["window"].values()
        if not window["percentiles"]:
            return pictures
        low, high = np.percentile(pictures, [window["low"], window["high"]])
        if not low < high:
            return np.zeros_like(pictures)
        return np.asarray(np.clip((pictures - np.float32(low)) / np.float32(high - low), 0.0, 1.0))


def _oriented(values: Array, affine: Array) -> tuple[Array, Array]:
    """Values on axes to the left, the back and the head, and their spacing in mm."""
    matrix = _LPS @ affine[:3, :3]
    spacing = np.linalg.norm(matrix, axis=0)
    cosines = matrix / spacing
    order = max(permutations(range(3)), key=lambda axes: sum(abs(cosines[row, axes[row]]) for row in range(3)))
    flips = tuple(slice(None, None, -1 if cosines[row, axis] < 0 else 1) for row, axis in enumerate(order))
    return values.transpose(order)[flips], spacing[list(order)]


def _target(drawn: Array, spacing: Array, level: str, sizes: dict[str, Any]) -> tuple[Any, ...]:
    """Middle of the tumour in voxels, first, last and chosen slice, and the middle of the crop on single slices."""
    areas = drawn.sum(axis=(0, 1))
    k, top = int(areas.argmax()), drawn.shape[2] - 1
    if level in {"mask", "box"}:
        spans = [np.flatnonzero(drawn.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        slices = np.flatnonzero(areas)
        ends = {int(one): [np.flatnonzero(drawn[:, :, one].any(axis=axis)) for axis in (1, 0)] for one in slices}
        middles = {one: np.array([(line[0] + line[-1]) / 2 for line in lines]) for one, lines in ends.items()}
        middle = np.array([(span[0] + span[-1]) / 2 for span in spans])
        return middle, int(slices[0]), int(slices[-1]), k, middles
    if level == "point":  # where a reader would click
        voxels = np.argwhere(drawn[:, :, k])
        nearest = ((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1).argmin()
        middle = np.array([*voxels[nearest], k], np.float64)
    else:
        middle = np.array([(drawn.shape[0] - 1) / 2, (drawn.shape[1] - 1) / 2, k])
    half = sizes["assumed_tumour_mm"] / 2 / spacing[2]
    first, last = (int(np.clip(round(end), 0, top)) for end in (k - half, k + half))
    return middle, first, last, k, {}


def _slices(first: int, last: int, annotated: int, count: int) -> list[int]:
    """The chosen slice, and the middle one of each of the other parts of the tumour."""
    if count == 1:
        return [annotated]
    edges = np.linspace(first, last + 1, count + 1)
    middles = np.minimum((edges[:-1] + edges[1:]) // 2, last).astype(int)
    middles[int(np.clip(np.searchsorted(edges, annotated, side="right") - 1, 0, count - 1))] = annotated
    return sorted(set(middles.tolist()))


def _axes(shape: Any, middle: Any, spacing: Any, *, size_mm: Any, counts: Any) -> list[tuple[int, float, float, int]]:
    """Of each axis: voxels, first place, step and number of places."""
    found = []
    for size, at, voxel, mm, count in zip(shape, middle, spacing, size_mm, counts, strict=True):
        step = mm / count / voxel
        found.append((int(size), float(at - (count - 1) / 2 * step), float(step), int(count)))
    return found


def _sampled(values: Array, scan: Array | None, axes: list[tuple[int, float, float, int]], *, antialias: bool) -> Array:
    """Sample along every axis; outside the scan is air, or the lowest value that was sampled; 0 without a scan."""
    insides = []
    for axis, (size, start, step, count) in enumerate(axes):
        weights, first, inside = _weights(size, start, step, count, antialias=antialias)
        part = values.take(range(first, first + weights.shape[1]), axis=axis).astype(np.float32)
        values = np.moveaxis(np.tensordot(weights, part, axes=(1, axis)), 0, axis)
        insides.append(inside)
    is_inside = np.logical_and.outer(*insides[:2])
    if len(insides) == 3:
        is_inside = np.logical_and.outer(is_inside, insides[2])
    if not is_inside.all():
        lowest = 0.0 if scan is None else float(scan.min())
        if lowest < _HOLDS_AIR_BELOW:
            lowest = _AIR_HU
        elif scan is not None and is_inside.any():
            lowest = float(values[is_inside].min())
        values[~is_inside] = lowest
    return values


def _weights(size: int, start: float, step: float, count: int, *, antialias: bool) -> tuple[Array, int, Array]:
    """The weights of each place over a part of an axis, where the part begins, and which places are inside."""
    places = start + np.arange(count) * step
    inside = (places >= -0.5) & (places <= size - 0.5)
    places = np.clip(places, 0, size - 1)
    lower = np.floor(places).astype(int)
    kernel = _blur(step) if antialias and step > 1 else np.ones(1)
    reach = len(kernel) // 2
    first, stop = max(int(lower[0]) - reach, 0), min(int(lower[-1]) + reach + 2, size)
    weights = np.zeros((count, stop - first))
    for offset, share in enumerate(kernel, start=-reach):
        for neighbour, part in ((lower, 1.0 - places + lower), (lower + 1, places - lower)):
            np.add.at(weights, (np.arange(count), np.clip(neighbour + offset, 0, size - 1) - first), share * part)
    return weights.astype(np.float32), first, inside


def _blur(step: float) -> Array:
    """The discrete Gaussian (Lindeberg 1990) that widens a voxel to ``step`` voxels at half maximum."""
    variance = (step**2 - 1.0) / _FWHM**2
    reach = math.ceil(4.0 * math.sqrt(variance)) + 1
    angles = (np.arange(4096) + 0.5) * (math.pi / 4096)  # the integral of the Bessel function
    numbers = np.arange(-reach, reach + 1)
    kernel = (np.exp(variance * (np.cos(angles) - 1.0)) * np.cos(numbers[:, None] * angles)).mean(axis=1)
    return np.asarray(kernel / kernel.sum())
