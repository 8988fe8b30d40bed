"""What the patients looked like that a model of a run could learn from, as far as the files of the run say."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.files import read_rows
from nephrograde.predict.cohort_range import CohortRange, Spread, region_greys, shows_hu
from nephrograde.run.stage import verify_written

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nephrograde.results import Results
    from nephrograde.study import Study, StudyModel


def learnt_from(results: Results) -> dict[str, bool]:
    """Return whether each patient that was scored out of fold is high grade: by the scores, which are sealed.

    Args:
        results: Of the run.
    """
    return {row.patient_id: row.is_high for row in results.scores.rows if row.split == "oof"}


def missing_regions(results: Results, study: Study, own: StudyModel) -> Path | None:
    """Find what is no longer there of the prepared regions of a model's patients; None if all of it is there.

    Args:
        results: Of the run.
        study: Its study.
        own: The model.
    """
    folder = results.folder
    if not folder.regions_path.is_file():
        return folder.regions_path
    shown = [row for row in _regions(results, own) if shows_hu(study, own, row["phase"])]
    return next((path for row in shown if not (path := folder.volumes_dir / row["file"]).is_file()), None)


def _regions(results: Results, own: StudyModel) -> list[dict[str, str]]:
    """The rows of the prepared regions of the patients that a model could learn from."""
    learnt = learnt_from(results)
    return [row for row in results.regions if row["arm"] == own.arm.name and row["patient_id"] in learnt]


def range_of(results: Results, study: Study, own: StudyModel, *, with_greys: bool = True) -> CohortRange:
    """Describe the patients that a model could learn from, as far as the run knows them.

    Tumours and regions are those of the prepared samples, as far as they are still there, and grey values are given if
    all are. Sizes of voxels and scans are known if ``nephrograde check`` has looked at the scans of this run.

    Args:
        results: Of the run.
        study: Its study.
        own: The model.
        with_greys: Whether the prepared regions are read for their grey values, which takes a second for a thousand.

    Raises:
        RunError: The table of the regions was altered since they were prepared.
    """
    if results.folder.regions_path.is_file():
        verify_written("prepare", results.folder, results.folder.regions_path)
    regions, learnt = _regions(results, own), set(learnt_from(results))
    is_whole = with_greys and missing_regions(results, study, own) is None
    found: dict[str, dict[str, Spread]] = {}
    for phase in dict.fromkeys((*own.region_phases, *own.phases)):
        rows = [row for row in regions if row["phase"] == phase]
        quantities: dict[str, Iterable[float]] = {
            "tumour_diameter_mm": [_number(row["tumour_diameter_mm"]) for row in rows],
            "tumour_volume_ml": [_number(row["tumour_volume_ml"]) for row in rows],
        }
        window = study.window_of(phase)
        if is_whole and shows_hu(study, own, phase):
            greys, width = [_greys(results, row["file"], own) for row in rows], window.high - window.low
            quantities["region_mean_hu"] = [window.low + width * mean for mean, _ in greys]
            quantities["region_sd_hu"] = [width * spread for _, spread in greys]
        if phase in own.phases:
            quantities.update(_scans(results, phase, learnt))
        found[phase] = {name: spread for name, values in quantities.items() if (spread := _spread(values))}
    return CohortRange({phase: spreads for phase, spreads in found.items() if spreads})


def _greys(results: Results, name: str, own: StudyModel) -> tuple[float, float]:
    """Mean and standard deviation of the grey values of a region in [0, 1], without its mask."""
    region = np.load(results.folder.volumes_dir / name, mmap_mode="r", allow_pickle=False)
    return region_greys(region, has_mask=own.arm.has_mask)


def _scans(results: Results, phase: str, learnt: set[str]) -> dict[str, list[float]]:
    """Sizes of voxels and scans, if the scans were checked."""
    path = results.folder.quality.scans_path
    if not path.is_file():
        return {}
    rows = [row for row in read_rows(path) if row["phase"] == phase and row["patient_id"] in learnt]
    sizes = [_numbers(row["size"]) for row in rows]
    spacings = [_numbers(row["spacing_mm"]) for row in rows]
    return {
        "pixel_mm": [one[0] for one in spacings if len(one) == 3],
        "slice_distance_mm": [one[2] for one in spacings if len(one) == 3],
        "slices": [one[2] for one in sizes if len(one) == 3],
    }


def _numbers(text: str) -> list[float]:
    return [number for part in text.split(" × ") if isfinite(number := _number(part))]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _spread(values: Iterable[float]) -> Spread | None:
    known = np.array([one for one in values if isfinite(one)])
    if not known.size:
        return None
    low, median, high = np.percentile(known, [5, 50, 95])
    numbers = (known.min(), low, median, high, known.max())
    return Spread(known.size, *(float(f"{float(one):.6g}") for one in numbers))
