"""The prepare stage: every arm's region of every scan, and the radiomic features if a baseline needs them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nephrograde.cohort.stage import table_inputs, without_places
from nephrograde.errors import RunError
from nephrograde.files import fingerprint
from nephrograde.run.progress import silent
from nephrograde.run.provenance import ANNOTATIONS, COHORT_TABLE, read_lock, write_lock
from nephrograde.run.stage import current_record
from nephrograde.sample.absent import report_absent, report_unused_annotations
from nephrograde.sample.plausibility import check_plausibility
from nephrograde.sample.prepare import PREPARED_FOR, count_steps, prepare_cohort
from nephrograde.sample.radiomics import choose_phase, radiomics_features
from nephrograde.sample.unfinished import report_unfinished_scan
from nephrograde.volume.finding import write_findings

if TYPE_CHECKING:
    from nephrograde.cohort.case import Cohort
    from nephrograde.run.folder import RunFolder
    from nephrograde.run.progress import Progress
    from nephrograde.sample.prepare import Prepared
    from nephrograde.study import Study


def prepare_scans(study: Study, cohort: Cohort, run: RunFolder, *, progress: Progress = silent) -> Prepared:
    """Read and check every scan and store each arm's region; a faulty scan becomes a finding and the others continue.

    An unfinished scan and clinical numbers that are hard to believe become findings without a patient, and patients
    without any scan findings without a phase, before those of the scans. If radiomics is among the baselines, its
    features are computed as well.

    Args:
        study: The resolved study.
        cohort: Its patients.
        run: The run folder; its cohort is open.
        progress: How to display long steps.

    Raises:
        InputError: If radiomics is requested but not available.
    """
    wants_radiomics = "radiomics" in study.evaluate.baselines
    if wants_radiomics:
        choose_phase(cohort)  # reports what is missing before anything is computed
    with progress("Preparing scans", count_steps(cohort, study)) as advance:
        prepared = prepare_cohort(cohort, study, run=run, prepared_for=prepared_for(study), advance=advance)
    of_table = [
        *report_unfinished_scan(study.cohort.table),
        *check_plausibility(cohort, prepared.regions),
        *report_unused_annotations(cohort),
        *report_absent(cohort),
    ]
    if of_table:
        prepared = replace(prepared, findings=(*of_table, *prepared.findings))
        write_findings(prepared.findings, run.findings_path)
    lock = read_lock(run)
    kept = {name: lock["inputs"][name] for name in (COHORT_TABLE, ANNOTATIONS) if name in lock["inputs"]}
    inputs = {**kept, **prepared.inputs}
    write_lock(study, run, inputs=inputs, command=lock["command"], has_dicom=cohort.has_dicom)
    return _add_radiomics(study, cohort, prepared, run=run, progress=progress) if wants_radiomics else prepared


def prepared_for(study: Study) -> str:
    """Identify what the regions of a study are prepared from besides its scans.

    Args:
        study: The resolved study.
    """
    content = without_places(study)
    shaping = {name: content.get(name) for name in ("cohort", "image", "window", "masks", "annotation")}
    arms = [{name: value for name, value in arm.items() if name != "fit"} for arm in content["arm"]]
    return fingerprint([shaping, arms, table_inputs(study)])


def require_prepared(study: Study, run: RunFolder) -> None:
    """Refuse to go on with regions of another study.

    Args:
        study: The resolved study.
        run: The run folder.

    Raises:
        RunError: The scans are not prepared, or were for another study, table or annotations.
    """
    record = current_record(run.stage_path("prepare"), lambda _: True)
    if record is None:
        raise RunError(f"{run.run_dir} is not prepared. Run `nephrograde prepare` on the study first.")
    if record.get(PREPARED_FOR) != prepared_for(study):
        raise RunError(
            f"The scans in {run.run_dir} were prepared with other settings, another cohort table or other annotations. "
            "Give the same --set as then, or run `nephrograde prepare` on the study first."
        )


def _add_radiomics(study: Study, cohort: Cohort, prepared: Prepared, *, run: RunFolder, progress: Progress) -> Prepared:
    """Compute the radiomic features and add scans for which that failed to the findings."""
    phase = choose_phase(cohort)
    scans = sum(phase in case.scans and case.scans[phase].mask_path is not None for case in cohort.cases)
    with progress(f"Computing radiomic features, phase {phase}", scans) as advance:
        findings = radiomics_features(cohort, study, inputs=prepared.inputs, run=run, advance=advance)
    prepared = replace(prepared, findings=(*prepared.findings, *findings))
    write_findings(prepared.findings, run.findings_path)
    return prepared
