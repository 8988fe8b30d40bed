import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nephrograde.errors import VolumeError
from nephrograde.volume.pictures import find_pictures, read_picture

RAMP = np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8)  # y x, so that a swap of axes shows


def _code_of(path: Path) -> str:
    with pytest.raises(VolumeError) as caught:
        read_picture(path)
    return caught.value.code


def _save(picture: Image.Image, path: Path, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)  # type: ignore[arg-type]
    return path


def write_slice(path: Path, values_hu: np.ndarray, *, modality: str = "CT", spacing_mm: str = "0.7\\0.9") -> Path:
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID, image.Modality = CTImageStorage, UID("1.2.3"), modality
    image.Rows, image.Columns = values_hu.shape
    if spacing_mm:
        image.PixelSpacing = spacing_mm.split("\\")
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
    image.RescaleIntercept, image.RescaleSlope = "-1024", "1"
    image.PixelData = (values_hu + 1024).astype(np.uint16).tobytes()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID, image.file_meta.MediaStorageSOPInstanceUID = CTImageStorage, UID("1.2.3")
    image.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "图.PNG"])
def test_eight_bit_greys_are_parts_of_255(tmp_path: Path, name: str) -> None:
    picture = read_picture(_save(Image.fromarray(RAMP), tmp_path / "导出" / name))
    assert picture.values == pytest.approx(RAMP.T / 255)
    assert not picture.is_hu
    assert picture.pixel_mm is None


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
def test_sixteen_bit_greys_are_parts_of_65535(tmp_path: Path, name: str) -> None:
    wide = RAMP.astype(np.uint16) * 600
    picture = read_picture(_save(Image.fromarray(wide), tmp_path / name))
    assert picture.values == pytest.approx(wide.T / 65535)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA", "CMYK"])
def test_grey_in_colour_files_is_read(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(RAMP) if mode == "P" else Image.fromarray(RAMP).convert("RGB")
    picture = read_picture(_save(grey.convert(mode), tmp_path / ("a.tif" if mode == "CMYK" else "a.png")))
    assert picture.values == pytest.approx(RAMP.T / 255)


def test_jpeg_is_close(tmp_path: Path) -> None:
    picture = read_picture(_save(Image.fromarray(RAMP).convert("RGB"), tmp_path / "a.jpg", quality=95))
    assert np.abs(picture.values - RAMP.T / 255).max() < 0.02


def test_a_resolution_in_the_file_is_not_taken_for_the_patient(tmp_path: Path) -> None:
    assert read_picture(_save(Image.fromarray(RAMP), tmp_path / "a.png", dpi=(300, 300))).pixel_mm is None


def test_a_dicom_slice_of_a_ct_keeps_its_hu_and_its_pixel_size(tmp_path: Path) -> None:
    values = RAMP.astype(np.int16) - 100
    picture = read_picture(write_slice(tmp_path / "IM1", values))
    assert np.array_equal(picture.values, values.T)
    assert picture.is_hu
    assert picture.pixel_mm == pytest.approx((0.9, 0.7))  # DICOM gives the distance between rows first


def test_a_captured_dicom_picture_is_no_hu_and_may_lack_its_size(tmp_path: Path) -> None:
    picture = read_picture(write_slice(tmp_path / "IM1", RAMP.astype(np.int16), modality="OT", spacing_mm=""))
    assert not picture.is_hu
    assert picture.pixel_mm is None


def test_bad_pictures_are_named(tmp_path: Path) -> None:
    colour = np.stack([RAMP, RAMP, RAMP // 2], axis=-1)
    assert _code_of(_save(Image.fromarray(colour), tmp_path / "colour.png")) == "picture-colour"
    half = np.stack([RAMP, np.where(RAMP > 50, 255, 0).astype(np.uint8)], axis=-1)
    assert _code_of(_save(Image.fromarray(half, "LA"), tmp_path / "alpha.png")) == "picture-transparent"
    assert _code_of(_save(Image.new("L", (1, 1)), tmp_path / "one.png")) == "picture-small"
    pages = tmp_path / "pages.tif"
    Image.fromarray(RAMP).save(pages, save_all=True, append_images=[Image.fromarray(RAMP)])
    assert _code_of(pages) == "picture-several"
    assert _code_of(_save(Image.fromarray(RAMP / np.float32(7)), tmp_path / "fraction.tif")) == "picture-range"
    assert _code_of(tmp_path / "nowhere.png") == "file-missing"
    for name, content in {"empty.png": b"", "text.jpg": b"no picture", "cut.png": None}.items():
        whole = (tmp_path / "colour.png").read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2] if content is None else content)
        assert _code_of(tmp_path / name) == "file-unreadable"
    (tmp_path / "scan.nii.gz").write_bytes(b"x" * 500)
    assert _code_of(tmp_path / "scan.nii.gz") == "picture-kind"


def test_a_small_file_that_claims_a_huge_picture_is_not_opened(tmp_path: Path) -> None:
    bomb = _save(Image.new("1", (12_000, 12_000)), tmp_path / "bomb.png")
    assert bomb.stat().st_size < 100_000
    assert _code_of(bomb) == "picture-large"


def test_what_is_a_picture(tmp_path: Path) -> None:
    one = _save(Image.fromarray(RAMP), tmp_path / "P1" / "b.png")
    two = _save(Image.fromarray(RAMP), tmp_path / "P1" / "a.JPG")
    assert find_pictures([one.parent]) == (two, one)
    assert find_pictures([one, two]) == (one, two)
    assert find_pictures([tmp_path]) == ()  # a subfolder means that the folder is not one of pictures
    (tmp_path / "P1" / "IM1").write_bytes(b"x")
    assert find_pictures([one.parent]) == ()
    assert find_pictures([write_slice(tmp_path / "x.dcm", RAMP.astype(np.int16))]) == (tmp_path / "x.dcm",)
    assert find_pictures([tmp_path / "scan.nii.gz"]) == ()


@pytest.mark.parametrize("tag", [256, 257])
def test_a_tiff_without_dimensions_is_refused(tmp_path, tag):
    path = tmp_path / "a.tif"
    Image.fromarray(np.full((20, 24), 9, np.uint8)).save(path)
    content = bytearray(path.read_bytes())
    directory = int.from_bytes(content[4:8], "little")
    for k in range(int.from_bytes(content[directory : directory + 2], "little")):
        at = directory + 2 + 12 * k
        if int.from_bytes(content[at : at + 2], "little") == tag:
            content[at : at + 2] = (65000).to_bytes(2, "little")
    path.write_bytes(bytes(content))
    with pytest.raises(VolumeError) as caught:
        read_picture(path)
    assert caught.value.code == "file-unreadable"


def test_a_picture_claims_no_more_pixels_than_its_file_can_hold(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.full((20, 24), 9, np.uint8)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">2I", 9000, 9000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(bytes(content))
    with pytest.raises(VolumeError) as caught:
        read_picture(path)
    assert caught.value.code == "file-truncated"
