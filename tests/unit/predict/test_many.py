"""Many patients: the answers of one at a time, in order, whoever fails among them; a table that is resumed."""

import csv
import json
import os
import re
import shutil
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pydicom
import pytest
from PIL import Image
from tests.unit.export.dicom_patient import grader_of, write_patient

import nephrograde as ng
from nephrograde.errors import GraderError, InputError, RunError
from nephrograde.export.archive import write_archive
from nephrograde.files import read_rows, write_rows
from nephrograde.predict.cohort_range import CohortRange, Spread
from nephrograde.predict.grader import Grader
from nephrograde.predict.many.gather import gather
from nephrograde.predict.many.patient import NewPatient
from nephrograde.predict.many.stream import stream
from nephrograde.predict.many.table import COLUMNS, cells_of, open_answers
from nephrograde.volume.volume import write_image

pytestmark = pytest.mark.needs("onnx", "onnxruntime")
N_PATIENTS = 5


@pytest.fixture(scope="module")
def grader_path(make_once):
    """The grader file of two untrained networks, which need a point."""
    from tests.unit.export.small_grader import small_members

    return make_once("small-grader", lambda folder: write_archive(folder / "g.zip", small_members())) / "g.zip"


@pytest.fixture(scope="module")
def grader(grader_path):
    return ng.load_grader(grader_path)


@pytest.fixture
def predict(nephrograde, monkeypatch, grader):
    """Run the command with a grader that was loaded before: (exit code, standard output, standard error)."""
    monkeypatch.setattr(
        "nephrograde.export.loading.load", lambda *_, outside="refuse", **__: replace(grader, outside=outside)
    )
    return lambda *words: nephrograde("predict", "g.zip", *words)


@pytest.fixture(scope="module")
def cohort_dir(make_once):
    """A table of small scans in HU without kidneys, and their masks; only to be read."""

    def write(folder):
        random, rows = np.random.default_rng(5), []
        mask = np.zeros((24, 24, 8), np.uint8)
        mask[8:16, 8:16, 2:6] = 1
        for k in range(1, N_PATIENTS + 1):
            row = {"patient_id": f"SYN-000{k}", "age_years": 50 + k, "size_cm": 3, "isup_grade": ""}
            for phase in ("cmp", "np"):
                values = random.integers(-100, 200, mask.shape).astype(np.int16)
                for kind, voxels in (("image", values), ("mask", mask)):
                    row[f"{phase}_{kind}"] = f"{row['patient_id']}/{phase}_{kind}.nii.gz"
                    (folder / row["patient_id"]).mkdir(exist_ok=True)
                    write_image(voxels, folder / row[f"{phase}_{kind}"], spacing_mm=(1.5, 1.5, 4.0))
            rows.append(row)
        write_rows(folder / "cohort.csv", tuple(rows[0]), rows)

    return make_once("新患者", write)


@pytest.fixture(scope="module")
def rows(cohort_dir):
    return read_rows(cohort_dir / "cohort.csv")


@pytest.fixture
def cohort_copy(cohort_dir, tmp_path):
    return shutil.copytree(cohort_dir, tmp_path / "队列")


@pytest.fixture
def folder(cohort_dir, rows, tmp_path):
    """A folder of patients, and points for all who have a scan."""
    folder = tmp_path / "患者"
    nested = folder / "nested" / "study" / "series"
    nested.mkdir(parents=True)
    for name, row in zip(("张三.nii.gz", "b.nii.gz", "nested/study/series/x.nii.gz"), rows, strict=False):
        shutil.copy(cohort_dir / row["cmp_image"], folder / name)
    whole = (cohort_dir / rows[3]["cmp_image"]).read_bytes()
    (folder / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "empty").mkdir()
    shutil.copytree(nested, folder / "two" / "1")
    shutil.copytree(nested, folder / "two" / "2")
    (folder / "notes.txt").write_text("no patient")
    names = ("张三", "b", "nested", "cut", "two")
    points = [{"patient_id": name, "cmp_point": "12,12,4 vox"} for name in names]
    write_rows(tmp_path / "annotations" / "li.csv", ("patient_id", "cmp_point"), points)
    return folder


def as_lines(out):
    return [json.loads(line) for line in out.splitlines()]


def table_of(path):
    with path.open(encoding="utf-8-sig", newline="") as stream_:
        return list(csv.DictReader(stream_))


def test_a_table_gives_what_each_patient_gives_alone(grader_path, cohort_dir, rows, tmp_path, predict):
    out_path = tmp_path / "新" / "回答.csv"
    code, out, err = predict(cohort_dir / "cohort.csv", "--csv", out_path, "--json")
    assert (code, "Graded: 5 of 5 patients." in err) == (0, True)
    lines = as_lines(out)
    assert [one["patient_id"] for one in lines] == [row["patient_id"] for row in rows]
    grader = ng.load_grader(grader_path)
    for line, row, cells in zip(lines, rows, table_of(out_path), strict=True):
        alone = grader.grade(cohort_dir / row["cmp_image"], mask=cohort_dir / row["cmp_mask"])
        assert line == json.loads(json.dumps({"patient_id": row["patient_id"], "status": "graded", **alone.as_dict()}))
        assert tuple(cells) == COLUMNS
        assert float(cells["p_high"]) == alone.p_high
        assert [float(cells[one]) for one in ("p_lowest", "p_highest")] == sorted(alone.p_high_of_folds)
        assert (cells["call"], cells["grade_set"]) == (alone.call, alone.grade_set)
        assert cells["warnings"] == " | ".join(alone.warnings)
        assert cells["is_synthetic"] == "1"
        assert "Research use only" in cells["research_use_only"]
    assert out_path.read_bytes().startswith(b"\xef\xbb\xbf")


def test_what_is_unusual_is_printed_and_in_the_table(grader, cohort_dir, tmp_path, nephrograde, monkeypatch):
    least = Spread(20, 900.0, 901.0, 902.0, 903.0, 904.0)
    far = replace(grader, cohort_range=CohortRange({"cmp": {"pixel_mm": least, "slices": least}}))
    monkeypatch.setattr("nephrograde.export.loading.load", lambda *_, **__: far)
    code, out, _ = nephrograde("predict", "g.zip", cohort_dir / "cohort.csv", "--csv", tmp_path / "1.csv")
    assert code == 0
    assert out.count("warning: the number of slices (cmp) is 8; the 20 patients") == N_PATIENTS
    cells = table_of(tmp_path / "1.csv")[0]
    assert cells["unusual"] == "cmp pixel_mm outside | cmp slices outside"


def test_an_answer_in_spite_of_everything_is_none_when_it_would_be_refused(grader, cohort_copy, rows, tmp_path):
    air = cohort_copy / rows[1]["cmp_image"]
    values = np.random.default_rng(1).integers(-100, 200, (24, 24, 8)).astype(np.int16)
    values[8:16, 8:16, 2:6] -= 900
    write_image(values, air, spacing_mm=(1.5, 1.5, 4.0))

    def status(outside):
        list(ng.grade_many(replace(grader, outside=outside), cohort_copy / "cohort.csv", csv=tmp_path / "1.csv"))
        return [(one["status"], one["failure_code"]) for one in table_of(tmp_path / "1.csv")][1]

    assert [status(one) for one in ("warn", "refuse", "warn")] == [
        ("graded", ""), ("failed", "no-tumour"), ("graded", ""),
    ]  # fmt: skip


def test_the_phase_that_words_name_is_in_the_table(grader, cohort_dir, tmp_path):
    (first, *_) = ng.grade_many(grader, cohort_dir / "cohort.csv")
    assert first.grading is not None
    named = replace(first, grading=replace(first.grading, phase_named="np"))
    assert cells_of(named, "")["phase_named"] == "np"


def test_one_scan_stays_one_object(grader_path, cohort_dir, rows, tmp_path, predict):
    image, mask = (cohort_dir / rows[0][f"cmp_{kind}"] for kind in ("image", "mask"))
    code, out, _ = predict(image, "--mask", mask, "--json")
    assert (code, "patient_id" in json.loads(out)) == (0, False)
    code, with_row, _ = predict(image, "--mask", mask, "--json", "--csv", tmp_path / "1.csv")
    assert code == 0
    assert json.loads(with_row) == {"patient_id": "cmp_image", "status": "graded", **json.loads(out)}
    assert [one["patient_id"] for one in table_of(tmp_path / "1.csv")] == ["cmp_image"]


def test_a_folder_is_graded_but_for_those_who_fail(folder, tmp_path, predict):
    words = (folder, "--annotations", tmp_path / "annotations")
    code, out, err = predict(*words, "--csv", tmp_path / "a.csv")
    assert code == 1
    failed = {"cut": "file-truncated", "empty": "scan-missing", "two": "scans-several"}
    told = [
        line for line in out.splitlines() if line.partition(":")[0] in {"b", "cut", "empty", "nested", "two", "张三"}
    ]
    assert [line.partition(":")[0] for line in told] == ["b", "cut", "empty", "nested", "two", "张三"]
    found = {one["patient_id"]: one for one in table_of(tmp_path / "a.csv")}
    assert {name: one["failure_code"] for name, one in found.items() if one["status"] == "failed"} == failed
    assert [name for name, one in found.items() if one["p_high"]] == ["b", "nested", "张三"]
    listed = err.partition("Not graded:")[2]
    for name in failed:
        assert found[name]["failure_reason"] in listed
        assert found[name]["failure_remedy"] in listed
    code, out, err = predict(*words, "--lang", "zh")
    assert (code, "文件夹中没有扫描" in err, "张三：" in out) == (1, True, True)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text on this system")
def test_a_name_that_is_no_text_fails_alone(folder, tmp_path, predict):
    (folder / os.fsdecode(b"P\xd5\xc5.nii.gz")).write_bytes(b"")  # of a system with GBK
    inner = folder / "inner" / os.fsdecode(b"\xd5")
    inner.mkdir(parents=True)
    (inner / "a.nii.gz").touch()
    code, _, err = predict(folder, "--annotations", tmp_path / "annotations", "--csv", tmp_path / "a.csv")
    assert code == 1
    found = {one["patient_id"]: one for one in table_of(tmp_path / "a.csv")}
    assert {name for name, one in found.items() if one["failure_code"] == "name-not-text"} == {
        r"P\udcd5\udcc5",
        "inner",
    }
    assert found[r"P\udcd5\udcc5"]["image"].endswith(r"P\udcd5\udcc5.nii.gz")
    assert "bytes that are not UTF-8" in err
    assert [name for name, one in found.items() if one["p_high"]] == ["b", "nested", "张三"]


def test_patients_without_a_region_are_refused_before_a_scan_is_read(folder, predict, monkeypatch):
    read: list[Path] = []
    monkeypatch.setattr("nephrograde.predict.seeing.read_volume", read.append)
    code, out, err = predict(folder)
    assert (code, out, read) == (2, "", [])
    assert "none of the 4 patients has a point" in err
    assert "--annotations" in err


def test_one_patient_without_a_region_does_not_stop_the_others(cohort_copy, predict):
    rows = read_rows(cohort_copy / "cohort.csv")
    rows[1]["cmp_mask"] = ""
    write_rows(cohort_copy / "cohort.csv", tuple(rows[0]), rows)
    code, out, _ = predict(cohort_copy / "cohort.csv", "--json")
    assert code == 1
    assert [one["status"] for one in as_lines(out)] == ["graded", "failed", *["graded"] * 3]
    assert as_lines(out)[1]["failure_code"] == "annotation-missing"


def test_a_second_call_grades_only_what_is_missing_or_has_changed(cohort_copy, tmp_path, predict):
    path, table_path = tmp_path / "a.csv", cohort_copy / "cohort.csv"
    words = (table_path, "--csv", path, "--json")
    assert predict(*words)[0] == 0
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[2], lines[5]]))
    code, out, err = predict(*words)
    assert (code, [one["patient_id"] for one in as_lines(out)]) == (0, ["SYN-0001", "SYN-0003", "SYN-0004"])
    assert "not graded again: 2" in err
    assert path.read_bytes() == whole
    assert predict(*words)[1] == ""
    mask_path = cohort_copy / read_rows(table_path)[2]["cmp_mask"]
    mask_path.touch()
    assert [one["patient_id"] for one in as_lines(predict(*words)[1])] == ["SYN-0003"]
    assert len(as_lines(predict(*words, "--picture", tmp_path / "pictures")[1])) == N_PATIENTS
    assert len(list((tmp_path / "pictures").glob("SYN-*.png"))) == N_PATIENTS


def test_who_failed_is_graded_again(cohort_copy, tmp_path, predict):
    path, table_path = tmp_path / "a.csv", cohort_copy / "cohort.csv"
    image_path = cohort_copy / read_rows(table_path)[1]["cmp_image"]
    image_path.rename(tmp_path / "kept.nii.gz")
    words = (table_path, "--csv", path, "--json")
    assert predict(*words)[0] == 1
    assert [one["failure_code"] for one in table_of(path)] == ["", "file-missing", "", "", ""]
    code, out, _ = predict(*words)
    assert (code, [one["patient_id"] for one in as_lines(out)]) == (1, ["SYN-0002"])
    (tmp_path / "kept.nii.gz").rename(image_path)
    code, out, _ = predict(*words)
    assert (code, [one["patient_id"] for one in as_lines(out)]) == (0, ["SYN-0002"])
    assert [one["patient_id"] for one in table_of(path)] == [f"SYN-000{k}" for k in range(1, 6)]


def test_another_grader_or_other_patients_never_replace_a_table(grader_path, cohort_copy, tmp_path, predict):
    path, table_path = tmp_path / "a.csv", cohort_copy / "cohort.csv"
    words = (table_path, "--csv", path)
    assert predict(*words)[0] == 0
    before = path.read_bytes()
    grader = replace(ng.load_grader(grader_path), identify=lambda: "another")
    with pytest.raises(InputError, match="another grader"):
        list(ng.grade_many(grader, table_path, csv=path))
    rows = read_rows(table_path)
    write_rows(table_path, tuple(rows[0]), rows[:3])
    code, _, err = predict(*words)
    assert (code, "2 patients who are not to be graded" in err) == (2, True)
    theirs = tmp_path / "theirs.csv"
    theirs.write_text("mine\n1\n")
    code, _, err = predict(table_path, "--csv", theirs, "--lang", "zh")
    assert (code, "不是本版本的" in err, theirs.read_text()) == (2, True, "mine\n1\n")
    assert path.read_bytes() == before
    with open_answers(tmp_path / "b.csv", [], ""):
        code, _, err = predict(table_path, "--csv", tmp_path / "b.csv")
    assert (code, "is being written by" in err) == (2, True)


def test_several_scans_are_several_patients_and_several_pictures_one(cohort_dir, rows, folder, tmp_path, predict):
    labels = ("--annotations", tmp_path / "annotations" / "li.csv", "--json")
    scans = (folder / "nested", folder / "张三.nii.gz", folder / "gone.nii.gz", folder / "b.nii.gz")
    code, out, _ = predict(*scans, *labels)
    found = {one["patient_id"]: one.get("failure_code") for one in as_lines(out)}
    assert (code, found) == (1, {"nested": None, "张三": None, "gone": "annotation-missing", "b": None})
    paths = [tmp_path / f"{k}.png" for k in range(3)]
    for k, path in enumerate(paths):
        Image.effect_noise((40, 40), 50 + k).save(path)
    code, out, _ = predict(*paths, "--outside", "warn", "--json")
    assert (code, json.loads(out)["size"], "patient_id" in json.loads(out)) == (0, [40, 40, 3], False)
    code, out, _ = predict(*paths, "--outside", "warn", "--json", "--csv", tmp_path / "p.csv")
    assert (code, [one["size"] for one in as_lines(out)]) == (0, [[40, 40, 3]])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.csv"], "no such file"),
        (["bare"], "holds neither a DICOM series"),
        (["scans", "scans"], "is called scans, as the patient of"),
        (["a.csv", "b.csv"], "Give one table alone"),
        (["wrong.csv"], "cmp_image: is missing, and the model sees cmp. Did you mean 'cmp_imag'?"),
        (["twice.csv"], "patient P1 is already in row 2"),
        (["scans", "--point", "1,2,3 vox"], "--point: is of one patient"),
        (["scans", "--annotations", "nobody"], "holds no <reader>.csv"),
        (["scans", "--annotations", "others"], "Write ids in one way: P01 for P1"),
        (["scans", "--annotations", "labels", "--csv", "scans"], "is a folder where a file belongs"),
        (["scans", "--annotations", "labels", "--picture", "one.png"], "--picture: is a file"),
        (["slash.csv", "--picture", "pictures"], "the id 'P/1' cannot name a folder or file"),
    ],
)
def test_what_cannot_be_started_is_refused_in_words(cohort_dir, rows, tmp_path, predict, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    for name in ("bare", "scans", "nobody"):
        Path(name).mkdir()
    shutil.copy(cohort_dir / rows[0]["cmp_image"], "scans/P1.nii.gz")
    Path("wrong.csv").write_text("patient_id,cmp_imag\nP1,a.nii\n")
    Path("twice.csv").write_text("patient_id,cmp_image\nP1,a.nii\nP1,b.nii\n")
    Path("slash.csv").write_text('patient_id,cmp_image,cmp_point\nP/1,a.nii,"1,2,3 vox"\n')
    write_rows(
        tmp_path / "labels" / "li.csv", ("patient_id", "cmp_point"), [{"patient_id": "P1", "cmp_point": "1,2,3 vox"}]
    )
    write_rows(tmp_path / "others" / "li.csv", ("patient_id", "cmp_point"), [{"patient_id": "P01"}])
    code, out, err = predict(*words)
    assert (code, out) == (2, "")
    assert said in err


def test_a_folder_that_cannot_be_written_is_refused_before_a_scan_is_read(cohort_dir, tmp_path, predict, monkeypatch):
    read: list[Path] = []
    monkeypatch.setattr("nephrograde.predict.seeing.read_volume", read.append)
    (tmp_path / "file").write_text("mine")
    for option in ("--csv", "--dicom", "--picture"):
        code, _, err = predict(cohort_dir / "cohort.csv", option, tmp_path / "file" / "x")
        assert (code, str(tmp_path / "file") in err) == (2, True)
    assert (read, (tmp_path / "file").read_text()) == ([], "mine")


def test_phases_and_clinical_values_come_from_the_table(cohort_dir, rows, tmp_path, monkeypatch):
    base = grader_of("mask", phases=("cmp", "np"))
    arm = base.arm.model_copy(update={"clinical": ("age_years", "size_cm")})
    seen = []
    examine = Grader.examine

    def noted(self, scans, values, **others):
        seen.append((tuple(scans), values["age_years"], scans["cmp"].mask_path))
        return examine(self, scans, values, **others)

    monkeypatch.setattr(Grader, "examine", noted)
    grader = replace(base, arm=arm)
    book = openpyxl.Workbook()
    sheet = book.create_sheet("患者", 0)
    headings = ["病案号", "age_years", "size_cm", "grade", "cmp_image", "cmp_mask", "np_image"]
    sheet.append(headings)
    for row in rows[:2]:
        given = row | {"病案号": row["patient_id"], "grade": "3"}
        files = {name: str(cohort_dir / row[name]) for name in headings[4:]}
        sheet.append([(given | files)[name] for name in headings])
    book.save(tmp_path / "患者.xlsx")
    found = list(ng.grade_many(grader, tmp_path / "患者.xlsx", workers=1))
    assert [one.failure for one in found] == [None, None]
    assert [one.patient_id for one in found] == [row["patient_id"] for row in rows[:2]]
    assert seen == [(("cmp", "np"), float(row["age_years"]), cohort_dir / row["cmp_mask"]) for row in rows[:2]]
    with pytest.raises(InputError, match="Give many patients in a table"):
        ng.grade_many(grader, cohort_dir / "images")
    with pytest.raises(InputError, match="column age_years: is missing, and the model joins it"):
        (tmp_path / "less.csv").write_text("patient_id,cmp_image,np_image,size_cm\nP1,a.nii,b.nii,3\n")
        ng.grade_many(grader, tmp_path / "less.csv")
    with pytest.raises(InputError, match="patient P1, column age_years: is old, not a number"):
        (tmp_path / "old.csv").write_text("patient_id,cmp_image,np_image,size_cm,age_years\nP1,a.nii,b.nii,3,old\n")
        ng.grade_many(grader, tmp_path / "old.csv")


def test_labels_replace_those_of_the_table(cohort_copy, tmp_path, predict):
    labels = [
        {"patient_id": "SYN-0001", "cmp_point": "3,3,3 vox"},
        {"patient_id": "SYN-0002", "cmp_state": "none"},
        {"patient_id": "SYN-0009", "cmp_state": "none"},
    ]
    write_rows(tmp_path / "li.csv", ("patient_id", "cmp_point", "cmp_state"), labels)
    words = (cohort_copy / "cohort.csv", "--json")
    plain = as_lines(predict(*words)[1])
    code, out, err = predict(*words, "--annotations", tmp_path / "li.csv")
    labelled = as_lines(out)
    assert code == 1
    assert labelled[0]["center_mm"] != plain[0]["center_mm"]
    assert labelled[1]["failure_code"] == "no-tumour"
    assert labelled[2:] == plain[2:]
    assert "1 annotated patients are not graded (SYN-0009)" in err


@pytest.mark.needs("highdicom")
@pytest.mark.slow
def test_dicom_objects_are_in_a_folder_for_each_patient(predict, tmp_path, write_series):
    found = [write_patient(write_series, tmp_path / f"ct-{k}", PatientID=f"P{k}") for k in (1, 2)]
    rows = [
        {"patient_id": one.folder.name, "cmp_image": str(one.folder), "cmp_mask": str(one.mask_path)} for one in found
    ]
    rows.append({"patient_id": "nifti", "cmp_image": str(found[0].mask_path), "cmp_point": "1,1,1 vox"})
    write_rows(tmp_path / "c.csv", ("patient_id", "cmp_image", "cmp_mask", "cmp_point"), rows)
    code, out, _ = predict(tmp_path / "c.csv", "--dicom", tmp_path / "out", "--csv", tmp_path / "a.csv", "--json")
    assert (code, [one.get("failure_code") for one in as_lines(out)]) == (1, [None, None, "not-dicom"])
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.dcm")}
    names = ("capture.dcm", "report.dcm", "segmentation-1.dcm")
    assert written == {f"ct-{k}/{name}" for k in (1, 2) for name in names}
    reports = [pydicom.dcmread(tmp_path / "out" / f"ct-{k}" / "report.dcm") for k in (1, 2)]
    assert [str(one.PatientID) for one in reports] == ["P1", "P2"]


def test_an_unexpected_error_is_the_failure_of_one_patient(cohort_dir, predict, monkeypatch):
    examine = Grader.examine

    def failing(self, scans, *others, **named):
        if "SYN-0002" in str(scans["cmp"].image_path):
            raise KeyError("rows")
        return examine(self, scans, *others, **named)

    monkeypatch.setattr(Grader, "examine", failing)
    code, out, err = predict(cohort_dir / "cohort.csv", "--json")
    assert (code, [one["status"] for one in as_lines(out)]) == (1, ["graded", "failed", *["graded"] * 3])
    assert "KeyError('rows')" in err


def test_a_grader_that_cannot_be_used_stops_at_once(grader_path):
    def refuse(_):
        raise GraderError("unusable")

    patients = [NewPatient(f"P{k}", {}) for k in range(50)]
    with pytest.raises(GraderError, match="unusable"):
        list(stream(ng.load_grader(grader_path), patients, refuse))


def test_answers_come_in_order_and_few_patients_are_read_ahead(grader_path):
    grader, begun, lock, at_once, most = ng.load_grader(grader_path), [], threading.Lock(), [0], [0]

    def slow(patient):
        with lock:
            begun.append(patient.patient_id)
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.002 if patient.patient_id.endswith("1") else 0)
        with lock:
            at_once[0] -= 1
        raise RunError("no answer")

    patients = [NewPatient(f"P{k}", {}) for k in range(20)]
    answers = stream(grader, patients, slow, workers=2)
    first = next(answers)
    time.sleep(0.02)
    assert (first.patient_id, len(begun) <= 5) == ("P0", True)
    assert [one.patient_id for one in answers] == [f"P{k}" for k in range(1, 20)]
    assert most[0] == 2


def test_each_patient_takes_one_processor(grader_path, blas_threads):
    seen = set()

    def look(_patient):
        seen.update(blas_threads())
        raise RunError("no answer")

    assert len(list(stream(ng.load_grader(grader_path), [NewPatient("P", {})], look))) == 1
    assert seen == {1}


def test_a_folder_with_one_series_stays_one_scan(tmp_path, write_series, grader_path):
    write_series(tmp_path / "ct", values=np.full((4, 4, 1), 1000), positions_mm=[(0, 0, 0)])
    (tmp_path / "ct" / "report").mkdir()
    found = gather(ng.load_grader(grader_path), [tmp_path / "ct"], annotations=_labels(tmp_path, "ct"))
    assert [one.patient_id for one in found.patients] == ["ct"]
    assert found.patients[0].scans["cmp"].image_path == tmp_path / "ct"


def _labels(tmp_path, name):
    path = tmp_path / "li.csv"
    write_rows(path, ("patient_id", "cmp_point"), [{"patient_id": name, "cmp_point": "1,2,3 vox"}])
    return path


@pytest.mark.parametrize("page", ["docs/how-to/grade-many-patients.md", "docs/zh/how-to/grade-many-patients.md"])
def test_the_page_explains_each_column(page):
    text = (Path(__file__).parents[3] / page).read_text(encoding="utf-8")
    lines = text.partition("| `patient_id`")[2].partition("\n\n")[0].splitlines()
    explained = re.findall(
        r"`(\w+)`", "".join(line.split(" | ")[0] for line in ["`patient_id`" + lines[0], *lines[1:]])
    )
    assert sorted(explained) == sorted(COLUMNS)
