"""Folders of patients: one subfolder or file for each, told from the folder of a single DICOM series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from nephrograde.cohort.case import Scan
from nephrograde.errors import VolumeError
from nephrograde.predict.many.patient import NewPatient
from nephrograde.streams import as_text, is_text
from nephrograde.volume.dicom.signature import is_dicom_file
from nephrograde.volume.pictures import KINDS, find_pictures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TABLES: Final = (".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xls")
_SCANS: Final = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".series", ".zip")
_DIRECTORY: Final = "dicomdir"
"""The index of a DICOM medium, which lies above the folders of the patients."""
_DEEPEST: Final = 8
_SHOWN: Final = 3


def is_table(path: Path) -> bool:
    """Whether a path names a table of patients, by the ending of its name.

    >>> from pathlib import Path
    >>> is_table(Path("患者.XLSX")), is_table(Path("P1.nii.gz"))
    (True, False)
    """
    return path.suffix.casefold() in TABLES and not path.is_dir()


def is_folder_of_patients(path: Path) -> bool:
    """Whether a path is a folder, and neither that of one DICOM series nor one of exported pictures alone.

    Args:
        path: May be missing.
    """
    return path.is_dir() and not _is_series(path) and not find_pictures([path])


def is_picture_file(path: Path) -> bool:
    """Whether a path is a file of one exported picture or one DICOM slice.

    Args:
        path: May be missing.
    """
    return not path.is_dir() and bool(find_pictures([path]))


def are_many(images: Sequence[Path]) -> bool:
    """Whether paths are many patients: a table, a folder of patients, or several scans.

    Several pictures are one patient, and so are several DICOM slices.

    Args:
        images: As given for a model of one phase, or one path for any model.

    >>> from pathlib import Path
    >>> are_many([Path("P1.nii.gz"), Path("P2.nii.gz")]), are_many([Path("1.png"), Path("2.png")])
    (True, False)
    """
    if len(images) == 1:
        return is_table(images[0]) or is_folder_of_patients(images[0])
    return not any(is_picture_file(path) for path in images)


def patients_in(folder: Path, phase: str) -> Iterator[NewPatient]:
    """List the patients of a folder, in the order of their names; files that are no scans are passed over.

    Args:
        folder: One subfolder or file for each patient.
        phase: That of the model.

    Yields:
        The patients; one whose folder holds no scan, or several, with a refusal.
    """
    for entry in _entries(folder):
        if entry.is_dir() or _is_scan_file(entry):
            yield patient_of(entry, phase)


def patient_of(path: Path, phase: str) -> NewPatient:
    """Make a patient of a scan, or of a folder with one scan at any depth.

    Args:
        path: An image file, a folder or zip archive with one DICOM series, or a folder of exported pictures.
        phase: That of the model.

    Returns:
        The patient, called as the path; with a refusal if the folder holds no scan, or several, or a name is no text.
    """
    refusal = None
    try:
        found = list(_scans_in(path)) if path.is_dir() else [path]
    except OSError as error:
        found = [path]
        message = f"cannot be read ({error.strerror or type(error).__name__})."
        refusal = VolumeError("file-unreadable", message, "Check its permissions.", path=path)
    scans = {phase: Scan(phase, found[0], None, None, None, None)} if len(found) == 1 else {}
    if not found:
        remedy = "Put a DICOM series, a zip archive of one or an image file there, or remove the folder."
        refusal = VolumeError("scan-missing", "the folder holds no scan.", remedy, path=path)
    elif len(found) > 1:
        names = ", ".join(one.relative_to(path).as_posix() for one in found[:_SHOWN])
        more = ", …" if len(found) > _SHOWN else ""
        message = f"the folder holds several scans ({names}{more})."
        remedy = "Name one scan for each patient in a table; `nephrograde scan` makes one of a DICOM export."
        refusal = VolumeError("scans-several", message, remedy, path=path)
    if not all(is_text(str(one)) for one in (path, *found)):
        scans, shown = {}, Path(as_text(str(path)))
        message = "its name holds bytes that are not UTF-8, which no file of results could hold."
        refusal = VolumeError("name-not-text", message, "Rename the file or folder, or name a link to it.", path=shown)
    return NewPatient(as_text(name_of(path)), scans, refusal=refusal)


def name_of(path: Path) -> str:
    """Name a patient after a folder or file.

    >>> from pathlib import Path
    >>> name_of(Path("scans/P001.nii.gz")), name_of(Path("scans/张三.1")), name_of(Path("P2.zip"))
    ('P001', '张三.1', 'P2')
    """
    name = path.name if path.name not in {"", ".."} else path.resolve().name
    ending = next((one for one in (*_SCANS, *KINDS, ".dcm") if name.casefold().endswith(one)), "")
    return (name[: -len(ending)] if ending and not path.is_dir() else name) or str(path)


def _scans_in(folder: Path, depth: int = 0) -> Iterator[Path]:
    """The scans of one patient: series, archives, image files and folders of pictures, at any depth."""
    if _is_series(folder) or find_pictures([folder]):
        yield folder
        return
    for entry in _entries(folder):
        if entry.is_dir():
            if depth < _DEEPEST:
                yield from _scans_in(entry, depth + 1)
        elif _is_scan_file(entry):
            yield entry


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, except for what systems hide there."""
    return sorted(one for one in folder.iterdir() if not one.name.startswith((".", "__MACOSX")))


def _is_series(folder: Path) -> bool:
    """Whether a folder itself holds DICOM files, beside a DICOMDIR."""
    return any(_is_dicom(one) for one in _entries(folder) if one.name.casefold() != _DIRECTORY)


def _is_dicom(path: Path) -> bool:
    """Whether a file is DICOM; its ending says what it is otherwise."""
    if path.name.casefold().endswith((*_SCANS, *KINDS, *TABLES)) or not path.is_file():
        return False
    try:
        return is_dicom_file(path)
    except OSError:  # a DICOM file without permission is reported when the series is read
        return path.suffix.casefold() == ".dcm"


def _is_scan_file(path: Path) -> bool:
    return path.is_file() and path.name.casefold().endswith(_SCANS)
