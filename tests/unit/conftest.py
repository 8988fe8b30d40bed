"""Images written by code, byte by byte where the byte matters, for the tests of every room."""

from __future__ import annotations

import itertools
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid
from threadpoolctl import threadpool_info, threadpool_limits

import nephrograde.crew
import nephrograde.processes
from nephrograde.volume.volume import Volume, make_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Array = npt.NDArray[Any]
_CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280}


@pytest.fixture
def random_values() -> Array:
    return np.random.default_rng(5).integers(-1000, 1500, (11, 9, 7)).astype(np.int16)


@pytest.fixture
def blas_threads() -> Iterator[Callable[[], set[int]]]:
    """How many threads each BLAS takes for a product of matrices: 3, where nothing in the test changes it."""

    def threads() -> set[int]:
        return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

    with threadpool_limits(3, user_api="blas"):
        assert threads() == {3}
        yield threads
        assert threads() == {3}


@pytest.fixture
def hiring(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Let a crew of two start a process after the first piece of work, and leave it some; returns how many it started.

    Until the process is there, the other thread waits with its next piece.
    """
    started: list[object] = []
    is_begun, is_there = threading.Event(), threading.Event()

    def hire_and_note(*given: Any, **named: Any) -> Any:
        is_begun.set()
        started.append(hire(*given, **named))
        return started[-1]

    def wait_until_ready(helper: Any) -> bool:
        if not (helper._is_ready or helper._is_lost):
            helper._hired.connection.poll(60)
        try:
            return is_ready(helper)
        finally:
            is_there.set()

    def do_here_later(crew: Any, *given: Any) -> Any:
        if is_begun.is_set():
            is_there.wait(60)
        return do_here(crew, *given)

    hire, is_ready = nephrograde.processes.hire, nephrograde.crew._Helper.is_ready
    do_here = nephrograde.crew.Crew._do_here
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))  # where the process finds the functions of tests
    monkeypatch.setattr("nephrograde.crew.usable_processors", lambda: 2)
    monkeypatch.setattr("nephrograde.crew.PAYS_FROM_S", 0.0)
    monkeypatch.setattr("nephrograde.crew.hire", hire_and_note)
    monkeypatch.setattr("nephrograde.crew._Helper.is_ready", wait_until_ready)
    monkeypatch.setattr("nephrograde.crew.Crew._do_here", do_here_later)
    return lambda: len(started)


@pytest.fixture
def ramp() -> Callable[..., Volume]:
    """A volume whose value at every voxel is ``a · x + b · y + c · z + d`` in mm."""

    def make(
        *,
        size: tuple[int, int, int] = (60, 50, 40),
        spacing_mm: tuple[float, float, float] = (0.8, 0.9, 2.0),
        origin_mm: tuple[float, float, float] = (-30.0, 12.0, -400.0),
        direction: Array | None = None,
        slopes: tuple[float, float, float] = (1.0, 0.0, 0.0),
        offset: float = 0.0,
    ) -> Volume:
        matrix = np.eye(3) if direction is None else direction
        steps = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1) * np.array(spacing_mm)
        values = (steps @ matrix.T + origin_mm) @ np.array(slopes) + offset
        return make_volume(values, spacing_mm=spacing_mm, origin_mm=origin_mm, direction=matrix)

    return make


def nifti_bytes(
    values: Array,
    *,
    order: Literal["<", ">"] = "<",
    codes: tuple[int, int] = (0, 1),
    sform: Array | None = None,
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0),
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
    pixdim: tuple[float, float, float] = (0.8, 0.8, 2.0),
    slope: tuple[float, float] = (0.0, 0.0),
    units: int = 2,
    dim: tuple[int, ...] | None = None,
    datatype: int | None = None,
) -> bytes:
    """A NIfTI-1 file written from the standard's table; ``quaternion`` is (qfac, b, c, d), the affine is RAS."""
    header = bytearray(348)
    dim = dim or (values.ndim, *values.shape)
    affine = np.diag([*pixdim, 1.0])[:3] if sform is None else sform
    code = datatype or _CODES[values.dtype.str[1:]]

    def put(form: str, at: int, *numbers: Any) -> None:
        struct.pack_into(order + form, header, at, *numbers)

    put("i", 0, 348)
    put("8h", 40, *dim, *[1] * (8 - len(dim)))
    put("2h", 70, code, values.dtype.itemsize * 8)
    put("8f", 76, quaternion[0], *pixdim, 0, 0, 0, 0)
    put("3f", 108, 352.0, *slope)
    header[123] = units
    put("2h", 252, *codes)
    put("6f", 256, *quaternion[1:], *offset)
    put("12f", 280, *np.ravel(affine))
    header[344:348] = b"n+1\0"
    return bytes(header) + bytes(4) + values.astype(values.dtype.newbyteorder(order)).tobytes(order="F")


@pytest.fixture
def make_nifti() -> Callable[..., bytes]:
    return nifti_bytes


@pytest.fixture
def write_series() -> Callable[..., list[Path]]:
    """Write one DICOM series, with the same UIDs in every run; every argument may be a list with one entry a slice."""
    numbers = itertools.count()

    def write(
        series_dir: Path,
        *,
        values: Array,
        positions_mm: Iterable[tuple[float, float, float]],
        names: Iterable[str] | None = None,
        orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0),
        pixel_mm: tuple[float, float] = (0.9, 0.7),
        rescale: tuple[float, float] | list[tuple[float, float]] = (1, -1024),
        series_uid: str | None = None,
        **entries: Any,
    ) -> list[Path]:
        series_dir.mkdir(parents=True, exist_ok=True)
        number = str(next(numbers))
        series_uid = series_uid or generate_uid(entropy_srcs=["series", number])
        study_uid = generate_uid(entropy_srcs=["study", number])
        positions = list(positions_mm)
        rescales = rescale if isinstance(rescale, list) else [rescale] * len(positions)
        file_names = list(names or [f"IM{k:03d}" for k in range(len(positions))])
        paths = [series_dir / name for name in file_names]
        for k, path in enumerate(paths):
            dataset = pydicom.Dataset()
            dataset.file_meta = FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = UID(f"{study_uid[:50]}.{k + 1}")
            dataset.Modality = "CT"
            dataset.SeriesInstanceUID = series_uid
            dataset.StudyInstanceUID = dataset.FrameOfReferenceUID = study_uid
            dataset.SeriesNumber, dataset.SeriesDescription = 5, "portal"
            dataset.InstanceNumber = k + 1
            dataset.SliceThickness = 7.5
            dataset.ImagePositionPatient = [float(value) for value in positions[k]]
            dataset.ImageOrientationPatient = [float(value) for value in orientation]
            dataset.PixelSpacing = list(pixel_mm)
            dataset.RescaleSlope, dataset.RescaleIntercept = rescales[k]
            pixels = values[:, :, k].T
            dataset.Rows, dataset.Columns = pixels.shape
            dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
            dataset.BitsAllocated = dataset.BitsStored = 16
            dataset.HighBit, dataset.PixelRepresentation = 15, 0
            dataset.PixelData = np.ascontiguousarray(pixels, dtype="<u2").tobytes()
            for keyword, value in entries.items():
                if value is None:
                    del dataset[keyword]
                else:
                    setattr(dataset, keyword, value[k] if isinstance(value, list) else value)
            dataset.save_as(path, enforce_file_format=True)
        return paths

    return write
