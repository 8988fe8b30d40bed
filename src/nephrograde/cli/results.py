"""Commands on results: compare two runs, check printed values, grade a new patient."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from nephrograde.cli.shared import Encoding, Lang, say_encoding
from nephrograde.report.text.language import speaking, t
from nephrograde.report.text.messages import told
from nephrograde.terminal import print_rows, say

commands = typer.Typer()


PrintedValue = Annotated[
    str,
    typer.Option(
        metavar="TEXT", help='As printed, such as 0.860, 86.0% or "0.860 (0.75-0.93)" with its CI.', show_default=False
    ),
]


@commands.command()
def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="The folder of a run or of an evaluated score table.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="The folder of another run.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder of the page [default: compare-<RUN_A>-<RUN_B>].")
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


@commands.command()
def audit(
    models_path: Annotated[
        Path | None,
        typer.Argument(metavar="MODELS.csv", help="A table of printed values, one row per model, instead of options."),
    ] = None,
    n: Annotated[
        str, typer.Option("--n", metavar="COUNT", help="Number of test patients, or a range like 80-100.")
    ] = "",
    accuracy: PrintedValue = "",
    sensitivity: PrintedValue = "",
    specificity: PrintedValue = "",
    ppv: PrintedValue = "",
    npv: PrintedValue = "",
    balanced_accuracy: PrintedValue = "",
    f1: PrintedValue = "",
    kappa: PrintedValue = "",
    youden: PrintedValue = "",
    lr_plus: PrintedValue = "",
    lr_minus: PrintedValue = "",
    dor: PrintedValue = "",
    auc: PrintedValue = "",
    p: Annotated[
        str, typer.Option("--p", metavar="TEXT", help="P of the comparison of two AUCs, with one --against.")
    ] = "",
    positives: Annotated[
        str,
        typer.Option("--positives", metavar="COUNT", help="Number of positive patients, or limits like 30-50 or >=30."),
    ] = "",
    mean_of: Annotated[
        str,
        typer.Option("--mean-of", metavar="COUNT", help="Tables of the same patients whose mean is printed."),
    ] = "",
    folds: Annotated[
        str,
        typer.Option("--folds", metavar="COUNT", help="Folds that divide the patients, over which values are means."),
    ] = "",
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="The model's name.")] = "",
    against: Annotated[
        list[str] | None,
        typer.Option("--against", metavar="KEY=VALUE,…", help='Another model: "name=b,auc=0.92". May be repeated.'),
    ] = None,
    encoding: Encoding = None,
    lang: Lang = "en",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the confusion tables that reproduce printed values, and whether models can share a test set."""
    from nephrograde.printed.audit import audit_all
    from nephrograde.printed.reading import models_of

    del lang  # main() has set it, as for all commands
    cells = {
        "name": name,
        "n": n,
        "positives": positives,
        "accuracy": accuracy,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": ppv,
        "npv": npv,
        "balanced_accuracy": balanced_accuracy,
        "f1": f1,
        "kappa": kappa,
        "youden": youden,
        "lr_plus": lr_plus,
        "lr_minus": lr_minus,
        "dor": dor,
        "auc": auc,
        "p": p,
        "mean_of": mean_of,
        "folds": folds,
    }
    if models_path is not None:
        say_encoding(models_path, encoding)
    audits = audit_all(models_of(models_path, cells, against or (), encoding=encoding))
    say(json.dumps(audits.as_dict(), indent=2, ensure_ascii=False) if as_json else audits.as_text())


@commands.command()
def readers(
    reads: Annotated[
        Path,
        typer.Argument(
            metavar="READS.csv",
            help="One row per read: reader, patient_id, score, and modality and is_high or isup_grade where known.",
        ),
    ],
    scores: Annotated[
        Path | None, typer.Option("--scores", metavar="SCORES.csv", help="Scores of a model on the same patients.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="The model of --scores; without it, the reader of the table who is the model."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", help="The modality to subtract from the others [default: the first of the table]."),
    ] = None,
    covariance: Annotated[
        Literal["delong", "jackknife"], typer.Option("--covariance", help="How covariances of AUCs are estimated.")
    ] = "delong",
    confidence: Annotated[
        float, typer.Option("--confidence", min=0.5, max=0.999, help="Coverage probability of the intervals.")
    ] = 0.95,
    columns: Annotated[
        list[str] | None,
        typer.Option("--columns", metavar="NAME=HEADING", help="A column of the reads: reader=医师. May be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder of the page and the table [default: readers-<READS>].")
    ] = None,
    encoding: Encoding = None,
    lang: Lang = "en",
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; files are written only if --out is given.")
    ] = False,
) -> None:
    """Compare several readers with and without the model, and the model with the mean reader (MRMC analysis)."""
    from nephrograde.reads.call import readers as analyse
    from nephrograde.report.pages.readers_page import write_readers_page
    from nephrograde.report.tables.readers import reader_answers, reader_counts, reader_remarks, reader_tables
    from nephrograde.sources.scan.grades import parse_columns

    del lang
    if not as_json:
        say_encoding(reads, encoding)
    analysis = analyse(
        reads,
        scores,
        model=model,
        baseline=baseline,
        covariance=covariance,
        confidence=confidence,
        columns=parse_columns(columns or ()),
        encoding=encoding,
    )
    if out is not None or not as_json:
        page_path = write_readers_page(analysis, out or Path(f"readers-{reads.stem}"))
    if as_json:
        say(json.dumps(analysis.as_dict(), indent=2, ensure_ascii=False))
        return
    for note in analysis.reads.notes:
        say(told(note), err=True)
    for sentence in reader_remarks(analysis):
        say(sentence, err=True)
    for table in reader_tables(analysis):
        print_rows(table.headings, table.rows, table.title)
        for note in table.notes:
            say(note)
    for sentence in (reader_counts(analysis), *reader_answers(analysis)):
        say(sentence)
    say(t("Page: {path}", path=page_path))


@commands.command()
def predict(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE…",
            help="The scan: an image file, a folder or zip with one DICOM series, or exported pictures.",
        ),
    ],
    model: Annotated[str, typer.Option("--model", help="The model that grades, such as weak-1-cmp.")],
    mask: Annotated[Path | None, typer.Option(help="The mask of the tumour.")] = None,
    box: Annotated[str | None, typer.Option(help='Two corners: "x,y,z;x,y,z mm" or "i,j,k;i,j,k vox".')] = None,
    point: Annotated[str | None, typer.Option(help='A click in the tumour: "x,y,z mm" or "i,j,k vox".')] = None,
    pixel_mm: Annotated[float | None, typer.Option("--pixel-mm", help="Pixel size of exported pictures.")] = None,
    slice_: Annotated[str | None, typer.Option("--slice", help='The slice to grade: "-312.5 mm" or "41 vox".')] = None,
    lang: Lang = "en",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Grade one scan with the fold ensemble of a finished run."""
    from nephrograde.predict.grader import load_grader

    del lang
    grader = load_grader(run_dir, model)
    grading = grader.grade(images, mask=mask, box=box, point=point, slice=slice_, pixel_mm=pixel_mm)
    say(json.dumps(grading.as_dict(), indent=2, ensure_ascii=False) if as_json else told(grading.as_text()))
