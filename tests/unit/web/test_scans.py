"""Scans as 16-bit slices, and the shelf of those that were shown last."""

from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from nephrograde.cohort.case import Scan
from nephrograde.volume.volume import make_volume, write_image
from nephrograde.web.scans import ScanShelf, as_slices


@pytest.mark.parametrize(
    ("values", "worst"),
    [
        (np.array([-1024, 0, 3071], np.int16), 0.0),
        (np.array([-1000.4, 0.2, 1500.7], np.float32), 0.5),
        (np.array([0.0, 1.25, 7.5], np.float64), 0.0001),
        (np.array([0, 40_000, 65_535], np.uint16), 0.51),
        (np.array([-5e6, 0.0, 5e6], np.float64), 100.0),
        (np.array([3.5, 3.5, 3.5], np.float64), 0.0),
    ],
)
def test_values_come_back_within_a_grey_level(values, worst):
    volume = make_volume(np.broadcast_to(values, (4, 4, 3)).copy(), spacing_mm=(1.0, 1.0, 2.0))
    slices = as_slices(volume)
    for k in range(3):
        stored = np.frombuffer(slices.slice_bytes(k), "<i2").reshape(4, 4).T
        assert np.abs(stored * slices.slope + slices.intercept - volume.values[:, :, k]).max() <= worst


def test_coronal_and_sagittal_slices_start_at_the_head():
    values = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    slices = as_slices(make_volume(values, spacing_mm=(1.0, 1.0, 2.0)))
    assert [slices.count(plane) for plane in ("axial", "coronal", "sagittal")] == [3, 4, 5]
    coronal = np.frombuffer(slices.slice_bytes(1, "coronal"), "<i2").reshape(3, 5)
    assert (coronal == values[:, 1, ::-1].T).all()
    sagittal = np.frombuffer(slices.slice_bytes(4, "sagittal"), "<i2").reshape(3, 4)
    assert (sagittal == values[4, :, ::-1].T).all()


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_slice_is_cut_without_a_copy_of_the_scan(plane):
    slices = as_slices(make_volume(np.zeros((64, 64, 64), np.int16), spacing_mm=(1.0, 1.0, 1.0)))
    tracemalloc.start()
    try:
        slices.slice_bytes(5, plane)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < slices.values.nbytes / 4


@pytest.fixture
def scan_of(tmp_path):
    def make(name):
        path = tmp_path / f"{name}.nii"
        values = np.arange(1000, dtype=np.int16).reshape(10, 10, 10)
        write_image(values, path, spacing_mm=(1.0, 1.0, 1.0))
        return Scan("np", path, None, None, None, None)

    return make


def test_shelf_holds_what_fits_and_drops_the_oldest(scan_of):
    shelf = ScanShelf(room_bytes=4500)
    scans = [scan_of(str(n)) for n in range(3)]
    first = shelf.get((0, "np"), scans[0])
    assert shelf.get((0, "np"), scans[0]) is first
    shelf.get((1, "np"), scans[1])
    shelf.get((0, "np"), scans[0])  # used again, so that 1 is the oldest
    shelf.get((2, "np"), scans[2])
    assert shelf.held_bytes == 4000
    Path(scans[0].image_path).unlink()
    assert shelf.get((0, "np"), scans[0]) is first


def test_scan_is_read_once_for_several_requests(scan_of):
    shelf = ScanShelf()
    scan = scan_of("one")
    found = []
    threads = [threading.Thread(target=lambda: found.append(shelf.get((0, "np"), scan))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(slices) for slices in found}) == 1
