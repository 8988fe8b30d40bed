"""The command that validates a packed model on another hospital's patients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nephrograde.cli.shared import AsPdf, Encoding, Lang, command_line, with_options
from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told
from nephrograde.terminal import print_findings, print_rows, progress, say

commands = typer.Typer()


@dataclass(frozen=True, slots=True)
class ValidateOptions:
    """Options of ``validate``."""

    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", help="Where everything is written [default: validations/<name of the study>]."
        ),
    ] = None
    development: Annotated[
        Path | None,
        typer.Option(
            "--development",
            metavar="RUN",
            help="The run that the model was packed from, for more measures and to find patients who are in both.",
        ),
    ] = None
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not check every scan as `nephrograde check` does.")
    ] = False
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            metavar="TEXT",
            help="Why the patients are evaluated again, if anything changed.",
            show_default=False,
        ),
    ] = ""
    encoding: Encoding = None
    lang: Lang = "en"
    pdf: AsPdf = False


@commands.command()
@with_options(ValidateOptions)
def validate(
    grader: Annotated[Path, typer.Argument(metavar="GRADER.zip", help="The file that `nephrograde pack` wrote.")],
    source: Annotated[
        Path, typer.Argument(metavar="STUDY.toml|COHORT", help="A study file of the patients, or their cohort table.")
    ],
    options: ValidateOptions,
) -> None:
    """Validate a packed model on another hospital's patients: nothing is learnt from them."""
    from nephrograde.validation import words
    from nephrograde.validation.stage import ValidationSettings, validate_elsewhere

    settings = ValidationSettings(
        development_dir=options.development,
        checks_scans=not options.no_check,
        encoding=options.encoding,
        reason=options.reason,
        language=options.lang,
        command=command_line(),
    )
    out = options.out or Path("validations") / source.stem
    found = validate_elsewhere(grader, source, out, settings, progress=progress)
    print_findings(found.folder)
    for line in words.remarks(found):
        say(told(line), err=True)
    print_rows(words.side_headings(), [words.side_cells(row) for row in found.sides])
    for line in (*words.summary(found), words.scale_sentence()):
        say(line)
    page_path = found.page_path(options.lang)
    say(t("Page: {path}", path=page_path))
    if options.pdf:
        from nephrograde.report.pages.pdf import write_pdf

        say(t("PDF: {path}", path=write_pdf(page_path)))
