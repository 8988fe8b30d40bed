"""What became of steps that ran in other processes: done, failed, ended the process, or took too long."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LIMIT_S = 180.0
"""Seconds after which a step counts as hanging. The slowest, torch, takes two, but many where the disk is slow, the
machine busy, and nothing compiled yet."""
CHILD = "nephrograde.doctor.child"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step.

    Attributes:
        works: Whether it succeeded.
        said: What it found, or why it failed, in one line.
        seconds: How long it took; 0 if it failed.
    """

    works: bool
    said: str = ""
    seconds: float = 0.0


def outcomes_of(rows: Iterable[Sequence[str]], limit_s: float = LIMIT_S) -> dict[str, Outcome]:
    """Run rows of steps side by side, each row in a process of its own.

    Args:
        rows: The steps, as :func:`nephrograde.doctor.child.outcome` takes them.
        limit_s: After how many seconds without an end a step is stopped.

    Returns:
        The outcome of each step.

    >>> found = outcomes_of([["import:json", "import:no_such_module"]])
    >>> found["import:json"].works, found["import:no_such_module"].works
    (True, False)
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        return {step: one for row in pool.map(lambda row: _row(row, limit_s), rows) for step, one in row.items()}


def _row(steps: Sequence[str], limit_s: float) -> dict[str, Outcome]:
    """Run steps in one process; after one that ends the process, the rest in the next."""
    found: dict[str, Outcome] = {}
    while left := [step for step in steps if step not in found]:
        found |= _until_the_end(left, limit_s)
    return found


def _until_the_end(steps: Sequence[str], limit_s: float) -> dict[str, Outcome]:
    """The outcomes of the steps that a process began; at least one."""
    command = [sys.executable, "-P", "-m", CHILD, *steps]
    found: dict[str, Outcome] = {}
    begun = steps[0]
    hung: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8") as process:  # noqa: S603 (this Python, a module of this package)
        timer = _timer(process, limit_s, hung)
        for line in process.stdout or ():
            timer.cancel()
            told: dict[str, Any] = json.loads(line)
            begun = str(told.get("begun", begun))
            if "ended" in told:
                found[begun] = Outcome(told["works"], told["said"], told.get("seconds", 0.0))
            timer = _timer(process, limit_s, hung)
        code = process.wait()
        timer.cancel()
    if begun not in found:
        found[begun] = Outcome(works=False, said=f"took longer than {limit_s:.0f} s" if hung else ended_with(code))
    return found


def _timer(process: subprocess.Popen[str], limit_s: float, hung: list[str]) -> Timer:
    """Kill a process that says nothing for too long."""

    def stop() -> None:
        hung.append("")
        process.kill()

    timer = Timer(limit_s, stop)
    timer.daemon = True
    timer.start()
    return timer


def ended_with(code: int) -> str:
    """Say how a process ended that should have gone on.

    >>> ended_with(-11), ended_with(3)
    ('ended the process (signal 11)', 'ended the process (exit code 3)')
    """
    return f"ended the process ({f'signal {-code}' if code < 0 else f'exit code {code}'})"
