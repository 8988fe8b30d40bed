"""What one file of a DICOM series says about it in words and tags: modality, descriptions, kind of image."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from nephrograde.volume.dicom.archive import ArchiveRefused, is_zip, walk_members
from nephrograde.volume.dicom.elements import CutShortError, DamagedError
from nephrograde.volume.dicom.entries import FIRST_BYTES, beginning_of, read_entries, want
from nephrograde.volume.dicom.header import SeriesHeader
from nephrograde.volume.dicom.signature import is_dicom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_WANTED = want(
    (
        *("SeriesInstanceUID", "Modality", "SeriesDescription", "ProtocolName", "ImageComments", "StudyDescription"),
        *("ContrastBolusAgent", "ImageType", "Rows"),
    )
)
_MOST_FILES = 50
"""Files that are looked into before none of them is an image of the series."""


def read_series_words(image_path: Path) -> SeriesHeader | None:
    """Read what the first image of a DICOM series says about the series.

    Args:
        image_path: As for :func:`~nephrograde.volume.read.read_volume`.

    Returns:
        Texts and tags, no sizes; None for an image of another kind or a list of files, or if none can be read.
    """
    with suppress(OSError, ValueError, ArchiveRefused):
        for number, (beginning, n_bytes) in enumerate(_files(image_path), start=1):
            header = _read(beginning, n_bytes)
            if header is not None or number == _MOST_FILES:
                return header
    return None


def _files(image_path: Path) -> Iterator[tuple[Callable[[int], bytes], int]]:
    """The beginning and the size of each file; of a list of files there is none."""
    is_folder = image_path.is_dir()
    for path in sorted(image_path.iterdir()) if is_folder else [image_path]:
        if path.is_file():
            with path.open("rb") as stream:
                beginning = beginning_of(stream)
                if not is_folder and is_zip(beginning(4)):
                    yield from ((member.beginning, member.n_bytes) for member in walk_members(path))
                else:
                    yield beginning, path.stat().st_size


def _read(beginning: Callable[[int], bytes], n_bytes: int) -> SeriesHeader | None:
    try:
        entries = read_entries(beginning, n_bytes, _WANTED) if is_dicom(beginning(FIRST_BYTES)) else None
    except (CutShortError, DamagedError):
        return None
    if entries is None or "Rows" not in entries:
        return None
    return SeriesHeader(
        series_uid=entries.word("SeriesInstanceUID"),
        modality=entries.text("Modality"),
        description=entries.text("SeriesDescription"),
        protocol=entries.text("ProtocolName"),
        comments=entries.text("ImageComments"),
        study_description=entries.text("StudyDescription"),
        bolus_agent=entries.text("ContrastBolusAgent"),
        image_type=entries.text("ImageType"),
    )
