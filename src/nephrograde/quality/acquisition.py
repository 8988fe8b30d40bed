"""How a DICOM series was reconstructed, and which person it shows, from the headers of some of its files."""

from __future__ import annotations

import math
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from nephrograde.errors import VolumeError
from nephrograde.quality.marks import PersonMarks, keyed_mark
from nephrograde.volume.dicom.elements import CutShortError, DamagedError
from nephrograde.volume.dicom.entries import read_stream, want
from nephrograde.volume.dicom.series_list import SeriesList, is_series_list
from nephrograde.volume.finding import Fault

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from nephrograde.volume.dicom.entries import Entries

LOOKED_AT_FILES = 30
"""Chosen evenly over the sorted names of a series; a kernel that changes within it changes for many slices."""
TILT_FROM_DEG = 0.5
_NOT_DICOM = (".gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
_PERSON = ("PatientName", "PatientBirthDate", "PatientSex")
_MADE = ("SliceThickness", "GantryDetectorTilt", "ConvolutionKernel", "StudyInstanceUID", "FrameOfReferenceUID")
_WANTED = want((*_MADE, *_PERSON))


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How one series was made, according to its headers.

    Attributes:
        kernels: Every ConvolutionKernel among its files.
        thickness_mm: Every SliceThickness.
        tilt_deg: The largest absolute GantryDetectorTilt; 0 if there is none.
    """

    kernels: tuple[str, ...] = ()
    thickness_mm: tuple[float, ...] = ()
    tilt_deg: float = 0.0


def read_acquisition(image_path: Path) -> Acquisition:
    """Read how the series of an image was made.

    Args:
        image_path: A folder, a series list or one DICOM file; anything else gives an empty result.

    Returns:
        What the headers say; a file that is not DICOM, or damaged, is skipped.

    Source: DICOM PS3.3 C.8.2.1 (CT image).

    >>> from pathlib import Path
    >>> read_acquisition(Path("np.nii.gz"))
    Acquisition(kernels=(), thickness_mm=(), tilt_deg=0.0)
    """
    kernels: set[str] = set()
    thickness_mm: set[float] = set()
    tilt_deg = 0.0
    for header in _headers(image_path, LOOKED_AT_FILES):
        kernels |= {header.text("ConvolutionKernel").replace("\\", "/")} - {""}
        thickness_mm |= {_number(header, "SliceThickness")} - {0.0}
        tilt_deg = max(tilt_deg, abs(_number(header, "GantryDetectorTilt")))
    return Acquisition(tuple(sorted(kernels)), tuple(sorted(thickness_mm)), tilt_deg)


def read_person_marks(image_path: Path) -> PersonMarks:
    """Read marks by which the person and the examination can be recognised again, without keeping the identity.

    Args:
        image_path: As for :func:`read_acquisition`.

    Returns:
        Marks that are valid within this process only; empty if no header can be read.
    """
    for header in _headers(image_path, 1):
        name, birth_date, sex = (header.text(keyword) for keyword in _PERSON)
        return PersonMarks(
            study=keyed_mark(header.word("StudyInstanceUID")),
            frame=keyed_mark(header.word("FrameOfReferenceUID")),
            person=keyed_mark(name, birth_date, sex or "?"),
            born=keyed_mark(birth_date, sex or "?"),
        )
    return PersonMarks()


def check_acquisition(acquisition: Acquisition) -> list[Fault]:
    """Look for a series that was not made in one way, or with a tilted gantry.

    Args:
        acquisition: From :func:`read_acquisition`.

    Returns:
        Warnings with code "mixed-kernel" or "gantry-tilt".

    >>> print(check_acquisition(Acquisition(kernels=("B30f", "B70f")))[0].message)
    its slices were reconstructed with several kernels (B30f, B70f).
    """
    faults = []
    if len(acquisition.kernels) > 1:
        message = f"its slices were reconstructed with several kernels ({', '.join(acquisition.kernels)})."
        faults.append(Fault("mixed-kernel", "warning", message, "Export each reconstruction as a series of its own."))
    if acquisition.tilt_deg >= TILT_FROM_DEG:
        message = f"was scanned with the gantry tilted by {acquisition.tilt_deg:g}°, so its slices lie askew."
        remedy = "See that the sizes are right; use another reconstruction if there is one."
        faults.append(Fault("gantry-tilt", "warning", message, remedy))
    return faults


def _headers(image_path: Path, count: int) -> Iterator[Entries]:
    """Yield up to ``count`` headers; if one is enough, the first that can be read."""
    streams = _listed_streams(image_path, count) if is_series_list(image_path) else _streams(image_path, count)
    with closing(streams):
        found = 0
        for stream in streams:
            with stream:
                header = _read_header(stream)
            if header is not None:
                yield header
                found += 1
                if found == count:
                    return


def _streams(image_path: Path, count: int) -> Generator[IO[bytes]]:
    if image_path.is_dir():
        paths = sorted(path for path in image_path.iterdir() if path.is_file())
    else:
        paths = [image_path] if image_path.is_file() and not image_path.name.lower().endswith(_NOT_DICOM) else []
    for path in paths[:: _every(len(paths), count)]:
        with suppress(OSError):
            yield path.open("rb")


def _listed_streams(list_path: Path, count: int) -> Generator[IO[bytes]]:
    with suppress(VolumeError), SeriesList(list_path) as listed:
        for k in range(0, len(listed), _every(len(listed), count)):
            with suppress(VolumeError):
                yield listed.open(k)


def _every(n_files: int, count: int) -> int:
    return 1 if count == 1 else max(1, math.ceil(n_files / count))


def _read_header(stream: IO[bytes]) -> Entries | None:
    try:
        header = read_stream(stream, _WANTED)
    except (OSError, CutShortError, DamagedError):
        return None
    says_anything = header is not None and any(keyword in header for keyword in (*_MADE, *_PERSON))
    return header if says_anything else None


def _number(header: Entries, keyword: str) -> float:
    """Return an entry as a number; 0 if missing."""
    numbers = header.find_numbers(keyword, 1)
    return numbers[0] if numbers else 0.0
