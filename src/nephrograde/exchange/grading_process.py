"""The worker as the listener sees it: a process that is given series, answers, and may end at any time."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class GradingProcess:
    """One worker, started when it is needed and again when it has ended.

    Args:
        grader_path: The grader file.
        spool_dir: The spool.
        unchecked_phase: Whether a series is graded whose phase cannot be seen.
        limit_s: How long a series may take before the process is killed.
    """

    def __init__(self, grader_path: Path, spool_dir: Path, *, unchecked_phase: bool, limit_s: float) -> None:
        self._words = [sys.executable, "-m", "nephrograde.exchange.worker", str(grader_path), str(spool_dir)]
        self._unchecked_phase, self._limit_s = unchecked_phase, limit_s
        self._process: subprocess.Popen[str] | None = None
        self._answers: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._since = 0.0
        self.key = ""
        self.is_ready = False

    @property
    def pid(self) -> int | None:
        """The process, if it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process, unless it runs."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            self._words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
        )
        self.is_ready, self._answers, self._since = False, SimpleQueue(), time.monotonic()
        threading.Thread(target=self._listen, args=(self._process, self._answers), daemon=True).start()

    def give(self, key: str) -> None:
        """Let it grade a series.

        Args:
            key: Of the series, which is in the state grading.
        """
        if self._process is None or self._process.stdin is None:
            return
        self.key, self._since = key, time.monotonic()
        with suppress(OSError):  # it has ended, which its output says
            self._process.stdin.write(json.dumps({"key": key, "unchecked_phase": self._unchecked_phase}) + "\n")
            self._process.stdin.flush()

    def take(self) -> dict[str, Any] | None:
        """Take what it says; ``ended`` when it has ended, ``timeout`` when it took too long and was killed.

        Returns:
            The next answer; None if there is none yet.
        """
        try:
            answer = self._answers.get_nowait()
        except Empty:
            if self.key and self._process is not None and time.monotonic() - self._since > self._limit_s:
                self._process.kill()
                self._since = float("inf")
                self._answers.put({"state": "timeout", "key": self.key})
            return None
        if answer["state"] == "ready":
            self.is_ready = True
        elif answer["state"] == "ended":
            self._reap()
        elif "key" in answer:
            if answer["key"] != self.key:  # it came when the time was up, and that has been told
                return self.take()
            self.key = ""
        return answer

    def stop(self) -> None:
        """Let it finish nothing: what it grades is graded after the next start."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def _reap(self) -> None:
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    with suppress(OSError):  # what was not read by a process that has ended
                        stream.close()
            self._process.wait()
        self._process, self.is_ready = None, False

    @staticmethod
    def _listen(process: subprocess.Popen[str], answers: SimpleQueue[dict[str, Any]]) -> None:
        if process.stdout is None:
            return
        with suppress(OSError, ValueError):  # closed at the stop
            for line in process.stdout:
                with suppress(ValueError):  # what a library prints
                    answers.put(json.loads(line))
        answers.put({"state": "ended"})
