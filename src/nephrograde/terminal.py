"""Terminal output of the commands: progress, findings and tables."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import TYPE_CHECKING

import typer

from nephrograde.report.text.numbers import duration
from nephrograde.run.progress import Workload
from nephrograde.vocabulary import RESEARCH_USE_ONLY, phase_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nephrograde.run.folder import RunFolder
    from nephrograde.sources.scan.tally import ScanResult
    from nephrograde.sources.template import Template
    from nephrograde.volume.finding import Finding


_SECONDS_PER_LINE = 10.0
_SECONDS_PER_PROGRESS_LINE = 60.0


def print_findings(run: RunFolder) -> None:
    """Print what is suspect about the table, the scans that were left out, and the number of warnings."""
    from nephrograde.volume.finding import read_findings

    findings = read_findings(run.findings_path)
    for finding in (finding for finding in findings if finding.is_of_table):
        typer.echo(f"Check the table: {finding.text} {finding.remedy}", err=True)
    fatal = [finding for finding in findings if finding.severity == "fatal"]
    alike: dict[tuple[str, str], list[Finding]] = {}
    for finding in fatal:
        alike.setdefault((finding.code, finding.remedy), []).append(finding)
    for same in alike.values():
        first = same[0]
        place = f"Case {first.patient_id}, phase {first.phase.upper()}"
        patients = len({finding.patient_id for finding in same})
        count = f"{len(same)} × {first.code} in {patients} patients, first " if len(same) > 1 else ""
        typer.echo(f"Left out: {count}{place}: {first.text} {first.remedy}", err=True)
    if len(fatal) > len(alike):
        typer.echo(f"All of them are in {run.findings_path}", err=True)
    if len(findings) > len(fatal):
        typer.echo(f"{len(findings) - len(fatal)} warnings in {run.findings_path}", err=True)


def print_scan(result: ScanResult) -> None:
    """Print what a scan found, chose and skipped; file names are omitted, as they may identify a patient."""
    from nephrograde.volume.statement import wording_of

    files = f" in {result.n_files} files" if result.n_files else ""
    typer.echo(f"{result.n_patients} patients, {result.n_series} series{files}")
    for phase, count in result.n_scans.items():
        masks = f", {result.n_masks[phase]} of them with a mask" if phase in result.n_masks else ""
        typer.echo(f"{phase} ({phase_name(phase)}): {count} patients{masks}")
    for code, count in result.reasons.items():
        typer.echo(f"not chosen: {count} × {wording_of(code)[0]}")
    for skipped in result.skipped:
        typer.echo(f"skipped: {skipped.count} × {skipped.reason}", err=True)
    if result.skipped_path is not None:
        typer.echo(
            f"All skipped files are listed in {result.skipped_path}; keep it separate, as it may identify patients.",
            err=True,
        )
    for note in result.notes:
        typer.echo(note, err=True)


def print_template(template: Template) -> None:
    """Print what was written for a new study, what a table that was found says, and what it lacks."""
    found = template.found
    if found is None:
        typer.echo(f"Wrote {template.study_path}, {template.columns_path} and {template.table_path}.")
        typer.echo(f"Fill in the table, then run: nephrograde check {template.study_path}")
        return
    typer.echo(f"Wrote {template.study_path} and {template.columns_path} for the table {template.table_path}.")
    typer.echo(f"{found.n_patients} patients, {found.n_graded} of them with a grade (column {found.outcome})")
    for phase, count in found.n_images.items():
        left_out = "; too few, so the study leaves this phase out" if phase in found.left_out else ""
        typer.echo(f"{phase} ({phase_name(phase)}): {count} patients{left_out}")
    if found.n_graded < found.n_patients:
        typer.echo(f"Fill in the grades in {template.table_path}, or remove the patients without one.", err=True)
    if not found.annotations:
        columns = ", ".join(f"{found.phases[0]}_{kind}" for kind in ("box", "point", "mask"))
        typer.echo(
            f"No tumour is marked in {template.table_path}. Add a column for each phase, such as {columns}; "
            f"{template.columns_path.name} explains them.",
            err=True,
        )
    typer.echo(f"Next: nephrograde check {template.study_path}")


def print_table(run: RunFolder) -> None:
    """Print the results of a run as in the paper: on the test set, or out of fold if there are no test rows."""
    from nephrograde.report.tables.paper import paper_table
    from nephrograde.results import Results

    results = Results.read(run.run_dir)
    headings, rows = paper_table(results.estimates, results.reported)
    print_rows(headings, rows, "Test set" if results.reported == "test" else "Out-of-fold scores")


def print_rows(headings: tuple[str, ...], rows: list[tuple[str, ...]], title: str = "") -> None:
    """Print a table of texts, in full when the output is not a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*headings, title=title or None, caption=RESEARCH_USE_ONLY)
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
    lock = Lock()
    with ExitStack() as stack:
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
            bar = stack.enter_context(Progress(*columns, console=console))
            task = bar.add_task(name, total=1.0, state=progress_text(load))

            def show() -> None:
                bar.update(task, completed=load.share_done, state=progress_text(load))

        else:
            show = _plain_progress(name, load)

        def advance() -> None:
            with lock:
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
    parts = [f"{load.n_finished} of {load.n_parts}", f"{duration(load.elapsed_s)} elapsed"]
    if (left_s := load.left_s) is not None:
        parts.append(f"{duration(left_s)} left")
    return ", ".join(parts)


@contextmanager
def counting() -> Iterator[Callable[[str, int, int], None]]:
    """Show the progress of a command with several steps: the step, how much is done, and the total.

    A total of 0 means that it is not known. When the output is not a terminal, print a line every ten seconds.
    """
    import time

    from rich.console import Console

    console = Console(stderr=True)
    start = time.monotonic()
    last_line = start

    def text(name: str, done: int, total: int) -> str:
        return f"{name}: {done}{f' of {total}' if total else ''}, {time.monotonic() - start:.0f} s"

    if console.is_terminal:
        with console.status("") as status:
            yield lambda name, done, total: status.update(text(name, done, total))
        return

    def line(name: str, done: int, total: int) -> None:
        nonlocal last_line
        if time.monotonic() - last_line >= _SECONDS_PER_LINE:
            last_line = time.monotonic()
            typer.echo(text(name, done, total), err=True)

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
            typer.echo(f"{name}: {progress_text(load)}", err=True)

    return show
