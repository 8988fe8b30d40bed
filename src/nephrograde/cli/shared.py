"""What several commands share: options, and steps that all of them take."""

from __future__ import annotations

import inspect
import shlex
import sys
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from nephrograde.report.text.language import Language
from nephrograde.run.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    from nephrograde.study import Study

    Options = TypeVar("Options")

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study file.")]
RunDir = Annotated[Path | None, typer.Option("--out", help="The run folder [default: runs/<name of the study file>].")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a key, like fit.epochs=2. May be repeated."),
]
Lang = Annotated[Language, typer.Option("--lang", help="The language of the report.")]
AsPdf = Annotated[bool, typer.Option("--pdf", help="Write the report as PDF as well (needs nephrograde[pdf]).")]


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """The options of the commands that go from a study, or from scores, to a report."""

    out: RunDir = None
    overrides: Overrides = None
    reason: Annotated[
        str,
        typer.Option("--reason", help="Why the test set is opened again; printed in the report.", show_default=False),
    ] = ""
    lang: Lang = "en"
    pdf: AsPdf = False
    peek_free: Annotated[
        bool, typer.Option("--peek-free", help="Leave the test set closed: evaluate out-of-fold scores only.")
    ] = False

    def run_of(self, source_path: Path) -> RunFolder:
        """The run folder of a study file or score table."""
        return run_of(source_path, self.out)

    @property
    def evaluation(self) -> dict[str, Any]:
        """What the stages are told of how to evaluate and report."""
        return {
            "command": command_line(),
            "reason": None if self.peek_free else self.reason,
            "language": self.lang,
        }


def with_options(kind: type[Options]) -> Callable[[Callable[[Path, Options], None]], Callable[..., None]]:
    """Let a command take the fields of a dataclass as its options; typer reads them from the signature.

    Args:
        kind: A dataclass whose fields are annotated as typer's parameters are.
    """
    hints = get_type_hints(kind, include_extras=True)
    options = [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
        for one in fields(kind)  # type: ignore[arg-type]
    ]

    def decorate(command: Callable[[Path, Options], None]) -> Callable[..., None]:
        hint_of = get_type_hints(command, include_extras=True)
        source, _ = inspect.signature(command).parameters.values()

        @wraps(command)
        def wrapped(**given: Any) -> None:
            command(given.pop(source.name), kind(**given))

        parameters = [source.replace(annotation=hint_of[source.name]), *options]
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {one.name: one.annotation for one in parameters}
        return wrapped

    return decorate


def run_of(source_path: Path, out: Path | None) -> RunFolder:
    """The run folder that was named, else the one that a study file or score table has."""
    return RunFolder(out or Path("runs") / source_path.stem)


def load_study(study_path: Path, overrides: list[str] | None) -> Study:
    """Read the study file and check the cohort table."""
    from nephrograde import pipeline

    return pipeline.load_inputs(study_path, tuple(overrides or ()))


def command_line() -> str:
    """The command as it was typed, for the lock file."""
    return shlex.join(["nephrograde", *sys.argv[1:]])


def print_report(report_path: Path, *, as_pdf: bool) -> None:
    """Say where the report lies, and write it as PDF where that is wished."""
    typer.echo(f"Report: {report_path}")
    if as_pdf:
        from nephrograde.report.pages.pdf import write_pdf

        typer.echo(f"PDF: {write_pdf(report_path)}")
