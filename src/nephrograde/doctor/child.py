"""The process in which packages are imported and the self-test runs: one line of JSON before and after each step.

Run: python -P -m nephrograde.doctor.child import:numpy trial:scan …
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import warnings
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(steps: Sequence[str]) -> None:
    """Do the steps, and write what becomes of each to what was standard output.

    Standard output itself goes nowhere: packages may print when they are imported.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as told:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        warnings.simplefilter("ignore")
        for step in steps:
            write(told, {"begun": step})
            write(told, {"ended": step, **outcome(step)})


def outcome(step: str) -> dict[str, object]:
    """Import a module or try something; what it found, or how it failed.

    Args:
        step: ``import:MODULE``, or ``trial:NAME``.

    >>> outcome("import:json")["works"], outcome("import:no_such_module")["said"]
    (True, "ModuleNotFoundError: No module named 'no_such_module'")
    """
    kind, _, name = step.partition(":")
    start_s = time.perf_counter()
    try:
        if kind == "import":
            importlib.import_module(name)
            said = ""
        else:
            from nephrograde.doctor.trials import TRIALS

            said = TRIALS[name]()
    except BaseException as error:  # noqa: BLE001 (whatever a package does when it is imported is reported)
        name, lines = type(error).__name__, str(error).strip().splitlines()
        is_told = lines and name == "TrialError"  # a sentence of ours
        return {"works": False, "said": lines[0] if is_told else f"{name}: {lines[0]}" if lines else name}
    return {"works": True, "said": said, "seconds": time.perf_counter() - start_s}


def write(told: TextIO, line: dict[str, object]) -> None:
    """Write one line at once: the next step may end the process."""
    told.write(f"{json.dumps(line)}\n")
    told.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
