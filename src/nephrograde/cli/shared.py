"""Options and steps that several commands share."""

from __future__ import annotations

import inspect
import shlex
from contextvars import ContextVar
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer
from typer.core import TyperCommand

from nephrograde.cli.helping import usage_pieces, write_parameters
from nephrograde.cli.journey import write_examples
from nephrograde.errors import InputError, Problem
from nephrograde.report.text.language import Language, t
from nephrograde.report.text.messages import told
from nephrograde.run.folder import RunFolder
from nephrograde.streams import is_text
from nephrograde.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nephrograde.sheet import Sheet
    from nephrograde.study import Study

ARGUMENTS: ContextVar[tuple[str, ...]] = ContextVar("ARGUMENTS", default=())
"""The arguments of the command that is running."""

_NO_TEXT = "the name holds bytes that are not UTF-8, which no file of results could hold"

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study file.")]
RunDir = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="The run folder [default: runs/<name of the study file>]."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, such as fit.epochs=2. May be repeated."),
]
Encoding = Annotated[
    str | None,
    typer.Option("--encoding", metavar="NAME", help="The encoding of CSV tables, such as cp1250 [default: detected]."),
]
Lang = Annotated[Language, typer.Option("--lang", help="The language of the output and of the report.")]
On = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="ENGINE",
        help="Where scans are prepared and models fitted: local, slurm, ray, or a Ray cluster as ray://HOST:PORT.",
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="KEY=VALUE",
        help="What --on gives each unit, such as partition=gpu, minutes=90 or gpus=0.5. May be repeated.",
    ),
]
AsPdf = Annotated[bool, typer.Option("--pdf", help="Also write the report as PDF (needs nephrograde[pdf]).")]
PagePort = Annotated[
    int,
    typer.Option("--port", min=0, max=65535, help="The port of the page [default: a free one].", show_default=False),
]
PageHost = Annotated[
    str,
    typer.Option(
        "--host", metavar="ADDRESS", help="Serve the page at this address; needs a password in NEPHROGRADE_PASSWORD."
    ),
]
NoBrowser = Annotated[
    bool, typer.Option("--no-browser", help="Print the address of the page and do not open a browser.")
]


class Command(TyperCommand):
    """A command whose help ends in examples, and that refuses empty paths.

    Such as of ``--out "$FOLDER"`` where the variable is not set: to Python, an empty path is the current folder.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of the command.

        Raises:
            InputError: If a path is empty or blank, or a word cannot be written down as text.
        """
        if ctx.resilient_parsing:  # for a shell that completes: the last option may still lack its value
            return super().parse_args(ctx, args[:-1] if args and args[-1].startswith("-") else args)
        remedy = "Name a file or folder; the current folder is `.`."
        problems = [Problem(place, "the path is empty", remedy) for place in self._empty_paths(args)]
        problems += [
            Problem(f"argument {number}", _NO_TEXT, "Rename the file or folder, or name a link to it.")
            for number, word in enumerate(args, start=1)
            if not is_text(word)
        ]
        if problems:
            raise InputError(problems)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words of the line of usage."""
        return list(usage_pieces(self, ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options of the command."""
        write_parameters(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples of the command."""
        write_examples(ctx, formatter)

    def _empty_paths(self, words: Sequence[str]) -> list[str]:
        """Where a path is empty: the options, and the positions of arguments, most of which are paths."""
        hints = get_type_hints(self.callback)
        is_path = {
            option: _holds_path(hints[str(parameter.name)])
            for parameter in self.params
            if parameter.name in hints and hints[parameter.name] is not bool
            for option in parameter.opts
            if option.startswith("--")
        }
        empty = []
        for number, (before, word) in enumerate(pairwise(["", *words]), start=1):
            option, equals, value = word.partition("=")
            if equals and not value.strip() and is_path.get(option):
                empty.append(option)
            elif not word.strip() and is_path.get(before, True):
                empty.append(before if before in is_path else f"argument {number}")
        return empty


def _holds_path(hint: object) -> bool:
    """Whether an argument of this type is a path, or several paths."""
    return hint is Path or any(map(_holds_path, get_args(hint)))


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """Options of the commands that produce a report from a study or from scores."""

    out: RunDir = None
    overrides: Overrides = None
    encoding: Encoding = None
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            metavar="TEXT",
            help="Why the test set is opened again; printed in the report.",
            show_default=False,
        ),
    ] = ""
    lang: Lang = "en"
    pdf: AsPdf = False
    peek_free: Annotated[
        bool, typer.Option("--peek-free", help="Keep the test set closed: evaluate only out-of-fold scores.")
    ] = False

    def run_of(self, source_path: Path) -> RunFolder:
        """The run folder of a study file or score table."""
        return run_of(source_path, self.out)

    @property
    def evaluation(self) -> dict[str, Any]:
        """Arguments of the evaluation and report stages."""
        return {
            "command": command_line(),
            "reason": None if self.peek_free else self.reason,
            "language": self.lang,
        }


def with_options(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of a dataclass as options, after its own arguments; it receives them as ``options``.

    Typer reads them from the signature.

    Args:
        kind: A dataclass whose fields are annotated like typer parameters; one without a default is a required option.
    """
    hints = get_type_hints(kind, include_extras=True)
    options = [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if one.default is MISSING else one.default,
            annotation=hints[one.name],
        )
        for one in fields(kind)
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hint_of = get_type_hints(command, include_extras=True)
        arguments = [one for one in inspect.signature(command).parameters.values() if one.name != "options"]

        @wraps(command)
        def wrapped(**given: Any) -> None:
            own = [given.pop(one.name) for one in arguments]
            command(*own, options=kind(**given))

        parameters = [*(one.replace(annotation=hint_of[one.name]) for one in arguments), *options]
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {one.name: one.annotation for one in parameters}
        return wrapped

    return decorate


def run_of(source_path: Path, out: Path | None) -> RunFolder:
    """The given run folder, or the default one of a study file or score table."""
    return RunFolder(out or Path("runs") / source_path.stem)


def load_study(study_path: Path, overrides: list[str] | None, encoding: str | None = None) -> Study:
    """Read the study file and check the cohort table, and print how it was read where that was a choice."""
    from nephrograde import pipeline

    named = () if encoding is None else (f'cohort.encoding="{encoding}"',)
    given = (*(overrides or ()), *named)
    return pipeline.load_inputs(study_path, given, tell=lambda note: say(told(note), err=True))


def say_encoding(table_path: Path, encoding: str | None) -> Sheet | None:
    """Print in which encoding or from which sheet a table is read, if that was a choice; return it if it can be."""
    from nephrograde.sheet import open_sheet

    sheet, _ = open_sheet(table_path, encoding)
    for note in () if sheet is None else sheet.notes("Another can be named with --encoding."):
        say(told(note), err=True)
    return sheet


def say_score_columns(sheet: Sheet | None, columns: Mapping[str, str]) -> None:
    """Print which headings of a score table were taken for a standard column without being told."""
    from nephrograde.evaluation.scores.score_columns import recognise_scores

    recognised, problems = recognise_scores(sheet, columns) if sheet is not None else (None, [])
    if recognised is not None and recognised.recognised and not problems:
        used = [
            t("{heading} as {column}", heading=recognised.heading(name), column=name) for name in recognised.recognised
        ]
        say(t("{name}: {columns}.", name=recognised.table_name, columns=t(", ").join(used)), err=True)


def command_line() -> str:
    """The command line as typed, for the lock file."""
    return shlex.join(["nephrograde", *ARGUMENTS.get()])


def print_report(report_path: Path, run: RunFolder, language: Language, *, as_pdf: bool) -> None:
    """Print the path of the report and, if requested, write it as PDF."""
    say(t("Report: {path}", path=report_path))
    if as_pdf:
        from nephrograde import pipeline

        say(t("PDF: {path}", path=pipeline.print_study(run, language)))
