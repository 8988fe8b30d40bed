"""A new patient goes through the same code as the study: the study's own test patients get their scores back."""

import json

import numpy as np
import pytest
from PIL import Image

from nephrograde.cohort.case import Scan
from nephrograde.errors import RunError, VolumeError
from nephrograde.files import read_rows
from nephrograde.predict.grader import load_grader


def grade(run_dir, model, scan):
    return load_grader(run_dir, model).grade(scan.image_paths, mask=scan.mask_path, box=scan.box, point=scan.point)


def scan_of(row, cohort_dir, phase):
    image_path, mask_path = (cohort_dir / row[f"{phase}_{kind}"] for kind in ("image", "mask"))
    return Scan("", image_path, mask_path, None, None, None)


@pytest.mark.parametrize("model", ["weak-1-cmp", "strong-up"])
def test_test_patients_get_their_scores_back(tiny_run_dir, tiny_cohort_dir, model):
    table = {row["patient_id"]: row for row in read_rows(tiny_cohort_dir / "cohort.csv")}
    grader = load_grader(tiny_run_dir, model)
    scores = read_rows(tiny_run_dir / "scores" / "scores.csv")
    members = read_rows(tiny_run_dir / "scores" / "members.csv")
    tested = [row for row in scores if row["model"] == model and row["split"] == "test"]
    assert len(tested) == 7
    for row in tested:
        scan = scan_of(table[row["patient_id"]], tiny_cohort_dir, model.rpartition("-")[2])
        grading = grader.grade(scan.image_path, mask=str(scan.mask_path))
        assert grading.p_high == float(row["p_high"])
        of_folds = [float(m["p_high"]) for m in members if (m["model"], m["patient_id"]) == (model, row["patient_id"])]
        assert grading.p_high_of_folds == tuple(of_folds)
        assert grading.call == ("high" if grading.p_high >= grading.threshold else "low")


def test_the_answer_says_what_was_read(tiny_run_dir, tiny_cohort_dir):
    row = read_rows(tiny_cohort_dir / "cohort.csv")[0]
    grading = grade(tiny_run_dir, "weak-1-cmp", scan_of(row, tiny_cohort_dir, "cmp"))
    text = grading.as_text()
    for part in ("Research use only", "SYNTHETIC", "corticomedullary", "youden", "96 × 96", "mm (LPS)", "slices"):
        assert part in text
    assert json.loads(json.dumps(grading.as_dict()))["p_high_of_folds"] == list(grading.p_high_of_folds)
    assert np.isclose(grading.p_high, np.mean(grading.p_high_of_folds))


def test_what_is_missing_is_named(tiny_run_dir, tiny_cohort_dir, tmp_path):
    row = read_rows(tiny_cohort_dir / "cohort.csv")[0]
    scan = scan_of(row, tiny_cohort_dir, "cmp")
    with pytest.raises(RunError, match="weak-1-cmp, weak-1-up"):
        grade(tiny_run_dir, "weak-9-cmp", scan)
    with pytest.raises(RunError, match="run folder"):
        grade(tmp_path, "weak-1-cmp", scan)
    bare = Scan("", scan.image_path, None, None, None, None)
    with pytest.raises(VolumeError, match="box"):
        grade(tiny_run_dir, "weak-1-cmp", bare)
    with pytest.raises(VolumeError, match="mask"):
        grade(tiny_run_dir, "strong-cmp", bare)


def test_exported_pictures_are_graded_without_a_size(tiny_run_dir, tmp_path):
    paths = [tmp_path / f"{k}.png" for k in range(3)]
    for k, path in enumerate(paths):
        Image.fromarray(np.full((40, 60), 60 * k, dtype=np.uint8)).save(path)
    scan = Scan("", paths[0], None, None, None, None, tuple(paths[1:]))
    grading = grade(tiny_run_dir, "weak-1-cmp", scan)
    assert 0 <= grading.p_high <= 1
    assert (grading.size, grading.spacing_mm, grading.slices) == ((60, 40, 3), None, (1,))
    assert "3 exported pictures, the first of 60 × 40 pixels; number 1 was shown" in grading.as_text()
    assert "warning: The grey values of exported pictures are not HU" in grading.as_text()
    with pytest.raises(VolumeError, match="strong arm needs the whole scan"):
        grade(tiny_run_dir, "strong-cmp", scan)
