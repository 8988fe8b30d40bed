"""What the headers of one series say, read from its files or from a public index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesHeader:
    """One series of one patient. Unknown values are empty, None or 0; nothing is guessed here.

    Texts are decoded (GB18030, ISO 2022, UTF-8 …) and stripped. A series of several acquisitions that cover the same
    region, or of objects of different kind, size or plane, has one header for each, with ``part`` "1", "2", …;
    otherwise ``part`` is empty.

    Attributes:
        patient_id: PatientID as in the header. Keep it out of logs and reports.
        patient_name: To distinguish patients who share an id, or match one with two. Keep it out of logs and reports.
        birth_date: YYYYMMDD. Keep it out of logs and reports.
        is_deidentified: PatientIdentityRemoved is YES.
        study_date: YYYYMMDD.
        acquired_at: The earliest acquisition time of its images (otherwise content, otherwise series time).
        bolus_started_at: ContrastBolusStartTime on the day of the acquisition.
        image_type: The values of ImageType, separated by backslashes.
        orientation: "axial", "coronal", "sagittal" or "oblique".
        pixel_mm: Distance between rows, distance between columns.
        step_mm: Median distance between neighbouring slices, from their positions.
        extent_mm: Lowest and highest slice position along the slice normal, towards the head for axial slices.
        n_images: Files; of a multi-frame object, frames.
        burnt_in: BurnedInAnnotation is YES.
        frame_uid: FrameOfReferenceUID; images with the same one share their coordinates.
        revealed: Tags and values of everything that may tell who the patient is. Keep it out of logs and reports.
        refers_to: For a segmentation or structure set, the SeriesInstanceUIDs of the images on which it was drawn.
    """

    series_uid: str
    part: str = ""
    study_uid: str = ""
    patient_id: str = ""
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    is_deidentified: bool = False
    study_date: str = ""
    study_description: str = ""
    series_number: int | None = None
    description: str = ""
    protocol: str = ""
    comments: str = ""
    modality: str = ""
    manufacturer: str = ""
    kernel: str = ""
    image_type: str = ""
    sop_class: str = ""
    body_part: str = ""
    acquired_at: datetime | None = None
    bolus_agent: str = ""
    bolus_started_at: datetime | None = None
    n_images: int = 0
    rows: int = 0
    columns: int = 0
    samples: int = 1
    pixel_mm: tuple[float, float] | None = None
    thickness_mm: float | None = None
    step_mm: float | None = None
    orientation: str = ""
    extent_mm: tuple[float, float] | None = None
    burnt_in: bool = False
    frame_uid: str = ""
    revealed: tuple[tuple[int, str], ...] = ()
    refers_to: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Identifies the series, or its part, within a study."""
        return f"{self.series_uid}.{self.part}" if self.part else self.series_uid
