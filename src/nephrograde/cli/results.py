"""Commands on results: compare two runs, check printed values, compare readers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from nephrograde.cli.shared import Encoding, Lang, say_encoding, with_options
from nephrograde.report.text.language import speaking, t
from nephrograde.terminal import print_readers, print_rows, say

commands = typer.Typer()


PrintedValue = Annotated[
    str,
    typer.Option(
        metavar="VALUE", help='As printed, such as 0.860, 86.0% or "0.860 (0.75-0.93)" with its CI.', show_default=False
    ),
]


@commands.command()
def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="The folder of a run or of an evaluated score table.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="The folder of another run.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="The folder of the page [default: compare-<RUN_A>-<RUN_B>]."),
    ] = None,
    lang: Lang = "en",
) -> None:
    """Compare two runs: their settings, and their results on the patients in both."""
    from nephrograde.report.pages.side_by_side import compare_runs
    from nephrograde.report.pages.side_by_side_page import auc_table, summary, warnings, write_side_by_side

    side = compare_runs(run_a, run_b)
    with speaking(lang):
        page_path = write_side_by_side(side, out or Path(f"compare-{run_a.resolve().name}-{run_b.resolve().name}"))
        for sentence in warnings(side):
            say(sentence, err=True)
        print_rows(*auc_table(side))
        for sentence in summary(side):
            say(sentence)
    say(t("Page: {path}", path=page_path))


@dataclass(frozen=True, slots=True)
class PrintedOptions:
    """Options of ``audit``: the printed values of one model, those it is compared with, and how the result is shown."""

    n: Annotated[str, typer.Option("--n", metavar="COUNT", help="Number of test patients, or a range like 80-100.")] = (
        ""
    )
    accuracy: PrintedValue = ""
    sensitivity: PrintedValue = ""
    specificity: PrintedValue = ""
    ppv: PrintedValue = ""
    npv: PrintedValue = ""
    balanced_accuracy: PrintedValue = ""
    f1: PrintedValue = ""
    kappa: PrintedValue = ""
    youden: PrintedValue = ""
    lr_plus: PrintedValue = ""
    lr_minus: PrintedValue = ""
    dor: PrintedValue = ""
    auc: PrintedValue = ""
    p: Annotated[
        str, typer.Option("--p", metavar="VALUE", help="P of the comparison of two AUCs, with one --against.")
    ] = ""
    positives: Annotated[
        str,
        typer.Option("--positives", metavar="COUNT", help="Number of positive patients, or limits like 30-50 or >=30."),
    ] = ""
    mean_of: Annotated[
        str,
        typer.Option("--mean-of", metavar="COUNT", help="Tables of the same patients whose mean is printed."),
    ] = ""
    folds: Annotated[
        str,
        typer.Option("--folds", metavar="COUNT", help="Folds that divide the patients, over which values are means."),
    ] = ""
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The model's name.")] = ""
    against: Annotated[
        list[str] | None,
        typer.Option("--against", metavar="KEY=VALUE,…", help='Another model: "name=b,auc=0.92". May be repeated.'),
    ] = None
    encoding: Encoding = None
    lang: Lang = "en"
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False

    @property
    def cells(self) -> dict[str, str]:
        """The printed values by the column of a table that would hold them."""
        from nephrograde.printed.reading import COLUMNS

        return {column: getattr(self, column) for column in COLUMNS if column != "group"}


@commands.command()
@with_options(PrintedOptions)
def audit(
    models_path: Annotated[
        Path | None,
        typer.Argument(metavar="MODELS.csv", help="A table of printed values, one row per model, instead of options."),
    ] = None,
    *,
    options: PrintedOptions,
) -> None:
    """Find the confusion tables that reproduce printed values, and whether models can share a test set."""
    from nephrograde.printed.audit import audit_all
    from nephrograde.printed.reading import models_of

    if models_path is not None:
        say_encoding(models_path, options.encoding)
    audits = audit_all(models_of(models_path, options.cells, options.against or (), encoding=options.encoding))
    say(json.dumps(audits.as_dict(), indent=2, ensure_ascii=False) if options.as_json else audits.as_text())


@dataclass(frozen=True, slots=True)
class ReadersOptions:
    """Options of ``readers``: what is compared, and how."""

    scores: Annotated[
        Path | None, typer.Option("--scores", metavar="SCORES.csv", help="Scores of a model on the same patients.")
    ] = None
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="The model of --scores; without it, the reader of the table who is the model.",
        ),
    ] = None
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="MODALITY",
            help="The modality to subtract from the others [default: the first of the table].",
        ),
    ] = None
    covariance: Annotated[
        Literal["delong", "jackknife"], typer.Option("--covariance", help="How covariances of AUCs are estimated.")
    ] = "delong"
    confidence: Annotated[
        float, typer.Option("--confidence", min=0.5, max=0.999, help="Coverage probability of the intervals.")
    ] = 0.95
    columns: Annotated[
        list[str] | None,
        typer.Option("--columns", metavar="NAME=HEADING", help="A column of the reads: reader=医师. May be repeated."),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", help="The folder of the page and the table [default: readers-<READS>]."
        ),
    ] = None
    encoding: Encoding = None
    lang: Lang = "en"
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; files are written only if --out is given.")] = (
        False
    )


@commands.command()
@with_options(ReadersOptions)
def readers(
    reads: Annotated[
        Path,
        typer.Argument(
            metavar="READS.csv",
            help="One row per read: reader, patient_id, score, and modality and is_high or isup_grade where known.",
        ),
    ],
    options: ReadersOptions,
) -> None:
    """Compare several readers with and without the model, and the model with the mean reader (MRMC analysis)."""
    from nephrograde.reads.call import readers as analyse
    from nephrograde.report.pages.readers_page import write_readers_page
    from nephrograde.sources.scan.grades import parse_columns

    if not options.as_json:
        say_encoding(reads, options.encoding)
    analysis = analyse(
        reads,
        options.scores,
        model=options.model,
        baseline=options.baseline,
        covariance=options.covariance,
        confidence=options.confidence,
        columns=parse_columns(options.columns or ()),
        encoding=options.encoding,
    )
    if options.out is not None or not options.as_json:
        page_path = write_readers_page(analysis, options.out or Path(f"readers-{reads.stem}"))
    if options.as_json:
        say(json.dumps(analysis.as_dict(), indent=2, ensure_ascii=False))
        return
    print_readers(analysis)
    say(t("Page: {path}", path=page_path))
