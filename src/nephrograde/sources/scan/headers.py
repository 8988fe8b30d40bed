"""One DICOM file's header in brief: the series it belongs to, its position, and what it says about the series.

For any bytes, the answer is an :class:`InstanceHeader` or the reason why there is none.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, TypeAlias

from nephrograde.sources.identity.revealing import decoded, kinds_by_tag, revealed_in, usual_sequences
from nephrograde.volume.dicom.dictionary import (
    MASK_CLASSES,
    MEDIA_DIRECTORY_CLASS,
    NOT_IMAGES,
    SEGMENTATION_CLASSES,
    STRUCTURE_SET_CLASS,
    UNCOMPRESSED,
)
from nephrograde.volume.dicom.elements import CutShortError, DamagedError, Wanted
from nephrograde.volume.dicom.entries import FIRST_BYTES, read_entries, want
from nephrograde.volume.dicom.moment import read_date_time, read_moment
from nephrograde.volume.dicom.signature import is_dicom

if TYPE_CHECKING:
    from collections.abc import Callable

    from nephrograde.volume.dicom.entries import Entries

    Point: TypeAlias = tuple[float, float, float]

NOT_DICOM = "not a DICOM file"
ARCHIVE = "an archive that is not read (only .zip is): unpack it"
EMPTY = "empty file"
DAMAGED = "damaged DICOM header"
CUT_SHORT = "cut short: fewer bytes than its header says"
NO_SERIES = "does not name its series (SeriesInstanceUID)"
DICOMDIR = "DICOMDIR: its table is not used, the files are found directly"

_ARCHIVES = (b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
_AXIS_FROM = math.cos(math.radians(30.5))
"""Gantries tilt by up to 30°; a slice within that of an anatomical plane is named after the plane."""

_DAYS_AND_TIMES = (
    ("StructureSetDate", "StructureSetTime"),
    ("AcquisitionDate", "AcquisitionTime"),
    ("ContentDate", "ContentTime"),
    ("SeriesDate", "SeriesTime"),
)
_TEXTS = {
    "study_date": "StudyDate",
    "manufacturer": "Manufacturer",
    "study_description": "StudyDescription",
    "description": "SeriesDescription",
    "patient_name": "PatientName",
    "birth_date": "PatientBirthDate",
    "sex": "PatientSex",
    "bolus_agent": "ContrastBolusAgent",
    "body_part": "BodyPartExamined",
    "protocol": "ProtocolName",
    "comments": "ImageComments",
    "modality": "Modality",
    "sop_class": "SOPClassUID",
    "image_type": "ImageType",
    "frame_uid": "FrameOfReferenceUID",
    "bolus_time": "ContrastBolusStartTime",
}
_KEYWORDS = (
    "MediaStorageSOPClassUID",
    "PatientID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SamplesPerPixel",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "BitsAllocated",
    "PixelSpacing",
    "SliceThickness",
    "InstanceNumber",
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "SeriesNumber",
    "ConvolutionKernel",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PatientIdentityRemoved",
    "BurnedInAnnotation",
    "AcquisitionDateTime",
    *_TEXTS.values(),
    *(keyword for pair in _DAYS_AND_TIMES[1:] for keyword in pair),
)
_FRAME_PARTS = (
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "CTReconstructionSequence",
)
_REFERENCED_PARTS = (
    "ReferencedFrameOfReferenceSequence",
    "RTReferencedStudySequence",
    "RTReferencedSeriesSequence",
)
_LAST_PERSON = 0x04000561
"""OriginalAttributesSequence: what was corrected, such as a name."""
_WANTED = want(_KEYWORDS)
_WANTED_OF_FRAMES = want(_KEYWORDS, _FRAME_PARTS)
_WANTED_OF_SEGMENTATION = want(_KEYWORDS, ("ReferencedSeriesSequence",), gathered=("SeriesInstanceUID",))
_WANTED_OF_STRUCTURES = want((*_KEYWORDS, *_DAYS_AND_TIMES[0]), _REFERENCED_PARTS, gathered=("SeriesInstanceUID",))
_WANTED_OF_MASKS = {
    **dict.fromkeys(SEGMENTATION_CLASSES, _WANTED_OF_SEGMENTATION),
    STRUCTURE_SET_CLASS: _WANTED_OF_STRUCTURES,
}


@dataclass(frozen=True, slots=True)
class InstanceHeader:
    """One object: a slice, a multi-frame image, or an object that is not an image.

    Attributes:
        acquisition: AcquisitionNumber, and TemporalPositionIdentifier after a slash.
        number: InstanceNumber; 0 if missing.
        n_images: 1, or the number of frames of a multi-frame image.
        low_mm: Position of the lowest frame along the slice normal; None if unknown.
        high_mm: Position of the highest frame.
        step_mm: Median distance between neighbouring frames.
        acquired: The time of acquisition as ISO 8601; empty if unknown.
        series: What it says about its series, as JSON: the texts, sizes, flags and references of a
            :class:`~nephrograde.volume.dicom.header.SeriesHeader`, and ``bolus_time``.
    """

    patient_id: str
    study_uid: str
    series_uid: str
    sop_uid: str
    acquisition: str
    number: int
    n_images: int
    low_mm: float | None
    high_mm: float | None
    step_mm: float | None
    acquired: str
    series: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a file was skipped.

    Attributes:
        reason: In words.
        series: Of a slice whose header could be read: PatientID, StudyInstanceUID and SeriesInstanceUID.
        sop_uid: Its SOPInstanceUID.
    """

    reason: str
    series: tuple[str, str, str] | None = None
    sop_uid: str = ""


def read_header(beginning: Callable[[int], bytes], n_bytes: int) -> InstanceHeader | Refused:
    """Read the header of one file, or of one member of an archive.

    Args:
        beginning: Returns the first n bytes; asked for more only if the header continues.
        n_bytes: Size of the whole file.

    Returns:
        The header, or the reason why there is none; damaged bytes never raise.

    Source: DICOM PS3.3 C.7.6 (images), C.7.6.16 (frames of enhanced objects), C.8.20 (segmentations), C.8.8.5
    (structure sets).

    >>> read_header(lambda n: b"patient_id,isup_grade"[:n], 21).reason
    'not a DICOM file'
    """
    head = beginning(FIRST_BYTES) if n_bytes else b""
    if not is_dicom(head):
        return Refused((ARCHIVE if is_other_archive(head) else NOT_DICOM) if n_bytes else EMPTY)
    is_marked = head[128:132] == b"DICM"
    try:
        header = _read(beginning, n_bytes, _WANTED)
        n_frames = max(header.find_whole("NumberOfFrames") or 1, 1)
        more = _WANTED_OF_MASKS.get(header.word("SOPClassUID"))
        if more is None and n_frames > 1 and _is_image(header) and "ImagePositionPatient" not in header:
            more = _WANTED_OF_FRAMES
        if more is not None:
            header = _read(beginning, n_bytes, more)
        reason = _objection(header, n_frames, n_bytes)
    except DamagedError:
        reason = DAMAGED
    except CutShortError:
        reason = CUT_SHORT
    else:
        if reason == CUT_SHORT and _is_image(header):
            return Refused(reason, _series_of(header), header.word("SOPInstanceUID"))
    if reason:
        # Without the DICOM marker, a file that cannot be parsed is most likely something else.
        return Refused(reason if is_marked or reason == DICOMDIR else NOT_DICOM)
    return _describe(header, n_frames)


def is_other_archive(head: bytes) -> bool:
    r"""Whether a file is an archive of a kind that is not read: RAR, 7z, tar, gzip, bzip2 or xz.

    Args:
        head: Its first bytes.

    Source: The first bytes as in ``file`` (magic); tar: POSIX.1-1988, ustar, at byte 257.

    >>> is_other_archive(b"Rar!\x1a\x07\x01\x00"), is_other_archive(b"PK\x03\x04")
    (True, False)
    """
    return head.startswith(_ARCHIVES) or head[257:262] == b"ustar"


def _read(beginning: Callable[[int], bytes], n_bytes: int, wanted: Wanted) -> Entries:
    """Read entries, and what reveals the patient; only the entries if the header is damaged elsewhere."""
    try:
        return read_entries(beginning, n_bytes, _with_persons(wanted))
    except (CutShortError, DamagedError):
        return read_entries(beginning, n_bytes, wanted)


@cache
def _with_persons(wanted: Wanted) -> Wanted:
    persons = frozenset(kinds_by_tag())
    return Wanted(
        frozenset(wanted.tags) | persons,
        frozenset(wanted.sequences) | usual_sequences(),
        max(wanted.stop, _LAST_PERSON + 1),
        frozenset(wanted.gathered) | persons,
    )


def _objection(header: Entries, n_frames: int, n_bytes: int) -> str:
    """Why a file is skipped although its header can be read; empty if it is not."""
    if MEDIA_DIRECTORY_CLASS in {header.word("MediaStorageSOPClassUID"), header.word("SOPClassUID")}:
        return DICOMDIR
    if not header.word("SeriesInstanceUID"):
        return NO_SERIES
    if header.syntax not in UNCOMPRESSED:
        return ""
    samples = header.find_whole("SamplesPerPixel") or 1
    samples = 2 if samples == 3 else samples  # chroma may be stored for every other pixel only
    sizes = [header.find_whole(keyword) or 0 for keyword in ("Rows", "Columns", "BitsAllocated")]
    return CUT_SHORT if math.prod(sizes) * samples * n_frames // 8 > n_bytes else ""


def _series_of(header: Entries) -> tuple[str, str, str]:
    return header.text("PatientID"), header.word("StudyInstanceUID"), header.word("SeriesInstanceUID")


def _describe(header: Entries, n_frames: int) -> InstanceHeader:
    n_rows = header.find_whole("Rows") or 0
    is_image = _is_image(header) and n_rows > 0
    frames = header.items("PerFrameFunctionalGroupsSequence")
    first = header
    for part in (*header.items("SharedFunctionalGroupsSequence")[:1], *frames[:1]):
        first = part.over(first)
    normal = _normal(first.find_numbers("ImageOrientationPatient", 6)) if is_image else None
    places = [frame.over(first).find_numbers("ImagePositionPatient", 3) for frame in frames or [header]]
    heights = sorted(_height(place, normal) for place in places if place and normal)
    steps = [after - before for before, after in pairwise(heights) if after - before > 0.001]
    pixel_mm = first.find_numbers("PixelSpacing", 2)
    thickness = first.find_numbers("SliceThickness", 1)
    series: dict[str, Any] = {name: header.text(keyword) for name, keyword in _TEXTS.items()} | {
        "kernel": first.text("ConvolutionKernel"),
        "series_number": header.find_whole("SeriesNumber"),
        "is_deidentified": header.word("PatientIdentityRemoved").upper() == "YES",
        "burnt_in": header.word("BurnedInAnnotation").upper() == "YES",
        "rows": n_rows if is_image else 0,
        "columns": (header.find_whole("Columns") or 0) if is_image else 0,
        "samples": header.find_whole("SamplesPerPixel") or 1,
        "pixel_mm": pixel_mm if pixel_mm and min(pixel_mm) > 0 else None,
        "thickness_mm": thickness[0] if thickness and thickness[0] > 0 else None,
        "orientation": _plane(normal),
        "revealed": decoded(revealed_in(header.elements, header.word("SpecificCharacterSet"))),
    }
    if header.word("SOPClassUID") in MASK_CLASSES:
        frame_uid, refers_to = _references(header)
        series |= {"frame_uid": series["frame_uid"] or frame_uid, "refers_to": refers_to}
    acquisition, temporal = header.word("AcquisitionNumber"), header.word("TemporalPositionIdentifier")
    return InstanceHeader(
        patient_id=header.text("PatientID"),
        study_uid=header.word("StudyInstanceUID"),
        series_uid=header.word("SeriesInstanceUID"),
        sop_uid=header.word("SOPInstanceUID"),
        acquisition=f"{acquisition}/{temporal}" if temporal else acquisition,
        number=header.find_whole("InstanceNumber") or 0,
        n_images=n_frames if is_image else 1,
        low_mm=heights[0] if heights else None,
        high_mm=heights[-1] if heights else None,
        step_mm=median(steps) if steps else None,
        acquired=_acquired(header),
        series=sys.intern(json.dumps(series, ensure_ascii=False)),  # one copy in memory for all slices of a series
    )


def _is_image(header: Entries) -> bool:
    """Whether it is an object whose pixels show the patient."""
    return header.word("Modality") not in NOT_IMAGES and header.word("SOPClassUID") not in MASK_CLASSES


def _references(header: Entries) -> tuple[str, list[str]]:
    """The frame of reference named by a structure set, and the series that it or a segmentation refers to."""
    items = [*header.items("ReferencedSeriesSequence"), *header.items("ReferencedFrameOfReferenceSequence")]
    uids = [uid.strip(" \0") for item in items for uid in item.word("SeriesInstanceUID").split("\\")]
    frame_uid = next((uid for item in items if (uid := item.word("FrameOfReferenceUID"))), "")
    return frame_uid, [uid for uid in dict.fromkeys(uids) if uid]


def _normal(orientation: tuple[float, ...] | None) -> Point | None:
    """The direction in which slices are stacked, signed as when a series is read: axial slices towards the head."""
    if orientation is None:
        return None
    (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = math.hypot(*normal)
    if not 0.5 < length < 2:
        return None
    length = math.copysign(length, max(normal, key=abs))
    return normal[0] / length, normal[1] / length, normal[2] / length


def _height(place: tuple[float, ...], normal: Point) -> float:
    return round(sum(one * along for one, along in zip(place, normal, strict=True)), 4) + 0.0


def _plane(normal: Point | None) -> str:
    if normal is None:
        return ""
    along = [abs(one) for one in normal]
    return ("sagittal", "coronal", "axial")[along.index(max(along))] if max(along) >= _AXIS_FROM else "oblique"


def _acquired(header: Entries) -> str:
    """The earliest known time of acquisition, as ISO 8601 without time zone."""
    moment = read_date_time(header.word("AcquisitionDateTime"))
    for day, time in _DAYS_AND_TIMES:
        moment = moment or read_moment(header.word(day) or header.word("StudyDate"), header.word(time))
    return moment.isoformat() if moment else ""
