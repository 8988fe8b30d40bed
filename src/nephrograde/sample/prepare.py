"""Prepare every scan once: read, check, cut each arm's region, and keep it under a name made from its content."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.errors import RunError, VolumeError
from nephrograde.files import fingerprint, read_json, read_rows, replaced, sha256_of, write_json, write_rows
from nephrograde.sample.slices import cut_slices
from nephrograde.sample.target import find_target
from nephrograde.sample.tumour import cut_tumour
from nephrograde.vocabulary import Supervision
from nephrograde.volume.check import Finding, check_mask, check_volume, read_findings, write_findings
from nephrograde.volume.roi import measure_tumour
from nephrograde.volume.volume import read_mask, read_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from nephrograde.cohort.table import Case, Cohort, Scan
    from nephrograde.study import Arm, Study
    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.roi import Tumour
    from nephrograde.volume.volume import Volume

LAYOUT = 1
"""Raised whenever the same inputs would give another region, so that no old cache is read."""


@dataclass(frozen=True, slots=True)
class Region:
    """One arm's prepared region of one scan; ``file`` lies in the run's ``volumes`` folder.

    ``slices`` and ``center_mm`` (LPS) are text as in ``regions.csv``: ``12;17;20`` and ``x,y,z``. The tumour's
    volume (ml) and largest axial diameter (mm) are known only where there is a mask.
    """

    patient_id: str
    phase: str
    arm: str
    file: str
    slices: str
    center_mm: str
    tumour_volume_ml: float | None
    tumour_diameter_mm: float | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the prepare stage leaves: the regions, the findings, and the SHA-256 of every image and mask."""

    regions: tuple[Region, ...]
    findings: tuple[Finding, ...]
    inputs: Mapping[str, str]

    def files(self, arm: str, phase: str) -> dict[str, str]:
        """Patient id to region file, for one model."""
        return {
            region.patient_id: region.file for region in self.regions if region.arm == arm and region.phase == phase
        }


def prepare_cohort(
    cohort: Cohort, study: Study, *, volumes_dir: Path, advance: Callable[[], None] = lambda: None
) -> Prepared:
    """Prepare every scan of a cohort, in parallel; a scan that is already there is not read again.

    A scan with a fatal finding is left out and the others go on. Writes ``regions.csv`` and ``findings.csv``, and
    removes regions that no scan of this study refers to any more.

    Args:
        cohort: The patients with their scans.
        study: Which arms, which fields of view, which windows.
        volumes_dir: The run's ``volumes`` folder.
        advance: Called once a scan.
    """
    volumes_dir.mkdir(parents=True, exist_ok=True)

    def one(case: Case, scan: Scan) -> dict[str, Any]:
        record = _prepare_scan(case.patient_id, scan, study, volumes_dir)
        advance()
        return record

    scans = [(case, case.scans[phase]) for case in cohort.cases for phase in cohort.phases if phase in case.scans]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(one, case, scan) for case, scan in scans]
        try:
            records = [future.result() for future in futures]
        finally:  # after Ctrl-C the scans that have not been begun are let go
            pool.shutdown(cancel_futures=True)
    prepared = Prepared(
        regions=tuple(Region(**region) for record in records for region in record["regions"]),
        findings=tuple(Finding(**finding) for record in records for finding in record["findings"]),
        inputs={name: digest for record in records for name, digest in record["inputs"].items()},
    )
    _write_index(prepared, volumes_dir)
    _remove_stale(volumes_dir, keep={record["sidecar"] for record in records} | {r.file for r in prepared.regions})
    return prepared


def read_prepared(volumes_dir: Path) -> Prepared:
    """Read the index that :func:`prepare_cohort` left.

    Raises:
        RunError: Where the prepare stage has not run.
    """
    regions = [
        Region(
            **{name: row[name] for name in ("patient_id", "phase", "arm", "file", "slices", "center_mm")},
            tumour_volume_ml=float(row["tumour_volume_ml"]) if row["tumour_volume_ml"] else None,
            tumour_diameter_mm=float(row["tumour_diameter_mm"]) if row["tumour_diameter_mm"] else None,
        )
        for row in read_rows(volumes_dir / "regions.csv")
    ]
    missing = next((region.file for region in regions if not (volumes_dir / region.file).exists()), None)
    if missing is not None:
        raise RunError(f"{volumes_dir / missing} is missing. Run `nephrograde prepare` again.")
    findings = read_findings(volumes_dir / "findings.csv")
    return Prepared(tuple(regions), tuple(findings), read_json(volumes_dir / "inputs.json"))


def cut_region(
    volume: Volume, scan: Scan, mask: MaskArray | None, *, arm: Arm, study: Study
) -> tuple[npt.NDArray[np.float16], tuple[int, ...], tuple[float, float, float]]:
    """Cut the region one arm sees out of one scan; the study and a new patient go through here alike.

    Returns:
        Float16 ``(slice, 1, y, x)`` or ``(1, channel, x, y, z)``, the slice numbers (empty for a box), and the
        middle of the tumour in mm (LPS).

    Raises:
        VolumeError: Where the annotation is missing or outside.
    """
    target = find_target(
        volume, scan, mask, supervision=arm.supervision, assumed_tumour_mm=study.image.assumed_tumour_mm
    )
    window = study.window_of(scan.phase)
    if arm.slices:
        pictures, slices = cut_slices(volume, target, arm.slices, image=study.image, window=window)
        return pictures, slices, target.center_mm
    seen_mask = mask if arm.supervision is Supervision.MASK else None
    return cut_tumour(volume, seen_mask, target, image=study.image, window=window), (), target.center_mm


def region_settings(arm: Arm, phase: str, study: Study) -> dict[str, object]:
    """Everything of the study that shapes an arm's region on one phase."""
    return {
        "layout": LAYOUT,
        "supervision": arm.supervision,
        "slices": arm.slices,
        "image": study.image.model_dump(mode="json"),
        "window": study.window_of(phase).model_dump(mode="json"),
    }


def _prepare_scan(patient_id: str, scan: Scan, study: Study, volumes_dir: Path) -> dict[str, Any]:
    """One scan's record: its regions, findings and input hashes, from the sidecar where nothing has changed."""
    safe_id = re.sub(r"[^\w.-]+", "_", patient_id)[:40]
    inputs = {str(path): sha256_of(path) for path in (scan.image_path, scan.mask_path) if path and path.exists()}
    identity = [patient_id, scan.phase, sorted(inputs.values()), repr((scan.point, scan.box, scan.slice_place))]
    names = {
        arm.name: f"{safe_id}-{scan.phase}-{arm.name}."
        f"{fingerprint([identity, region_settings(arm, scan.phase, study)])[:16]}.npy"
        for arm in study.arm
    }
    sidecar_path = volumes_dir / f"{safe_id}-{scan.phase}.{fingerprint([identity, names])[:16]}.json"
    if sidecar_path.exists():
        record = read_json(sidecar_path)
        if all((volumes_dir / region["file"]).exists() for region in record["regions"]):
            return record | {"inputs": inputs}  # the same content may lie elsewhere by now
    scanned, findings = _read_scan(patient_id, scan)
    regions: list[Region] = []
    if scanned is not None:
        for arm in study.arm:
            region_path = volumes_dir / names[arm.name]
            try:
                regions.append(_cut_arm(patient_id, scan, scanned, arm=arm, study=study, region_path=region_path))
            except VolumeError as error:
                if scan.mask_path is None or scanned.mask is not None:  # else the broken mask has been named already
                    findings.append(_finding(patient_id, scan.phase, error, f"arm {arm.name}: "))
    record = {
        "sidecar": sidecar_path.name,
        "inputs": inputs,
        "regions": [asdict(region) for region in regions],
        "findings": [asdict(finding) for finding in findings],
    }
    write_json(sidecar_path, record)
    return record


@dataclass(frozen=True, slots=True)
class _Scanned:
    volume: Volume
    mask: MaskArray | None
    tumour: Tumour | None


def _finding(patient_id: str, phase: str, error: VolumeError, prefix: str = "") -> Finding:
    return Finding(patient_id, phase, error.code, "fatal", prefix + error.message, error.remedy)


def _read_scan(patient_id: str, scan: Scan) -> tuple[_Scanned | None, list[Finding]]:
    try:
        volume = read_volume(scan.image_path)
        findings = [Finding(patient_id, scan.phase, *problem) for problem in check_volume(volume)]
    except VolumeError as error:
        return None, [_finding(patient_id, scan.phase, error)]
    if scan.mask_path is None:
        return _Scanned(volume, None, None), findings
    try:
        mask = read_mask(scan.mask_path, volume)
        findings += [
            Finding(patient_id, scan.phase, *problem) for problem in check_mask(mask, mask_path=scan.mask_path)
        ]
    except VolumeError as error:
        return _Scanned(volume, None, None), [*findings, _finding(patient_id, scan.phase, error)]
    return _Scanned(volume, mask, measure_tumour(mask, volume)), findings


def _cut_arm(patient_id: str, scan: Scan, scanned: _Scanned, *, arm: Arm, study: Study, region_path: Path) -> Region:
    pictures, slices, center_mm = cut_region(scanned.volume, scan, scanned.mask, arm=arm, study=study)
    with replaced(region_path) as temporary_path:
        np.save(temporary_path, pictures)
    return Region(
        patient_id=patient_id,
        phase=scan.phase,
        arm=arm.name,
        file=region_path.name,
        slices=";".join(map(str, slices)),
        center_mm=",".join(f"{value:.2f}" for value in center_mm),
        tumour_volume_ml=scanned.tumour.volume_ml if scanned.tumour else None,
        tumour_diameter_mm=scanned.tumour.diameter_mm if scanned.tumour else None,
    )


def _write_index(prepared: Prepared, volumes_dir: Path) -> None:
    write_rows(
        volumes_dir / "regions.csv", list(Region.__dataclass_fields__), (asdict(region) for region in prepared.regions)
    )
    write_findings(prepared.findings, volumes_dir / "findings.csv")
    write_json(volumes_dir / "inputs.json", dict(prepared.inputs))


def _remove_stale(volumes_dir: Path, keep: Iterable[str]) -> None:
    kept = {*keep, "regions.csv", "findings.csv", "inputs.json"}
    for path in volumes_dir.iterdir():
        if path.name not in kept:
            path.unlink()
