"""A small valid file of every kind of image and mask that a command reads, and what reads it."""

from __future__ import annotations

import gzip
import os
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import UID
from tests.unit.conftest import nifti_bytes
from tests.unit.fuzzed_tables import Target
from tests.unit.volume.masks.conftest import write_segmentation, write_structures

from nephrograde.organs.kidneys import read_organs
from nephrograde.sources.scan.catalogue import catalogue
from nephrograde.volume.check import check_volume
from nephrograde.volume.dicom.series_list import SERIES_LIST_HEADING
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.pictures import read_picture
from nephrograde.volume.read import read_volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.volume.volume import Volume

GEOMETRY = ("space: right-anterior-superior", "space directions: (2.5,0,0) (0,2.5,0) (0,0,5)")


def _fix_uid(path: Path) -> None:
    """Give an object the same UID in every run, so that the same bytes are damaged."""
    dataset = pydicom.dcmread(path)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = UID("1.2.3.4")
    dataset.save_as(path)


class Images:
    """Writes the valid file of each kind; a method's name is the kind."""

    def __init__(self, folder: Path, write_series: Callable[..., list[Path]]) -> None:
        self.folder = folder
        self.write_series = write_series
        self.values = np.zeros((12, 10, 6), np.int16) - 1000
        self.values[2:10, 2:8, :] = np.random.default_rng(4).integers(-120, 260, (8, 6, 6))

    def _image(self, name: str, content: bytes) -> Target:
        path = self.folder / name
        path.write_bytes(content)
        return Target(path, lambda: list(check_volume(read_volume(path))))

    def nifti(self) -> Target:
        return self._image("a.nii", nifti_bytes(self.values))

    def nifti_gz(self) -> Target:
        return self._image("a.nii.gz", gzip.compress(nifti_bytes(self.values)))

    def _nrrd_header(self, kind: str, *fields: str) -> bytes:
        sizes = " ".join(map(str, self.values.shape))
        lines = ["NRRD0004", f"type: {kind}", "dimension: 3", f"sizes: {sizes}", "endian: little", *GEOMETRY, *fields]
        return "\n".join(lines).encode()

    def nrrd(self) -> Target:
        return self._image("a.nrrd", self._nrrd_header("short", "encoding: raw") + b"\n\n" + self.values.tobytes("F"))

    def nrrd_gzip(self) -> Target:
        body = gzip.compress(self.values.tobytes("F"))
        return self._image("a.nrrd", self._nrrd_header("short", "encoding: gzip") + b"\n\n" + body)

    def nhdr(self) -> Target:
        (self.folder / "a.raw").write_bytes(self.values.tobytes("F"))
        return self._image("a.nhdr", self._nrrd_header("short", "encoding: raw", "data file: a.raw") + b"\n")

    def _mha_header(self, data: str) -> bytes:
        size = " ".join(map(str, self.values.shape))
        lines = ["ObjectType = Image", "NDims = 3", f"DimSize = {size}", "BinaryData = True", "ElementType = MET_SHORT"]
        geometry = ["TransformMatrix = 1 0 0 0 1 0 0 0 1", "Offset = 0 0 0", "ElementSpacing = 2.5 2.5 5"]
        return "\n".join([*lines, *geometry, f"ElementDataFile = {data}"]).encode() + b"\n"

    def mha(self) -> Target:
        return self._image("a.mha", self._mha_header("LOCAL") + self.values.tobytes("F"))

    def mhd(self) -> Target:
        (self.folder / "a.raw").write_bytes(self.values.tobytes("F"))
        return self._image("a.mhd", self._mha_header("a.raw"))

    def _series(self) -> list[Path]:
        stored = (self.values + 1024).astype(np.uint16)
        return self.write_series(
            self.folder / "series", values=stored, positions_mm=[(0, 0, 5.0 * k) for k in range(self.values.shape[2])]
        )

    def dicom_folder(self) -> Target:
        path = self._series()[2]
        return Target(path, lambda: list(check_volume(read_volume(path.parent))))

    def dicom_zip(self) -> Target:
        path = self.folder / "series.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for one in self._series():
                archive.write(one, one.name)
        return Target(path, lambda: list(check_volume(read_volume(path))))

    def series_list(self) -> Target:
        path = self.folder / "a.series"
        names = "\n".join(f"series/{one.name}" for one in self._series())
        path.write_text(f"{SERIES_LIST_HEADING}\n{names}\n", encoding="utf-8")
        return Target(path, lambda: list(check_volume(read_volume(path))))

    def dicom_multiframe(self) -> Target:
        dataset = pydicom.dcmread(self._series()[0])
        n_frames = self.values.shape[2]
        dataset.NumberOfFrames = n_frames
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.EnhancedCTImageStorage
        dataset.PixelData = (self.values + 1024).astype("<u2").transpose(2, 1, 0).tobytes()
        frames = []
        for k in range(n_frames):
            item, plane = pydicom.Dataset(), pydicom.Dataset()
            plane.ImagePositionPatient = [0, 0, 5.0 * k]
            item.PlanePositionSequence = [plane]
            frames.append(item)
        dataset.PerFrameFunctionalGroupsSequence = frames
        shared, turned, measures, rescale = (pydicom.Dataset() for _ in range(4))
        turned.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        measures.PixelSpacing, measures.SliceThickness = [0.9, 0.7], 5
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1, -1024, "HU"
        shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [turned], [measures]
        shared.PixelValueTransformationSequence = [rescale]
        dataset.SharedFunctionalGroupsSequence = [shared]
        folder = self.folder / "frames"
        folder.mkdir()
        path = folder / "IM1"
        dataset.save_as(path)
        return Target(path, lambda: list(check_volume(read_volume(folder))))

    def _picture(self, name: str, **how: Any) -> Target:
        path = self.folder / name
        Image.fromarray(np.random.default_rng(1).integers(0, 255, (24, 32), np.uint8)).save(path, **how)
        return Target(path, lambda: read_picture(path))

    def png(self) -> Target:
        return self._picture("a.png")

    def tiff(self) -> Target:
        return self._picture("a.tif")

    def tiff_lzw(self) -> Target:
        return self._picture("a.tif", compression="tiff_lzw")

    def jpeg(self) -> Target:
        return self._picture("a.jpg")

    def bmp(self) -> Target:
        return self._picture("a.bmp")

    def _volume(self) -> Volume:
        path = self.folder / "image.nii"
        path.write_bytes(nifti_bytes(self.values, pixdim=(2.5, 2.5, 5.0)))
        return read_volume(path)

    def _marks(self, path: Path) -> Target:
        volume = self._volume()
        return Target(path, lambda: read_marks(path, volume))

    def _blob(self) -> np.ndarray[Any, Any]:
        blob = np.zeros(self.values.shape, np.uint8)
        blob[4:8, 3:7, 2:5] = 1
        return blob

    def mask_nifti(self) -> Target:
        path = self.folder / "mask.nii.gz"
        path.write_bytes(gzip.compress(nifti_bytes(self._blob(), pixdim=(2.5, 2.5, 5.0))))
        return self._marks(path)

    def mask_nrrd(self) -> Target:
        path = self.folder / "mask.seg.nrrd"
        names = ("Segment0_Name:=tumour", "Segment0_LabelValue:=1", "Segment0_Layer:=0", "encoding: raw")
        path.write_bytes(self._nrrd_header("uchar", *names) + b"\n\n" + self._blob().tobytes("F"))
        return self._marks(path)

    def mask_seg(self) -> Target:
        path = self.folder / "mask.dcm"
        write_segmentation(path, {"tumour": self._blob() > 0}, self._volume())
        _fix_uid(path)
        return self._marks(path)

    def mask_rtstruct(self) -> Target:
        path, volume = self.folder / "mask.dcm", self._volume()
        square = ((3, 3), (8, 3), (8, 7), (3, 7))
        contours = [("CLOSED_PLANAR", [volume.to_mm((x, y, k)) for x, y in square]) for k in (2, 3, 4)]
        write_structures(path, {"tumour": contours})
        _fix_uid(path)
        return self._marks(path)

    def organs_nifti(self) -> Target:
        organs = np.zeros((30, 30, 16), np.uint8)
        organs[7:11, 2:8, 1:5], organs[1:4, 2:8, 1:5], organs[5:6, 1:2, :] = 3, 2, 52
        path = self.folder / "organs.nii"
        path.write_bytes(nifti_bytes(organs, pixdim=(2.5, 2.5, 5.0)))
        volume = self._volume()
        return Target(path, lambda: read_organs(path, volume))

    def catalogue_sqlite(self) -> Target:
        paths = self._series()
        for one in paths:
            os.utime(one, (1.7e9, 1.7e9))  # the catalogue holds it
        folder, path = paths[0].parent, self.folder / "held.sqlite"
        return Target(self._held(folder, path), lambda: self._held(folder, path))

    def _held(self, folder: Path, path: Path) -> Path:
        with catalogue(folder, path, workers=1) as held:
            for study in held.studies():
                for header in study:
                    held.files(header)
            held.skipped()
        return path
