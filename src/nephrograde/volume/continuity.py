"""Whether the slices of a scan show one body: neighbours resemble each other, and slices far apart do not.

Two slices are compared by the mean squared difference of a coarse copy. In a body it grows with the distance between
them, up to 50 mm and more, at any slice thickness. Over 276 images (CT, PET, MR and drawn anatomies) every limit
below is missed by a factor of 1.4 or more. Where a body hardly changes from slice to slice, its order is not judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from nephrograde.volume.finding import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.volume.coarse import CoarseArray

Distances: TypeAlias = Annotated[npt.NDArray[np.float64], "slice slice"]

FEWEST_COMPARED = 8
"""With fewer slices, none lie far enough apart to compare with."""
FEWEST_CELLS = 16
BLANK_BELOW = 0.005
EVEN_BELOW = 0.1
"""Standard deviations of a slice that shows nothing, inside the window and at all, as fractions of the window."""
OFFSET_FROM = 0.2
OFFSET_SHARE = 0.7
"""If its rescaling is wrong, this fraction of a slice differs from its neighbour in one direction, by at least this
fraction of the window (100 HU)."""
SEAM_CHANGE = 0.05
SEAM_SHARE = 0.12
"""At a seam, more than this fraction of the slice changes by this fraction of the window (25 HU); where an organ ends,
less does."""
SEAM_OF_USUAL = 8.0
SEAM_OF_BESIDE = 4.0
SEAM_OF_FAR = 0.5
"""At a seam, neighbours differ by this factor more than neighbours usually do and than those beside the seam do, and
by this fraction of how slices ``FAR_MM`` apart differ."""
FAR_MM = 50.0
MISPLACED_BELOW = 0.45
"""Slices lie in the wrong place if their neighbours without them, or they in reverse order, differ by less than this
fraction."""
UNORDERED_FROM = 0.6
"""Neighbours of slices in no order differ as much as any two slices; 0.02 to 0.3 of it in a body."""
EXCHANGED_FROM = 1.15
EXCHANGED_AT_END_FROM = 1.6
EXCHANGED_FROM_DEVIATIONS = 6.0
"""Two neighbouring slices are exchanged if the slices beside them, up to three on either side, all resemble them more
the other way round, and the differences to those beside are this much larger as they are: by a factor (another at
either end, where one odd slice may look like it), and by as many standard deviations as noise does not reach. In 276
images no factor is above 0.75 where all agree."""
STRUCTURE_FROM = 1.25
"""How much more than nearest slices any two must differ on average before an order can be seen."""
ALTERNATING_BELOW = 0.2
"""Where every slice is stored twice, but not bit for bit, every second difference is this fraction of the others."""
FAR_TWIN_BELOW = 0.6
FAR_STRUCTURE_FROM = 4.0


class Continuity(NamedTuple):
    """What is wrong with the slices, as indices along the stack; all empty in one body.

    Attributes:
        blank: Slices of one value between others that are not.
        copies: Slices that equal an earlier one.
        offset: Slices whose values all lie higher or lower than those of the others.
        offset_by: The median difference.
        seams: The first slices of parts that do not continue the part before.
        misplaced: Slices that belong in another place; of a part in reverse order, the first and the last.
        is_doubled: Every slice is stored twice, not bit for bit.
        is_unordered: The slices are in no order.
        is_repeated: The stack shows the same anatomy twice.
    """

    blank: tuple[int, ...] = ()
    copies: tuple[int, ...] = ()
    offset: tuple[int, ...] = ()
    offset_by: float = 0.0
    seams: tuple[int, ...] = ()
    misplaced: tuple[int, ...] = ()
    is_doubled: bool = False
    is_unordered: bool = False
    is_repeated: bool = False

    def counted_down(self, count: int) -> Continuity:
        """Return the same with slices counted from the other end.

        Args:
            count: Number of slices.
        """

        def turned(numbers: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(count - 1 - k for k in reversed(numbers))

        return self._replace(
            blank=turned(self.blank),
            copies=turned(self.copies),
            offset=turned(self.offset),
            seams=turned(self.seams),
            misplaced=turned(self.misplaced),
        )


def find_breaks(coarse: CoarseArray, *, step_mm: float, window: tuple[float, float]) -> Continuity:
    """Look for slices that do not continue their neighbours.

    Args:
        coarse: From :func:`~nephrograde.volume.coarse.coarsen`.
        step_mm: Distance between neighbouring slices.
        window: Lowest and highest value that tell tissues apart; what lies beyond is taken as equal.

    Returns:
        What was found; nothing for a stack too small to compare.

    >>> body = np.zeros((20, 32, 32), np.float32)
    >>> for k in range(20):
    ...     body[k, k : k + 10] = 100
    >>> find_breaks(body, step_mm=5.0, window=(-200, 300)) == Continuity()
    True
    >>> find_breaks(body[[*range(10), *range(10)]], step_mm=5.0, window=(-200, 300)).copies[:3]
    (10, 11, 12)
    """
    if len(coarse) < FEWEST_COMPARED or min(coarse.shape[1:]) < FEWEST_CELLS or window[0] == window[1]:
        return Continuity()
    coarse = _pooled(coarse)
    shown = np.clip(coarse, *window)
    width = window[1] - window[0]
    is_blank = (shown.std(axis=(1, 2)) < BLANK_BELOW * width) & (coarse.std(axis=(1, 2)) < EVEN_BELOW * width)
    filled = np.flatnonzero(~is_blank)
    if len(filled) < FEWEST_COMPARED:
        return Continuity()
    blank = tuple(k for k in range(filled[0], filled[-1]) if is_blank[k])
    # Where a resampled image ends before the stack, its last slice is part blank.
    filled = filled[1 if filled[0] > 0 else 0 : -1 if filled[-1] < len(coarse) - 1 else None]
    offset, offset_by = _offset(coarse[filled], filled, OFFSET_FROM * width)
    if offset:
        return Continuity(blank, offset=offset, offset_by=offset_by)
    copies = _copies(coarse[filled], filled)
    kept = np.array([k for k in filled if k not in set(copies)])
    found = Continuity(blank, copies)
    if len(kept) < FEWEST_COMPARED:
        return found
    between = _distances(shown[kept])
    if _is_unordered(between):
        return found._replace(is_unordered=True)
    far = _far_lag(len(kept), step_mm * (len(filled) / len(kept)))
    misplaced = sorted({*_misplaced(between), *_exchanged(between, shown[0].size)})
    is_other = np.abs(np.diff(shown[kept], axis=0)) > SEAM_CHANGE * width
    changed = is_other.mean(axis=(1, 2)) > SEAM_SHARE
    return found._replace(
        misplaced=tuple(int(kept[k]) for k in misplaced),
        seams=() if misplaced else tuple(int(kept[k]) for k in _seams(between, far, changed)),
        is_doubled=_is_doubled(between),
        is_repeated=_is_repeated(between),
    )


def check_continuity(found: Continuity, count: int) -> list[Fault]:
    """Put into words where the slices are not those of one body.

    Args:
        found: From :func:`find_breaks`; its slices are counted as in the file.
        count: Number of slices.

    Returns:
        Warnings with code "slices-blank", "slices-offset", "slices-copied", "slices-order", "slices-seam" or
        "slices-repeated".

    >>> print(check_continuity(Continuity(blank=(20, 21)), 44)[0].message)
    2 of 44 slices show nothing, but lie between others that do (slices 20–21, counted from 0).
    """
    faults = []

    def warn(code: str, message: str, remedy: str) -> None:
        faults.append(Fault(code, "warning", message, remedy))

    if found.blank:
        what = f"{len(found.blank)} of {count} slices show nothing, but lie between others that do"
        warn("slices-blank", f"{what} ({_named(found.blank)}).", "Export the series again; these slices were lost.")
    if found.offset:
        what = f"{len(found.offset)} of {count} slices lie about {abs(found.offset_by):.0f} "
        what += f"{'above' if found.offset_by > 0 else 'below'} the others ({_named(found.offset)})"
        remedy = "Their rescale slope and intercept were lost or applied twice; convert the DICOM series again."
        warn("slices-offset", f"{what}, so they are not in the same units.", remedy)
    if found.copies:
        what = f"{len(found.copies)} of {count} slices equal an earlier one ({_named(found.copies)})"
        remedy = "See that no slice is stored twice, and that the slice distance in the file is right."
        warn("slices-copied", f"{what}.", remedy)
    if found.is_doubled:
        remedy = "See that no slice is stored twice, and that the slice distance in the file is right."
        warn("slices-copied", "every second slice hardly differs from the one before.", remedy)
    if found.is_unordered:
        message = "neighbouring slices resemble each other no more than any two slices, so they are out of order."
        warn("slices-order", message, "Convert the scan from its DICOM series again, sorted by slice position.")
    elif found.misplaced:
        message = f"slices lie in the wrong place or in reverse order (at {_named(found.misplaced)})."
        warn("slices-order", message, "Convert the scan from its DICOM series again, sorted by slice position.")
    elif found.seams:
        message = f"the scan does not continue from one slice to the next (at {_named(found.seams)})."
        remedy = "See whether two phases, or the scans of two regions or people, were joined in one file."
        warn("slices-seam", message, remedy)
    if found.is_repeated:
        remedy = "See whether two phases were joined in one file."
        warn("slices-repeated", "the scan shows the same anatomy twice.", remedy)
    return faults


def _named(numbers: Sequence[int]) -> str:
    """Slices by number, runs of neighbours together, and the first few only."""
    runs: list[list[int]] = []
    for k in sorted(numbers):
        if runs and k == runs[-1][-1] + 1:
            runs[-1].append(k)
        else:
            runs.append([k])
    words = [f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs[:5]]
    return f"slice{'s' if len(numbers) > 1 else ''} {', '.join(words)}{' …' if len(runs) > 5 else ''}, counted from 0"


def _offset(coarse: CoarseArray, numbers: npt.NDArray[np.intp], least: float) -> tuple[tuple[int, ...], float]:
    """Return the slices whose level differs from that of most, and by how much."""
    steps = np.diff(coarse, axis=0).reshape(len(coarse) - 1, -1)
    share = np.maximum((steps > least).mean(axis=1), (steps < -least).mean(axis=1))
    jumps = np.zeros(len(steps))
    is_jump = share > OFFSET_SHARE
    if not is_jump.any():
        return (), 0.0
    jumps[is_jump] = np.median(steps[is_jump], axis=1)
    levels = np.concatenate([[0.0], np.cumsum(jumps)])
    grouped = np.round(levels / least)
    kinds, counts = np.unique(grouped, return_counts=True)
    usual = kinds[counts.argmax()]
    odd = grouped != usual
    by = float(np.median(levels[odd]) - np.median(levels[~odd]))
    return tuple(int(k) for k in numbers[odd]), by


def _copies(coarse: CoarseArray, numbers: npt.NDArray[np.intp]) -> tuple[int, ...]:
    seen: set[bytes] = set()
    copies = []
    for k, plane in zip(numbers, coarse, strict=True):
        content = plane.tobytes()
        if content in seen:
            copies.append(int(k))
        seen.add(content)
    return tuple(copies)


def _pooled(planes: CoarseArray) -> CoarseArray:
    """Average two by two cells, if there are many."""
    _, height, width = planes.shape
    if min(height, width) < 4 * FEWEST_CELLS:
        return planes
    planes = planes[:, : height // 2 * 2, : width // 2 * 2]
    return (planes[:, ::2, ::2] + planes[:, 1::2, ::2] + planes[:, ::2, 1::2] + planes[:, 1::2, 1::2]) / np.float32(4)


def _distances(planes: CoarseArray) -> Distances:
    """Mean squared difference of every two slices."""
    cells: npt.NDArray[np.float64] = planes.reshape(len(planes), -1).astype(np.float64)
    cells -= cells.mean(axis=0)
    squares = (cells * cells).sum(axis=1)
    return np.asarray(np.maximum(squares[:, None] + squares - 2 * cells @ cells.T, 0) / cells.shape[1])


def _far_lag(count: int, step_mm: float) -> int:
    return int(np.clip(round(FAR_MM / step_mm), 3, count // 3))


def _is_unordered(between: Distances) -> bool:
    """Whether neighbours resemble each other no more than any two slices do, although some slices do more."""
    others = between + np.diag(np.full(len(between), np.inf))
    nearest = float(others.min(axis=1).mean())
    usual = float(between[np.triu_indices(len(between), 1)].mean())
    neighbours = float(np.diagonal(between, 1).mean())
    if usual < STRUCTURE_FROM * nearest:
        return False
    return neighbours - nearest > UNORDERED_FROM * (usual - nearest)


def _misplaced(between: Distances) -> list[int]:
    """Return slices that resemble their neighbours in another order: in reverse, or without one foreign slice."""
    steps = np.diagonal(between, 1)
    usual = float(np.median(steps))
    inner = np.arange(1, len(between) - 1)
    beside = np.minimum(steps[:-1], steps[1:])
    is_foreign = (np.diagonal(between, 2) < MISPLACED_BELOW * beside) & (beside > 2 * usual)
    odd = {int(k) for k in inner[is_foreign]}
    first, last = np.triu_indices(len(between) - 2, 1)
    first, last = first + 1, last + 1
    as_is = steps[first - 1] + steps[last]
    reversed_ = between[first - 1, last] + between[first, last + 1]
    gains = np.where(as_is > 2 * usual, reversed_ / np.maximum(as_is, 1e-9), np.inf)
    if gains.size and gains.min() < MISPLACED_BELOW:
        best = int(gains.argmin())
        odd |= {int(first[best]), int(last[best])}
    return sorted(odd)


def _exchanged(between: Distances, cells: int) -> list[int]:
    """Return pairs of neighbouring slices whose order does not agree with the slices beside them."""
    count = len(between)
    first = np.arange(count - 1)
    as_is, exchanged = np.zeros(count - 1), np.zeros(count - 1)
    is_agreed = np.ones(count - 1, dtype=bool)
    for lag in (1, 2, 3):
        before, after = first - lag, first + 1 + lag
        has_before, has_after = before >= 0, after < count
        before, after = np.maximum(before, 0), np.minimum(after, count - 1)
        is_agreed &= ~has_before | (between[before, first] > between[before, first + 1])
        is_agreed &= ~has_after | (between[first + 1, after] > between[first, after])
        if lag == 1:
            as_is += has_before * between[before, first] + has_after * between[first + 1, after]
            exchanged += has_before * between[before, first + 1] + has_after * between[first, after]
            sides = has_before.astype(int) + has_after
    least = np.where(sides == 2, EXCHANGED_FROM, EXCHANGED_AT_END_FROM)
    least = np.maximum(least, 1 + EXCHANGED_FROM_DEVIATIONS * np.sqrt(2 / cells))
    is_exchanged = as_is > least * exchanged
    pairs = first[is_agreed & is_exchanged]
    return [*pairs.tolist(), *(pairs + 1).tolist()]


def _seams(between: Distances, far: int, changed: npt.NDArray[np.bool_]) -> list[int]:
    steps = np.diagonal(between, 1)
    usual, apart = float(np.median(steps)), float(np.median(np.diagonal(between, far)))
    padded = np.pad(steps, 1)
    beside = np.maximum(padded[:-2], padded[2:])
    is_seam = (steps > SEAM_OF_USUAL * usual) & (steps > SEAM_OF_BESIDE * beside) & (steps > SEAM_OF_FAR * apart)
    return [int(k) + 1 for k in np.flatnonzero(is_seam & changed)]


def _is_doubled(between: Distances) -> bool:
    steps = np.diagonal(between, 1)
    means = sorted((float(np.median(steps[::2])), float(np.median(steps[1::2]))))
    return means[0] < ALTERNATING_BELOW * means[1]


def _is_repeated(between: Distances) -> bool:
    """Whether the stack shows the same again further on, in the same order or reversed."""
    lags = range(max(len(between) // 4, 4), len(between) * 3 // 4)
    apart = [float(np.median(np.diagonal(between, lag))) for lag in lags]
    reverse = float(np.median(np.diagonal(np.fliplr(between))))
    usual = float(np.median(np.diagonal(between, 1)))
    return min(reverse, *apart) < FAR_TWIN_BELOW * usual and float(np.median(apart)) > FAR_STRUCTURE_FROM * usual
