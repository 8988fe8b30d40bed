"""A hospital's export, written by code: two invented patients, with their names in every possible place."""

import zipfile

import numpy as np
import pytest
from pydicom import DataElement, Dataset
from pydicom.config import IGNORE
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SegmentationStorage

PLANTED = [
    *(
        "Kowalska",
        "KOWALSKA",
        "kowalska",
        "Lucja",
        "Łucja",
        "PESEL44051401458",
        "44051401458",
        "19440514",
        "14.05.1944",
    ),
    *("ACC77123", "Szpital Zmyślony", "ul. Nieznana 7", "601234567", "Doktor^Nikt", "Nikt", "Synagoga"),
    *("王小明", "小明", "HN0099887", "1.2.826.0.1.44051401458"),
]
"""Identifiers of invented people."""

ROOT = "1.2.826.0.1.44051401458"


def ct_slice(number, *, series=1, study=1, patient="PL", time="101500.000000"):
    """One CT slice of an invented patient; series and study number the UIDs."""
    image = Dataset()
    is_polish = patient == "PL"
    image.SpecificCharacterSet = "ISO_IR 192" if is_polish else "GB18030"
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = f"{ROOT}.{study}.{series}.{number}" + ("" if is_polish else ".9")
    image.StudyInstanceUID = f"{ROOT}.{study}" + ("" if is_polish else ".9")
    image.SeriesInstanceUID = f"{ROOT}.{study}.{series}" + ("" if is_polish else ".9")
    image.FrameOfReferenceUID = f"{ROOT}.{study}.5"
    image.StudyDate = image.SeriesDate = image.AcquisitionDate = f"2021030{study}"
    image.AcquisitionDateTime = f"2021030{study}{time}"
    image.StudyTime, image.AcquisitionTime = "101400", time
    image.ContrastBolusStartTime = "101425.000000"
    image.AccessionNumber = "ACC77123"
    image.Modality, image.Manufacturer = "CT", "SYNTHETIC scanners"
    image.InstitutionName, image.InstitutionAddress = "Szpital Zmyślony", "ul. Nieznana 7"
    image.ReferringPhysicianName = "Doktor^Nikt"
    image.StationName, image.DeviceSerialNumber = "Synagoga", "601234567"
    if is_polish:
        image.StudyDescription = "CT jamy brzusznej KOWALSKA Łucja 14.05.1944"
        image.SeriesDescription = "Faza tętnicza 1.0 B30f Kowalska PESEL44051401458"
        image.PatientName, image.PatientID = "Kowalska^Łucja", "PESEL44051401458"
    else:
        image.StudyDescription = "腹部增强 王小明"
        image.SeriesDescription = "皮髓质期 王小明 1.0mm"
        image.PatientName, image.PatientID = "Wang^Xiaoming=王^小明", "HN0099887"
    image.PatientBirthDate, image.PatientSex, image.PatientAge = "19440514", "F", "076Y"
    image.PatientAddress, image.PatientTelephoneNumbers = "ul. Nieznana 7", "601234567"
    image.PatientComments = image.ImageComments = "Kowalska Lucja tel. 601234567"
    image.OtherPatientIDs = "44051401458"
    add_pixels(image, series, number)
    add_corners(image)
    return image


def add_pixels(image, series, number):
    image.SeriesNumber, image.InstanceNumber, image.AcquisitionNumber = series, number, series
    image.ImagePositionPatient = [-100, -100, 2.5 * number]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.PixelSpacing, image.SliceThickness = [0.75, 0.75], 2.5
    image.KVP, image.ConvolutionKernel = 120, "B30f"
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = 8, 6
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.RescaleIntercept, image.RescaleSlope = -1024, 1
    image.PixelData = (np.arange(48, dtype="<u2") + number).tobytes() + b"Kowalska"


def add_corners(image):
    """Private attributes, sequences and overlays that name the patient."""
    block = image.private_block(0x0029, "KOWALSKA MEDICAL", create=True)
    block.add_new(0x10, "LO", "PESEL44051401458")
    request, source = Dataset(), Dataset()
    request.ScheduledProcedureStepDescription = "Kowalska"
    request.RequestedProcedureID = "ACC77123"
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = CTImageStorage, image.SOPInstanceUID
    source.PatientName = "Kowalska^Łucja"
    image.RequestAttributesSequence, image.SourceImageSequence = [request], [source]
    image.add_new(0x60000010, "US", 8)
    image.add_new(0x60003000, "OW", b"Kowalska")
    image.add(DataElement(0x00181000, "LO", "Kowalska"))
    image.add(DataElement(0x00180060, "DS", "120", validation_mode=IGNORE))


def seg_of(image):
    """A DICOM SEG, reduced to its references."""
    mask = Dataset()
    for name in (
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "StudyInstanceUID",
        "StudyDate",
        "FrameOfReferenceUID",
    ):
        mask[name] = image[name]
    mask.SpecificCharacterSet = image.SpecificCharacterSet
    mask.SOPClassUID, mask.SOPInstanceUID = SegmentationStorage, f"{ROOT}.77.1"
    mask.SeriesInstanceUID, mask.Modality = f"{ROOT}.77", "SEG"
    mask.SamplesPerPixel, mask.Rows, mask.Columns, mask.BitsAllocated, mask.NumberOfFrames = 1, 8, 8, 1, 1
    mask.PixelData = bytes(8)
    segment, series, instance = Dataset(), Dataset(), Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, "Tumour Kowalska"
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedInstanceSequence = image.SeriesInstanceUID, [instance]
    mask.SegmentSequence, mask.ReferencedSeriesSequence = [segment], [series]
    return mask


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.SourceApplicationEntityTitle = "KOWALSKA"
    image.preamble = b"Kowalska".ljust(128, b"\0")
    image.save_as(path, enforce_file_format=True)


def pages():
    """Objects that must not be written, with the reasons."""
    capture, told, colour, report = (ct_slice(n, series=9) for n in (1, 2, 3, 4))
    capture.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    told.BurnedInAnnotation = "YES"
    colour.SamplesPerPixel, colour.SeriesInstanceUID = 3, f"{ROOT}.1.10"
    report.SOPClassUID, report.Modality = "1.2.840.10008.5.1.4.1.1.88.11", "SR"
    del report.Rows, report.PixelData
    return {"capture": capture, "told": told, "colour": colour, "report": report}


@pytest.fixture
def export_dir(tmp_path):
    """Two patients, three series, a mask, pages with text, an archive, and files that are not DICOM."""
    folder = tmp_path / "export"
    for number in (1, 2, 3):
        save(ct_slice(number), folder / "Kowalska_Lucja" / f"slice {number}")
        save(ct_slice(number, series=2, time="101540.000000"), folder / "Kowalska_Lucja" / "np" / f"{number}.dcm")
    save(seg_of(ct_slice(1)), folder / "seg")
    for name, page in pages().items():
        save(page, folder / name)
    plain = tmp_path / "plain"
    save(ct_slice(1, patient="CN"), plain / "王小明.dcm")
    with zipfile.ZipFile(folder / "archive.dat", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(plain / "王小明.dcm", "study/王小明.dcm")
        archive.write(plain / "王小明.dcm", "../../out.dcm")
    (folder / "empty").touch()
    (folder / "notes Kowalska.txt").write_text("Kowalska")
    whole = (folder / "Kowalska_Lucja" / "slice 1").read_bytes()
    (folder / "cut").write_bytes(whole[: len(whole) - 60])
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere").symlink_to(folder / "gone")
    return folder
