"""A mask as a DICOM segmentation (SEG) that refers to the series it was drawn on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

from nephrograde.errors import InputError, Problem, VolumeError
from nephrograde.replacement import replaced
from nephrograde.version import __version__
from nephrograde.volume.dicom.datasets import PYDICOM_ERRORS, quiet
from nephrograde.volume.dicom.source_headers import read_source_headers
from nephrograde.volume.masks.marks import nothing_marked, turn_back

if TYPE_CHECKING:
    from pathlib import Path

    from highdicom.seg import SegmentDescription
    from pydicom import Dataset

    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.volume import Volume

_MAY_BE_EMPTY: Final = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""What a segmentation copies from its source, and may leave empty (type 2)."""
_MUST_BE_THERE: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
_SERIES_NUMBER: Final = 9100


def require_highdicom() -> None:
    """Refuse to go on without the package that writes segmentations.

    Raises:
        InputError: It is not installed.
    """
    try:
        import highdicom  # noqa: F401
    except ModuleNotFoundError:
        what = "needs highdicom, which is not installed"
        raise InputError([Problem("--export seg", what, 'Run: pip install "nephrograde[dicom]"')]) from None


def write_segmentation(mask: MaskArray, volume: Volume, image_path: Path, out_path: Path, *, reader: str) -> None:
    """Write a mask as a binary segmentation with the study and the frame of reference of its image.

    Exported again, the same mask of the same reader has the same UIDs.

    Args:
        mask: ``"x y z"``, on the grid of the volume.
        volume: The image, as read from ``image_path``.
        image_path: The DICOM series.
        out_path: The file, ``.dcm``.
        reader: Who drew it, which becomes the name of the content's creator.

    Raises:
        VolumeError: With code "not-dicom" if the image is not DICOM, "seg-reference" if the series lacks the UIDs that
            a segmentation must refer to, "seg-source" if its headers cannot be copied, "mask-empty".
        WriteError: The file cannot be written.

    Source: DICOM PS3.3 A.51; CID 7150 and 7159 for the codes.
    """
    if not mask.any():
        raise nothing_marked()
    sources = read_source_headers(image_path)
    for dataset in sources.datasets:
        _complete(dataset)
    frames = np.ascontiguousarray(turn_back(mask, volume.native).transpose(2, 1, 0), dtype=np.uint8)
    try:
        with quiet():
            made = _segmentation(sources.datasets, frames, volume, reader, explicit=not sources.is_slice_for_slice)
            with replaced(out_path) as temporary_path:
                made.save_as(temporary_path)
    except PYDICOM_ERRORS as error:
        raise VolumeError(
            "seg-source",
            f"its headers are damaged, or lack what a segmentation copies from them ({type(error).__name__}).",
            "Export the series again from its source, or export the masks as NIfTI.",
            path=image_path,
        ) from None


def _complete(dataset: Dataset) -> None:
    """Add what may be empty in every DICOM object and was removed, for instance by de-identification."""
    missing = [keyword for keyword in _MUST_BE_THERE if not dataset.get(keyword)]
    if missing:
        raise VolumeError(
            "seg-reference",
            f"its headers lack {', '.join(missing)}, which a segmentation must refer to.",
            "Use a series that has kept its UIDs, or export the masks as NIfTI.",
        )
    for keyword in _MAY_BE_EMPTY:
        if keyword not in dataset:
            setattr(dataset, keyword, "")
    frames = dataset.get("PerFrameFunctionalGroupsSequence")
    if frames:
        _share(dataset, frames[0])


def _share(dataset: Dataset, frame: Dataset) -> None:
    """State for all frames what each of them states, as a segmentation takes it from there: frames are one stack."""
    from pydicom.dataset import Dataset as Item

    if not dataset.get("SharedFunctionalGroupsSequence"):
        dataset.SharedFunctionalGroupsSequence = [Item()]
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for keyword in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
        if keyword not in shared and keyword in frame:
            setattr(shared, keyword, frame[keyword].value)


def _segmentation(
    sources: list[Dataset], frames: np.ndarray, volume: Volume, reader: str, *, explicit: bool
) -> Dataset:
    from highdicom import PixelMeasuresSequence, PlaneOrientationSequence, PlanePositionSequence
    from highdicom.seg import Segmentation, SegmentationTypeValues
    from pydicom.uid import generate_uid

    native = volume.native
    digest = hashlib.sha256(np.packbits(frames).tobytes()).hexdigest()
    series = [str(sources[0].SeriesInstanceUID), reader]
    across, down = native.direction.T[:2]
    positions = [PlanePositionSequence("PATIENT", native.to_mm((0, 0, k))) for k in range(native.size[2])]
    thickness = float(sources[0].get("SliceThickness") or native.spacing_mm[2])
    return Segmentation(
        sources,
        frames,
        SegmentationTypeValues.BINARY,
        [_tumour(generate_uid(entropy_srcs=[*series, "tumour"]))],
        generate_uid(entropy_srcs=[*series, "series"]),
        _SERIES_NUMBER,
        generate_uid(entropy_srcs=[*series, digest]),
        1,
        "nephrograde",
        "nephrograde annotate",
        __version__,
        "none",
        content_label="TUMOUR",
        content_creator_name=f"{reader}^",  # a family name alone
        series_description=f"Tumour, drawn by {reader}",
        pixel_measures=PixelMeasuresSequence(
            (native.spacing_mm[1], native.spacing_mm[0]), thickness, native.spacing_mm[2]
        ),
        plane_orientation=PlaneOrientationSequence("PATIENT", (*across, *down)) if explicit else None,
        plane_positions=positions if explicit else None,
    )


def _tumour(tracking_uid: str) -> SegmentDescription:
    import highdicom
    from pydicom.sr.codedict import codes

    return highdicom.seg.SegmentDescription(
        1,
        "Tumour",
        codes.SCT.MorphologicallyAbnormalStructure,
        codes.SCT.Neoplasm,
        highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=tracking_uid,
        tracking_id="tumour",
        anatomic_regions=[codes.SCT.Kidney],
    )
