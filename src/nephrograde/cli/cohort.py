"""Commands that create a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from nephrograde.cli.shared import Encoding, Lang, StudyOptions
from nephrograde.errors import InputError, Problem
from nephrograde.terminal import counting, print_scan, print_template, progress, tallied

Look: TypeAlias = Literal["uncertain", "all", "never"]

commands = typer.Typer()


@commands.command()
def init(folder: Annotated[Path, typer.Argument(help="The output folder; created if it is missing.")]) -> None:
    """Write a commented study file, for the cohort table of the folder or with a template of one."""
    from nephrograde.sources.template import write_template

    print_template(write_template(folder))


@commands.command()
def demo(
    patients: Annotated[int, typer.Option(min=20, help="Number of synthetic patients; the paper has 300.")] = 60,
    out: Annotated[Path, typer.Option("--out", help="The output folder for the cohort and the run.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the synthetic cohort.")] = 20260415,
    *,
    dicom: Annotated[bool, typer.Option("--dicom", help="Write the scans as DICOM series instead of NIfTI.")] = False,
) -> None:
    """Run the whole study on a newly generated synthetic cohort."""
    from nephrograde.cli.study import run_and_print
    from nephrograde.sources.demo import write_demo
    from nephrograde.sources.synthetic.phantom import PhantomSettings

    with progress("Writing the synthetic cohort", patients) as advance:
        study_path = write_demo(out, PhantomSettings(patients=patients, seed=seed, dicom=dicom), advance=advance)
    run_dir = study_path.parent.with_name(study_path.parent.name.replace("cohort", "run"))
    run_and_print(study_path, StudyOptions(out=run_dir))


@commands.command()
def scan(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="The DICOM export: any folder tree, including archives.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The cohort table to write; with --index, a folder.", show_default=False),
    ] = None,
    index: Annotated[
        Path | None, typer.Option("--index", metavar="FILE.csv", help="Plan from a table of series, without images.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--table", help="A table of grades, dates of surgery and other columns, joined by patient_id."),
    ] = None,
    corrections: Annotated[
        Path | None,
        typer.Option("--corrections", help="A table of series_uid and phase of manually reviewed series."),
    ] = None,
    look: Annotated[
        Look, typer.Option("--look", help="Which images are examined to determine their phase.")
    ] = "uncertain",
    organs: Annotated[
        Path | None, typer.Option("--organs", help="Folder of TotalSegmentator masks, named by SeriesInstanceUID.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Processes [default: all].")] = None,
    lang: Lang = "en",
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns", metavar="NAME=HEADING", help="A column of --table: isup_grade=分级. May be repeated."
        ),
    ] = None,
    encoding: Encoding = None,
    *,
    keep_ids: Annotated[
        bool, typer.Option("--keep-ids", help="Keep the PatientID of the export instead of P0001, P0002, …")
    ] = False,
) -> None:
    """Find the CT series of a DICOM export, choose the best one per phase, and write a cohort table."""
    from nephrograde import scanning
    from nephrograde.sources.scan.grades import parse_columns
    from nephrograde.sources.scan.scan import ScanSettings

    if (folder is None) == (index is None):
        raise InputError([Problem("scan", "needs either a folder or --index", "See nephrograde scan --help.")])
    heading_of = parse_columns(columns or ())
    if heading_of and table is None:
        raise InputError([Problem("--columns", "names columns of --table, which is missing", "Give the table, too.")])
    if index is not None:
        result, page_path = scanning.plan_from_index(
            index, out or Path("plan"), grades_path=table, encoding=encoding, columns=heading_of, language=lang
        )
    elif folder is not None:
        settings = ScanSettings(
            look=look,
            keep_ids=keep_ids,
            workers=workers,
            grades_path=table,
            corrections_path=corrections,
            organs_dir=organs,
            encoding=encoding,
            columns=heading_of,
        )
        with counting() as progress:
            result, page_path = scanning.scan_export(
                folder, out or Path("cohort.csv"), settings=settings, language=lang, progress=progress
            )
    print_scan(result)
    typer.echo(f"Table: {result.table_path}\nSeries: {result.series_path}\nPage: {page_path}")


@commands.command()
def deidentify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The DICOM export.")],
    out: Annotated[Path, typer.Option("--out", help="The output folder for the de-identified files.")],
    key: Annotated[
        Path,
        typer.Option(
            "--key", metavar="KEY.csv", help="The key of old and new identities; keep it separate from the files."
        ),
    ],
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
    typer.echo(f"{done.n_patients} patients; {done.n_written} files written, {done.n_kept} already there")
    for reason, count in done.set_aside.items():
        typer.echo(f"set aside: {count} × {reason}")
    if done.n_flagged:
        typer.echo(f"{done.n_flagged} images may contain burned-in text; review them before sharing anything.")
    if not done.n_patients:
        typer.echo("No DICOM image could be written. Is this the folder of the export?", err=True)
        raise typer.Exit(2)
    typer.echo(f"Report: {done.report_path}\nKey, not to be shared: {key}, {done.names_path}")


@commands.command()
def cohort(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME…", help="c4kc-kits, kits23, tcga-kirc, cptac-ccrcc; several are merged into one cohort."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The output folder of the cohort.")],
    grades: Annotated[Path | None, typer.Option("--grades", help="A table of your own grades, by patient_id.")] = None,
    encoding: Encoding = None,
    *,
    plan: Annotated[
        bool, typer.Option("--plan", help="Write the tables and SOURCES.md without downloading anything.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Download without asking.")] = False,
) -> None:
    """Select, grade and download a public cohort, after showing its size and licence."""
    from nephrograde.sources.public.download import download_cohort, open_plan, write_plan
    from nephrograde.sources.public.plan import plan_lines

    planned = open_plan(names, out, grades_path=grades, encoding=encoding)
    for line in plan_lines(planned):
        typer.echo(line)
    if plan:
        typer.echo(f"Table: {write_plan(planned, out).table_path}")
        return
    if not yes:
        typer.confirm("Download it?", abort=True)
    with counting() as progress:
        done = download_cohort(
            planned, out, progress=lambda came, total: progress("Megabytes", came // 10**6, total // 10**6)
        )
    for fault in done.failed:
        typer.echo(f"Missing: {fault}", err=True)
    typer.echo(f"{done.n_whole} of {len(planned.parts)} series and files are complete. Table: {done.table_path}")
    if done.failed:
        raise typer.Exit(1)
