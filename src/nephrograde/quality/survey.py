"""Checks all scans of a cohort, each once: findings, counts and a thumbnail of every scan, as files.

``quality.csv`` has the columns of ``findings.csv``, ``counts.csv`` the patients available for every phase and model,
``scans.csv`` one row per scan with its picture in ``thumbs/``, and ``quality.json`` what the page says at its top. The
results for a scan are kept in ``cache/`` under a hash of its files, so that a second check takes seconds.
"""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.crew import Crew
from nephrograde.errors import VolumeError
from nephrograde.files import fingerprint, write_json, write_rows
from nephrograde.quality.acquisition import read_acquisition, read_person_marks
from nephrograde.quality.cohort_quality import examine_cohort
from nephrograde.quality.regions import ShownRegion, find_regions
from nephrograde.quality.scan_quality import ScanQuality, examine_pictures, examine_scan
from nephrograde.replacement import remove_ours, replaced
from nephrograde.run.quality_folder import QualityFolder
from nephrograde.run.stage import kept_record
from nephrograde.sample.inputs import names_path_of
from nephrograde.sample.kidneys import read_kidneys
from nephrograde.sample.places import check_place
from nephrograde.sample.region import region_settings
from nephrograde.sample.scanned import fault_of_state, read_scan
from nephrograde.staging import staged
from nephrograde.volume.finding import Fault, as_fault, in_column, write_findings
from nephrograde.volume.image_files import sha256_of_image
from nephrograde.volume.pictures import find_pictures
from nephrograde.volume.thumbnail import thumbnail_png
from nephrograde.volume.volume import resolve_box, resolve_point, resolve_slice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nephrograde.cohort.case import Cohort, Scan
    from nephrograde.quality.cohort_quality import CohortQuality, ScanKey
    from nephrograde.study import Study
    from nephrograde.vocabulary import MaskArray, Triple
    from nephrograde.volume.finding import Finding
    from nephrograde.volume.volume import Volume

CHECKS = 9
"""Raised whenever the same scan would give other faults or another picture, so that no old record is read."""
MOST_AT_ONCE = 8
"""Each scan is in memory, with copies."""
SCAN_COLUMNS = (
    "patient_id",
    "phase",
    "grade",
    "is_high",
    "size",
    "spacing_mm",
    "kernel",
    "supervision",
    "regions",
    "thumb",
)
_KEPT = re.compile(r"[0-9a-f]{20}\.(json|png)")
COUNT_COLUMNS = ("what", "name", "n", "low", "high", "grade_1", "grade_2", "grade_3", "grade_4")


def check_quality(
    cohort: Cohort,
    study: Study,
    quality_dir: Path,
    *,
    table_findings: Sequence[Finding] = (),
    advance: Callable[[], None] = lambda: None,
) -> CohortQuality:
    """Check all scans of a cohort, in parallel, and write the results.

    A scan that cannot be read becomes a finding and the others continue. What the headers say about a person is
    compared in memory, and neither written nor kept.

    Args:
        cohort: The patients with their scans.
        study: Its arms and phases.
        quality_dir: Where to write; created if missing.
        table_findings: What is suspect about the table itself, and who has no scan.
        advance: Called once per scan.

    Returns:
        Findings and counts, as written.
    """
    folder = QualityFolder(quality_dir)
    scans = {
        (case.patient_id, phase): case.scans[phase]
        for case in cohort.cases
        for phase in cohort.phases
        if phase in case.scans
    }

    with Crew(MOST_AT_ONCE, finished=advance) as crew:
        seen = crew.each(_look_over, [(scan, study, folder) for scan in scans.values()])
        found = dict(zip(scans, seen, strict=True))
    quality = examine_cohort(
        cohort,
        study,
        {key: one_quality for key, (_, one_quality) in found.items()},
        marks={key: read_person_marks(scan.image_path) for key, scan in scans.items()},
        table_findings=table_findings,
    )
    names = {key: name for key, (name, _) in found.items()}
    with staged():
        _write(quality, cohort, study, names=names, folder=folder)
    for kept_dir, suffix in ((folder.cache_dir, ".json"), (folder.thumbs_dir, ".png")):
        remove_ours(kept_dir, _KEPT.fullmatch, keep={f"{name}{suffix}" for name in names.values()})
    return quality


def _look_over(scan: Scan, study: Study, folder: QualityFolder) -> tuple[str, ScanQuality]:
    """The name of a scan's record, and the record: kept from before where nothing has changed."""
    beside = (scan.mask_path, scan.kidneys_path, names_path_of(scan, study))
    paths = [*scan.image_paths, *(path for path in beside if path is not None)]
    contents = [sha256_of_image(path) if path.exists() else "" for path in paths]
    places = repr((scan.point, scan.box, scan.slice_place)) + scan.state
    shown = [[arm.name, region_settings(arm, scan.phase, study)] for arm in study.arms_on(scan.phase)]
    masks = study.masks.model_dump()
    name = fingerprint([CHECKS, scan.phase, contents, list(map(str, paths)), places, masks, shown])[:20]
    picture_path = folder.thumbs_dir / f"{name}.png"

    def make() -> dict[str, Any]:
        quality, picture = _examine(scan, study)
        if picture:
            with replaced(picture_path) as temporary_path:
                temporary_path.write_bytes(picture)
        return asdict(quality)

    def is_current(record: dict[str, Any]) -> bool:
        return picture_path.exists() or not _from_record(record).is_readable

    return name, _from_record(kept_record(folder.cache_dir / f"{name}.json", make, is_current=is_current))


def _examine(scan: Scan, study: Study) -> tuple[ScanQuality, bytes]:
    if (left_out := fault_of_state(scan)) is not None:
        return ScanQuality(scan.phase, (left_out,)), b""
    if picture_paths := find_pictures(scan.image_paths):
        return _examine_pictures(picture_paths, scan.phase)
    scanned, faults = read_scan(scan, None, study)
    if scanned is None or scanned.volume is None:
        return ScanQuality(scan.phase, tuple(faults)), b""
    volume, mask = scanned.volume, scanned.mask
    quality = examine_scan(volume, mask, phase=scan.phase, acquisition=read_acquisition(scan.image_path))
    misplaced = _check_places(scan, scanned.scan, volume)
    places = _place_indices(scanned.scan, volume)
    given = [kind for kind in places if kind not in misplaced] + ([] if mask is None else ["mask"])
    known = {fault.code for fault in quality.faults}
    further = [fault for fault in faults if fault.code not in known] + [*misplaced.values()]
    if scan.kidneys_path is not None:
        fault = _check_kidney_mask(scan.kidneys_path, volume)
        further += in_column([fault], f"{scan.phase}_kidneys") if fault else []
        quality = replace(quality, has_kidneys=fault is None)
    quality = replace(quality, faults=(*quality.faults, *further), supervision=tuple(given))
    k = _slice_shown(places, volume, mask, quality)
    if given:
        x, y, _ = volume.grid.size
        quality = replace(quality, place_z_mm=volume.to_mm(((x - 1) / 2, (y - 1) / 2, k))[2])
    regions, marks = find_regions(scanned, study, k)
    picture = thumbnail_png(
        volume.values[:, :, k].T,
        pixel_mm=(volume.spacing_mm[1], volume.spacing_mm[0]),
        outline=None if mask is None else mask[:, :, k].T,
        marks=marks,
    )
    return replace(quality, regions=regions), picture


def _examine_pictures(picture_paths: Sequence[Path], phase: str) -> tuple[ScanQuality, bytes]:
    quality, shown = examine_pictures(picture_paths, phase=phase)
    if shown is None:
        return quality, b""
    height_mm, width_mm = (shown.pixel_mm[1], shown.pixel_mm[0]) if shown.pixel_mm else (1.0, 1.0)
    if shown.is_hu:
        return quality, thumbnail_png(shown.values.T, pixel_mm=(height_mm, width_mm))
    return quality, thumbnail_png(shown.values.T, pixel_mm=(height_mm, width_mm), window_hu=(0.0, 1.0))


def _check_places(scan: Scan, seeded: Scan, volume: Volume) -> dict[str, Fault]:
    """The faults of the places in the table, or of the seed point of the mask file, by kind."""
    found = {}
    for kind, place in (("slice", seeded.slice_place), ("point", seeded.point), ("box", seeded.box)):
        fault = None if place is None else check_place(place, volume)
        if fault is not None:
            is_seed = kind == "point" and scan.point is None
            found[kind] = fault._replace(column=f"{scan.phase}_{'mask' if is_seed else kind}")
    return found


def _check_kidney_mask(mask_path: Path, volume: Volume) -> Fault | None:
    try:
        read_kidneys(mask_path, volume)
    except VolumeError as error:
        return as_fault(error)
    return None


def _place_indices(scan: Scan, volume: Volume) -> dict[str, Triple]:
    """The middle of each place in the table, or of the seed point of the mask file, as an index."""
    found = {}
    middle = [(n - 1) / 2 for n in volume.grid.size]
    if scan.slice_place is not None:
        found["slice"] = (middle[0], middle[1], float(round(resolve_slice(scan.slice_place, volume))))
    if scan.point is not None:
        found["point"] = volume.to_index(resolve_point(scan.point, volume))
    if scan.box is not None:
        x, y, z = np.mean([volume.to_index(corner) for corner in resolve_box(scan.box, volume)], axis=0)
        found["box"] = (float(x), float(y), float(z))
    return found


def _slice_shown(places: dict[str, Triple], volume: Volume, mask: MaskArray | None, quality: ScanQuality) -> int:
    """Return the slice with most tumour, else the one named in the table, else one through the kidneys or middle."""
    if mask is not None:
        return int(mask.sum(axis=(0, 1)).argmax())
    for kind in ("slice", "box", "point"):
        if kind in places and kind in quality.supervision:
            return int(np.clip(round(places[kind][2]), 0, volume.grid.size[2] - 1))
    return volume.grid.size[2] // 2 if quality.kidney_level is None else quality.kidney_level


def _from_record(record: dict[str, Any]) -> ScanQuality:
    x, y, z = record["size"]
    x_mm, y_mm, z_mm = record["spacing_mm"]
    return ScanQuality(
        phase=record["phase"],
        faults=tuple(Fault(*fault) for fault in record["faults"]),
        size=(x, y, z),
        spacing_mm=(x_mm, y_mm, z_mm),
        marks=record["marks"],
        kernels=tuple(record["kernels"]),
        kidney_level=record["kidney_level"],
        supervision=tuple(record["supervision"]),
        regions=tuple(ShownRegion(tuple(arms), tuple(edges), style) for arms, edges, style in record["regions"]),
        is_volume=record["is_volume"],
        has_kidneys=record["has_kidneys"],
        place_z_mm=record["place_z_mm"],
    )


def _write(
    quality: CohortQuality, cohort: Cohort, study: Study, *, names: dict[ScanKey, str], folder: QualityFolder
) -> None:
    cases = {case.patient_id: case for case in cohort.cases}
    write_findings(quality.findings, folder.findings_path)
    write_rows(
        folder.counts_path,
        COUNT_COLUMNS,
        (
            {"what": count.what, "name": count.name, "n": count.n, "low": count.low, "high": count.high}
            | {f"grade_{grade}": number for grade, number in enumerate(count.grades or (), start=1)}
            for count in quality.counts
        ),
    )
    write_rows(
        folder.scans_path,
        SCAN_COLUMNS,
        (
            {
                "patient_id": key[0],
                "phase": key[1],
                "grade": cases[key[0]].grade,
                "is_high": int(cases[key[0]].is_high),
                "size": " × ".join(map(str, one.size)) if one.is_readable else "",
                "spacing_mm": " × ".join(f"{step:.2f}" for step in one.spacing_mm) if any(one.spacing_mm) else "",
                "kernel": "/".join(one.kernels),
                "supervision": ";".join(one.supervision),
                "regions": ";".join(region.text for region in one.regions),
                "thumb": f"{folder.thumbs_dir.name}/{names[key]}.png" if one.is_readable else "",
            }
            for key, one in quality.scans.items()
        ),
    )
    write_json(
        folder.summary_path,
        {"study": study.name, "synthetic": study.synthetic, "phases": cohort.phases, "patients": len(cohort.cases)},
    )
