"""Segmentations and structure sets, written entry by entry so that a test can leave one out."""

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, SegmentationStorage, generate_uid

from nephrograde.volume.volume import make_volume

SPACING = (0.8, 0.9, 3.0)
ORIGIN = (-20.0, -30.0, 100.0)


@pytest.fixture
def volume():
    """48 × 44 × 20 voxels, 40 HU in a body of fat."""
    values = np.full((48, 44, 20), -100, np.int16)
    values[8:40, 8:36, 3:17] = 40
    return make_volume(values, spacing_mm=SPACING, origin_mm=ORIGIN)


@pytest.fixture
def blob(volume):
    """A ball with a hole along z, as a mask of the volume."""
    i, j, k = np.ogrid[:48, :44, :20]
    ball = ((i - 24) * 0.8) ** 2 + ((j - 22) * 0.9) ** 2 + ((k - 10) * 3.0) ** 2 < 11.0**2
    hole = ((i - 25) * 0.8) ** 2 + ((j - 21) * 0.9) ** 2 < 3.0**2
    return ball & ~hole


def _object(sop_class, modality):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.Modality = modality
    return dataset


def _item(**entries):
    dataset = Dataset()
    for keyword, value in entries.items():
        setattr(dataset, keyword, value)
    return dataset


def write_segmentation(path, segments, volume, *, kind="BINARY", spacing_entry=True, change=None):
    """Write masks by name as one SEG, without empty frames and with the frames in arbitrary order."""
    frames = [
        (number, k, mask[:, :, k])
        for number, mask in enumerate(segments.values(), 1)
        for k in range(mask.shape[2])
        if mask[:, :, k].any()
    ]
    np.random.default_rng(1).shuffle(frames)
    dataset = _object(SegmentationStorage, "SEG")
    dataset.SegmentationType = kind
    dataset.SegmentSequence = Sequence(
        [
            _item(
                SegmentNumber=number,
                SegmentLabel=name,
                SegmentedPropertyTypeCodeSequence=Sequence([_item(CodeMeaning="Neoplasm")]),
            )
            for number, name in enumerate(segments, 1)
        ]
    )
    x, y, _ = volume.values.shape
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = y, x, len(frames)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    measures = _item(PixelSpacing=[volume.spacing_mm[1], volume.spacing_mm[0]], SliceThickness=volume.spacing_mm[2])
    if spacing_entry:
        measures.SpacingBetweenSlices = volume.spacing_mm[2]
    plane = _item(ImageOrientationPatient=[*volume.direction[:, 0], *volume.direction[:, 1]])
    dataset.SharedFunctionalGroupsSequence = Sequence(
        [_item(PixelMeasuresSequence=Sequence([measures]), PlaneOrientationSequence=Sequence([plane]))]
    )
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        [
            _item(
                PlanePositionSequence=Sequence([_item(ImagePositionPatient=list(volume.to_mm((0, 0, k))))]),
                SegmentIdentificationSequence=Sequence([_item(ReferencedSegmentNumber=number)]),
            )
            for number, k, _ in frames
        ]
    )
    stack = np.array([frame.T for *_, frame in frames], np.uint8).reshape(-1)
    if kind == "BINARY":
        dataset.BitsAllocated = dataset.BitsStored = 1
        dataset.HighBit = 0
        packed = np.packbits(stack, bitorder="little").tobytes()
    else:
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.MaximumFractionalValue = 7, 200
        packed = np.where(stack > 0, 101, 100).astype(np.uint8).tobytes()  # just above one half, and at it
    dataset.PixelData = packed + b"\0" * (len(packed) % 2)
    if change:
        change(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_structures(path, structures, *, change=None):
    """Write structures by name as one RTSTRUCT; each is a list of (geometric type, points in mm)."""
    dataset = _object(RTStructureSetStorage, "RTSTRUCT")
    dataset.StructureSetROISequence = Sequence(
        [_item(ROINumber=number, ROIName=name) for number, name in enumerate(structures, 1)]
    )
    dataset.ROIContourSequence = Sequence(
        [
            _item(
                ReferencedROINumber=number,
                ContourSequence=Sequence(
                    [
                        _item(
                            ContourGeometricType=kind,
                            NumberOfContourPoints=len(points),
                            ContourData=[f"{value:.3f}" for value in np.ravel(points)],
                        )
                        for kind, points in contours
                    ]
                ),
            )
            for number, contours in enumerate(structures.values(), 1)
        ]
    )
    if change:
        change(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return path


def outline(mask, volume):
    """The contours around a mask, slice by slice, both outer and inner, as annotation programs save them."""
    from skimage.measure import find_contours

    contours = []
    for k in range(mask.shape[2]):
        for points in find_contours(np.pad(mask[:, :, k].astype(float), 1), 0.5):
            places = [volume.to_mm((i - 1, j - 1, k)) for i, j in points[:-1]]
            contours.append(("CLOSED_PLANAR", np.array(places)))
    return contours


@pytest.fixture
def save_seg():
    return write_segmentation


@pytest.fixture
def save_structures():
    return write_structures


@pytest.fixture
def outlined():
    return outline
