"""The validation of a packed model on another hospital's patients, from the cohort table to the report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nephrograde.cohort.table import write_cases
from nephrograde.errors import RunError
from nephrograde.evaluation.calibration.updating import advise_update
from nephrograde.evaluation.evaluation import evaluate_scores, write_statistics
from nephrograde.evaluation.ledger import open_test_set, read_ledger
from nephrograde.evaluation.performance.subgroup import groups_of
from nephrograde.evaluation.scores.score_table import write_scores
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.evaluation.uncertainty.frozen import Frozen
from nephrograde.export.grader_file import read_grader_file
from nephrograde.files import fingerprint, read_json, read_rows, sha256_of
from nephrograde.quality.survey import check_quality
from nephrograde.report.pages.quality_page import write_quality_page
from nephrograde.report.stage import report_run
from nephrograde.results import Results
from nephrograde.run.progress import silent
from nephrograde.run.provenance import COHORT_TABLE, GRADER_FILE, mark_format, read_lock_file, write_lock
from nephrograde.run.seal import renew_seal
from nephrograde.run.stage import written_together
from nephrograde.run.writer import only_writer
from nephrograde.sample.absent import report_absent, report_unused_annotations
from nephrograde.sample.plausibility import check_plausibility
from nephrograde.sample.prepare import prepare_cohort
from nephrograde.staging import at_once
from nephrograde.validation.advice_file import write_advice
from nephrograde.validation.development import development_of, find_overlap
from nephrograde.validation.inputs import RANGE_GROUP, compare_inputs, measure_quantities, outside_patients
from nephrograde.validation.page import write_validation_page
from nephrograde.validation.scoring import score_patients
from nephrograde.validation.side_by_side import compare_sides
from nephrograde.validation.source import open_elsewhere
from nephrograde.validation.validation import Validation, write_drift, write_left_out, write_patients
from nephrograde.volume.finding import write_findings

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.evaluation.evaluation import Evaluation
    from nephrograde.export.grader_file import GraderFile
    from nephrograde.quality.cohort_quality import CohortQuality
    from nephrograde.report.text.language import Language
    from nephrograde.run.folder import RunFolder
    from nephrograde.run.progress import Progress
    from nephrograde.sample.prepare import Prepared
    from nephrograde.study import EvaluateSettings
    from nephrograde.validation.development import Development
    from nephrograde.validation.inputs import Quantities
    from nephrograde.validation.scoring import ScoredCohort
    from nephrograde.validation.source import Elsewhere


@dataclass(frozen=True, slots=True)
class ValidationSettings:
    """How a validation is made, besides the model and the patients.

    Attributes:
        development_dir: The run that the model was packed from, if it is at hand.
        checks_scans: Whether every scan is checked as ``nephrograde check`` does, which takes a second or two each.
        encoding: Of the cohort table; None detects it.
        reason: Why these patients are evaluated again, if anything has changed since they were.
        language: Of the pages.
        command: The command line, for the lock file and the ledger.
    """

    development_dir: Path | None = None
    checks_scans: bool = True
    encoding: str | None = None
    reason: str = ""
    language: Language = "en"
    command: str = ""


def validate_elsewhere(
    grader_path: Path,
    source_path: Path,
    run_dir: RunFolder | Path,
    settings: ValidationSettings,
    *,
    progress: Progress = silent,
) -> Validation:
    """Validate a packed model on another hospital's patients, and go on where an earlier attempt stopped.

    Args:
        grader_path: The grader file.
        source_path: The study file or the cohort table of the patients.
        run_dir: Where everything is written.
        settings: How.
        progress: How to show long steps.

    Raises:
        GraderError: The grader file cannot be used.
        InputError: The study file or the table has mistakes; all are listed.
        RunError: The folder holds something else or is being written to, nobody could be graded, all who were are of
            one grade, or the patients were evaluated before, something has changed, and no reason is given.
    """
    file = read_grader_file(grader_path)
    elsewhere = open_elsewhere(source_path, file, encoding=settings.encoding)
    development = development_of(file, settings.development_dir)
    with only_writer(run_dir) as run:
        _refuse_other(run, file)
        if _are_others(elsewhere, run):  # before their scans are read
            _refuse_without_reason(run, "", settings.reason)
        prepared = _prepared(elsewhere, run, progress)
        quality = _checked(elsewhere, prepared, run, progress) if settings.checks_scans else None
        if quality is not None:
            write_quality_page(run.quality.quality_dir, run.quality.page_path(settings.language), settings.language)
        scored = score_patients(file, elsewhere, prepared, run, progress=progress)
        write_left_out(scored.left_out, run)
        quantities = measure_quantities(elsewhere, prepared, quality, run)
        inside = outside_patients(quantities, file.cohort_range, [one.case.patient_id for one in scored.patients])
        write_patients(scored, file, quantities=quantities, inside=inside, run=run)
        _require_both_grades(scored, run)
        _evaluate(file, elsewhere, scored, inside=inside, run=run, settings=settings)
        report_run(run, settings.language)
        results = Results.read(run)
        found = Validation(
            folder=run,
            file=file,
            cohort=elsewhere.study.name,
            outcome=elsewhere.study.cohort.outcome,
            is_synthetic=elsewhere.study.synthetic or file.card.synthetic,
            results=results,
            development=development,
            **_drift(results, development, file, quantities),
            inside=inside,
            left_out=scored.left_out,
            unusual=_unusual(quality),
            kernels=_kernels(quality),
            notes=(*elsewhere.notes, *scored.notes),
        )
        _write(found, settings.language)
    return found


def _drift(results: Results, development: Development, file: GraderFile, quantities: Quantities) -> dict[str, Any]:
    """What follows from the patients about the model: the sides, the inputs, the advice and the overlap."""
    model, settings = file.card.model, results.settings
    patients = results.scores.of(model, "test")
    overlap = find_overlap(development, results.lock["inputs"], patients.patient_ids)
    return {
        "sides": compare_sides(results, development, model, is_overlapping=bool(overlap.same_image)),
        "inputs": compare_inputs(quantities, file.cohort_range, confidence=settings.confidence),
        "advice": advise_update(
            patients.p_high, patients.is_high, prevalence=development.prevalence, seed=settings.seed
        ),
        "overlap": overlap,
    }


def _write(found: Validation, language: Language) -> None:
    """Write the tables of drift, the suggested recalibration and the page."""
    run = found.folder
    write_drift(found.sides, found.inputs, run)
    path = run.validation.recalibration_path
    write_advice(found.advice, found.file, path, cohort=found.cohort, synthetic=found.is_synthetic)
    write_validation_page(found, language)


def _refuse_other(run: RunFolder, file: GraderFile) -> None:
    """Refuse a folder that holds something else than the validation of this model."""
    if not run.is_run():
        return
    lock = read_lock_file(run)
    digest = lock.get("inputs", {}).get(GRADER_FILE)
    if digest is None:
        raise RunError(f"{run.run_dir} does not hold a validation. Name another folder with --out.")
    if digest != file.archive.file_sha256():
        raise RunError(f"{run.run_dir} holds the validation of another grader file. Name another folder with --out.")


def _are_others(elsewhere: Elsewhere, run: RunFolder) -> bool:
    """Whether other patients, or other grades, were evaluated in the folder; what else has changed shows later."""
    if not run.scores_path.exists():
        return False
    before = {row["patient_id"]: row["is_high"] == "1" for row in read_rows(run.scores_path)}
    path = run.validation.left_out_path
    left_out = {row["patient_id"] for row in read_rows(path)} if path.exists() else set()
    now = {case.patient_id: case.is_high for case in elsewhere.cohort.cases}
    return any(now.get(one) != is_high for one, is_high in before.items()) or not now.keys() <= {*before, *left_out}


def _prepared(elsewhere: Elsewhere, run: RunFolder, progress: Progress) -> Prepared:
    """Read, check and cut every scan that the model sees."""
    cohort, study = elsewhere.cohort, elsewhere.study
    scans = sum(phase in case.scans for case in cohort.cases for phase in cohort.phases)
    joined = len(cohort.cases) if elsewhere.model.fusion == "early" else 0
    with progress("Preparing scans", scans + joined) as advance:
        prepared = prepare_cohort(cohort, study, run=run, advance=advance)
    of_table = [
        *check_plausibility(cohort, prepared.regions),
        *report_unused_annotations(cohort),
        *report_absent(cohort),
    ]
    prepared = replace(prepared, findings=(*of_table, *prepared.findings))
    write_findings(prepared.findings, run.findings_path)
    write_cases(cohort, run.cases_path)
    return prepared


def _checked(elsewhere: Elsewhere, prepared: Prepared, run: RunFolder, progress: Progress) -> CohortQuality:
    """Check every scan that the model sees as ``nephrograde check`` does."""
    cohort = elsewhere.cohort
    of_table = [finding for finding in prepared.findings if finding.is_of_table or finding.leaves_patient_out]
    scans = sum(phase in case.scans for case in cohort.cases for phase in cohort.phases)
    with progress("Checking scans", scans) as advance:
        return check_quality(cohort, elsewhere.study, run.quality.quality_dir, table_findings=of_table, advance=advance)


def _unusual(quality: CohortQuality | None) -> int | None:
    if quality is None:
        return None
    return sum(finding.code == "phase-suspect" for finding in quality.findings)


def _kernels(quality: CohortQuality | None) -> dict[str, int]:
    scans = () if quality is None else quality.scans.values()
    return dict(Counter("/".join(scan.kernels) for scan in scans if scan.kernels).most_common())


def _require_both_grades(scored: ScoredCohort, run: RunFolder) -> None:
    folder = run.validation
    if not scored.patients:
        raise RunError(f"No patient could be graded. {folder.left_out_path} says why.")
    grades = {one.case.is_high for one in scored.patients}
    if len(grades) == 1:
        there, other = ("high", "low") if True in grades else ("low", "high")
        raise RunError(
            f"All {len(scored.patients)} graded patients are {there} grade, so nothing can be estimated; their "
            f"probabilities are in {folder.patients_path}. Add patients of {other} grade."
        )


def _evaluate(
    file: GraderFile,
    elsewhere: Elsewhere,
    scored: ScoredCohort,
    *,
    inside: dict[str, str],
    run: RunFolder,
    settings: ValidationSettings,
) -> None:
    """Write scores and statistics as of any evaluation, with the decisions of the grader file."""
    model, study, digest = file.card.model, elsewhere.study, file.archive.file_sha256()
    rows = [Score(one.case.patient_id, model, "test", None, one.case.is_high, one.p_high) for one in scored.patients]
    scores = Scores(tuple(rows))
    evaluate = study.evaluate.model_copy(update={"subgroups": (*study.evaluate.subgroups, RANGE_GROUP)})
    content = [[row.patient_id, row.is_high, row.p_high] for row in rows]
    inputs = fingerprint([digest, content, evaluate.of_evaluation()])
    _refuse_without_reason(run, inputs, settings.reason)
    write_lock(
        evaluate,
        run,
        inputs={**read_json(run.image_inputs_path), COHORT_TABLE: sha256_of(study.cohort.table), GRADER_FILE: digest},
        command=settings.command,
        validation={
            "model": model,
            "developed_in": file.card.study,
            "cohort": study.name,
            "outcome": study.cohort.outcome,
            "synthetic": study.synthetic,
            "developed_on_synthetic": file.card.synthetic,
        },
    )
    with at_once():  # an opening is on record before its results are
        open_test_set(run.run_dir, study=digest, inputs=inputs, reason=settings.reason, command=settings.command)
    with written_together("evaluate", run):
        write_scores(scores, run.scores_path)
        write_statistics(_statistics(file, elsewhere, scores, inside=inside, settings=evaluate), run)
        mark_format(run)
    renew_seal(run, ())


def _refuse_without_reason(run: RunFolder, inputs: str, reason: str) -> None:
    """Refuse to evaluate patients again after something has changed, unless a reason is given."""
    openings = read_ledger(run.run_dir)
    if openings and openings[-1].inputs != inputs and not reason.strip():
        raise RunError(
            f"The patients in {run.run_dir} were evaluated before (last {openings[-1].opened}, {openings[-1].reason}), "
            'and something has changed since. To evaluate them again, give --reason "…", which the report will print.'
        )


def _statistics(
    file: GraderFile,
    elsewhere: Elsewhere,
    scores: Scores,
    *,
    inside: dict[str, str],
    settings: EvaluateSettings,
) -> Evaluation:
    decision, judge = file.decision, file.decision.judge()
    frozen = Frozen(
        decision.threshold,
        judge.recalibration,
        judge.cutoffs,
        decision.set_error,
        file.card.n_train,
        file.card.n_train_high,
    )
    groups = groups_of(elsewhere.cohort, settings.subgroups)
    return evaluate_scores(scores, settings, {**groups, RANGE_GROUP: inside}, frozen={file.card.model: frozen})
