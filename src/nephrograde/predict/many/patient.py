"""A patient to grade: the scans with their annotations, the clinical values, and what they were when graded."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from nephrograde.files import fingerprint
from nephrograde.version import __version__
from nephrograde.volume.image_files import further_files
from nephrograde.volume.masks.labels import find_names_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nephrograde.cohort.case import Scan
    from nephrograde.errors import VolumeError

_NO_VALUES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NewPatient:
    """A patient to grade.

    Attributes:
        patient_id: As in the table, or the name of the folder or file without its ending.
        scans: By phase, in the order of the model.
        clinical: Values by column, as they stand in the table.
        refusal: Why the patient cannot be graded, if that is known before a scan is read.
    """

    patient_id: str
    scans: Mapping[str, Scan] = field(repr=False)
    clinical: Mapping[str, str] = field(default_factory=dict, repr=False)
    refusal: VolumeError | None = field(default=None, repr=False)

    @property
    def image(self) -> str:
        """The path of the first image, or else of the folder without one."""
        found = [scan.image_path for scan in self.scans.values()]
        if not found and self.refusal is not None and self.refusal.path is not None:
            found = [self.refusal.path]
        return str(found[0]) if found else ""

    def given(self) -> dict[str, dict[str, object]]:
        """Return what was given by argument and phase, as ``Grader.grade_phases`` and ``grade_to_dicom`` take it."""
        by_argument: dict[str, dict[str, object]] = {
            "image": {phase: list(scan.image_paths) for phase, scan in self.scans.items()},
            "mask": {phase: scan.mask_path for phase, scan in self.scans.items()},
            "box": {phase: scan.box for phase, scan in self.scans.items()},
            "point": {phase: scan.point for phase, scan in self.scans.items()},
            "slice": {phase: scan.slice_place for phase, scan in self.scans.items()},
            "pixel_mm": {phase: scan.pixel_mm for phase, scan in self.scans.items()},
            "kidneys": {phase: scan.kidneys_path for phase, scan in self.scans.items()},
        }
        told = {
            name: {phase: value for phase, value in by.items() if value is not None} for name, by in by_argument.items()
        }
        return {name: by for name, by in told.items() if by}


def inputs_sha256(patient: NewPatient, *, settings: Mapping[str, str] = _NO_VALUES) -> str:
    """Identify everything that the answer for a patient depends on besides the grader.

    Files are identified by path, size and time of change, not by content, which would take as long as grading.

    Args:
        patient: The patient.
        settings: What was asked for, such as ``{"outside": "warn", "dicom": "results"}``.
    """
    scans = [
        {
            "phase": phase,
            "images": [_state_of(path) for path in scan.image_paths],
            "mask": _state_of(scan.mask_path),
            "names": _state_of(scan.mask_path and find_names_file(scan.mask_path)),
            "kidneys": _state_of(scan.kidneys_path),
            "places": repr((scan.point, scan.box, scan.slice_place, scan.pixel_mm, scan.state)),
        }
        for phase, scan in patient.scans.items()
    ]
    refused = patient.refusal and patient.refusal.code
    return fingerprint([__version__, patient.patient_id, scans, dict(patient.clinical), refused, dict(settings)])


def _state_of(path: Path | None) -> list[object]:
    """The path of a file or folder, with size and time of change of each file in it, or of each that it consists of."""
    if path is None:
        return []
    place = os.path.abspath(path)  # noqa: PTH100 (links stay what they are)
    try:
        if not path.is_dir():
            further = [[file.name, *_stamp(file.stat())] for file in further_files(path) if file.is_file()]
            return [place, *_stamp(path.stat()), *further]
        with os.scandir(path) as entries:
            return [place, *sorted([entry.name, *_stamp(entry.stat())] for entry in entries if entry.is_file())]
    except OSError:  # reading it says what is wrong
        return [place, None]


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
