"""Small synthetic DICOM objects."""

import io
import warnings
from functools import partial
from typing import Any

import pytest


@pytest.fixture(scope="session")
def dicom_bytes():
    """Write one CT slice (or what the keywords make of it) as the bytes of a file."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    def write(syntax=ExplicitVRLittleEndian, *, bare=False, **changes):
        image = Dataset()
        image.SpecificCharacterSet = "ISO_IR 192"
        image.SOPClassUID, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
        image.StudyDate, image.AcquisitionDate, image.AcquisitionTime = "20240131", "20240131", "101500.5"
        image.Modality, image.SeriesDescription, image.ConvolutionKernel = "CT", "皮髓质期 1mm", "B30f"
        image.PatientID, image.PatientName = "PLANTED-1", "PLANTED^NAME"
        image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3", "1.2.3.9"
        image.AcquisitionNumber, image.InstanceNumber = "1", "1"
        image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, 40], [1, 0, 0, 0, 1, 0]
        image.SamplesPerPixel, image.Rows, image.Columns, image.BitsAllocated = 1, 4, 6, 16
        image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 15, 1
        image.PixelSpacing, image.SliceThickness = [0.7, 0.8], "1.25"
        image.PixelData = bytes(4 * 6 * 2)
        image["PixelData"].VR = "OW"
        for keyword, value in changes.items():
            if value is None:
                delattr(image, keyword)
            else:
                setattr(image, keyword, value)
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = syntax
        stream = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if bare:
                image.save_as(stream, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
                return stream.getvalue()
            image.save_as(stream, enforce_file_format=True)
        return stream.getvalue()

    return write


@pytest.fixture(scope="session")
def write_stack(dicom_bytes):
    """Write slices of one series, one file per height, into a folder."""

    def write(folder, heights, *, uid="1.2.3.9", name="{}", first=1, **changes):
        folder.mkdir(parents=True, exist_ok=True)
        for number, height in enumerate(heights, start=first):
            changes |= {"SOPInstanceUID": f"{uid}.{number}", "SeriesInstanceUID": uid, "InstanceNumber": number}
            changes["ImagePositionPatient"] = [0, 0, height]
            (folder / name.format(number)).write_bytes(dicom_bytes(**changes))

    return partial(write)


@pytest.fixture(scope="session")
def mask_bytes(dicom_bytes):
    """Write the header of a segmentation or structure set that refers to series; it contains no marks."""
    from pydicom import Dataset

    def items(name, listed):
        made = []
        for value in listed:
            item = Dataset()
            setattr(item, name, value)
            made.append(item)
        return made

    def write(refers_to=(), *, structures=False, syntax=None, **changes):
        series = items("SeriesInstanceUID", refers_to)
        known: dict[str, Any] = {"ConvolutionKernel": None, "AcquisitionDate": None, "AcquisitionTime": None}
        if structures:
            pixels = ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
            known |= dict.fromkeys((*pixels, "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"))
            known |= {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.3", "Modality": "RTSTRUCT"}
            for one in series:  # what a structure set contains besides the UID that is needed
                one.ContourImageSequence = items("ReferencedSOPInstanceUID", ["1.2.3.4.5"] * 3)
            known["ReferencedFrameOfReferenceSequence"] = items("FrameOfReferenceUID", ["7.7"])
            frame = known["ReferencedFrameOfReferenceSequence"][0]
            frame.RTReferencedStudySequence = items("ReferencedSOPInstanceUID", ["1.2.3"])
            frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence = series
        else:
            known |= {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4", "Modality": "SEG", "FrameOfReferenceUID": "7.7"}
            for one in series:
                one.ReferencedInstanceSequence = items("ReferencedSOPInstanceUID", ["1.2.3.4.5"] * 3)
            known["ReferencedSeriesSequence"] = series
        return dicom_bytes(*([syntax] if syntax else []), **(known | changes))

    return write
