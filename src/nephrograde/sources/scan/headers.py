"""One DICOM file's header in few words: to which series it belongs, where it lies, and what the series says of itself.

Whatever the bytes are, the answer is an :class:`InstanceHeader` or the reason why there is none.
"""

from __future__ import annotations

import json
import math
import struct
import sys
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, TypeAlias

from nephrograde.sources.scan.elements import (
    TRANSFER_SYNTAX,
    CutShortError,
    DamagedError,
    Wanted,
    find_elements,
    looks_like_dicom,
)
from nephrograde.volume.dicom.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Point: TypeAlias = tuple[float, float, float]

NOT_DICOM = "not a DICOM file"
EMPTY = "empty file"
DAMAGED = "damaged DICOM header"
CUT_SHORT = "cut short: fewer bytes than its header says"
NO_SERIES = "does not say to which series it belongs (SeriesInstanceUID)"
DICOMDIR = "DICOMDIR: its table is not relied on, the files are found by themselves"

_FIRST_BYTES = 16 * 2**10
_GROWTH = 8
_LONGEST_HEADER = 64 * 2**20
"""The tables of an enhanced object of some thousand frames take a few MiB."""
_AXIS_FROM = math.cos(math.radians(30.5))
"""Gantries tilt by up to 30°; a slice within that of a plane of the body is named after the plane (our choice)."""

_SETS, _PATIENT_ID, _SAMPLES, _ROWS, _COLUMNS = 0x00080005, 0x00100020, 0x00280002, 0x00280010, 0x00280011
_SOP_CLASS, _SOP_UID, _STUDY_UID, _SERIES_UID = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_MEDIA_CLASS, _MODALITY, _FRAMES, _BITS = 0x00020002, 0x00080060, 0x00280008, 0x00280100
_NUMBER, _ACQUISITION, _TEMPORAL, _SERIES_NUMBER = 0x00200013, 0x00200012, 0x00200100, 0x00200011
_POSITION, _ORIENTATION, _PIXEL_MM, _THICKNESS = 0x00200032, 0x00200037, 0x00280030, 0x00180050
_ACQUISITION_MOMENT, _KERNEL, _IMAGE_TYPE, _BOLUS_TIME = 0x0008002A, 0x00181210, 0x00080008, 0x00181042
_IDENTITY_REMOVED, _BURNT_IN, _FRAME = 0x00120062, 0x00280301, 0x00200052
_DAYS_AND_TIMES = (
    *((0x30060008, 0x30060009), (0x00080022, 0x00080032), (0x00080023, 0x00080033), (0x00080021, 0x00080031)),
)
"""Of the structure set, the acquisition, the content, the series."""
_TEXTS = {
    "study_date": 0x00080020,
    "manufacturer": 0x00080070,
    "study_description": 0x00081030,
    "description": 0x0008103E,
    "patient_name": 0x00100010,
    "birth_date": 0x00100030,
    "sex": 0x00100040,
    "bolus_agent": 0x00180010,
    "body_part": 0x00180015,
    "protocol": 0x00181030,
    "comments": 0x00204000,
    "modality": _MODALITY,
    "sop_class": _SOP_CLASS,
    "image_type": _IMAGE_TYPE,
    "frame_uid": _FRAME,
    "bolus_time": _BOLUS_TIME,
}
_TAGS = frozenset(
    {TRANSFER_SYNTAX, _MEDIA_CLASS, _SETS, _PATIENT_ID, _SAMPLES, _ROWS, _COLUMNS, _SOP_UID, _STUDY_UID, _SERIES_UID}
    | {_FRAMES, _BITS, _NUMBER, _ACQUISITION, _TEMPORAL, _SERIES_NUMBER, _POSITION, _ORIENTATION, _PIXEL_MM, _KERNEL}
    | {_THICKNESS, _ACQUISITION_MOMENT, _IDENTITY_REMOVED, _BURNT_IN, *_TEXTS.values()}
    | {tag for pair in _DAYS_AND_TIMES for tag in pair}
)
_SHARED_GROUPS, _FRAME_GROUPS = 0x52009229, 0x52009230
_FRAME_PARTS = frozenset({_SHARED_GROUPS, _FRAME_GROUPS, 0x00209113, 0x00209116, 0x00289110, 0x00189314})
"""Plane position and orientation, pixel measures, and reconstruction of an enhanced object's frames."""
_WANTED = Wanted(_TAGS, frozenset(), _BURNT_IN + 1)
_WANTED_OF_FRAMES = Wanted(_TAGS, _FRAME_PARTS, _FRAME_GROUPS + 1)
_REFERENCED_SERIES = 0x00081115
_REFERENCED_FRAMES = 0x30060010
_REFERENCED_PARTS = frozenset({_REFERENCED_FRAMES, 0x30060012, 0x30060014})
"""Frames of reference of a structure set, the studies in them, and their series."""
_WANTED_OF_SEGMENTATION = Wanted(_TAGS, frozenset({_REFERENCED_SERIES}), _BURNT_IN + 1, frozenset({_SERIES_UID}))
_WANTED_OF_STRUCTURES = Wanted(_TAGS, _REFERENCED_PARTS, _REFERENCED_FRAMES + 1, frozenset({_SERIES_UID}))
_WANTED_OF_MASKS = {
    "1.2.840.10008.5.1.4.1.1.66.4": _WANTED_OF_SEGMENTATION,
    "1.2.840.10008.5.1.4.1.1.66.7": _WANTED_OF_SEGMENTATION,
    "1.2.840.10008.5.1.4.1.1.481.3": _WANTED_OF_STRUCTURES,
}
MASK_CLASSES = frozenset(_WANTED_OF_MASKS)
"""SOP classes of the objects that can be read as a mask: segmentations, and structure sets of radiotherapy."""
_DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
_UNCOMPRESSED = {"", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"}
_NOT_IMAGES = {"SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "SR", "PR", "KO", "REG", "FID", "DOC"}


@dataclass(frozen=True, slots=True)
class InstanceHeader:
    """One object: a slice, a multi-frame image, or something that is no image.

    Attributes:
        acquisition: AcquisitionNumber, and TemporalPositionIdentifier after a slash.
        number: InstanceNumber; 0 where it is not there.
        n_images: 1, or the frames of a multi-frame image.
        low_mm: Place along the normal of its slices, of the lowest frame; None where it does not say.
        high_mm: Of the highest frame.
        step_mm: Median distance of neighbouring frames.
        acquired: The time of acquisition as ISO 8601; empty where it is not known.
        series: What it says of its series, as JSON: the texts, sizes, flags and references of a
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
    """Why a file is passed over."""

    reason: str


def read_header(prefix_of: Callable[[int], bytes], n_bytes: int) -> InstanceHeader | Refused:
    """Read the header of one file, or of one member of an archive.

    Args:
        prefix_of: Gives the first so many bytes; asked for more only where the header goes on.
        n_bytes: Size of the whole file.

    Returns:
        The header, or why there is none; damaged bytes raise nothing.

    Source: DICOM PS3.3 C.7.6 (images), C.7.6.16 (frames of enhanced objects), C.8.20 (segmentations), C.8.8.5
    (structure sets); our choice of what is passed over.

    >>> read_header(lambda n: b"patient_id,isup_grade"[:n], 21)
    Refused(reason='not a DICOM file')
    """
    head = prefix_of(_FIRST_BYTES) if n_bytes else b""
    if not looks_like_dicom(head):
        return Refused(NOT_DICOM if n_bytes else EMPTY)
    is_marked = head[128:132] == b"DICM"
    try:
        values, head = _elements(head, prefix_of, n_bytes, _WANTED)
        header = _Values(values)
        n_frames = max(header.whole(_FRAMES) or 1, 1)
        more = _WANTED_OF_MASKS.get(header.word(_SOP_CLASS))
        if more is None and n_frames > 1 and header.is_image and _POSITION not in values:
            more = _WANTED_OF_FRAMES
        if more is not None:
            values, head = _elements(head, prefix_of, n_bytes, more)
            header = _Values(values)
        reason = _objection(header, n_frames, n_bytes)
    except DamagedError:
        reason = DAMAGED
    except CutShortError:
        reason = CUT_SHORT
    if reason:
        # Without the mark of DICOM, a file that cannot be read is most probably something else.
        return Refused(reason if is_marked or reason == DICOMDIR else NOT_DICOM)
    return _describe(header, n_frames)


def _objection(header: _Values, n_frames: int, n_bytes: int) -> str:
    """Why a file whose header can be read is passed over all the same; empty where it is not."""
    if _DIRECTORY_CLASS in {header.word(_MEDIA_CLASS), header.word(_SOP_CLASS)}:
        return DICOMDIR
    if not header.word(_SERIES_UID):
        return NO_SERIES
    if header.word(TRANSFER_SYNTAX) not in _UNCOMPRESSED:
        return ""
    samples = header.whole(_SAMPLES) or 1
    samples = 2 if samples == 3 else samples  # colours may be stored for every other pixel only
    pixel_bits = math.prod(header.whole(tag) or 0 for tag in (_ROWS, _COLUMNS, _BITS)) * samples
    return CUT_SHORT if pixel_bits * n_frames // 8 > n_bytes else ""


def _elements(
    head: bytes, prefix_of: Callable[[int], bytes], n_bytes: int, wanted: Wanted
) -> tuple[Mapping[int, Any], bytes]:
    """The wanted elements, and as much of the file as they took."""
    while True:
        try:
            return find_elements(head, wanted, is_whole=len(head) >= n_bytes), head
        except CutShortError:
            if len(head) >= min(n_bytes, _LONGEST_HEADER):
                raise
            longer = prefix_of(min(len(head) * _GROWTH, _LONGEST_HEADER))
            if len(longer) <= len(head):
                raise
            head = longer


def _describe(header: _Values, n_frames: int) -> InstanceHeader:
    is_image = header.is_image and (header.whole(_ROWS) or 0) > 0
    shared, frames = header.frames()
    first = _Values({**header.values, **shared, **(frames[0] if frames else {})}, header.sets)
    normal = _normal(first.numbers(_ORIENTATION, 6)) if is_image else None
    places = [_Values({**first.values, **frame}).numbers(_POSITION, 3) for frame in frames or [{}]]
    heights = sorted(_height(place, normal) for place in places if place and normal)
    steps = [after - before for before, after in pairwise(heights) if after - before > 0.001]
    pixel_mm = first.numbers(_PIXEL_MM, 2)
    thickness = first.numbers(_THICKNESS, 1)
    series: dict[str, Any] = {name: header.text(tag) for name, tag in _TEXTS.items()} | {
        "kernel": first.text(_KERNEL),
        "series_number": header.whole_text(_SERIES_NUMBER),
        "is_deidentified": header.word(_IDENTITY_REMOVED).upper() == "YES",
        "burnt_in": header.word(_BURNT_IN).upper() == "YES",
        "rows": (header.whole(_ROWS) or 0) if is_image else 0,
        "columns": (header.whole(_COLUMNS) or 0) if is_image else 0,
        "samples": header.whole(_SAMPLES) or 1,
        "pixel_mm": pixel_mm if pixel_mm and min(pixel_mm) > 0 else None,
        "thickness_mm": thickness[0] if thickness and thickness[0] > 0 else None,
        "orientation": _plane(normal),
    }
    if header.word(_SOP_CLASS) in MASK_CLASSES:
        frame_uid, refers_to = header.references()
        series |= {"frame_uid": series["frame_uid"] or frame_uid, "refers_to": refers_to}
    acquisition, temporal = header.word(_ACQUISITION), header.word(_TEMPORAL)
    return InstanceHeader(
        patient_id=header.text(_PATIENT_ID),
        study_uid=header.word(_STUDY_UID),
        series_uid=header.word(_SERIES_UID),
        sop_uid=header.word(_SOP_UID),
        acquisition=f"{acquisition}/{temporal}" if temporal else acquisition,
        number=header.whole_text(_NUMBER) or 0,
        n_images=n_frames if is_image else 1,
        low_mm=heights[0] if heights else None,
        high_mm=heights[-1] if heights else None,
        step_mm=median(steps) if steps else None,
        acquired=_acquired(header),
        series=sys.intern(json.dumps(series, ensure_ascii=False)),  # once in memory for all slices of a series
    )


class _Values:
    """The values of a header's elements, read as far as they make sense: sloppy ones are mended, others left out."""

    def __init__(self, values: Mapping[int, Any], sets: str | None = None) -> None:
        self.values = values
        self.sets = self.word(_SETS) if sets is None else sets

    def raw(self, tag: int) -> bytes:
        """The bytes of an element; none where it is missing."""
        value = self.values.get(tag, b"")
        return value if isinstance(value, bytes) else b""

    def word(self, tag: int) -> str:
        """A UID, code or number: letters of ASCII, whatever the character set."""
        return self.raw(tag).decode("latin-1").strip(" \0")

    def text(self, tag: int) -> str:
        """A text in the character set of the header."""
        raw = self.raw(tag)
        return decode_text(raw, self.sets) if raw else ""

    def whole(self, tag: int) -> int | None:
        """A whole number, stored as two bytes, as four, or (a wrong VR) as digits."""
        raw = self.raw(tag)
        if tag != _FRAMES and len(raw) in {2, 4}:
            return int.from_bytes(raw, "big" if self.is_big_endian else "little")
        return self.whole_text(tag)

    @property
    def is_big_endian(self) -> bool:
        """Whether BitsAllocated or SamplesPerPixel, which are small, has its small byte last."""
        raw = self.raw(_BITS) or self.raw(_SAMPLES)
        return len(raw) == 2 and raw[0] == 0 and raw[1] != 0

    def whole_text(self, tag: int) -> int | None:
        """A whole number written as digits; ``"3.0"`` and ``" 3"`` are let through."""
        numbers = self.numbers(tag, 1)
        return int(numbers[0]) if numbers and abs(numbers[0]) < 2**31 else None

    def numbers(self, tag: int, count: int) -> tuple[float, ...] | None:
        """So many finite numbers, written as text or (a wrong VR) as doubles; None where it is anything else."""
        raw = self.raw(tag)
        if not raw:
            return None
        try:
            text = raw.decode("ascii").strip(" \0")
            found = tuple(float(one.replace(",", ".")) for one in text.split("\\"))
        except ValueError:
            if len(raw) != 8 * count:
                return None
            found = struct.unpack(f"<{count}d", raw)
        return found if len(found) == count and all(math.isfinite(one) for one in found) else None

    @property
    def is_image(self) -> bool:
        """Whether it is an object of pixels that show the patient."""
        return self.word(_MODALITY) not in _NOT_IMAGES and self.word(_SOP_CLASS) not in MASK_CLASSES

    def references(self) -> tuple[str, list[str]]:
        """The frame of reference that a structure set names, and the series to which it or a segmentation refers."""
        listed = [self.values.get(tag, []) for tag in (_REFERENCED_SERIES, _REFERENCED_FRAMES)]
        items = [_Values(item) for one in listed if isinstance(one, list) for item in one]
        uids = [uid.strip(" \0") for item in items for uid in item.word(_SERIES_UID).split("\\")]
        frame_uid = next((uid for item in items if (uid := item.word(_FRAME))), "")
        return frame_uid, [uid for uid in dict.fromkeys(uids) if uid]

    def frames(self) -> tuple[Mapping[int, bytes], list[Mapping[int, bytes]]]:
        """What the frames of an enhanced object share, and what each says of itself."""
        shared = self.values.get(_SHARED_GROUPS, [])
        each = self.values.get(_FRAME_GROUPS, [])
        return (shared[0] if isinstance(shared, list) and shared else {}), (each if isinstance(each, list) else [])


def _normal(orientation: tuple[float, ...] | None) -> Point | None:
    """The direction in which slices are stacked, signed as when a series is read: axial ones towards the head."""
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


def _acquired(header: _Values) -> str:
    """The earliest thing known of when the image was taken, as ISO 8601 without zone."""
    moment = moment_of(header.word(_ACQUISITION_MOMENT)[:8], header.word(_ACQUISITION_MOMENT)[8:])
    for day_tag, time_tag in _DAYS_AND_TIMES:
        moment = moment or moment_of(header.word(day_tag) or header.word(0x00080020), header.word(time_tag))
    return moment.isoformat() if moment else ""


def moment_of(day: str, time: str) -> datetime | None:
    """Put a DICOM date and time together.

    Args:
        day: ``YYYYMMDD``; dots and dashes are let through.
        time: ``HHMMSS.FFFFFF`` or its beginning; a zone after it is left out.

    Returns:
        The moment, or None where either says nothing.

    Source: DICOM PS3.5 6.2 (DA, TM, DT), with the forms of its older editions.

    >>> moment_of("20240131", "101500.5"), moment_of("2024.01.31", "10:15"), moment_of("20240131", "")
    (datetime.datetime(2024, 1, 31, 10, 15, 0, 500000), datetime.datetime(2024, 1, 31, 10, 15), None)
    """
    day = day.replace(".", "").replace("-", "")
    time = time.replace(":", "").split("+")[0].split("-")[0].strip()
    whole, _, fraction = time.partition(".")
    if len(day) != 8 or len(whole) not in {2, 4, 6} or not f"{day}{whole}{fraction}".isdecimal():
        return None
    try:
        moment = datetime.strptime(f"{day}{whole.ljust(6, '0')}", "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return moment.replace(microsecond=int(fraction[:6].ljust(6, "0") or 0))
