"""Terminal output of the commands: progress, findings and tables."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from nephrograde.errors import InputError, VolumeError
from nephrograde.report.text.language import phase_in_words, speaking, spoken, t
from nephrograde.report.text.messages import problem_in_words, told
from nephrograde.report.text.numbers import counted, duration, enumerated
from nephrograde.run.progress import Workload
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nephrograde.errors import NephrogradeError
    from nephrograde.reads.analysis import ReaderAnalysis
    from nephrograde.run.folder import RunFolder
    from nephrograde.sources.scan.tally import ScanResult
    from nephrograde.sources.template import Template
    from nephrograde.tune.stage import ChosenFold, TuningPlan
    from nephrograde.volume.finding import Finding


_SECONDS_PER_LINE = 10.0
_SECONDS_PER_PROGRESS_LINE = 60.0


def say(sentence: str, *, err: bool = False) -> None:
    """Print a sentence that is already in the language of the terminal.

    Args:
        sentence: The text.
        err: To standard error, where what is no result belongs.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is None or (stream.encoding or "").lower().replace("-", "") != "utf8":
        from typer import echo  # which knows the consoles that need more

        echo(sentence, err=err)
    else:
        print(sentence, file=stream, flush=True)


def print_refusal(error: NephrogradeError) -> None:
    """Print why a command cannot do what it was asked for, and what to do about it."""
    if isinstance(error, InputError):
        heading = t("1 problem:") if len(error.problems) == 1 else t("{n} problems:", n=len(error.problems))
        text = "\n".join([heading, *(f"  {problem_in_words(problem)}" for problem in error.problems)])
    elif isinstance(error, VolumeError):
        place = "" if error.path is None else f"{error.path}{t(': ')}"
        text = f"{place}{told(f'{error.message} {error.remedy}')}"
    else:
        text = told(str(error))
    say(f"nephrograde{t(': ')}{text}", err=True)


def print_findings(run: RunFolder) -> None:
    """Print what is suspect about the table, what was left out, and the number of warnings."""
    from nephrograde.volume.finding import read_findings

    findings = read_findings(run.findings_path)
    for finding in (finding for finding in findings if finding.is_of_table):
        say(t("Check the table: {text}", text=_in_words(finding)), err=True)
    fatal = [finding for finding in findings if finding.severity == "fatal"]
    alike: dict[tuple[str, str], list[Finding]] = {}
    for finding in fatal:
        alike.setdefault((finding.code, finding.remedy), []).append(finding)
    for same in alike.values():
        say(_left_out(same), err=True)
    if len(fatal) > len(alike):
        say(t("All of them are in {path}", path=run.findings_path), err=True)
    if len(findings) > len(fatal):
        say(t("{n} warnings in {path}", n=len(findings) - len(fatal), path=run.findings_path), err=True)


def _left_out(same: list[Finding]) -> str:
    """Say why scans or patients were left out for the same reason: how many, and the first as an example."""
    first = same[0]
    place = (
        t("Case {patient}, phase {phase}", patient=first.patient_id, phase=first.phase.upper())
        if first.phase
        else t("Case {patient}", patient=first.patient_id)
    )
    if len(same) == 1:
        return t("Left out: {place}: {text}", place=place, text=_in_words(first))
    return t(
        "Left out: {n} × {code} in {patients} patients, first {place}: {text}",
        n=len(same),
        code=first.code,
        patients=len({finding.patient_id for finding in same}),
        place=place,
        text=_in_words(first),
    )


def _in_words(finding: Finding) -> str:
    text = told(f"{finding.message} {finding.remedy}")
    return f"{finding.column}{t(': ')}{text}" if finding.column else text


def print_scan(result: ScanResult) -> None:
    """Print what a scan found, chose and skipped; file names are omitted, as they may identify a patient."""
    from nephrograde.volume.statement import wording_of

    found = [counted(result.n_patients, "patient"), t("{n} series", n=result.n_series)]
    files = t(" in {n} files", n=result.n_files) if result.n_files else ""
    say(f"{enumerated(found)}{files}")
    for phase, count in result.n_scans.items():
        sentence = _of_phase(phase, count)
        if phase in result.n_masks:
            sentence += t(", {n} of them with a mask", n=result.n_masks[phase])
        say(sentence)
    for code, count in result.reasons.items():
        say(t("not chosen: {n} × {reason}", n=count, reason=told(wording_of(code)[0])))
    for skipped in result.skipped:
        say(t("skipped: {n} × {reason}", n=skipped.count, reason=told(skipped.reason)), err=True)
    if result.skipped_path is not None:
        sentence = t(
            "All skipped files are listed in {path}; keep it separate, as it may identify patients.",
            path=result.skipped_path,
        )
        say(sentence, err=True)
    for note in result.notes:
        say(told(note), err=True)


def print_readers(analysis: ReaderAnalysis) -> None:
    """Print the analysis of readers: remarks on the table, the tables of results, and what they answer."""
    from nephrograde.report.tables.readers import reader_answers, reader_counts, reader_remarks, reader_tables

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


def _of_phase(phase: str, count: int) -> str:
    name = phase if phase_in_words(phase) == phase else t("{code} ({name})", code=phase, name=phase_in_words(phase))
    return f"{name}{t(': ')}{counted(count, 'patient')}"


def print_template(template: Template) -> None:
    """Print what was written for a new study, what a table that was found says, and what it lacks."""
    study_path, columns_path, table_path = template.study_path, template.columns_path, template.table_path
    found = template.found
    command = f"nephrograde check {study_path}" + ("" if spoken() == "en" else f" --lang {spoken()}")
    if found is None:
        say(t("Wrote {study}, {columns} and {table}.", study=study_path, columns=columns_path, table=table_path))
        for path in template.passed_over:
            what = t("{table} is not used: none of its headings names images, such as cmp_image.", table=path)
            remedy = t("Rename a heading, remove the files that were written, and begin again.")
            say(f"{what} {remedy}", err=True)
        say(t("Fill in the table, then run: {command}", command=command))
        return
    say(
        t(
            "Wrote {study} and {columns} for the table {table}.",
            study=study_path,
            columns=columns_path,
            table=table_path,
        )
    )
    graded = t("{n} of them with a grade (column {column})", n=found.n_graded, column=found.outcome)
    say(enumerated([counted(found.n_patients, "patient"), graded]))
    for phase, count in found.n_images.items():
        left_out = t("; too few, so the study leaves this phase out") if phase in found.left_out else ""
        say(f"{_of_phase(phase, count)}{left_out}")
    for reason in () if template.choices is None else template.choices.reasons:
        if not reason.is_of_phases:
            say(reason.text(spoken()))
    for note in found.notes:
        say(told(note), err=True)
    if found.has_outcome and found.n_graded < found.n_patients:
        say(t("Fill in the grades in {table}, or remove the patients without one.", table=table_path), err=True)
    if not found.annotations:
        sentence = t(
            "No tumour is marked in {table}. Add a column for each phase, such as {columns}; {page} explains them.",
            table=table_path,
            columns=enumerated([f"{found.phases[0]}_{kind}" for kind in ("box", "point", "mask")]),
            page=columns_path.name,
        )
        say(sentence, err=True)
    say(t("Next: {command}", command=command))


def print_table(run: RunFolder) -> None:
    """Print the results of a run as in the paper: on the test set, or out of fold if there are no test rows."""
    from nephrograde.report.tables.out_of_fold import out_of_fold_words
    from nephrograde.report.tables.paper import paper_table
    from nephrograde.results import Results

    results = Results.read(run.run_dir)
    headings, rows = paper_table(results.estimates, results.reported)
    title = t("Test set")
    if results.reported == "oof":
        is_chosen = bool(out_of_fold_words(results).calls)
        title = (
            t("Out-of-fold scores, thresholds chosen on the same patients") if is_chosen else t("Out-of-fold scores")
        )
    print_rows(headings, rows, title)


def print_ladder(run: RunFolder) -> None:
    """Print how little annotation is enough, where a run has several levels of supervision."""
    from nephrograde.report.tables.ladder import ladder
    from nephrograde.results import Results

    found = ladder(Results.read(run.run_dir))
    if found is None:
        return
    measures = ("AUC", t("Difference"), "P Holm", t("Verdict"))
    headings = (t("Phase"), t("Annotation"), t("Network"), t("Minutes"), *measures)
    rows = [
        (
            phase,
            t("{level} ({arm})", level=row.level, arm=row.arm),
            row.network,
            row.minutes,
            row.auc.text,
            f"{row.difference} {row.bounds}".strip(),
            row.p_adjusted,
            row.verdict,
        )
        for phase, of_phase in found.rows
        for row in of_phase
    ]
    print_rows(headings, rows, t("Levels of supervision, out of fold"))
    for sentence in (*found.sentences, found.sources):
        say(sentence)


def print_tuning_plan(plan: TuningPlan) -> None:
    """Print what tuning will cost before it begins."""
    for model in plan.not_trained:
        say(t("{model} has a frozen encoder, which is not trained: there is nothing to tune.", model=model), err=True)
    sentence = t(
        "Tuning {models} on {searches} folds: {trials} trials with {folds} inner folds each, at most {fits} networks; "
        "trials that are worse than the others are ended early.",
        models=counted(len(plan.models), "model"),
        searches=len(plan.searches),
        trials=plan.tune.trials,
        folds=plan.tune.folds,
        fits=plan.fits,
    )
    if plan.fits:
        say(sentence, err=True)
    if plan.finished:
        say(t("Trials that are finished already, and are kept: {n}.", n=plan.finished), err=True)


def print_chosen(chosen: Sequence[ChosenFold]) -> None:
    """Print the settings that were chosen for each fold."""
    from nephrograde.report.tables.tuning import chosen_row, tuning_headings

    rows = []
    for one in chosen:
        name = f"{one.model} ({one.repeat})" if one.repeat else one.model
        rows.append((name, *chosen_row(one.fold, one.chosen)))
    print_rows(
        (t("Model"), *tuning_headings()), rows, t("Settings chosen inside the patients that each fold learns from")
    )


def print_rows(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], title: str = "") -> None:
    """Print a table of texts, in full: on a narrow terminal, cells are broken into lines and not cut off."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    columns = [Column(one, overflow="fold") for one in headings]
    table = Table(*columns, title=title or None, caption=t(RESEARCH_USE_ONLY))
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console()
    console.print(table) if console.is_terminal else Console(width=160).print(table)


@contextmanager
def progress(name: str, work: int | Workload) -> Iterator[Callable[[], None]]:
    """Show a progress bar on a terminal; otherwise print a line at every 10 % and every minute.

    Args:
        name: What is done.
        work: The number of equal parts, or a workload that is told what is done.

    Yields:
        A function to call after each of several equal parts, or after each change of the workload.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    load = Workload.of_equal_parts(work) if isinstance(work, int) else work
    console = Console(stderr=True)
    lock, language = Lock(), spoken()
    with ExitStack() as stack:
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
            bar = stack.enter_context(Progress(*columns, console=console))
            task = bar.add_task(told(name), total=1.0, state=progress_text(load))

            def show() -> None:
                bar.update(task, completed=load.share_done, state=progress_text(load))

        else:
            show = _plain_progress(name, load)

        def advance() -> None:
            with lock, speaking(language):  # threads do not inherit the language
                if isinstance(work, int):
                    load.finish_next()
                show()

        yield advance


def progress_text(load: Workload) -> str:
    """Describe how far a workload is, and how long it will still take.

    >>> from nephrograde.run.progress import Workload
    >>> now = [0.0]
    >>> load = Workload.of_equal_parts(60, clock=lambda: now[0])
    >>> now[0] = 3.0; load.finish_next(); progress_text(load)
    '1 of 60, 3 s elapsed, 2 min 57 s left'
    """
    parts = [t("{n} of {total}", n=load.n_finished, total=load.n_parts)]
    parts.append(t("{time} elapsed", time=duration(load.elapsed_s)))
    if (left_s := load.left_s) is not None:
        parts.append(t("{time} left", time=duration(left_s)))
    return enumerated(parts)


@contextmanager
def counting() -> Iterator[Callable[[str, int, int], None]]:
    """Show the progress of a command with several steps: the step, how much is done, and the total.

    A total of 0 means that it is not known. When the output is not a terminal, print a line every ten seconds.
    """
    import time

    from rich.console import Console

    console = Console(stderr=True)
    language = spoken()
    start = time.monotonic()
    last_line = start

    def text(name: str, done: int, total: int) -> str:
        with speaking(language):  # threads do not inherit the language
            amount = t("{n} of {total}", n=done, total=total) if total else str(done)
            return f"{told(name)}{t(': ')}{enumerated([amount, duration(time.monotonic() - start)])}"

    if console.is_terminal:
        with console.status("") as status:
            yield lambda name, done, total: status.update(text(name, done, total))
        return

    def line(name: str, done: int, total: int) -> None:
        nonlocal last_line
        if time.monotonic() - last_line >= _SECONDS_PER_LINE:
            last_line = time.monotonic()
            say(text(name, done, total), err=True)

    yield line


def tallied(progress: Callable[[str, int, int], None], name: str) -> Callable[[int], None]:
    """Return a function to call with each further amount of one step."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(name, done, 0)

    return advance


def _plain_progress(name: str, load: Workload) -> Callable[[], None]:
    tenths, last_line_s = 0, 0.0

    def show() -> None:
        nonlocal tenths, last_line_s
        reached = 10 if load.n_finished == load.n_parts else min(9, int(load.share_done * 10))
        if reached > tenths or load.elapsed_s - last_line_s >= _SECONDS_PER_PROGRESS_LINE:
            tenths, last_line_s = max(reached, tenths), load.elapsed_s
            say(f"{told(name)}{t(': ')}{progress_text(load)}", err=True)

    return show
