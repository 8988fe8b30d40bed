"""DICOM objects that contain marks instead of images: their kinds, and damage in them reported as such."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Literal, TypeAlias

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.datasets import PYDICOM_ERRORS, quiet
from nephrograde.volume.dicom.dictionary import SEGMENTATION_CLASSES, STRUCTURE_SET_CLASS
from nephrograde.volume.dicom.elements import CutShortError, DamagedError
from nephrograde.volume.dicom.entries import read_stream, want
from nephrograde.volume.dicom.series_list import SeriesList, is_series_list

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pydicom

Kind: TypeAlias = Literal["segmentation", "structure set"]

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(SEGMENTATION_CLASSES, "segmentation"),
    STRUCTURE_SET_CLASS: "structure set",
}
_WANTED = want(["SOPClassUID"])


def find_object(mask_path: Path) -> tuple[Path, Kind] | None:
    """Determine whether a mask is a DICOM segmentation or structure set.

    Args:
        mask_path: A file, a series list that names one file, or a folder that contains one such file and no other DICOM
            object of this kind.

    Returns:
        The file and its kind; None for anything else, such as an image series.

    Raises:
        VolumeError: With code "mask-several" if a folder contains several; those of a series list.

    Source: DICOM PS3.4 B.5 for the SOP classes.
    """
    paths = sorted(path for path in mask_path.iterdir() if path.is_file()) if mask_path.is_dir() else [mask_path]
    kinds = [(path, kind) for path in paths if (kind := _kind_of(path)) is not None]
    if len(kinds) > 1:
        raise VolumeError(
            "mask-several",
            f"the folder holds {len(kinds)} segmentations or structure sets.",
            "Name the file of the tumour itself in the table.",
        )
    return kinds[0] if kinds else None


def _kind_of(path: Path) -> Kind | None:
    if not path.is_file():
        return None
    try:
        with _opened(path) as stream:
            header = read_stream(stream, _WANTED)
            return _KINDS.get(header.word("SOPClassUID")) if header else None
    except (OSError, CutShortError, DamagedError):
        return None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open the bytes of a file, or of the first one that a series list names."""
    with ExitStack() as held:
        if is_series_list(path):
            yield held.enter_context(held.enter_context(SeriesList(path)).open(0))
        else:
            yield held.enter_context(path.open("rb"))


@contextmanager
def open_object(path: Path) -> Iterator[pydicom.Dataset]:
    """Open a DICOM object; whatever fails while it is read is reported as damage to this file.

    Args:
        path: The file, or a series list that names it.

    Raises:
        VolumeError: Those of a series list; with code "file-unreadable", also from within the block.
    """
    import pydicom

    try:
        with quiet(), _opened(path) as stream:
            yield pydicom.dcmread(stream, force=True)
    except PYDICOM_ERRORS as error:
        raise VolumeError(
            "file-unreadable",
            f"is damaged, or lacks an entry that it must have ({type(error).__name__}).",
            "Export the segmentation again.",
        ) from None
