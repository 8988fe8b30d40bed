"""The command line: parsing and printing only."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nephrograde import __version__
from nephrograde.errors import NephrogradeError
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nephrograde.cohort.split import Split
    from nephrograde.cohort.table import Cohort
    from nephrograde.study import Study

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells give it."""

app = typer.Typer(
    name="nephrograde",
    help=f"Grade clear cell renal cell carcinoma from three-phase CT. {RESEARCH_USE_ONLY}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study file.")]
RunDir = Annotated[Path | None, typer.Option("--out", help="The run folder [default: runs/<name of the study file>].")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a key, like fit.epochs=2. May be repeated."),
]


def main() -> None:
    """Run the command line: mistakes of the user end with exit code 2 and no traceback, Ctrl-C with 130."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(args=arguments, prog_name="nephrograde", standalone_mode=True)
    except NephrogradeError as error:
        if debug:
            raise
        typer.echo(f"nephrograde: {error}", err=True)
        raise SystemExit(2) from None
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            typer.echo("\nStopped. The same command goes on from here.", err=True)
        raise


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nephrograde {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    del version, debug  # both are looked at before


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Where to write; made when it is missing.")]) -> None:
    """Write a commented study file and a cohort template with its columns explained."""
    from nephrograde.sources.template import write_template

    study_path, table_path = write_template(folder)
    typer.echo(f"Wrote {study_path} and {table_path}.")
    typer.echo(f"Fill in the table, then: nephrograde check {study_path}")


@app.command()
def demo(
    patients: Annotated[int, typer.Option(min=20, help="How many synthetic patients; 300 is the paper's size.")] = 60,
    out: Annotated[Path, typer.Option("--out", help="Where the cohort and the run go.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the synthetic cohort.")] = 20260415,
    *,
    dicom: Annotated[bool, typer.Option("--dicom", help="Write the scans as DICOM series instead of NIfTI.")] = False,
) -> None:
    """Run the whole study on a synthetic cohort that is made on the spot."""
    from nephrograde.sources.demo import write_demo
    from nephrograde.sources.phantom import PhantomSettings

    with _progress("Writing the synthetic cohort", patients) as advance:
        study_path = write_demo(out, PhantomSettings(patients=patients, seed=seed, dicom=dicom), advance=advance)
    _run(study_path, study_path.parent.with_name(study_path.parent.name.replace("cohort", "run")), ())


@app.command()
def run(study_path: StudyPath, out: RunDir = None, overrides: Overrides = None) -> None:
    """Run the study from the cohort table to the report, and go on where an earlier run stopped."""
    _run(study_path, out or _default_run(study_path), tuple(overrides or ()))


@app.command()
def check(study_path: StudyPath, out: RunDir = None, overrides: Overrides = None) -> None:
    """Check the study file, the table and every scan, and say what each arm can use."""
    from nephrograde import pipeline

    run_dir = out or _default_run(study_path)
    study, cohort, _ = _open(study_path, run_dir, tuple(overrides or ()))
    prepared = pipeline.prepare(study, cohort, run_dir, progress=_progress)
    _print_findings(run_dir)
    for model, arm, phase in study.models():
        typer.echo(f"{model}: {len(prepared.files(arm.name, phase))} of {len(cohort.cases)} patients")


@app.command()
def prepare(study_path: StudyPath, out: RunDir = None, overrides: Overrides = None) -> None:
    """Prepare the scans only."""
    from nephrograde import pipeline

    run_dir = out or _default_run(study_path)
    study, cohort, _ = _open(study_path, run_dir, tuple(overrides or ()))
    prepared = pipeline.prepare(study, cohort, run_dir, progress=_progress)
    _print_findings(run_dir)
    typer.echo(f"Prepared {len(prepared.regions)} regions in {run_dir / 'volumes'}.")


@app.command()
def fit(study_path: StudyPath, out: RunDir = None, overrides: Overrides = None) -> None:
    """Fit the models only; the scans must have been prepared."""
    from nephrograde import pipeline

    run_dir = out or _default_run(study_path)
    study, cohort, split = _open(study_path, run_dir, tuple(overrides or ()))
    pipeline.fit(study, cohort, split, run_dir, progress=_progress)
    typer.echo(f"The models are in {run_dir / 'models'}.")


@app.command()
def evaluate(
    source: Annotated[Path, typer.Argument(metavar="STUDY.toml|SCORES.csv", help="A study, or scores of any origin.")],
    out: RunDir = None,
    overrides: Overrides = None,
) -> None:
    """Evaluate the fitted models of a study, or a score table of any origin."""
    from nephrograde import pipeline

    run_dir = out or _default_run(source)
    if source.suffix.lower() == ".toml":
        study, cohort, split = _open(source, run_dir, tuple(overrides or ()))
        pipeline.evaluate(study, cohort, split, run_dir)
    else:
        report_path = pipeline.evaluate_table(source, run_dir, command=_command())
        typer.echo(f"Report: {report_path}")
    _print_table(run_dir)


@app.command()
def report(study_path: StudyPath, out: RunDir = None) -> None:
    """Write the report of a run again from its files."""
    from nephrograde import pipeline

    typer.echo(f"Report: {pipeline.report(out or _default_run(study_path))}")


@app.command()
def predict(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    image: Annotated[Path, typer.Argument(help="The scan: an image file or a folder with one DICOM series.")],
    model: Annotated[str, typer.Option("--model", help="Which model grades, like weak-1-cmp.")],
    mask: Annotated[Path | None, typer.Option(help="The delineated tumour.")] = None,
    box: Annotated[str | None, typer.Option(help='Two corners: "x,y,z;x,y,z mm" or "i,j,k;i,j,k vox".')] = None,
    point: Annotated[str | None, typer.Option(help='A click in the tumour: "x,y,z mm" or "i,j,k vox".')] = None,
    slice_: Annotated[str | None, typer.Option("--slice", help='The slice to grade: "-312.5 mm" or "41 vox".')] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Grade one scan with the fold ensemble of a finished run."""
    from nephrograde.cohort.place import parse_box, parse_point, parse_slice
    from nephrograde.cohort.table import Scan
    from nephrograde.predict.grader import grade_scan

    scan = Scan(
        phase="",
        image_path=image,
        mask_path=mask,
        point=parse_point(point) if point else None,
        box=parse_box(box) if box else None,
        slice_place=parse_slice(slice_) if slice_ else None,
    )
    grading = grade_scan(run_dir, model, scan)
    typer.echo(json.dumps(grading.as_dict(), indent=2, ensure_ascii=False) if as_json else grading.as_text())


def _default_run(source_path: Path) -> Path:
    return Path("runs") / source_path.stem


def _command() -> str:
    return shlex.join(["nephrograde", *sys.argv[1:]])


def _open(study_path: Path, run_dir: Path, overrides: tuple[str, ...]) -> tuple[Study, Cohort, Split]:
    from nephrograde import pipeline

    study = pipeline.load_inputs(study_path, overrides)
    cohort, split = pipeline.open_cohort(study, run_dir, command=_command())
    return study, cohort, split


def _run(study_path: Path, run_dir: Path, overrides: tuple[str, ...]) -> None:
    from nephrograde import pipeline

    study = pipeline.load_inputs(study_path, overrides)
    report_path = pipeline.run_study(study, run_dir, command=_command(), progress=_progress)
    _print_findings(run_dir)
    _print_table(run_dir)
    typer.echo(f"Report: {report_path}")


def _print_findings(run_dir: Path) -> None:
    from nephrograde.volume.check import read_findings

    findings = read_findings(run_dir / "volumes" / "findings.csv")
    fatal = [finding for finding in findings if finding.severity == "fatal"]
    for finding in fatal[:20]:
        place = f"Case {finding.patient_id}, phase {finding.phase.upper()}"
        typer.echo(f"Left out: {place}: {finding.message} {finding.remedy}", err=True)
    if len(fatal) > 20:
        typer.echo(f"… and {len(fatal) - 20} more in {run_dir / 'volumes' / 'findings.csv'}", err=True)
    if len(findings) > len(fatal):
        typer.echo(f"{len(findings) - len(fatal)} warnings in {run_dir / 'volumes' / 'findings.csv'}", err=True)


def _print_table(run_dir: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from nephrograde.evaluate.evaluation import read_estimates
    from nephrograde.report.tables import paper_table

    estimates = read_estimates(run_dir / "statistics" / "estimates.csv")
    has_test = any(split == "test" for _, split, _ in estimates)
    title = "Test set" if has_test else "Out-of-fold scores (there are no test rows)"
    table = Table(title=title, caption=RESEARCH_USE_ONLY)
    columns, rows = paper_table(estimates, "test" if has_test else "oof")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table) if console.is_terminal else Console(width=160).print(table)


@contextmanager
def _progress(name: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar with the time left on a terminal; elsewhere a plain line for every tenth part."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_progress(name, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=total)
        yield lambda: progress.advance(task)


def _plain_progress(name: str, total: int) -> Callable[[], None]:
    import time
    from threading import Lock

    start = time.monotonic()
    lock = Lock()
    done = 0

    def advance() -> None:
        nonlocal done
        with lock:
            done += 1
            if done == total or done * 10 // total > (done - 1) * 10 // total:
                passed = time.monotonic() - start
                left = passed / done * (total - done)
                typer.echo(f"{name}: {done} of {total}, {passed:.0f} s passed, {left:.0f} s left", err=True)

    return advance
