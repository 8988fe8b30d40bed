"""Masks through the server: strokes are saved and shown, imported masks accepted or refused, mistakes named."""

from __future__ import annotations

import numpy as np
import pytest

from nephrograde.annotations.voxels import parse_voxels, voxels_of
from nephrograde.volume.grid import Grid
from nephrograde.volume.masks.stamp import is_as_stamped
from nephrograde.volume.volume import write_image

from .conftest import ORIGIN_MM, SIZE, SPACING_MM

pytestmark = pytest.mark.needs("starlette", "uvicorn")
ENTRIES = "/api/patients/0/entries"
MASK = "/api/patients/0/phases/np/mask"
IMPORTED = "/api/patients/0/phases/np/imported"
GRID = Grid(SIZE, SPACING_MM, ORIGIN_MM["np"], np.eye(3), source="memory")


def block(*slices):
    stack = np.zeros(SIZE[::-1], dtype=bool)
    for number in slices:
        stack[number, 5:12, 4:15] = True
    return stack


def strokes(*slices, grid=GRID):
    return voxels_of(block(*slices), grid, slices).text()


@pytest.fixture(scope="module")
def cohort_path(tmp_path_factory):
    """One patient with a mask on every phase but the last: a good one, one outside, an empty one, none."""
    tmp_path = tmp_path_factory.mktemp("masks")
    values = np.arange(np.prod(SIZE), dtype=np.int16).reshape(SIZE)
    masks = {
        "np": (block(3, 4, 5).T * 2, ORIGIN_MM["np"]),
        "up": (block(3, 4, 5).T, (400.0, 400.0, 400.0)),
        "cmp": (block().T, ORIGIN_MM["np"]),
    }
    for phase in ("np", "up", "cmp", "ep"):
        write_image(values, tmp_path / f"{phase}.nii.gz", spacing_mm=SPACING_MM, origin_mm=ORIGIN_MM["np"])
    for phase, (mask, origin_mm) in masks.items():
        path = tmp_path / f"{phase}_mask.nii.gz"
        write_image(mask.astype(np.uint8), path, spacing_mm=SPACING_MM, origin_mm=origin_mm)
    headings = ["patient_id", *(f"{phase}_image" for phase in ("np", "up", "cmp", "ep")), *(f"{p}_mask" for p in masks)]
    cells = ["P1", "np.nii.gz", "up.nii.gz", "cmp.nii.gz", "ep.nii.gz", *(f"{phase}_mask.nii.gz" for phase in masks)]
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join([",".join(headings), ",".join(cells)]), encoding="utf-8")
    return path


@pytest.fixture
def draw(ask, entry):
    def send(value, **changed):
        given = entry(kind="mask", value=value, **changed)
        return ask("POST", ENTRIES, given), given

    return send


def voxels(reply):
    return parse_voxels(reply["value"]).stack()


def test_strokes_are_saved_and_shown_as_a_whole(ask, draw, server):
    session, _ = server
    assert ask("GET", MASK)[1] == {"key": "", "origin": "", "value": ""}
    (status, reply, _), first = draw(strokes(2, 3))
    assert status == 200
    shown = reply["patient"]["phases"]["np"]["mask"]
    draw(strokes(7), follows=first["id"])
    _, content, _ = ask("GET", MASK)
    assert np.array_equal(voxels(content), block(2, 3, 7))
    assert (content["origin"], content["key"] != shown["value"]) == ("drawn", True)
    (path,) = session.journal.masks_dir.iterdir()
    assert is_as_stamped(path)
    undo = {"kind": "undo", "phase": "", "value": ""}
    _, reply, _ = ask("POST", ENTRIES, {**first, "id": "f" * 32, **undo})
    assert reply["patient"]["phases"]["np"]["mask"] == shown
    assert np.array_equal(voxels(ask("GET", MASK)[1]), block(2, 3))


def test_imported_mask_is_accepted_as_it_was_shown_and_corrected(ask, draw):
    _, found, _ = ask("GET", IMPORTED)
    assert np.array_equal(voxels(found), block(3, 4, 5))
    (status, reply, _), _ = draw(f"imported {found['digest']}", origin="accepted")
    assert (status, reply["patient"]["imported"]) == (200, ["np", "up", "cmp"])
    draw(strokes(8), origin="corrected")
    _, content, _ = ask("GET", MASK)
    assert np.array_equal(voxels(content), block(3, 4, 5, 8))
    assert content["origin"] == "corrected"


def test_imported_mask_is_refused(ask, draw):
    (status, reply, _), _ = draw("none", origin="refused")
    assert (status, reply["patient"]["phases"]["np"]["mask"]) == (200, {"value": "none", "origin": "refused"})
    assert ask("GET", MASK)[1]["value"] == ""


@pytest.mark.parametrize(
    ("phase", "status", "code"), [("up", 422, "mask-outside"), ("cmp", 422, "mask-empty"), ("ep", 404, None)]
)
def test_imported_mask_that_cannot_be_used_has_a_reason_without_its_path(ask, phase, status, code):
    got, reply, _ = ask("GET", f"/api/patients/0/phases/{phase}/imported")
    assert (got, reply.get("code")) == (status, code)
    assert reply["reason"]
    assert "_mask" not in reply["reason"]


@pytest.mark.parametrize(
    "address",
    ["/api/patients/9/phases/np/mask", "/api/patients/0/phases/x/mask", "/api/patients/0/phases/..%2fnp/imported"],
)
def test_mask_of_what_the_cohort_does_not_have_is_404(ask, address):
    assert ask("GET", address)[0] == 404


@pytest.mark.parametrize(
    "changed",
    [
        {"value": strokes(2, grid=Grid(SIZE, (2.0, 2.0, 2.5), ORIGIN_MM["np"], np.eye(3), source="memory"))},
        {"value": strokes(2, grid=Grid(SIZE, SPACING_MM, ORIGIN_MM["up"], np.eye(3), source="memory"))},
        {"value": strokes(2) + " 99:"},
        {"value": strokes(2) + " 3:~"},
        {"value": strokes(2) + " 3:PPPPPPPPPPPP0"},
        {"value": "slices"},
        {"value": "slices 4"},
        {"value": "P1-np.nii.gz"},
        {"value": "../np.nii.gz"},
        {"value": "imported ../../x", "origin": "accepted"},
        {"value": "imported 0123456789abcdef", "origin": "accepted"},
        {"value": "imported "},
        {"value": "none", "phase": "ep"},
        {"value": strokes(2), "phase": ""},
        {"value": strokes(2), "phase": "x"},
        {"value": strokes(2), "origin": "guessed"},
        {"value": ["slices"]},
    ],
)
def test_mask_that_cannot_be_is_400_and_not_saved(ask, entry, server, changed):
    session, _ = server
    status, reply, _ = ask("POST", ENTRIES, entry(kind="mask", **changed))
    assert status == 400
    assert reply["reason"]
    assert session.journal.entries() == ()


def test_value_beyond_the_limit_is_413(ask, draw):
    (status, reply, _), _ = draw(strokes(2) + " " * 70000)
    assert (status, bool(reply["reason"])) == (413, True)


def test_strokes_on_an_image_that_was_replaced_are_refused(ask, draw, server):
    session, _ = server
    draw(strokes(2))
    earlier_path = session.journal.path.with_suffix(".earlier")
    line = session.journal.path.read_text(encoding="utf-8")
    earlier_path.write_text(line.replace("-300", "-301"), encoding="utf-8")
    earlier_path.replace(session.journal.path)
    (status, reply, _), _ = draw(strokes(3))
    assert (status, "another image" in reply["reason"]) == (400, True)
    draw("")
    assert draw(strokes(3))[0][0] == 200
