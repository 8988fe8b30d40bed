"""Commands on a study, from the cohort table to the report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nephrograde.cli.shared import (
    AsPdf,
    Encoding,
    Lang,
    On,
    Overrides,
    RunDir,
    StudyOptions,
    StudyPath,
    With,
    command_line,
    load_study,
    print_report,
    run_of,
    say_encoding,
    say_score_columns,
    with_options,
)
from nephrograde.placing.engine import LOCAL, parse_engine
from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told
from nephrograde.terminal import (
    print_chosen,
    print_findings,
    print_ladder,
    print_table,
    print_tuning_plan,
    progress,
    say,
)

if TYPE_CHECKING:
    from nephrograde.placing.engine import Engine

commands = typer.Typer()


@dataclass(frozen=True, slots=True)
class RunOptions(StudyOptions):
    """Options of ``run``."""

    on: On = "local"
    given: With = None


@commands.command()
@with_options(RunOptions)
def run(study_path: StudyPath, options: RunOptions) -> None:
    """Run the study from the cohort table to the report, resuming an interrupted run."""
    run_and_print(study_path, options, parse_engine(options.on, options.given or ()))


def run_and_print(study_path: Path, options: StudyOptions, engine: Engine = LOCAL) -> None:
    """Run a study, and print the excluded scans, the tables of results and the path of the report."""
    from nephrograde import pipeline

    run = options.run_of(study_path)
    study = load_study(study_path, options.overrides, options.encoding)
    report_path = pipeline.run_study(study, run, engine=engine, progress=progress, **options.evaluation)
    print_findings(run)
    print_table(run)
    print_ladder(run)
    print_report(report_path, run, options.lang, as_pdf=options.pdf)


@commands.command()
def check(
    study_path: StudyPath, out: RunDir = None, overrides: Overrides = None, encoding: Encoding = None, lang: Lang = "en"
) -> None:
    """Check the study file, the table and every scan, and report which patients each arm can use.

    The last line says whether every model can be fitted; if not, the exit code is 2.
    """
    from nephrograde import pipeline
    from nephrograde.quality.cohort_quality import quality_lines
    from nephrograde.quality.readiness import readiness_line

    run = run_of(study_path, out)
    study = load_study(study_path, overrides, encoding)
    quality, page_path = pipeline.check_study(study, run, command=command_line(), language=lang, progress=progress)
    print_findings(run)
    for line in quality_lines(quality):
        say(told(line))
    say(t("Page: {path}", path=page_path))
    obstacles = t("; ").join(told(obstacle) for obstacle in quality.obstacles)
    say(told(readiness_line([obstacles] if obstacles else [])))
    if quality.obstacles:
        raise typer.Exit(2)


@commands.command()
def prepare(
    study_path: StudyPath,
    out: RunDir = None,
    on: On = "local",
    given: With = None,
    overrides: Overrides = None,
    encoding: Encoding = None,
    lang: Lang = "en",
) -> None:
    """Only prepare the scans."""
    from nephrograde import pipeline

    del lang  # main() has set it, as for all commands
    engine = parse_engine(on, given or ())
    run = run_of(study_path, out)
    study = load_study(study_path, overrides, encoding)
    prepared = pipeline.prepare_study(study, run, engine=engine, command=command_line(), progress=progress)
    print_findings(run)
    say(t("Prepared {n} regions in {path}.", n=len(prepared.regions), path=run.volumes_dir))


@commands.command()
def tune(
    study_path: StudyPath,
    out: RunDir = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A model to tune, such as weak-1-cmp. May be repeated [default: all that train a network].",
        ),
    ] = None,
    overrides: Overrides = None,
    encoding: Encoding = None,
    lang: Lang = "en",
) -> None:
    """Choose settings of training for every fold, inside the patients that it learns from; `fit` and `run` use them."""
    from nephrograde import pipeline

    del lang
    run = run_of(study_path, out)
    study = load_study(study_path, overrides, encoding)
    chosen = pipeline.tune_study(
        study, run, models=models or (), command=command_line(), progress=progress, tell=print_tuning_plan
    )
    print_chosen(chosen)
    say(t("All trials are in {path}.", path=run.tuning.trials_path))


@commands.command()
def fit(
    study_path: StudyPath,
    out: RunDir = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="MODEL/FOLD",
            help="Fit only this unit, such as weak-1-cmp/fold-0; others may be fitted meanwhile. May be repeated.",
        ),
    ] = None,
    on: On = "local",
    given: With = None,
    overrides: Overrides = None,
    encoding: Encoding = None,
    lang: Lang = "en",
) -> None:
    """Only fit the models; the scans must have been prepared."""
    from nephrograde import pipeline

    del lang
    engine = parse_engine(on, given or ())
    run = run_of(study_path, out)
    study = load_study(study_path, overrides, encoding)
    pipeline.fit_study(study, run, only=only or (), engine=engine, command=command_line(), progress=progress)
    say(t("The models are in {path}.", path=run.models_dir))


@commands.command()
def units(
    study_path: StudyPath,
    out: RunDir = None,
    overrides: Overrides = None,
    encoding: Encoding = None,
    *,
    left: Annotated[bool, typer.Option("--left", help="Only those that are not fitted yet.")] = False,
    lang: Lang = "en",
) -> None:
    """List the units of a prepared study, each one model on one fold, for `fit --only`."""
    from nephrograde import pipeline

    del lang
    study = load_study(study_path, overrides, encoding)
    units = pipeline.list_units(study, run_of(study_path, out))
    for name, is_fitted in units.items():
        if not (left and is_fitted):
            say(name)
    if left and all(units.values()):
        say(t("All {n} units are fitted.", n=len(units)), err=True)


@dataclass(frozen=True, slots=True)
class EvaluateOptions(StudyOptions):
    """Options of ``evaluate``."""

    primary: Annotated[
        str,
        typer.Option(
            "--primary",
            metavar="A,B",
            help="The primary comparison: the two models that are tested first and alone.",
            show_default=False,
        ),
    ] = ""
    columns: Annotated[
        list[str] | None,
        typer.Option("--columns", metavar="NAME=HEADING", help="A column of the scores: p_high=概率. May be repeated."),
    ] = None

    @property
    def named_primary(self) -> list[str]:
        """The primary comparison as an override of the settings; empty if none was named."""
        names = [name.strip() for name in self.primary.split(",")]
        return [f"evaluate.primary={json.dumps(names, ensure_ascii=False)}"] if self.primary else []


@commands.command()
@with_options(EvaluateOptions)
def evaluate(
    source: Annotated[
        Path, typer.Argument(metavar="STUDY.toml|SCORES.csv", help="A study file, or a score table from any source.")
    ],
    options: EvaluateOptions,
) -> None:
    """Evaluate the fitted models of a study, or a score table from any source."""
    from nephrograde import pipeline

    run = options.run_of(source)
    overrides = [*(options.overrides or ()), *options.named_primary]
    if source.suffix.lower() == ".toml":
        study = load_study(source, overrides, options.encoding)
        report_path = pipeline.evaluate_study(study, run, **options.evaluation)
    else:
        from nephrograde.sources.scan.grades import parse_columns
        from nephrograde.study.file import evaluate_settings

        settings = evaluate_settings(tuple(overrides))
        columns = parse_columns(options.columns or ())
        say_score_columns(say_encoding(source, options.encoding), columns)
        report_path = pipeline.evaluate_table(
            source, run, settings=settings, encoding=options.encoding, columns=columns, **options.evaluation
        )
    print_table(run)
    print_ladder(run)
    print_report(report_path, run, options.lang, as_pdf=options.pdf)


@commands.command()
def report(
    source_path: Annotated[
        Path, typer.Argument(metavar="RUN|STUDY.toml", help="The run folder, or the study file that it was made from.")
    ],
    out: RunDir = None,
    lang: Lang = "en",
    *,
    pdf: AsPdf = False,
) -> None:
    """Write the report of a run again from its files."""
    from nephrograde import pipeline
    from nephrograde.run.folder import RunFolder

    is_folder = out is None and source_path.is_dir()
    run = RunFolder(source_path) if is_folder else run_of(source_path, out)
    print_report(pipeline.report_study(run, lang), run, lang, as_pdf=pdf)
