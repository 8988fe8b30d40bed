"""Prepare every scan once: read it, check it, cut each arm's region, and cache it under a hash of its content."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.errors import RunError, VolumeError
from nephrograde.files import finite, read_json, read_rows, sha256_of, write_json, write_rows
from nephrograde.replacement import make_folder, replaced
from nephrograde.run.stage import kept_name, kept_record, remove_stale, require_finished, written_together
from nephrograde.sample.early import cut_early, early_settings, place_region
from nephrograde.sample.human_error import HumanError, error_sizes_mm
from nephrograde.sample.inputs import Digests, digests_of, divided, identity_of, kidneys_digest_of, shape_of
from nephrograde.sample.pictures import cut_pictures
from nephrograde.sample.region import Views, fault_of_arm, region_settings
from nephrograde.sample.scanned import find_lender, read_scan
from nephrograde.sample.target import uses_mask
from nephrograde.threads import one_processor_each
from nephrograde.vocabulary import TOGETHER, together
from nephrograde.volume.finding import Finding, as_finding, read_findings, write_findings
from nephrograde.volume.masks.labels import find_names_file
from nephrograde.volume.masks.tumours import TumourRow, tumour_rows, write_tumours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from nephrograde.cohort.case import Case, Cohort, Scan
    from nephrograde.run.folder import RunFolder
    from nephrograde.study import Arm, Study, StudyModel
    from nephrograde.vocabulary import Supervision, Triple

MOST_NAME_CHARACTERS = 255
"""Longer names of files do not exist, and asking for one is an error of the system."""
RECORD = 5
"""Raised whenever the same scan would give another record of it, such as other findings, from the same regions."""


@dataclass(frozen=True, slots=True)
class Region:
    """One arm's prepared region of one scan; ``file`` is in the run's ``volumes`` folder.

    In early fusion, it is that of one patient: ``phase`` names the phases that it shows, such as ``cmp+up``, and
    everything else is about the scan that the region was placed on; only the size may come from another of them.

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
        """Return the region file by patient id, for an arm on a phase, or in early fusion on phases together."""
        return {region.patient_id: region.file for region in self._of(arm, phase)}

    def slices(self, arm: str, phase: str) -> dict[str, tuple[int, ...]]:
        """Return the slice number of each picture by patient id, for one model; empty for boxes."""
        return {region.patient_id: _numbers(region.slices) for region in self._of(arm, phase)}

    def tumour_rows(self, arm: str, phase: str) -> dict[str, tuple[bool, ...]]:
        """Return which slices show the tumour by patient id, for one model; only patients where that is known."""
        return {one.patient_id: _flags(one.tumour_rows) for one in self._of(arm, phase) if one.tumour_rows}

    def patients(self, model: StudyModel) -> dict[str, set[str]]:
        """Return the patients of a model who have each of its phases.

        Args:
            model: The model.
        """
        shown = [(one.patient_id, one.phase.split(TOGETHER)) for one in self.regions if one.arm == model.arm.name]
        return {phase: {patient for patient, phases in shown if phase in phases} for phase in model.phases}

    def _of(self, arm: str, phase: str) -> Iterator[Region]:
        # All regions of an arm of early fusion are those of its one model, whichever phases a patient has.
        is_early = TOGETHER in phase
        return (region for region in self.regions if region.arm == arm and (is_early or region.phase == phase))


def prepare_cohort(
    cohort: Cohort, study: Study, *, run: RunFolder, advance: Callable[[], None] = lambda: None
) -> Prepared:
    """Prepare every scan of a cohort, in parallel; scans already in the cache are not read again.

    An arm of early fusion has one region per patient, from the scans of its phases. A scan with a fatal finding is
    excluded and the others continue. Writes ``regions.csv``, ``findings.csv`` and ``tumours.csv`` (every tumour in
    every drawn mask), and removes regions that no scan of this study refers to any more.

    Args:
        cohort: The patients with their scans.
        study: The arms, fields of view and windows.
        run: The run folder.
        advance: Called as many times as :func:`count_steps` says.
    """
    records = prepare_patients(cohort, study, run.volumes_dir, advance=advance)
    prepared = Prepared(
        regions=tuple(Region(**region) for record in records for region in record["regions"]),
        findings=tuple(dict.fromkeys(Finding(**finding) for record in records for finding in record["findings"])),
        inputs={name: digest for record in records for name, digest in record["inputs"].items()},
    )
    named = (run.regions_path, run.tumours_path, run.image_inputs_path)  # radiomics may add to the findings
    with written_together("prepare", run, files=named):
        _write_index(prepared, run)
        write_tumours((TumourRow(**row) for record in records for row in record["tumours"]), run.tumours_path)
    remove_stale(run.volumes_dir, {record["sidecar"] for record in records} | {r.file for r in prepared.regions})
    return prepared


def prepare_patients(
    cohort: Cohort, study: Study, volumes_dir: Path, *, advance: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    """Prepare the scans of patients, and return the record of each, and of each patient of each arm of early fusion.

    Files that belong to the whole cohort are neither written nor removed, so that several processes can prepare others
    at the same time; arguments as of :func:`prepare_cohort`.
    """
    error_mm = error_sizes_mm(study)
    make_folder(volumes_dir)

    def one(case: Case, scan: Scan) -> dict[str, Any]:
        record = _prepare_scan(case, scan, study, error_mm=error_mm, volumes_dir=volumes_dir)
        advance()
        return record

    def early(case: Case, arm: Arm, inputs: Mapping[tuple[str, str], Mapping[str, str]]) -> dict[str, Any]:
        own = {phase: inputs[case.patient_id, phase] for phase in case.scans if (case.patient_id, phase) in inputs}
        record = _prepare_early(case, arm, study, inputs=own, error_mm=error_mm, volumes_dir=volumes_dir)
        advance()
        return record

    scans = [(case, case.scans[phase]) for case in cohort.cases for phase in cohort.phases if phase in case.scans]
    with one_processor_each(), ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(one, case, scan) for case, scan in scans]
        try:
            records = [future.result() for future in futures]
            read = {
                (case.patient_id, scan.phase): record["inputs"]
                for (case, scan), record in zip(scans, records, strict=True)
            }
            futures = [pool.submit(early, case, arm, read) for case, arm in _joined(cohort, study)]
            sizes = _sizes(records)
            return records + [_with_size(future.result(), sizes) for future in futures]
        finally:  # after Ctrl-C, scans that have not started are cancelled
            pool.shutdown(cancel_futures=True)


def count_steps(cohort: Cohort, study: Study) -> int:
    """Count what :func:`prepare_cohort` does one by one: each scan, and each patient of each arm of early fusion.

    Args:
        cohort: The patients with their scans.
        study: The arms.
    """
    return cohort.n_scans + len(_joined(cohort, study))


def _joined(cohort: Cohort, study: Study) -> list[tuple[Case, Arm]]:
    """Each patient with at least one of the phases of each arm of early fusion."""
    arms = [arm for arm in study.arm if arm.fusion == "early"]
    return [(case, arm) for case in cohort.cases for arm in arms if any(phase in case.scans for phase in arm.phases)]


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
    arms = [arm for arm in study.arms_on(scan.phase) if arm.fusion != "early"]
    lender = find_lender(case.scans, scan, study, arms)
    lent = sorted(digests_of(case.patient_id, lender).values()) if lender else []
    error = HumanError(error_mm, study.annotation.seed, case.patient_id, scan.phase)
    identity = identity_of(case.patient_id, scan, own)
    digests = Digests(own, kidneys)
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
                fault = fault_of_arm(caught, scanned, arm)
                record["findings"] += [asdict(as_finding(one, case.patient_id, scan.phase)) for one in fault]
        return record

    record = kept_record(volumes_dir / sidecar, make, is_current=partial(_has_regions, volumes_dir))
    return record | {"inputs": inputs}


def _prepare_early(
    case: Case,
    arm: Arm,
    study: Study,
    *,
    inputs: Mapping[str, Mapping[str, str]],
    error_mm: Mapping[Supervision, float],
    volumes_dir: Path,
) -> dict[str, Any]:
    """The record of a patient for an arm of early fusion: one region of all phases, and the findings of the arm.

    ``inputs`` are the SHA-256 of what was read of each scan of the patient.
    """
    scans = [case.scans[phase] for phase in arm.phases if phase in case.scans]
    errors = {scan.phase: HumanError(error_mm, study.annotation.seed, case.patient_id, scan.phase) for scan in scans}
    lenders = {scan.phase: find_lender(case.scans, scan, study, [arm]) for scan in scans}
    lent = {phase: [lender.phase, sorted(inputs[lender.phase].values())] for phase, lender in lenders.items() if lender}
    shape: list[object] = [early_settings(arm)]
    for scan in scans:
        digests = divided(case.patient_id, scan.phase, inputs[scan.phase])
        shape.append(shape_of(case.patient_id, scan, arm, study, error=errors[scan.phase], digests=digests))
    name = f"{together(arm.phases)}-{arm.name}"
    read = [sorted(own.values()) for own in inputs.values()]
    sidecar = kept_name(
        case.patient_id, name, [RECORD, *shape, study.masks.model_dump(mode="json"), lent, read], ".json"
    )

    def make() -> dict[str, Any]:
        placed = place_region(scans, lenders, arm, study, errors=errors)
        faults, regions = list(placed.faults), []
        if placed.views is not None:
            scanned = placed.views.scanned
            region = cut_early(placed.views, arm, placed.others, is_hu=placed.is_hu)
            faults += region.faults
            reads_mask = scanned.choice and uses_mask(scanned.scan, arm.supervision)
            borrowed = [[scanned.scan.phase, scanned.choice, lent.get(scanned.scan.phase)]] if reads_mask else []
            path = volumes_dir / kept_name(case.patient_id, name, [*shape, *borrowed], ".npy")
            with replaced(path) as temporary_path:
                np.save(temporary_path, region.pictures)
            cut = (region.slices, region.center_mm)
            shown = together(region.phases)
            regions = [asdict(_region_of(case.patient_id, placed.views, arm, phase=shown, region_path=path, cut=cut))]
        findings = [asdict(as_finding(fault, case.patient_id, phase)) for phase, fault in faults]
        return {"sidecar": sidecar, "inputs": {}, "regions": regions, "findings": findings, "tumours": []}

    return kept_record(volumes_dir / sidecar, make, is_current=partial(_has_regions, volumes_dir))


def _sizes(records: Iterable[dict[str, Any]]) -> dict[tuple[str, str], tuple[float, float]]:
    """Volume (ml) and diameter (mm) of the tumour by patient and phase, where a single one counts in a drawn mask."""
    used: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for record in records:
        for row in record["tumours"]:
            if row["used"]:
                size = (row["volume_ml"], row["diameter_mm"])
                used.setdefault((row["patient_id"], row["phase"]), []).append(size)
    return {place: sizes[0] for place, sizes in used.items() if len(sizes) == 1}


def _with_size(record: dict[str, Any], sizes: Mapping[tuple[str, str], tuple[float, float]]) -> dict[str, Any]:
    """The record of a region of several phases, with the size drawn on another one if none was drawn on its own."""
    for region in record["regions"]:
        drawn = [sizes.get((region["patient_id"], phase)) for phase in region["phase"].split(TOGETHER)]
        known = next((size for size in drawn if size is not None), None)
        if region["tumour_volume_ml"] is None and known is not None:
            region["tumour_volume_ml"], region["tumour_diameter_mm"] = known
    return record


def _has_regions(volumes_dir: Path, record: dict[str, Any]) -> bool:
    return all((volumes_dir / region["file"]).exists() for region in record["regions"])


def _cut_arm(patient_id: str, views: Views, arm: Arm, region_path: Path) -> Region:
    scanned = views.scanned
    if scanned.volume is None:
        pictures, slices, center_mm = cut_pictures(scanned.scan, arm=arm, study=views.study)
    else:
        pictures, slices, center_mm = views.cut(scanned.volume, arm)
    with replaced(region_path) as temporary_path:
        np.save(temporary_path, pictures)
    return _region_of(
        patient_id, views, arm, phase=scanned.scan.phase, region_path=region_path, cut=(slices, center_mm)
    )


def _region_of(
    patient_id: str, views: Views, arm: Arm, *, phase: str, region_path: Path, cut: tuple[tuple[int, ...], Triple]
) -> Region:
    slices, center_mm = cut
    volume_ml, diameter_mm = views.scanned.size or (None, None)
    return Region(
        patient_id=patient_id,
        phase=phase,
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
