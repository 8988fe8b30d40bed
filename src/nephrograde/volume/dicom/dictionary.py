"""The tags, SOP classes and transfer syntaxes of DICOM that this package reads, each defined once."""

from __future__ import annotations

from typing import Final

TAGS: Final = {
    "MediaStorageSOPClassUID": 0x00020002,
    "TransferSyntaxUID": 0x00020010,
    "SpecificCharacterSet": 0x00080005,
    "ImageType": 0x00080008,
    "SOPClassUID": 0x00080016,
    "SOPInstanceUID": 0x00080018,
    "StudyDate": 0x00080020,
    "SeriesDate": 0x00080021,
    "AcquisitionDate": 0x00080022,
    "ContentDate": 0x00080023,
    "AcquisitionDateTime": 0x0008002A,
    "SeriesTime": 0x00080031,
    "AcquisitionTime": 0x00080032,
    "ContentTime": 0x00080033,
    "Modality": 0x00080060,
    "Manufacturer": 0x00080070,
    "StudyDescription": 0x00081030,
    "SeriesDescription": 0x0008103E,
    "ReferencedSeriesSequence": 0x00081115,
    "PatientName": 0x00100010,
    "PatientID": 0x00100020,
    "PatientBirthDate": 0x00100030,
    "PatientSex": 0x00100040,
    "PatientIdentityRemoved": 0x00120062,
    "ContrastBolusAgent": 0x00180010,
    "BodyPartExamined": 0x00180015,
    "SliceThickness": 0x00180050,
    "ProtocolName": 0x00181030,
    "ContrastBolusStartTime": 0x00181042,
    "GantryDetectorTilt": 0x00181120,
    "ConvolutionKernel": 0x00181210,
    "CTReconstructionSequence": 0x00189314,
    "StudyInstanceUID": 0x0020000D,
    "SeriesInstanceUID": 0x0020000E,
    "SeriesNumber": 0x00200011,
    "AcquisitionNumber": 0x00200012,
    "InstanceNumber": 0x00200013,
    "ImagePositionPatient": 0x00200032,
    "ImageOrientationPatient": 0x00200037,
    "FrameOfReferenceUID": 0x00200052,
    "TemporalPositionIdentifier": 0x00200100,
    "ImageComments": 0x00204000,
    "StackID": 0x00209056,
    "FrameContentSequence": 0x00209111,
    "PlanePositionSequence": 0x00209113,
    "PlaneOrientationSequence": 0x00209116,
    "TemporalPositionIndex": 0x00209128,
    "FrameAcquisitionNumber": 0x00209156,
    "SamplesPerPixel": 0x00280002,
    "PhotometricInterpretation": 0x00280004,
    "NumberOfFrames": 0x00280008,
    "Rows": 0x00280010,
    "Columns": 0x00280011,
    "PixelSpacing": 0x00280030,
    "BitsAllocated": 0x00280100,
    "BitsStored": 0x00280101,
    "HighBit": 0x00280102,
    "PixelRepresentation": 0x00280103,
    "PixelPaddingValue": 0x00280120,
    "PixelPaddingRangeLimit": 0x00280121,
    "BurnedInAnnotation": 0x00280301,
    "RescaleIntercept": 0x00281052,
    "RescaleSlope": 0x00281053,
    "PixelMeasuresSequence": 0x00289110,
    "PixelValueTransformationSequence": 0x00289145,
    "StructureSetDate": 0x30060008,
    "StructureSetTime": 0x30060009,
    "ReferencedFrameOfReferenceSequence": 0x30060010,
    "RTReferencedStudySequence": 0x30060012,
    "RTReferencedSeriesSequence": 0x30060014,
    "SharedFunctionalGroupsSequence": 0x52009229,
    "PerFrameFunctionalGroupsSequence": 0x52009230,
}
"""By keyword, as in DICOM PS3.6."""

BINARY: Final = {
    **dict.fromkeys(("SamplesPerPixel", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"), "H"),
    **dict.fromkeys(("PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit"), "H"),
    "FrameAcquisitionNumber": "H",
    "TemporalPositionIndex": "I",
}
"""Of the tags above, those whose values are numbers in binary, and how ``struct`` calls their form."""

_STORAGE = "1.2.840.10008.5.1.4.1.1."
SLICE_CLASSES: Final = frozenset(f"{_STORAGE}{kind}" for kind in ("2", "2.1", "2.2", "4", "4.1", "4.4", "128"))
"""CT, MR and PET: single slices, enhanced, and single slices converted to enhanced."""
SEGMENTATION_CLASSES: Final = frozenset({f"{_STORAGE}66.4", f"{_STORAGE}66.7"})
"""Segmentations, including the label maps introduced in 2024."""
STRUCTURE_SET_CLASS: Final = f"{_STORAGE}481.3"
MASK_CLASSES: Final = SEGMENTATION_CLASSES | {STRUCTURE_SET_CLASS}
"""Objects that can be read as a mask."""
SECONDARY_CAPTURE_CLASS: Final = f"{_STORAGE}7"
MEDIA_DIRECTORY_CLASS: Final = "1.2.840.10008.1.3.10"

IMPLICIT: Final = "1.2.840.10008.1.2"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
UNCOMPRESSED: Final = frozenset({IMPLICIT, EXPLICIT, BIG_ENDIAN})

NOT_IMAGES: Final = frozenset(
    {"SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "SR", "PR", "KO", "REG", "FID", "DOC"}
)
"""Modalities of objects without pixels that show the patient."""
