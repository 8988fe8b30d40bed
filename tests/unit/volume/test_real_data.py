"""Real scans load with the geometry stated in their headers, and real masks lie on the tumour."""

from __future__ import annotations

import gzip
import struct
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from nephrograde.cohort.place import Point
from nephrograde.volume.check import check_mask, check_volume
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.read import read_volume
from nephrograde.volume.roi import cut_box, measure_tumour
from nephrograde.volume.volume import resolve_point

if TYPE_CHECKING:
    from pathlib import Path


def test_dicom_series_has_the_geometry_of_its_headers(shared_data: Path) -> None:
    series_dir = shared_data / "ct_dicom" / "CRLM-CT-1004" / "image"
    headers = sorted(map(pydicom.dcmread, series_dir.iterdir()), key=lambda header: header.ImagePositionPatient[2])
    volume = read_volume(series_dir)
    heights = [float(header.ImagePositionPatient[2]) for header in headers]
    assert volume.values.shape == (headers[0].Columns, headers[0].Rows, 41)
    assert volume.spacing_mm[:2] == (headers[0].PixelSpacing[1], headers[0].PixelSpacing[0])
    assert volume.spacing_mm[2] == pytest.approx(np.diff(heights).mean())
    assert volume.origin_mm == tuple(headers[0].ImagePositionPatient)
    np.testing.assert_array_equal(volume.direction[:, :2].T.ravel(), headers[0].ImageOrientationPatient)
    for k in (0, 20, 40):
        stored = headers[k].pixel_array.astype(np.float64)
        hu = stored * float(headers[k].RescaleSlope) + float(headers[k].RescaleIntercept)
        np.testing.assert_array_equal(volume.values[:, :, k].T, np.maximum(hu, -1024))  # padding becomes air
    assert resolve_point(Point((256, 256, 40), "vox"), volume)[2] == heights[-1]
    assert check_volume(volume) == []


def test_nifti_has_the_geometry_of_its_header(shared_data: Path) -> None:
    image_path = shared_data / "ct_nifti" / "example_ct.nii.gz"
    raw = gzip.decompress(image_path.read_bytes())
    dim, pixdim = struct.unpack_from("<8h", raw, 40), struct.unpack_from("<8f", raw, 76)
    affine = np.array(struct.unpack_from("<12f", raw, 280)).reshape(3, 4)
    volume = read_volume(image_path)
    assert struct.unpack_from("<2h", raw, 252)[1] > 0
    assert volume.values.shape == dim[1:4]
    np.testing.assert_allclose(volume.spacing_mm, pixdim[1:4], rtol=1e-6)
    for index in ((0, 0, 0), (121, 0, 0), (30, 60, 111)):
        ras = affine @ [*index, 1]
        lps = ras * [-1, -1, 1]
        np.testing.assert_allclose(resolve_point(Point(index, "vox"), volume), lps, atol=1e-3)
    stored = np.frombuffer(raw, "<i4", int(np.prod(dim[1:4])), 352).reshape(dim[1:4], order="F")
    x, y, z = np.round(volume.to_index(resolve_point(Point((30, 60, 11), "vox"), volume))).astype(int)
    assert volume.values[x, y, z] == stored[30, 60, 11]
    assert check_volume(volume) == []


@pytest.mark.parametrize("case", ["case_00000", "case_00004"])
def test_kits_masks_lie_on_tumour(shared_data: Path, case: str) -> None:
    folder = shared_data / "kits_shape"
    volume = read_volume(folder / "images" / f"{case}.nii.gz")
    mask = np.asarray(read_marks(folder / "masks" / f"{case}.nii.gz", volume).mask)
    assert volume.native.axes() == ((2, 1, 0), (False, False, True))
    assert np.median(volume.values[mask]) == pytest.approx(90, abs=10)
    tumour = measure_tumour(mask, volume)
    assert mask[:, :, tumour.slices].any(axis=(0, 1)).all()
    box, inside = cut_box(
        volume, mask, center_mm=tumour.center_mm, size_mm=(140, 140, 160), voxels=(64, 64, 32), antialias=True
    )
    assert inside is not None
    assert np.median(box[inside]) == pytest.approx(90, abs=12)
    assert inside.sum() * (140 / 64) ** 2 * 5 / 1000 == pytest.approx(tumour.volume_ml, rel=0.15)


@pytest.mark.parametrize("series", ["CT", "PET", "MR_T1"])
def test_the_three_series_of_one_patient_show_one_tumour(shared_data: Path, series: str) -> None:
    folder = shared_data / "sts" / "STS_001"
    volume = read_volume(folder / f"{series}_image.nii.gz")
    mask = np.asarray(read_marks(folder / f"{series}_mask.nii.gz", volume).mask)
    tumour = measure_tumour(mask, volume)
    assert all(fault.severity == "warning" for fault in [*check_volume(volume), *check_mask(mask)])
    reference = read_volume(folder / "CT_image.nii.gz")
    # The CT's mask, resampled to this series' grid by world coordinates, equals this series' own mask.
    carried = np.asarray(read_marks(folder / "CT_mask.nii.gz", volume).mask)
    overlap = 2 * (carried & mask).sum() / (carried.sum() + mask.sum())
    assert overlap > 0.9
    ct_tumour = measure_tumour(np.asarray(read_marks(folder / "CT_mask.nii.gz", reference).mask), reference)
    assert tumour.volume_ml == pytest.approx(ct_tumour.volume_ml, rel=0.1)
    if series == "PET":
        assert volume.values[mask].mean() > 2 * volume.values[~mask].mean()
    if series == "CT":
        assert 0 < np.median(volume.values[mask]) < 90
