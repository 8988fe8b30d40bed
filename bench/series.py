"""Reading DICOM series: this package against SimpleITK, MONAI and the bare bytes, in one run.

- One series: the clinical CT of 41 slices in ../shared/data where that is, else a synthetic one of the same size (real
  headers are of about that length). ``read_volume`` against SimpleITK's series reader, MONAI's LoadImage, and reading
  the bytes of all its files into memory.
- To the region: a synthetic series of 300 slices to 128 × 128 × 32 voxels over 140 × 140 × 160 mm, against MONAI's
  chain of LoadImage, Orientation, Spacing and Crop, as in ``bench/prepare.py``. All slices are read, as the checks of a
  scan need all of them.

For each table, every side is warmed up and then timed in turns in several fresh processes, so that a busy machine slows
all of them; the tables say in how many, and give the medians of the processes' medians, and the processor's time beside
the seconds on the clock. The files are in the system's cache. The exit code is 1 where a limit is missed.

Run: python -m bench.series [--processes 5] [--repeats 5] [--series FOLDER]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from bench.prepare import ORIGIN_MM, monai_chain, ours

from nephrograde.run.provenance import machine
from nephrograde.volume.read import read_volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom import Dataset

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "ct_dicom" / "CRLM-CT-1004" / "image"
PIXELS, HEIGHT_MM, NOISE_HU, OUTSIDE = 512, 240.0, 20.0, -2000
OURS, BYTES, SIMPLEITK, MONAI = "this package", "the bytes of the files", "SimpleITK", "MONAI"
LIMITS = {
    "series": {SIMPLEITK: 3.0, MONAI: 5.0, BYTES: 1 / 3},
    "region": {MONAI: 5.0},
}
"""How many times our time a side takes at least."""
LARGEST_HU = 0.1


def write_series(series_dir: Path, slices: int) -> None:
    """Write a synthetic CT: a body with an organ in air, noise, and padding outside the round field of view."""
    from pydicom.uid import UID

    series_dir.mkdir(parents=True)
    generator = np.random.default_rng(20260415)
    y, x = np.meshgrid(*[np.linspace(-1, 1, PIXELS)] * 2, indexing="ij", sparse=True)
    image = _header(series_dir.name)
    for k in range(slices):
        height = 2 * k / slices - 1
        values = np.where((x / 0.9) ** 2 + (y / 0.65) ** 2 < 1, 1064.0, 24.0)
        values += 80.0 * ((x - 0.3) ** 2 + (y - 0.15) ** 2 + (height * 0.4) ** 2 < 0.05)
        values += generator.normal(0.0, NOISE_HU, values.shape)
        values[x**2 + y**2 > 1] = OUTSIDE
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = UID(f"{image.SeriesInstanceUID}.{k + 1}")
        image.InstanceNumber = k + 1
        image.ImagePositionPatient = [*ORIGIN_MM[:2], f"{ORIGIN_MM[2] + HEIGHT_MM * k / slices:.4f}"]
        image.PixelData = values.astype("<i2").tobytes()
        image.save_as(series_dir / f"IM{k:04d}", enforce_file_format=True)


def _header(name: str) -> Dataset:
    """What all slices have; about a hundred elements, as scanners write."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SpecificCharacterSet, image.ImageType = "ISO_IR 100", ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.SOPClassUID, image.Modality, image.Manufacturer = CTImageStorage, "CT", "SYNTHETIC"
    image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = "20200101"
    image.StudyTime = image.SeriesTime = image.AcquisitionTime = image.ContentTime = "101500.000"
    image.PatientName = image.PatientID = image.StudyDescription = image.SeriesDescription = "SYNTHETIC"
    image.PatientBirthDate, image.PatientSex, image.KVP, image.ConvolutionKernel = "", "F", "120", "B30f"
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, "2.25.9"
    image.ReferencedImageSequence = [item, item]
    image.StudyInstanceUID = image.FrameOfReferenceUID = "2.25.1"
    image.SeriesInstanceUID = f"2.25.2.{sum(name.encode())}"
    image.SeriesNumber, image.AcquisitionNumber, image.SliceThickness = "3", "1", "1.0"
    image.ImageOrientationPatient, image.PixelSpacing = [1, 0, 0, 0, 1, 0], ["0.8", "0.8"]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows = image.Columns = PIXELS
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 1
    image.add_new("PixelPaddingValue", "SS", OUTSIDE)
    image.RescaleIntercept, image.RescaleSlope = "-1024", "1"
    image.add_new(0x00190010, "LO", "SYNTHETIC")
    for number in range(60):
        image.add_new(0x00190000 + 0x1000 + number, "LO", f"SYNTHETIC private {number}")
    return image


def _through_simpleitk(series_dir: Path) -> Any:
    import SimpleITK

    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series_dir)))
    return SimpleITK.GetArrayFromImage(reader.Execute())


def _through_monai(series_dir: Path) -> Any:
    from monai.transforms import LoadImage

    return LoadImage(image_only=True)(str(series_dir))


def sides_of(table: str, series_dir: Path) -> dict[str, Callable[[], Any]]:
    """The sides of one table that can run here."""
    has_monai = all(importlib.util.find_spec(name) for name in ("monai", "nibabel"))
    sides: dict[str, Callable[[], Any]]
    if table == "region":
        sides = {OURS: lambda: ours(series_dir, antialias=False)}
        return sides | ({MONAI: lambda: monai_chain(series_dir)} if has_monai else {})
    sides = {
        OURS: lambda: read_volume(series_dir),
        BYTES: lambda: [path.read_bytes() for path in sorted(series_dir.iterdir())],
        SIMPLEITK: lambda: _through_simpleitk(series_dir),
    }
    return sides | ({MONAI: lambda: _through_monai(series_dir)} if has_monai else {})


def _times(table: str, series_dir: Path, repeats: int) -> dict[str, list[float]]:
    """Median seconds on the clock and of the processors by side, all sides in turns."""
    sides = sides_of(table, series_dir)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for run in sides.values():
        run()
    for _ in range(repeats):
        for name, run in sides.items():
            seconds[name].append(_timed(run))
    return _medians(seconds)


def _timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock and of the processors."""
    begin = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - begin[0], time.process_time() - begin[1]


def _medians(seconds: dict[str, list[tuple[float, float]]]) -> dict[str, list[float]]:
    return {name: [median(column) for column in zip(*both, strict=True)] for name, both in seconds.items()}


def main() -> int:
    """Run the comparisons and print them; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--series", type=Path, default=REAL, help="a folder with one series")
    parser.add_argument("--table", help=argparse.SUPPRESS)  # one process: time this table, print JSON
    parser.add_argument("folder", nargs="?", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if arguments.table is not None:
        print(json.dumps(_times(arguments.table, arguments.folder, arguments.repeats)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return _compare(arguments, Path(folder))


def _compare(arguments: argparse.Namespace, top: Path) -> int:
    series_dir = arguments.series
    if not series_dir.is_dir():
        series_dir = top / "short"
        write_series(series_dir, 41)
    write_series(top / "long", 300)

    def medians(table: str, folder: Path, processes: int, repeats: int) -> dict[str, list[float]]:
        command = [sys.executable, "-m", "bench.series", "--table", table, "--repeats", str(repeats), str(folder)]
        runs = [json.loads(subprocess.check_output(command, text=True).splitlines()[-1]) for _ in range(processes)]
        return {name: [median(run[name][k] for run in runs) for k in (0, 1)] for name in runs[0]}

    print(f"{machine()}; Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}")
    source = "clinical" if series_dir == arguments.series else "synthetic"
    failed = _print_table(
        f"one {source} series of {len(list(series_dir.iterdir()))} files, "
        f"{arguments.processes} processes × {arguments.repeats} turns",
        medians("series", series_dir, arguments.processes, arguments.repeats),
        LIMITS["series"],
    )
    processes, repeats = min(arguments.processes, 3), min(arguments.repeats, 3)
    long = medians("region", top / "long", processes, repeats)
    title = f"a synthetic series of 300 slices to the region, {processes} processes × {repeats} turns"
    failed += _print_table(title, long, LIMITS["region"])
    if MONAI in long:
        theirs = monai_chain(top / "long")
        own = ours(top / "long", theirs.center_mm, antialias=False)
        difference = float(np.abs(own - theirs.values.astype(np.float32)).max())
        print(f"largest difference {difference:.3f} HU (≤ {LARGEST_HU})")
        failed += [f"MONAI gives another result, by {difference:.3f} HU"] if difference > LARGEST_HU else []
    for line in failed:
        print(f"MISSED: {line}")
    return 1 if failed else 0


def _print_table(title: str, seconds: dict[str, list[float]], limits: dict[str, float]) -> list[str]:
    """Print one table; return what is missed."""
    failed = []
    print(f"\n{title}\n{'side':<26}{'seconds':>9}{'CPU':>9}{'÷ ours':>9}{'required':>10}")
    for name, (clock_s, cpu_s) in seconds.items():
        ratio = clock_s / seconds[OURS][0]
        limit = limits.get(name)
        print(f"{name:<26}{clock_s:>9.4f}{cpu_s:>9.4f}{ratio:>9.2f}{f'≥ {limit:.2f}' if limit else '':>10}")
        if limit and ratio < limit:
            failed.append(f"{name} takes only {ratio:.2f} times as long, ≥ {limit:.2f} was asked ({title})")
    failed += [f"{name} is not installed ({title})" for name in limits if name not in seconds]
    return failed


if __name__ == "__main__":
    sys.exit(main())
