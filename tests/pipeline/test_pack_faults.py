"""What a packed model says when files were altered, deleted or mistyped: sealed facts, a warning, or a refusal."""

import hashlib
import json
import os
import re
import shutil

import pytest

import nephrograde as ng
from nephrograde.errors import InputError, RunError, VolumeError, WriteError
from nephrograde.export.grader_file import read_grader_file
from nephrograde.export.pack import pack
from nephrograde.files import read_rows, write_rows

MODEL = "weak-1-cmp"


@pytest.fixture(scope="module")
def packed_path(tiny_run_dir, make_once):
    """A packed model of the tiny study."""
    return make_once("packed-alone", lambda folder: pack(tiny_run_dir, MODEL, folder / "grader.zip")) / "grader.zip"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes of this kind")
def test_what_is_no_grader_file_is_refused_before_the_run_is_read(tmp_path):
    (tmp_path / "empty.zip").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name, kind, said in (
        ("empty.zip", InputError, "no grader file"),
        ("pipe", WriteError, "neither a file"),
        ("dangling", WriteError, "neither a file"),
        (".", RunError, "is a folder"),
    ):
        with pytest.raises(kind, match=said):
            pack(tmp_path / "no-run", MODEL, tmp_path / name)
    assert (tmp_path / "empty.zip").stat().st_size == 0
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "dangling").is_symlink()


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime")
def test_altered_truths_of_patients_change_nothing(packed_path, tiny_run_copy, tmp_path):
    cases_path = tiny_run_copy / "cohort" / "cases.csv"
    rows = read_rows(cases_path)
    write_rows(cases_path, list(rows[0]), [{**row, "is_high": "1"} for row in rows])
    assert pack(tiny_run_copy, MODEL, tmp_path / "again.zip").read_bytes() == packed_path.read_bytes()


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime")
def test_altered_sizes_of_tumours_are_refused(tiny_run_copy, tmp_path):
    regions_path = tiny_run_copy / "volumes" / "regions.csv"
    rows = read_rows(regions_path)
    write_rows(regions_path, list(rows[0]), [{**row, "tumour_diameter_mm": "250"} for row in rows])
    with pytest.raises(RunError, match=r"regions\.csv is not the file that nephrograde wrote.*nephrograde prepare"):
        pack(tiny_run_copy, MODEL, tmp_path / "grader.zip")
    assert not (tmp_path / "grader.zip").exists()


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime")
def test_a_range_that_is_not_whole_is_told(packed_path, tiny_run_copy, tmp_path, nephrograde):
    whole = read_grader_file(packed_path).cohort_range.phases["cmp"]
    regions = read_rows(tiny_run_copy / "volumes" / "regions.csv")
    train = {row["patient_id"] for row in read_rows(tiny_run_copy / "scores" / "scores.csv") if row["split"] == "oof"}
    own = [row for row in regions if (row["arm"], row["phase"]) == ("weak-1", "cmp") and row["patient_id"] in train]
    (tiny_run_copy / "volumes" / own[3]["file"]).unlink()
    code, _, err = nephrograde("pack", tiny_run_copy, "--model", MODEL, "--out", tmp_path / "part.zip")
    assert code == 0
    assert f"{own[3]['file']} is missing" in err
    part = read_grader_file(tmp_path / "part.zip").cohort_range.phases["cmp"]
    assert part == {name: spread for name, spread in whole.items() if not name.startswith("region_")}
    shutil.rmtree(tiny_run_copy / "volumes")
    for language, said in (("en", "regions.csv is missing"), ("zh", "缺少")):
        path = tmp_path / f"{language}.zip"
        code, _, err = nephrograde("pack", tiny_run_copy, "--model", MODEL, "--out", path, "--lang", language)
        assert code == 0
        assert said in err
        assert "nephrograde prepare" in err
        assert read_grader_file(path).cohort_range.phases == {}


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime")
def test_the_whole_file_has_a_sha256_on_every_page(packed_path, tiny_run_dir, tmp_path, nephrograde):
    sha256 = hashlib.sha256(packed_path.read_bytes()).hexdigest()
    code, out, err = nephrograde("pack", tiny_run_dir, "--model", MODEL, "--out", tmp_path / "again.zip")
    assert (code, sha256 in out, "missing" in err) == (0, True, False)
    assert sha256 in nephrograde("inspect", packed_path)[1]
    assert json.loads(nephrograde("inspect", packed_path, "--json")[1])["sha256"] == sha256


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime")
def test_signs_and_words_are_those_of_the_page(packed_path, nephrograde):
    out = nephrograde("inspect", packed_path)[1]
    assert not re.search(r"(?<![\w-])-\d", out)
    assert re.search(r"HU: −\d", out)
    chinese = nephrograde("inspect", packed_path, "--lang", "zh")[1]
    assert "轴：图像序号、通道、y、x" in chinese
    assert "通道：图像" in chinese


def test_a_file_that_is_not_there_is_named(tmp_path, nephrograde):
    for model in ([], ["--model", MODEL]):
        for language, said in (("en", "nothere.zip does not exist"), ("zh", "nothere.zip不存在")):
            code, _, err = nephrograde("predict", tmp_path / "nothere.zip", "x.nii", *model, "--lang", language)
            assert code == 2
            assert said in err
            assert "--model" not in err
    with pytest.raises(RunError, match=r"nothere\.zip does not exist"):
        ng.load_grader(tmp_path / "nothere.zip")


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime")
def test_options_and_images_are_named_as_on_the_command_line(packed_path, tmp_path, nephrograde):
    code, _, err = nephrograde("predict", packed_path, "x.nii", "--model", "weak-1-up")
    assert code == 2
    assert "--model: is weak-1-up, but the file holds weak-1-cmp" in err
    with pytest.raises(InputError, match=r"load_grader\.model: is weak-1-up"):
        ng.load_grader(packed_path, "weak-1-up")
    box = ["--box", "20,20,10;60,60,12 vox"]
    code, _, err = nephrograde("predict", packed_path, tmp_path / "mistyped.nii.gz", *box)
    assert code == 2
    assert "mistyped.nii.gz: no such file or folder. Check the path." in err
    with pytest.raises(VolumeError, match=r"Check the path\."):
        ng.load_grader(packed_path).grade(tmp_path / "mistyped.nii.gz", box=box[1])


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime")
@pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes of this kind")
def test_a_picture_takes_the_place_of_no_pipe(packed_path, tmp_path, nephrograde):
    os.mkfifo(tmp_path / "pipe.png")
    code, _, err = nephrograde(
        "predict", packed_path, "x.nii", "--point", "1,1,1 vox", "--picture", tmp_path / "pipe.png"
    )
    assert code == 2
    assert "pipe.png cannot be written: it is neither a file nor a link to one" in err
