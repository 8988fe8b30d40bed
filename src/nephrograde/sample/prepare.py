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
from nephrograde.sample.pictures import cut_pictures
from nephrograde.sample.scanned import find_lender, read_scan
from nephrograde.sample.slices import cut_slices
from nephrograde.sample.target import find_target, uses_mask
from nephrograde.sample.tumour import cut_tumour
from nephrograde.vocabulary import Supervision
from nephrograde.volume.dicom.series_list import sha256_of_image
from nephrograde.volume.finding import Finding, as_fault, as_finding, in_column, read_findings, write_findings
from nephrograde.volume.masks.labels import find_names_file
from nephrograde.volume.masks.tumours import TumourRow, tumour_rows, write_tumours

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from nephrograde.cohort.case import Case, Cohort, Scan
    from nephrograde.run.folder import RunFolder
    from nephrograde.sample.scanned import Scanned
    from nephrograde.study import Arm, Study
    from nephrograde.vocabulary import MaskArray
    from nephrograde.volume.volume import Volume

MOST_NAME_CHARACTERS = 255
"""Longer names of files do not exist, and asking for one is an error of the system."""
RECORD = 3
"""Raised whenever the same scan would give another record of it, such as other findings, from the same regions."""
LAYOUT = 2
"""Increase whenever the same inputs would give another region, so that no old cache is reused.

Settings that affect only some scans (one of several tumours, a label, a mask of another phase) are part of the names of
those regions only, so that all other regions, and the networks fitted on them, remain valid.
"""


@dataclass(frozen=True, slots=True)
class Region:
    """One arm's prepared region of one scan; ``file`` is in the run's ``volumes`` folder.

    ``slices`` and ``center_mm`` (LPS) are text as in ``regions.csv``: ``12;17;20`` and ``x,y,z``. The tumour's
    volume (ml) and largest axial diameter (mm) are known only if a mask was drawn on this very scan.
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
    """What the prepare stage leaves: the regions, the findings, and the SHA-256 of every image and mask.

    The files go by :func:`input_name`, as in the lock file.
    """

    regions: tuple[Region, ...]
    findings: tuple[Finding, ...]
    inputs: Mapping[str, str]

    def files(self, arm: str, phase: str) -> dict[str, str]:
        """Return the region file by patient id, for one model."""
        return {
            region.patient_id: region.file for region in self.regions if region.arm == arm and region.phase == phase
        }


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
    make_folder(run.volumes_dir)

    def one(case: Case, scan: Scan) -> dict[str, Any]:
        record = _prepare_scan(case, scan, study, run.volumes_dir)
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
                **{name: row[name] for name in ("patient_id", "phase", "arm", "file", "slices", "center_mm")},
                tumour_volume_ml=finite(row["tumour_volume_ml"]) if row["tumour_volume_ml"] else None,
                tumour_diameter_mm=finite(row["tumour_diameter_mm"]) if row["tumour_diameter_mm"] else None,
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


def is_region_file(run: RunFolder, name: str) -> bool:
    """Whether the name in ``regions.csv`` is that of a file in the run's own folder of volumes.

    Args:
        run: The run folder.
        name: As in the column ``file``.
    """
    return name == Path(name).name and len(name) <= MOST_NAME_CHARACTERS and (run.volumes_dir / name).is_file()


def cut_region(
    volume: Volume, scan: Scan, mask: MaskArray | None, *, arm: Arm, study: Study
) -> tuple[npt.NDArray[np.float16], tuple[int, ...], tuple[float, float, float]]:
    """Cut the region that one arm sees out of one scan; used for the study and for new patients alike.

    Returns:
        Float16 ``(slice, 1, y, x)`` or ``(1, channel, x, y, z)``, the slice numbers (empty for a box), and the middle
        of the tumour in mm (LPS).

    Raises:
        VolumeError: If the annotation is missing or outside.
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
    """Return every setting of the study that shapes an arm's region on one phase."""
    return {
        "layout": LAYOUT,
        "supervision": arm.supervision,
        "slices": arm.slices,
        "image": study.image.model_dump(mode="json"),
        "window": study.window_of(phase).model_dump(mode="json"),
    }


def _prepare_scan(case: Case, scan: Scan, study: Study, volumes_dir: Path) -> dict[str, Any]:
    """One scan's record: its regions, findings and input hashes, from the sidecar where nothing has changed."""
    own = _digests(case.patient_id, scan)
    names_path = find_names_file(scan.mask_path) if scan.mask_path and study.masks.label else None
    inputs = own | ({f"{scan.phase}_mask {case.patient_id} names": sha256_of(names_path)} if names_path else {})
    lender = find_lender(case, scan, study)
    lent = sorted(_digests(case.patient_id, lender).values()) if lender else []
    identity: list[object] = [
        case.patient_id,
        scan.phase,
        sorted(own.values()),
        repr((scan.point, scan.box, scan.slice_place)),
    ]
    if scan.further_paths or scan.pixel_mm:  # with several pictures, positions give the number of the picture
        identity.append([list(own.values()), scan.pixel_mm])
    if scan.state:
        identity.append(scan.state)
    settings = {arm.name: region_settings(arm, scan.phase, study) for arm in study.arm}
    lent_by = [lender.phase, *lent] if lender else []
    shaping = [RECORD, identity, settings, study.masks.model_dump(mode="json"), sorted(inputs.values()), lent_by]
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
        for arm in study.arm:
            shape = [identity, settings[arm.name]]
            if scanned.choice and uses_mask(scan, arm.supervision):
                shape.append([scanned.choice, lent])
            file = kept_name(case.patient_id, f"{scan.phase}-{arm.name}", shape, ".npy")
            try:
                region = _cut_arm(case.patient_id, scanned, arm=arm, study=study, region_path=volumes_dir / file)
                record["regions"].append(asdict(region))
            except VolumeError as error:
                if not scanned.lacks_mask:  # else the broken mask has been named already
                    fault = as_fault(error)._replace(message=f"arm {arm.name}: {error.message}")
                    faults = in_column([fault], f"{scan.phase}_image") if scanned.volume is None else [fault]
                    record["findings"] += [asdict(as_finding(one, case.patient_id, scan.phase)) for one in faults]
        return record

    def is_current(record: dict[str, Any]) -> bool:
        return all((volumes_dir / region["file"]).exists() for region in record["regions"])

    record = kept_record(volumes_dir / sidecar, make, is_current=is_current)
    return record | {"inputs": inputs}


def input_name(column: str, patient_id: str) -> str:
    """What the lock file calls an image or mask: column and patient, not its path, which may say who the patient is.

    Args:
        column: Of the cohort table, like ``np_image``.
        patient_id: Whose it is.

    >>> input_name("np_mask", "P017")
    'np_mask P017'
    """
    return f"{column} {patient_id}"


def _digests(patient_id: str, scan: Scan) -> dict[str, str]:
    """SHA-256 of a scan's files that are there, by their names in the lock file; further pictures are numbered."""
    image = input_name(f"{scan.phase}_image", patient_id)
    files = {image if k == 0 else f"{image} {k + 1}": path for k, path in enumerate(scan.image_paths)}
    if scan.mask_path is not None:
        files[input_name(f"{scan.phase}_mask", patient_id)] = scan.mask_path
    return {name: sha256_of_image(path) for name, path in files.items() if path.exists()}


def _cut_arm(patient_id: str, scanned: Scanned, *, arm: Arm, study: Study, region_path: Path) -> Region:
    if scanned.volume is None:
        pictures, slices, center_mm = cut_pictures(scanned.scan, arm=arm, study=study)
    else:
        pictures, slices, center_mm = cut_region(scanned.volume, scanned.scan, scanned.mask, arm=arm, study=study)
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
    )


def _write_index(prepared: Prepared, run: RunFolder) -> None:
    write_rows(run.regions_path, list(Region.__dataclass_fields__), (asdict(region) for region in prepared.regions))
    write_findings(prepared.findings, run.findings_path)
    write_json(run.image_inputs_path, dict(prepared.inputs))
