"""A new patient goes through the same code as the study: the study's own test patients get their scores back."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from nephrograde.cohort.case import Scan
from nephrograde.errors import InputError, RunError, VolumeError
from nephrograde.evaluation.calibration.maps import PlattMap
from nephrograde.evaluation.uncertainty.new_patient import learn_judge, read_judge
from nephrograde.files import read_json, read_rows, write_json
from nephrograde.predict.loading import load_grader
from nephrograde.predict.networks import SealedNetworks
from nephrograde.results import Results
from nephrograde.volume.thumbnail import REGION_RGBS


def grade(run_dir, model, scan):
    return load_grader(run_dir, model).grade(scan.image_paths, mask=scan.mask_path, box=scan.box, point=scan.point)


def scan_of(row, cohort_dir, phase):
    image_path, mask_path = (cohort_dir / row[f"{phase}_{kind}"] for kind in ("image", "mask"))
    return Scan("", image_path, mask_path, None, None, None)


@pytest.mark.parametrize("model", ["weak-1-cmp", "strong-up"])
def test_test_patients_get_their_scores_back(tiny_run_dir, tiny_cohort_dir, model):
    table = {row["patient_id"]: row for row in read_rows(tiny_cohort_dir / "cohort.csv")}
    grader = load_grader(tiny_run_dir, model)
    scale = Results.read(tiny_run_dir).scale(model)
    assert scale is not None
    assert isinstance(grader.scorer, SealedNetworks)
    assert grader.scorer.scale == scale
    scores = read_rows(tiny_run_dir / "scores" / "scores.csv")
    members = read_rows(tiny_run_dir / "scores" / "members.csv")
    tested = [row for row in scores if row["model"] == model and row["split"] == "test"]
    assert len(tested) == 7
    for row in tested:
        scan = scan_of(table[row["patient_id"]], tiny_cohort_dir, model.rpartition("-")[2])
        grading = grader.grade(scan.image_path, mask=str(scan.mask_path))
        assert grading.p_high == float(row["p_high"])
        raw = [float(m["p_high"]) for m in members if (m["model"], m["patient_id"]) == (model, row["patient_id"])]
        assert grading.p_high_of_folds == scale.of_networks(raw)
        assert grading.p_high == scale.of_ensemble(raw)
        assert grading.call == ("high" if grading.p_high >= grading.threshold else "low")


def test_the_answer_says_what_was_read(tiny_run_dir, tiny_cohort_dir):
    row = read_rows(tiny_cohort_dir / "cohort.csv")[0]
    grading = grade(tiny_run_dir, "weak-1-cmp", scan_of(row, tiny_cohort_dir, "cmp"))
    text = grading.as_text()
    for part in ("Research use only", "SYNTHETIC", "corticomedullary", "youden", "96 × 96", "mm (LPS)", "slices"):
        assert part in text
    assert json.loads(json.dumps(grading.as_dict()))["p_high_of_folds"] == list(grading.p_high_of_folds)
    assert len(grading.p_high_of_folds) == 2


@pytest.mark.parametrize("model", ["weak-1-cmp", "strong-cmp"])
def test_region_is_drawn_and_named(tiny_run_dir, tiny_cohort_dir, tmp_path, model):
    row = read_rows(tiny_cohort_dir / "cohort.csv")[0]
    scan = scan_of(row, tiny_cohort_dir, "cmp")
    grader, path = load_grader(tiny_run_dir, model), tmp_path / "region.png"
    grading = grader.grade(scan.image_path, mask=scan.mask_path, picture=path)
    image = grader.study.image
    assert grading.region_mm == ((image.slice_mm, image.slice_mm) if model.startswith("weak") else image.box_mm)
    assert grading.as_dict()["picture"] == str(path)
    assert f"picture: {path}" in grading.as_text()
    assert " × ".join(f"{edge:g}" for edge in grading.region_mm) in grading.as_text()
    with Image.open(path) as shown:
        pixels = np.asarray(shown.convert("RGB"))
    assert (pixels == REGION_RGBS[0]).all(axis=2).any()
    for wrong in (tmp_path / "region.nii", scan.image_path):
        with pytest.raises(InputError, match="picture"):
            grader.grade(scan.image_path, mask=scan.mask_path, picture=wrong)


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


def test_the_answer_says_how_far_to_trust_it(tiny_run_dir, tiny_cohort_dir):
    row = read_rows(tiny_cohort_dir / "cohort.csv")[0]
    grading = grade(tiny_run_dir, "weak-1-cmp", scan_of(row, tiny_cohort_dir, "cmp"))
    auc = next(
        one
        for one in read_rows(tiny_run_dir / "statistics" / "estimates.csv")
        if (one["model"], one["split"], one["measure"]) == ("weak-1-cmp", "test", "auc")
    )
    assert (grading.performance.split, grading.performance.n) == ("test", 7)
    assert grading.performance.auc == float(auc["value"])
    assert grading.is_on_kidney
    assert grading.phase_seen == "cmp"
    assert grading.folds_high == sum(p >= grading.threshold for p in grading.p_high_of_folds)
    assert any("folds disagree" in one for one in grading.warnings) is not grading.folds_agree


def test_what_the_evaluation_stored_is_what_the_scores_teach(tiny_run_copy, monkeypatch):
    model = "weak-1-cmp"
    results = Results.read(tiny_run_copy)
    learnt = learn_judge(results.scores.of(model, "oof"), results.settings)
    assert isinstance(learnt.recalibration, PlattMap)
    stored = read_json(tiny_run_copy / "statistics" / "judges.json")[model]["recalibration"]["numbers"]
    assert stored == {"intercept": [learnt.recalibration.intercept], "slope": [learnt.recalibration.slope]}
    with monkeypatch.context() as patched:
        patched.setattr("nephrograde.results.results.learn_judge", None)  # nothing is learnt again
        assert results.judge(model) == learnt
        assert load_grader(tiny_run_copy, model).judge == learnt
    seal = read_json(tiny_run_copy / "seal.json")  # a run of an older version
    del seal["files"]["statistics/judges.json"]
    write_json(tiny_run_copy / "seal.json", seal)
    (tiny_run_copy / "statistics" / "judges.json").unlink()
    assert load_grader(tiny_run_copy, model).judge == learnt


def test_stored_judges_that_are_damaged_are_refused(tmp_path):
    path = tmp_path / "judges.json"
    for content in ({"way": "none", "numbers": {}}, {"way": "platt", "numbers": {"slope": ["a"]}}, 3):
        write_json(path, {"m": {"recalibration": content, "sets": None}})
        with pytest.raises(RunError, match=r"judges\.json is damaged"):
            read_judge(path, "m")
    assert read_judge(path, "n") is None


def damaged(run_dir, how):
    """Change one thing that the grade depends on, and return the name of what the refusal has to name."""
    fold_dir = run_dir / "models" / "weak-1-cmp" / "fold-1"
    if how == "weights":
        raw = bytearray((fold_dir / "weights.safetensors").read_bytes())
        raw[-1] ^= 1
        (fold_dir / "weights.safetensors").unlink()  # a hard link to the original
        (fold_dir / "weights.safetensors").write_bytes(bytes(raw))
    elif how == "card":
        path = fold_dir / "card.json"
        path.write_text(path.read_text(encoding="utf-8").replace('"fold": 1', '"fold": 0'), encoding="utf-8")
    elif how == "threshold":
        path = run_dir / "statistics" / "estimates.csv"
        lines = path.read_text(encoding="utf-8").splitlines()
        k = next(k for k, line in enumerate(lines) if line.startswith("weak-1-cmp,test,threshold,"))
        cells = lines[k].split(",")
        lines[k] = ",".join([*cells[:3], "0.9", *cells[4:]])
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    elif how == "scale":
        path = run_dir / "statistics" / "scale.csv"
        path.write_text(path.read_text(encoding="utf-8").replace("weak-1-cmp,1,0.", "weak-1-cmp,1,0.1"), "utf-8")
    elif how == "judges":
        path = run_dir / "statistics" / "judges.json"
        path.write_text(path.read_text(encoding="utf-8").replace('"way": "platt"', '"way": "isotonic"'), "utf-8")
    elif how == "fold":
        shutil.rmtree(fold_dir)
    elif how == "added":
        shutil.copytree(fold_dir, fold_dir.with_name("fold-2"), copy_function=os.link)
    else:
        path = run_dir / "study.lock.json"
        path.write_text(path.read_text(encoding="utf-8").replace('"slice_mm": 140.0', '"slice_mm": 70.0'), "utf-8")
    named = {
        "scale": "scale.csv",
        "judges": "judges.json",
        "weights": "weights.safetensors",
        "card": "card.json",
        "threshold": "estimates.csv",
        "fold": "fold-1",
    }
    return named.get(how, "fold-2" if how == "added" else "study.lock.json")


@pytest.mark.parametrize("how", ["weights", "card", "threshold", "scale", "judges", "fold", "added", "study"])
def test_an_altered_run_grades_nobody(tiny_run_copy, tiny_cohort_dir, nephrograde, how):
    row = read_rows(tiny_cohort_dir / "cohort.csv")[0]
    scan = scan_of(row, tiny_cohort_dir, "cmp")
    name = damaged(tiny_run_copy, how)
    words = ("predict", tiny_run_copy, scan.image_path, "--model", "weak-1-cmp", "--mask", scan.mask_path)
    code, out, err = nephrograde(*words)
    assert (code, out) == (2, "")
    assert name in err
    assert "nephrograde" in err.removeprefix("nephrograde: ")


def test_exported_pictures_are_graded_without_a_size(tiny_run_dir, tmp_path):
    paths = [tmp_path / f"{k}.png" for k in range(3)]
    for k, path in enumerate(paths):
        Image.fromarray(np.full((40, 60), 60 * k, dtype=np.uint8)).save(path)
    scan = Scan("", paths[0], None, None, None, None, tuple(paths[1:]))
    picture = tmp_path / "shown.png"
    with pytest.raises(VolumeError, match="the model learnt from scans") as refused:
        load_grader(tiny_run_dir, "weak-1-cmp").grade(scan.image_paths)
    assert refused.value.code == "picture"
    grading = load_grader(tiny_run_dir, "weak-1-cmp", outside="warn").grade(scan.image_paths, picture=picture)
    with Image.open(picture) as shown:
        assert shown.size[0] > 300
    with pytest.raises(InputError, match="files that are read"):
        load_grader(tiny_run_dir, "weak-1-cmp").grade(scan.image_paths, picture=paths[1])
    assert 0 <= grading.p_high <= 1
    assert (grading.size, grading.spacing_mm, grading.slices) == ((60, 40, 3), None, (1,))
    assert "3 exported pictures, the first of 60 × 40 pixels; number 1 was shown" in grading.as_text()
    assert "warning: The grey values of exported pictures are not HU" in grading.as_text()
    with pytest.raises(VolumeError, match="strong arm needs the whole scan"):
        grade(tiny_run_dir, "strong-cmp", scan)
