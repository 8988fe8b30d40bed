"""Every scan once, faulty ones reported by name, nothing half-written, nothing prepared twice."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nephrograde.cohort.case import Case, Cohort, Scan
from nephrograde.cohort.place import Box, Point
from nephrograde.errors import RunError
from nephrograde.files import read_rows, write_rows
from nephrograde.run.folder import RunFolder
from nephrograde.sample.prepare import prepare_cohort, prepare_patients, read_prepared
from nephrograde.study import Arm, CohortSettings, ImageSettings, Study
from nephrograde.vocabulary import Supervision
from nephrograde.volume.volume import write_image

WEAK = Arm(name="weak-3", supervision=Supervision.BOX, slices=3)
STRONG = Arm(name="strong", supervision=Supervision.MASK)


def study(*arms, slice_px=32):
    return Study(
        cohort=CohortSettings(table=Path("cohort.csv"), phases=("cmp",)),
        arm=arms or (WEAK, STRONG),
        image=ImageSettings(slice_px=slice_px, slice_mm=64.0, box_voxels=(16, 16, 8), box_mm=(64.0, 64.0, 64.0)),
    )


def write_scan(folder, name, *, tumour=True):
    rng = np.random.default_rng(sum(name.encode()))
    values = rng.normal(0, 10, (40, 40, 12)).astype(np.int16)
    mask = np.zeros(values.shape, np.uint8)
    if tumour:
        values[10:20, 12:22, 3:9] = 150
        mask[10:20, 12:22, 3:9] = 1
    image_path, mask_path = folder / f"{name}.nii.gz", folder / f"{name}_mask.nii.gz"
    write_image(values, image_path, spacing_mm=(2.0, 2.0, 5.0))
    write_image(mask, mask_path, spacing_mm=(2.0, 2.0, 5.0))
    return Scan("cmp", image_path, mask_path, None, None, None)


def times_of_kept(run_dir):
    """When the regions, and what is known of each scan, were written."""
    kept = [
        path for path in (run_dir / "volumes").iterdir() if re.fullmatch(r".*\.[0-9a-f]{16}\.(json|npy)", path.name)
    ]
    return {path.name: path.stat().st_mtime_ns for path in kept}


def cohort(**scans):
    cases = tuple(Case(name, False, 1, {"cmp": scan}, {}) for name, scan in scans.items())
    return Cohort(cases, ("cmp",), (), None)


def test_each_arm_gets_its_region_and_the_mask_is_measured(tmp_path):
    done = []
    prepared = prepare_cohort(
        cohort(患者一=write_scan(tmp_path, "a")), study(), run=RunFolder(tmp_path), advance=lambda: done.append(1)
    )
    weak, strong = prepared.regions
    assert (weak.arm, weak.slices, strong.slices) == ("weak-3", "3;6;8", "")
    assert (weak.tumour_rows, strong.tumour_rows) == ("1;1;1", "")
    assert weak.tumour_volume_ml == pytest.approx(10 * 10 * 6 * 2 * 2 * 5 / 1000)
    assert np.load(tmp_path / "volumes" / weak.file).shape == (3, 1, 32, 32)
    box = np.load(tmp_path / "volumes" / strong.file)
    assert box.shape == (1, 2, 16, 16, 8)
    assert box[0, 0][box[0, 1] == 1].max() == pytest.approx((150 + 200) / 500, abs=0.01)  # the edge is smoothed
    assert box[0, 0][box[0, 1] == 0].mean() == pytest.approx(200 / 500, abs=0.05)
    assert done == [1]
    assert read_prepared(RunFolder(tmp_path)) == prepared


def test_each_scan_takes_one_processor(tmp_path, blas_threads):
    seen = set()
    prepare_cohort(
        cohort(P1=write_scan(tmp_path, "a")),
        study(),
        run=RunFolder(tmp_path),
        advance=lambda: seen.update(blas_threads()),
    )
    assert seen == {1}


@pytest.mark.slow
def test_another_process_prepares_the_same(tmp_path, hiring):
    scans = {f"P{k}": write_scan(tmp_path, f"scan-{k}") for k in range(5)}
    (tmp_path / "damaged.nii.gz").write_bytes(scans["P0"].image_path.read_bytes()[:-9])
    scans["P5"] = replace(scans["P0"], image_path=tmp_path / "damaged.nii.gz")
    shown, files = [], []
    for name, workers in (("one", 1), ("two", None)):
        run, steps = RunFolder(tmp_path / name), iter(range(6))
        records = prepare_patients(
            cohort(**scans), study(), run.volumes_dir, advance=partial(next, steps), workers=workers
        )
        shown.append((records, list(steps)))
        files.append({path.name: path.read_bytes() for path in sorted(run.volumes_dir.iterdir())})
    assert shown[0] == shown[1]
    assert shown[0][1] == []  # one step for each scan
    assert [one["code"] for one in shown[0][0][5]["findings"]] == ["file-truncated"]
    assert files[0] == files[1]
    assert len(files[0]) == 6 + 2 * 5
    assert hiring() == 1


@pytest.mark.slow
def test_the_first_scan_that_cannot_be_stored_is_named_from_another_process(tmp_path, hiring):
    scans = {f"P{k}": write_scan(tmp_path, f"scan-{k}") for k in range(6)}
    run = RunFolder(tmp_path / "run")
    records = prepare_patients(cohort(**scans), study(), run.volumes_dir, workers=1)
    for record in records[2:]:
        (run.volumes_dir / record["sidecar"]).unlink()
        (run.volumes_dir / record["sidecar"]).mkdir()
    with pytest.raises(RunError, match=re.escape(f"{records[2]['sidecar']} is a folder")):
        prepare_patients(cohort(**scans), study(), run.volumes_dir)
    assert hiring() == 1


def test_slices_beside_the_tumour_are_known(tmp_path):
    point = Arm(name="point-5", supervision=Supervision.POINT, slices=5)
    scan = replace(write_scan(tmp_path, "a"), point=Point((15.0, 17.0, 8.0), "vox"))
    prepared = prepare_cohort(cohort(P1=scan), study(point), run=RunFolder(tmp_path))
    (region,) = prepared.regions
    flags = {int(k): flag for k, flag in zip(region.slices.split(";"), region.tumour_rows.split(";"), strict=True)}
    assert flags == {k: str(int(3 <= k < 9)) for k in flags}
    assert set(flags.values()) == {"0", "1"}
    assert prepared.tumour_rows("point-5", "cmp") == {"P1": tuple(flag == "1" for flag in flags.values())}
    alone = prepare_cohort(cohort(P1=replace(scan, mask_path=None)), study(point), run=RunFolder(tmp_path))
    assert alone.tumour_rows("point-5", "cmp") == {}


@pytest.mark.parametrize(("column", "text"), [("tumour_rows", "1;2;1"), ("slices", "3;x"), ("tumour_rows", "yes")])
def test_rows_of_a_damaged_index(tmp_path, column, text):
    prepare_cohort(cohort(P1=write_scan(tmp_path, "a")), study(), run=RunFolder(tmp_path))
    path = RunFolder(tmp_path).regions_path
    rows = read_rows(path)
    rows[0][column] = text
    write_rows(path, list(rows[0]), rows)
    with pytest.raises(RunError, match=r"regions\.csv is damaged"):
        read_prepared(RunFolder(tmp_path))


def test_a_prepared_scan_is_not_read_again(tmp_path):
    patients = cohort(a=write_scan(tmp_path, "a"), b=write_scan(tmp_path, "b"))
    first = prepare_cohort(patients, study(), run=RunFolder(tmp_path))
    times = times_of_kept(tmp_path)
    assert len(times) == 2 * 3  # what is known of a scan, and a region for each arm
    assert prepare_cohort(patients, study(), run=RunFolder(tmp_path)) == first
    assert times_of_kept(tmp_path) == times


def test_a_change_prepares_again_and_the_old_region_goes(tmp_path):
    patients = cohort(a=write_scan(tmp_path, "a"))
    before = prepare_cohort(patients, study(), run=RunFolder(tmp_path))
    after = prepare_cohort(patients, study(slice_px=48), run=RunFolder(tmp_path))
    assert before.regions[0].file != after.regions[0].file
    assert not (tmp_path / "volumes" / before.regions[0].file).exists()
    write_scan(tmp_path, "a", tumour=False)
    assert [finding.code for finding in prepare_cohort(patients, study(), run=RunFolder(tmp_path)).findings] == [
        "mask-empty"
    ]


def test_adding_an_arm_leaves_the_others_names(tmp_path):
    patients = cohort(a=write_scan(tmp_path, "a"))
    before = prepare_cohort(patients, study(WEAK), run=RunFolder(tmp_path))
    after = prepare_cohort(patients, study(WEAK, STRONG), run=RunFolder(tmp_path))
    assert before.files("weak-3", "cmp") == after.files("weak-3", "cmp")


def test_a_lost_region_is_cut_again(tmp_path):
    patients = cohort(a=write_scan(tmp_path, "a"))
    first = prepare_cohort(patients, study(), run=RunFolder(tmp_path))
    (tmp_path / "volumes" / first.regions[0].file).unlink()
    with pytest.raises(RunError, match="nephrograde prepare"):
        read_prepared(RunFolder(tmp_path))
    prepare_cohort(patients, study(), run=RunFolder(tmp_path))
    assert read_prepared(RunFolder(tmp_path)) == first


def test_faulty_scans_are_named_and_the_others_go_on(tmp_path):
    broken = write_scan(tmp_path, "broken")
    broken.image_path.write_bytes(broken.image_path.read_bytes()[:2000])
    missing = Scan("cmp", tmp_path / "nowhere.nii.gz", None, None, None, None)
    bare = write_scan(tmp_path, "bare")
    patients = cohort(
        good=write_scan(tmp_path, "good"),
        broken=broken,
        missing=missing,
        empty=write_scan(tmp_path, "empty", tumour=False),
        bare=Scan("cmp", bare.image_path, None, None, None, None),
    )
    prepared = prepare_cohort(patients, study(), run=RunFolder(tmp_path))
    assert {region.patient_id for region in prepared.regions} == {"good"}
    assert [(f.patient_id, f.code) for f in prepared.findings if f.severity == "fatal"] == [
        ("broken", "file-truncated"),
        ("missing", "file-missing"),
        ("empty", "mask-empty"),
        ("bare", "annotation-missing"),
        ("bare", "annotation-missing"),
    ]
    assert all(finding.remedy for finding in prepared.findings)
    head = (tmp_path / "volumes" / "findings.csv").read_text(encoding="utf-8").splitlines()[0]
    assert head == "patient_id,phase,column,code,severity,message,remedy"


def test_a_point_arm_sees_no_mask(tmp_path):
    point = Arm(name="point-3d", supervision=Supervision.POINT)
    prepared = prepare_cohort(cohort(a=write_scan(tmp_path, "a")), study(point), run=RunFolder(tmp_path))
    assert np.load(tmp_path / "volumes" / prepared.regions[0].file).shape == (1, 1, 16, 16, 8)


def test_an_interrupt_stops_at_once(tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_cohort(cohort(a=write_scan(tmp_path, "a")), study(), run=RunFolder(tmp_path), advance=interrupt)
    assert not (tmp_path / "volumes" / "regions.csv").exists()


@pytest.mark.parametrize(("state", "code"), [("none", "no-tumour"), ("unusable", "unusable")])
def test_a_scan_with_a_state_is_left_out_and_the_others_stay(tmp_path, state, code):
    scans = {name: write_scan(tmp_path, name) for name in ("a", "b")}
    run = RunFolder(tmp_path / "run")
    prepare_cohort(cohort(**scans), study(), run=run)
    before = times_of_kept(run.run_dir)
    left_out = replace(scans["a"], state=state, mask_path=None)
    prepared = prepare_cohort(cohort(**{**scans, "a": left_out}), study(), run=run)
    assert [(one.patient_id, one.code, one.severity) for one in prepared.findings if one.severity == "fatal"] == [
        ("a", code, "fatal")
    ]
    assert {region.patient_id for region in prepared.regions} == {"b"}
    after = times_of_kept(run.run_dir)
    assert {name: time for name, time in after.items() if name.startswith("b-")} == {
        name: time for name, time in before.items() if name.startswith("b-")
    }


def test_a_place_of_an_annotation_makes_only_its_own_regions_stale(tmp_path):
    scans = {name: write_scan(tmp_path, name) for name in ("a", "b")}
    run = RunFolder(tmp_path / "run")
    first = prepare_cohort(cohort(**scans), study(WEAK), run=run)
    moved = replace(scans["a"], box=Box((20.0, 24.0, 15.0), (38.0, 42.0, 40.0), "mm"))
    second = prepare_cohort(cohort(**{**scans, "a": moved}), study(WEAK), run=run)
    files = [{region.patient_id: region.file for region in one.regions} for one in (first, second)]
    assert files[0]["b"] == files[1]["b"]
    assert files[0]["a"] != files[1]["a"]
