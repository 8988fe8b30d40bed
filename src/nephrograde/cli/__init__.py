"""The command line: parsing and printing only."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import typer

from nephrograde.asked.ending import ended
from nephrograde.cli import (
    annotating,
    cohort,
    doctor,
    exchanging,
    explaining,
    exporting,
    grading,
    packing,
    planning,
    results,
    serving_models,
    sharing,
    study,
    validating,
    weights,
)
from nephrograde.cli.journey import Journey
from nephrograde.cli.shared import ARGUMENTS, Command
from nephrograde.report.text.language import LANGUAGES, speaking
from nephrograde.version import __version__
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.report.text.language import Language

app = typer.Typer(
    name="nephrograde",
    cls=Journey,
    help=f"Grade clear cell renal cell carcinoma from three-phase CT. {RESEARCH_USE_ONLY}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for room in (
    planning,
    cohort,
    annotating,
    study,
    results,
    grading,
    explaining,
    packing,
    exporting,
    validating,
    sharing,
    serving_models,
    exchanging,
    weights,
    doctor,
):
    for command in room.commands.registered_commands:
        command.cls = Command
    app.add_typer(room.commands)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: user errors exit with code 2 and no traceback, Ctrl-C with 130.

    Args:
        arguments: The arguments after ``nephrograde``; those of this process if None.
    """
    given = tuple(sys.argv[1:] if arguments is None else arguments)
    ARGUMENTS.set(given)
    with speaking(language_of(given)), ended(given):
        app(args=[word for word in given if word != "--debug"], prog_name="nephrograde", standalone_mode=True)


def language_of(given: Sequence[str]) -> Language:
    """Find the language of a command line, which refusals and progress need before the command is parsed.

    Args:
        given: The arguments after ``nephrograde``.

    >>> language_of(["run", "study.toml", "--lang", "zh"]), language_of(["check", "--lang=zh"]), language_of(["check"])
    ('zh', 'zh', 'en')
    """
    words = [*given, ""]
    asked = [after if word == "--lang" else word.partition("--lang=")[2] for word, after in pairwise(words)]
    return next((language for word in reversed(asked) for language in LANGUAGES if word == language), "en")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nephrograde {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    del version, debug  # both are handled above
