"""Scans and files on which an answer would mean nothing are refused in plain words, in both languages, with code 2."""

import json
import re
import shutil
import zipfile
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from nephrograde.export import archive, loading
from nephrograde.export.archive import write_archive
from nephrograde.files import read_rows
from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.study import Study
from nephrograde.volume.masks.delineation import delineate
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import write_image

pytestmark = pytest.mark.slow
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from tests.unit.export.dicom_patient import grader_of  # noqa: E402
from tests.unit.export.small_grader import STUDY as SMALL  # noqa: E402
from tests.unit.export.small_grader import small_members  # noqa: E402

OVERRIDE = "--outside warn"


@pytest.fixture(scope="module")
def graders(make_once):
    """Grader files of the corticomedullary phase that are given a point or a mask."""

    def write(folder):
        for level in ("point", "mask"):
            write_archive(folder / f"{level}.zip", small_members(supervision=level))

    folder = make_once("small-graders", write)
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def patient_dir(make_once):
    """One synthetic patient as DICOM: cmp, up and their masks."""
    settings = PhantomSettings(patients=2, phases=("cmp", "up"), matrix_px=96, dicom=True)
    folder = make_once("bad-input-patient", lambda folder: write_cohort(folder, settings))
    row = read_rows(folder / "cohort.csv")[0]
    return (folder / row["cmp_image"]).parent


@pytest.fixture(scope="module")
def places(patient_dir):
    """The middle of the tumour, a box round it, one of air, one that the scan ends in, and a point off any kidney."""
    volume = read_volume(patient_dir / "cmp")
    inside = np.argwhere(np.asarray(mask_of(patient_dir, volume)))
    low, high, middle = inside.min(axis=0), inside.max(axis=0), inside.mean(axis=0)
    top = volume.values.shape[2] - 1

    def mm(place):
        return ",".join(f"{value:.2f}" for value in volume.to_mm(tuple(map(float, place))))

    return {
        "tumour": f"{mm(middle)} mm",
        "box": f"{mm(low)};{mm(high)} mm",
        "air": f"{mm((1, 1, middle[2]))} mm",
        "box of air": f"{mm((0, 0, low[2]))};{mm((6, 6, high[2]))} mm",
        "box to the end": f"{mm(low)};{mm((*high[:2], top))} mm",
        "off": f"{mm((middle[0], middle[1], top))} mm",
    }


@pytest.fixture
def refused(nephrograde):
    """Run `predict`: the refusal in English, which has its Chinese."""

    def run(*words):
        code, out, said = nephrograde("predict", *words)
        assert (code, out) == (2, "")
        assert "Traceback" not in said
        with speaking("zh"):
            chinese = told(said.removeprefix("nephrograde: ").rstrip())
        assert not re.search(r"[a-z]{2,}(?: [a-z]{2,}){2}", chinese), chinese
        return said

    return run


def test_another_phase_by_words_and_image(graders, patient_dir, places, refused, nephrograde):
    words = (graders["point"], patient_dir / "up", "--point", places["tumour"])
    said = refused(*words)
    assert "both its words and its image are unenhanced (up)" in said
    assert "fitted on corticomedullary scans (cmp)" in said
    assert OVERRIDE in said
    code, out, _ = nephrograde("predict", *words, "--outside", "warn")
    assert code == 0
    assert "warning: " in out
    assert "is another phase" in out


def test_another_phase_by_words_alone_is_a_warning(graders, patient_dir, places, tmp_path, nephrograde):
    renamed = renamed_series(patient_dir / "cmp", tmp_path / "named", SeriesDescription="Abdomen nativ")
    code, out, _ = nephrograde("predict", graders["point"], renamed, "--point", places["tumour"])
    assert code == 0
    assert "its words name the unenhanced phase (up), but the model was fitted on corticomedullary" in out


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_mr(graders, patient_dir, places, tmp_path, refused, kind):
    image = renamed_series(patient_dir / "cmp", tmp_path / "mr", Modality="MR")
    if kind == "zip":
        image = shutil.make_archive(tmp_path / "mr", "zip", image)
    said = refused(graders["point"], image, "--point", places["tumour"])
    assert "is not CT: its DICOM header says MR" in said
    assert OVERRIDE in said


def test_grey_values_that_are_not_hu(graders, patient_dir, places, tmp_path, refused):
    volume = read_volume(patient_dir / "cmp")
    path = tmp_path / "grey.nii.gz"
    write_image(
        np.clip(volume.values + 1000, 0, None), path, spacing_mm=volume.spacing_mm, origin_mm=volume.origin_mm,
        direction=volume.direction,
    )  # fmt: skip
    said = refused(graders["point"], path, "--point", places["tumour"])
    assert "its values are not HU, and the model was fitted on HU" in said


@pytest.mark.parametrize(("name", "place"), [("point", "air"), ("box", "box of air")])
def test_no_tumour_in_the_region(patient_dir, places, refused, monkeypatch, name, place):
    monkeypatch.setattr(loading, "load", lambda *_, **__: grader_of(name))
    said = refused("run", patient_dir / "cmp", f"--{name}", places[place])
    assert "there is no tumour in the region: 0 % of what was annotated is soft tissue, and its median is -" in said
    assert OVERRIDE in said


def test_a_mask_of_air_and_an_empty_mask(graders, patient_dir, tmp_path, refused):
    volume = read_volume(patient_dir / "cmp")
    mask = np.zeros(volume.values.shape, np.uint8)
    grid: Any = {"spacing_mm": volume.spacing_mm, "origin_mm": volume.origin_mm, "direction": volume.direction}
    write_image(mask, tmp_path / "empty.nii.gz", **grid)
    assert "no voxel" in refused(graders["mask"], patient_dir / "cmp", "--mask", tmp_path / "empty.nii.gz")
    mask[1:6, 1:6, 20:25] = 1
    write_image(mask, tmp_path / "air.nii.gz", **grid)
    said = refused(graders["mask"], patient_dir / "cmp", "--mask", tmp_path / "air.nii.gz")
    assert "there is no tumour in the region" in said


def test_a_scan_that_ends_within_the_tumour(graders, patient_dir, places, tmp_path, refused, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(loading, "load", lambda *_, **__: grader_of("box"))
        said = refused("run", patient_dir / "cmp", "--box", places["box to the end"])
    assert "the tumour reaches the last slice, so a part of it was not scanned" in said
    volume = read_volume(patient_dir / "cmp")
    mask = np.asarray(mask_of(patient_dir, volume))
    half = int(np.argwhere(mask)[:, 2].mean())
    grid: Any = {
        "spacing_mm": volume.spacing_mm,
        "origin_mm": volume.to_mm((0, 0, half)),
        "direction": volume.direction,
    }
    write_image(np.asarray(volume.values)[:, :, half:], tmp_path / "half.nii.gz", **grid)
    write_image(mask[:, :, half:].astype(np.uint8), tmp_path / "mask.nii.gz", **grid)
    said = refused(graders["mask"], tmp_path / "half.nii.gz", "--mask", tmp_path / "mask.nii.gz")
    assert "the tumour reaches the first slice, so a part of it was not scanned" in said


def test_a_series_with_gaps(graders, patient_dir, places, tmp_path, refused):
    shutil.copytree(patient_dir / "cmp", tmp_path / "gaps")
    files = sorted((tmp_path / "gaps").iterdir())
    for path in files[10:40:3]:
        path.unlink()
    assert "slice" in refused(graders["point"], tmp_path / "gaps", "--point", places["tumour"])


def test_a_region_off_any_kidney(graders, patient_dir, places, refused):
    said = refused(graders["point"], patient_dir / "cmp", "--point", places["off"])
    assert "the region is off any kidney: both were found" in said
    assert OVERRIDE in said


def test_a_picture_or_a_single_slice_for_a_3d_model(patient_dir, tmp_path, refused, monkeypatch):
    monkeypatch.setattr(loading, "load", lambda *_, **__: grader_of("point", slices=None))
    place = ("run", "--point", "9,9,0 vox")
    Image.new("L", (64, 64), 90).save(tmp_path / "slice.png")
    assert "is an exported picture" in refused(*place, tmp_path / "slice.png")
    single = sorted((patient_dir / "cmp").iterdir())[0]
    assert "is an exported picture" in refused(*place, single)
    shutil.copytree(
        patient_dir / "cmp", tmp_path / "one", ignore=lambda _, names: [n for n in names if n != single.name]
    )
    assert "slice" in refused(*place, tmp_path / "one")
    write_image(np.full((32, 32, 1), 40, np.int16), tmp_path / "one.nii.gz", spacing_mm=(1, 1, 5))
    assert "at least 3 are needed" in refused(*place, tmp_path / "one.nii.gz")


def test_files_that_are_no_graders(graders, patient_dir, tmp_path, refused, monkeypatch):
    scan = (patient_dir / "cmp", "--point", "0,0,0 mm")
    raw = graders["point"].read_bytes()
    path = tmp_path / "grader.zip"
    path.write_bytes(b"no zip at all" * 100)
    assert "it is no zip archive" in refused(path, *scan)
    at = raw.index(b'"n_train": 20')
    path.write_bytes(raw[:at] + b'"n_train": 90' + raw[at + 13 :])
    assert "card.json was changed" in refused(path, *scan)
    path.write_bytes(raw[: len(raw) // 2])
    assert "its end is missing" in refused(path, *scan)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in ("manifest.json", "graph.onnx"):
            bomb.writestr(name, b"0" * 20_000_000)
    assert "manifest.json is not stored as it is" in refused(path, *scan)
    monkeypatch.setattr(archive, "FORMAT_VERSION", archive.FORMAT_VERSION + 1)
    path.unlink()
    write_archive(path, small_members())
    monkeypatch.undo()
    assert "was written by a newer version of nephrograde (format 2; this version reads up to 1)" in refused(
        path, *scan
    )


def test_uploads_that_are_no_scans(graders, tmp_path, refused):
    place = ("--point", "1,1,1 vox")
    (tmp_path / "scan.zip").write_bytes(b"PK\x03\x04 but no archive")
    assert "archive" in refused(graders["point"], tmp_path / "scan.zip", *place)
    (tmp_path / "scan.nii.gz").write_bytes(b"nothing that was compressed")
    assert "scan.nii.gz" in refused(graders["point"], tmp_path / "scan.nii.gz", *place)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("IM1", b"\0" * 70_000_000)
    assert "archive" in refused(graders["point"], tmp_path / "bomb.zip", *place)


def test_another_word_for_outside(graders, patient_dir, refused):
    said = refused(graders["point"], patient_dir / "cmp", "--outside", "ignore")
    assert "--outside: is 'ignore'. Give refuse or warn." in said


@pytest.mark.parametrize(("name", "place"), [("point", "tumour"), ("box", "box"), ("mask", ""), ("slice", "20 vox")])
def test_a_true_scan_is_graded_and_drawn(graders, patient_dir, places, tmp_path, nephrograde, monkeypatch, name, place):
    if name not in graders:
        monkeypatch.setattr(loading, "load", lambda *_, **__: grader_of(name))
    given = places.get(place, place) or patient_dir / "cmp_mask.nii.gz"
    words = (graders.get(name, "run"), patient_dir / "cmp", f"--{name}", given)
    code, out, err = nephrograde("predict", *words, "--picture", tmp_path / "shown.png", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["phase_named"], found["phase_seen"]) == ("cmp", "cmp")
    assert found["is_on_kidney"] == (None if name == "slice" else True)
    with Image.open(tmp_path / "shown.png") as shown:
        colours = np.asarray(shown.convert("RGB")).reshape(-1, 3).astype(int)
    assert (np.ptp(colours, axis=1) > 60).sum() > 50  # the outline is coloured, the scan is grey


def test_the_picture_of_a_refused_region_shows_where_it_is(graders, patient_dir, places, tmp_path, refused):
    path = tmp_path / "shown.png"
    refused(graders["point"], patient_dir / "cmp", "--point", places["air"], "--picture", path)
    assert path.stat().st_size > 1000


def mask_of(patient_dir, volume):
    """The mask of the tumour on the grid of its scan."""
    return delineate(patient_dir / "cmp_mask.nii.gz", volume, Study.model_validate(SMALL).masks).mask


def renamed_series(series_dir, out_dir, **entries):
    """A copy of a series with other entries in its headers."""
    out_dir.mkdir()
    for path in series_dir.iterdir():
        dataset = pydicom.dcmread(path)
        for keyword, value in entries.items():
            setattr(dataset, keyword, value)
        dataset.save_as(out_dir / path.name)
    return out_dir
