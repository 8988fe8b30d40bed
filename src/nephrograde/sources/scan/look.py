"""Inspecting the pixels of one series: its kidneys, what they say about the phase, and two thumbnails for reviewers."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from nephrograde.errors import VolumeError, about_temporary_files
from nephrograde.files import fingerprint
from nephrograde.run.stage import kept_record
from nephrograde.sources.scan.lists import list_key, write_list
from nephrograde.volume.phase.evidence import Evidence
from nephrograde.volume.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.organs.enhancement import Enhancement
    from nephrograde.volume.volume import Volume

LOOK = 2
"""Increase whenever the same files would give another look, so that cached looks are not reused."""

THUMBNAIL_PX = 144
_SURE_OF_KIDNEYS = 0.5
"""From this quality on, the position of the kidneys also counts for other series."""


@dataclass(frozen=True, slots=True)
class SeriesLook:
    """What was seen in one series.

    Attributes:
        evidence: What the enhancement says about the phase; None if no kidney was found.
        kidneys_mm: Lowest and highest position of the kidneys, if they were found reliably.
        fault: Code of the reason why the series cannot be read; empty otherwise.
        pictures: PNG by view: "axial" at the height of the kidneys, "coronal" through their middle.
    """

    evidence: Evidence | None
    kidneys_mm: tuple[float, float] | None
    fault: str
    pictures: Mapping[str, bytes]


LookFunction: TypeAlias = Callable[[list[str], Path | None], SeriesLook]
"""Inspects one series, given the lines of its series list and the path of a TotalSegmentator label map, if any."""


def look_at_series(
    files: Mapping[str, Sequence[str]],
    looks_dir: Path,
    *,
    workers: int = 1,
    organs: Mapping[str, Path] | None = None,
    look: LookFunction | None = None,
) -> dict[str, SeriesLook]:
    """Inspect those of several series that were not inspected before.

    Args:
        files: Lines of a series list, by key of the series.
        looks_dir: Cache folder; file names are derived from the files' paths, sizes and times.
        workers: Series that are read concurrently; each holds one scan in memory.
        organs: Path of a TotalSegmentator label map, by key.
        look: Inspects one series; :func:`look_at_files` if None. Cached looks are used whatever made them.

    Returns:
        The looks by key. A series that cannot be read has ``fault`` set.

    Raises:
        VolumeError: If a label map of organs cannot be used.
    """
    given = organs or {}
    with ThreadPoolExecutor(workers) as pool:
        pending = {
            key: pool.submit(_look_once, list(lines), looks_dir, given.get(key), look or look_at_files)
            for key, lines in files.items()
        }
        return {key: one.result() for key, one in pending.items()}


def _look_once(files: list[str], looks_dir: Path, organs_path: Path | None, look: LookFunction) -> SeriesLook:
    stamp = None if organs_path is None else [str(organs_path), organs_path.stat().st_mtime_ns]
    look_path = looks_dir / f"{fingerprint([LOOK, list_key(files), stamp])}.json"
    return _from_json(kept_record(look_path, lambda: _to_json(look(files, organs_path)), is_current=_is_look))


def _is_look(content: Mapping[str, Any]) -> bool:
    """Whether a look can be read back; reading one of another version raises."""
    return isinstance(_from_json(content), SeriesLook)


def look_at_files(files: list[str], organs_path: Path | None) -> SeriesLook:
    """Read one series and inspect its kidneys.

    Args:
        files: Lines of a series list.
        organs_path: A TotalSegmentator label map; if None, the kidneys are searched for.

    Raises:
        VolumeError: If the label map cannot be used.
    """
    from nephrograde.organs.enhancement import judge_enhancement, measure_enhancement
    from nephrograde.organs.kidneys import read_organs
    from nephrograde.volume.read import read_volume

    with about_temporary_files(), tempfile.TemporaryDirectory(prefix="nephrograde-") as folder:
        list_path = Path(folder) / "list" / "one.series"
        try:
            write_list(list_path, files)
            volume = read_volume(list_path)
        except VolumeError as error:
            return SeriesLook(None, None, error.code, {})
        organs = None if organs_path is None else read_organs(organs_path, volume)
        enhancement = measure_enhancement(volume, organs)
        pictures = draw_pictures(volume, enhancement)
    if enhancement is None:
        return SeriesLook(None, None, "", pictures)
    is_sure = enhancement.quality >= _SURE_OF_KIDNEYS
    extent = enhancement.kidney_extent_mm if is_sure else None
    return SeriesLook(judge_enhancement(enhancement), extent, "", pictures)


def draw_pictures(volume: Volume, enhancement: Enhancement | None) -> dict[str, bytes]:
    """Draw an axial and a coronal plane through the middle of the kidneys, or of the scan if none were found.

    Args:
        volume: The scan.
        enhancement: Where the kidneys are; None if they were not found.

    Returns:
        PNG by view; the head is at the top of the coronal one.
    """
    from nephrograde.volume.thumbnail import thumbnail_png

    shape = volume.values.shape
    _, y, z = (length // 2 for length in shape)
    if enhancement is not None and enhancement.centers_mm:
        centers = [volume.to_index(center) for center in enhancement.centers_mm]
        y, z = (
            min(max(round(sum(center[axis] for center in centers) / len(centers)), 0), shape[axis] - 1)
            for axis in (1, 2)
        )
    step_x, step_y, step_z = volume.spacing_mm
    axial = volume.values[:, :, z].T
    coronal = volume.values[:, y, ::-1].T
    return {
        "axial": thumbnail_png(axial, pixel_mm=(step_y, step_x), width_px=THUMBNAIL_PX),
        "coronal": thumbnail_png(coronal, pixel_mm=(step_z, step_x), width_px=THUMBNAIL_PX),
    }


def _to_json(look: SeriesLook) -> dict[str, Any]:
    evidence = look.evidence
    return {
        "evidence": None if evidence is None else {"seen": evidence.seen.text, "likelihood": dict(evidence.likelihood)},
        "kidneys_mm": look.kidneys_mm,
        "fault": look.fault,
        "pictures": {view: base64.b64encode(png).decode("ascii") for view, png in look.pictures.items()},
    }


def _from_json(content: Mapping[str, Any]) -> SeriesLook:
    seen, extent = content["evidence"], content["kidneys_mm"]
    return SeriesLook(
        None if seen is None else Evidence(Statement.parse(seen["seen"]), seen["likelihood"]),
        None if extent is None else (float(extent[0]), float(extent[1])),
        content["fault"],
        {view: base64.b64decode(png) for view, png in content["pictures"].items()},
    )
