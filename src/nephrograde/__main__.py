"""The process of the command ``nephrograde``, which is also ``python -m nephrograde``."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING

from nephrograde.streams import make_writable

if TYPE_CHECKING:
    from collections.abc import Callable

OBJECTS_BEFORE_FIRST_COLLECTION, OBJECTS_BEFORE_COLLECTION = 1_000_000, 100_000
"""New objects after which Python searches for garbage, the first time and from then on.

Importing torch makes a quarter of a million objects and no garbage. With Python's own 700, the searches take a tenth of
the time of a short command (``python -m bench.start``).
"""


def start() -> None:
    """Run the command line as a process of its own, and end the process.

    Once threads have ended, exit handlers have run and all output is written, nothing is left that matters. Taking
    every module apart, as Python does last, takes a tenth of a second if torch is among them.
    """
    gc.set_threshold(OBJECTS_BEFORE_FIRST_COLLECTION)
    gc.callbacks.append(_collect_more_often)
    make_writable()
    try:
        _main()()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            _end(ended.code or 0)
        raise


def _main() -> Callable[[], None]:
    """The command line; if a package that every command needs is missing or broken, say so and end the process.

    The exit code is then 2, and 1 for ``doctor``, whose finding this is.
    """
    try:
        from nephrograde.asked.plain import plain_command

        if (command := plain_command(sys.argv[1:])) is not None:  # one that typer need not read
            return command
        from nephrograde.cli import main
    except (Exception, SystemExit) as error:  # a package may also end the process
        if "--debug" in sys.argv:
            raise
        package = (getattr(error, "name", None) or _raised_in(error)).partition(".")[0]
        sys.stderr.write(
            f"nephrograde: {package}: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}\n"
            f"It is missing or broken, and every command needs it. Run: pip install --force-reinstall {package}\n"
            f"缺少该软件包或其已损坏，而所有命令都需要它。请运行：pip install --force-reinstall {package}\n"
        )
        raise SystemExit(1 if "doctor" in sys.argv[1:] else 2) from None
    return main


def _raised_in(error: BaseException) -> str:
    """The package whose code raised an error, which may be our own."""
    names = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    packages = [name.partition(".")[0] for name in names]
    return next((one for one in reversed(packages) if one not in sys.stdlib_module_names), "nephrograde")


def _collect_more_often(_phase: str, _info: dict[str, int]) -> None:
    gc.callbacks.remove(_collect_more_often)
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION)


def _end(code: int) -> None:
    """End the process as Python does, except for taking the modules apart; return if output cannot be written."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # Python will report it, and choose the exit code
        return
    os._exit(code)


if __name__ == "__main__":
    start()
