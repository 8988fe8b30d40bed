"""The command for annotations: drawn on a page, exported, and compared between readers."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nephrograde.cli.shared import Encoding, Lang, NoBrowser, PageHost, PagePort, with_options
from nephrograde.errors import InputError, Problem
from nephrograde.files import without_nan
from nephrograde.report.tables.reader_agreement import measure_words, rule_words
from nephrograde.report.text.language import phase_in_words, t
from nephrograde.report.text.messages import told
from nephrograde.terminal import print_rows, progress, say
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from nephrograde.annotations.agreement import ReaderAgreement
    from nephrograde.annotations.cost import CostRow
    from nephrograde.study import CohortSettings

commands = typer.Typer()

_LISTED = 20  # disagreements that are printed; --json has all


@dataclass(frozen=True, slots=True)
class AnnotateOptions:
    """Options of ``annotate``."""

    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", help="The folder of annotations [default: <table>.annotations beside the table]."
        ),
    ] = None
    reader: Annotated[
        str, typer.Option("--reader", metavar="NAME", help="Whose annotations [default: of the only reader].")
    ] = ""
    export: Annotated[
        Literal["table", "nifti", "seg"] | None,
        typer.Option(
            "--export",
            help="Merge the labels into a copy of the cohort table, or write masks as NIfTI or DICOM segmentations.",
        ),
    ] = None
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FILE|FOLDER",
            help="The copy or the folder of masks [default: <table>-<reader>.csv, <table>-<reader>].",
        ),
    ] = None
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Compare the readers, and show what the annotations cost.")
    ] = False
    far_mm: Annotated[
        float,
        typer.Option(
            "--far-mm", min=0.0, help="Points and slices of two readers further apart are a disagreement, mm."
        ),
    ] = 20.0
    consensus: Annotated[
        bool,
        typer.Option("--consensus", help="Decide where readers disagree: the page shows the labels of all of them."),
    ] = False
    assist: Annotated[
        str,
        typer.Option(
            "--assist",
            metavar="URL",
            help="A server of nnInteractive that makes a mask from a click: the voxels of the scan are sent to it. The "
            "client (extra assist) is under Apache-2.0; the weights that its authors publish are under "
            "CC BY-NC-SA 4.0, for non-commercial use only [default: none, nothing is sent].",
            show_default=False,
        ),
    ] = ""
    port: PagePort = 0
    host: PageHost = "127.0.0.1"
    no_browser: NoBrowser = False
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
    encoding: Encoding = None
    lang: Lang = "en"


@commands.command()
@with_options(AnnotateOptions)
def annotate(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY.toml|TABLE|FOLDER", help="The study file, a cohort table, or the output folder of a scan."
        ),
    ],
    *,
    options: AnnotateOptions,
) -> None:
    """Open a page on which tumours are marked; export the annotations, or compare those of several readers."""
    from nephrograde.cohort.stage import load_source

    _, settings = load_source(source, options.encoding)
    folder = options.out or _folder_of(settings)
    if options.export is None and not options.agreement:
        from nephrograde.cli.serving import serve_page

        serve_page(
            source,
            folder,
            reader=options.reader,
            decides=options.consensus,
            assist=options.assist,
            address=(options.host, options.port),
            encoding=options.encoding,
            language=options.lang,
            with_browser=not options.no_browser,
        )
    if options.export is not None:
        _export(settings, folder, options)
    if options.agreement:
        _compare(folder, far_mm=options.far_mm, as_json=options.as_json)


def _folder_of(settings: CohortSettings) -> Path:
    named = settings.annotations
    if named is not None:
        return named if named.is_dir() else named.parent
    return settings.table.with_suffix(".annotations")


def _export(settings: CohortSettings, folder: Path, options: AnnotateOptions) -> None:
    from nephrograde.annotations.entry import check_reader
    from nephrograde.annotations.export import export_masks, export_segmentations, export_table
    from nephrograde.annotations.journal import SUFFIX, Journal
    from nephrograde.cohort.annotated import find_annotations, read_annotations

    table_path = folder / f"{check_reader(options.reader)}.csv" if options.reader else find_annotations(folder)
    reader = table_path.stem
    if (table_path.parent / f"{reader}{SUFFIX}").exists():
        Journal(table_path.parent, reader, phases=settings.phases).write_result()  # what a crash has left undone
    annotations, problems = read_annotations(table_path)
    if problems:
        raise InputError(problems)
    base = settings.table.with_name(f"{settings.table.stem}-{table_path.stem}")
    if options.export == "table":
        made = export_table(settings, annotations, options.to or base.with_name(f"{base.name}.csv"))
        say(t("{n} labels entered; {m} scans left out.", n=made.n_labels, m=made.n_left_out), err=options.as_json)
        if made.unknown:
            names = ", ".join(made.unknown[:_LISTED])
            say(t("Not in the table: {n} annotated patients ({names}).", n=len(made.unknown), names=names), err=True)
        say(t("Table: {path}", path=made.path), err=options.as_json)
        return
    n_masks = sum(given.get("mask_path") is not None for given in annotations.labels.values())
    out_dir = options.to or base
    with progress("Writing masks", n_masks) as advance:
        if options.export == "seg":
            done = export_segmentations(settings, annotations, out_dir, reader=reader, advance=advance)
        else:
            done = export_masks(settings, annotations, out_dir, advance=advance)
    for one in done.failed:
        place = t("Case {patient}, phase {phase}", patient=one.patient_id, phase=phase_in_words(one.phase))
        say(f"{place}{t(': ')}{told(f'{one.error.message} {one.error.remedy}')}", err=True)
    say(t("{n} masks written, named in {path}.", n=done.n_masks, path=done.index_path), err=options.as_json)
    if done.failed:
        raise typer.Exit(1)


def _compare(folder: Path, *, far_mm: float, as_json: bool) -> None:
    from nephrograde.annotations.agreement import compare_readers
    from nephrograde.annotations.cost import annotation_cost
    from nephrograde.annotations.journal import Journal, readers_in
    from nephrograde.cohort.annotated import read_annotations, readers_of

    readers = readers_of(folder)
    if not readers:
        raise InputError([Problem(str(folder), "holds no <reader>.csv", "Name the folder of annotations with --out.")])
    read = {reader: read_annotations(folder / f"{reader}.csv") for reader in readers}
    if problems := [problem for _, found in read.values() for problem in found]:
        raise InputError(problems)
    found = compare_readers({reader: annotations for reader, (annotations, _) in read.items()}, far_mm=far_mm)
    cost = annotation_cost({reader: Journal(folder, reader).entries() for reader in readers_in(folder)})
    if as_json:
        content = {
            "note": RESEARCH_USE_ONLY,
            "readers": list(found.readers),
            "agreement": [without_nan(asdict(row)) for row in found.rows],
            "disagreements": [without_nan(asdict(one)) for one in found.disagreements],
            "unreadable_masks": [{"patient_id": patient, "phase": phase} for patient, phase in found.unreadable],
            "cost": [asdict(row) for row in cost],
        }
        say(json.dumps(content, indent=2, ensure_ascii=False))
        return
    _print_agreement(found)
    _print_cost(cost)


def _print_agreement(found: ReaderAgreement) -> None:
    if len(found.readers) < 2:
        say(t("There is one reader, {reader}; agreement needs two.", reader=found.readers[0]))
        return
    rows: list[tuple[str, ...]] = []
    for row in found.rows:
        spread = (row.q1, row.q3) if not math.isnan(row.q1) else (row.low, row.high)
        between = t("{a} and {b}", a=row.reader, b=row.other_reader)
        numbers = (_number(row.value), _number(spread[0]), _number(spread[1]))
        rows.append((phase_in_words(row.phase), measure_words(row.measure), between, *numbers, str(row.n)))
    headings = (t("Phase"), t("Measure"), t("Readers"), t("Value"), t("From"), t("To"), "n")
    print_rows(headings, rows, t("Agreement: medians with quartiles; kappa and ICC with 95% intervals"))
    for patient, phase in found.unreadable:
        place = t("Case {patient}, phase {phase}", patient=patient, phase=phase_in_words(phase))
        say(f"{place}{t(': ')}{t('the masks of two readers cannot be compared.')}", err=True)
    if found.disagreements:
        say(t("To be looked at together: {n}", n=len(found.disagreements)))
    for one in found.disagreements[:_LISTED]:
        place = t("Case {patient}, phase {phase}", patient=one.patient_id, phase=phase_in_words(one.phase))
        between = t("{a} and {b}", a=one.reader, b=one.other_reader)
        say(f"  {place}{t(': ')}{rule_words(one)} ({between})")


def _print_cost(cost: list[CostRow]) -> None:
    rows: list[tuple[str, ...]] = [
        (
            row.reader,
            _kind(row.kind),
            t("per label") if row.per == "label" else t("per patient"),
            *(f"{seconds:.1f}" for seconds in (row.median_s, row.q1_s, row.q3_s, row.total_s)),
            str(row.n),
        )
        for row in cost
    ]
    headings = (t("Reader"), t("Annotation"), "", t("Median, s"), t("From"), t("To"), t("Total, s"), "n")
    print_rows(headings, rows, t("Seconds of activity: medians with quartiles"))


def _kind(code: str) -> str:
    return {
        "": t("everything"),
        "point": t("point"),
        "box": t("box"),
        "slice": t("slice"),
        "mask": t("mask"),
    }[code]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"
