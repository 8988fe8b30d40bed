"""The study from top to bottom. Each stage reads and writes files of the run folder, and can be run alone.

Killing a run at any moment costs at most the scan or the fold in work: the same command goes on from there and ends
with the same scores.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from nephrograde import __version__
from nephrograde.cohort.split import draw_split, read_split, write_split
from nephrograde.cohort.table import read_cohort, write_cases
from nephrograde.errors import InputError, RunError
from nephrograde.files import fingerprint, read_json, remove_leftovers, sha256_of, write_json
from nephrograde.run.provenance import COHORT_TABLE, LOCK_NAME, SCORE_TABLE, read_lock, write_lock
from nephrograde.study_file import salvage_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.evaluate.baseline import Predictors
    from nephrograde.evaluate.lesions import Lesions
    from nephrograde.evaluate.scores import Scores
    from nephrograde.report.text.language import Language
    from nephrograde.sample.prepare import Prepared
    from nephrograde.study import EvaluateSettings, Study

    Progress: TypeAlias = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
    """Opens one long step, given its name and its number of parts, and gives what to call after each part."""


@contextmanager
def silent(_name: str, _total: int) -> Iterator[Callable[[], None]]:
    """Show no progress."""
    yield lambda: None


def run_study(
    study: Study,
    run_dir: Path,
    *,
    command: str = "",
    reason: str | None = "",
    language: Language = "en",
    progress: Progress = silent,
) -> Path:
    """Run every stage, each only where its inputs have changed, and return the path of the report.

    Args:
        study: The resolved study.
        run_dir: The run folder; made when it is missing, resumed when it is not.
        command: The command line, for the lock file and the ledger.
        reason: Why the test set is opened, as :func:`evaluate` asks for it.
        language: Of the report.
        progress: How to show long steps.

    Raises:
        InputError: With every mistake of the cohort table.
        RunError: Where the folder holds another study, or the test set would be opened again without a reason.
    """
    remove_leftovers(run_dir)
    cohort, split = open_cohort(study, run_dir, command=command)
    prepare(study, cohort, run_dir, progress=progress)
    fit(study, cohort, split, run_dir, progress=progress)
    evaluate(study, cohort, split, run_dir, reason=reason)
    return report(run_dir, language)


def load_inputs(study_path: Path, overrides: tuple[str, ...] = ()) -> Study:
    """Read the study file and look through the cohort table in one pass.

    Raises:
        InputError: With every mistake of both at once.
    """
    study, problems = salvage_study(study_path, overrides)
    if study is not None:
        problems = [*problems, *read_cohort(study.cohort, study.split)[1]]
    if problems or study is None:
        raise InputError(problems)
    return study


def open_cohort(study: Study, run_dir: Path, *, command: str = "") -> tuple[Cohort, Split]:
    """Read the table, write ``cases.csv`` and the lock file, and draw the split once or read the one drawn before.

    Raises:
        InputError: With every mistake of the table.
        RunError: Where the split was drawn for other patients or by other rules.
    """
    cohort, problems = read_cohort(study.cohort, study.split)
    if problems or cohort is None:
        raise InputError(problems)
    split_path = run_dir / "cohort" / "split.csv"
    if split_path.exists():
        _check_same_split(study, cohort, run_dir)
    earlier = read_lock(run_dir)["inputs"] if (run_dir / LOCK_NAME).exists() else {}
    write_lock(study, run_dir, inputs={**earlier, COHORT_TABLE: sha256_of(study.cohort.table)}, command=command)
    write_cases(cohort, run_dir / "cohort" / "cases.csv")
    if not split_path.exists():
        write_split(draw_split(cohort, study.split), split_path)
    return cohort, read_split(split_path)


def prepare(study: Study, cohort: Cohort, run_dir: Path, *, progress: Progress = silent) -> Prepared:
    """Read and check every scan and keep each arm's region; a faulty scan becomes a finding and the others go on.

    Where radiomics is among the baselines, its features are computed as well.

    Raises:
        InputError: Where radiomics is asked for and cannot be had.
    """
    from nephrograde.sample.prepare import prepare_cohort
    from nephrograde.sample.radiomics import choose_phase

    wants_radiomics = "radiomics" in study.evaluate.baselines
    if wants_radiomics:
        choose_phase(cohort)  # says what is lacking before anything is computed
    scans = sum(len(case.scans) for case in cohort.cases)
    with progress("Preparing scans", scans) as advance:
        prepared = prepare_cohort(cohort, study, volumes_dir=run_dir / "volumes", advance=advance)
    lock = read_lock(run_dir)
    inputs = {COHORT_TABLE: lock["inputs"][COHORT_TABLE], **prepared.inputs}
    write_lock(study, run_dir, inputs=inputs, command=lock["command"])
    return _add_radiomics(study, cohort, prepared, run_dir=run_dir, progress=progress) if wants_radiomics else prepared


def _add_radiomics(study: Study, cohort: Cohort, prepared: Prepared, *, run_dir: Path, progress: Progress) -> Prepared:
    """Compute the radiomic features and put what could not be computed among the findings."""
    from nephrograde.sample.radiomics import choose_phase, radiomics_features
    from nephrograde.volume.finding import write_findings

    phase = choose_phase(cohort)
    scans = sum(phase in case.scans and case.scans[phase].mask_path is not None for case in cohort.cases)
    with progress(f"Computing radiomic features, phase {phase}", scans) as advance:
        findings = radiomics_features(
            cohort, study, inputs=prepared.inputs, radiomics_dir=run_dir / "radiomics", advance=advance
        )
    prepared = replace(prepared, findings=(*prepared.findings, *findings))
    write_findings(prepared.findings, run_dir / "volumes" / "findings.csv")
    return prepared


def fit(study: Study, cohort: Cohort, split: Split, run_dir: Path, *, progress: Progress = silent) -> None:
    """Fit every model on every fold; a fold whose inputs are unchanged is kept."""
    from nephrograde.fit.folds import fit_planned, plan_fits
    from nephrograde.sample.prepare import read_prepared

    prepared = read_prepared(run_dir / "volumes")
    is_high = {case.patient_id: case.is_high for case in cohort.cases}
    planned = plan_fits(study, split, prepared=prepared, is_high=is_high, run_dir=run_dir)
    with progress("Fitting models", sum(one.epochs for one in planned)) as advance:
        for one in planned:
            fit_planned(one, study, split, is_high=is_high, run_dir=run_dir, advance=advance)


def evaluate(study: Study, cohort: Cohort, split: Split, run_dir: Path, *, reason: str | None = "") -> None:
    """Gather the scores of all models and baselines, and compute everything of ``statistics/``.

    Args:
        study: The resolved study.
        cohort: Its patients.
        split: Which of them test.
        run_dir: The run folder; the models are fitted.
        reason: Why the test set is opened, for the ledger; may be empty the first time. None leaves it closed, and
            only out-of-fold scores are read.

    Raises:
        RunError: The test set was opened before, something has changed since, and there is no reason.
    """
    from nephrograde.evaluate.baseline import fit_baseline
    from nephrograde.evaluate.collect import collect_scores, write_members
    from nephrograde.evaluate.scores import Scores

    models_dir = run_dir / "models"
    fold_dirs = [models_dir / model / f"fold-{fold}" for model, *_ in study.models() for fold in range(split.folds)]
    predictions = [fold_dir / "predictions.csv" for fold_dir in fold_dirs]

    def make(inputs: str) -> None:
        is_high = {case.patient_id: case.is_high for case in cohort.cases}
        rows, members = collect_scores([path for path in predictions if path.exists()])
        for name in study.evaluate.baselines:
            predictors = _predictors(name, study, cohort, run_dir)
            rows += fit_baseline(predictors, is_high, split, model=name) if predictors.values else ()
        if reason is None:
            rows, members = [row for row in rows if row.split == "oof"], []
        else:
            _open_test_set(run_dir, reason=reason, inputs=inputs)
        write_members(members, run_dir / "scores" / "members.csv")
        _write_evaluation(Scores(tuple(rows)), study.evaluate, _groups(study, cohort), run_dir)

    measured = [run_dir / "volumes" / "regions.csv", run_dir / "radiomics" / "features.csv"]
    inputs = [run_dir / "cohort", *measured, *predictions]
    settings = [study.evaluate.model_dump(mode="json"), "out of fold only" if reason is None else "test set opened"]
    _unless_current("evaluate", run_dir, inputs=inputs, settings=settings, make=make)


def _predictors(name: str, study: Study, cohort: Cohort, run_dir: Path) -> Predictors:
    """What a baseline reads: the table, the measures of the masks, or the radiomic features."""
    from nephrograde.evaluate.baseline import clinical_predictors, measured_predictors, radiomics_predictors
    from nephrograde.sample.prepare import read_prepared
    from nephrograde.sample.radiomics import read_features

    if name == "clinical":
        return clinical_predictors(cohort, study.evaluate.clinical)
    if name == "radiomics":
        return radiomics_predictors(read_features(run_dir / "radiomics"))
    return measured_predictors(
        "size" if name == "size" else "volume", cohort, read_prepared(run_dir / "volumes").regions
    )


def evaluate_table(
    scores_path: Path, run_dir: Path, *, settings: EvaluateSettings, command: str = "", reason: str | None = ""
) -> None:
    """Evaluate a score table of any origin, with no images and no torch.

    Raises:
        ScoresError: Where the table cannot be evaluated.
    """
    from nephrograde.evaluate.lesions import LESION_COLUMN, parse_lesions
    from nephrograde.evaluate.scores import Scores, open_scores, parse_groups, parse_scores

    sheet = open_scores(scores_path)
    lesions = parse_lesions(sheet) if LESION_COLUMN in sheet.headings else None
    scores = parse_scores(sheet) if lesions is None else lesions.by_patient()
    if (run_dir / "models").exists():
        raise RunError(f"{run_dir} holds the run of a study. Name another folder with --out.")
    digest = sha256_of(scores_path)
    write_lock(settings, run_dir, inputs={SCORE_TABLE: digest}, command=command)
    if reason is None:
        scores = Scores(tuple(row for row in scores.rows if row.split == "oof"))
        lesions = None if lesions is None else lesions.out_of_fold()
    elif scores.has_test:
        inputs = fingerprint([digest, settings.model_dump(mode="json")])
        _open_test_set(run_dir, reason=reason or f"evaluation of {scores_path.name}", inputs=inputs)
    _write_evaluation(scores, settings, parse_groups(sheet, settings.subgroups), run_dir, lesions=lesions)


def report(run_dir: Path, language: Language = "en") -> Path:
    """Write the report from the files of the run folder, and return its path."""
    from nephrograde.evaluate.ledger import LEDGER_NAME
    from nephrograde.report.pages.study_page import report_path_of, write_report

    report_path = report_path_of(run_dir, language)
    names = ("cohort", "scores", "statistics", "volumes/findings.csv", "volumes/regions.csv", LEDGER_NAME, LOCK_NAME)
    cards = sorted(run_dir.glob("models/*/fold-*/*.[cj]s*"))
    inputs = [run_dir / name for name in names] + cards
    stage = report_path.stem  # one record a language
    _unless_current(stage, run_dir, inputs=inputs, settings=__version__, make=lambda _: write_report(run_dir, language))
    return report_path


def _groups(study: Study, cohort: Cohort) -> dict[str, dict[str, str]]:
    """The columns by which patients are parted, where the table has them."""
    return {
        column: {case.patient_id: str(case.clinical.get(column, "")) for case in cohort.cases}
        for column in study.evaluate.subgroups
        if any(column in case.clinical for case in cohort.cases)
    }


def _open_test_set(run_dir: Path, *, reason: str, inputs: str) -> None:
    from nephrograde.evaluate.ledger import open_test_set

    lock = read_json(run_dir / LOCK_NAME)
    study = fingerprint(lock["study"] if "study" in lock else lock["inputs"])
    open_test_set(run_dir, study=study, inputs=inputs, reason=reason, command=lock["command"])


def _write_evaluation(
    scores: Scores,
    settings: EvaluateSettings,
    groups: dict[str, dict[str, str]],
    run_dir: Path,
    *,
    lesions: Lesions | None = None,
) -> None:
    from nephrograde.evaluate.evaluation import evaluate_scores, write_statistics
    from nephrograde.evaluate.scores import write_scores

    evaluation = evaluate_scores(scores, settings, groups)
    if lesions is not None:
        evaluation = lesions.beside(evaluation, confidence=settings.confidence)
    write_scores(scores, run_dir / "scores" / "scores.csv")
    write_statistics(evaluation, run_dir / "statistics")


def _check_same_split(study: Study, cohort: Cohort, run_dir: Path) -> None:
    saved = set(read_split(run_dir / "cohort" / "split.csv").assignments)
    now = {case.patient_id for case in cohort.cases}
    if saved != now:
        raise RunError(
            f"The split in {run_dir} was drawn for other patients ({len(now - saved)} are new, {len(saved - now)} have "
            "gone). Name another folder with --out, so that no test patient is ever trained on."
        )
    drawn_by = read_lock(run_dir)["study"]["split"]
    if drawn_by != study.split.model_dump(mode="json"):
        raise RunError(
            f"The split in {run_dir} was drawn by other rules ([split] has changed since). "
            "Change it back, or name another folder with --out."
        )


def _unless_current(
    stage: str, run_dir: Path, *, inputs: Iterable[Path], settings: object, make: Callable[[str], object]
) -> None:
    """Run a stage unless it has run on the very same inputs and its record says that it came to its end.

    ``make`` is given the fingerprint of the inputs.
    """
    found = {str(path.relative_to(run_dir)): sha256_of(path) for path in inputs if path.exists()}
    key = fingerprint([found, settings])
    record_path = run_dir / "stages" / f"{stage}.json"
    if record_path.exists() and read_json(record_path).get("inputs") == key:
        return
    make(key)
    write_json(record_path, {"inputs": key})
