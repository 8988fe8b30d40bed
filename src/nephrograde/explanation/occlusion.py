"""Occlusion: how the log odds of the answer change if a patch of the region is hidden from the networks.

A patch is a square of a slice or a cube of a box, in mm along the axes of the scan. Its pixels take the mean of their
channel over the picture, or a value in HU. A mask stays, as do phases that the patient does not have. What is hidden in
one picture stays visible in the others, and each of the pictures is hidden in turn.

Source: Zeiler & Fergus 2014, arXiv:1311.2901, section 4.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nephrograde.errors import InputError, Problem
from nephrograde.run.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from nephrograde.explanation.activation import Activation
    from nephrograde.explanation.head import Heads, Inputs
    from nephrograde.run.progress import Progress
    from nephrograde.sample.frames import Frame
    from nephrograde.study import StudyModel, Window

    Pictures = npt.NDArray[np.float32]

PATCH_MM = 20.0
"""Edge of a patch, if none is given: smaller than most tumours that are operated on."""
MOST_VOXELS = 200_000_000
"""Pixels or voxels that the networks look at if no patch is given; patches become larger until it is enough. Some
minutes for the box of the paper and five folds."""
MOST_PATCHES = 20_000
"""More are refused, as they would take hours."""
NO_DIFFERENCE = 0.5
"""The grey value of two phases that are equal, in the channels of their difference."""
_GROWS = 1.1
_IN_BATCH = 2_000_000
_LARGEST_BATCH = 32


@dataclass(frozen=True, slots=True)
class Occlusion:
    """How a region is hidden, patch by patch.

    Attributes:
        patch_mm: Edge of a patch; chosen by what the networks can look at in a few minutes when None.
        step_mm: Distance from one patch to the next; half of the edge when None.
        fill_hu: What hidden pixels take, such as -100 (fat); the mean of the picture when None.

    >>> Occlusion(patch_mm=20.0).step_mm is None
    True
    """

    patch_mm: float | None = None
    step_mm: float | None = None
    fill_hu: float | None = None


class Patches(NamedTuple):
    """Edge of the patches and distance between them, mm, and how many are hidden, one after the other."""

    patch_mm: float
    step_mm: float
    hidden: int


@dataclass(frozen=True, slots=True, eq=False)
class Hidden:
    """What occlusion has found.

    Attributes:
        rows: ``(row, …)`` per pixel, ``y x`` or ``x y z`` as in the region: the log odds of the answer as given, less
            those with the patch hidden, as the mean over all patches that hide the pixel. Above 0 where the picture
            speaks for high grade.
        patches: As used.
    """

    rows: npt.NDArray[np.float64] = field(repr=False)
    patches: Patches


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """What the networks are shown of a patient, and what hidden pixels take.

    Attributes:
        pictures: ``(row, channel, y, x)`` or ``(row, channel, x, y, z)``.
        frames: Where each of them lies.
        fills: ``(row, channel)``.
        has_mask: Whether the last channel is a mask, which stays.
    """

    pictures: Pictures = field(repr=False)
    frames: Sequence[Frame]
    fills: npt.NDArray[np.float32] = field(repr=False)
    has_mask: bool

    def places(self, row: int, patches: Patches) -> Iterator[tuple[Any, ...]]:
        """The pixels of each patch, along the axes of the picture."""
        shape = self.pictures.shape[2:]
        edges = self.frames[row].size_mm
        turned = edges[::-1] if len(shape) == 2 else edges  # a slice is "y x"
        yield from product(*(_spans(edge, count, patches) for edge, count in zip(turned, shape, strict=True)))

    def without(self, row: int, place: tuple[Any, ...]) -> Pictures:
        """A copy of a picture with a patch hidden; the channels of a missing phase, which are below 0, stay."""
        images = self.pictures.shape[1] - self.has_mask
        copy: Pictures = self.pictures[row].copy()
        hidden = copy[(slice(0, images), *place)]
        hidden[:] = np.where(hidden >= 0, self.fills[row, :images].reshape(-1, *[1] * len(place)), hidden)
        return copy


def plan_patches(frames: Sequence[Frame], size: Sequence[int], wanted: Occlusion) -> Patches:
    """Choose the patches, or check those that are wanted.

    Args:
        frames: Where the pictures lie.
        size: Pixels of a picture, along the axes of the frames.
        wanted: What the caller asked for.

    Raises:
        InputError: A patch is smaller than a pixel or larger than the picture, patches would leave gaps, or there would
            be too many.
    """
    edges = [frame.size_mm for frame in frames]
    pixel_mm = max(edge / count for one in edges for edge, count in zip(one, size, strict=True))
    smallest = min(edge for one in edges for edge in one)
    patch_mm = min(PATCH_MM, smallest / 2) if wanted.patch_mm is None else wanted.patch_mm
    patch_mm = max(patch_mm, pixel_mm) if wanted.patch_mm is None else patch_mm
    problems = []
    if not pixel_mm * (1 - 1e-9) <= patch_mm <= smallest:
        what = f"is {patch_mm:g} mm, and a pixel has {pixel_mm:.2f} mm and the region {smallest:g} mm"
        problems.append(Problem("patch_mm", what, "Give an edge between both."))
    if wanted.step_mm is not None and not 0 < wanted.step_mm <= patch_mm:
        what = f"is {wanted.step_mm:g} mm, which would leave gaps between patches of {patch_mm:g} mm"
        problems.append(Problem("step_mm", what, "Give a distance above 0 and not above the edge of a patch."))
    if problems:
        raise InputError(problems)

    def count_of(patch: float, step: float) -> int:
        return sum(math.prod(len(_starts(edge, patch, step)) for edge in one) for one in edges)

    step_mm = patch_mm / 2 if wanted.step_mm is None else wanted.step_mm
    voxels = math.prod(size)
    while wanted.patch_mm is None and wanted.step_mm is None and count_of(patch_mm, step_mm) * voxels > MOST_VOXELS:
        if patch_mm * _GROWS > smallest:
            break
        patch_mm, step_mm = patch_mm * _GROWS, step_mm * _GROWS
    count = count_of(patch_mm, step_mm)
    if count > MOST_PATCHES:
        what = f"gives {count} patches, and at most {MOST_PATCHES} are hidden"
        raise InputError([Problem("step_mm", what, "Give larger patches, or a larger distance between them.")])
    return Patches(patch_mm, step_mm, count)


def fill_of(
    pictures: Pictures, own: StudyModel, windows: Sequence[Window], fill_hu: float | None
) -> npt.NDArray[np.float32]:
    """Return what the hidden pixels of each picture take, ``(row, channel)``.

    Args:
        pictures: ``(row, channel, …)``.
        own: The model.
        windows: Of each row; in early fusion, of each phase of the model.
        fill_hu: A value, or None for the mean of each channel.

    Raises:
        InputError: A value in HU is given, and the window of a phase is given by percentiles.
    """
    means = np.asarray(pictures.mean(axis=tuple(range(2, pictures.ndim))), np.float32)
    if fill_hu is None:
        return means
    if any(one.percentiles for one in windows):
        what = f"is {fill_hu:g} HU, but the model has a window of percentiles"
        raise InputError([Problem("fill_hu", what, "Leave it out: the mean of the picture is used.")])
    greys = [min(max((fill_hu - one.low) / (one.high - one.low), 0.0), 1.0) for one in windows]
    if own.fusion == "early":
        each = 2 * own.arm.neighbours + 1
        shown = np.repeat([*greys, *[NO_DIFFERENCE] * len(own.arm.differences)], each)
        means[:, : len(shown)] = shown
        return means
    means[:, : means.shape[1] - own.arm.has_mask] = np.array(greys, np.float32)[:, None]
    return means


def hide(
    region: Region,
    patches: Patches,
    change: Callable[[int, Pictures], Sequence[float]],
    progress: Progress = silent,
) -> Hidden:
    """Hide every patch in turn.

    Args:
        region: What the networks are shown.
        patches: From :func:`plan_patches`.
        change: Given a row and copies of its picture, how much the log odds fall with each.
        progress: Shows what is left.
    """
    shape = region.pictures.shape[2:]
    found = np.zeros((len(region.pictures), *shape))
    counts = np.zeros_like(found)
    at_once = max(1, min(_LARGEST_BATCH, _IN_BATCH // math.prod(shape)))
    with progress("occlusion", patches.hidden) as advance:
        for row in range(len(region.pictures)):
            places = list(region.places(row, patches))
            for start in range(0, len(places), at_once):
                batch = places[start : start + at_once]
                falls = change(row, np.stack([region.without(row, place) for place in batch]))
                for place, fall in zip(batch, falls, strict=True):
                    found[(row, *place)] += fall
                    counts[(row, *place)] += 1
                    advance()
    return Hidden(found / counts, patches)


def falls_of(
    activation: Activation, heads: Heads, inputs: Inputs, maps_of: Callable[[Pictures], npt.NDArray[np.float32]]
) -> Callable[[int, Pictures], Sequence[float]]:
    """Return how much the log odds of a patient fall if copies take the place of a picture.

    Args:
        activation: Of the patient as given.
        heads: Those of the grader file.
        inputs: What they are given besides.
        maps_of: The last feature maps of pictures, ``(fold, row, feature, …)``.
    """

    def falls(row: int, copies: Pictures) -> list[float]:
        maps = maps_of(copies)
        means = maps.mean(axis=tuple(range(3, maps.ndim)), dtype=np.float64)
        found = []
        for copy in range(len(copies)):
            logits = []
            for fold, given in enumerate(activation.features):
                features = given.copy()
                features[row] = means[fold, copy]
                logits.append(heads.read(features, fold, inputs).logit)
            found.append(activation.log_odds - heads.odds_of(logits))
        return found

    return falls


def _spans(edge_mm: float, count: int, patches: Patches) -> Iterable[slice]:
    """The pixels along one axis whose centres lie in each patch."""
    pixel_mm = edge_mm / count
    for start in _starts(edge_mm, patches.patch_mm, patches.step_mm):
        first = math.ceil(start / pixel_mm - 0.5 - 1e-9)
        stop = math.ceil((start + patches.patch_mm) / pixel_mm - 0.5 - 1e-9)
        yield slice(first, max(min(stop, count), first + 1))


def _starts(edge_mm: float, patch_mm: float, step_mm: float) -> list[float]:
    """Where patches begin along an axis: from one end to the other at equal distances, none above the step."""
    room = max(edge_mm - patch_mm, 0.0)
    count = math.ceil(room / step_mm - 1e-9) + 1
    return [float(start) for start in np.linspace(0.0, room, count)]
