"""Masks in the files of 3D Slicer, ITK-SNAP and DICOM come back voxel by voxel, by number and by name."""

import contextlib
import copy
import tracemalloc
import zipfile

import numpy as np
import pytest
import SimpleITK

from nephrograde.errors import VolumeError
from nephrograde.volume.dicom.series_list import SERIES_LIST_HEADING
from nephrograde.volume.masks.label_map import read_label_map
from nephrograde.volume.masks.read import read_marks
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import make_volume, write_image

ORIGIN = (-20.0, -30.0, 100.0)
SPACING = (0.8, 0.9, 3.0)


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def write_labels(path, labels):
    write_image(labels, path, spacing_mm=SPACING, origin_mm=ORIGIN)
    return path


def write_slicer(path, layers, entries):
    """A .seg.nrrd: one layer is a scalar image, several are components, as 3D Slicer writes them."""
    arrays = [np.ascontiguousarray(layer.T.astype(np.uint8)) for layer in layers]
    image = SimpleITK.GetImageFromArray(
        arrays[0] if len(arrays) == 1 else np.stack(arrays, -1), isVector=len(arrays) > 1
    )
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    for number, entry in enumerate(entries):
        for key, value in entry.items():
            image.SetMetaData(f"Segment{number}_{key}", value)
    SimpleITK.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("label", ["2", "Tumour", " tumour"])
def test_a_slicer_segment_is_found_by_number_and_name(tmp_path, volume, blob, label):
    path = write_slicer(
        tmp_path / "m.seg.nrrd",
        [np.where(blob, 2, volume.values > 0)],
        [{"Name": "kidney", "LabelValue": "1", "Layer": "0"}, {"Name": "Tumour", "LabelValue": "2", "Layer": "0"}],
    )
    marks = read_marks(path, volume, label)
    np.testing.assert_array_equal(marks.mask, blob)
    assert [str(one) for one in marks.present] == ["1 (kidney)", "2 (Tumour)"]
    assert marks.is_partial


def test_slicer_segments_may_overlap(tmp_path, volume, blob):
    kidney = volume.values > 0
    path = write_slicer(
        tmp_path / "重叠.seg.nrrd",
        [kidney, blob],
        [{"Name": "kidney", "LabelValue": "1", "Layer": "0"}, {"Name": "肿瘤", "LabelValue": "1", "Layer": "1"}],
    )
    np.testing.assert_array_equal(np.asarray(read_marks(path, volume, "肿瘤").mask), blob)
    np.testing.assert_array_equal(np.asarray(read_marks(path, volume).mask), kidney | blob)


def test_an_old_slicer_file_has_a_layer_a_segment(tmp_path, volume, blob):
    path = write_slicer(tmp_path / "m.seg.nrrd", [volume.values > 0, blob], [{"Name": "kidney"}, {"Name": "tumour"}])
    np.testing.assert_array_equal(np.asarray(read_marks(path, volume, "tumour").mask), blob)


@pytest.mark.parametrize(
    ("name", "line"), [("m.label", '2 255 0 0 1 1 1 "Renal mass"'), ("m_ColorTable.ctbl", "2 mass 128 174 128 255")]
)
def test_names_of_a_label_map_stand_in_the_file_beside_it(tmp_path, volume, blob, name, line):
    path = write_labels(tmp_path / "m.nii.gz", np.where(blob, 2, 1).astype(np.uint8))
    (tmp_path / name).write_text(f'# a comment\n0 0 0 0 0 0 0 "Clear Label"\n1 9 9 9 1 1 1 "kidney"\n{line}\n')
    wanted = "renal mass" if name.endswith("label") else "mass"
    np.testing.assert_array_equal(np.asarray(read_marks(path, volume, wanted).mask), blob)
    np.testing.assert_array_equal(np.asarray(read_marks(path, volume, "2").mask), blob)


@pytest.mark.parametrize("kind", ["u1", "i2", "f4", "f8"])
def test_every_label_of_a_label_map_is_listed(tmp_path, volume, blob, kind):
    labels = np.where(blob, 7, 0).astype(kind)
    labels[1, 1, 1] = 3
    marks = read_marks(write_labels(tmp_path / "m.nii.gz", labels), volume)
    assert [one.number for one in marks.used] == [3, 7]
    np.testing.assert_array_equal(marks.mask, labels > 0)


def test_a_mask_of_fractions_has_one_label(tmp_path, volume, blob):
    path = write_labels(tmp_path / "m.nii.gz", np.where(blob, 0.7, 0.2).astype("f4"))
    marks = read_marks(path, volume, "1")
    np.testing.assert_array_equal(marks.mask, blob)
    assert not marks.is_partial


def test_a_label_that_is_not_there_is_named_beside_those_that_are(tmp_path, volume, blob):
    path = write_labels(tmp_path / "m.nii.gz", np.where(blob, 2, 1).astype(np.uint8))
    with pytest.raises(VolumeError, match=r"no label 'cyst'; it holds 1, 2") as caught:
        read_marks(path, volume, "cyst")
    assert caught.value.code == "label-missing"


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
@pytest.mark.parametrize("spacing_entry", [True, False])
def test_a_dicom_segmentation_comes_back_exactly(tmp_path, volume, blob, save_seg, kind, spacing_entry):
    path = save_seg(tmp_path / "seg", {"tumour": blob}, volume, kind=kind, spacing_entry=spacing_entry)
    np.testing.assert_array_equal(np.asarray(read_marks(path, volume).mask), blob)
    np.testing.assert_array_equal(np.asarray(read_marks(tmp_path, volume).mask), blob)


def test_a_segmentation_is_read_through_a_series_list_and_an_archive(tmp_path, volume, blob, save_seg):
    path = save_seg(tmp_path / "seg", {"tumour": blob}, volume)
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.write(path, "病人/SEG1")
    path.unlink()
    list_path = tmp_path / "P0001-cmp-mask.series"
    list_path.write_text(f"{SERIES_LIST_HEADING}\nexport.zip//病人/SEG1\n", encoding="utf-8")
    np.testing.assert_array_equal(np.asarray(read_marks(list_path, volume).mask), blob)


def _thick(mm):
    """Change the measures of a SEG: slices of that thickness, without a word about their distance."""

    def change(dataset):
        measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        measures.SliceThickness = mm
        if mm is None:
            del measures.SliceThickness

    return change


@pytest.mark.parametrize("thickness_mm", [1.0, 3.0, 6.0, 60.0, None])
@pytest.mark.parametrize("slices", [[10], [3, 17], [2, 7, 17], [3, 4, 5, 17], [4, 5, 7], range(2, 18)])
def test_the_thickness_of_a_frame_is_not_its_distance(tmp_path, volume, blob, save_seg, slices, thickness_mm):
    mask = np.zeros_like(blob)
    mask[20:30, 15:25, list(slices)] = True
    path = save_seg(tmp_path / "seg", {"t": mask}, volume, spacing_entry=False, change=_thick(thickness_mm))
    np.testing.assert_array_equal(np.asarray(read_marks(path, volume).mask), mask)


@pytest.mark.parametrize(("slices", "thickness_mm"), [(range(2, 6), 1.0), ([3, 4], 6.0), ([2, 3, 4, 6], None)])
def test_a_segmentation_of_thick_slices_is_whole_on_thin_ones(tmp_path, save_seg, slices, thickness_mm):
    thick = make_volume(np.zeros((20, 20, 10)), spacing_mm=(1.0, 1.0, 6.0))
    thin = make_volume(np.zeros((20, 20, 60)), spacing_mm=(1.0, 1.0, 1.0), origin_mm=(0.0, 0.0, -2.5))
    mask = np.zeros(thick.values.shape, bool)
    mask[5:10, 5:10, list(slices)] = True
    path = save_seg(tmp_path / "seg", {"t": mask}, thick, spacing_entry=False, change=_thick(thickness_mm))
    np.testing.assert_array_equal(np.asarray(read_marks(path, thin).mask), np.repeat(mask, 6, axis=2))


def test_a_distance_rounded_in_the_header_does_not_shift_the_frames(tmp_path, blob, save_seg):
    volume = make_volume(np.zeros(blob.shape), spacing_mm=(0.8, 0.9, 3.04))

    def rounded(dataset):
        dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = 3.0

    path = save_seg(tmp_path / "seg", {"t": blob}, volume, change=rounded)
    np.testing.assert_array_equal(np.asarray(read_marks(path, volume).mask), blob)


@pytest.mark.parametrize("label", ["2", "肿瘤"])
def test_a_segment_is_found_by_number_and_label(tmp_path, volume, blob, save_seg, label):
    path = save_seg(tmp_path / "seg.dcm", {"kidney": volume.values > 0, "肿瘤": blob}, volume)
    marks = read_marks(path, volume, label)
    np.testing.assert_array_equal(marks.mask, blob)
    np.testing.assert_array_equal(np.asarray(read_marks(path, volume, "neoplasm").mask), (volume.values > 0) | blob)


def test_a_segmentation_on_an_oblique_image_comes_back(tmp_path, blob, save_seg):
    turned = np.array([[0.9950042, -0.0998334, 0], [0.0998334, 0.9950042, 0], [0, 0, 1]])
    volume = make_volume(np.zeros(blob.shape), spacing_mm=SPACING, origin_mm=ORIGIN, direction=turned)
    np.testing.assert_array_equal(
        np.asarray(read_marks(save_seg(tmp_path / "s", {"t": blob}, volume), volume).mask), blob
    )


@pytest.mark.slow
def test_what_others_write_as_a_segmentation_comes_back(tmp_path, volume, blob, write_series):
    import highdicom
    import pydicom
    from pydicom.sr.codedict import codes

    places = [volume.to_mm((0, 0, k)) for k in range(20)]
    patient = {"PatientID": "1", "PatientName": "", "PatientBirthDate": "", "PatientSex": "", "AccessionNumber": ""}
    study = {
        "StudyID": "",
        "StudyDate": "",
        "StudyTime": "",
        "StudyInstanceUID": "1.2.3",
        "FrameOfReferenceUID": "1.2.4",
    }
    slices = write_series(
        tmp_path / "ct",
        values=volume.values + 1024,
        positions_mm=places,
        pixel_mm=(0.9, 0.8),
        ReferringPhysicianName="",
        **patient,
        **study,
    )
    segment = highdicom.seg.SegmentDescription(
        1, "tumour", codes.SCT.Neoplasm, codes.SCT.Neoplasm, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
    )
    for kind in ("BINARY", "LABELMAP"):
        seg = highdicom.seg.Segmentation(
            [pydicom.dcmread(path) for path in slices],
            blob.transpose(2, 1, 0).astype(np.uint8),
            kind,
            [segment],
            series_instance_uid="1.2.5",
            series_number=9,
            sop_instance_uid="1.2.6",
            instance_number=1,
            manufacturer="m",
            manufacturer_model_name="m",
            software_versions="1",
            device_serial_number="1",
        )
        seg.save_as(tmp_path / kind)
        np.testing.assert_array_equal(np.asarray(read_marks(tmp_path / kind, volume).mask), blob)


def test_a_segmentation_that_is_no_stack_is_refused(tmp_path, volume, blob, save_seg):
    def shift(dataset):
        place = dataset.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence[0]
        place.ImagePositionPatient = [value + 1.3 for value in place.ImagePositionPatient]

    with pytest.raises(VolumeError, match="no stack of parallel slices") as caught:
        read_marks(save_seg(tmp_path / "s", {"t": blob}, volume, change=shift), volume)
    assert caught.value.code == "seg-geometry"


def test_several_objects_in_a_folder_are_refused(tmp_path, volume, blob, save_seg):
    save_seg(tmp_path / "a", {"t": blob}, volume)
    save_seg(tmp_path / "b", {"t": blob}, volume)
    with pytest.raises(VolumeError, match="2 segmentations") as caught:
        read_marks(tmp_path, volume)
    assert caught.value.code == "mask-several"


def test_contours_of_a_mask_with_a_hole_fill_to_the_mask(tmp_path, volume, blob, save_structures, outlined):
    path = save_structures(tmp_path / "rs.dcm", {"GTV": outlined(blob, volume)})
    assert dice(np.asarray(read_marks(path, volume).mask), blob) == 1.0
    np.testing.assert_array_equal(np.asarray(read_marks(path, volume, "gtv").mask), blob)


def test_contours_fill_an_image_of_other_slices(tmp_path, volume, blob, save_structures, outlined):
    path = save_structures(tmp_path / "rs.dcm", {"GTV": outlined(blob, volume)})
    for step_mm, slices, within in ((1.0, 60, 0.001), (6.0, 10, 0.15)):
        origin_mm = (ORIGIN[0], ORIGIN[1], ORIGIN[2] + (step_mm - 3.0) / 2)
        other = make_volume(np.zeros((48, 44, slices)), spacing_mm=(0.8, 0.9, step_mm), origin_mm=origin_mm)
        ml = np.asarray(read_marks(path, other).mask).sum() * step_mm
        assert ml == pytest.approx(blob.sum() * 3.0, rel=within)


@pytest.mark.slow
def test_a_structure_in_several_items_is_one(tmp_path, volume, blob, save_structures, outlined):
    def split(dataset):
        (item,) = dataset.ROIContourSequence
        parts = [copy.deepcopy(item) for _ in item.ContourSequence]
        for part, contour in zip(parts, item.ContourSequence, strict=True):
            part.ContourSequence = [contour]
        dataset.ROIContourSequence = parts

    path = save_structures(tmp_path / "rs.dcm", {"GTV": outlined(blob, volume)}, change=split)
    marks = read_marks(path, volume)
    np.testing.assert_array_equal(np.asarray(marks.mask), blob)
    assert [str(one) for one in marks.present] == ["1 (GTV)"]


def test_contours_that_overlap_follow_their_type(tmp_path, volume, save_structures):
    square = np.array([(0.0, 0.0, 130.0), (8.0, 0.0, 130.0), (8.0, 9.0, 130.0), (0.0, 9.0, 130.0)])
    voxels = {
        kind: np.asarray(
            read_marks(
                save_structures(tmp_path / kind, {"t": [(kind, square), (kind, square - [4.0, 0.0, 0.0])]}), volume
            ).mask
        ).sum()
        for kind in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
    }
    assert voxels == {"CLOSED_PLANAR": 150, "CLOSEDPLANAR_XOR": 100}


@pytest.mark.parametrize("label", ["", "seed", "1"])
def test_points_of_a_structure_set_are_seeds(tmp_path, volume, save_structures, label):
    path = save_structures(tmp_path / "rs.dcm", {"Seed": [("POINT", [(-1.0, -10.0, 130.0)])]})
    marks = read_marks(path, volume, label)
    assert marks.mask is None
    assert marks.seeds_mm == ((-1.0, -10.0, 130.0),)


def test_structures_that_mark_nothing_here_are_named(tmp_path, volume, blob, save_structures, outlined):
    far = [(kind, points + np.array([500.0, 0.0, 0.0])) for kind, points in outlined(blob, volume)]
    open_line = [("OPEN_PLANAR", [(0.0, 0.0, 130.0), (5.0, 0.0, 130.0), (5.0, 5.0, 130.0)])]
    tilted = [("CLOSED_PLANAR", [(0.0, 0.0, 110.0), (9.0, 0.0, 120.0), (9.0, 9.0, 140.0)])]
    for name, contours, code in (
        ("far", far, "mask-outside"),
        ("open", open_line, "mask-empty"),
        ("tilted", tilted, "contours-oblique"),
    ):
        with pytest.raises(VolumeError) as caught:
            read_marks(save_structures(tmp_path / name, {"GTV": contours}), volume)
        assert caught.value.code == code


@pytest.mark.slow
def test_mutated_objects_end_in_a_finding_or_a_mask(tmp_path, volume, blob, save_seg, save_structures, outlined):
    rng = np.random.default_rng(3)
    originals = [
        save_seg(tmp_path / "s", {"t": blob}, volume).read_bytes(),
        save_structures(tmp_path / "r", {"t": outlined(blob, volume)[:6]}).read_bytes(),
    ]
    n_read = 0
    for original in originals:
        for trial in range(150):
            content = bytearray(original)
            for at in rng.integers(132, min(len(content), 4000), 1 + trial % 8):
                content[at] = rng.integers(256)
            path = tmp_path / "mutated"
            path.write_bytes(content if trial % 5 else content[: rng.integers(200, len(content))])
            with contextlib.suppress(VolumeError):
                n_read += bool(np.asarray(read_marks(path, volume).mask).any())
    assert 0 < n_read < 300


def test_the_mask_of_a_synthetic_scan_survives_both_dicom_objects(
    tmp_path, tiny_cohort_dir, save_seg, save_structures, outlined
):
    folder = tiny_cohort_dir / "images" / "SYN-0003"
    volume = read_volume(folder / "cmp.nii.gz")
    mask = np.asarray(read_marks(folder / "cmp_mask.nii.gz", volume).mask)
    seg_path = save_seg(tmp_path / "seg.dcm", {"tumour": mask}, volume)
    assert dice(np.asarray(read_marks(seg_path, volume).mask), mask) == 1.0
    contours_path = save_structures(tmp_path / "rs.dcm", {"GTV": outlined(mask, volume)})
    assert dice(np.asarray(read_marks(contours_path, volume).mask), mask) >= 0.97


@pytest.mark.slow
def test_the_usual_mask_is_held_once(tmp_path):
    labels = np.zeros((160, 160, 600), dtype=np.uint8)
    labels[40:60, 50:70, 80:99] = 1
    mask_path = tmp_path / "mask.nii.gz"
    write_image(labels, mask_path, spacing_mm=(1.0, 1.0, 2.0))
    read_label_map(mask_path)  # what is imported and cached counts once
    tracemalloc.start()
    marks = read_label_map(mask_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert marks.mask is not None
    assert np.array_equal(marks.mask, labels == 1)
    assert marks.mask.dtype == bool
    assert peak < 1.6 * labels.nbytes
