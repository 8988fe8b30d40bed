"""What a new DICOM object takes over from the series that it is about: patient, study, and the images it refers to."""

from __future__ import annotations

import io
from collections.abc import MutableSequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from nephrograde.errors import VolumeError, about_file, require_package
from nephrograde.replacement import replaced
from nephrograde.volume.dicom.datasets import PYDICOM_ERRORS, character_sets_of, quiet, texts_of
from nephrograde.volume.dicom.source_headers import read_source_headers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nephrograde.volume.dicom.source_headers import SourceHeaders

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
"""What every object copies from its source, and may leave empty (type 2)."""
_MUST_BE_THERE: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_SEXES: Final = {"M", "F", "O", ""}
_TEXT_VRS: Final = {"PN", "LO", "SH", "ST", "LT", "UT", "UC"}
_UTF8: Final = "ISO_IR 192"


def require_highdicom(place: str) -> None:
    """Refuse to go on without the package that writes DICOM objects.

    Args:
        place: The option or argument that needs it.

    Raises:
        InputError: It is not installed.
    """
    require_package(place, "highdicom", "dicom")


def read_references(image_path: Path) -> SourceHeaders:
    """Read the headers of a series so that a new object can copy from them and refer to them.

    What may be empty is added where it was removed, for instance by de-identification. The texts of the first header
    are decoded as they were really written: where a series declares no character set, or another one, they are
    written as UTF-8 in the new object.

    Args:
        image_path: As for :func:`~nephrograde.volume.read.read_volume`.

    Raises:
        VolumeError: With code "not-dicom" if the image is not DICOM, "dicom-reference" if the series lacks the UIDs
            that an object must refer to, "dicom-source" if its headers cannot be read as a whole.
    """
    sources = read_source_headers(image_path)
    with about_file(image_path):
        for dataset in sources.datasets:
            require_uids(dataset, _MUST_BE_THERE)
        with copying():
            for dataset in sources.datasets:
                _complete(dataset)
            _write_as_read(sources.datasets[0])
    return sources


def require_uids(dataset: Dataset, keywords: Sequence[str]) -> None:
    """Refuse a header that lacks a UID which the new object must refer to.

    Args:
        dataset: The header.
        keywords: The UIDs.

    Raises:
        VolumeError: With code "dicom-reference".
    """
    missing = [keyword for keyword in keywords if not dataset.get(keyword)]
    if missing:
        raise VolumeError(
            "dicom-reference",
            f"its headers lack {', '.join(missing)}, which a new DICOM object must refer to.",
            "Use a series that has kept its UIDs.",
        )


@contextmanager
def copying() -> Iterator[None]:
    """Name what the block raises where headers are damaged, or lack what new objects copy from them.

    Raises:
        VolumeError: With code "dicom-source".
    """
    try:
        with quiet():
            yield
    except PYDICOM_ERRORS as error:
        raise VolumeError(
            "dicom-source",
            f"its headers are damaged, or lack what a new DICOM object copies from them ({type(error).__name__}).",
            "Export the series again from its source.",
        ) from None


def save_object(made: Dataset, out_path: Path) -> None:
    """Write a new object to a file.

    Args:
        made: The object.
        out_path: The file, ``.dcm``.

    Raises:
        VolumeError: With code "dicom-source" if it holds what cannot be written.
        WriteError: The file cannot be written.
    """
    stream = io.BytesIO()
    with copying():
        made.save_as(stream, enforce_file_format=True)
    with replaced(out_path) as temporary_path:
        temporary_path.write_bytes(stream.getvalue())


def _complete(dataset: Dataset) -> None:
    for keyword in _MAY_BE_EMPTY:
        if keyword not in dataset:
            setattr(dataset, keyword, "")
    if dataset.PatientSex not in _SEXES:  # "male", which no new object may hold
        dataset.PatientSex = ""
    frames = dataset.get("PerFrameFunctionalGroupsSequence")
    if frames:
        _share(dataset, frames[0])


def _share(dataset: Dataset, frame: Dataset) -> None:
    """State for all frames what each of them states, as new objects take it from there: frames are one stack."""
    if not dataset.get("SharedFunctionalGroupsSequence"):
        dataset.SharedFunctionalGroupsSequence = [Dataset()]
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for keyword in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
        if keyword not in shared and keyword in frame:
            setattr(shared, keyword, frame[keyword].value)


def _write_as_read(dataset: Dataset) -> None:
    """Let the texts of a header, and the character set that it declares, be what people read.

    A declared set that is right and that highdicom knows is kept. Otherwise texts outside ASCII become UTF-8.
    """
    sets = character_sets_of(dataset)
    found = {tag: "\\".join(texts_of(dataset, tag, sets)) for tag in _texts_in(dataset)}
    is_plain = all(text.isascii() for text in found.values())
    is_right = _is_known(dataset) and all(_plain(dataset, tag) == text for tag, text in found.items())
    if is_right:
        return
    dataset.decode()
    for tag, text in found.items():
        dataset[tag].value = text
    if is_plain:
        dataset.pop("SpecificCharacterSet", None)
    else:
        dataset.SpecificCharacterSet = _UTF8


def _texts_in(dataset: Dataset) -> Iterator[int]:
    """The tags of the standard's text elements, outside sequences."""
    for tag in list(dataset.keys()):
        try:
            is_text = not tag.is_private and dictionary_VR(tag) in _TEXT_VRS
        except KeyError:
            continue
        if is_text:
            yield tag


def _plain(dataset: Dataset, tag: int) -> str:
    """The text of an element as pydicom decodes it by the declared set."""
    value = dataset[tag].value
    values = list(value) if isinstance(value, MutableSequence) else [value]
    return "\\".join("" if one is None else str(one).strip(" \0\r\n\t") for one in values)


def _is_known(dataset: Dataset) -> bool:
    """Whether a new object may declare the same character set."""
    from highdicom.enum import SpecificCharacterSetValues

    declared = character_sets_of(dataset)
    known = {one.value for one in SpecificCharacterSetValues}
    return "SpecificCharacterSet" not in dataset or (len(declared) > 0 and all(one in known for one in declared))
