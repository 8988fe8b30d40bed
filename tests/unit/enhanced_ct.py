"""Enhanced CT for tests: one object per volume, with its geometry in functional groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

if TYPE_CHECKING:
    from pathlib import Path

Array = npt.NDArray[Any]
HEIGHTS = [10.0, 0.0, 15.0, 5.0]


def item(**entries: Any) -> Dataset:
    item = Dataset()
    for keyword, value in entries.items():
        setattr(item, keyword, value)
    return item


def write_enhanced(
    values: Array, path: Path, *, heights: list[float] = HEIGHTS, shared: bool = True, **entries: Any
) -> Dataset:
    """An enhanced CT whose frame ``k`` is ``values[k]`` at ``heights[k]``, its orientation shared or per frame."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = EnhancedCTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality, dataset.SeriesInstanceUID = "CT", "1.2.3"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    fixed = {
        "PlaneOrientationSequence": Sequence([item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]),
        "PixelMeasuresSequence": Sequence([item(PixelSpacing=[0.9, 0.7], SliceThickness=5)]),
    }
    frames = [
        item(
            PlanePositionSequence=Sequence([item(ImagePositionPatient=[-10, 20, height])]),
            PixelValueTransformationSequence=Sequence([item(RescaleSlope=1 + k, RescaleIntercept=-1000 - k)]),
            FrameContentSequence=Sequence([item(FrameAcquisitionNumber=k // 4 + 1)]),
            **({} if shared else fixed),
        )
        for k, height in enumerate(heights)
    ]
    dataset.SharedFunctionalGroupsSequence = Sequence([item(**(fixed if shared else {}))])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    dataset.PixelData = np.ascontiguousarray(values, "<u2").tobytes()
    for keyword, value in entries.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return dataset
