"""A packed model gives a new patient what its run gives, without torch and without the run, or refuses to be used."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import nephrograde as ng
from nephrograde.errors import GraderError, InputError, RunError
from nephrograde.evaluation.calibration.maps import IsotonicMap, PlattMap, StoredMap, VennAbersMap
from nephrograde.export.archive import write_archive
from nephrograde.export.contents import GRAPH, PREPROCESSING
from nephrograde.export.grader_file import read_grader_file
from nephrograde.export.onnx.scorer import OnnxScorer
from nephrograde.export.pack import pack
from nephrograde.files import read_rows, write_rows
from nephrograde.predict.learnt_range import range_of
from nephrograde.quality.survey import SCAN_COLUMNS
from nephrograde.results import Results

pytestmark = [pytest.mark.slow, pytest.mark.needs("onnx", "onnxruntime")]
ALONE = """
import json, sys
import nephrograde as ng
from nephrograde.cli import main
try:
    main(["inspect", sys.argv[1]])
except SystemExit as ended:
    assert not ended.code
grading = ng.load_grader(sys.argv[1]).grade(sys.argv[2], mask=sys.argv[3])
print(json.dumps([grading.p_high, [name for name in ("torch", "monai", "onnx") if name in sys.modules]]))
"""


@pytest.fixture(scope="module")
def packed(tiny_run_dir, make_once):
    """The packed models of the tiny study, by id."""

    def write(folder):
        for model in ("weak-1-cmp", "strong-up"):
            pack(tiny_run_dir, model, folder / f"{model}.zip")

    folder = make_once("packed", write)
    return {path.stem: path for path in folder.iterdir()}


def scans_of(cohort_dir, model):
    """Image and mask by patient."""
    phase = model.rpartition("-")[2]
    rows = read_rows(cohort_dir / "cohort.csv")
    return {row["patient_id"]: [cohort_dir / row[f"{phase}_{kind}"] for kind in ("image", "mask")] for row in rows}


@pytest.mark.parametrize("model", ["weak-1-cmp", "strong-up"])
def test_test_patients_get_their_scores_back(packed, tiny_run_dir, tiny_cohort_dir, model):
    grader, own = ng.load_grader(packed[model]), ng.load_grader(tiny_run_dir, model)
    assert grader.model == model
    scores = read_rows(tiny_run_dir / "scores" / "scores.csv")
    tested = [row for row in scores if row["model"] == model and row["split"] == "test"]
    scans = scans_of(tiny_cohort_dir, model)
    for row in tested:
        image, mask = scans[row["patient_id"]]
        grading = grader.grade(image, mask=mask)
        assert grading.p_high == pytest.approx(float(row["p_high"]), abs=1e-5)
    given, wanted = grading.as_dict(), own.grade(image, mask=mask).as_dict()
    greys = [one for one in given["compared"] if one["quantity"].startswith("region_")]
    assert [one["quantity"] for one in greys] == ["region_mean_hu", "region_sd_hu"]  # a run does not read its regions
    given["compared"] = tuple(one for one in given["compared"] if one not in greys)
    assert len(given["compared"]) == 2
    assert given.keys() == wanted.keys()
    for name, value in wanted.items():
        close = name in {"p_high", "p_high_of_folds", "p_calibrated"}
        assert given[name] == (pytest.approx(value, abs=1e-5) if close else value), name


def test_neither_torch_nor_the_run_is_needed_and_no_file_is_left(packed, tiny_cohort_dir, tiny_run_dir, tmp_path):
    patient, (image, mask) = next(iter(scans_of(tiny_cohort_dir, "weak-1-cmp").items()))
    path = shutil.copy(packed["weak-1-cmp"], tmp_path / "grader.zip")
    temporary_dir = tmp_path / "temporary"
    temporary_dir.mkdir()
    words, places = [sys.executable, "-c", ALONE, path, image, mask], {**os.environ, "TMPDIR": str(temporary_dir)}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=places)
    assert list(temporary_dir.iterdir()) == []
    p_high, imported = json.loads(done.stdout.splitlines()[-1])
    assert imported == []
    wanted = ng.load_grader(tiny_run_dir, "weak-1-cmp").grade(image, mask=mask).p_high
    assert p_high == pytest.approx(wanted, abs=1e-5), patient


def test_packing_again_gives_the_same_bytes_and_no_path(packed, tiny_run_dir, tiny_cohort_dir, tmp_path):
    again = pack(tiny_run_dir, "weak-1-cmp", tmp_path / "again.zip")
    assert again.read_bytes() == packed["weak-1-cmp"].read_bytes()
    assert all(one.date_time == (1980, 1, 1, 0, 0, 0) for one in zipfile.ZipFile(again).infolist())
    for place in (tiny_cohort_dir, tiny_run_dir, tmp_path):
        assert str(place).encode() not in again.read_bytes()


def test_the_file_says_what_the_run_says(packed, tiny_run_dir):
    file, run = read_grader_file(packed["weak-1-cmp"]), Results.read(tiny_run_dir)
    assert run.study is not None
    assert file.decision.threshold == run.threshold("weak-1-cmp")
    assert file.decision.scale == run.scale("weak-1-cmp")
    test = run.estimate("weak-1-cmp", "auc", "test")
    assert test is not None
    found = file.card.aucs[0]
    assert (found.split, found.auc, found.low, found.high) == ("test", test.value, test.low, test.high)
    assert (found.n, found.n_high) == (test.n, test.n_high)
    truths = run.truths
    assert (file.card.n_train, file.card.n_test) == (len(run.split.train_ids()), len(run.split.test_ids()))
    assert file.card.n_test_high == sum(truths[one] for one in run.split.test_ids())
    assert file.card.synthetic
    assert file.study.image == run.study.image
    assert file.study.window_of("cmp") == run.study.window_of("cmp")
    train = set(run.split.train_ids())
    own = [row for row in run.regions if (row["arm"], row["phase"]) == ("weak-1", "cmp") and row["patient_id"] in train]
    diameters = [float(row["tumour_diameter_mm"]) for row in own]
    spread = file.cohort_range.phases["cmp"]["tumour_diameter_mm"]
    assert spread.n == len(diameters) == file.card.n_train
    assert (spread.least, spread.most) == pytest.approx((min(diameters), max(diameters)), rel=1e-5)
    hu = file.cohort_range.phases["cmp"]["region_mean_hu"]
    assert -200 < hu.least < hu.most < 300


def test_what_cannot_be_packed_is_refused_before_anything_is_written(tiny_run_dir, frozen_dir, tmp_path, monkeypatch):
    with pytest.raises(RunError, match="no model"):
        pack(tiny_run_dir, "weak-9-cmp", tmp_path / "grader.zip")
    monkeypatch.setattr("nephrograde.export.pack.FROZEN", set())  # as any other encoder
    with pytest.raises(GraderError, match="frozen:mine"):
        pack(frozen_dir / "run", "frozen-1-cmp", tmp_path / "grader.zip")
    assert not list(tmp_path.iterdir())


def test_a_frozen_encoder_is_packed_with_its_licence(frozen_dir, tiny_cohort_dir, tmp_path, monkeypatch, nephrograde):
    monkeypatch.setenv("NEPHROGRADE_WEIGHTS", str(frozen_dir / "store"))
    path = pack(frozen_dir / "run", "frozen-1-cmp", tmp_path / "grader.zip")
    own = ng.load_grader(frozen_dir / "run", "frozen-1-cmp")
    cases = [scan for _, scan in zip(range(2), scans_of(tiny_cohort_dir, "cmp").values(), strict=False)]
    wanted = [own.grade(image, mask=mask) for image, mask in cases]
    monkeypatch.delenv("NEPHROGRADE_WEIGHTS")  # the encoder is in the file
    grader = ng.load_grader(path)
    for (image, mask), one in zip(cases, wanted, strict=True):
        found = grader.grade(image, mask=mask)
        assert [found.p_high, *found.p_high_of_folds] == pytest.approx([one.p_high, *one.p_high_of_folds], abs=1e-6)
    assert wanted[0].p_high != wanted[1].p_high
    with pytest.raises(InputError, match="encoder is frozen"):
        ng.explain(grader, image, mask=mask)
    code, out, _ = nephrograde("inspect", path)
    assert code == 0
    assert "The encoder is mine (licence: MIT), which is in the file" in out
    assert "ResNet" not in out


def test_the_weights_are_read_and_verified_once(tiny_run_dir, tmp_path, monkeypatch):
    read, own = [], Path.read_bytes

    def counted(path):
        read.append(path.name)
        return own(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    pack(tiny_run_dir, "weak-1-cmp", tmp_path / "grader.zip")
    assert read.count("weights.safetensors") == 2  # of two folds


def test_a_graph_that_differs_is_not_written(tiny_run_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("nephrograde.export.onnx.resnet._EPSILON", 0.5)
    with pytest.raises(GraderError, match="differs from its networks"):
        pack(tiny_run_dir, "weak-1-cmp", tmp_path / "grader.zip")
    assert not list(tmp_path.iterdir())


def test_packages_that_are_not_installed_are_named(packed, tiny_run_dir, tmp_path, monkeypatch):
    scorer = OnnxScorer(read_grader_file(packed["weak-1-cmp"]))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(GraderError, match=r"nephrograde\[grader\]"):
        scorer.score(np.zeros((1, 1, 32, 32), np.float16))
    for name in [name for name in sys.modules if name.startswith("nephrograde.export.onnx.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(GraderError, match=r"nephrograde\[pack\]"):
        pack(tiny_run_dir, "weak-1-cmp", tmp_path / "grader.zip")


def test_sizes_of_scans_are_known_after_a_check(tiny_run_copy):
    results = Results.read(tiny_run_copy)
    assert results.study is not None
    own = next(one for one in results.study.models() if one.id == "weak-1-cmp")
    assert "slices" not in range_of(results, results.study, own).phases["cmp"]
    train, test = results.split.train_ids()[:3], results.split.test_ids()[0]
    rows = [
        {"patient_id": one, "phase": phase, "size": f"512 × 512 × {30 + k}", "spacing_mm": f"0.{7 + k} × 0.70 × 5.00"}
        for phase in ("cmp", "up")
        for k, one in enumerate((*train, test))
    ]
    write_rows(
        results.folder.quality.scans_path, SCAN_COLUMNS, [{**dict.fromkeys(SCAN_COLUMNS, ""), **row} for row in rows]
    )
    found = range_of(results, results.study, own).phases["cmp"]
    assert (found["slices"].n, found["slices"].least, found["slices"].most) == (3, 30, 32)
    assert (found["pixel_mm"].least, found["pixel_mm"].most) == (0.7, 0.9)
    assert found["slice_distance_mm"].median == 5


def test_what_is_no_grader_file_is_not_replaced(tiny_run_dir, tmp_path):
    theirs = tmp_path / "theirs.zip"
    with zipfile.ZipFile(theirs, "w") as archive:
        archive.writestr("thesis.txt", "years of work")
    before = theirs.read_bytes()
    with pytest.raises(InputError, match="no grader file"):
        pack(tiny_run_dir, "weak-1-cmp", theirs)
    assert theirs.read_bytes() == before


def test_another_graph_or_description_is_refused(packed, tmp_path, tiny_cohort_dir):
    with zipfile.ZipFile(packed["weak-1-cmp"]) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}
    image, mask = next(iter(scans_of(tiny_cohort_dir, "weak-1-cmp").values()))

    def refusal(**changed):
        path = tmp_path / "other.zip"
        path.unlink(missing_ok=True)
        write_archive(path, {**members, **{name.replace("_", "."): content for name, content in changed.items()}})
        with pytest.raises(GraderError) as refused:
            ng.load_grader(path).grade(image, mask=mask)
        return str(refused.value)

    preprocessing = json.loads(members[PREPROCESSING])
    assert "arm" in refusal(preprocessing_json=json.dumps({**preprocessing, "arm": 3}).encode())
    others: list[dict[str, object]] = [{"arm": {}}, {"model": "strong-cmp"}, {"image": {"slice_px": -1}}]
    for wrong in others:
        assert PREPROCESSING in refusal(preprocessing_json=json.dumps({**preprocessing, **wrong}).encode())
    assert "(size)" in refusal(preprocessing_json=json.dumps({**preprocessing, "size": [64, 64]}).encode())
    assert "not a graph that nephrograde writes" in refusal(graph_onnx=b"no graph")
    assert GRAPH in refusal(graph_onnx=members[GRAPH][:1000])
    assert "surplus.py" in refusal(surplus_py=b"")


def test_the_model_need_not_be_named(packed, tiny_run_dir):
    assert ng.load_grader(str(packed["strong-up"]), "strong-up").phase == "up"
    with pytest.raises(InputError, match="holds strong-up"):
        ng.load_grader(packed["strong-up"], "weak-1-cmp")
    with pytest.raises(InputError, match="missing"):
        ng.load_grader(tiny_run_dir)


def test_the_commands_pack_inspect_and_predict(
    packed, tiny_run_dir, tiny_cohort_dir, tmp_path, nephrograde, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, out, _ = nephrograde("pack", tiny_run_dir, "--model", "weak-1-cmp")
    assert (code, out.splitlines()[0].split()[-1]) == (0, "weak-1-cmp.zip")
    file = read_grader_file(tmp_path / "weak-1-cmp.zip")
    code, out, _ = nephrograde("inspect", "weak-1-cmp.zip")
    assert code == 0
    for part in (
        "Research use only",
        "SYNTHETIC",
        "AUC",
        "Youden",
        "−200 to 300 HU",
        "decision about a patient",
        "17 pat",
    ):
        assert part in out
    code, chinese, _ = nephrograde("inspect", "weak-1-cmp.zip", "--lang", "zh")
    words = [line for line in chinese.splitlines() if line and "weak-1" not in line and "SHA-256" not in line]
    assert code == 0
    assert [line for line in words if not re.search("[\u4e00-\u9fff]", line)] == []
    code, out, _ = nephrograde("inspect", "weak-1-cmp.zip", "--json")
    found = json.loads(out)
    assert found["card"]["n_train"] == file.card.n_train
    with zipfile.ZipFile("weak-1-cmp.zip") as archive:
        for name, stated in found["members"].items():
            assert stated["sha256"] == hashlib.sha256(archive.read(name)).hexdigest()
    image, mask = next(iter(scans_of(tiny_cohort_dir, "weak-1-cmp").values()))
    code, out, _ = nephrograde("predict", "weak-1-cmp.zip", image, "--mask", mask, "--json")
    assert code == 0
    assert json.loads(out)["model"] == "weak-1-cmp"


def test_refusals_are_plain_words_with_exit_code_2(packed, tiny_run_dir, tmp_path, nephrograde):
    raw = bytearray(packed["weak-1-cmp"].read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "changed.zip").write_bytes(bytes(raw))
    (tmp_path / "no.zip").write_text("nothing")
    for name, said in (("changed.zip", "graph.onnx"), ("no.zip", "zip"), ("gone.zip", "gone.zip")):
        for language in ("en", "zh"):
            code, out, err = nephrograde("inspect", tmp_path / name, "--lang", language)
            assert (code, out) == (2, "")
            assert said in err
            assert (re.search("[\u4e00-\u9fff]", err) is not None) == (language == "zh")
    code, _, err = nephrograde("predict", tmp_path / "changed.zip", "x.nii", "--mask", "y.nii")
    assert code == 2
    assert "graph.onnx was changed" in err
    code, _, err = nephrograde("predict", tiny_run_dir, "x.nii")
    assert code == 2
    assert "--model" in err


def test_maps_of_recalibration_are_kept():
    at = np.array([0.1, 0.4, 0.8])
    for learnt in (
        PlattMap(0.3, 1.5),
        IsotonicMap(at, np.array([0.2, 0.5, 0.6])),
        VennAbersMap(at, np.array([0.1, 0.4, 0.7]), np.array([0.2, 0.5, 0.9])),
    ):
        kept = StoredMap.of(learnt).as_map()
        assert type(kept) is type(learnt)
        p_high = np.linspace(0, 1, 50)
        assert np.array_equal(kept.apply(p_high), learnt.apply(p_high))
