"""Prepare every scan once: read it, check it, cut each arm's region, and cache it under a hash of its content."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.errors import RunError, VolumeError
from nephrograde.files import finite, read_json, read_rows, sha256_of, write_json, write_rows
from nephrograde.replacement import make_folder, replaced
from nephrograde.run.stage import kept_name, kept_record, remove_stale, require_finished, written_together
from nephrograde.sample.human_error import HumanError, error_sizes_mm
from nephrograde.sample.inputs import Digests, digests_of, identity_of, kidneys_digest_of, shape_of
from nephrograde.sample.pictures import cut_pictures
from nephrograde.sample.region import Views, region_settings
from nephrograde.sample.scanned import find_lender, read_scan
from nephrograde.sample.target import uses_mask
from nephrograde.vocabulary import Supervision
from nephrograde.volume.finding import Finding, as_fault, as_finding, in_column, read_findings, write_findings
from nephrograde.volume.masks.labels import find_names_file
from nephrograde.volume.masks.tumours import TumourRow, tumour_rows, write_tumours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nephrograde.cohort.case import Case, Cohort, Scan
    from nephrograde.run.folder import RunFolder
    from nephrograde.sample.scanned import Scanned
    from nephrograde.study import Arm, Study
    from nephrograde.volume.finding import Fault

MOST_NAME_CHARACTERS = 255
"""Longer names of files do not exist, and asking for one is an error of the system."""
RECORD = 5
"""Raised whenever the same scan would give another record of it, such as other findings, from the same regions."""


@dataclass(frozen=True, slots=True)
class Region:
    """One arm's prepared region of one scan; ``file`` is in the run's ``volumes`` folder.

    ``slices`` and ``center_mm`` (LPS) are text as in ``regions.csv``: ``12;17;20`` and ``x,y,z``. The tumour's
    volume (ml) and largest axial diameter (mm) are known only if a mask was drawn on this very scan, and so is
    ``tumour_rows``, like ``1;0;1``: which slices show the tumour. It is empty for boxes, too.
    """

    patient_id: str
    phase: str
    arm: str
    file: str
    slices: str
    center_mm: str
    tumour_volume_ml: float | None
    tumour_diameter_mm: float | None
    tumour_rows: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the prepare stage leaves: the regions, the findings, and the SHA-256 of every image and mask.

    The files go by :func:`~nephrograde.sample.inputs.input_name`, as in the lock file.
    """

    regions: tuple[Region, ...]
    findings: tuple[Finding, ...]
    inputs: Mapping[str, str]

    def files(self, arm: str, phase: str) -> dict[str, str]:
        """Return the region file by patient id, for one model."""
        return {region.patient_id: region.file for region in self._of(arm, phase)}

    def slices(self, arm: str, phase: str) -> dict[str, tuple[int, ...]]:
        """Return the slice number of each picture by patient id, for one model; empty for boxes."""
        return {region.patient_id: _numbers(region.slices) for region in self._of(arm, phase)}

    def tumour_rows(self, arm: str, phase: str) -> dict[str, tuple[bool, ...]]:
        """Return which slices show the tumour by patient id, for one model; only patients where that is known."""
        return {one.patient_id: _flags(one.tumour_rows) for one in self._of(arm, phase) if one.tumour_rows}

    def _of(self, arm: str, phase: str) -> Iterator[Region]:
        return (region for region in self.regions if region.arm == arm and region.phase == phase)


def prepare_cohort(
    cohort: Cohort, study: Study, *, run: RunFolder, advance: Callable[[], None] = lambda: None
) -> Prepared:
    """Prepare every scan of a cohort, in parallel; scans already in the cache are not read again.

    A scan with a fatal finding is excluded and the others continue. Writes ``regions.csv``, ``findings.csv`` and
    ``tumours.csv`` (every tumour in every drawn mask), and removes regions that no scan of this study refers to any
    more.

    Args:
        cohort: The patients with their scans.
        study: The arms, fields of view and windows.
        run: The run folder.
        advance: Called once per scan.
    """
    error_mm = error_sizes_mm(study)
    make_folder(run.volumes_dir)

    def one(case: Case, scan: Scan) -> dict[str, Any]:
        record = _prepare_scan(case, scan, study, error_mm=error_mm, volumes_dir=run.volumes_dir)
        advance()
        return record

    scans = [(case, case.scans[phase]) for case in cohort.cases for phase in cohort.phases if phase in case.scans]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(one, case, scan) for case, scan in scans]
        try:
            records = [future.result() for future in futures]
        finally:  # after Ctrl-C, scans that have not started are cancelled
            pool.shutdown(cancel_futures=True)
    prepared = Prepared(
        regions=tuple(Region(**region) for record in records for region in record["regions"]),
        findings=tuple(Finding(**finding) for record in records for finding in record["findings"]),
        inputs={name: digest for record in records for name, digest in record["inputs"].items()},
    )
    named = (run.regions_path, run.tumours_path, run.image_inputs_path)  # radiomics may add to the findings
    with written_together("prepare", run, files=named):
        _write_index(prepared, run)
        write_tumours((TumourRow(**row) for record in records for row in record["tumours"]), run.tumours_path)
    remove_stale(run.volumes_dir, {record["sidecar"] for record in records} | {r.file for r in prepared.regions})
    return prepared


def read_prepared(run: RunFolder) -> Prepared:
    """Read the index written by :func:`prepare_cohort`.

    Raises:
        RunError: If the prepare stage has not run, was interrupted while it replaced its index, or what it wrote is
            damaged.
    """
    require_finished(run, "prepare")
    try:
        regions = [
            Region(
                **{name: row[name] for name in ("patient_id", "phase", "arm", "file", "center_mm")},
                slices=";".join(map(str, _numbers(row["slices"]))),
                tumour_volume_ml=finite(row["tumour_volume_ml"]) if row["tumour_volume_ml"] else None,
                tumour_diameter_mm=finite(row["tumour_diameter_mm"]) if row["tumour_diameter_mm"] else None,
                tumour_rows=";".join(str(int(met)) for met in _flags(row["tumour_rows"])),
            )
            for row in read_rows(run.regions_path, Region.__dataclass_fields__)
        ]
    except ValueError as error:
        raise RunError(f"{run.regions_path} is damaged ({error}). Run `nephrograde prepare` again.") from None
    missing = next((one.file for one in regions if not is_region_file(run, one.file)), None)
    if missing is not None:
        raise RunError(f"{run.volumes_dir / missing} is missing. Run `nephrograde prepare` again.")
    findings = read_findings(run.findings_path)
    return Prepared(tuple(regions), tuple(findings), read_json(run.image_inputs_path))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(";")) if text else ()


def _flags(text: str) -> tuple[bool, ...]:
    flags = _numbers(text)
    if not set(flags) <= {0, 1}:
        raise ValueError(f"{text} does not say which slices show the tumour")
    return tuple(flag == 1 for flag in flags)


def is_region_file(run: RunFolder, name: str) -> bool:
    """Whether the name in ``regions.csv`` is that of a file in the run's own folder of volumes.

    Args:
        run: The run folder.
        name: As in the column ``file``.
    """
    return name == Path(name).name and len(name) <= MOST_NAME_CHARACTERS and (run.volumes_dir / name).is_file()


def _prepare_scan(
    case: Case, scan: Scan, study: Study, *, error_mm: Mapping[Supervision, float], volumes_dir: Path
) -> dict[str, Any]:
    """One scan's record: its regions, findings and input hashes, from the sidecar where nothing has changed."""
    own = digests_of(case.patient_id, scan)
    names_path = find_names_file(scan.mask_path) if scan.mask_path and study.masks.label else None
    inputs = own | ({f"{scan.phase}_mask {case.patient_id} names": sha256_of(names_path)} if names_path else {})
    kidneys = kidneys_digest_of(case.patient_id, scan, study)
    inputs |= kidneys
    lender = find_lender(case.scans, scan, study, study.arms_on(scan.phase))
    lent = sorted(digests_of(case.patient_id, lender).values()) if lender else []
    error = HumanError(error_mm, study.annotation.seed, case.patient_id, scan.phase)
    identity = identity_of(case.patient_id, scan, own)
    digests = Digests(own, kidneys)
    arms = study.arms_on(scan.phase)
    shapes = {arm.name: shape_of(case.patient_id, scan, arm, study, error=error, digests=digests) for arm in arms}
    settings = {arm.name: region_settings(arm, scan.phase, study) for arm in arms}
    lent_by = [lender.phase, *lent] if lender else []
    shaping = [RECORD, identity, settings, study.masks.model_dump(mode="json"), sorted(inputs.values()), lent_by]
    if error_mm:
        shaping.append([error_mm, error.seed])
    sidecar = kept_name(case.patient_id, scan.phase, shaping, ".json")

    def make() -> dict[str, Any]:
        scanned, faults = read_scan(scan, lender, study)
        record: dict[str, Any] = {
            "sidecar": sidecar,
            "inputs": inputs,
            "regions": [],
            "findings": [asdict(as_finding(fault, case.patient_id, scan.phase)) for fault in faults],
            "tumours": [],
        }
        if scanned is None:
            return record
        record["tumours"] = [asdict(row) for row in tumour_rows(case.patient_id, scan.phase, scanned.pieces)]
        views = Views(scanned, study, error=error)
        for arm in arms:
            borrowed = [[scanned.choice, lent]] if scanned.choice and uses_mask(scan, arm.supervision) else []
            shape = [*shapes[arm.name], *borrowed]
            file = kept_name(case.patient_id, f"{scan.phase}-{arm.name}", shape, ".npy")
            try:
                record["regions"].append(asdict(_cut_arm(case.patient_id, views, arm, volumes_dir / file)))
            except VolumeError as caught:
                fault = _fault_of_arm(caught, scanned, arm)
                record["findings"] += [asdict(as_finding(one, case.patient_id, scan.phase)) for one in fault]
        return record

    def is_current(record: dict[str, Any]) -> bool:
        return all((volumes_dir / region["file"]).exists() for region in record["regions"])

    record = kept_record(volumes_dir / sidecar, make, is_current=is_current)
    return record | {"inputs": inputs}


def _fault_of_arm(error: VolumeError, scanned: Scanned, arm: Arm) -> list[Fault]:
    """What kept a scan from an arm; nothing where the broken mask has been named already."""
    if scanned.lacks_mask and error.code == "annotation-missing":
        return []
    fault = as_fault(error)._replace(message=f"arm {arm.name}: {error.message}")
    phase = scanned.scan.phase
    if scanned.volume is None:
        return in_column([fault], f"{phase}_image")
    is_of_kidneys = arm.supervision is Supervision.NONE and scanned.scan.kidneys_path is not None
    return in_column([fault], f"{phase}_kidneys") if is_of_kidneys else [fault]


def _cut_arm(patient_id: str, views: Views, arm: Arm, region_path: Path) -> Region:
    scanned = views.scanned
    if scanned.volume is None:
        pictures, slices, center_mm = cut_pictures(scanned.scan, arm=arm, study=views.study)
    else:
        pictures, slices, center_mm = views.cut(scanned.volume, arm)
    with replaced(region_path) as temporary_path:
        np.save(temporary_path, pictures)
    volume_ml, diameter_mm = scanned.size or (None, None)
    return Region(
        patient_id=patient_id,
        phase=scanned.scan.phase,
        arm=arm.name,
        file=region_path.name,
        slices=";".join(map(str, slices)),
        center_mm=",".join(f"{value:.2f}" for value in center_mm),
        tumour_volume_ml=volume_ml,
        tumour_diameter_mm=diameter_mm,
        tumour_rows=";".join(str(int(met)) for met in views.meetings(arm)),
    )


def _write_index(prepared: Prepared, run: RunFolder) -> None:
    write_rows(run.regions_path, list(Region.__dataclass_fields__), (asdict(region) for region in prepared.regions))
    write_findings(prepared.findings, run.findings_path)
    write_json(run.image_inputs_path, dict(prepared.inputs))
