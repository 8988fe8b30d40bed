"""How much two readers agree on where the tumours are: distances, overlaps, and kappa and ICC of what they chose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from nephrograde.cohort.agreement_row import AgreementRow
from nephrograde.cohort.place import Box, Point, SlicePlace
from nephrograde.cohort.reader_error import FAR_MM
from nephrograde.errors import VolumeError
from nephrograde.reads.agreement import icc_agreement, nominal_kappa
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.read import read_volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nephrograde.cohort.annotated import Annotations
    from nephrograde.vocabulary import Triple

P = TypeVar("P", Point, Box, SlicePlace, Path)

SAME_SLICE_MM: Final = 0.5
"""Rectangles on one slice are compared if their slices are nearer than this; no scan has thinner slices."""
_ORDER: Final = ("state", "label", "mask_dice", "box_iou", "point_distance_mm", "slice_distance_mm")
_STATES: Final = {"": 0.0, "none": 1.0, "unusable": 2.0}
_LEAST_FOR_ICC = 3
_NAN = math.nan


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A scan that two readers should look at together.

    Attributes:
        measure: ``state`` if one saw no tumour or could not judge the scan; ``label`` if only ``reader`` marked
            anything; otherwise the measure of the labels: ``box_iou`` and ``mask_dice`` of 0 are no overlap, and
            ``point_distance_mm`` and ``slice_distance_mm`` are above the limit.
        value: Of the measure; NaN for a state and a label.
        distance_mm: Between the points, slices, or centres of the boxes or masks; NaN for a state and a label.
    """

    patient_id: str
    phase: str
    measure: str
    reader: str
    other_reader: str
    value: float = _NAN
    distance_mm: float = _NAN

    @property
    def order(self) -> tuple[int, float]:
        """Sorts disagreements: states, labels of one reader, no overlap, distances; the furthest first."""
        return _ORDER.index(self.measure), -self.distance_mm if math.isfinite(self.distance_mm) else 0.0


@dataclass(frozen=True, slots=True)
class ReaderAgreement:
    """The agreement of all pairs of readers, and the scans on which they disagree."""

    readers: tuple[str, ...]
    rows: tuple[AgreementRow, ...]
    disagreements: tuple[Disagreement, ...]
    unreadable: tuple[tuple[str, str], ...] = ()
    """Patient and phase of masks that could not be compared."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two readers' labels of one phase, by patient."""

    readers: tuple[str, str]
    phase: str
    labels: Mapping[str, tuple[Mapping[str, object], Mapping[str, object]]]

    def both(self, name: str, kind: type[P]) -> dict[str, tuple[P, P]]:
        """Labels of one kind that both readers gave, in mm; what was typed in voxels cannot be compared."""
        found = {}
        for patient, (first, second) in self.labels.items():
            one, other = first.get(name), second.get(name)
            if first.get("state") or second.get("state"):
                continue
            if isinstance(one, kind) and isinstance(other, kind) and _is_mm(one) and _is_mm(other):
                found[patient] = (one, other)
        return found

    def row(self, measure: str, n: int, **values: float) -> AgreementRow:
        reader, other_reader = self.readers
        return AgreementRow(self.phase, measure, reader, other_reader, n, **values)

    def disagreement(self, patient: str, measure: str, value: float = _NAN, distance_mm: float = _NAN) -> Disagreement:
        return Disagreement(patient, self.phase, measure, *self.readers, value, distance_mm)


def compare_readers(
    annotations: Mapping[str, Annotations], *, far_mm: float = FAR_MM, confidence: float = 0.95
) -> ReaderAgreement:
    """Compare the labels of every pair of readers, phase by phase.

    Args:
        annotations: The labels by reader.
        far_mm: Points and slices further apart are a disagreement.
        confidence: Coverage probability of the intervals of kappa and ICC.

    Returns:
        The rows by pair, phase and measure; measures that no scan has are missing. Disagreements, gravest first.

    Source:
        The slices of different scans are too many levels for kappa. With quadratic weights it is the intraclass
        correlation (Fleiss & Cohen 1973, Educ Psychol Meas 33:613), which is given instead.

    >>> from nephrograde.cohort.annotated import Annotations
    >>> from nephrograde.cohort.place import parse_point
    >>> drawn = {
    ...     reader: Annotations(f"{reader}.csv", {("P1", "np"): {"point": parse_point(text)}}, ("P1",))
    ...     for reader, text in (("li", "0,0,0 mm"), ("chen", "3,4,0 mm"))
    ... }
    >>> [(row.measure, row.n, row.value) for row in compare_readers(drawn).rows]
    [('point_distance_mm', 1, 5.0), ('state_kappa', 1, nan)]
    """
    rows: list[AgreementRow] = []
    disagreements: list[Disagreement] = []
    unreadable: list[tuple[str, str]] = []
    for first, second in combinations(annotations, 2):
        for pair in _pairs(first, second, annotations):
            for compare in (_points, _boxes, _slices):
                rows += compare(pair, confidence)
            masks = _masks(pair)
            rows += _mask_rows(pair, masks, confidence)
            rows += _states(pair, confidence)
            unreadable += [(patient, pair.phase) for patient, compared in masks.items() if compared is None]
            disagreements += _disagreements(pair, masks, far_mm)
    disagreements.sort(key=lambda one: one.order)
    return ReaderAgreement(tuple(annotations), tuple(rows), tuple(disagreements), tuple(unreadable))


def one_sided(annotations: Mapping[str, Annotations]) -> list[Disagreement]:
    """Find the patients on whom one reader of a pair marked or said something and the other nothing, on any phase.

    Args:
        annotations: The labels by reader, of patients with whom they are done: an empty row of a reader who is not is
            no disagreement.

    Returns:
        One disagreement per pair and phase that one of them marked; ``reader`` is that one.
    """
    found = []
    for first, second in combinations(annotations, 2):
        for reader, other in ((first, second), (second, first)):
            marked = {patient for patient, _ in annotations[other].labels}
            for patient, phase in annotations[reader].labels:
                if patient in annotations[other].patients and patient not in marked:
                    found.append(Disagreement(patient, phase, "label", reader, other))
    return found


def box_iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes; two rectangles on one slice are compared in its plane.

    Args:
        one: A box in mm.
        other: Another one.

    >>> box_iou(Box((0, 0, 0), (2, 2, 2), "mm"), Box((1, 0, 0), (3, 2, 2), "mm"))
    0.3333333333333333
    >>> box_iou(Box((0, 0, 5), (2, 2, 5), "mm"), Box((0, 0, 5), (2, 1, 5), "mm"))
    0.5
    """
    lows = np.array([one.corner_a, other.corner_a], dtype=np.float64)
    highs = np.array([one.corner_b, other.corner_b], dtype=np.float64)
    flat = (highs == lows).all(axis=0)
    if (np.abs(lows[0] - lows[1])[flat] >= SAME_SLICE_MM).any():
        return 0.0
    edges = (highs - lows)[:, ~flat]
    shared = np.clip(highs.min(axis=0) - lows.max(axis=0), 0.0, None)[~flat].prod()
    union = float(edges.prod(axis=1).sum() - shared)
    return float(shared) / union if union > 0 else 0.0


def _pairs(first: str, second: str, annotations: Mapping[str, Annotations]) -> Iterator[_Pair]:
    one, other = annotations[first].labels, annotations[second].labels
    keys = [key for key in one if key in other]
    for phase in dict.fromkeys(phase for _, phase in keys):
        labels = {patient: (one[patient, phase], other[patient, phase]) for patient, own in keys if own == phase}
        yield _Pair((first, second), phase, labels)


def _is_mm(label: object) -> bool:
    return isinstance(label, Path) or getattr(label, "unit", "") == "mm"


def _middle(box: Box) -> Triple:
    x, y, z = ((low + high) / 2 for low, high in zip(box.corner_a, box.corner_b, strict=True))
    return x, y, z


def _size_mm(box: Box) -> float:
    """The longer edge in the axial plane."""
    return max(box.corner_b[0] - box.corner_a[0], box.corner_b[1] - box.corner_a[1])


def _median(pair: _Pair, measure: str, values: Sequence[float]) -> list[AgreementRow]:
    if not values:
        return []
    q1, median, q3 = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    return [pair.row(measure, len(values), value=median, q1=q1, q3=q3)]


def _icc(pair: _Pair, measure: str, values: Sequence[tuple[float, float]], confidence: float) -> list[AgreementRow]:
    if len(values) < _LEAST_FOR_ICC:
        return [pair.row(measure, len(values))] if values else []
    found = icc_agreement(np.array(values, dtype=np.float64).T, confidence=confidence)
    return [pair.row(measure, len(values), value=found.value, low=found.low, high=found.high)]


def _points(pair: _Pair, _confidence: float) -> list[AgreementRow]:
    return _median(pair, "point_distance_mm", list(_point_distances(pair).values()))


def _point_distances(pair: _Pair) -> dict[str, float]:
    drawn = pair.both("point", Point)
    return {patient: math.dist(one.position, other.position) for patient, (one, other) in drawn.items()}


def _boxes(pair: _Pair, confidence: float) -> list[AgreementRow]:
    drawn = list(pair.both("box", Box).values())
    return [
        *_median(pair, "box_centre_distance_mm", [math.dist(_middle(one), _middle(other)) for one, other in drawn]),
        *_median(pair, "box_iou", [box_iou(one, other) for one, other in drawn]),
        *_icc(pair, "box_size_icc_2_1", [(_size_mm(one), _size_mm(other)) for one, other in drawn], confidence),
    ]


def _slices(pair: _Pair, confidence: float) -> list[AgreementRow]:
    chosen = [(one.coordinate, other.coordinate) for one, other in pair.both("slice_place", SlicePlace).values()]
    return [
        *_median(pair, "slice_distance_mm", [abs(one - other) for one, other in chosen]),
        *_icc(pair, "slice_icc_2_1", chosen, confidence),
    ]


@dataclass(frozen=True, slots=True)
class _ComparedMasks:
    dice: float
    volumes_ml: tuple[float, float]
    distance_mm: float


def _masks(pair: _Pair) -> dict[str, _ComparedMasks | None]:
    """Compare the masks of two readers by patient; None if they cannot be read."""
    found: dict[str, _ComparedMasks | None] = {}
    for patient, (one_path, other_path) in pair.both("mask_path", Path).items():
        try:
            grid = read_volume(one_path)
            one, other = read_marks(one_path, grid).mask, read_marks(other_path, grid).mask
        except VolumeError:
            one = other = None
        if one is None or other is None:
            found[patient] = None
            continue
        ml = math.prod(grid.spacing_mm) / 1000.0
        counts = float(one.sum()), float(other.sum())
        dice = 2.0 * float((one & other).sum()) / sum(counts)
        middles = [np.argwhere(mask).mean(axis=0) * np.array(grid.spacing_mm) for mask in (one, other)]
        found[patient] = _ComparedMasks(dice, (counts[0] * ml, counts[1] * ml), math.dist(*middles))
    return found


def _mask_rows(pair: _Pair, masks: Mapping[str, _ComparedMasks | None], confidence: float) -> list[AgreementRow]:
    compared = [one for one in masks.values() if one is not None]
    return [
        *_median(pair, "mask_dice", [one.dice for one in compared]),
        *_icc(pair, "mask_volume_icc_2_1", [one.volumes_ml for one in compared], confidence),
    ]


def _states(pair: _Pair, confidence: float) -> list[AgreementRow]:
    said = [[_STATES[str(label.get("state", ""))] for label in both] for both in pair.labels.values()]
    first, second = np.array(said, dtype=np.float64).T
    found = nominal_kappa(first, second, confidence=confidence)
    return [pair.row("state_kappa", len(said), value=found.value, low=found.low, high=found.high)]


def _disagreements(pair: _Pair, masks: Mapping[str, _ComparedMasks | None], far_mm: float) -> Iterator[Disagreement]:
    for patient, (first, second) in pair.labels.items():
        if first.get("state", "") != second.get("state", ""):
            yield pair.disagreement(patient, "state")
    for patient, (one, other) in pair.both("box", Box).items():
        if box_iou(one, other) == 0:
            yield pair.disagreement(patient, "box_iou", 0.0, math.dist(_middle(one), _middle(other)))
    for patient, compared in masks.items():
        if compared is not None and compared.dice == 0:
            yield pair.disagreement(patient, "mask_dice", 0.0, compared.distance_mm)
    slices = pair.both("slice_place", SlicePlace)
    distances_mm = {
        "point_distance_mm": _point_distances(pair),
        "slice_distance_mm": {
            patient: abs(one.coordinate - other.coordinate) for patient, (one, other) in slices.items()
        },
    }
    for measure, by_patient in distances_mm.items():
        for patient, distance_mm in by_patient.items():
            if distance_mm > far_mm:
                yield pair.disagreement(patient, measure, distance_mm, distance_mm)
