"""A study of arms that are given no place, or only a slice, from the table to a new patient."""

import json
import shutil

import pytest

from nephrograde.files import read_rows

STUDY = """
name = "rungs (synthetic)"
synthetic = true
[cohort]
table = "cohort.csv"
phases = ["cmp"]
[split]
folds = 2
[annotation]
error_mm = 3.0
[[arm]]
name = "none"
supervision = "none"
slices = 1
[[arm]]
name = "slice"
supervision = "slice"
slices = 1
neighbours = 1
[image]
slice_px = 16
slice_mm = 96.0
[fit]
epochs = 1
warmup_epochs = 0
batch_size = 8
patience = 0
accelerator = "cpu"
[evaluate]
bootstraps = 100
baselines = []
"""


@pytest.mark.slow
def test_the_rungs_run_and_grade_a_new_patient_without_a_place(tiny_cohort_dir, tmp_path, nephrograde):
    shutil.copytree(tiny_cohort_dir, tmp_path / "cohort")
    table_path = tmp_path / "cohort" / "cohort.csv"
    rows = table_path.read_text(encoding="utf-8-sig").splitlines()
    first = rows[1].split(",")
    heading = rows[0].split(",").index("cmp_mask")
    first[heading] = ""
    table_path.write_text("\n".join([rows[0], ",".join(first), *rows[2:]]), encoding="utf-8")
    study_path = tmp_path / "cohort" / "rungs.toml"
    study_path.write_text(STUDY, encoding="utf-8")
    for stage in ("prepare", "fit", "evaluate"):
        code, _, err = nephrograde(stage, study_path, "--out", tmp_path / "run")
        assert code == 0, err
    regions = read_rows(tmp_path / "run" / "volumes" / "regions.csv")
    used = {arm: {row["patient_id"] for row in regions if row["arm"] == arm} for arm in ("none", "slice")}
    assert len(used["none"]) == 24
    assert used["none"] - used["slice"] == {first[0]}
    scored = {
        row["patient_id"] for row in read_rows(tmp_path / "run" / "scores" / "scores.csv") if row["model"] == "none-cmp"
    }
    assert first[0] in scored
    image_path = tmp_path / "cohort" / "images" / first[0] / "cmp.nii.gz"
    for model, place in (("none-cmp", ()), ("slice-cmp", ("--slice", "20 vox"))):
        code, out, err = nephrograde("predict", tmp_path / "run", image_path, "--model", model, *place, "--json")
        assert code == 0, err
        grading = json.loads(out)
        assert grading["supervision"] == model.partition("-")[0]
        assert (grading["phase_seen"], grading["kidney_gap_mm"]) == ("cmp", None)
        of_patient = [
            row for row in read_rows(tmp_path / "run" / "scores" / "scores.csv") if row["patient_id"] == first[0]
        ]
        same = [float(row["p_high"]) for row in of_patient if (row["model"], row["split"]) == (model, "test")]
        assert same in ([], [grading["p_high"]])
    code, _, err = nephrograde("predict", tmp_path / "run", image_path, "--model", "slice-cmp")
    assert code != 0
    assert "cmp_slice" in err
