"""The structured report: what a reader of DICOM finds in it, and at which place of the patient."""

from __future__ import annotations

from types import SimpleNamespace

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from tests.unit.enhanced_ct import write_enhanced
from tests.unit.export.dicom_patient import RADII, STAMP, STEP_MM, TUMOUR, grader_of, write_patient

from nephrograde.evaluation.uncertainty.conformal import GradeSet
from nephrograde.evaluation.uncertainty.new_patient import Certainty
from nephrograde.export.dicom.objects import grade_to_dicom
from nephrograde.predict.plausibility import Plausibility
from nephrograde.version import __version__

pytestmark = pytest.mark.needs("highdicom")


@pytest.fixture
def patient(tmp_path, write_series):
    return write_patient(write_series, tmp_path / "ct")


@pytest.fixture
def graded(tmp_path):
    """Grade, and read the report with highdicom: the report, and its first group of measurements."""

    def grade(grader, image, **places):
        made = grade_to_dicom(grader, image, tmp_path / "out", stamp=STAMP, **places)
        report = highdicom.sr.srread(made.report_path)
        assert isinstance(report, highdicom.sr.Comprehensive3DSR)
        return report, groups_in(report)[0]

    return grade


def groups_in(report):
    return report.content.get_planar_roi_measurement_groups()


def volumes_in(report):
    return report.content.get_volumetric_roi_measurement_groups()


def numbers_in(group):
    return {one.name.meaning: one.value for one in group.get_measurements()}


def evaluations_in(group):
    return {one.name.meaning: one.value.meaning for one in group.get_qualitative_evaluations()}


def texts_in(group, code):
    """The texts of a group under a code of DICOM."""
    return [one.TextValue for one in group[0].ContentSequence if one.ConceptNameCodeSequence[0].CodeValue == code]


def stored(places_mm, patient):
    """Column, row and slice of positions in the patient, by the directions that the series was written with."""
    away = places_mm - patient.mm(0, 0, 0)
    return away @ patient.directions / (0.7, 0.9, STEP_MM)


def test_outline_of_the_mask_lies_where_the_tumour_was_written(patient, graded):
    _, group = graded(grader_of("box"), patient.folder, mask=patient.mask_path)
    assert (group.roi.GraphicType, group.roi.frame_of_reference_uid) == ("POLYGON", "1.2.840.99.1")
    corners = stored(group.roi.value, patient)
    assert np.allclose(corners[:, 2], TUMOUR[2], atol=1e-3)
    assert np.allclose(corners[:, :2].min(axis=0), np.subtract(TUMOUR[:2], RADII[:2]) - 0.5, atol=1e-3)
    assert np.allclose(corners[:, :2].max(axis=0), np.add(TUMOUR[:2], RADII[:2]) + 0.5, atol=1e-3)
    assert np.array_equal(group.roi.value[0], group.roi.value[-1])


def test_box_is_a_rectangle_on_its_middle_slice(patient, graded):
    low, high = patient.mm(18, 10, 4), patient.mm(30, 18, 10)
    text = ";".join(",".join(f"{value:.9f}" for value in corner) for corner in (low, high)) + " mm"
    _, group = graded(grader_of("box"), patient.folder, box=text)
    corners = stored(group.roi.value, patient)
    expected = [(18, 10, 7), (30, 10, 7), (30, 18, 7), (18, 18, 7), (18, 10, 7)]
    assert np.allclose(corners, expected, atol=1e-3)


def test_box_in_voxels_may_touch_the_edge(patient, graded):
    _, group = graded(grader_of("box"), patient.folder, box="30,20,7;39,35,7 vox")
    corners = stored(group.roi.value, patient)
    assert np.allclose(corners.max(axis=0), (39, 35, 7), atol=1e-3)


def test_point_stays_the_point(patient, graded):
    place = patient.mm(*TUMOUR)
    _, group = graded(grader_of("point"), patient.folder, point=",".join(f"{one:.9f}" for one in place) + " mm")
    assert group.roi.GraphicType == "POINT"
    assert np.allclose(group.roi.value, [place], atol=1e-4)


def test_slice_gives_what_was_shown_and_says_that_nobody_marked_the_tumour(patient, graded):
    _, group = graded(grader_of("slice"), patient.folder, slice="7 vox")
    corners = stored(group.roi.value, patient)
    assert np.allclose(corners[:, 2], 7, atol=1e-3)
    assert corners[:, :2].min() >= -0.5 - 1e-3
    assert "nobody marked the tumour" in group.tracking_identifier


def test_answer_is_in_its_places(patient, graded):
    report, group = graded(grader_of("box"), patient.folder, mask=patient.mask_path)
    assert (group.finding_type.value, group.finding_type.scheme_designator) == ("254915003", "SCT")
    (site,) = group.finding_sites
    assert (site.value, site.laterality) == (codes.SCT.Kidney, None)
    numbers = numbers_in(group)
    assert numbers["Probability of high WHO/ISUP grade (3-4)"] == 0.7123456789012345
    assert numbers["Threshold of the call, probability"] == 0.55
    assert (numbers["Lowest probability of a fold's network"], numbers["Highest probability of a fold's network"]) == (
        0.62,
        0.8,
    )
    found = evaluations_in(group)
    assert (found["Predicted WHO/ISUP grade"], found["Intended use"]) == (
        "High WHO/ISUP grade (3-4)",
        "RESEARCH USE ONLY",
    )
    assert found["Geometric purpose of region"] == "Outline"
    assert "Trained on" not in found
    assert texts_in(group, "111001") == ["nephrograde weak-1-cmp"]
    assert texts_in(group, "111003") == [__version__]
    parameters = texts_in(group, "111002")
    assert "model: weak-1-cmp" in parameters
    assert "threshold: 0.55 (youden: out-of-fold predictions)" in parameters
    comments = texts_in(group, "121106")
    assert comments[0].startswith("Research use only")
    assert any("presumed" in one for one in comments)
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )


def test_mask_is_referred_to_with_the_size_of_the_tumour(patient, tmp_path):
    made = grade_to_dicom(grader_of("box"), patient.folder, tmp_path / "out", mask=patient.mask_path)
    report, segmentation = highdicom.sr.srread(made.report_path), pydicom.dcmread(made.segmentation_paths[0])
    (group,) = volumes_in(report)
    (segment,) = [one for one in group[0].ContentSequence if one.ConceptNameCodeSequence[0].CodeValue == "121191"]
    named = segment.ReferencedSOPSequence[0]
    assert named.ReferencedSOPInstanceUID == segmentation.SOPInstanceUID
    assert named.ReferencedSegmentNumber == segmentation.SegmentSequence[0].SegmentNumber == 1
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert segmentation.SeriesInstanceUID in {one.SeriesInstanceUID for one in evidence}
    (volume,) = group.get_measurements()
    n_voxels = int(segmentation.pixel_array.sum())
    assert (volume.name, volume.unit) == (codes.SCT.Volume, codes.UCUM.CubicCentimeter)
    assert volume.value == pytest.approx(n_voxels * 0.7 * 0.9 * STEP_MM / 1000)
    (planar,) = groups_in(report)
    (axis,) = planar.get_measurements(name=codes.SCT.LongAxis)
    assert axis.unit == codes.UCUM.Millimeter
    assert axis.value == pytest.approx((2 * RADII[0] + 1) * 0.7, abs=0.7)


@pytest.mark.parametrize(("side", "code"), [("left", "7771000"), ("right", "24028007"), (None, None)])
def test_site_has_the_side_of_the_kidney_if_that_is_known(patient, tmp_path, monkeypatch, side, code):
    judged = Plausibility(kidney_gap_mm=0.0, n_kidneys=2, kidney_side=side)
    monkeypatch.setattr("nephrograde.predict.seeing.judge_scan", lambda *_args, **_more: judged)
    made = grade_to_dicom(grader_of("box"), patient.folder, tmp_path / "out", mask=patient.mask_path)
    assert made.grading.as_dict()["kidney_side"] == side
    report = highdicom.sr.srread(made.report_path)
    for group in (*groups_in(report), *volumes_in(report)):
        (site,) = group.finding_sites
        assert site.value == codes.SCT.Kidney
        assert (None if site.laterality is None else site.laterality.value) == code


def test_place_that_is_no_mask_has_no_size(patient, graded):
    report, group = graded(grader_of("point"), patient.folder, point=f"{','.join(map(str, TUMOUR))} vox")
    assert volumes_in(report) == []
    assert "Long axis" not in numbers_in(group)


def test_recalibrated_probability_and_plausible_grades_are_told(patient, graded):
    judge = SimpleNamespace(judge=lambda _: Certainty(0.66, GradeSet.BOTH, True))
    _, group = graded(grader_of("box", judge=judge), patient.folder, mask=patient.mask_path)
    numbers = numbers_in(group)
    assert (numbers["Recalibrated probability of high grade"], numbers["Error of the set of plausible grades"]) == (
        0.66,
        0.1,
    )
    assert evaluations_in(group)["Set of plausible grades"] == "Either grade is plausible"


def test_report_belongs_to_the_study_and_names_every_image(patient, graded):
    report, _ = graded(grader_of("box"), patient.folder, mask=patient.mask_path)
    sources = [pydicom.dcmread(path) for path in patient.paths]
    assert report.StudyInstanceUID == sources[0].StudyInstanceUID
    assert report.SeriesInstanceUID != sources[0].SeriesInstanceUID
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    series, _ = study.ReferencedSeriesSequence  # that of the images, and that of the segmentation
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (report.StudyInstanceUID, sources[0].SeriesInstanceUID)
    named = {one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence}
    assert named == {one.SOPInstanceUID for one in sources}
    (library,) = [one for one in report.ContentSequence if one.ConceptNameCodeSequence[0].CodeValue == "111028"]
    ((shown,),) = [group.ContentSequence for group in library.ContentSequence]
    assert shown.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == sources[TUMOUR[2]].SOPInstanceUID
    for keyword in ("PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyID", "AccessionNumber"):
        assert report[keyword].value == sources[0][keyword].value
    assert str(report.PatientName) == "王^小明"


def test_without_frame_of_reference_the_region_is_on_an_image(tmp_path, write_series, graded):
    patient = write_patient(write_series, tmp_path / "ct", FrameOfReferenceUID=None)
    _, group = graded(grader_of("box"), patient.folder, mask=patient.mask_path)
    assert isinstance(group.roi, highdicom.sr.ImageRegion)
    assert group.roi.GraphicType == "POLYLINE"
    columns, rows = np.array(group.roi.value).T
    assert np.allclose([columns.min(), columns.max()], [24 - 6, 24 + 6 + 1], atol=1e-3)  # the first pixel begins at 0
    assert np.allclose([rows.min(), rows.max()], [14 - 4, 14 + 4 + 1], atol=1e-3)
    source = group.roi.ContentSequence[0].ReferencedSOPSequence[0]
    assert source.ReferencedSOPInstanceUID == pydicom.dcmread(patient.paths[TUMOUR[2]]).SOPInstanceUID
    assert not (tmp_path / "out" / "segmentation-1.dcm").exists()


@pytest.mark.parametrize("frame_of_reference", ["1.2.10", None])
def test_multi_frame_object_is_referred_to_by_frame(tmp_path, graded, frame_of_reference):
    values = np.random.default_rng(6).integers(900, 1300, (9, 36, 40)).astype(np.uint16)
    heights = [5.0 * k for k in (3, 0, 1, 2, 8, 4, 6, 5, 7)]
    uids = {"StudyInstanceUID": "1.2.9"} | ({"FrameOfReferenceUID": frame_of_reference} if frame_of_reference else {})
    write_enhanced(values, tmp_path / "ct.dcm", heights=heights, **uids)
    grader = grader_of("point", outside="warn")  # the values of this CT are not HU
    _, group = graded(grader, tmp_path / "ct.dcm", point="10,12,6 vox")
    if frame_of_reference:
        assert np.allclose(group.roi.value, [(-10 + 10 * 0.7, 20 + 12 * 0.9, 30.0)], atol=1e-4)
        return
    assert np.allclose(group.roi.value, [(10.5, 12.5)], atol=1e-3)
    source = group.roi.ContentSequence[0].ReferencedSOPSequence[0]
    assert source.ReferencedFrameNumber == heights.index(30.0) + 1


def test_several_phases_are_all_evidence_and_each_has_its_region(tmp_path, write_series, graded):
    scans = {
        phase: write_patient(write_series, tmp_path / phase, StudyInstanceUID="1.2.840.99.7") for phase in ("cmp", "np")
    }
    report, _ = graded(
        grader_of("box", phases=("cmp", "np")),
        {phase: one.folder for phase, one in scans.items()},
        mask={phase: one.mask_path for phase, one in scans.items()},
    )
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
    found = {one.SeriesInstanceUID: len(one.ReferencedSOPSequence) for one in evidence.ReferencedSeriesSequence}
    images = {pydicom.dcmread(one.paths[0]).SeriesInstanceUID: 12 for one in scans.values()}
    assert found.items() >= images.items()
    assert sorted(found.values()) == [1, 1, 12, 12]  # and the two segmentations
    groups = groups_in(report)
    assert [one.tracking_identifier.partition(":")[0] for one in groups] == ["cmp", "np"]
    assert numbers_in(groups[0])
    assert list(numbers_in(groups[1])) == ["Long axis"]
    assert np.allclose(groups[0].roi.value, groups[1].roi.value, atol=1e-3)
    assert (tmp_path / "out" / "segmentation-2.dcm").exists()


def test_series_of_another_study_is_other_evidence(tmp_path, write_series, graded):
    scans = {phase: write_patient(write_series, tmp_path / phase) for phase in ("cmp", "np")}
    report, _ = graded(
        grader_of("box", phases=("cmp", "np")),
        {phase: one.folder for phase, one in scans.items()},
        mask={"cmp": scans["cmp"].mask_path},
    )
    assert report.StudyInstanceUID == pydicom.dcmread(scans["cmp"].paths[0]).StudyInstanceUID
    (other,) = report.PertinentOtherEvidenceSequence
    assert other.StudyInstanceUID == pydicom.dcmread(scans["np"].paths[0]).StudyInstanceUID
