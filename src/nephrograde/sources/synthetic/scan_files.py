"""Files of a synthetic scan: NIfTI, or on request a DICOM series. Each of them says that it is synthetic."""

from __future__ import annotations

import errno
import hashlib
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK

from nephrograde.vocabulary import phase_name
from nephrograde.volume.phase.evidence import PHASES

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from pydicom import Dataset

    from nephrograde.sources.synthetic.patients import Patient
    from nephrograde.sources.synthetic.scanner import SyntheticScan

COMMENT = "SYNTHETIC image made by nephrograde; shows no real patient. Research use only."

RESCALE_INTERCEPT = -1024

_PHASE_TIME = {"up": "090000", "cmp": "090205", "np": "090300", "ep": "090700"}


def write_nifti(scan: SyntheticScan, image_path: Path, *, label: str) -> None:
    """Write a scan's CT numbers as NIfTI, in the axis order of the patient's hospital.

    Args:
        scan: The scan.
        image_path: Ends in ``.nii.gz``.
        label: Text that follows the word "SYNTHETIC" in the header's description; at most 60 characters.
    """
    plain_path = image_path.with_suffix("")
    _write_image(_as_image(scan.values_hu, scan, label=label), plain_path)
    # Noise contains no repetitions: searching for them, as SimpleITK's own compression does, doubles the time to write
    # and to read the file, and saves only an eighth of its size.
    packer = zlib.compressobj(1, zlib.DEFLATED, wbits=31, strategy=zlib.Z_HUFFMAN_ONLY)
    image_path.write_bytes(packer.compress(plain_path.read_bytes()) + packer.flush())
    plain_path.unlink()


def write_nifti_mask(scan: SyntheticScan, mask_path: Path, *, label: str) -> None:
    """Write a scan's delineation as NIfTI (0 and 1), on the grid of the scan.

    Args:
        scan: The scan.
        mask_path: Ends in ``.nii.gz``.
        label: As for :func:`write_nifti`.
    """
    image = _as_image(scan.mask.astype(np.uint8), scan, label=label)
    _write_image(image, mask_path, useCompression=True, compressionLevel=1)


def _write_image(image: SimpleITK.Image, image_path: Path, **options: Any) -> None:
    try:
        SimpleITK.WriteImage(image, str(image_path), **options)
    except RuntimeError as error:  # SimpleITK does not say which error of the operating system it was
        raise OSError(errno.EIO, "the image cannot be written", str(image_path)) from error


def _as_image(values: npt.NDArray[Any], scan: SyntheticScan, *, label: str) -> SimpleITK.Image:
    steps = tuple(scan.stored[axis] for axis in (2, 1, 0))
    image = SimpleITK.GetImageFromArray(values[tuple(slice(None, None, step) for step in steps)])
    counts = values.shape[::-1]
    image.SetSpacing(scan.spacing_mm)
    image.SetOrigin(
        [
            first if sign > 0 else first + step * (count - 1)
            for first, step, count, sign in zip(scan.origin_mm, scan.spacing_mm, counts, scan.stored, strict=True)
        ]
    )
    image.SetDirection([float(value) for value in np.diag(scan.stored).ravel()])
    image.SetMetaData("ITK_FileNotes", f"SYNTHETIC {label}")  # the description of the NIfTI header
    return image


def write_dicom(scan: SyntheticScan, series_dir: Path, *, patient: Patient, phase: str, seed: int) -> None:
    """Write a scan as a folder with one CT series, head first, as a scanner exports it.

    Args:
        scan: The scan; always stored in LPS order.
        series_dir: The folder, which is created.
        patient: The patient.
        phase: One of ``PHASES``; spelt out in SeriesDescription.
        seed: Seed of the cohort, from which the UIDs derive (root 2.25).
    """
    series_dir.mkdir(parents=True)
    stored = (scan.values_hu.astype(np.int32) - RESCALE_INTERCEPT).astype(np.uint16)
    header = _series_header(scan, patient, phase=phase, seed=seed)
    for instance, number in enumerate(reversed(range(len(stored))), start=1):
        path = series_dir / f"IM{instance:04d}.dcm"
        _write_slice(header, scan, pixels=stored[number], path=path, place=(instance, number))


def synthetic_uid(*parts: object) -> str:
    """Derive a DICOM UID from the parts that identify the object.

    >>> synthetic_uid(1, "SYN-0001", "cmp") == synthetic_uid(1, "SYN-0001", "cmp")
    True
    >>> synthetic_uid(1).startswith("2.25.")
    True
    """
    digest = hashlib.sha256("/".join(str(part) for part in ("nephrograde", *parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _series_header(scan: SyntheticScan, patient: Patient, *, phase: str, seed: int) -> Dataset:
    """Build the header elements that all slices of a series share."""
    from pydicom import Dataset
    from pydicom.uid import CTImageStorage

    identity = (seed, patient.patient_id)
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.SOPClassUID = CTImageStorage
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = "20200101"
    header.StudyTime = "090000"
    header.SeriesTime = header.AcquisitionTime = header.ContentTime = _PHASE_TIME[phase]
    header.AccessionNumber = header.ReferringPhysicianName = header.PatientBirthDate = ""
    header.Modality = "CT"
    header.Manufacturer = "nephrograde (SYNTHETIC)"
    header.InstitutionName = f"SYNTHETIC hospital {patient.centre}"
    header.StudyDescription = "SYNTHETIC abdomen"
    header.SeriesDescription = f"SYNTHETIC {phase_name(phase).capitalize()} {scan.spacing_mm[2]:g}mm"
    header.PatientName = f"SYNTHETIC^{patient.number:04d}"
    header.PatientID = patient.patient_id
    header.PatientIdentityRemoved, header.DeidentificationMethod = "YES", "SYNTHETIC: there is no patient"
    header.PatientSex = patient.sex
    header.PatientAge = f"{patient.age_years:03d}Y"
    header.ImageComments = COMMENT
    header.BodyPartExamined = "ABDOMEN"
    header.KVP = "120"
    header.PatientPosition = "HFS"
    if phase != "up":
        header.ContrastBolusAgent = "SYNTHETIC"
    header.StudyInstanceUID = synthetic_uid(*identity, "study")
    header.SeriesInstanceUID = synthetic_uid(*identity, phase)
    header.FrameOfReferenceUID = synthetic_uid(*identity, "frame")
    header.PositionReferenceIndicator = ""
    header.StudyID = "1"
    header.SeriesNumber = PHASES.index(phase) + 1
    header.AcquisitionNumber = header.SeriesNumber
    header.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    header.SliceThickness = f"{scan.spacing_mm[2]:g}"
    header.PixelSpacing = [f"{scan.spacing_mm[1]:.5f}", f"{scan.spacing_mm[0]:.5f}"]
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.Rows, header.Columns = scan.values_hu.shape[1:]
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
    header.WindowCenter, header.WindowWidth = "40", "400"
    header.RescaleIntercept, header.RescaleSlope, header.RescaleType = str(RESCALE_INTERCEPT), "1", "HU"
    return header


def _write_slice(
    header: Dataset, scan: SyntheticScan, *, pixels: npt.NDArray[np.uint16], path: Path, place: tuple[int, int]
) -> None:
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    instance, number = place
    x, y, z = scan.origin_mm
    height = z + number * scan.spacing_mm[2]
    image = Dataset(header)
    image.SOPInstanceUID = synthetic_uid(header.SeriesInstanceUID, instance)
    image.InstanceNumber = instance
    image.ImagePositionPatient = [f"{x:.3f}", f"{y:.3f}", f"{height:.3f}"]
    image.SliceLocation = f"{height:.3f}"
    image.PixelData = pixels.tobytes()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.save_as(path, enforce_file_format=True)
