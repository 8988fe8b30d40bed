"""What is written of a grading as a whole, what all objects say, and what is refused before a network is asked."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import datetime

import numpy as np
import pydicom
import pytest
from PIL import Image
from tests.unit.export.dicom_patient import STAMP, TUMOUR, grader_of, write_patient

from nephrograde.errors import InputError, VolumeError, WriteError
from nephrograde.export.dicom.objects import grade_to_dicom
from nephrograde.export.dicom.stamp import Stamp
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.read import read_volume
from nephrograde.volume.thumbnail import REGION_RGBS
from nephrograde.volume.volume import write_image

pytestmark = pytest.mark.needs("highdicom")


@pytest.fixture
def patient(tmp_path, write_series):
    return write_patient(write_series, tmp_path / "王小明" / "ct")


def written(folder):
    return {path.name: pydicom.dcmread(path) for path in sorted(folder.iterdir())}


def texts_of(dataset):
    """Every text of an object, at any depth."""
    return [str(element.value) for element in dataset.iterall() if element.VR not in {"SQ", "OB", "OW"}]


def test_mask_comes_back_as_a_segmentation_of_the_series(patient, tmp_path):
    made = grade_to_dicom(grader_of(), patient.folder, tmp_path / "out", mask=patient.mask_path)
    assert made.grading.call == "high"
    assert made.left_out == ()
    (path,) = made.segmentation_paths
    volume = read_volume(patient.folder)
    written_mask, given_mask = (np.asarray(read_marks(one, volume).mask) for one in (path, patient.mask_path))
    assert np.array_equal(written_mask, given_mask)
    segmentation = pydicom.dcmread(path)
    assert segmentation.StudyInstanceUID == pydicom.dcmread(patient.paths[0]).StudyInstanceUID
    assert segmentation.ManufacturerModelName == "nephrograde predict"


def test_without_mask_there_is_no_segmentation(patient, tmp_path):
    place = ",".join(map(str, TUMOUR))
    made = grade_to_dicom(grader_of("point"), patient.folder, tmp_path / "out", point=f"{place} vox")
    assert made.segmentation_paths == ()
    assert list(written(tmp_path / "out")) == ["capture.dcm", "report.dcm"]


def test_mask_is_left_out_and_named_where_the_series_has_no_frame_of_reference(tmp_path, write_series):
    patient = write_patient(write_series, tmp_path / "ct", FrameOfReferenceUID=None)
    made = grade_to_dicom(grader_of(), patient.folder, tmp_path / "out", mask=patient.mask_path)
    assert (made.left_out, made.segmentation_paths) == (("cmp",), ())


@pytest.mark.parametrize("synthetic", [True, False])
def test_every_object_says_what_it_is_for(patient, tmp_path, synthetic):
    grade_to_dicom(grader_of(synthetic=synthetic), patient.folder, tmp_path / "out", mask=patient.mask_path)
    objects = written(tmp_path / "out")
    assert len(objects) == 3
    for made in objects.values():
        assert "RESEARCH USE ONLY" in made.SeriesDescription
        assert ("SYNTHETIC" in made.SeriesDescription) is synthetic
    said = " ".join(texts_of(objects["report.dcm"]))
    assert ("SYNTHETIC data" in said) is synthetic


def test_every_object_names_the_patient_and_no_file(patient, tmp_path):
    grade_to_dicom(grader_of(), patient.folder, tmp_path / "out", mask=patient.mask_path)
    source = pydicom.dcmread(patient.paths[0])
    for made in written(tmp_path / "out").values():
        assert (str(made.PatientName), made.PatientID) == ("王^小明", "ZY0042")
        assert made.StudyInstanceUID == source.StudyInstanceUID
        assert made.SpecificCharacterSet == "GB18030"
        said = "\n".join(texts_of(made)).replace("王^小明", "")
        assert not re.search(rf"{tmp_path.name}|王小明|\.nii|/", said.replace("WHO/ISUP", ""))


def test_warnings_name_the_phase_in_the_place_of_the_file(patient, tmp_path):
    grade_to_dicom(grader_of(), patient.folder, tmp_path / "out", mask=patient.mask_path)
    said = texts_of(written(tmp_path / "out")["report.dcm"])
    assert any(one.startswith("Warning: cmp: no kidney was found") for one in said)


def test_same_stamp_gives_the_same_bytes_and_another_one_other_uids(patient, tmp_path):
    def objects(name, stamp):
        grade_to_dicom(grader_of(), patient.folder, tmp_path / name, mask=patient.mask_path, stamp=stamp)
        return {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}

    assert objects("one", STAMP) == objects("two", STAMP)
    later = objects("three", replace(STAMP, seed="other"))
    uids = {name: pydicom.dcmread(tmp_path / "one" / name).SOPInstanceUID for name in later}
    assert not set(uids.values()) & {one.SOPInstanceUID for one in written(tmp_path / "three").values()}
    assert pydicom.dcmread(tmp_path / "one" / "report.dcm").ContentDate == "20260415"


def test_stamps_of_two_calls_differ():
    one, other = Stamp.now(), Stamp.now()
    assert one.uid("report") != other.uid("report")
    assert (datetime.now() - one.moment).total_seconds() < 3600


def test_capture_shows_the_region_below_a_bar(patient, tmp_path):
    def pixels(name, *, synthetic):
        made = grade_to_dicom(
            grader_of(synthetic=synthetic), patient.folder, tmp_path / name, mask=patient.mask_path, stamp=STAMP
        )
        capture = pydicom.dcmread(made.capture_path)
        assert (capture.Modality, capture.BurnedInAnnotation, capture.PhotometricInterpretation) == ("OT", "NO", "RGB")
        assert capture.ImageComments.startswith("High WHO/ISUP grade (3-4) at the threshold 0.550")
        return capture.pixel_array

    shown, synthetic = pixels("real", synthetic=False), pixels("synthetic", synthetic=True)
    bar = (150, 0, 0)
    for row in (2, -3):
        assert (shown[row] == bar).all()
    assert (shown == REGION_RGBS[0]).all(axis=2).any()
    assert (shown[:44] == 255).all(axis=2).any()
    assert not np.array_equal(shown[:44], synthetic[:44])


def test_objects_of_an_earlier_grading_are_replaced(patient, tmp_path):
    out_dir = tmp_path / "out"
    grade_to_dicom(grader_of(), patient.folder, out_dir, mask=patient.mask_path)
    place = ",".join(map(str, TUMOUR))
    grade_to_dicom(grader_of("point"), patient.folder, out_dir, point=f"{place} vox")
    assert list(written(out_dir)) == ["capture.dcm", "report.dcm"]


def refused(error, image, out_dir, **places):
    """Grade with a grader that fails when it is asked, and return the refusal that comes before."""
    grader = grader_of()
    object.__setattr__(grader, "examine", None)
    with pytest.raises(error) as caught:
        grade_to_dicom(grader, image, out_dir, **places)
    return caught.value


def test_nifti_scan_is_refused(patient, tmp_path):
    write_image(np.zeros((9, 9, 9), np.int16), tmp_path / "scan.nii.gz", spacing_mm=(1.0, 1.0, 1.0))
    found = refused(VolumeError, tmp_path / "scan.nii.gz", tmp_path / "out", box="1,1,1;4,4,4 vox")
    assert found.code == "not-dicom"
    assert "not a DICOM series" in str(found)
    assert not (tmp_path / "out").exists()


def test_exported_pictures_are_refused(patient, tmp_path):
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "a.png")
    for image in (tmp_path / "a.png", patient.paths[3]):
        found = refused(InputError, image, tmp_path / "out", box="1,1,0;9,9,0 vox")
        assert f"{image}: is an exported picture" in str(found)
        assert not (tmp_path / "out").exists()


def test_series_without_study_is_refused(tmp_path, write_series):
    patient = write_patient(write_series, tmp_path / "ct", StudyInstanceUID=None)
    found = refused(VolumeError, patient.folder, tmp_path / "out", mask=patient.mask_path)
    assert found.code == "dicom-reference"
    assert "StudyInstanceUID" in str(found)


def test_folder_with_other_files_is_refused(patient, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "note.txt").write_text("mine", encoding="utf-8")
    found = refused(InputError, patient.folder, tmp_path / "out", mask=patient.mask_path)
    assert "holds other files (note.txt)" in str(found)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["note.txt"]
    found = refused(InputError, patient.folder, patient.folder, mask=patient.mask_path)
    assert f"{patient.folder}: holds other files" in str(found)


def test_place_that_takes_no_folder_is_named(patient, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    found = refused(WriteError, patient.folder, tmp_path / "file" / "out", mask=patient.mask_path)
    assert str(tmp_path / "file") in str(found)
    assert "not a folder" in str(found)
    assert (tmp_path / "file").read_bytes() == b""


def test_series_of_different_patients_are_refused(tmp_path, write_series):
    own = write_patient(write_series, tmp_path / "cmp")
    other = write_patient(write_series, tmp_path / "np", PatientID="ZY0043")
    with pytest.raises(InputError, match="different patients"):
        grade_to_dicom(
            grader_of(phases=("cmp", "np")),
            {"cmp": own.folder, "np": other.folder},
            tmp_path / "out",
            mask={"cmp": own.mask_path},
        )


def test_missing_package_is_named(patient, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    found = refused(InputError, patient.folder, tmp_path / "out", mask=patient.mask_path)
    assert "--dicom: needs highdicom, which is not installed" in str(found)
    assert 'pip install "nephrograde[dicom]"' in str(found)
