"""What a command of the package takes: memory, seconds of the processors and on the clock.

The size of a process counts for those that it starts, until these have begun. So a bench that measures memory imports
little, and lets another process write what its commands read.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Cost(NamedTuple):
    """What a command took: the largest resident size of a process, seconds, and its exit code."""

    mib: float
    cpu_s: float
    clock_s: float
    code: int


def run(command: list[str], log_path: Path) -> Cost:
    """Run a command of the package in a process of its own.

    Args:
        command: Without ``nephrograde``.
        log_path: Gets what it prints.
    """
    start_s = time.perf_counter()
    with log_path.open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "nephrograde", *command], stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    clock_s = time.perf_counter() - start_s
    return Cost(used.ru_maxrss / 1024, used.ru_utime + used.ru_stime, clock_s, process.returncode)


def cpu_s() -> float:
    """Processor time of this process and of those that it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)
