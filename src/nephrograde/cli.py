"""The command line: parsing and printing only."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nephrograde import __version__
from nephrograde.errors import NephrogradeError
from nephrograde.report.language import Language
from nephrograde.terminal import print_findings, print_rows, print_table, progress
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
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
Reason = Annotated[
    str, typer.Option("--reason", help="Why the test set is opened again; printed in the report.", show_default=False)
]
PeekFree = Annotated[
    bool, typer.Option("--peek-free", help="Leave the test set closed: evaluate out-of-fold scores only.")
]
Lang = Annotated[Language, typer.Option("--lang", help="The language of the report.")]
AsPdf = Annotated[bool, typer.Option("--pdf", help="Write the report as PDF as well (needs nephrograde[pdf]).")]

PrintedValue = Annotated[str, typer.Option(metavar="TEXT", help="As printed, like 0.860 or 86.0%.", show_default=False)]


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
    from nephrograde.sources.synthetic.phantom import PhantomSettings

    with progress("Writing the synthetic cohort", patients) as advance:
        study_path = write_demo(out, PhantomSettings(patients=patients, seed=seed, dicom=dicom), advance=advance)
    run(study_path, out=study_path.parent.with_name(study_path.parent.name.replace("cohort", "run")))


@app.command()
def run(
    study_path: StudyPath,
    out: RunDir = None,
    overrides: Overrides = None,
    reason: Reason = "",
    lang: Lang = "en",
    *,
    pdf: AsPdf = False,
    peek_free: PeekFree = False,
) -> None:
    """Run the study from the cohort table to the report, and go on where an earlier run stopped."""
    from nephrograde import pipeline

    run_dir = out or _default_run(study_path)
    study = pipeline.load_inputs(study_path, tuple(overrides or ()))
    report_path = pipeline.run_study(
        study,
        run_dir,
        command=_command(),
        reason=None if peek_free else reason,
        language=lang,
        progress=progress,
    )
    print_findings(run_dir)
    print_table(run_dir)
    _print_report(report_path, as_pdf=pdf)


@app.command()
def check(study_path: StudyPath, out: RunDir = None, overrides: Overrides = None) -> None:
    """Check the study file, the table and every scan, and say what each arm can use."""
    from nephrograde import pipeline

    run_dir = out or _default_run(study_path)
    study, cohort, _ = _open(study_path, run_dir, tuple(overrides or ()))
    prepared = pipeline.prepare(study, cohort, run_dir, progress=progress)
    print_findings(run_dir)
    for model, arm, phase in study.models():
        typer.echo(f"{model}: {len(prepared.files(arm.name, phase))} of {len(cohort.cases)} patients")


@app.command()
def prepare(study_path: StudyPath, out: RunDir = None, overrides: Overrides = None) -> None:
    """Prepare the scans only."""
    from nephrograde import pipeline

    run_dir = out or _default_run(study_path)
    study, cohort, _ = _open(study_path, run_dir, tuple(overrides or ()))
    prepared = pipeline.prepare(study, cohort, run_dir, progress=progress)
    print_findings(run_dir)
    typer.echo(f"Prepared {len(prepared.regions)} regions in {run_dir / 'volumes'}.")


@app.command()
def fit(study_path: StudyPath, out: RunDir = None, overrides: Overrides = None) -> None:
    """Fit the models only; the scans must have been prepared."""
    from nephrograde import pipeline

    run_dir = out or _default_run(study_path)
    study, cohort, split = _open(study_path, run_dir, tuple(overrides or ()))
    pipeline.fit(study, cohort, split, run_dir, progress=progress)
    typer.echo(f"The models are in {run_dir / 'models'}.")


@app.command()
def evaluate(
    source: Annotated[Path, typer.Argument(metavar="STUDY.toml|SCORES.csv", help="A study, or scores of any origin.")],
    out: RunDir = None,
    overrides: Overrides = None,
    reason: Reason = "",
    lang: Lang = "en",
    *,
    pdf: AsPdf = False,
    peek_free: PeekFree = False,
) -> None:
    """Evaluate the fitted models of a study, or a score table of any origin."""
    from nephrograde import pipeline

    run_dir = out or _default_run(source)
    if source.suffix.lower() == ".toml":
        study, cohort, split = _open(source, run_dir, tuple(overrides or ()))
        pipeline.evaluate(study, cohort, split, run_dir, reason=None if peek_free else reason)
    else:
        from nephrograde.study_file import evaluate_settings

        settings = evaluate_settings(tuple(overrides or ()))
        pipeline.evaluate_table(
            source, run_dir, settings=settings, command=_command(), reason=None if peek_free else reason
        )
    print_table(run_dir)
    _print_report(pipeline.report(run_dir, lang), as_pdf=pdf)


@app.command()
def report(study_path: StudyPath, out: RunDir = None, lang: Lang = "en", *, pdf: AsPdf = False) -> None:
    """Write the report of a run again from its files."""
    from nephrograde import pipeline

    _print_report(pipeline.report(out or _default_run(study_path), lang), as_pdf=pdf)


@app.command()
def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="The folder of a run or of an evaluated score table.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another one.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the page goes [default: compare-<RUN_A>-<RUN_B>].")
    ] = None,
    lang: Lang = "en",
) -> None:
    """Set two runs side by side: what differs in them, and whether their results do on the patients of both."""
    from nephrograde.report.language import speaking
    from nephrograde.report.side_by_side import compare_runs
    from nephrograde.report.side_by_side_page import auc_table, summary, warnings, write_side_by_side

    side = compare_runs(run_a, run_b)
    with speaking(lang):
        page_path = write_side_by_side(side, out or Path(f"compare-{run_a.resolve().name}-{run_b.resolve().name}"))
        for sentence in warnings(side):
            typer.echo(sentence, err=True)
        print_rows(*auc_table(side))
        for sentence in summary(side):
            typer.echo(sentence)
    typer.echo(f"Page: {page_path}")


@app.command()
def audit(
    models_path: Annotated[
        Path | None, typer.Argument(metavar="MODELS.csv", help="Printed values, a row a model; instead of options.")
    ] = None,
    n: Annotated[str, typer.Option("--n", metavar="COUNT", help="Test patients.")] = "",
    accuracy: PrintedValue = "",
    sensitivity: PrintedValue = "",
    specificity: PrintedValue = "",
    ppv: PrintedValue = "",
    npv: PrintedValue = "",
    auc: PrintedValue = "",
    positives: Annotated[str, typer.Option("--positives", metavar="COUNT", help="How many are positive.")] = "",
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="The model's name.")] = "",
    against: Annotated[
        list[str] | None,
        typer.Option("--against", metavar="KEY=VALUE,…", help='Another model: "name=b,auc=0.92". May be repeated.'),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the confusion tables that print like a paper's values, and what models can share a test set."""
    from nephrograde.evaluate.audit import audit_all, audits_as_dict, audits_as_text
    from nephrograde.evaluate.printed import models_of

    shares = {"accuracy": accuracy, "sensitivity": sensitivity, "specificity": specificity, "ppv": ppv, "npv": npv}
    cells = {"name": name, "n": n, "positives": positives, **shares, "auc": auc}
    audits = audit_all(models_of(models_path, cells, against or ()))
    typer.echo(json.dumps(audits_as_dict(audits), indent=2, ensure_ascii=False) if as_json else audits_as_text(audits))


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


def _print_report(report_path: Path, *, as_pdf: bool) -> None:
    typer.echo(f"Report: {report_path}")
    if as_pdf:
        from nephrograde.report.pdf import write_pdf

        typer.echo(f"PDF: {write_pdf(report_path)}")
