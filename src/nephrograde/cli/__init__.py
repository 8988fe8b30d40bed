"""The command line: parsing and printing only."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nephrograde.cli import cohort, results, study
from nephrograde.errors import NephrogradeError
from nephrograde.version import __version__
from nephrograde.vocabulary import RESEARCH_USE_ONLY

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""

app = typer.Typer(
    name="nephrograde",
    help=f"Grade clear cell renal cell carcinoma from three-phase CT. {RESEARCH_USE_ONLY}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for room in (cohort, study, results):  # in the order of a study
    app.add_typer(room.commands)


def main() -> None:
    """Run the command line: user errors exit with code 2 and no traceback, Ctrl-C with 130."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(args=arguments, prog_name="nephrograde", standalone_mode=True)
    except NephrogradeError as error:
        if debug:
            raise
        typer.echo(f"nephrograde: {error}", err=True)
        raise SystemExit(2) from None
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            typer.echo("\nStopped. Run the same command again to resume.", err=True)
        raise


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
