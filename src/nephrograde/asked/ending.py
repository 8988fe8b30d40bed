"""How a command ends: a refusal with its exit code and no traceback, or a word about what Ctrl-C leaves."""

from __future__ import annotations

import traceback
from contextlib import contextmanager, suppress
from pathlib import Path
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
_NO_MEMORY: Final = "There is not enough memory: the machine, or a limit (ulimit, a job), has none left."
_LESS_MEMORY: Final = "Close other programs, raise the limit, or lower --workers or fit.workers."
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
    except Exception as error:
        refusal = None if debug else _machine_problem(error)
        if refusal is None:
            raise
        print_refusal(refusal)
        raise SystemExit(REFUSED) from None
    except SystemExit as error:
        if not debug and (refusal := _import_problem(error)) is not None:
            print_refusal(refusal)
            raise SystemExit(REFUSED) from None
        if error.code == INTERRUPTED:
            say(f"\n{_stopped(given)}", err=True)
        raise


def _machine_problem(error: Exception) -> RunError | None:
    """What is said if not nephrograde has failed, but the machine or what is installed there; None for other errors."""
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):  # torch has no error of its own for it
        return RunError(f"{_NO_MEMORY} {_LESS_MEMORY}")
    if isinstance(error, ModuleNotFoundError) and error.name in _OF_NETWORKS:
        what = f"{error.name} is not installed, so that only packed models can be used here."
        return RunError(f"{what} Run: pip install nephrograde")
    if (refusal := _import_problem(error)) is not None:
        return refusal
    if isinstance(error, RuntimeError) and not _has_home():
        return RunError("The location of your home folder is unknown. Set the environment variable HOME.")
    return None


def _import_problem(error: BaseException) -> RunError | None:
    """What is said if a package has failed while it was imported, by ending the process, too; None for other errors."""
    package = _broken_package(error)
    if package is None:
        return None
    reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    return RunError(f"{package} cannot be imported ({reason}). Run nephrograde doctor, which says what to do.")


def _broken_package(error: BaseException) -> str | None:
    """The package that raised an error while it was imported, or is not there; None for any other error."""
    named = (getattr(error, "name", None) or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if named == "nephrograde":
        return None
    if isinstance(error, ModuleNotFoundError) and named:
        return named
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if frame.f_code.co_name == "<module>" and package not in {"nephrograde", "__main__"}:
            return f"{package} ({frame.f_code.co_filename})"
    return named or None


def _has_home() -> bool:
    try:
        Path.home()
    except RuntimeError:
        return False
    return True


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
