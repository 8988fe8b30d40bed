"""What several commands share: options, and steps that all of them take."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nephrograde.report.text.language import Language

if TYPE_CHECKING:
    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.study import Study

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


def default_run(source_path: Path) -> Path:
    """The run folder of a study file or score table where none is named."""
    return Path("runs") / source_path.stem


def page_path_of(table_path: Path, language: Language) -> Path:
    """Where the page stands that shows a table."""
    return table_path.with_suffix(".html" if language == "en" else f".{language}.html")


def command_line() -> str:
    """The command as it was typed, for the lock file."""
    return shlex.join(["nephrograde", *sys.argv[1:]])


def open_study(study_path: Path, run_dir: Path, overrides: tuple[str, ...]) -> tuple[Study, Cohort, Split]:
    """Read the study and its table, and open the run folder."""
    from nephrograde import pipeline

    study = pipeline.load_inputs(study_path, overrides)
    cohort, split = pipeline.open_cohort(study, run_dir, command=command_line())
    return study, cohort, split


def print_report(report_path: Path, *, as_pdf: bool) -> None:
    """Say where the report lies, and write it as PDF where that is wished."""
    typer.echo(f"Report: {report_path}")
    if as_pdf:
        from nephrograde.report.pages.pdf import write_pdf

        typer.echo(f"PDF: {write_pdf(report_path)}")
