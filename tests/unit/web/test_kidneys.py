"""The search for the kidneys in the background."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from nephrograde.errors import VolumeError
from nephrograde.sources.synthetic.phantom import PhantomSettings, cohort_patients
from nephrograde.sources.synthetic.scanner import draw_body, scan_patient
from nephrograde.volume.volume import make_volume
from nephrograde.web.kidneys import KidneyFinder, find_apart
from nephrograde.web.scans import as_slices


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
    finder = KidneyFinder(lambda _number, _phase: slices)
    known = until_ended(lambda: finder.ask(0, ["np"]))
    assert (known.state, known.phase, set(known.centres_mm)) == ("found", "np", {"right", "left"})
    for side, kidney in zip(("right", "left"), body.kidneys, strict=True):
        truth_mm = np.array(kidney.centre_mm) + body.table_mm
        assert np.linalg.norm(known.centres_mm[side] - truth_mm) < 20
    assert slices.middle_mm == pytest.approx(body.table_mm[0], abs=10)


def test_scan_not_in_hu_is_not_searched():
    values = np.random.default_rng(1).normal(0, 1, (64, 64, 20)).astype(np.float32)
    assert find_apart(as_slices(make_volume(values, spacing_mm=(3.0, 3.0, 5.0)))) == {}


def test_patient_asked_for_last_comes_next_and_phases_in_turn():
    order, begun, go_on = [], threading.Event(), threading.Event()

    def slices_of(number, phase):
        order.append((number, phase))
        begun.set()
        go_on.wait(10)
        raise VolumeError("missing", "the file is missing.", "Restore it.")

    finder = KidneyFinder(slices_of)
    assert finder.ask(0, ["np", "up"]).state == "searching"
    begun.wait(10)
    for number in (1, 2, 3):
        assert finder.ask(number, ["np"]).state == "searching"
    go_on.set()
    assert until_ended(lambda: finder.ask(3, ["np"])).state == "none"
    assert finder.ask(0, ["np"]).state == "none"
    assert order == [(0, "np"), (0, "up"), (3, "np")]
