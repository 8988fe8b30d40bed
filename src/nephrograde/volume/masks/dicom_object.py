"""DICOM objects that hold marks instead of images: which they are, and damage in them told as such."""

from __future__ import annotations

import struct
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Literal, TypeAlias

from nephrograde.errors import VolumeError
from nephrograde.files import SeriesList, is_series_list
from nephrograde.volume.dicom.elements import quiet
from nephrograde.volume.dicom.text import decode_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pydicom

Kind: TypeAlias = Literal["segmentation", "structure set"]

_KINDS: dict[str, Kind] = {
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "segmentation",  # label map segmentation, since 2024
    "1.2.840.10008.5.1.4.1.1.481.3": "structure set",
}
_DAMAGE = (
    *(AttributeError, EOFError, IndexError, KeyError, NotImplementedError, OSError, OverflowError, RuntimeError),
    *(TypeError, ValueError, ZeroDivisionError, struct.error, MemoryError),
)


def find_object(mask_path: Path) -> tuple[Path, Kind] | None:
    """Find out whether a mask is a DICOM segmentation or structure set.

    Args:
        mask_path: A file, a series list that names one file, or a folder that holds one such file and no other DICOM
            object of this kind.

    Returns:
        The file and what it is; None for anything else, an image series among them.

    Raises:
        VolumeError: With code "mask-several" where a folder holds several; those of a series list.

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
    import pydicom
    from pydicom.errors import BytesLengthException, InvalidDicomError

    if not path.is_file():
        return None
    try:
        with quiet(), _opened(path) as stream:
            has_preamble = stream.read(132)[128:] == b"DICM"
            if not has_preamble and path.suffix.lower() not in {".dcm", ".series"}:
                return None
            stream.seek(0)
            header = pydicom.dcmread(stream, force=True, stop_before_pixels=True, specific_tags=["SOPClassUID"])
            return _KINDS.get(str(header.get("SOPClassUID", "")).strip(" \0"))
    except (InvalidDicomError, BytesLengthException, *_DAMAGE):
        return None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, or of the first one that a series list names."""
    with ExitStack() as held:
        if is_series_list(path):
            yield held.enter_context(held.enter_context(SeriesList(path)).open(0))
        else:
            yield held.enter_context(path.open("rb"))


@contextmanager
def open_object(path: Path) -> Iterator[pydicom.Dataset]:
    """Open a DICOM object; whatever breaks while it is read is named as damage of this file.

    Args:
        path: The file, or a series list that names it.

    Raises:
        VolumeError: Those of a series list; with code "file-unreadable", from within the block too.
    """
    import pydicom
    from pydicom.errors import BytesLengthException, InvalidDicomError

    try:
        with quiet(), _opened(path) as stream:
            yield pydicom.dcmread(stream, force=True)
    except (InvalidDicomError, BytesLengthException, *_DAMAGE) as error:
        raise VolumeError(
            "file-unreadable",
            f"is damaged, or lacks an entry that it must have ({type(error).__name__}).",
            "Export the segmentation again.",
        ) from None


def declared_sets(dataset: pydicom.Dataset) -> list[str]:
    """The character sets that an object says its texts are written in, for :func:`text_of`.

    Args:
        dataset: The whole object; the items of its sequences inherit them.
    """
    declared = dataset.get("SpecificCharacterSet") or []
    return [str(one) for one in ([declared] if isinstance(declared, str) else declared)]


def text_of(dataset: pydicom.Dataset, keyword: str, character_sets: Sequence[str]) -> str:
    """The text of an entry, in whatever character set it was really written; empty where it is missing.

    Args:
        dataset: The object, or an item of a sequence in it.
        keyword: The entry's name in the standard.
        character_sets: As :func:`declared_sets` gives them.
    """
    if keyword not in dataset:
        return ""
    raw = dataset.get_item(keyword).value
    return decode_text(raw, character_sets) if isinstance(raw, bytes) else str(raw or "").strip()
