"""A tumour on a slice that could not be read is refused, as when a cohort is prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.cohort.case import Scan
from nephrograde.cohort.place import parse_box, parse_point
from nephrograde.errors import VolumeError
from nephrograde.predict.seeing import see
from nephrograde.study import Study
from nephrograde.volume.volume import write_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COUNT = 24
LOST = 9


def study(supervision: str) -> Study:
    return Study.model_validate(
        {
            "cohort": {"table": "cohort.csv", "phases": ["np"]},
            "arm": ({"name": "weak-1", "supervision": supervision, "slices": 1},),
            "image": {"slice_px": 16, "slice_mm": 20.0},
        }
    )


@pytest.fixture
def series_dir(tmp_path: Path, write_series: Callable[..., list[Path]]) -> Path:
    values = np.random.default_rng(4).integers(900, 1100, (40, 40, COUNT)).astype(np.uint16)
    positions = [(0.0, 0.0, 3.0 * k) for k in range(COUNT)]
    paths = write_series(tmp_path / "series", values=values, positions_mm=positions, pixel_mm=(1.0, 1.0))
    paths[LOST].write_bytes(paths[LOST].read_bytes()[:2000])
    return tmp_path / "series"


def mask_file(folder: Path, first: int, last: int) -> Path:
    mask = np.zeros((40, 40, COUNT), np.uint8)
    mask[15:25, 15:25, first : last + 1] = 1
    write_image(mask, folder / "mask.nii.gz", spacing_mm=(1.0, 1.0, 3.0))
    return folder / "mask.nii.gz"


@pytest.mark.parametrize("supervision", ["mask", "box", "point"])
@pytest.mark.parametrize(("first", "last", "is_refused"), [(8, 10, True), (LOST, LOST, True), (3, 5, False)])
def test_a_tumour_on_a_lost_slice_is_not_graded(
    tmp_path: Path, series_dir: Path, supervision: str, first: int, last: int, *, is_refused: bool
) -> None:
    middle = (first + last) // 2
    given = {
        "mask": Scan("np", series_dir, mask_file(tmp_path, first, last), None, None, None),
        "point": Scan("np", series_dir, None, parse_point(f"20,20,{middle} vox"), None, None),
        "box": Scan("np", series_dir, None, None, parse_box(f"15,15,{first};25,25,{last} vox"), None),
    }
    scan = given[supervision]
    if not is_refused:
        seen = see(scan, study(supervision).arm[0], study(supervision))
        assert any("was interpolated between its neighbours" in text for text in seen.warnings)
        return
    with pytest.raises(VolumeError) as caught:
        see(scan, study(supervision).arm[0], study(supervision))
    assert (caught.value.code, caught.value.path) == ("dicom-slice-in-tumour", series_dir)
