"""Masks of other phases, several tumours and seed points on their way into the prepared regions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nephrograde.cohort.case import Case, Cohort, Scan
from nephrograde.cohort.place import parse_box
from nephrograde.files import fingerprint, read_rows, sha256_of
from nephrograde.run.folder import RunFolder
from nephrograde.sample.prepare import prepare_cohort
from nephrograde.sample.region import region_settings
from nephrograde.study import Arm, CohortSettings, ImageSettings, MaskSettings, Study
from nephrograde.vocabulary import Supervision
from nephrograde.volume.volume import write_image

BOX = Arm(name="weak-1", supervision=Supervision.BOX, slices=1)
STRONG = Arm(name="strong", supervision=Supervision.MASK)
POINT = Arm(name="point", supervision=Supervision.POINT, slices=1)
SPACING = (2.0, 2.0, 5.0)


def study(*arms, **masks):
    return Study(
        cohort=CohortSettings(table=Path("cohort.csv"), phases=("cmp", "np")),
        arm=arms or (BOX, STRONG),
        image=ImageSettings(slice_px=32, slice_mm=64.0, box_voxels=(16, 16, 8), box_mm=(64.0, 64.0, 64.0)),
        masks=MaskSettings(**masks),
    )


def write_phase(folder, phase, *, origin_mm=(0.0, 0.0, 0.0), tumours=1, masked=True):
    values = np.random.default_rng(1).normal(0, 10, (40, 40, 12)).astype(np.int16)
    mask = np.zeros(values.shape, np.uint8)
    mask[10:20, 12:22, 3:9] = 1
    mask[30:33, 30:33, 2:4] = tumours - 1
    values[mask > 0] = 150
    write_image(values, folder / f"{phase}.nii.gz", spacing_mm=SPACING, origin_mm=origin_mm)
    if masked:
        write_image(mask, folder / f"{phase}_mask.nii.gz", spacing_mm=SPACING, origin_mm=origin_mm)
    mask_path = folder / f"{phase}_mask.nii.gz" if masked else None
    return Scan(phase, folder / f"{phase}.nii.gz", mask_path, None, None, None)


def cohort(*scans):
    return Cohort((Case("P1", False, 1, {scan.phase: scan for scan in scans}, {}),), ("cmp", "np"), (), None)


def prepare(folder, plan, *scans):
    return prepare_cohort(cohort(*scans), plan, run=RunFolder(folder))


def test_names_are_those_of_before_where_the_mask_holds_one_tumour(tmp_path):
    scan, plan = write_phase(tmp_path, "cmp"), study(carry="rigid")
    digests = sorted([sha256_of(scan.image_path), sha256_of(scan.mask_path)])
    identity = ["P1", "cmp", digests, repr((None, None, None))]
    names = [region.file for region in prepare(tmp_path, plan, scan).regions]
    assert names == [
        f"P1-cmp-{arm.name}.{fingerprint([identity, region_settings(arm, 'cmp', plan)])[:16]}.npy" for arm in plan.arm
    ]


def test_one_of_two_tumours_is_cut_under_a_name_of_its_own(tmp_path):
    scan = write_phase(tmp_path, "cmp", tumours=2)
    largest = prepare(tmp_path, study(), scan)
    rows = read_rows(tmp_path / "volumes" / "tumours.csv")
    assert [(row["patient_id"], row["phase"], row["tumour"], row["used"]) for row in rows] == [
        ("P1", "cmp", "1", "1"),
        ("P1", "cmp", "2", "0"),
    ]
    assert [finding.code for finding in largest.findings] == ["tumours-several"]
    assert largest.regions[0].tumour_volume_ml == pytest.approx(600 * 0.02)
    everything = prepare(tmp_path, study(tumours="all"), scan)
    assert everything.regions[0].tumour_volume_ml == pytest.approx(618 * 0.02)
    assert not {region.file for region in largest.regions} & {region.file for region in everything.regions}


def test_a_phase_without_a_mask_takes_that_of_another(tmp_path):
    drawn, bare = write_phase(tmp_path, "cmp"), write_phase(tmp_path, "np", masked=False)
    prepared = prepare(tmp_path, study(), drawn, bare)
    assert [(region.phase, region.arm) for region in prepared.regions] == [
        ("cmp", "weak-1"),
        ("cmp", "strong"),
        ("np", "weak-1"),
        ("np", "strong"),
    ]
    own, taken = prepared.regions[1], prepared.regions[3]
    np.testing.assert_array_equal(*(np.load(tmp_path / "volumes" / region.file) for region in (own, taken)))
    assert taken.tumour_volume_ml is None  # a copy measures nothing new
    assert [(finding.phase, finding.code) for finding in prepared.findings] == [("np", "mask-carried")]
    assert {row["phase"] for row in read_rows(tmp_path / "volumes" / "tumours.csv")} == {"cmp"}


def test_a_change_of_the_lent_mask_cuts_the_borrower_again(tmp_path):
    drawn, bare = write_phase(tmp_path, "cmp"), write_phase(tmp_path, "np", masked=False)
    before = prepare(tmp_path, study(), drawn, bare)
    write_phase(tmp_path, "cmp", tumours=2)
    after = prepare(tmp_path, study(tumours="all"), drawn, bare)
    assert before.files("strong", "np") != after.files("strong", "np")


def test_nothing_is_carried_where_it_is_off_or_not_needed(tmp_path):
    drawn, bare = write_phase(tmp_path, "cmp"), write_phase(tmp_path, "np", masked=False)
    off = prepare(tmp_path, study(carry="off"), drawn, bare)
    assert [finding.code for finding in off.findings] == ["annotation-missing"] * 2
    boxed = replace(bare, box=parse_box("10,12,3;19,21,8 vox"))
    assert prepare(tmp_path, study(BOX), drawn, boxed).findings == ()
    with_strong = prepare(tmp_path, study(), drawn, boxed)
    alone = prepare(tmp_path, study(BOX), drawn, boxed)
    assert with_strong.files("weak-1", "np") == alone.files("weak-1", "np")


@pytest.mark.parametrize(("fault", "code"), [("far", "mask-carried-outside"), ("broken", "mask-not-carried")])
def test_a_mask_that_cannot_be_carried_is_named_once(tmp_path, fault, code):
    drawn = write_phase(tmp_path, "cmp")
    bare = write_phase(tmp_path, "np", masked=False, origin_mm=(0.0, 0.0, 900.0 if fault == "far" else 0.0))
    if fault == "broken":
        drawn.mask_path.write_bytes(b"")
    prepared = prepare(tmp_path, study(), drawn, bare)
    assert [finding.code for finding in prepared.findings if finding.phase == "np"] == [code]
    assert all(finding.severity == "fatal" for finding in prepared.findings)


def test_a_mask_of_points_gives_the_point(tmp_path, save_seeds):
    seeded, bare = write_phase(tmp_path, "cmp", masked=False), write_phase(tmp_path, "np", masked=False)
    seeded = replace(seeded, mask_path=save_seeds(tmp_path / "seed.dcm", (30.0, 34.0, 25.0)))
    prepared = prepare(tmp_path, study(POINT), seeded, bare)
    assert [region.center_mm for region in prepared.regions] == ["30.00,34.00,25.00"] * 2
    assert prepared.findings == ()
    moved = replace(seeded, mask_path=save_seeds(tmp_path / "seed.dcm", (40.0, 34.0, 25.0)))
    again = prepare(tmp_path, study(POINT), moved, bare)
    assert again.files("point", "np") != prepared.files("point", "np")
    strong = prepare(tmp_path, study(STRONG), seeded)
    assert [finding.code for finding in strong.findings] == ["annotation-missing"]


@pytest.fixture
def save_seeds():
    def save(path, place_mm):
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

        contour, roi_contour, roi, dataset = Dataset(), Dataset(), Dataset(), Dataset()
        contour.ContourGeometricType, contour.ContourData = "POINT", [str(value) for value in place_mm]
        roi_contour.ReferencedROINumber = roi.ROINumber = 1
        roi_contour.ContourSequence, roi.ROIName = [contour], "Seed"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = RTStructureSetStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
        dataset.StructureSetROISequence, dataset.ROIContourSequence = [roi], [roi_contour]
        dataset.save_as(path, enforce_file_format=True)
        return path

    return save


def test_exported_pictures_are_cut_beside_scans(tmp_path):
    from PIL import Image

    paths = [tmp_path / f"{name}.png" for name in "ab"]
    for level, path in enumerate(paths):
        Image.fromarray(np.full((40, 50), 51 * (level + 1), np.uint8)).save(path)
    drawn = write_phase(tmp_path, "cmp")
    shown = Scan("np", paths[0], None, None, parse_box("10,10,1;20,20,1 vox"), None, (paths[1],))
    prepared = prepare(tmp_path, study(), drawn, shown)
    [region] = [region for region in prepared.regions if region.phase == "np"]
    assert (region.arm, region.slices) == ("weak-1", "1")
    assert np.load(tmp_path / "volumes" / region.file).mean() == pytest.approx(0.4, abs=1e-3)
    assert [(finding.phase, finding.code) for finding in prepared.findings] == [("np", "picture-not-volume")]
    turned = replace(shown, image_path=paths[1], further_paths=(paths[0],))
    assert prepare(tmp_path, study(), drawn, turned).files("weak-1", "np") != {"P1": region.file}
