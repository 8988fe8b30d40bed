"""Masks as DICOM segmentations: valid, about the right series, and read back to the same voxels."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from tests.unit.enhanced_ct import write_enhanced

from nephrograde.annotations.export import write_drawn
from nephrograde.annotations.journal import Journal
from nephrograde.annotations.voxels import voxels_of
from nephrograde.errors import VolumeError
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import write_image

pytestmark = pytest.mark.needs("highdicom")
SIZE = (24, 20, 8)
AXIAL, CORONAL, SAGITTAL = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)
STEPS = {AXIAL: (0.0, 0.0, 2.5), CORONAL: (0.0, 2.5, 0.0), SAGITTAL: (2.5, 0.0, 0.0)}
OBLIQUE = (0.9950042, 0.0998334, 0.0, -0.0998334, 0.9950042, 0.0)


@pytest.fixture
def series(tmp_path, write_series):
    """Write a series: (its folder, its files)."""

    def write(name="ct", *, orientation=AXIAL, step=None, leave_out=(), **entries):
        values = np.random.default_rng(3).integers(1000, 1200, SIZE)
        step = STEPS.get(orientation, (0.0, 0.0, 2.5)) if step is None else step
        positions = [tuple(np.array([-9.5, 7.25, -120.0]) + k * np.array(step)) for k in range(SIZE[2])]
        paths = write_series(tmp_path / name, values=values, positions_mm=positions, orientation=orientation, **entries)
        for k in leave_out:
            paths[k].write_bytes(b"")
        return tmp_path / name, paths

    return write


def blob(volume):
    mask = np.zeros(volume.values.shape, dtype=bool)
    mask[2:6, 3:5, 1:7] = True
    mask[6, 3, 4] = True
    return mask


def comes_back(image_path, out_path):
    """Write a mask of the image, and say whether the same voxels are read back."""
    volume = read_volume(image_path)
    write_drawn(blob(volume), volume, image_path, out_path, reader="li")
    return np.array_equal(np.asarray(read_marks(out_path, volume).mask), blob(volume))


def check(image_path, out_path):
    """Write a mask of the image, and read it back; returns the object."""
    assert comes_back(image_path, out_path)
    return pydicom.dcmread(out_path)


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL, OBLIQUE])
@pytest.mark.parametrize("backwards", [False, True])
def test_voxels_come_back_and_refer_to_the_series(series, tmp_path, orientation, backwards):
    step = -np.array(STEPS.get(orientation, (0.0, 0.0, 2.5))) if backwards else None
    folder, paths = series(orientation=orientation, step=step)
    made = check(folder, tmp_path / "seg.dcm")
    source = pydicom.dcmread(paths[0])
    assert made.StudyInstanceUID == source.StudyInstanceUID
    assert made.FrameOfReferenceUID == source.FrameOfReferenceUID
    (referred,) = made.ReferencedSeriesSequence
    assert referred.SeriesInstanceUID == source.SeriesInstanceUID
    uids = {one.ReferencedSOPInstanceUID for one in referred.ReferencedInstanceSequence}
    assert uids <= {pydicom.dcmread(path).SOPInstanceUID for path in paths}
    for frame in made.PerFrameFunctionalGroupsSequence:
        (image,) = frame.DerivationImageSequence[0].SourceImageSequence
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        (same,) = [one for one in map(pydicom.dcmread, paths) if one.SOPInstanceUID == image.ReferencedSOPInstanceUID]
        assert same.ImagePositionPatient == place


def test_single_slice_comes_back(series, tmp_path):
    folder, _ = series()
    volume = read_volume(folder)
    mask = np.zeros(volume.values.shape, dtype=bool)
    mask[3:6, 4, 5] = True
    write_drawn(mask, volume, folder, tmp_path / "seg.dcm", reader="li")
    assert np.array_equal(np.asarray(read_marks(tmp_path / "seg.dcm", volume).mask), mask)


def test_missing_slice_and_a_tilted_gantry_come_back(series, tmp_path, write_series):
    folder, _ = series("gap", leave_out=(4,))
    assert comes_back(folder, tmp_path / "gap.dcm")
    folder, _ = series("tilt", step=(0.0, 0.6, 2.5))
    assert comes_back(folder, tmp_path / "tilt.dcm")


def test_series_in_an_archive_comes_back(series, tmp_path):
    _, paths = series()
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.name)
    assert comes_back(tmp_path / "ct.zip", tmp_path / "seg.dcm")


@pytest.mark.parametrize("shared", [True, False])
def test_enhanced_object_comes_back(tmp_path, shared):
    values = np.random.default_rng(6).integers(900, 1300, (9, 12, 14)).astype(np.uint16)
    uids = {"StudyInstanceUID": "1.2.9", "FrameOfReferenceUID": "1.2.10"}
    heights = [5.0 * k for k in (3, 0, 1, 2, 8, 4, 6, 5, 7)]
    write_enhanced(values, tmp_path / "ct.dcm", heights=heights, shared=shared, **uids)
    made = check(tmp_path / "ct.dcm", tmp_path / "seg.dcm")
    assert (made.StudyInstanceUID, made.FrameOfReferenceUID) == ("1.2.9", "1.2.10")


def test_same_mask_has_the_same_uids(series, tmp_path):
    folder, _ = series()
    one, other = check(folder, tmp_path / "one.dcm"), check(folder, tmp_path / "other.dcm")
    assert one.SOPInstanceUID == other.SOPInstanceUID
    assert one.SeriesInstanceUID == other.SeriesInstanceUID != pydicom.dcmread(next(folder.iterdir())).SeriesInstanceUID


@pytest.mark.parametrize(
    ("entries", "code"),
    [({"FrameOfReferenceUID": None}, "dicom-reference"), ({"StudyInstanceUID": None}, "dicom-reference")],
)
def test_series_that_cannot_be_referred_to_is_named(series, tmp_path, entries, code):
    folder, _ = series(**entries)
    with pytest.raises(VolumeError) as caught:
        check(folder, tmp_path / "seg.dcm")
    assert caught.value.code == code
    assert not (tmp_path / "seg.dcm").exists()


@pytest.mark.needs(programs=("dciodvfy",))
def test_dciodvfy_finds_no_error(series, tmp_path):
    patient = {"PatientID": "1", "PatientName": "A^B", "PatientBirthDate": "19500101", "PatientSex": "M"}
    study = {"StudyID": "1", "StudyDate": "20260101", "StudyTime": "120000", "AccessionNumber": "7"}
    folder, _ = series(**patient, **study, ReferringPhysicianName="", FrameOfReferenceUID="1.2.840.1")
    check(folder, tmp_path / "seg.dcm")
    done = subprocess.run(["dciodvfy", tmp_path / "seg.dcm"], capture_output=True, text=True, check=False)
    errors = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
    assert errors == []


def test_command_writes_them_and_names_images_that_are_not_dicom(series, tmp_path, nephrograde):
    folder, _ = series("P1")
    volume = read_volume(folder)
    write_image(np.array(volume.values), tmp_path / "P2.nii.gz", spacing_mm=volume.spacing_mm)
    rows = ["patient_id,isup_grade,np_image,np_mask", "P1,1,P1,", "P2,2,P2.nii.gz,"]
    (tmp_path / "cohort.csv").write_text("\n".join(rows), encoding="utf-8")
    journal = Journal(tmp_path / "cohort.annotations", "li")
    for number, patient in enumerate(("P1", "P2")):
        image = read_volume(tmp_path / ("P1" if patient == "P1" else "P2.nii.gz"))
        value = voxels_of(blob(image).T, image.grid).text()
        given = {"id": f"{number:032x}", "patient_id": patient, "phase": "np", "kind": "mask", "value": value}
        journal.append(given)
    shutil.rmtree(journal.masks_dir)  # as if the server had been killed before they were written
    code, _, err = nephrograde(
        "annotate", tmp_path / "cohort.csv", "--export", "seg", "--to", tmp_path / "out", "--lang", "zh"
    )
    assert (code, "P2" in err, "DICOM" in err) == (1, True, True)
    (made,) = [path for path in Path(tmp_path / "out").iterdir() if path.suffix == ".dcm"]
    assert np.array_equal(np.asarray(read_marks(made, volume).mask), blob(volume))
    assert "is not a DICOM" not in err
