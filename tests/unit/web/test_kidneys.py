"""The search for the kidneys in the background."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nephrograde.cohort.case import Scan
from nephrograde.errors import VolumeError
from nephrograde.sources.synthetic.phantom import PhantomSettings, cohort_patients
from nephrograde.sources.synthetic.scanner import draw_body, scan_patient
from nephrograde.volume.volume import make_volume, write_image
from nephrograde.web.kidneys import KidneyFinder, find_apart, marked_centres
from nephrograde.web.scans import as_slices

SCAN = Scan("np", Path("np.nii"), None, None, None, None)


def until_ended(ask):
    end = time.monotonic() + 60
    while (known := ask()).state == "searching" and time.monotonic() < end:
        time.sleep(0.01)
    return known


@pytest.mark.slow
def test_kidneys_are_where_they_were_drawn():
    patient = cohort_patients(PhantomSettings(patients=2, phases=("np",), seed=11))[0]
    body = draw_body(patient, seed=11)
    scan = scan_patient(patient, body, phase="np", matrix_px=144, seed=11)
    volume = make_volume(scan.values_hu.T, spacing_mm=scan.spacing_mm, origin_mm=scan.origin_mm)
    slices = as_slices(volume)
    finder = KidneyFinder(lambda _number, _phase: slices, lambda _number, _phase: SCAN)
    known = until_ended(lambda: finder.ask(0, ["np"]))
    assert (known.state, known.phase, set(known.centres_mm)) == ("found", "np", {"right", "left"})
    for side, kidney in zip(("right", "left"), body.kidneys, strict=True):
        truth_mm = np.array(kidney.centre_mm) + body.table_mm
        assert np.linalg.norm(known.centres_mm[side] - truth_mm) < 20
    assert slices.middle_mm == pytest.approx(body.table_mm[0], abs=10)


def test_scan_not_in_hu_is_not_searched():
    values = np.random.default_rng(1).normal(0, 1, (64, 64, 20)).astype(np.float32)
    assert find_apart(as_slices(make_volume(values, spacing_mm=(3.0, 3.0, 5.0)))) == {}


def test_marked_kidneys_are_read(tmp_path):
    values = np.full((64, 64, 30), 40, np.int16)
    slices = as_slices(make_volume(values, spacing_mm=(5.0, 5.0, 5.0), origin_mm=(-157.5, -157.5, 0.0)))
    marks = np.zeros(values.shape, np.uint8)
    marks[14:24, 30:40, 5:25] = 1
    marks[40:50, 30:40, 8:28] = 2
    for kept, sides in (({1, 2}, {"right", "left"}), ({2}, {"left"})):
        path = tmp_path / f"{len(kept)}.nii"
        mask = np.where(np.isin(marks, list(kept)), marks, 0)
        write_image(mask, path, spacing_mm=(5.0, 5.0, 5.0), origin_mm=(-157.5, -157.5, 0.0))
        scan = replace(SCAN, kidneys_path=path)
        centres_mm = marked_centres(slices, scan)
        assert set(centres_mm) == sides
        assert centres_mm["left"] == pytest.approx((65.0, 15.0, 87.5), abs=3)


def test_patient_asked_for_last_comes_next_and_phases_in_turn():
    order, begun, go_on = [], threading.Event(), threading.Event()

    def slices_of(number, phase):
        order.append((number, phase))
        begun.set()
        go_on.wait(10)
        raise VolumeError("missing", "the file is missing.", "Restore it.")

    finder = KidneyFinder(slices_of, lambda _number, _phase: SCAN)
    assert finder.ask(0, ["np", "up"]).state == "searching"
    begun.wait(10)
    for number in (1, 2, 3):
        assert finder.ask(number, ["np"]).state == "searching"
    go_on.set()
    assert until_ended(lambda: finder.ask(3, ["np"])).state == "none"
    assert finder.ask(0, ["np"]).state == "none"
    assert order == [(0, "np"), (0, "up"), (3, "np")]
