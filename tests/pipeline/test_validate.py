"""A packed model on another hospital's patients: known numbers come back, and drift is found where it was planted."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from tests.unit.report.pages.test_chinese import Page, english

import nephrograde as ng
from nephrograde.errors import InputError, RunError
from nephrograde.export.archive import read_archive, write_archive
from nephrograde.export.contents import COHORT_RANGE, written
from nephrograde.export.grader_file import read_grader_file
from nephrograde.export.onnx.scorer import OnnxScorer
from nephrograde.export.pack import pack
from nephrograde.files import read_json, read_rows, write_rows
from nephrograde.predict.cohort_range import CohortRange
from nephrograde.results import Results

pytestmark = [pytest.mark.slow, pytest.mark.needs("onnx", "onnxruntime")]
MODEL = "weak-1-cmp"
SHIFT_HU = 60.0
WITHOUT_TORCH = """
import sys
from nephrograde.cli import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
print([name for name in ("torch", "monai", "onnx") if name in sys.modules])
"""


def write_table(path, rows):
    write_rows(path, list(rows[0]), rows)
    return path


def write_study(folder, rows, more=""):
    """The study file of some patients, with a short bootstrap."""
    write_table(folder / "cohort.csv", rows)
    cohort = 'synthetic = true\n[cohort]\ntable = "cohort.csv"\nphases = ["cmp"]\n'
    path = folder / "study.toml"
    path.write_text(f'name = "north"\n{cohort}[evaluate]\nbootstraps = 100\n{more}', encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def rows(tiny_cohort_dir):
    """The cohort table of the development with absolute paths, by patient."""
    found = {}
    for row in read_rows(tiny_cohort_dir / "cohort.csv"):
        paths = {key: str(tiny_cohort_dir / row[key]) for key in row if key.endswith(("_image", "_mask"))}
        found[row["patient_id"]] = {key: value for key, value in {**row, **paths}.items() if not key.startswith("up_")}
    return found


@pytest.fixture(scope="module")
def grader(tiny_run_dir, make_once):
    """The packed model, and a copy whose range is said to be that of 200 patients, so that it can be tested."""

    def write(folder):
        path = pack(tiny_run_dir, MODEL, folder / "grader.zip")
        members = {name: bytes(one) for name, one in read_archive(path).members.items()}
        known = read_grader_file(path).cohort_range.phases
        more = {phase: {name: replace(one, n=200) for name, one in of.items()} for phase, of in known.items()}
        write_archive(folder / "many.zip", {**members, COHORT_RANGE: written(CohortRange(more))})

    return make_once("validated-grader", write)


def test_the_held_out_patients_get_their_scores_and_their_auc_back(grader, rows, tiny_run_dir, tmp_path):
    run = Results.read(tiny_run_dir)
    study = write_study(tmp_path, [rows[one] for one in run.split.test_ids()])
    found = ng.validate(grader / "grader.zip", study, tmp_path / "out", development=tiny_run_dir, check_scans=False)
    wanted, own = run.scores.of(MODEL, "test"), found.results.scores.of(MODEL, "test")
    assert own.patient_ids == wanted.patient_ids
    assert own.p_high == pytest.approx(wanted.p_high, abs=1e-4)
    for row in found.sides:
        assert row.value == pytest.approx(row.known_value, abs=1e-3, nan_ok=True), row.measure
    auc, own_auc = run.estimate(MODEL, "auc", "test"), ng.open_run(tmp_path / "out").estimate(MODEL, "auc")
    assert auc is not None
    assert own_auc is not None
    assert (found.side("auc").value, found.side("auc").low) == (auc.value, auc.low)
    assert found.results.threshold(MODEL) == run.threshold(MODEL)
    assert set(found.overlap.same_image) == set(run.split.test_ids())
    assert all(np.isnan(row.difference_low) for row in found.sides)
    assert own_auc.value == auc.value
    shared = ng.share(tmp_path / "out", tmp_path / "share.zip", what="scores")
    assert shared.head.models[0].identity == read_archive(grader / "grader.zip").file_sha256()
    assert (shared.head.outcome, shared.head.synthetic) == ("who-isup-grade-3-4", True)


@pytest.fixture(scope="module")
def learnt_from(rows, tiny_run_dir):
    """The rows of the patients that the model learnt from."""
    return [rows[one] for one in Results.read(tiny_run_dir).split.train_ids()]


def test_the_patients_that_the_model_learnt_from_lie_exactly_in_its_range(grader, learnt_from, tmp_path):
    found = ng.validate(grader / "many.zip", write_study(tmp_path, learnt_from), tmp_path / "out", check_scans=False)
    tumour, greys = {"tumour_diameter_mm", "tumour_volume_ml"}, {"region_mean_hu", "region_sd_hu"}
    assert {row.quantity for row in found.inputs} == tumour | greys
    for row in found.inputs:
        assert (row.low, row.median, row.high) == pytest.approx((row.known_low, row.known_median, row.known_high), 1e-4)
        assert (row.n_beyond, row.has_drifted) == (0, False)


def test_a_planted_shift_of_the_grey_values_is_found_and_a_lost_patient_is_named(grader, learnt_from, tmp_path):
    shifted = []
    for k, row in enumerate(learnt_from[:13]):
        image = SimpleITK.ReadImage(row["cmp_image"])
        path = tmp_path / f"{row['patient_id']}.nii"
        SimpleITK.WriteImage(image + int(SHIFT_HU), path)
        shifted.append({**row, "cmp_image": str(path if k else tmp_path / "lost.nii")})
    shifted.append({**shifted[0], "patient_id": "NOBODY", "cmp_image": "", "cmp_mask": ""})
    found = ng.validate(grader / "many.zip", write_study(tmp_path, shifted), tmp_path / "out")
    drifted = {row.quantity: row for row in found.inputs if row.has_drifted}
    assert "region_mean_hu" in drifted
    assert drifted.keys() <= {"region_mean_hu", "region_sd_hu"}  # the window cuts bright values off
    assert drifted["region_mean_hu"].median > drifted["region_mean_hu"].known_median + 0.5 * SHIFT_HU
    lost = learnt_from[0]["patient_id"]
    assert found.left_out_ids == (lost, "NOBODY")
    assert {one.patient_id: one.code for one in found.left_out} == {lost: "file-missing", "NOBODY": "no-scan"}
    assert lost not in found.results.truths
    written_rows = read_rows(tmp_path / "out/validation/patients.csv")
    assert len(written_rows) == found.n == 12
    assert all(float(row["cmp_pixel_mm"]) > 1.0 for row in written_rows)
    advice = read_json(tmp_path / "out/validation/recalibration.json")
    assert (advice["applied"], advice["suggested"]) == (False, found.advice.suggested.value)
    assert advice["grader_sha256"] == found.file.archive.file_sha256()


def test_a_killed_validation_goes_on_and_another_model_is_refused(grader, rows, tmp_path, monkeypatch):
    table = write_study(tmp_path, list(rows.values())[:8])
    score, counted = OnnxScorer.score, []

    def stopped(self, *given):
        counted.append(1)
        if len(counted) == 4:
            raise KeyboardInterrupt
        return score(self, *given)

    monkeypatch.setattr(OnnxScorer, "score", stopped)
    with pytest.raises(KeyboardInterrupt):
        ng.validate(grader / "grader.zip", table, tmp_path / "out", check_scans=False)
    found = ng.validate(grader / "grader.zip", table, tmp_path / "out", check_scans=False)
    assert len(counted) == 4 + 5  # three were kept
    before = found.page_path().read_bytes()
    again = ng.validate(grader / "grader.zip", table, tmp_path / "out", check_scans=False)
    assert (len(counted), again.page_path().read_bytes()) == (9, before)
    with pytest.raises(RunError, match="another grader file"):
        ng.validate(grader / "many.zip", table, tmp_path / "out", check_scans=False)
    write_study(tmp_path, list(rows.values())[:7])
    with monkeypatch.context() as early:  # it is refused before any scan is read
        early.setattr("nephrograde.validation.stage.prepare_cohort", lambda *_, **__: pytest.fail("a scan is read"))
        with pytest.raises(RunError, match="--reason"):
            ng.validate(grader / "grader.zip", table, tmp_path / "out", check_scans=False)
    assert ng.validate(grader / "grader.zip", table, tmp_path / "out", check_scans=False, reason="one withdrew").n == 7


def test_what_cannot_be_validated_is_refused_with_the_reason(grader, rows, tiny_run_dir, tmp_path):
    lows = [row for row in rows.values() if int(row["isup_grade"]) < 3][:3]
    with pytest.raises(RunError, match="All 3 graded patients are low grade"):
        ng.validate(grader / "grader.zip", write_table(tmp_path / "low.csv", lows), tmp_path / "low", check_scans=False)
    assert len(read_rows(tmp_path / "low/validation/patients.csv")) == 3
    nobody = [{**row, "cmp_image": str(tmp_path / f"none-{k}.nii.gz")} for k, row in enumerate(lows)]
    table = write_table(tmp_path / "nobody.csv", nobody)
    with pytest.raises(RunError, match="No patient could be graded"):
        ng.validate(grader / "grader.zip", table, tmp_path / "nobody", check_scans=False)
    assert {row["patient_id"] for row in read_rows(tmp_path / "nobody/validation/left_out.csv")} == {
        row["patient_id"] for row in lows
    }
    with pytest.raises(RunError, match="does not hold a validation"):
        ng.validate(grader / "grader.zip", table, tiny_run_dir, check_scans=False)
    with pytest.raises(InputError, match="no such file"):
        ng.validate(grader / "grader.zip", tmp_path / "none.toml", tmp_path / "x")


def test_the_command_needs_no_torch_and_its_page_is_chinese(grader, rows, tmp_path):
    study = write_study(tmp_path, list(rows.values())[:10], "[image]\nslice_px = 64\n")
    words = ["validate", grader / "grader.zip", study, "--out", tmp_path / "out", "--no-check"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(str, words), "--lang", "zh"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "[image]" in done.stderr
    page = Path(tmp_path, "out/report/validation.zh.html").read_text(encoding="utf-8")
    assert english(Page(page)) == []
    assert page.count("合成数据") > 5
    assert "src=" not in page
    lock = json.loads(Path(tmp_path, "out/study.lock.json").read_text(encoding="utf-8"))
    assert lock["validation"]["model"] == MODEL
    assert str(tmp_path) not in json.dumps(lock["inputs"])
