"""A patient on an oblique, anisotropic grid, written by code, and a grader without networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nephrograde.evaluation.performance.threshold import Threshold
from nephrograde.evaluation.remarks import Rule
from nephrograde.evaluation.uncertainty.new_patient import Judge
from nephrograde.export.dicom.stamp import Stamp
from nephrograde.predict.grader import Grader
from nephrograde.predict.scored import Scored
from nephrograde.study import Arm, CohortSettings, ImageSettings, Study
from nephrograde.vocabulary import together
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import write_image

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = (40, 36, 12)
COLUMN_MM, ROW_MM, STEP_MM = 0.7, 0.9, 2.5
ORIGIN = np.array([-19.5, 37.25, -120.0])
STAMP = Stamp(datetime(2026, 4, 15, 9, 30, 5), "fixed")
TUMOUR = (24, 14, 7)
"""Column, row and stored slice of the tumour's middle."""
RADII = (6, 4, 3)
PATIENT = {
    "PatientID": "ZY0042",
    "PatientName": "王^小明",
    "SpecificCharacterSet": "GB18030",
    "PatientBirthDate": "19500101",
    "PatientSex": "M",
    "StudyID": "1",
    "StudyDate": "20260101",
    "StudyTime": "120000",
    "AccessionNumber": "7",
    "ReferringPhysicianName": "",
    "FrameOfReferenceUID": "1.2.840.99.1",
}


def turned() -> npt.NDArray[np.float64]:
    """A rotation about two axes: its columns are the directions of columns, rows and slices in the patient."""
    a, b = np.deg2rad(12.0), np.deg2rad(9.0)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return np.asarray(about_x @ about_z)


def in_patient(column: float, row: float, k: float, directions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where a pixel lies, by the equation of DICOM PS3.3 C.7.6.2.1.1."""
    moved = column * COLUMN_MM * directions[:, 0] + row * ROW_MM * directions[:, 1] + k * STEP_MM * directions[:, 2]
    return ORIGIN + moved


@dataclass
class Patient:
    """The folder of the series of a phase, its files in stored order, and the mask."""

    folder: Path
    paths: list[Path]
    mask_path: Path
    directions: npt.NDArray[np.float64] = field(default_factory=turned)

    def mm(self, column: float, row: float, k: float) -> npt.NDArray[np.float64]:
        return in_patient(column, row, k, self.directions)


def write_patient(
    write_series: Callable[..., list[Path]],
    folder: Path,
    *,
    directions: npt.NDArray[np.float64] | None = None,
    **entries: Any,
) -> Patient:
    """Write a series with a bright ellipsoid, and the mask of it as NIfTI."""
    directions = turned() if directions is None else directions
    grid = np.stack(np.meshgrid(*map(np.arange, SIZE), indexing="ij"), axis=-1)
    inside = (((grid - TUMOUR) / RADII) ** 2).sum(axis=-1) <= 1
    values = np.random.default_rng(3).integers(1000, 1050, SIZE) + 100 * inside
    positions = [tuple(in_patient(0, 0, k, directions)) for k in range(SIZE[2])]
    paths = write_series(
        folder,
        values=values,
        positions_mm=positions,
        orientation=(*directions[:, 0], *directions[:, 1]),
        pixel_mm=(ROW_MM, COLUMN_MM),
        **{**PATIENT, **entries},
    )
    volume = read_volume(folder)
    marked = np.asarray(volume.values) >= 1075 - 1024
    mask_path = folder.parent / f"{folder.name}-mask.nii.gz"
    write_image(marked, mask_path, spacing_mm=volume.spacing_mm, origin_mm=volume.origin_mm, direction=volume.direction)
    return Patient(folder, paths, mask_path, directions)


def grader_of(
    supervision: str = "box",
    *,
    phases: tuple[str, ...] = ("cmp",),
    synthetic: bool = False,
    judge: Any = None,
    outside: Any = "refuse",
    slices: int | None = 1,
) -> Grader:
    """A grader whose networks would always answer 0.71, 0.62 and 0.8; only what it is shown is real."""
    several = len(phases) > 1
    joined = {"phases": phases, "fusion": "intermediate"} if several else {}
    arm = Arm.model_validate({"name": "weak-1", "supervision": supervision, "slices": slices, **joined})
    study = Study(
        cohort=CohortSettings(table=Path("cohort.csv"), phases=phases),
        arm=(arm,),
        synthetic=synthetic,
        image=ImageSettings(slice_px=32, slice_mm=20.0),
    )
    return Grader(
        model=f"weak-1-{together(phases)}",
        arm=arm,
        phase=together(phases),
        phases=phases,
        threshold=Threshold(0.55, Rule.YOUDEN, 30),
        study=study,
        scorer=_Fixed(),
        study_sha256="ab" * 32,
        judge=judge or Judge(),
        is_joined=several,
        outside=outside,
    )


class _Fixed:
    def start(self) -> None: ...

    def load(self) -> None: ...

    def score(self, *_: Any) -> Scored:
        return Scored(0.7123456789012345, (0.71, 0.62, 0.8))
