"""A folder with one DICOM series: which files belong to it, in which order, and how far apart they lie.

The slice distance comes from the positions of the slices, never from ``SliceThickness``, which is another number
wherever slices overlap or leave gaps. Pixel data is decoded, and rescaled to HU, by SimpleITK (GDCM).
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK

from nephrograde.errors import VolumeError
from nephrograde.volume.grid import ORTHONORMAL_WITHIN, Grid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from nephrograde.vocabulary import VolumeArray

UNEVEN_FROM = 0.1
"""Two slices are a gap (or an overlap) where their distance differs by this fraction from the usual one; rounding of
positions to 0.1 mm is let through (our choice)."""
TILT_FROM_PIXELS = 0.5
"""How far slices may be shifted sideways over the whole stack before it counts as sheared (our choice)."""

_TAGS = [
    *("Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "AcquisitionNumber", "NumberOfFrames"),
    *("SamplesPerPixel", "Rows", "Columns", "BitsAllocated", "PixelSpacing", "ImageOrientationPatient"),
    *("ImagePositionPatient", "RescaleSlope", "RescaleIntercept"),
]
_BINARY = {"SamplesPerPixel", "Rows", "Columns", "BitsAllocated"}
_NOT_SCANS = {"SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "SR", "PR", "KO", "REG"}
_SLICE_CLASSES = {f"1.2.840.10008.5.1.4.1.1.{kind}" for kind in (2, 4, 128)}  # CT, MR, PET
_UNCOMPRESSED = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"}


@dataclass(frozen=True, slots=True, eq=False)
class _Slice:
    path: Path
    series_uid: str
    series_name: str
    acquisition: str
    rows: int
    columns: int
    samples: int
    pixel_mm: tuple[float, float]
    orientation: npt.NDArray[np.float64]
    position_mm: npt.NDArray[np.float64]
    rescale: tuple[float, float]


def read_series(series_dir: Path) -> tuple[VolumeArray, Grid]:
    """Read the one DICOM series of a folder, whatever its files are called.

    Files that are not DICOM, and DICOM objects that are not slices (segmentations, reports, dose screens), are passed
    over. Slices are ordered along the stack: from feet to head, of a coronal series towards the back, of a sagittal
    one towards the left.

    Args:
        series_dir: The folder; folders in it are not searched.

    Returns:
        The values after slope and intercept, ``columns rows slices``, and the grid.

    Raises:
        VolumeError: With code "dicom-none", "dicom-several-series", "dicom-multiframe", "dicom-header", "dicom-mixed",
            "dicom-duplicate", "dicom-gap", "dicom-tilt", "file-truncated", "not-scalar", "too-few-slices" or
            "file-unreadable".

    Source: DICOM PS3.3 C.7.6.2 (image plane); our choice of ``UNEVEN_FROM`` and ``TILT_FROM_PIXELS``.
    """
    slices = _one_series(_find_slices(series_dir), series_dir)
    _require_uniform(slices, series_dir)
    rows, columns = slices[0].orientation[:3], slices[0].orientation[3:]
    normal = np.cross(rows, columns)
    normal *= np.sign(normal[np.abs(normal).argmax()])
    slices = sorted(slices, key=lambda one: float(one.position_mm @ normal))
    distance_mm = _slice_distance(slices, normal, series_dir)
    grid = Grid(
        (slices[0].columns, slices[0].rows, len(slices)),
        # PixelSpacing gives the distance of rows first, which is the step along a column.
        (slices[0].pixel_mm[1], slices[0].pixel_mm[0], distance_mm),
        (float(slices[0].position_mm[0]), float(slices[0].position_mm[1]), float(slices[0].position_mm[2])),
        np.stack([rows, columns, normal], axis=1) + 0.0,
        source="dicom",
    ).require_sound(series_dir)
    return _decode(slices, series_dir), grid


def is_dicom_file(image_path: Path) -> bool:
    """Whether a file begins as DICOM files do: ``DICM`` after a preamble of 128 bytes."""
    with image_path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _find_slices(series_dir: Path) -> list[_Slice]:
    slices: list[_Slice] = []
    multiframe: list[Path] = []
    without_place = 0
    for path in sorted(path for path in series_dir.iterdir() if path.is_file()):
        if not is_dicom_file(path):
            continue
        header = _read_header(path)
        if header.get("Modality", "") in _NOT_SCANS:
            continue
        if "Rows" not in header:
            if header["SOPClass"] in {"", *_SLICE_CLASSES}:
                raise _cut_short(path, "its header breaks off")
            continue
        if header.get("NumberOfFrames", "") not in {"", "0", "1"}:
            multiframe.append(path)
        elif "ImagePositionPatient" in header and "ImageOrientationPatient" in header:
            slices.append(_as_slice(path, header))
        else:
            without_place += 1
    if slices:
        return slices
    if multiframe:
        raise VolumeError(
            "dicom-multiframe",
            f"{multiframe[0]}: holds all slices in one multi-frame object, which is not read.",
            "Convert it to NIfTI (dcm2niix) or export it as single-frame DICOM.",
        )
    raise _no_slices(series_dir, without_place)


def _no_slices(series_dir: Path, without_place: int) -> VolumeError:
    if without_place:
        return VolumeError(
            "dicom-header",
            f"{series_dir}: its {without_place} DICOM images do not say where in the patient they lie "
            "(ImagePositionPatient is missing).",
            "Export the series again without removing the geometry; screen captures cannot be used.",
        )
    folders = sorted(path.name for path in series_dir.iterdir() if path.is_dir())
    remedy = f"Name one of the folders in it: {', '.join(folders[:5])}." if folders else "Correct the path."
    return VolumeError("dicom-none", f"{series_dir}: the folder holds no DICOM images.", remedy)


def _read_header(path: Path) -> dict[str, str]:
    """The header's texts, undecoded numbers included, so that sloppy values do not set off pydicom's warnings."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
        header = {name: _text_of(dataset, name) for name in _TAGS if name in dataset}
        header["SOPClass"] = str(dataset.file_meta.get("MediaStorageSOPClassUID", ""))
        header["TransferSyntax"] = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    except (InvalidDicomError, EOFError, ValueError, KeyError, AttributeError, struct.error) as error:
        raise VolumeError(
            "file-unreadable",
            f"{path}: the DICOM header is damaged ({error}).",
            "Copy the series again from its source.",
        ) from None
    return header


def _text_of(dataset: Any, name: str) -> str:
    from pydicom.datadict import tag_for_keyword

    raw = dataset.get_item(tag_for_keyword(name)).value
    if not isinstance(raw, bytes) or name in _BINARY:
        return str(dataset[name].value)
    try:
        return raw.decode("utf-8").strip(" \0")
    except UnicodeDecodeError:
        return raw.decode("gb18030", errors="replace").strip(" \0")


def _as_slice(path: Path, header: dict[str, str]) -> _Slice:
    try:
        pixel_mm = _numbers(header["PixelSpacing"], 2)
        one = _Slice(
            path=path,
            series_uid=header["SeriesInstanceUID"],
            series_name=f"{header.get('SeriesNumber', '')} '{header.get('SeriesDescription', '')}'".strip(),
            acquisition=header.get("AcquisitionNumber", ""),
            rows=int(header["Rows"]),
            columns=int(header["Columns"]),
            samples=int(header.get("SamplesPerPixel") or 1),
            pixel_mm=(pixel_mm[0], pixel_mm[1]),
            orientation=np.array(_numbers(header["ImageOrientationPatient"], 6)),
            position_mm=np.array(_numbers(header["ImagePositionPatient"], 3)),
            rescale=(float(header.get("RescaleSlope") or 1), float(header.get("RescaleIntercept") or 0)),
        )
        pixel_bytes = one.rows * one.columns * one.samples * int(header.get("BitsAllocated") or 16) // 8
    except (KeyError, ValueError) as error:
        raise VolumeError(
            "dicom-header",
            f"{path}: the DICOM header lacks a needed entry or gives nonsense ({error}).",
            "Export the series again.",
        ) from None
    if header["TransferSyntax"] in _UNCOMPRESSED and path.stat().st_size < pixel_bytes:
        raise _cut_short(path, f"has {path.stat().st_size} bytes where its pixels alone need {pixel_bytes}")
    return one


def _cut_short(path: Path, how: str) -> VolumeError:
    return VolumeError("file-truncated", f"{path}: {how}.", "Copy the series again from its source.")


def _numbers(text: str, count: int) -> list[float]:
    numbers = [float(part) for part in text.strip("[]").replace("\\", ",").split(",")]
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(f"'{text}' where {count} numbers should be")
    return numbers


def _one_series(slices: list[_Slice], series_dir: Path) -> list[_Slice]:
    counts = Counter(one.series_uid for one in slices)
    if len(counts) > 1:
        names = {one.series_uid: one.series_name for one in slices}
        listed = "; ".join(f"series {names[uid]}, {n} images" for uid, n in counts.most_common(8))
        raise VolumeError(
            "dicom-several-series",
            f"{series_dir}: the folder holds {len(counts)} series ({listed}).",
            "Put each series into a folder of its own and name that folder in the table.",
        )
    if len(slices) < 2:
        raise VolumeError(
            "too-few-slices", f"{series_dir}: the folder holds one DICOM slice only.", "Export the whole series."
        )
    return slices


def _require_uniform(slices: list[_Slice], series_dir: Path) -> None:
    """All slices of one size, one pixel size and one orientation; a scout image among them differs."""
    kinds = {
        "size": [(one.rows, one.columns) for one in slices],
        "pixel size": [one.pixel_mm for one in slices],
        "orientation": [one.orientation for one in slices],
    }
    for what, per_slice in kinds.items():
        numbers = np.array(per_slice, dtype=np.float64)
        apart = np.abs(numbers - np.median(numbers, axis=0)).max(axis=1)
        odd = [one.path.name for one, distance in zip(slices, apart, strict=True) if distance > ORTHONORMAL_WITHIN]
        if odd:
            raise VolumeError(
                "dicom-mixed",
                f"{series_dir}: {len(odd)} of {len(slices)} images have another {what} than the rest ({_some(odd)}).",
                "Move images that are not slices of the stack (scouts, reformats) out of the folder.",
            )
    if slices[0].samples > 1:
        raise VolumeError(
            "not-scalar",
            f"{series_dir}: the images are in colour.",
            "Export the original series, one number a pixel, not screen captures.",
        )


def _slice_distance(slices: list[_Slice], normal: npt.NDArray[np.float64], series_dir: Path) -> float:
    """The one distance between neighbouring slices in mm, if there is one."""
    away = np.array([one.position_mm - slices[0].position_mm for one in slices])
    along = away @ normal
    steps = np.diff(along)
    usual = float(np.median(steps))
    twice = [k for k in range(len(steps)) if steps[k] < 0.01]
    if twice:
        raise _duplicated(slices, twice, series_dir)
    _require_straight(slices, along, away - along[:, None] * normal, series_dir)
    uneven = np.flatnonzero(np.abs(steps - usual) > max(0.1, UNEVEN_FROM * usual))
    if uneven.size:
        k = int(uneven[0])
        further = f" ({uneven.size} such places)" if uneven.size > 1 else ""
        raise VolumeError(
            "dicom-gap",
            f"{series_dir}: slices {k} and {k + 1} are {steps[k]:.1f} mm apart, the others {usual:.1f} mm{further}. "
            f"They are {slices[k].path.name} and {slices[k + 1].path.name}.",
            "Re-export the series with all its slices, or drop the phase.",
        )
    mean = float(along[-1] / (len(slices) - 1))
    drift = float(np.abs(along - mean * np.arange(len(slices))).max())
    if drift > mean / 2:
        raise VolumeError(
            "dicom-gap",
            f"{series_dir}: the distance between slices changes along the stack, from {steps.min():.2f} to "
            f"{steps.max():.2f} mm.",
            "Export the series in one slice distance, or drop the phase.",
        )
    return mean


def _duplicated(slices: list[_Slice], twice: Sequence[int], series_dir: Path) -> VolumeError:
    first, second = slices[twice[0]], slices[twice[0] + 1]
    acquisitions = Counter(one.acquisition for one in slices)
    remedy = "Remove the copies, or re-export the series."
    if len(acquisitions) > 1:
        listed = ", ".join(f"{name or '(none)'}: {n} images" for name, n in sorted(acquisitions.items()))
        remedy = f"It holds several acquisitions (number {listed}); keep one of them in the folder."
    return VolumeError(
        "dicom-duplicate",
        f"{series_dir}: {len(twice)} slices lie where another one lies; the first are {first.path.name} and "
        f"{second.path.name}.",
        remedy,
    )


def _require_straight(
    slices: list[_Slice], along: npt.NDArray[np.float64], sideways: npt.NDArray[np.float64], series_dir: Path
) -> None:
    shift = np.linalg.norm(sideways, axis=1)
    if shift.max() <= TILT_FROM_PIXELS * min(slices[0].pixel_mm):
        return
    angle = np.degrees(np.arctan2(shift[-1], along[-1]))
    raise VolumeError(
        "dicom-tilt",
        f"{series_dir}: the slices are shifted sideways against each other by up to {shift.max():.1f} mm (as with a "
        f"gantry tilt of {angle:.1f}°), so the stack is sheared.",
        "Straighten it with dcm2niix, which writes a right-angled NIfTI, and name that file in the table.",
    )


def _decode(slices: list[_Slice], series_dir: Path) -> VolumeArray:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames([str(one.path) for one in slices])
    if len({one.rescale for one in slices}) > 1:  # as in PET; the type would follow the first slice and cut the others
        reader.SetOutputPixelType(SimpleITK.sitkFloat32)
    try:
        return np.asarray(SimpleITK.GetArrayFromImage(reader.Execute()).T)
    except RuntimeError as error:
        raise VolumeError(
            "file-unreadable",
            f"{series_dir}: the pixel data cannot be decoded ({str(error).strip().splitlines()[-1]}).",
            "Copy the series again, or convert it to NIfTI (dcm2niix).",
        ) from None


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
