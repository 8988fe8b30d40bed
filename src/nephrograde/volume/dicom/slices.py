"""Which slices the files of a series contain, by their headers: one per file, or one per frame of a multiframe file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.compression import require_held
from nephrograde.volume.dicom.dictionary import NOT_IMAGES, SLICE_CLASSES, UNCOMPRESSED
from nephrograde.volume.dicom.elements import CutShortError, DamagedError
from nephrograde.volume.dicom.entries import Entries, NonsenseError, read_stream, want

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from nephrograde.volume.dicom.elements import End

_MOST_FRAMES = 100_000
_MOST_PIXELS = 1 << 28
_FARTHEST_MM = 1e5
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


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that may hold slices: where it lies, and what messages call it, which is never its own name.

    A file from a list must be DICOM; in a folder, other files are skipped. A doubtful file cannot be read, and may
    belong to another series. ``fault`` says why it could not even be opened.
    """

    path: Path
    name: str
    is_wanted: bool = False
    is_doubtful: bool = False
    fault: VolumeError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelForm:
    """How the pixels of an object are stored.

    Attributes:
        padding: Lowest and highest stored value that fill the image where nothing was measured.
        is_inverted: MONOCHROME1.
    """

    syntax: str
    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    is_colour: bool
    is_inverted: bool
    is_ct: bool
    padding: tuple[int, int] | None

    @property
    def frame_bytes(self) -> int:
        """Size of one uncompressed single-channel frame."""
        return self.rows * self.columns * self.bits_allocated // 8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Slice:
    """One slice: where it lies in the patient (LPS, mm), and where its pixels are; ``number`` is its InstanceNumber.

    ``has_rescale`` is false if its slope and intercept are missing; ``patient_id`` stays out of messages;
    ``header_end`` is where the elements behind its header begin, if its pixels may be among them.
    """

    file: SourceFile
    frame: int
    number: str
    form: PixelForm
    sop_uid: str
    series_uid: str
    series_number: str
    acquisition: str
    pixel_mm: tuple[float, float]
    orientation: npt.NDArray[np.float64]
    position_mm: npt.NDArray[np.float64]
    rescale: tuple[float, float]
    has_rescale: bool
    patient_id: str
    frame_uid: str
    header_end: End | None

    @property
    def name(self) -> str:
        """What a message about its series calls it."""
        if self.form.frames > 1:
            return f"{self.file.name}, frame {self.frame + 1}"
        return f"{self.file.name} (instance {self.number})" if self.number else self.file.name


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
        files: In any order; what is no DICOM and what is no slice is passed over.

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
    for file in files:
        try:
            found, n_frames = _read(file)
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


def _read(file: SourceFile) -> tuple[list[Slice], int]:
    """Return the slices in a file, and its number of frames: 0 if it is not an image of the series."""
    if file.fault is not None:
        raise file.fault
    if file.path.stat().st_size == 0:
        raise VolumeError("file-empty", f"{file.name} is empty (0 bytes).", "Copy the series again from its source.")
    entries = _opened(file)
    if entries is None or entries.text("Modality") in NOT_IMAGES:
        return [], 0
    if "Rows" not in entries:
        sop_class = entries.word("MediaStorageSOPClassUID") or entries.word("SOPClassUID")
        if sop_class in {"", *SLICE_CLASSES}:
            raise _cut_short(file, "its header breaks off")
        return [], 0
    if file.is_doubtful:  # readable by now; the next scan finds its series
        return [], 0
    return _slices_of(file, entries), 1 if entries.text("NumberOfFrames") in {"", "0", "1"} else 2


def _opened(file: SourceFile) -> Entries | None:
    """Return the header, as far as it goes; None if the file is not DICOM and need not be."""
    what = "is no DICOM file"
    try:
        with file.path.open("rb") as stream:
            entries = read_stream(stream, _WANTED)
        if entries is not None or not file.is_wanted:
            return entries
    except CutShortError as error:
        if error.found is None:
            raise _cut_short(file, "its header breaks off") from None
        return Entries(error.found)
    except DamagedError:
        what = "the DICOM header is damaged"
    raise VolumeError("file-unreadable", f"{file.name}: {what}.", "Copy the series again from its source.")


def _slices_of(file: SourceFile, entries: Entries) -> list[Slice]:
    try:
        form = _form_of(entries)
        found = [_as_slice(file, k, form, frame) for k, frame in enumerate(_frames_of(entries, form))]
    except NonsenseError as error:
        raise VolumeError(
            "dicom-header",
            f"{file.name}: the DICOM header lacks a needed entry or gives nonsense ({error}).",
            "Export the series again.",
        ) from None
    if found:
        _require_pixels(file, form)
    return found


def require_pixels(image_path: Path) -> None:
    """Refuse a DICOM image whose file cannot hold the pixels that its header claims; anything else passes.

    Args:
        image_path: The file.

    Raises:
        VolumeError: With code "file-truncated" or "file-unreadable".
    """
    file = SourceFile(image_path, "the file")
    entries = _opened(file)
    with suppress(NonsenseError):  # reading it says so
        if entries is not None and "Rows" in entries:
            _require_pixels(file, _form_of(entries))


def _require_pixels(file: SourceFile, form: PixelForm) -> None:
    size = file.path.stat().st_size
    pixel_bytes = form.frame_bytes * form.frames
    if form.syntax in UNCOMPRESSED and size < pixel_bytes:
        raise _cut_short(file, f"has {size} bytes where its pixels alone need {pixel_bytes}")
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


def _frames_of(entries: Entries, form: PixelForm) -> list[Entries]:
    """Return the entries of each frame: from its own functional groups, else the shared ones, else the object itself.

    Empty if the object does not say where its frames are.
    """
    frames = entries.items("PerFrameFunctionalGroupsSequence")
    if not frames:
        is_placed = "ImagePositionPatient" in entries and "ImageOrientationPatient" in entries
        return [entries] if form.frames == 1 and is_placed else []
    if len(frames) < form.frames:
        raise NonsenseError(f"it describes {len(frames)} of {form.frames} frames")
    shared = entries
    for group in entries.items("SharedFunctionalGroupsSequence")[:1]:
        shared = group.over(entries)
    return [frame.over(shared) for frame in frames[: form.frames]]


def _acquisition(entries: Entries) -> str:
    if "PerFrameFunctionalGroupsSequence" not in entries:
        return entries.text("AcquisitionNumber")
    keywords = ("FrameAcquisitionNumber", "StackID", "TemporalPositionIndex")
    return "/".join(filter(None, (entries.text(keyword) for keyword in keywords)))


def _form_of(entries: Entries) -> PixelForm:
    rows, columns = (int(entries.numbers(keyword, 1)[0]) for keyword in ("Rows", "Columns"))
    frames = max(1, int(entries.number("NumberOfFrames", 1)))
    if not (0 < rows * columns < _MOST_PIXELS and rows > 0 and frames < _MOST_FRAMES):
        raise NonsenseError(f"{frames} frames of {columns} × {rows} pixels")
    bits_allocated = int(entries.number("BitsAllocated", 16))
    bits_stored = int(entries.number("BitsStored", bits_allocated))
    high_bit = int(entries.number("HighBit", bits_stored - 1))
    photometric = entries.text("PhotometricInterpretation").upper()
    is_colour = entries.number("SamplesPerPixel", 1) > 1 or photometric == "PALETTE COLOR"
    if not (is_colour or 0 < bits_stored <= high_bit + 1 <= bits_allocated):
        raise NonsenseError(f"{bits_stored} bits up to bit {high_bit} of {bits_allocated}")
    return PixelForm(
        syntax=entries.syntax,
        rows=rows,
        columns=columns,
        frames=frames,
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        high_bit=high_bit,
        is_signed=entries.number("PixelRepresentation", 0) == 1,
        is_colour=is_colour,
        is_inverted=photometric == "MONOCHROME1",
        is_ct=entries.text("Modality") == "CT",
        padding=_padding(entries),
    )


def _padding(entries: Entries) -> tuple[int, int] | None:
    try:
        first = int(entries.numbers("PixelPaddingValue", 1)[0])
        last = int(entries.number("PixelPaddingRangeLimit", first))
    except ValueError:  # missing or invalid: then no value is known to be padding
        return None
    within = max(abs(first), abs(last)) <= 1 << 32
    return (min(first, last), max(first, last)) if within else None


def _as_slice(file: SourceFile, frame: int, form: PixelForm, entries: Entries) -> Slice:
    pixel_mm = entries.numbers("PixelSpacing", 2)
    if min(pixel_mm) <= 0:
        raise NonsenseError("PixelSpacing is not above 0")
    orientation = np.array(entries.numbers("ImageOrientationPatient", 6))
    lengths = np.linalg.norm(np.clip(orientation, -9, 9).reshape(2, 3), axis=1)
    if lengths.min() < 0.5 or lengths.max() > 2:
        raise NonsenseError("ImageOrientationPatient gives no directions")
    position_mm = np.array(entries.numbers("ImagePositionPatient", 3))
    if np.abs(position_mm).max() > _FARTHEST_MM:
        raise NonsenseError("ImagePositionPatient lies outside every scanner")
    series_uid = entries.text("SeriesInstanceUID")
    if not series_uid:
        raise NonsenseError("SeriesInstanceUID is missing")
    return Slice(
        file=file,
        frame=frame,
        number=_digits(entries, "InstanceNumber"),
        form=form,
        sop_uid=entries.text("SOPInstanceUID"),
        series_uid=series_uid,
        series_number=_digits(entries, "SeriesNumber"),
        acquisition=_acquisition(entries),
        pixel_mm=(pixel_mm[0], pixel_mm[1]),
        orientation=orientation,
        position_mm=position_mm,
        rescale=(entries.number("RescaleSlope", 1) or 1.0, entries.number("RescaleIntercept", 0)),
        has_rescale=bool(entries.text("RescaleSlope") or entries.text("RescaleIntercept")),
        patient_id=entries.text("PatientID"),
        frame_uid=entries.word("FrameOfReferenceUID"),
        header_end=entries.end,
    )


def _digits(entries: Entries, keyword: str) -> str:
    """A number for messages; empty for anything but digits, which some exports fill with names."""
    text = entries.text(keyword)
    return text if text.isdecimal() else ""


def _cut_short(file: SourceFile, how: str) -> VolumeError:
    return VolumeError("file-truncated", f"{file.name}: {how}.", "Copy the series again from its source.")
