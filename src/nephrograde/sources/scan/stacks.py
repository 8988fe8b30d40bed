"""The objects of one series: which of them form one stack of slices, in which order, and the stack's properties."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from nephrograde.volume.dicom.dictionary import MASK_CLASSES
from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.dicom.moment import read_moment
from nephrograde.volume.grid import FEWEST_SLICES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SAME_PLACE_MM = 0.01
_EVEN_WITHIN = 0.1
"""How much slice distances may differ before a series counts as uneven on reading."""
_COVERS_FROM = 0.5
"""Two acquisitions show the same region if at least half of the shorter one lies within the other. The slabs of a
step-and-shoot scan, and chest and abdomen in one breath-hold each, overlap by less."""


class Instance(NamedTuple):
    """One object of a series, as stored in the catalogue.

    Attributes:
        place: Where the catalogue finds its file: number of the file, name of the member.
        says: The texts, sizes and flags of its series; slices with equal values share one mapping.
    """

    place: tuple[int, str]
    sop_uid: str
    acquisition: str
    number: int
    n_images: int
    low_mm: float | None
    high_mm: float | None
    step_mm: float | None
    acquired: str
    says: Mapping[str, Any]


def separate_stacks(instances: Sequence[Instance]) -> list[list[Instance]]:
    """Divide the objects of a series into stacks of slices, each ordered along its normal.

    Duplicates (equal SOPInstanceUID, position and numbers) count once. Objects of another kind, size or plane, such as
    a scout stored in the series that was planned on it, form a stack of their own, and so do acquisitions that cover
    the same region, and every segmentation or structure set.

    Args:
        instances: All objects of one series.

    Returns:
        The stacks, the one with the most images first; acquisitions in order of time.

    >>> slices = [Instance((k, ""), f"1.{k}", "7", k, 1, 5.0 * k, 5.0 * k, None, "", {}) for k in (2, 0, 1)]
    >>> [one.low_mm for one in separate_stacks([*slices, *slices])[0]]
    [0.0, 5.0, 10.0]
    """
    kinds: dict[tuple[object, ...], list[Instance]] = defaultdict(list)
    copies = set()
    for one in sorted(instances, key=_along_normal):
        # Exports with one UID for all images exist, so the UID alone does not identify a duplicate.
        identity = (one.sop_uid, one.low_mm, one.number, one.acquisition)
        if one.sop_uid and identity in copies:
            continue
        copies.add(identity)
        kinds[tuple(one.says.get(name) for name in ("sop_class", "rows", "columns", "orientation"))].append(one)
    if kinds and all(one.says.get("sop_class") in MASK_CLASSES for kind in kinds.values() for one in kind):
        return [[one] for one in sorted((one for kind in kinds.values() for one in kind), key=_along_normal)]
    if max(map(_count, kinds.values()), default=0) < FEWEST_SLICES:  # a scout from the front and from the side
        return [sorted((one for kind in kinds.values() for one in kind), key=_along_normal)]
    ordered = sorted(kinds.values(), key=_count, reverse=True)
    return [stack for kind in ordered for stack in _part_acquisitions(kind)]


def _part_acquisitions(kind: list[Instance]) -> list[list[Instance]]:
    """Add each acquisition in turn to the first stack whose slices it does not cover."""
    numbered: dict[tuple[str, str], list[Instance]] = defaultdict(list)
    for one in kind:
        numbered[one.acquisition, one.sop_uid if one.n_images > 1 else ""].append(one)
    groups = {(*key, n): part for key, group in numbered.items() for n, part in enumerate(_part_times(group))}
    # The frames of a bolus tracker, one per acquisition, do not form stacks.
    large = [group for group in groups.values() if _count(group) >= FEWEST_SLICES and group[0].low_mm is not None]
    if len(large) < 2 or _is_even(kind):
        return [kind]
    large.sort(key=lambda group: (min(one.acquired for one in group), min(one.number for one in group)))
    layers: list[list[list[Instance]]] = []
    for group in large:
        free = [layer for layer in layers if not any(_covers(group, other) for other in layer)]
        if free:
            free[0].append(group)
        else:
            layers.append([group])
    layers[0] += [group for group in groups.values() if not any(group is one for one in large)]
    return [sorted((one for group in layer for one in group), key=_along_normal) for layer in layers]


def _part_times(group: list[Instance]) -> list[list[Instance]]:
    """Divide slices of one acquisition number by time, if they form no stack together but one at each time.

    Some scanners give every phase the number 1, and exports drop the number. Times within one acquisition differ from
    slice to slice, so the longest pauses divide it.
    """
    times = sorted({one.acquired for one in group})
    if len(group) < 2 * FEWEST_SLICES or not times[0] or any(one.low_mm is None for one in group) or _is_even(group):
        return [group]
    count = max(2, *Counter(one.low_mm for one in group).values())
    if len(times) < count:
        return [group]
    moments = [datetime.fromisoformat(time) for time in times]
    pauses = sorted(range(1, len(times)), key=lambda k: moments[k] - moments[k - 1], reverse=True)[: count - 1]
    begins = [times[k] for k in sorted(pauses)]
    parts: list[list[Instance]] = [[] for _ in range(count)]
    for one in group:
        parts[bisect_right(begins, one.acquired)].append(one)
    is_clean = all(len(part) >= FEWEST_SLICES and _is_even(part) for part in parts)
    return parts if is_clean and _covers(parts[0], parts[1]) else [group]


def describe_stack(ids: tuple[str, str, str], stack: Sequence[Instance], part: str) -> SeriesHeader:
    """Describe a stack of a series.

    Args:
        ids: PatientID, StudyInstanceUID and SeriesInstanceUID.
        stack: At least one object, in order.
        part: Which stack of the series it is; empty if it is the only one.

    Returns:
        Its header. Texts are those of most of its objects; times are the earliest.
    """
    by_saying = {id(one.says): one.says for one in stack}
    commonest = Counter(id(one.says) for one in stack).most_common(1)[0][0]
    says = dict(by_saying[commonest])
    acquired = min((one.acquired for one in stack if one.acquired), default="")
    places = [one.low_mm for one in stack if one.low_mm is not None]
    tops = [one.high_mm for one in stack if one.high_mm is not None]
    steps = [after - before for before, after in pairwise(sorted(places)) if after - before > _SAME_PLACE_MM]
    inner_steps = [one.step_mm for one in stack if one.step_mm]
    bolus_time = says.pop("bolus_time", "")
    revealed = (tuple(pair) for one in by_saying.values() for pair in one.get("revealed", ()))
    says["revealed"] = tuple(dict.fromkeys(revealed))
    says["refers_to"] = tuple(says.get("refers_to", ()))
    says["pixel_mm"] = tuple(says["pixel_mm"]) if says.get("pixel_mm") else None
    says["is_deidentified"] = all(one.get("is_deidentified") for one in by_saying.values())
    says["burnt_in"] = any(one.get("burnt_in") for one in by_saying.values())
    return SeriesHeader(
        patient_id=ids[0],
        study_uid=ids[1],
        series_uid=ids[2],
        part=part,
        acquired_at=datetime.fromisoformat(acquired) if acquired else None,
        bolus_started_at=read_moment(acquired[:10], bolus_time) if acquired else None,
        n_images=_count(stack),
        step_mm=round(median(inner_steps or steps), 4) if inner_steps or steps else None,
        extent_mm=(min(places), max(tops)) if places and tops else None,
        **says,
    )


def lacks_slices(stack: Sequence[Instance]) -> bool:
    """Check whether single slices are missing from a stack: two neighbours are twice as far apart as the others.

    Args:
        stack: In order along its normal.
    """
    places = sorted(one.low_mm for one in stack if one.low_mm is not None)
    steps = [after - before for before, after in pairwise(places)]
    usual = median(steps) if steps else 0.0
    return any(abs(step - 2 * usual) <= 2 * _EVEN_WITHIN * usual for step in steps)


def _along_normal(one: Instance) -> tuple[object, ...]:
    return (one.low_mm is None, one.low_mm or 0.0, one.number, one.acquisition, one.sop_uid, one.place)


def _count(stack: Sequence[Instance]) -> int:
    return sum(one.n_images for one in stack)


def _is_even(kind: Sequence[Instance]) -> bool:
    """Whether all slices together form one stack without gaps, however they are distributed over acquisitions."""
    places = sorted(one.low_mm for one in kind if one.low_mm is not None)
    steps = [after - before for before, after in pairwise(places)]
    usual = median(steps)
    return max(one.n_images for one in kind) == 1 and all(abs(step - usual) <= _EVEN_WITHIN * usual for step in steps)


def _covers(group: Sequence[Instance], other: Sequence[Instance]) -> bool:
    spans = [
        (min(one.low_mm or 0.0 for one in stack), max(one.high_mm or 0.0 for one in stack)) for stack in (group, other)
    ]
    shared = min(high for _, high in spans) - max(low for low, _ in spans)
    return shared >= _COVERS_FROM * min(high - low for low, high in spans)
