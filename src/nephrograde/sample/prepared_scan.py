"""What is prepared of one scan, or of one patient for an arm of early fusion, and kept under a hash of its content."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.files import sha256_of
from nephrograde.replacement import replaced
from nephrograde.run.stage import kept_name, kept_record
from nephrograde.sample.early import cut_early, early_settings, place_region
from nephrograde.sample.human_error import HumanError
from nephrograde.sample.inputs import (
    Digests,
    digests_of,
    divided,
    identity_of,
    kidneys_digest_of,
    names_path_of,
    shape_of,
)
from nephrograde.sample.pictures import cut_pictures
from nephrograde.sample.region import Views, fault_of_arm, region_settings
from nephrograde.sample.scanned import find_lender, read_scan
from nephrograde.sample.target import uses_mask
from nephrograde.vocabulary import together
from nephrograde.volume.finding import as_finding
from nephrograde.volume.masks.tumours import tumour_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nephrograde.cohort.case import Case, Scan
    from nephrograde.study import Arm, Study
    from nephrograde.vocabulary import Supervision, Triple

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
class Preparing:
    """Prepares the scans of a study, in whichever process it is sent to.

    Attributes:
        study: The arms, fields of view and windows.
        error_mm: By how much places are off that are derived, by supervision level.
        volumes_dir: Where records and regions are kept.
    """

    study: Study
    error_mm: Mapping[Supervision, float]
    volumes_dir: Path

    def scan(self, case: Case, scan: Scan) -> dict[str, Any]:
        """Return one scan's record: its regions, findings and input hashes, kept from before where nothing has changed.

        Args:
            case: The patient.
            scan: One of the patient's scans.
        """
        study, error_mm, volumes_dir = self.study, self.error_mm, self.volumes_dir
        own = digests_of(case.patient_id, scan)
        names_path = names_path_of(scan, study)
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

    def early(self, case: Case, arm: Arm, inputs: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
        """Return the record of a patient for an arm of early fusion: one region of all phases, and findings of the arm.

        Args:
            case: The patient.
            arm: The arm.
            inputs: The SHA-256 of what was read of each scan of the patient.
        """
        study, error_mm, volumes_dir = self.study, self.error_mm, self.volumes_dir
        scans = [case.scans[phase] for phase in arm.phases if phase in case.scans]
        errors = {
            scan.phase: HumanError(error_mm, study.annotation.seed, case.patient_id, scan.phase) for scan in scans
        }
        lenders = {scan.phase: find_lender(case.scans, scan, study, [arm]) for scan in scans}
        lent = {
            phase: [lender.phase, sorted(inputs[lender.phase].values())] for phase, lender in lenders.items() if lender
        }
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
                regions = [
                    asdict(_region_of(case.patient_id, placed.views, arm, phase=shown, region_path=path, cut=cut))
                ]
            findings = [asdict(as_finding(fault, case.patient_id, phase)) for phase, fault in faults]
            return {"sidecar": sidecar, "inputs": {}, "regions": regions, "findings": findings, "tumours": []}

        return kept_record(volumes_dir / sidecar, make, is_current=partial(_has_regions, volumes_dir))


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
