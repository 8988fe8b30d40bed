"""The study from top to bottom. Each stage reads and writes files of the run folder, and can be run alone.

Killing a run at any moment costs at most the scan or the fold in work: the same command goes on from there and ends
with the same scores.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from nephrograde import __version__
from nephrograde.cohort.split import draw_split, read_split, write_split
from nephrograde.cohort.table import read_cohort, write_cases
from nephrograde.errors import InputError, RunError
from nephrograde.files import fingerprint, read_json, remove_leftovers, sha256_of, write_json
from nephrograde.provenance import LOCK_NAME, read_lock, write_lock
from nephrograde.study_file import salvage_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from nephrograde.cohort.split import Split
    from nephrograde.cohort.table import Cohort
    from nephrograde.evaluate.scores import Scores
    from nephrograde.sample.prepare import Prepared
    from nephrograde.study import EvaluateSettings, Study

    Progress: TypeAlias = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
    """Opens one long step, given its name and its number of parts, and gives what to call after each part."""


@contextmanager
def silent(_name: str, _total: int) -> Iterator[Callable[[], None]]:
    """Show no progress."""
    yield lambda: None


def run_study(study: Study, run_dir: Path, *, command: str = "", progress: Progress = silent) -> Path:
    """Run every stage, each only where its inputs have changed, and return the path of the report.

    Args:
        study: The resolved study.
        run_dir: The run folder; made when it is missing, resumed when it is not.
        command: The command line, for the lock file.
        progress: How to show long steps.

    Raises:
        InputError: With every mistake of the cohort table.
        RunError: Where the folder holds another study.
    """
    remove_leftovers(run_dir)
    cohort, split = open_cohort(study, run_dir, command=command)
    prepare(study, cohort, run_dir, progress=progress)
    fit(study, cohort, split, run_dir, progress=progress)
    evaluate(study, cohort, split, run_dir)
    return report(run_dir)


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
    write_lock(
        study, run_dir, inputs={**earlier, str(study.cohort.table): sha256_of(study.cohort.table)}, command=command
    )
    write_cases(cohort, run_dir / "cohort" / "cases.csv")
    if not split_path.exists():
        write_split(draw_split(cohort, study.split), split_path)
    return cohort, read_split(split_path)


def prepare(study: Study, cohort: Cohort, run_dir: Path, *, progress: Progress = silent) -> Prepared:
    """Read and check every scan and keep each arm's region; a faulty scan becomes a finding and the others go on."""
    from nephrograde.sample.prepare import prepare_cohort

    scans = sum(len(case.scans) for case in cohort.cases)
    with progress("Preparing scans", scans) as advance:
        prepared = prepare_cohort(cohort, study, volumes_dir=run_dir / "volumes", advance=advance)
    lock = read_lock(run_dir)
    table = str(study.cohort.table)
    write_lock(study, run_dir, inputs={table: lock["inputs"][table], **prepared.inputs}, command=lock["command"])
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


def evaluate(study: Study, cohort: Cohort, split: Split, run_dir: Path) -> None:
    """Gather the scores of all models and baselines, and compute estimates and comparisons."""
    from nephrograde.evaluate.baseline import baseline_values, fit_baseline
    from nephrograde.evaluate.collect import collect_scores, write_members
    from nephrograde.evaluate.scores import Scores
    from nephrograde.sample.prepare import read_prepared

    models_dir = run_dir / "models"
    fold_dirs = [models_dir / model / f"fold-{fold}" for model, *_ in study.models() for fold in range(split.folds)]
    predictions = [fold_dir / "predictions.csv" for fold_dir in fold_dirs]

    def make() -> None:
        is_high = {case.patient_id: case.is_high for case in cohort.cases}
        rows, members = collect_scores([path for path in predictions if path.exists()])
        for name in study.evaluate.baselines:
            values = baseline_values(name, cohort, read_prepared(run_dir / "volumes").regions)
            rows += fit_baseline(values, is_high, split, model=name) if values else ()
        write_members(members, run_dir / "scores" / "members.csv")
        _write_evaluation(Scores(tuple(rows)), study.evaluate, run_dir)

    inputs = [run_dir / "cohort", run_dir / "volumes" / "regions.csv", *predictions]
    _unless_current("evaluate", run_dir, inputs=inputs, settings=study.evaluate.model_dump(mode="json"), make=make)


def evaluate_table(scores_path: Path, run_dir: Path, *, command: str = "") -> Path:
    """Evaluate a score table of any origin, with no images and no torch, and return the path of the report.

    Raises:
        ScoresError: Where the table cannot be evaluated.
    """
    from nephrograde.evaluate.scores import read_scores
    from nephrograde.study import EvaluateSettings

    scores = read_scores(scores_path)
    if (run_dir / "models").exists():
        raise RunError(f"{run_dir} holds the run of a study. Name another folder with --out.")
    write_lock(None, run_dir, inputs={str(scores_path): sha256_of(scores_path)}, command=command)
    _write_evaluation(scores, EvaluateSettings(), run_dir)
    return report(run_dir)


def report(run_dir: Path) -> Path:
    """Write the report from the files of the run folder, and return its path."""
    from nephrograde.report.document import write_report

    report_path = run_dir / "report" / "report.html"
    names = ("cohort", "scores", "statistics", "volumes/findings.csv", "volumes/regions.csv", LOCK_NAME)
    cards = sorted(run_dir.glob("models/*/fold-*/*.[cj]s*"))
    inputs = [run_dir / name for name in names] + cards
    _unless_current("report", run_dir, inputs=inputs, settings=__version__, make=lambda: write_report(run_dir))
    return report_path


def _write_evaluation(scores: Scores, settings: EvaluateSettings, run_dir: Path) -> None:
    from nephrograde.evaluate.evaluation import evaluate_scores, write_comparisons, write_estimates
    from nephrograde.evaluate.scores import write_scores

    evaluation = evaluate_scores(scores, settings)
    write_scores(scores, run_dir / "scores" / "scores.csv")
    write_estimates(evaluation.estimates, run_dir / "statistics" / "estimates.csv")
    write_comparisons(evaluation.comparisons, run_dir / "statistics" / "comparisons.csv")


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
    stage: str, run_dir: Path, *, inputs: Iterable[Path], settings: object, make: Callable[[], object]
) -> None:
    """Run a stage unless it has run on the very same inputs and its record says that it came to its end."""
    found = {str(path.relative_to(run_dir)): sha256_of(path) for path in inputs if path.exists()}
    key = fingerprint([found, settings])
    record_path = run_dir / "stages" / f"{stage}.json"
    if record_path.exists() and read_json(record_path).get("inputs") == key:
        return
    make()
    write_json(record_path, {"inputs": key})
