"""A patient of the cohort: the true class, the scans by phase, and the known clinical values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nephrograde.cohort.place import Box, Point, SlicePlace

ScanState: TypeAlias = Literal["", "none", "unusable"]
"""What a reader has said about a scan: nothing, that it shows no tumour, or that it cannot be judged."""

_NOT_DICOM = (
    *(".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"),
    *(".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".txt"),
)


@dataclass(frozen=True, slots=True)
class Scan:
    """One phase of one patient: the path of its image, and its annotations.

    If the image consists of several exported pictures, ``further_paths`` lists those after the first; ``pixel_mm`` is
    their pixel size, if given. A scan with a ``state`` is left out. ``kidneys_path`` is a mask of both kidneys.
    """

    phase: str
    image_path: Path
    mask_path: Path | None
    point: Point | None
    box: Box | None
    slice_place: SlicePlace | None
    further_paths: tuple[Path, ...] = ()
    pixel_mm: float | None = None
    state: ScanState = ""
    kidneys_path: Path | None = None

    @property
    def image_paths(self) -> tuple[Path, ...]:
        """The image: one path, or the pictures."""
        return (self.image_path, *self.further_paths)


@dataclass(frozen=True, slots=True)
class Case:
    """One patient: the true class, the scans by phase, and the known clinical values.

    ``grade`` is None if the outcome is 0/1. A column of ``clinical`` contains either only numbers or only texts.
    """

    patient_id: str
    is_high: bool
    grade: int | None
    scans: Mapping[str, Scan]
    clinical: Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class AnnotationRemark:
    """Labels of the annotations that the cohort has no scan for: the code, what they are, and what to do."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Cohort:
    """All patients with a scan, in the order of the table.

    ``notes`` says how the table was read, where that was a choice. ``without_scan`` are the ids of the patients of the
    table who have no scan in any of the phases; they are not part of the cohort. ``annotation_remarks`` are about
    labels of the annotations that no scan is given for.
    """

    cases: tuple[Case, ...]
    phases: tuple[str, ...]
    clinical_columns: tuple[str, ...]
    split_column: Mapping[str, str] | None
    notes: tuple[str, ...] = ()
    without_scan: tuple[str, ...] = ()
    annotation_remarks: tuple[AnnotationRemark, ...] = ()

    @property
    def n_scans(self) -> int:
        """How many scans the table names, over all patients and phases."""
        return sum(len(case.scans) for case in self.cases)

    @property
    def has_dicom(self) -> bool:
        """Whether an image or mask may be DICOM, judged by file names; folders may be DICOM too."""
        scans = [scan for case in self.cases for scan in case.scans.values()]
        files = [file for scan in scans for file in (*scan.image_paths, scan.mask_path, scan.kidneys_path)]
        paths = [path for path in files if path is not None]
        return not all(path.name.casefold().endswith(_NOT_DICOM) for path in paths)
