"""What the exchange with other systems has to know of an object: its UIDs, its kind, and what it refers to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from nephrograde.errors import about_file
from nephrograde.exchange.destination import is_uid
from nephrograde.export.dicom.report import MAKER
from nephrograde.export.dicom.words import RESEARCH
from nephrograde.volume.dicom.dictionary import MASK_CLASSES
from nephrograde.volume.dicom.elements import CutShortError, DamagedError
from nephrograde.volume.dicom.entries import read_stream, want

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.volume.dicom.entries import Entries

_STORAGE = "1.2.840.10008.5.1.4.1.1."
CT_CLASSES: Final = frozenset(f"{_STORAGE}{kind}" for kind in ("2", "2.1", "2.2"))
"""Computed tomography: single slices, enhanced, and single slices converted to enhanced."""
_OURS = frozenset({MAKER, "nephrograde"})
_WANTED = want(
    [
        "SOPClassUID",
        "SOPInstanceUID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "FrameOfReferenceUID",
        "Manufacturer",
        "SeriesDescription",
        "ImageType",
    ],
    [
        "ReferencedSeriesSequence",
        "ReferencedFrameOfReferenceSequence",
        "RTReferencedStudySequence",
        "RTReferencedSeriesSequence",
    ],
    gathered=["SeriesInstanceUID"],
)


@dataclass(frozen=True, slots=True)
class ObjectHeader:
    """An object in brief. UIDs are as in the header; ``is_valid`` says whether they are UIDs.

    Attributes:
        sop_class: What kind of object it is.
        sop_uid: Identifies it.
        study_uid: Of its study.
        series_uid: Of its series.
        syntax: Its transfer syntax.
        frame_uid: Its frame of reference; empty if it names none.
        refers_to: For a mask, the series of the images on which it was drawn.
        is_ours: Whether it is a result of this program.
        is_localizer: Whether it is a scout.
    """

    sop_class: str
    sop_uid: str
    study_uid: str
    series_uid: str
    syntax: str
    frame_uid: str = ""
    refers_to: tuple[str, ...] = ()
    is_ours: bool = False
    is_localizer: bool = False

    @property
    def is_valid(self) -> bool:
        """Whether everything that must be a UID is one."""
        return all(map(is_uid, (self.sop_class, self.sop_uid, self.study_uid, self.series_uid)))

    @property
    def is_ct(self) -> bool:
        """Whether it is a slice, or a stack of slices, of computed tomography."""
        return self.sop_class in CT_CLASSES

    @property
    def is_mask(self) -> bool:
        """Whether it is a segmentation or a structure set."""
        return self.sop_class in MASK_CLASSES

    def marks(self, image: ObjectHeader) -> bool:
        """Tell whether this mask was drawn on the series of an image.

        Its frame of reference is that of the series; if it names the series on which it was drawn, that is this one: a
        mask of another phase lies elsewhere after the next breath.

        Args:
            image: An image of the series.
        """
        return (
            self.study_uid == image.study_uid
            and self.frame_uid == image.frame_uid != ""
            and (not self.refers_to or image.series_uid in self.refers_to)
        )


def read_header(stream: IO[bytes]) -> ObjectHeader | None:
    """Read the header of an object.

    Args:
        stream: Seekable.

    Returns:
        The header; None if the bytes are no DICOM, or are damaged.
    """
    try:
        found = read_stream(stream, _WANTED)
    except (CutShortError, DamagedError):
        return None
    return None if found is None else _header(found)


def header_of(path: Path) -> ObjectHeader | None:
    """Read the header of a file.

    Args:
        path: The file.

    Returns:
        The header; None if the file is no DICOM, or is damaged.

    Raises:
        OSError: It cannot be read.
    """
    with about_file(path), path.open("rb") as stream:
        return read_header(stream)


def _header(found: Entries) -> ObjectHeader:
    items = [*found.items("ReferencedSeriesSequence"), *found.items("ReferencedFrameOfReferenceSequence")]
    refers_to = [uid.strip(" \0") for item in items for uid in item.word("SeriesInstanceUID").split("\\")]
    frames = [found.word("FrameOfReferenceUID"), *(item.word("FrameOfReferenceUID") for item in items)]
    sop_class = found.word("SOPClassUID")
    return ObjectHeader(
        sop_class,
        found.word("SOPInstanceUID"),
        found.word("StudyInstanceUID"),
        found.word("SeriesInstanceUID"),
        found.syntax,
        next((uid for uid in frames if uid), ""),
        tuple(uid for uid in dict.fromkeys(refers_to) if uid) if sop_class in MASK_CLASSES else (),
        is_ours=found.text("Manufacturer") in _OURS and RESEARCH in found.text("SeriesDescription"),
        is_localizer="LOCALIZER" in found.word("ImageType").upper().split("\\"),
    )
