"""The slices that a header describes: one, or one per frame of a multiframe object."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.volume.dicom.dictionary import TAGS
from nephrograde.volume.dicom.entries import NonsenseError
from nephrograde.volume.dicom.one_slice import PixelForm, Slice

if TYPE_CHECKING:
    import numpy.typing as npt

    from nephrograde.volume.dicom.entries import Entries
    from nephrograde.volume.dicom.one_slice import SourceFile

_MOST_FRAMES = 100_000
_MOST_PIXELS = 1 << 28
_FARTHEST_MM = 1e5
OWN = tuple(TAGS[keyword] for keyword in ("SOPInstanceUID", "InstanceNumber", "ImagePositionPatient"))
"""The elements that vary within a series."""
_PER_FRAME = TAGS["PerFrameFunctionalGroupsSequence"]


class Describing:
    """Describes the files of a series one after the other.

    The headers of one series differ in little but the number and place of the slice, so that whatever else equals the
    header before is taken from there.
    """

    def __init__(self) -> None:
        """Begin with no file."""
        self._others: object = None
        self._before: Slice | None = None
        self._described: dict[object, Slice] = {}

    def slices_of(self, file: SourceFile, entries: Entries) -> list[Slice]:
        """Return the slices in a file; none if it does not say where they lie.

        Args:
            file: Where it is.
            entries: Its header.

        Raises:
            NonsenseError: If an entry is missing or invalid.
        """
        known = self._described.get(entries.alike)
        if known is not None:
            return [_beside(known, file, entries)]
        others: dict[int, object] = dict(entries.elements)
        own = [others.pop(tag, None) for tag in OWN]
        alike = (others, entries.syntax, entries.is_big_endian)
        if self._before is not None and alike == self._others and own[2] is not None:
            found = [_beside(self._before, file, entries)]
        else:
            form = form_of(entries)
            found = [_as_slice(file, k, form, frame) for k, frame in enumerate(_frames_of(entries, form))]
            is_single = len(found) == 1 and _PER_FRAME not in others
            self._others, self._before = (alike, found[0]) if is_single else (None, None)
        if self._before is not None and entries.alike is not None:
            self._described[entries.alike] = found[0]
        return found


def _beside(before: Slice, file: SourceFile, entries: Entries) -> Slice:
    """A slice whose header equals that of another but for its name, number and place."""
    return replace(
        before,
        file=file,
        number=_digits(entries, "InstanceNumber"),
        sop_uid=entries.text("SOPInstanceUID"),
        position_mm=_position(entries),
        header_end=entries.end,
        pixels=entries.pixels,
    )


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


def form_of(entries: Entries) -> PixelForm:
    """Return how the pixels of an object are stored.

    Args:
        entries: Its header.

    Raises:
        NonsenseError: If an entry is missing or invalid.
    """
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
    position_mm = _position(entries)
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
        pixels=entries.pixels,
    )


def _position(entries: Entries) -> npt.NDArray[np.float64]:
    position_mm = entries.numbers("ImagePositionPatient", 3)
    if max(map(abs, position_mm)) > _FARTHEST_MM:
        raise NonsenseError("ImagePositionPatient lies outside every scanner")
    return np.array(position_mm)


def _digits(entries: Entries, keyword: str) -> str:
    """A number for messages; empty for anything but digits, which some exports fill with names."""
    text = entries.text(keyword)
    return text if text.isdecimal() else ""
