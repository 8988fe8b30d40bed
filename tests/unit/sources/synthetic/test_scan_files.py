from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
import SimpleITK

from nephrograde.sources.synthetic.phantom import PhantomSettings, cohort_patients
from nephrograde.sources.synthetic.scan_files import synthetic_uid, write_dicom, write_nifti, write_nifti_mask
from nephrograde.sources.synthetic.scanner import SyntheticScan, draw_body, scan_patient

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.sources.synthetic.patients import Patient

PATIENT: Patient = cohort_patients(PhantomSettings(patients=2, seed=7))[0]


@pytest.fixture(scope="module")
def scan() -> SyntheticScan:
    return scan_patient(PATIENT, draw_body(PATIENT, seed=7), phase="cmp", matrix_px=40, seed=7)


@pytest.mark.parametrize("stored", [(1, 1, 1), (-1, -1, 1), (1, 1, -1)])
def test_nifti_shows_the_same_patient_in_any_axis_order(
    scan: SyntheticScan, tmp_path: Path, stored: tuple[int, int, int]
) -> None:
    path = tmp_path / "image.nii.gz"
    write_nifti(replace(scan, stored=stored), path, label="SYN-0001 cmp")
    assert [entry.name for entry in tmp_path.iterdir()] == ["image.nii.gz"]
    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_allclose(np.reshape(image.GetDirection(), (3, 3)), np.diag(stored), atol=1e-6)
    for index_xyz in ((0, 0, 0), (7, 30, 11), (39, 39, len(scan.mask) - 1)):
        place = [o + i * s for o, i, s in zip(scan.origin_mm, index_xyz, scan.spacing_mm, strict=True)]
        found = image.TransformPhysicalPointToIndex(place)
        assert image[found] == scan.values_hu[index_xyz[2], index_xyz[1], index_xyz[0]]
    lps = SimpleITK.GetArrayFromImage(SimpleITK.DICOMOrient(image, "LPS"))
    np.testing.assert_array_equal(lps, scan.values_hu)


def test_nifti_says_that_it_is_synthetic(scan: SyntheticScan, tmp_path: Path) -> None:
    write_nifti(scan, tmp_path / "image.nii.gz", label="SYN-0001 cmp")
    write_nifti_mask(scan, tmp_path / "mask.nii.gz", label="SYN-0001 cmp mask")
    for name, expected in (("image", "SYNTHETIC SYN-0001 cmp"), ("mask", "SYNTHETIC SYN-0001 cmp mask")):
        image = SimpleITK.ReadImage(str(tmp_path / f"{name}.nii.gz"))
        assert image.GetMetaData("descrip") == expected


def test_mask_lies_on_the_image(scan: SyntheticScan, tmp_path: Path) -> None:
    write_nifti(scan, tmp_path / "image.nii.gz", label="x")
    write_nifti_mask(scan, tmp_path / "mask.nii.gz", label="x")
    image, mask = (SimpleITK.ReadImage(str(tmp_path / f"{name}.nii.gz")) for name in ("image", "mask"))
    assert image.GetOrigin() == mask.GetOrigin()
    assert image.GetDirection() == mask.GetDirection()
    assert image.GetPixelID() == SimpleITK.sitkInt16
    assert set(np.unique(SimpleITK.GetArrayFromImage(mask))) == {0, 1}


@pytest.fixture(scope="module")
def series_dir(scan: SyntheticScan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target_dir = tmp_path_factory.mktemp("dicom") / "cmp"
    write_dicom(scan, target_dir, patient=PATIENT, phase="cmp", seed=7)
    return target_dir


def test_dicom_reads_back_as_the_scan(scan: SyntheticScan, series_dir: Path) -> None:
    reader = SimpleITK.ImageSeriesReader()
    assert len(reader.GetGDCMSeriesIDs(str(series_dir))) == 1
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series_dir)))
    image = reader.Execute()
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), scan.values_hu)
    assert image.GetOrigin() == pytest.approx(scan.origin_mm, abs=1e-3)
    assert image.GetSpacing() == pytest.approx(scan.spacing_mm, abs=1e-4)
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_dicom_header_says_what_it_is(series_dir: Path) -> None:
    images = [pydicom.dcmread(path) for path in sorted(series_dir.iterdir())]
    first = images[0]
    assert first.PatientName == f"SYNTHETIC^{PATIENT.number:04d}"
    assert first.PatientID == PATIENT.patient_id
    assert first.ImageComments.startswith("SYNTHETIC")
    assert first.SeriesDescription.startswith("SYNTHETIC Corticomedullary ")
    assert first.RescaleIntercept == -1024
    assert first.ContrastBolusAgent == "SYNTHETIC"
    assert [image.InstanceNumber for image in images] == list(range(1, len(images) + 1))
    heights = [image.ImagePositionPatient[2] for image in images]
    assert heights == sorted(heights, reverse=True)
    assert "grade" not in str(first).lower().replace("nephrograde", "")


def test_dicom_uids_are_unique_within_and_shared_where_they_should_be(scan: SyntheticScan, tmp_path: Path) -> None:
    for phase in ("up", "cmp"):
        write_dicom(scan, tmp_path / phase, patient=PATIENT, phase=phase, seed=7)
    images = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(tmp_path.rglob("*.dcm"))]
    assert len({image.SOPInstanceUID for image in images}) == len(images)
    assert len({image.SeriesInstanceUID for image in images}) == 2
    assert len({image.StudyInstanceUID for image in images}) == 1
    assert all(image.SOPInstanceUID.startswith("2.25.") and len(image.SOPInstanceUID) <= 64 for image in images)
    assert not any("ContrastBolusAgent" in image for image in images if image.SeriesDescription[10:20] == "Unenhanced")


def test_uids_come_from_the_seed() -> None:
    assert synthetic_uid(1, "SYN-0001") == synthetic_uid(1, "SYN-0001")
    assert synthetic_uid(1, "SYN-0001") != synthetic_uid(2, "SYN-0001")
