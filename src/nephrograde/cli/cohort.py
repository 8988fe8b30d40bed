"""Commands that create a cohort."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from nephrograde.cli.shared import Encoding, Lang, StudyOptions, with_options
from nephrograde.errors import InputError, Problem
from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told
from nephrograde.report.text.numbers import counted
from nephrograde.terminal import counting, print_scan, print_template, progress, say, tallied

Look: TypeAlias = Literal["uncertain", "all", "never"]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns", metavar="NAME=HEADING", help="A column of the joined table: isup_grade=分级. May be repeated."
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep", metavar="HEADING", help="Also carry this column of the joined table into the cohort. May be repeated."
    ),
]

commands = typer.Typer()


@commands.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The output folder; created if it is missing.")],
    lang: Lang = "en",
) -> None:
    """Write a commented study file, for the cohort table of the folder or with a template of one."""
    from nephrograde.sources.template import write_template

    print_template(write_template(folder, language=lang))


@commands.command()
def demo(
    patients: Annotated[int, typer.Option(min=20, help="Number of synthetic patients; the paper has 300.")] = 150,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="The output folder for the cohort and the run.")
    ] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the synthetic cohort.")] = 20260415,
    lang: Lang = "en",
    *,
    dicom: Annotated[bool, typer.Option("--dicom", help="Write the scans as DICOM series instead of NIfTI.")] = False,
) -> None:
    """Run the whole study on a newly generated synthetic cohort."""
    from nephrograde.cli.study import run_and_print
    from nephrograde.sources.demo import DEMO_MATRIX_PX, write_demo
    from nephrograde.sources.synthetic.phantom import PhantomSettings

    with progress("Writing the synthetic cohort", patients) as advance:
        study_path = write_demo(
            out, PhantomSettings(patients=patients, seed=seed, matrix_px=DEMO_MATRIX_PX, dicom=dicom), advance=advance
        )
    run_dir = study_path.parent.with_name(study_path.parent.name.replace("cohort", "run"))
    run_and_print(study_path, StudyOptions(out=run_dir, lang=lang))


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """Options of ``scan``."""

    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.csv|FOLDER",
            help="The cohort table to write; with --index, a folder.",
            show_default=False,
        ),
    ] = None
    index: Annotated[
        Path | None, typer.Option("--index", metavar="FILE.csv", help="Plan from a table of series, without images.")
    ] = None
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            metavar="FILE",
            help="A table of grades, dates of surgery and other columns, joined by patient_id.",
        ),
    ] = None
    corrections: Annotated[
        Path | None,
        typer.Option(
            "--corrections", metavar="FILE", help="A table of series_uid and phase of manually reviewed series."
        ),
    ] = None
    look: Annotated[Look, typer.Option("--look", help="Which images are examined to determine their phase.")] = (
        "uncertain"
    )
    organs: Annotated[
        Path | None,
        typer.Option(
            "--organs", metavar="FOLDER", help="Folder of TotalSegmentator masks, named by SeriesInstanceUID."
        ),
    ] = None
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Processes [default: all].")] = None
    lang: Lang = "en"
    columns: Columns = None
    keep: Keep = None
    encoding: Encoding = None
    keep_ids: Annotated[
        bool, typer.Option("--keep-ids", help="Keep the PatientID of the export instead of P0001, P0002, …")
    ] = False


_OF_FOLDERS = ("corrections", "look", "organs", "workers", "keep_ids")
"""The options of ``scan`` that read images or headers, which a table of series does not have."""


def _refuse_options_of_folders(options: ScanOptions) -> None:
    given = [name for name in _OF_FOLDERS if getattr(options, name) != getattr(ScanOptions(), name)]
    if given:
        what = "has no effect with --index"
        remedy = "Leave it out, or scan the folder."
        raise InputError([Problem(f"--{name.replace('_', '-')}", what, remedy) for name in given])


@commands.command()
@with_options(ScanOptions)
def scan(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="The DICOM export: any folder tree, including archives.")
    ] = None,
    *,
    options: ScanOptions,
) -> None:
    """Find the CT series of a DICOM export, choose the best one per phase, and write a cohort table."""
    from nephrograde import scanning
    from nephrograde.sources.scan.scan import ScanSettings

    if (folder is None) == (options.index is None):
        raise InputError([Problem("scan", "needs either a folder or --index", "See nephrograde scan --help.")])
    if options.index is not None:
        _refuse_options_of_folders(options)
    headings = _headings_of("--table", options.table, options.columns, options.keep)
    if options.index is not None:
        result, page_path = scanning.plan_from_index(
            options.index,
            options.out or Path("plan"),
            grades_path=options.table,
            encoding=options.encoding,
            columns=headings,
            language=options.lang,
        )
    elif folder is not None:
        settings = ScanSettings(
            look=options.look,
            keep_ids=options.keep_ids,
            workers=options.workers,
            grades_path=options.table,
            corrections_path=options.corrections,
            organs_dir=options.organs,
            encoding=options.encoding,
            columns=headings,
        )
        with counting() as progress:
            result, page_path = scanning.scan_export(
                folder, options.out or Path("cohort.csv"), settings=settings, language=options.lang, progress=progress
            )
    print_scan(result)
    say(t("Table: {path}", path=result.table_path))
    say(t("Series: {path}", path=result.series_path))
    say(t("Page: {path}", path=page_path))


@commands.command()
def deidentify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The DICOM export.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="The output folder for the de-identified files.")
    ],
    key: Annotated[
        Path,
        typer.Option(
            "--key", metavar="KEY.csv", help="The key of old and new identities; keep it separate from the files."
        ),
    ],
    lang: Lang = "en",
    *,
    descriptions: Annotated[
        bool, typer.Option("--descriptions/--no-descriptions", help="Keep study and series descriptions, cleaned.")
    ] = True,
    characteristics: Annotated[
        bool, typer.Option("--characteristics/--no-characteristics", help="Keep sex, age, height and weight.")
    ] = True,
    write_suspects: Annotated[
        bool, typer.Option("--write-suspects", help="Also write images that may contain burned-in text.")
    ] = False,
) -> None:
    """De-identify a DICOM export (basic profile of DICOM PS3.15, dates shifted)."""
    from nephrograde.sources.deidentify.folder import DeidentifySettings, deidentify_folder

    del lang
    settings = DeidentifySettings(
        keep_descriptions=descriptions, keep_characteristics=characteristics, write_suspects=write_suspects
    )
    with counting() as progress:
        done = deidentify_folder(
            folder,
            out,
            key_path=key,
            settings=settings,
            progress=tallied(progress, "Files"),
            header_progress=tallied(progress, "Headers"),
        )
    files = t("{n} files written, {kept} already there", n=done.n_written, kept=done.n_kept)
    say(f"{counted(done.n_patients, 'patient')}{t('; ')}{files}")
    for reason, count in done.set_aside.items():
        say(t("set aside: {n} × {reason}", n=count, reason=told(reason)))
    if done.n_flagged:
        say(t("{n} images may contain burned-in text; review them before sharing anything.", n=done.n_flagged))
    if not done.n_patients:
        say(t("No DICOM image could be written. Is this the folder of the export?"), err=True)
        raise typer.Exit(2)
    say(t("Report: {path}", path=done.report_path))
    say(t("Key, not to be shared: {key}, {names}", key=key, names=done.names_path))


@commands.command()
def cohort(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME…", help="c4kc-kits, kits23, tcga-kirc, cptac-ccrcc; several are merged into one cohort."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The output folder of the cohort.")],
    grades: Annotated[
        Path | None, typer.Option("--grades", metavar="FILE", help="A table of your own grades, by patient_id.")
    ] = None,
    columns: Columns = None,
    keep: Keep = None,
    encoding: Encoding = None,
    lang: Lang = "en",
    *,
    plan: Annotated[
        bool, typer.Option("--plan", help="Write the tables and SOURCES.md without downloading anything.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Download without asking.")] = False,
) -> None:
    """Select, grade and download a public cohort, after showing its size and licence."""
    from nephrograde.sources.public.download import download_cohort, open_plan, write_plan
    from nephrograde.sources.public.plan import plan_lines

    del lang
    heading_of = _headings_of("--grades", grades, columns, keep)
    planned = open_plan(names, out, grades_path=grades, encoding=encoding, columns=heading_of)
    for line in plan_lines(planned):
        say(told(line))
    if plan:
        say(t("Table: {path}", path=write_plan(planned, out).table_path))
        return
    if not yes:
        typer.confirm(t("Download it?"), abort=True)
    with counting() as progress:
        done = download_cohort(
            planned, out, progress=lambda came, total: progress("Megabytes", came // 10**6, total // 10**6)
        )
    for fault in done.failed:
        say(t("Missing: {fault}", fault=told(str(fault))), err=True)
    say(t("{n} of {total} series and files are complete.", n=done.n_whole, total=len(planned.parts)))
    say(t("Table: {path}", path=done.table_path))
    if done.failed:
        raise typer.Exit(1)


def _headings_of(option: str, table: Path | None, columns: list[str] | None, keep: list[str] | None) -> dict[str, str]:
    """Read the headings of a joined table as given on the command line, and require the table."""
    from nephrograde.sources.scan.grades import parse_columns

    heading_of = parse_columns(columns or (), keep or ())
    if heading_of and table is None:
        named = "--columns" if columns else "--keep"
        raise InputError([Problem(named, f"names columns of {option}, which is missing", "Give the table, too.")])
    return heading_of
