"""Whether the slices of a scan are those of one body, and its values HU: what is lost, and what is not found wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from nephrograde.volume.check import check_volume
from nephrograde.volume.coarse import coarsen
from nephrograde.volume.continuity import find_breaks
from nephrograde.volume.contrast_step import find_contrast_steps
from nephrograde.volume.grid import Grid
from nephrograde.volume.hounsfield import Scaling, find_scaling
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import make_volume, orient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Array = npt.NDArray[Any]
WINDOW = (-200.0, 300.0)


def _body(count: int = 44, side: int = 96) -> Array:
    """Slices, rows, columns in HU: air, a body with fat under its skin, a spine, and organs that come and go."""
    z, y, x = np.mgrid[:count, :side, :side].astype(float)
    z, y, x = z / count, y / side - 0.5, x / side - 0.5
    width = 0.42 + 0.05 * z
    hu = np.full((count, side, side), -1000.0)
    hu[(y / 0.40) ** 2 + (x / width) ** 2 < 1] = -100
    hu[(y / 0.35) ** 2 + (x / (width - 0.05)) ** 2 < 1] = 50
    hu[(y - 0.2) ** 2 + x**2 < 0.005] = 300
    hu[(y - 0.1) ** 2 + (x - 0.2) ** 2 + (z - 0.4) ** 2 / 8 < 0.012] = 170
    hu[(y + 0.1 + 0.1 * z) ** 2 + (x + 0.15 - 0.1 * z) ** 2 < 0.01 * (0.5 + z)] = 110
    return hu + np.random.default_rng(0).normal(0, 12, hu.shape)


def _codes(slices: Array) -> list[str]:
    values = np.clip(slices, -3000, 3000).astype(np.int16).T
    return [fault.code for fault in check_volume(make_volume(values, spacing_mm=(1.8, 1.8, 5.0)))]


def _changed(k: slice | int, change: Callable[[Array], Array]) -> Callable[[Array], Array]:
    def apply(hu: Array) -> Array:
        hu = hu.copy()
        hu[k] = change(hu[k])
        return hu

    return apply


def _order(move: Callable[[list[int]], list[int]]) -> Callable[[Array], Array]:
    return lambda hu: hu[move(list(range(len(hu))))]


def _noisy(hu: Array) -> Array:
    return hu + np.random.default_rng(9).normal(0, 12, hu.shape)


DAMAGES: dict[str, tuple[Callable[[Array], Array], str]] = {
    "a second phase appended": (lambda hu: np.concatenate([hu, _noisy(hu) + 30 * (hu > 20)]), "slices-seam"),
    "every slice twice": (lambda hu: np.repeat(hu, 2, 0), "slices-copied"),
    "every slice twice, with noise": (
        lambda hu: np.repeat(hu, 2, 0) + _noisy(np.repeat(0 * hu, 2, 0)) / 8,
        "slices-copied",
    ),
    "one slice stored for the next": (_changed(20, lambda _: np.zeros((96, 96))), "slices-blank"),
    "one slice of air": (_changed(20, lambda plane: 0 * plane - 1024), "slices-blank"),
    "shuffled": (lambda hu: hu[np.random.default_rng(1).permutation(len(hu))], "slices-order"),
    "sorted by name": (_order(lambda k: sorted(k, key=str)), "slices-order"),
    "two slices exchanged": (_order(lambda k: [*k[:20], *k[23:20:-1], k[20], *k[24:]]), "slices-order"),
    "one slice misplaced": (_order(lambda k: [*k[:5], k[40], *k[5:40], *k[41:]]), "slices-order"),
    "two neighbours exchanged": (_order(lambda k: [*k[:20], k[21], k[20], *k[22:]]), "slices-order"),
    "neighbours exchanged twice": (
        _order(lambda k: [*k[:9], k[10], k[9], *k[11:30], k[31], k[30], *k[32:]]),
        "slices-order",
    ),
    "a second phase from a slice on": (
        _changed(slice(20, None), lambda hu: _noisy(hu) + 40 * (hu > 20)),
        "slices-phase",
    ),
    "a second phase up to a slice": (_changed(slice(0, 20), lambda hu: _noisy(hu) - 25 * (hu > 20)), "slices-phase"),
    "a second phase in between": (_changed(slice(12, 30), lambda hu: hu + 30 * (hu > 20)), "slices-phase"),
    "halves exchanged": (_order(lambda k: [*k[22:], *k[:22]]), "slices-seam"),
    "even slices before odd ones": (_order(lambda k: [*k[::2], *k[1::2]]), "slices-order"),
    "intercept lost on some slices": (_changed(slice(20, 23), lambda planes: planes + 1024), "slices-offset"),
    "intercept applied twice on one": (_changed(20, lambda plane: plane - 1024), "slices-offset"),
    "intercept lost": (lambda hu: hu + 1024, "not-hu"),
    "intercept lost, with low padding": (lambda hu: np.where(_outside(hu), -2000, hu + 1024), "not-hu"),
    "intercept applied twice": (lambda hu: hu - 1024, "not-hu"),
    "slope 2": (lambda hu: 2 * hu, "not-hu"),
    "slope 1/2": (lambda hu: hu / 2, "not-hu"),
    "slope lost, intercept applied": (lambda hu: (hu + 1024) / 2 - 1024, "not-hu"),
}


def _outside(hu: Array) -> Array:
    count, side, _ = hu.shape
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return np.broadcast_to(np.hypot(x, y) > side / 2, (count, side, side))


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_not_one_body_in_hu_is_named(name: str) -> None:
    damage, code = DAMAGES[name]
    assert code in _codes(damage(_body()))


@pytest.mark.parametrize("count", [12, 44, 110])
def test_a_body_is_sound(count: int) -> None:
    hu = _body(count)
    assert _codes(hu) == []
    assert _codes(hu[::-1]) == []
    assert _codes(np.where(_outside(hu), -2000, hu)) == []
    assert _codes(np.concatenate([hu[:1] * 0 - 1024, hu, hu[:3] * 0 - 1024])) == []  # padded at its ends


@pytest.mark.parametrize("first", [0, 9, 18])
def test_exchanged_neighbours_are_named_to_either_end(first: int) -> None:
    coarse = np.zeros((20, 64, 64), np.float32)
    for k in range(20):
        coarse[k, 2 * k : 2 * k + 20] = 100
    order = list(range(20))
    order[first], order[first + 1] = first + 1, first
    assert find_breaks(coarse[order], step_mm=5.0, window=WINDOW).misplaced == (first, first + 1)


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_order(seed: int) -> None:
    hu = np.repeat(_body()[:1], 60, 0) + np.random.default_rng(seed).normal(0, 40, (60, 96, 96))
    assert _codes(hu) == []


def test_contrast_that_comes_over_many_slices_is_one_phase() -> None:
    hu = _body()
    gain = np.linspace(0, 90, len(hu))[:, None, None]
    assert _codes(hu + gain * (hu > 20)) == []


def test_the_slice_where_a_phase_begins_is_named_as_the_file_counts_it() -> None:
    hu = _changed(slice(20, None), lambda planes: planes + 25 * (planes > 20))(_body())
    coarse = coarsen(hu.T, 2)
    steps, by_hu = find_contrast_steps(coarse)
    assert steps == (20,)
    assert by_hu == pytest.approx(25, abs=5)
    down = Grid((96, 96, 44), (1.8, 1.8, 5.0), (0.0, 0.0, 0.0), np.diag([1.0, 1.0, -1.0]), source="file")
    faults = check_volume(orient(hu.T.astype(np.int16), down))
    (fault,) = [fault for fault in faults if fault.code == "slices-phase"]
    assert "slice 20 on" in fault.message
    assert "brighter" in fault.message


def test_a_body_that_hardly_changes_is_sound() -> None:
    hu = np.repeat(_body()[:1], 40, 0) + np.random.default_rng(5).normal(0, 12, (40, 96, 96))
    assert _codes(hu) == []


def test_the_slices_are_named_as_the_file_counts_them() -> None:
    coarse = coarsen(_changed(slice(20, 23), lambda planes: planes + 1024)(_body()).T, 2)
    found = find_breaks(coarse, step_mm=5.0, window=WINDOW)
    assert (found.offset, round(found.offset_by, -1)) == ((20, 21, 22), 1020)
    assert found.counted_down(44).offset == (21, 22, 23)


def test_a_body_without_noise_is_in_hu() -> None:
    body = np.full((20, 64, 64), -1000.0, np.float32)
    body[:, 16:48, 16:48] = 40
    assert find_scaling(body) == Scaling()


def test_the_shift_is_measured() -> None:
    coarse = coarsen(_body().T, 2).astype(np.float32)
    assert find_scaling(coarse) == Scaling()
    found = find_scaling(coarse - 1024)
    assert found is not None
    assert found.slope == 1
    assert found.shift == pytest.approx(-1024, abs=30)
    halved = find_scaling(coarse / np.float32(2))
    assert halved is not None
    assert halved.slope == pytest.approx(0.5, abs=0.05)
    assert find_scaling(coarse / np.float32(1000)) is None


def test_real_scans_are_sound(shared_data: Path) -> None:
    for path in (shared_data / "ct_nifti" / "example_ct.nii.gz", shared_data / "ct_dicom" / "CRLM-CT-1004" / "image"):
        volume = read_volume(path)
        assert check_volume(volume) == []
        assert find_scaling(coarsen(volume.values + np.int16(1024), 2)) not in {None, Scaling()}
