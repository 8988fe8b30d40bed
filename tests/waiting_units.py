"""Units that wait until something happens to the process that has begun them."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GIVE_UP_S = 120.0


@dataclass(frozen=True)
class Waiting:
    """A unit that notes which process has begun it, and waits the first time."""

    notes: Path

    def __call__(self) -> str:
        first = not self.notes.exists()
        with self.notes.open("a", encoding="utf-8") as notes:
            notes.write(f"{os.getpid()}\n")
        if first:
            time.sleep(GIVE_UP_S)
        return "done"

    def processes(self) -> list[int]:
        return [int(line) for line in self.notes.read_text(encoding="utf-8").split()] if self.notes.exists() else []


def when_begun(unit: Waiting, act: Callable[[int], None]) -> threading.Thread:
    """Do something to the process that has begun a unit."""

    def watch() -> None:
        deadline = time.monotonic() + GIVE_UP_S
        while not unit.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        act(unit.processes()[0])

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@contextmanager
def usual_signals() -> Iterator[None]:
    """Let signals end this process for the block, as they do usually; a cluster of Ray in it takes them otherwise."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
