"""``nephrograde explain``: what is written, said and refused."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from PIL import Image
from tests.unit.explanation.spot_networks import grader_with
from tests.unit.explanation.test_lattice import oblique
from tests.unit.explanation.test_phases import IMAGE, POINT_MM, SPOT_MM, at, place_of, write_scan

import nephrograde as ng
from nephrograde.errors import InputError
from nephrograde.explanation.drawing import HIGH_RGB, draw_panels
from nephrograde.explanation.explanation import ScanMap
from nephrograde.explanation.lattice import Peak
from nephrograde.export import loading as room
from nephrograde.sample.frames import Frame
from nephrograde.volume.volume import make_volume

pytest.importorskip("onnxruntime")
POINT = ("--point", at(POINT_MM))


@pytest.fixture(scope="module")
def grader():
    return grader_with({"supervision": "point", "slices": 1}, IMAGE)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "scan.nii.gz"
    write_scan(path, turn=1, has_spot=True)
    return path


@pytest.fixture
def explain(nephrograde, monkeypatch, grader):
    """Run the command with a grader in memory: (exit code, standard output, standard error)."""
    monkeypatch.setattr(room, "load", lambda *_, **__: grader)
    return lambda *words: nephrograde("explain", "grader.zip", *words)


@pytest.mark.slow
def test_a_folder_holds_maps_pictures_and_numbers(explain, scan, tmp_path):
    out = tmp_path / "out"
    code, said, err = explain(scan, *POINT, "--out", out, "--patch-mm", "16")
    assert code == 0
    names = ["cam-cmp.nii.gz", "cam-cmp.png", "explanation.json", "explanation.txt"]
    assert sorted(one.name for one in out.iterdir()) == [*names, "occlusion-cmp.nii.gz", "occlusion-cmp.png"]
    for text in ("Research use only", "not where the tumour is", "SYNTHETIC", "networks agree", "weight 1.000"):
        assert text in said
    assert "occlusion" in err
    assert (out / "explanation.txt").read_text(encoding="utf-8").strip() in said
    numbers = json.loads((out / "explanation.json").read_text(encoding="utf-8"))
    assert numbers["synthetic"] is True
    assert len(numbers["limits"]) == 5
    assert np.abs(np.subtract(numbers["occlusion"]["cmp"]["towards_high"]["position_mm"], SPOT_MM)).max() < 6.0
    for method in ("cam", "occlusion"):
        image = SimpleITK.ReadImage(str(out / f"{method}-cmp.nii.gz"))
        assert image.GetPixelID() == SimpleITK.sitkFloat32
        assert "research use only" in image.GetMetaData("descrip")
        with Image.open(out / f"{method}-cmp.png") as picture:
            assert min(picture.size) > 300
    code, said, _ = explain(scan, *POINT, "--out", out, "--cam-only", "--json")
    assert (code, json.loads(said)["occlusion"]) == (0, {})
    assert sorted(one.name for one in out.iterdir()) == names


def test_words_and_refusals_are_told_in_chinese(explain, scan, tmp_path):
    words = (scan, *POINT, "--out", tmp_path / "out", "--lang", "zh")
    code, said, _ = explain(*words, "--cam-only")
    assert code == 0
    lines = [line for line in said.splitlines() if line.strip()]
    assert not [line for line in lines if not any("\u4e00" <= letter <= "\u9fff" for letter in line)]
    for extra, wanted in (
        (("--patch-mm", "90"), "遮挡块"),
        (("--patch-mm", "10", "--step-mm", "11"), "间隙"),
    ):
        code, _, err = explain(*words, *extra)
        assert (code, wanted in err) == (2, True)
    (tmp_path / "out" / "notes.txt").touch()
    code, _, err = explain(*words)
    assert (code, "含有其他文件" in err) == (2, True)


@pytest.mark.slow
def test_what_would_be_refused_is_mapped_with_a_warning_if_that_is_asked_for(
    nephrograde, monkeypatch, grader, scan, tmp_path
):
    monkeypatch.setattr(room, "load", lambda *_, outside="refuse", **__: replace(grader, outside=outside))
    monkeypatch.setattr("nephrograde.predict.refusals.LEAST_SOFT_SHARE", 2.0)
    words = ("explain", "grader.zip", scan, *POINT, "--out", tmp_path / "out", "--cam-only")
    code, _, err = nephrograde(*words)
    assert (code, "With --outside warn" in err) == (2, True)
    code, said, _ = nephrograde(*words, "--outside", "warn")
    assert (code, "there is no tumour in the region" in said) == (0, True)
    code, _, err = nephrograde(*words, "--outside", "maybe")
    assert (code, "Give refuse or warn" in err) == (2, True)


def test_a_run_must_be_packed_first(nephrograde, grader, scan, tmp_path):
    code, _, err = nephrograde("explain", tmp_path, scan, *POINT, "--out", tmp_path / "out")
    assert (code, "Pack the model first" in err) == (2, True)
    code, _, err = nephrograde("explain", tmp_path, scan, *POINT, "--out", tmp_path / "out", "--lang", "zh")
    assert (code, "请先打包模型" in err) == (2, True)
    of_run = replace(grader, scorer=None)
    with pytest.raises(InputError, match="nephrograde pack RUN --model spot-cmp"):
        ng.explain(of_run, scan, point=at(POINT_MM))


@pytest.mark.slow
def test_neither_torch_nor_onnx_is_imported():
    code = (
        "import sys, nephrograde.explanation.call, nephrograde.explanation.words, nephrograde.cli.explaining\n"
        "print([name for name in ('torch', 'monai', 'onnx', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_exported_pictures_and_mixed_arguments_are_refused(grader, scan, tmp_path):
    Image.fromarray(np.full((80, 80), 90, np.uint8)).save(tmp_path / "slice.png")
    with pytest.raises(InputError, match="exported pictures"):
        ng.explain(grader, tmp_path / "slice.png", point="40,40,0 vox")
    with pytest.raises(InputError, match="is given by phase, but point is not"):
        ng.explain(grader, {"cmp": scan}, point=at(POINT_MM))
    with pytest.raises(InputError, match=r"explain\.fill_hu"):
        ng.explain(grader, scan, point=at(POINT_MM), fill_hu="fat")  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_dicom_series_gets_a_map_on_its_own_grid(grader, tmp_path, write_series):
    direction, pixel_mm, step_mm = oblique(0), (0.9, 1.1), 3.0
    size = (100, 110, 30)
    values = np.full(size, 1064, np.int16)
    values[:3] = 24
    spacing = np.array([pixel_mm[1], pixel_mm[0], step_mm])
    origin = np.array(POINT_MM) - direction @ ((np.array(size) - 1) / 2 * spacing)
    at_spot = np.rint(direction.T @ (np.array(SPOT_MM) - origin) / spacing).astype(int)
    values[tuple(slice(one - 1, one + 2) for one in at_spot)] = 1424
    positions = [origin + direction[:, 2] * step_mm * k for k in range(size[2])]
    orientation = (*direction[:, 0], *direction[:, 1])
    write_series(tmp_path / "ct", values=values, positions_mm=positions, orientation=orientation, pixel_mm=pixel_mm)
    out = tmp_path / "out"
    found = ng.explain(grader, tmp_path / "ct", point=at(POINT_MM), out=out, patch_mm=16.0)
    assert np.abs(np.subtract(place_of(found.occlusion["cmp"]), SPOT_MM)).max() < 6.0
    image = SimpleITK.ReadImage(str(out / "occlusion-cmp.nii.gz"))
    array = SimpleITK.GetArrayFromImage(image)
    assert image.GetSize() == size
    assert image.GetOrigin() == pytest.approx(tuple(origin), abs=1e-3)
    assert image.GetDirection() == pytest.approx(tuple(direction.ravel()), abs=1e-5)
    middle = np.argwhere(array >= array.max() * (1 - 1e-6)).mean(axis=0)[::-1]
    place = image.TransformContinuousIndexToPhysicalPoint(middle.tolist())
    assert np.abs(np.subtract(place, SPOT_MM)).max() < 6.0


def test_a_slice_is_drawn_with_colour_where_the_map_is(grader, scan):
    explained = ng.explain(grader, scan, point=at(POINT_MM), occlusion=False)
    found = explained.cam["cmp"]
    with Image.open(io.BytesIO(draw_panels(explained, found))) as picture:
        pixels = np.asarray(picture.convert("RGB"), np.int16)
    (frame,) = found.frames
    margins = [0.2 * (high - low) for low, high in zip(frame.low, frame.high, strict=True)]
    left, top = (int(frame.low[axis] - margins[axis]) for axis in (0, 1))
    across, down = (int(np.ceil(frame.high[k] + margins[k])) - first + 1 for k, first in ((0, left), (1, top)))
    tall = 320 * (0.9 * down) / (1.1 * across)
    colour = np.zeros(pixels.shape[:2])
    inside = slice(80, 80 + round(tall))  # below four lines of heading
    colour[inside] = (pixels[..., 0] - pixels[..., 2])[inside]
    row, column = np.unravel_index(colour.argmax(), colour.shape)
    assert abs(pixels[row, column] - np.array(HIGH_RGB)).max() < 90
    x, y, _ = found.volume.to_index(place_of(found))
    assert column - 8 == pytest.approx(320 * (x + 0.5 - left) / across, abs=4)
    assert row - 80 == pytest.approx(tall * (y + 0.5 - top) / down, abs=4)


def test_planes_of_a_box_have_the_head_at_the_top_and_the_left_side_at_the_right(grader, scan):
    found = ng.explain(grader, scan, point=at(POINT_MM), occlusion=False)
    volume = make_volume(np.full((60, 60, 60), 40.0), spacing_mm=(1.0, 1.0, 1.0))
    values = np.zeros((60, 60, 60), np.float32)
    values[40:44, 12:16, 46:50] = -1.0  # left, anterior, towards the head
    low = Peak(-1.0, (41.5, 13.5, 47.5), (42, 14, 48), "cmp", None)
    frame = Frame((-0.5, -0.5, -0.5), (59.5, 59.5, 59.5), None, (60.0, 60.0, 60.0))
    box = ScanMap("cam", "cmp", values, volume, (frame,), (-160.0, 240.0), (1.0, 1.0, 1.0), None, low)
    with Image.open(io.BytesIO(draw_panels(found, box))) as picture:
        pixels = np.asarray(picture.convert("RGB"), np.int16)
    places = []
    for panel in range(3):
        part = pixels[44:364, 8 + 328 * panel : 328 * (panel + 1)]
        rows, columns = np.nonzero(part[..., 2] - part[..., 0] > 60)
        places.append((columns.mean() * 60 / 320 - 0.5, rows.mean() * 60 / 320 - 0.5))
    for (x, y), wanted in zip(places, ((41.5, 13.5), (41.5, 11.5), (13.5, 11.5)), strict=True):
        assert (x, y) == pytest.approx(wanted, abs=0.6)
