"""The study from start to finish. Each stage has its own package and reads and writes files of the run folder.

If a run is killed, at most the scan or fold in progress is lost: the same command resumes there and yields the same
scores. Only one process at a time writes to a run folder.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from nephrograde.annotations.cost import measured_minutes
from nephrograde.annotations.stage import compare_annotations
from nephrograde.cohort.stage import load_inputs, open_cohort, reopen_cohort
from nephrograde.errors import InputError, Problem, RunError
from nephrograde.evaluation.stage import evaluate_models, evaluate_score_table, refuse_reopening
from nephrograde.placing.engine import LOCAL
from nephrograde.replacement import replaced
from nephrograde.report.pages.quality_page import write_quality_page
from nephrograde.report.stage import report_run
from nephrograde.run.folder import RunFolder
from nephrograde.run.progress import silent
from nephrograde.run.writer import beside_others, only_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.evaluation.ladder.minutes import Minutes
    from nephrograde.placing.engine import Engine
    from nephrograde.quality.cohort_quality import CohortQuality
    from nephrograde.report.text.language import Language
    from nephrograde.run.progress import Progress
    from nephrograde.sample.prepare import Prepared
    from nephrograde.study import EvaluateSettings, Study
    from nephrograde.tune.stage import ChosenFold, TuningPlan
    from nephrograde.vocabulary import Supervision

__all__ = [
    "check_study",
    "evaluate_study",
    "evaluate_table",
    "fit_study",
    "list_units",
    "load_inputs",
    "prepare_study",
    "print_study",
    "report_study",
    "run_study",
    "tune_study",
]
Run: TypeAlias = RunFolder | str | Path
"""A run folder by its path, created if it is missing, or a ``RunFolder``."""


def run_study(
    study: Study,
    run: Run,
    *,
    engine: Engine = LOCAL,
    command: str = "",
    reason: str | None = "",
    language: Language = "en",
    progress: Progress = silent,
) -> Path:
    """Run all stages whose inputs have changed, and return the path of the report.

    Args:
        study: The resolved study.
        run: The run folder; an interrupted run is resumed.
        engine: Where scans are prepared and models fitted; everything else is done here.
        command: The command line, for the lock file and the ledger.
        reason: Why the test set is opened; may be empty the first time. None leaves it closed.
        language: Language of the report.
        progress: How to show the progress of long steps.

    Raises:
        InputError: The cohort table has mistakes; all are listed. Or the engine cannot be used.
        RunError: Another process is writing to the folder, it holds another study, or the test set would be opened
            again without a reason.
        FitError: A model cannot be fitted.
        WeightsError: The file of an encoder, or of initial weights, is missing or another one, or does not fit.
    """
    from nephrograde.fit.initial import require_weights
    from nephrograde.fit.stage import fit_models, place_models, plan_models
    from nephrograde.sample.stage import prepare_scans

    require_weights(study)
    measured = _measured(study)
    earlier = _lock_of(run)
    if engine != LOCAL:
        _place_preparing(study, run, engine, command=command, progress=progress)
        with _opened(study, run, command) as (folder, cohort, split):
            prepare_scans(study, cohort, folder, progress=progress)
            _refuse_reopening(study, cohort, split, folder, reason=reason, earlier=earlier)
            plan = plan_models(study, cohort, split, folder, progress=progress)
        place_models(plan, folder, engine, progress=progress)
    with _opened(study, run, command) as (folder, cohort, split):
        prepare_scans(study, cohort, folder, progress=progress)
        _refuse_reopening(study, cohort, split, folder, reason=reason, earlier=earlier)
        fit_models(study, cohort, split, folder, progress=progress)
        evaluate_models(study, cohort, split, folder, reason=reason, measured=measured)
        compare_annotations(study, folder)
        return report_run(folder, language)


def _refuse_reopening(
    study: Study, cohort: Cohort, split: Split, run: RunFolder, *, reason: str | None, earlier: bytes | None
) -> None:
    """Refuse before the models are fitted, and leave the folder the run of the study that was evaluated."""
    from nephrograde.fit.stage import keys_of_fits

    with _or_restored(run, earlier):
        refuse_reopening(study, run, fits=keys_of_fits(study, cohort, split, run), reason=reason)


def _lock_of(run: Run) -> bytes | None:
    """The lock file as it is; None without one."""
    lock_path = RunFolder.at(run).study_lock_path
    return lock_path.read_bytes() if lock_path.is_file() else None


@contextmanager
def _or_restored(run: RunFolder, earlier: bytes | None) -> Iterator[None]:
    """Leave the folder the run of the study that it was if the block refuses another one."""
    try:
        yield
    except RunError:
        if earlier is not None:
            with replaced(run.study_lock_path) as temporary_path:
                temporary_path.write_bytes(earlier)
        raise


def prepare_study(
    study: Study, run: Run, *, engine: Engine = LOCAL, command: str = "", progress: Progress = silent
) -> Prepared:
    """Only prepare the scans; arguments and errors are those of :func:`run_study`."""
    from nephrograde.fit.initial import require_weights
    from nephrograde.sample.stage import prepare_scans

    require_weights(study)
    if engine != LOCAL:
        _place_preparing(study, run, engine, command=command, progress=progress)
    with _opened(study, run, command) as (folder, cohort, _):
        return prepare_scans(study, cohort, folder, progress=progress)


def _place_preparing(study: Study, run: Run, engine: Engine, *, command: str, progress: Progress) -> None:
    """Let an engine prepare the scans, which are then found in the cache."""
    from nephrograde.sample.placed import place_preparing

    with _opened(study, run, command) as (folder, cohort, _):
        pass
    place_preparing(study, cohort, folder, engine, progress=progress)


def check_study(
    study: Study, run: Run, *, command: str = "", language: Language = "en", progress: Progress = silent
) -> tuple[CohortQuality, Path]:
    """Prepare and check every scan; returns the findings and the path of the page that shows them."""
    from nephrograde.fit.initial import require_weights
    from nephrograde.quality.stage import check_cohort
    from nephrograde.sample.stage import prepare_scans

    require_weights(study)
    with _opened(study, run, command) as (folder, cohort, split):
        prepared = prepare_scans(study, cohort, folder, progress=progress)
        quality = check_cohort(study, cohort, split, folder, prepared=prepared, progress=progress)
        return quality, write_quality_page(folder.quality.quality_dir, folder.quality.page_path(language), language)


def fit_study(
    study: Study,
    run: Run,
    *,
    only: Sequence[str] = (),
    engine: Engine = LOCAL,
    command: str = "",
    progress: Progress = silent,
) -> None:
    """Only fit the models, on prepared scans; other arguments and errors are those of :func:`run_study`.

    Args:
        study: The resolved study.
        run: The run folder.
        only: Names of units, such as ``weak-1-cmp/fold-0``: these are fitted here and nothing else is written, so that
            several processes can do so at once. Everything is fitted when empty.
        engine: Where the models are fitted.
        command: The command line, for the lock file.
        progress: How to show the progress of long steps.
    """
    from nephrograde.fit.stage import fit_models, fit_only, place_models, plan_models
    from nephrograde.sample.stage import require_prepared

    if only and engine != LOCAL:
        raise InputError([Problem("--only", "fits its units here, and --on elsewhere", "Leave one of them out.")])
    if only:
        with beside_others(run) as folder:
            opened = reopen_cohort(study, folder)
            require_prepared(study, folder)
            fit_only(study, *opened, folder, only=only, progress=progress)
        return
    with _opened(study, run, command, is_prepared=True) as (folder, cohort, split):
        if engine == LOCAL:
            fit_models(study, cohort, split, folder, progress=progress)
            return
        plan = plan_models(study, cohort, split, folder, progress=progress)
    place_models(plan, folder, engine, progress=progress)


def list_units(study: Study, run: Run) -> dict[str, bool]:
    """List the units of a prepared study, each one model on one fold, and whether it is fitted.

    Args:
        study: The resolved study.
        run: The run folder.

    Returns:
        Whether each of them is fitted, by a name such as ``weak-1-cmp/fold-0``, or ``seed-1/weak-1-cmp/fold-0`` in a
        repeat.

    Raises:
        RunError: The run folder is not prepared, was opened for another study, or is being written as a whole.
    """
    from nephrograde.fit.stage import fitted_units
    from nephrograde.sample.stage import require_prepared

    with beside_others(run) as folder:
        opened = reopen_cohort(study, folder)
        require_prepared(study, folder)
        return fitted_units(study, *opened, folder)


def tune_study(
    study: Study,
    run: Run,
    *,
    models: Sequence[str] = (),
    command: str = "",
    progress: Progress = silent,
    tell: Callable[[TuningPlan], None] = lambda _plan: None,
) -> list[ChosenFold]:
    """Prepare the scans, and choose settings of training for every fold inside the patients that it learns from.

    Args:
        study: The resolved study.
        run: The run folder; an interrupted search is resumed.
        models: The models to tune; all that train a network when empty.
        command: The command line, for the lock file.
        progress: How to show the progress of long steps.
        tell: Told what is about to be done, after everything has been checked.

    Returns:
        What was chosen.

    Raises:
        InputError: The cohort table has mistakes, or a model cannot be tuned.
        RunError: As :func:`run_study`, or earlier trials are damaged.
        FitError: Optuna is missing, or a model cannot be fitted with its own settings.
    """
    from nephrograde.sample.stage import prepare_scans
    from nephrograde.tune.stage import plan_tuning, require_tunable, tune_models

    require_tunable(study, models)
    with _opened(study, run, command) as (folder, cohort, split):
        prepare_scans(study, cohort, folder, progress=progress)
        plan = plan_tuning(study, cohort, split, folder, models=models)
        tell(plan)
        return tune_models(plan, split, folder, progress=progress)


def evaluate_study(
    study: Study, run: Run, *, command: str = "", reason: str | None = "", language: Language = "en"
) -> Path:
    """Evaluate fitted models and report; arguments and errors are those of :func:`run_study`."""
    from nephrograde.fit.stage import require_fits_of

    measured = _measured(study)
    earlier = _lock_of(run)
    with _opened(study, run, command, is_prepared=True) as (folder, cohort, split):
        with _or_restored(folder, earlier):
            require_fits_of(study, cohort, split, folder)
        evaluate_models(study, cohort, split, folder, reason=reason, measured=measured)
        compare_annotations(study, folder)
        return report_run(folder, language)


def evaluate_table(
    scores_path: str | Path,
    run: Run,
    *,
    settings: EvaluateSettings,
    encoding: str | None = None,
    columns: Mapping[str, str] | None = None,
    command: str = "",
    reason: str | None = "",
    language: Language = "en",
) -> Path:
    """Evaluate a score table from any source, without images or torch, and return the path of the report.

    Raises:
        ScoresError: The table cannot be evaluated.
        RunError: As :func:`run_study`.
    """
    with only_writer(run) as folder:
        evaluate_score_table(
            Path(scores_path),
            folder,
            settings=settings,
            encoding=encoding,
            columns=columns,
            command=command,
            reason=reason,
        )
        return report_run(folder, language)


def report_study(run: Run, language: Language = "en") -> Path:
    """Write the report of a run from its files, and return its path."""
    with only_writer(RunFolder.open(run)) as folder:
        return report_run(folder, language)


def print_study(run: Run, language: Language = "en") -> Path:
    """Write the report of a run as PDF, and return its path.

    Raises:
        RunError: There is no report, or another process is writing to the folder.
        NephrogradeError: Something that the PDF needs is not installed.
    """
    from nephrograde.report.pages.pdf import write_pdf

    with only_writer(RunFolder.open(run)) as folder:
        return write_pdf(folder.report.page_path(language))


@contextmanager
def _opened(
    study: Study, run: Run, command: str, *, is_prepared: bool = False
) -> Iterator[tuple[RunFolder, Cohort, Split]]:
    """Be the only writer of a run, whose scans have to be prepared for this study where ``is_prepared``."""
    from nephrograde.sample.stage import require_prepared

    with only_writer(run) as folder:
        if is_prepared:
            require_prepared(study, folder)
        yield folder, *open_cohort(study, folder, command=command)


def _measured(study: Study) -> dict[Supervision, Minutes]:
    """The minutes of annotation in the journals of a study with several levels of supervision."""
    levels = {arm.supervision for arm in study.arm}
    return measured_minutes(study.cohort.annotations) if len(levels) > 1 else {}
