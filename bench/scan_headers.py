"""How fast are the headers of an export read, and does memory stay flat? This package against pydicom, in one run.

Synthetic CT slices (a header of about a hundred elements, 8 KiB of pixels, 200 a series) are written to a temporary
folder, and every side reads them in a fresh process with the files in the system's cache: pydicom one file after the
other (``stop_before_pixels``, ``specific_tags``) and the values that a catalogue needs taken from it; this package in
one process and in as many as there are processors, the catalogue written each time; and once more with the catalogue
there. Memory is the largest resident size of the process that scans (and, beside it, of one that reads), at a quarter
of the files and at all of them. The exit code is 1 where a limit is missed: three times pydicom's rate in one process,
and a tenth more memory at four times as many files.

Run: python bench/scan_headers.py [--files 20000]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nephrograde.sources.scan.catalogue import catalogue

RATE_TARGET, MEMORY_TARGET = 3.0, 1.1
SLICES = 200
UIDS = {name: f"2.25.{number}{'0' * 20}" for name, number in (("study", 1), ("series", 2), ("image", 3))}
HEIGHT_MM = "-0000.00"
TAGS = [
    *("SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "AcquisitionDate"),
    *("AcquisitionTime", "Modality", "Manufacturer", "StudyDescription", "SeriesDescription", "PatientName"),
    *("PatientID", "PatientBirthDate", "PatientSex", "ContrastBolusAgent", "BodyPartExamined", "SliceThickness"),
    *("ProtocolName", "ConvolutionKernel", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber"),
    *("AcquisitionNumber", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "SamplesPerPixel"),
    *("Rows", "Columns", "PixelSpacing", "BitsAllocated"),
]


def template() -> bytes:
    """One slice, with places in it for what differs between slices."""
    from io import BytesIO

    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    image = Dataset()
    image.SpecificCharacterSet, image.ImageType = "ISO_IR 100", ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, UIDS["image"]
    image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = "20200101"
    image.StudyTime = image.SeriesTime = image.AcquisitionTime = image.ContentTime = "101500.000"
    image.Modality, image.Manufacturer, image.StudyDescription = "CT", "SYNTHETIC", "SYNTHETIC abdomen"
    image.SeriesDescription, image.ProtocolName = "SYNTHETIC arterial 1.0", "SYNTHETIC"
    image.PatientName, image.PatientID, image.PatientSex = "SYNTHETIC", "SYNTHETIC", "F"
    image.PatientBirthDate, image.ContrastBolusAgent, image.BodyPartExamined = "", "SYNTHETIC", "ABDOMEN"
    image.SliceThickness, image.ConvolutionKernel, image.KVP = "1.0", "B30f", "120"
    image.StudyInstanceUID, image.SeriesInstanceUID = UIDS["study"], UIDS["series"]
    image.SeriesNumber, image.AcquisitionNumber, image.InstanceNumber = "3", "1", "1"
    image.ImagePositionPatient = ["-180.5", "-170.5", HEIGHT_MM]
    image.ImageOrientationPatient, image.PixelSpacing = [1, 0, 0, 0, 1, 0], ["0.7", "0.7"]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows = image.Columns = 64
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.RescaleIntercept, image.RescaleSlope = "-1024", "1"
    for number in range(60):  # what scanners write beside it
        image.add_new(0x00190000 + 0x1000 + number, "LO", f"SYNTHETIC private {number}")
    image.add_new(0x00190010, "LO", "SYNTHETIC")
    image.PixelData = bytes(64 * 64 * 2)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def write_export(export_dir: Path, files: int) -> None:
    """Write slices, 200 a series, each study in a folder of its own."""
    slice_bytes = template()
    for number in range(files):
        series, instance = divmod(number, SLICES)
        folder = export_dir / f"{series:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        data = slice_bytes
        for name, own in (("study", series), ("series", series), ("image", number)):
            uid = UIDS[name]
            data = data.replace(uid.encode(), f"{uid[:-8]}{own:08d}".encode())
        height = f"-{1000 - instance:04d}.00"
        (folder / f"IM{instance}").write_bytes(data.replace(HEIGHT_MM.encode(), height.encode()))


def read_with_pydicom(export_dir: Path) -> int:
    """Read every header in turn, and take the values."""
    import pydicom

    read = 0
    for path in sorted(export_dir.rglob("IM*")):
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=TAGS)
        read += len([header.get(name) for name in TAGS]) > 0
    return read


def read_with_nephrograde(export_dir: Path, catalogue_path: Path, workers: int) -> int:
    """Catalogue the folder, and go through its studies as a scan does."""
    with catalogue(export_dir, catalogue_path, workers=workers) as held:
        return sum(header.n_images for study in held.studies() for header in study)


def measure(side: str, export_dir: Path, catalogue_path: Path, workers: int) -> dict[str, float]:
    """Run one side in a fresh process."""
    command = [sys.executable, __file__, "--side", side, "--export", str(export_dir)]
    command += ["--catalogue", str(catalogue_path), "--workers", str(workers)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(answer))


def run_side(options: argparse.Namespace) -> None:
    """What a fresh process does: one side, timed; answers in JSON."""
    start_s = time.perf_counter()
    if options.side == "pydicom":
        read = read_with_pydicom(options.export)
    else:
        read = read_with_nephrograde(options.export, options.catalogue, options.workers)
    took_s = time.perf_counter() - start_s
    own, reader = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"read": read, "took_s": took_s, "own_mib": own, "reader_mib": reader}))


def main() -> int:
    """Print the tables; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=20_000)
    for hidden in ("--side", "--export", "--catalogue", "--workers"):
        kind = {"--side": str, "--workers": int}.get(hidden, Path)
        parser.add_argument(hidden, type=kind, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        run_side(options)
        return 0
    cores = os.cpu_count() or 1
    print(f"Python {platform.python_version()}, {cores} processors, {options.files:,} files\n")
    print(f"{'':34}{'files/s':>10}{'× pydicom':>11}{'scan MiB':>10}{'reader MiB':>12}")
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        sizes = {"quarter": options.files // 4, "all": options.files}
        for name, files in sizes.items():
            write_export(top / name, files)
        peer = measure("pydicom", top / "all", top / "none", 1)
        peer_rate = peer["read"] / peer["took_s"]
        print(f"{'pydicom, one after the other':34}{peer_rate:10,.0f}{1:11.1f}{peer['own_mib']:10.0f}")
        own_rate = 0.0
        memory: dict[str, float] = {}
        rows = [("all", f"{n} process{'es' * (n > 1)}", n, f"all-{n}") for n in sorted({1, cores})]
        rows += [("all", "once more, nothing new", cores, f"all-{cores}"), ("quarter", "a quarter", cores, "quarter")]
        for name, label, workers, held in rows:
            ours = measure("nephrograde", top / name, top / f"{held}.sqlite", workers)
            if ours["read"] != sizes[name]:
                print(f"{ours['read']} of {sizes[name]} images were found")
                return 1
            rate = ours["read"] / ours["took_s"]
            own_rate = own_rate or rate
            if not label.startswith("once"):
                memory[name] = ours["own_mib"]
            print(
                f"{'nephrograde, ' + label:34}{rate:10,.0f}{rate / peer_rate:11.1f}{ours['own_mib']:10.0f}"
                f"{ours['reader_mib']:12.0f}"
            )
    growth = memory["all"] / memory["quarter"]
    print(f"\nOne process: {own_rate / peer_rate:.1f} times pydicom (at least {RATE_TARGET}).")
    print(f"Memory at four times as many files: {growth:.2f} times (at most {MEMORY_TARGET}).")
    return 0 if own_rate >= RATE_TARGET * peer_rate and growth <= MEMORY_TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
