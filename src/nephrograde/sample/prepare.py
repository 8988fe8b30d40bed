"""Prepare every scan once: read it, check it, cut each arm's region, and cache it under a hash of its content."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nephrograde.crew import Crew
from nephrograde.errors import RunError
from nephrograde.files import finite, read_json, read_rows, write_json, write_rows
from nephrograde.replacement import make_folder
from nephrograde.run.stage import remove_stale, require_finished, written_together
from nephrograde.sample.human_error import error_sizes_mm
from nephrograde.sample.prepared_scan import Preparing, Region
from nephrograde.vocabulary import TOGETHER
from nephrograde.volume.finding import Finding, read_findings, write_findings
from nephrograde.volume.masks.tumours import TumourRow, write_tumours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from nephrograde.cohort.case import Case, Cohort
    from nephrograde.run.folder import RunFolder
    from nephrograde.study import Arm, Study, StudyModel

MOST_NAME_CHARACTERS = 255
"""Longer names of files do not exist, and asking for one is an error of the system."""
PREPARED_FOR = "prepared_for"
"""The key of the record of the stage that identifies the study and its table."""


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
    cohort: Cohort, study: Study, *, run: RunFolder, prepared_for: str = "", advance: Callable[[], None] = lambda: None
) -> Prepared:
    """Prepare every scan of a cohort, in parallel; scans already in the cache are not read again.

    An arm of early fusion has one region per patient, from the scans of its phases. A scan with a fatal finding is
    excluded and the others continue. Writes ``regions.csv``, ``findings.csv`` and ``tumours.csv`` (every tumour in
    every drawn mask), and removes regions that no scan of this study refers to any more.

    Args:
        cohort: The patients with their scans.
        study: The arms, fields of view and windows.
        run: The run folder.
        prepared_for: Identifies the study and its table in the record of the stage.
        advance: Called as many times as :func:`count_steps` says.
    """
    records = prepare_patients(cohort, study, run.volumes_dir, advance=advance)
    prepared = Prepared(
        regions=tuple(Region(**region) for record in records for region in record["regions"]),
        findings=tuple(dict.fromkeys(Finding(**finding) for record in records for finding in record["findings"])),
        inputs={name: digest for record in records for name, digest in record["inputs"].items()},
    )
    named = (run.regions_path, run.tumours_path, run.image_inputs_path)  # radiomics may add to the findings
    with written_together("prepare", run, content={PREPARED_FOR: prepared_for}, files=named):
        _write_index(prepared, run)
        write_tumours((TumourRow(**row) for record in records for row in record["tumours"]), run.tumours_path)
    remove_stale(run.volumes_dir, {record["sidecar"] for record in records} | {r.file for r in prepared.regions})
    return prepared


def prepare_patients(
    cohort: Cohort,
    study: Study,
    volumes_dir: Path,
    *,
    advance: Callable[[], None] = lambda: None,
    workers: int | None = None,
) -> list[dict[str, Any]]:
    """Prepare the scans of patients, and return the record of each, and of each patient of each arm of early fusion.

    Files that belong to the whole cohort are neither written nor removed, so that several processes can prepare others
    at the same time; arguments as of :func:`prepare_cohort`.
    """
    make_folder(volumes_dir)
    preparing = Preparing(study, error_sizes_mm(study), volumes_dir)
    scans = [(case, case.scans[phase]) for case in cohort.cases for phase in cohort.phases if phase in case.scans]

    with Crew(workers, finished=advance) as crew:
        records = list(crew.each(preparing.scan, scans))
        read = {
            (case.patient_id, scan.phase): record["inputs"] for (case, scan), record in zip(scans, records, strict=True)
        }
        together = [(case, arm, _of_patient(case, read)) for case, arm in _joined(cohort, study)]
        sizes = _sizes(records)
        return records + [_with_size(record, sizes) for record in crew.each(preparing.early, together)]


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


def _of_patient(case: Case, inputs: Mapping[tuple[str, str], Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """The digests of each scan of a patient, by phase."""
    return {phase: inputs[case.patient_id, phase] for phase in case.scans if (case.patient_id, phase) in inputs}


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


def _write_index(prepared: Prepared, run: RunFolder) -> None:
    write_rows(run.regions_path, list(Region.__dataclass_fields__), (asdict(region) for region in prepared.regions))
    write_findings(prepared.findings, run.findings_path)
    write_json(run.image_inputs_path, dict(prepared.inputs))
