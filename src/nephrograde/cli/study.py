"""Commands on a study, from the cohort table to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nephrograde.cli.shared import (
    AsPdf,
    Lang,
    Overrides,
    PeekFree,
    Reason,
    RunDir,
    StudyPath,
    command_line,
    default_run,
    open_study,
    page_path_of,
    print_report,
)
from nephrograde.terminal import print_findings, print_table, progress

commands = typer.Typer()


@commands.command()
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

    run_dir = out or default_run(study_path)
    study = pipeline.load_inputs(study_path, tuple(overrides or ()))
    report_path = pipeline.run_study(
        study,
        run_dir,
        command=command_line(),
        reason=None if peek_free else reason,
        language=lang,
        progress=progress,
    )
    print_findings(run_dir)
    print_table(run_dir)
    print_report(report_path, as_pdf=pdf)


@commands.command()
def check(study_path: StudyPath, out: RunDir = None, overrides: Overrides = None, lang: Lang = "en") -> None:
    """Check the study file, the table and every scan, look the scans over, and say what each arm can use."""
    from nephrograde import pipeline
    from nephrograde.quality.cohort_quality import quality_lines
    from nephrograde.quality.survey import check_quality
    from nephrograde.report.pages.quality_page import write_quality_page

    run_dir = out or default_run(study_path)
    study, cohort, _ = open_study(study_path, run_dir, tuple(overrides or ()))
    pipeline.prepare(study, cohort, run_dir, progress=progress)
    print_findings(run_dir)
    quality_dir = run_dir / "quality"
    with progress("Looking scans over", sum(len(case.scans) for case in cohort.cases)) as advance:
        quality = check_quality(cohort, study, quality_dir, advance=advance)
    for line in quality_lines(quality):
        typer.echo(line)
    page_path = page_path_of(quality_dir / "quality.csv", lang)
    typer.echo(f"Page: {write_quality_page(quality_dir, page_path, lang)}")


@commands.command()
def prepare(study_path: StudyPath, out: RunDir = None, overrides: Overrides = None) -> None:
    """Prepare the scans only."""
    from nephrograde import pipeline

    run_dir = out or default_run(study_path)
    study, cohort, _ = open_study(study_path, run_dir, tuple(overrides or ()))
    prepared = pipeline.prepare(study, cohort, run_dir, progress=progress)
    print_findings(run_dir)
    typer.echo(f"Prepared {len(prepared.regions)} regions in {run_dir / 'volumes'}.")


@commands.command()
def fit(study_path: StudyPath, out: RunDir = None, overrides: Overrides = None) -> None:
    """Fit the models only; the scans must have been prepared."""
    from nephrograde import pipeline

    run_dir = out or default_run(study_path)
    study, cohort, split = open_study(study_path, run_dir, tuple(overrides or ()))
    pipeline.fit(study, cohort, split, run_dir, progress=progress)
    typer.echo(f"The models are in {run_dir / 'models'}.")


@commands.command()
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

    run_dir = out or default_run(source)
    if source.suffix.lower() == ".toml":
        study, cohort, split = open_study(source, run_dir, tuple(overrides or ()))
        pipeline.evaluate(study, cohort, split, run_dir, reason=None if peek_free else reason)
    else:
        from nephrograde.study_file import evaluate_settings

        settings = evaluate_settings(tuple(overrides or ()))
        pipeline.evaluate_table(
            source, run_dir, settings=settings, command=command_line(), reason=None if peek_free else reason
        )
    print_table(run_dir)
    print_report(pipeline.report(run_dir, lang), as_pdf=pdf)


@commands.command()
def report(study_path: StudyPath, out: RunDir = None, lang: Lang = "en", *, pdf: AsPdf = False) -> None:
    """Write the report of a run again from its files."""
    from nephrograde import pipeline

    print_report(pipeline.report(out or default_run(study_path), lang), as_pdf=pdf)
