"""Which slices the files of a series contain, by their headers: one per file, or one per frame of a multiframe file."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.compression import require_held
from nephrograde.volume.dicom.describe import OWN, Describing, form_of
from nephrograde.volume.dicom.dictionary import NOT_IMAGES, SLICE_CLASSES, UNCOMPRESSED
from nephrograde.volume.dicom.elements import CutShortError, DamagedError
from nephrograde.volume.dicom.entries import Entries, NonsenseError, read_stream, want
from nephrograde.volume.dicom.layout import Layouts
from nephrograde.volume.dicom.one_slice import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from nephrograde.volume.dicom.one_slice import PixelForm, Slice

SLICES_PER_LOST = 10
"""A series of which more files are damaged is not read."""

_GROUPS = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "FrameContentSequence",
)
"""The functional groups of an enhanced object that give a frame's position and the meaning of its values."""
_WANTED = want(
    (
        *("MediaStorageSOPClassUID", "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "SeriesNumber"),
        *("AcquisitionNumber", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
        *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue"),
        *("PixelPaddingRangeLimit", "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope"),
        *(
            "RescaleIntercept",
            "FrameAcquisitionNumber",
            "StackID",
            "TemporalPositionIndex",
            "InstanceNumber",
            "PatientID",
        ),
        "FrameOfReferenceUID",
    ),
    ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", *_GROUPS),
)


class FoundSlices(NamedTuple):
    """The slices of a series in file order, and why single files of it could not be read.

    ``empty`` are files of 0 bytes in a folder, and doubtful files of a list: slices only if some are missing.
    """

    slices: list[Slice]
    lost: list[VolumeError]
    empty: list[VolumeError]


def find_slices(files: Iterable[SourceFile]) -> FoundSlices:
    """Read the headers of files and list the slices in them.

    Args:
        files: In any order; what is not DICOM or not a slice is passed over.

    Returns:
        At least one slice, and at most one unreadable file in ``SLICES_PER_LOST`` slices.

    Raises:
        VolumeError: With code "dicom-none", "dicom-multiframe", "dicom-header", "file-truncated" or "file-unreadable".

    Source: DICOM PS3.3 C.7.6.2, C.7.6.16.
    """
    slices: list[Slice] = []
    lost: list[VolumeError] = []
    empty: list[VolumeError] = []
    multiframe: list[SourceFile] = []
    without_place = 0
    layouts, describing = Layouts(_WANTED, varying=OWN), Describing()
    for file in files:
        try:
            found, n_frames = _read(file, layouts, describing)
        except VolumeError as error:
            is_maybe = file.is_doubtful or (error.code == "file-empty" and not file.is_wanted)
            (empty if is_maybe else lost).append(error)
            continue
        if found:
            slices += found
        elif n_frames == 1:
            without_place += 1
        elif n_frames > 1:
            multiframe.append(file)
    if lost and len(slices) < SLICES_PER_LOST * len(lost):
        raise lost[0]
    if not slices:
        raise _without_slices(multiframe, without_place)
    return FoundSlices(slices, lost, empty)


def _without_slices(multiframe: Sequence[SourceFile], without_place: int) -> VolumeError:
    if multiframe:
        return VolumeError(
            "dicom-multiframe",
            f"{multiframe[0].name} holds several images in one object, and does not say where each lies.",
            "Export the series as enhanced CT or as one file a slice, or convert it to NIfTI (dcm2niix).",
        )
    if without_place:
        return VolumeError(
            "dicom-header",
            f"its {without_place} DICOM images do not say where in the patient they lie "
            "(ImagePositionPatient is missing).",
            "Export the series again without removing the geometry; screen captures cannot be used.",
        )
    return VolumeError("dicom-none", "holds no DICOM images.", "Correct the path.")


def _read(file: SourceFile, layouts: Layouts, describing: Describing) -> tuple[list[Slice], int]:
    """Return the slices in a file, and its number of frames: 0 if it is not an image of the series."""
    if file.fault is not None:
        raise file.fault
    entries, n_bytes = _opened(file, layouts)
    if n_bytes == 0:
        raise VolumeError("file-empty", f"{file.name} is empty (0 bytes).", "Copy the series again from its source.")
    if entries is None or entries.text("Modality") in NOT_IMAGES:
        return [], 0
    if "Rows" not in entries:
        sop_class = entries.word("MediaStorageSOPClassUID") or entries.word("SOPClassUID")
        if sop_class in {"", *SLICE_CLASSES}:
            raise _cut_short(file, "its header breaks off")
        return [], 0
    if file.is_doubtful:  # readable by now; the next scan finds its series
        return [], 0
    return _slices_of(file, entries, n_bytes, describing), 1 if entries.text("NumberOfFrames") in {"", "0", "1"} else 2


def _opened(file: SourceFile, layouts: Layouts) -> tuple[Entries | None, int]:
    """Return the header, as far as it goes, None if the file is not DICOM and need not be; and the size of the file."""
    what = "is not a DICOM file"
    with open(file.path, "rb", buffering=0) as stream:  # noqa: PTH123 - half the time
        n_bytes = os.fstat(stream.fileno()).st_size
        if n_bytes == 0:
            return None, 0
        try:
            entries = read_stream(stream, _WANTED, layouts, n_bytes=n_bytes)
            if entries is not None or not file.is_wanted:
                return entries, n_bytes
        except CutShortError as error:
            if error.found is None:
                raise _cut_short(file, "its header breaks off") from None
            return Entries(error.found), n_bytes
        except DamagedError:
            what = "the DICOM header is damaged"
    raise VolumeError("file-unreadable", f"{file.name}: {what}.", "Copy the series again from its source.")


def _slices_of(file: SourceFile, entries: Entries, n_bytes: int, describing: Describing) -> list[Slice]:
    try:
        found = describing.slices_of(file, entries)
    except NonsenseError as error:
        raise VolumeError(
            "dicom-header",
            f"{file.name}: the DICOM header lacks a needed entry or gives nonsense ({error}).",
            "Export the series again.",
        ) from None
    if found:
        _require_pixels(file, found[0].form, n_bytes)
    return found


def require_pixels(image_path: Path) -> None:
    """Refuse a DICOM image whose file cannot hold the pixels that its header claims; anything else passes.

    Args:
        image_path: The file.

    Raises:
        VolumeError: With code "file-truncated" or "file-unreadable".
    """
    file = SourceFile(image_path, "the file")
    entries, n_bytes = _opened(file, Layouts(_WANTED))
    with suppress(NonsenseError):  # reading it says so
        if entries is not None and "Rows" in entries:
            _require_pixels(file, form_of(entries), n_bytes)


def _require_pixels(file: SourceFile, form: PixelForm, size: int) -> None:
    pixel_bytes = form.frame_bytes * form.frames
    if form.syntax in UNCOMPRESSED:
        if size < pixel_bytes:
            raise _cut_short(file, f"has {size} bytes where its pixels alone need {pixel_bytes}")
        return
    try:
        require_held(
            form.syntax,
            size,
            rows=form.rows,
            columns=form.columns,
            frames=form.frames,
            bits_allocated=form.bits_allocated,
        )
    except NonsenseError as error:
        raise _cut_short(file, str(error)) from None


def _cut_short(file: SourceFile, how: str) -> VolumeError:
    return VolumeError("file-truncated", f"{file.name}: {how}.", "Copy the series again from its source.")
