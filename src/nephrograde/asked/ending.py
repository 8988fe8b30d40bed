"""How a command ends: a refusal with its exit code and no traceback, or a word about what Ctrl-C leaves."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from nephrograde.errors import NephrogradeError, RunError
from nephrograde.report.text.language import t
from nephrograde.terminal import print_refusal, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REFUSED: Final = 2
"""Exit code where a command was not done as asked."""
INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as in shells."""
_OF_NETWORKS = {"torch", "lightning_fabric"}
"""Packages that only networks need; whoever grades with packed models may leave them out."""
_WHOLE = {"pack", "inspect", "export", "explain", "retrieve", "share", "combine"}
"""Commands that write all at their end, or nothing, and begin from the start again."""
_RESUMED_BY = {"predict": "--csv", "send": "--journal"}
"""Commands that begin from the start again unless this option notes what is done."""


@contextmanager
def ended(given: Sequence[str]) -> Iterator[None]:
    """Run a command: user errors exit with code 2 and no traceback, unless ``--debug`` is given.

    Args:
        given: The arguments after ``nephrograde``.

    Raises:
        SystemExit: With the exit code, where it ends otherwise than by coming to its end.
    """
    debug = "--debug" in given
    try:
        yield
    except (NephrogradeError, OSError) as error:
        if debug:
            raise
        with suppress(OSError):  # the terminal may be what cannot be written to
            print_refusal(error if isinstance(error, NephrogradeError) else RunError(_refused(error)))
        raise SystemExit(REFUSED) from None
    except ModuleNotFoundError as error:
        if debug or error.name not in _OF_NETWORKS:
            raise
        what = f"{error.name} is not installed, so that only packed models can be used here."
        print_refusal(RunError(f"{what} Run: pip install nephrograde"))
        raise SystemExit(REFUSED) from None
    except SystemExit as error:
        if error.code == INTERRUPTED:
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


def _refused(error: OSError) -> str:
    """What the operating system refused where no step has said it: a file that cannot be read, or a full output."""
    if error.filename is None:
        return f"The output cannot be written: {error.strerror or error}."
    return f"{error.filename}: {error.strerror or error}. Check the path and its permissions."
