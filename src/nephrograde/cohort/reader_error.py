"""By how much a reader is off: the size of the differences between readers who annotated the same scans."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from nephrograde.cohort.annotated import read_annotations, readers_of
from nephrograde.cohort.place import Box, Point, SlicePlace
from nephrograde.errors import InputError, Problem
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from nephrograde.cohort.annotated import Annotations

FAR_MM: Final = 20.0
"""Readers whose labels are further apart disagree on what the tumour is, which is not an error of placing a label: half
of the extent that a study assumes for a tumour (40 mm)."""
_FIELDS: Final = {Supervision.POINT: "point", Supervision.BOX: "box", Supervision.SLICE: "slice_place"}
_PLACE: Final = "annotation.error_mm"
_REMEDY: Final = "Have a second reader annotate some of the patients, or write a number of mm."


def reader_error_mm(annotations_path: Path | None) -> dict[Supervision, float]:
    """Estimate the error of one reader along each axis from the labels of several.

    If both readers are off by independent errors with standard deviation s, their difference has s·√2. Labels that are
    more than ``FAR_MM`` apart are left out, and only places in mm are compared.

    Args:
        annotations_path: ``cohort.annotations``: the folder of the annotations, or the table of a reader in it.

    Returns:
        Standard deviations in mm for the levels slice, point and box; a level that no two readers have used has that
        of the first of point, box and slice that they have.

    Raises:
        InputError: If there is no folder, a table cannot be read, or no two readers labelled the same scan.

    Source:
        Bland & Altman 1996, BMJ 313:744 (measurement error): s² is half the mean squared difference of two readings.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for reader, text in (("li", "0,0,0 mm"), ("chen", "4,4,4 mm")):
    ...         rows = ["patient_id,np_point", f'P1,"{text}"']
    ...         _ = Path(folder, f"{reader}.csv").write_text(chr(10).join(rows), encoding="utf-8")
    ...     found = reader_error_mm(Path(folder))
    >>> {level.value: round(size_mm, 2) for level, size_mm in found.items()}
    {'slice': 2.83, 'point': 2.83, 'box': 2.83}
    """
    if annotations_path is None:
        raise InputError([Problem(_PLACE, 'is "readers", but cohort.annotations names no folder of readers', _REMEDY)])
    folder = annotations_path if annotations_path.is_dir() else annotations_path.parent
    readers: list[Annotations] = []
    problems: list[Problem] = []
    for name in readers_of(folder):
        annotations, faults = read_annotations(folder / f"{name}.csv")
        readers.append(annotations)
        problems += faults
    if problems:
        raise InputError(problems)
    sizes_mm = {level: size for level in _FIELDS if (size := _size_mm(readers, level)) is not None}
    if not sizes_mm:
        what = f'is "readers", but {folder.name} holds no label in mm that two readers gave the same scan'
        raise InputError([Problem(_PLACE, what, _REMEDY)])
    other_mm = next(iter(sizes_mm.values()))
    return {level: sizes_mm.get(level, other_mm) for level in (Supervision.SLICE, Supervision.POINT, Supervision.BOX)}


def _size_mm(readers: list[Annotations], level: Supervision) -> float | None:
    """The error of one reader along an axis; None if no two readers agree on a label of this level."""
    differences = [
        difference
        for one, other in combinations(readers, 2)
        for key in one.labels.keys() & other.labels.keys()
        for difference in _differences(one.labels[key], other.labels[key], _FIELDS[level])
    ]
    return math.sqrt(float(np.mean(np.square(differences))) / 2) if differences else None


def _differences(one: Mapping[str, object], other: Mapping[str, object], name: str) -> Iterator[float]:
    """The differences of two labels along each axis; none if they are far apart or of other kinds."""
    first, second = _corners(one.get(name)), _corners(other.get(name))
    if first is None or second is None:
        return
    away = first - second
    if math.dist(first.mean(axis=0), second.mean(axis=0)) <= FAR_MM:
        yield from away.ravel().tolist()


def _corners(label: object) -> np.ndarray[tuple[int, int], np.dtype[np.float64]] | None:
    """The places of a label in mm, a row each."""
    if isinstance(label, Point) and label.unit == "mm":
        return np.array([label.position], dtype=np.float64)
    if isinstance(label, Box) and label.unit == "mm":
        return np.array([label.corner_a, label.corner_b], dtype=np.float64)
    if isinstance(label, SlicePlace) and label.unit == "mm":
        return np.array([[label.coordinate]], dtype=np.float64)
    return None
