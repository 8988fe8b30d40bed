"""The command line: parsing and printing only."""

from __future__ import annotations

import sys
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import typer

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
from nephrograde.errors import NephrogradeError, RunError
from nephrograde.report.text.language import LANGUAGES, speaking, t
from nephrograde.terminal import print_refusal, say
from nephrograde.version import __version__
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.report.text.language import Language

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""
_OF_NETWORKS = {"torch", "lightning_fabric"}
"""Packages that only networks need; whoever grades with packed models may leave them out."""
_WHOLE = {"pack", "inspect", "export", "explain", "retrieve", "share", "combine"}
"""Commands that write all at their end, or nothing, and begin from the start again."""
_RESUMED_BY = {"predict": "--csv", "send": "--journal"}
"""Commands that begin from the start again unless this option notes what is done."""

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
    debug = "--debug" in given
    with speaking(language_of(given)):
        try:
            app(args=[word for word in given if word != "--debug"], prog_name="nephrograde", standalone_mode=True)
        except (NephrogradeError, OSError) as error:
            if debug:
                raise
            with suppress(OSError):  # the terminal may be what cannot be written to
                print_refusal(error if isinstance(error, NephrogradeError) else RunError(_refused(error)))
            raise SystemExit(2) from None
        except ModuleNotFoundError as error:
            if debug or error.name not in _OF_NETWORKS:
                raise
            what = f"{error.name} is not installed, so that only packed models can be used here."
            print_refusal(RunError(f"{what} Run: pip install nephrograde"))
            raise SystemExit(2) from None
        except SystemExit as ended:
            if ended.code == INTERRUPTED:
                say(f"\n{_stopped(given)}", err=True)
            raise


def _stopped(given: Sequence[str]) -> str:
    """What Ctrl-C leaves of a command, and what the same command does then."""
    begun = next((word for word in given if not word.startswith("-")), "")
    if begun in _WHOLE:
        return t("Stopped. Nothing was written; the same command begins from the start.")
    option = _RESUMED_BY.get(begun, "")
    if option and not any(word.partition("=")[0] == option for word in given):
        return t("Stopped. The same command begins from the start; with {option}, it would resume.", option=option)
    return t("Stopped. Run the same command again to resume.")


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


def _refused(error: OSError) -> str:
    """What the operating system refused where no step has said it: a file that cannot be read, or a full output."""
    if error.filename is None:
        return f"The output cannot be written: {error.strerror or error}."
    return f"{error.filename}: {error.strerror or error}. Check the path and its permissions."


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
