"""The queue of jobs, and the processes that do them: one for each slot, and a new one where one has ended."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from nephrograde.processes import hire
from nephrograde.web.grading.refusal import Refusal, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nephrograde.processes import Hired
    from nephrograde.web.grading.limits import Limits

_RETRY_S = 10
_MOST_REPLY_BYTES = 16 * 2**20
_LOST = "The process that worked on the scan has ended. Send the request again."
_LATE = "The work on the scan took longer than this server allows."
_ENDED = {"worker-lost", "time-out", "cancelled"}
"""After these, the process is gone, or is to go."""
_CANCELLED = "The work on the scan was cancelled."


@dataclass(slots=True, eq=False)
class Job:
    """Something for a process to do.

    Attributes:
        owner: The user.
        what: "open", "grade" or "print".
        order: Returns what the process is told, when its turn has come.
        ended: Called with the answer, or with why there is none.
        step: What the process is doing, as it says.
    """

    owner: str
    what: str
    order: Callable[[], dict[str, Any]]
    ended: Callable[[dict[str, Any] | Refusal], None]
    step: str = ""
    is_working: bool = False
    is_cancelled: bool = False


@dataclass(slots=True, eq=False)
class JobQueue:
    """Some processes, and the jobs that wait for them.

    Attributes:
        work: What a process runs: it is given its end of the line and ``arguments``.
        arguments: For ``work``.
        limits: How many processes there are, how many jobs may wait, and how long one may take.
    """

    work: Callable[..., None]
    arguments: Sequence[Any]
    limits: Limits
    _waiting: deque[Job] = field(default_factory=deque)
    _places: Counter[str] = field(default_factory=Counter)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _running: dict[int, tuple[Job, Hired]] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _is_closing: bool = False

    def start(self) -> None:
        """Start the processes; the first job need not wait for what they import."""
        self._threads += [
            threading.Thread(target=self._serve, args=(n,), daemon=True) for n in range(self.limits.slots)
        ]
        for thread in self._threads:
            thread.start()

    def take_place(self, owner: str) -> None:
        """Take one of the places of the queue, for a job that is to come.

        Args:
            owner: The user.

        Raises:
            Refusal: With code "user-busy" (429) or "busy" (503) if there is none.
        """
        with self._changed:
            if self._places[owner] >= self.limits.user_jobs:
                what = "You have as many requests under way as one user may have. Wait until one of them is done."
                raise Refusal("user-busy", what, 429, retry_s=_RETRY_S)
            if self._places.total() >= self.limits.jobs:
                raise Refusal("busy", "The server is busy now. Try later.", 503, retry_s=_RETRY_S)
            self._places[owner] += 1

    def give_place(self, owner: str) -> None:
        """Give back a place for which there was no job.

        Args:
            owner: The user.
        """
        with self._changed:
            self._places[owner] -= 1
            if not self._places[owner]:
                del self._places[owner]

    def submit(self, job: Job) -> None:
        """Let a job wait for a process; its place was taken before, and is given back when it has ended.

        Args:
            job: The job.
        """
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()

    def ahead(self, job: Job) -> int:
        """Return how many jobs are done before one that waits.

        Args:
            job: The job.
        """
        with self._changed:
            return self._waiting.index(job) if job in self._waiting else 0

    def cancel(self, job: Job) -> None:
        """End a job, whether it waits or is being done.

        Args:
            job: The job; nothing happens if it has ended.
        """
        with self._changed:
            job.is_cancelled = True
            was_waiting = job in self._waiting
            if was_waiting:
                self._waiting.remove(job)
            for running, worker in self._running.values():
                if running is job:
                    worker.process.kill()
        if was_waiting:
            self._end(job, Refusal("cancelled", _CANCELLED, 410))

    def close(self) -> None:
        """End all processes."""
        with self._changed:
            self._is_closing = True
            for job, worker in self._running.values():
                job.is_cancelled = True
                worker.process.kill()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(10)

    # ---- one slot

    def _serve(self, number: int) -> None:
        worker: Hired | None = None
        try:
            while True:
                if worker is not None and not worker.process.is_alive():
                    _remove(worker)
                    worker = None
                with suppress(OSError):  # the job will say that there is no process
                    worker = worker or hire(self.work, *self.arguments, name="nephrograde-grading")
                job = self._next()
                if job is None:
                    return
                answer = self._do(number, job, worker)
                if isinstance(answer, Refusal) and answer.code in _ENDED and worker is not None:
                    _remove(worker)
                    worker = None
                with suppress(Exception):  # whatever a listener raises: the next job needs this thread
                    self._end(job, answer)
        finally:
            if worker is not None:
                _remove(worker)

    def _next(self) -> Job | None:
        """The next job; those of a user wait for nobody who has more of them under way."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing)
            if self._is_closing:
                return None
            busy = Counter(job.owner for job, _ in self._running.values())
            job = min(self._waiting, key=lambda one: busy[one.owner])
            self._waiting.remove(job)
            job.is_working = True
            return job

    def _do(self, number: int, job: Job, worker: Hired | None) -> dict[str, Any] | Refusal:
        if worker is None:
            return Refusal("worker-lost", _LOST, 503, retry_s=_RETRY_S)
        with self._changed:
            if job.is_cancelled or self._is_closing:
                return Refusal("cancelled", _CANCELLED, 410)
            self._running[number] = (job, worker)
        try:
            worker.connection.send_bytes(json.dumps({"what": job.what, **job.order()}).encode())
            return self._listen(job, worker)
        except (EOFError, OSError, ValueError):  # what a killed process leaves behind
            return Refusal("worker-lost", _LOST, 503, retry_s=1)
        except Exception:  # noqa: BLE001 (whatever an order raises: the next job needs this thread)
            return failed()
        finally:
            with self._changed:
                del self._running[number]

    def _listen(self, job: Job, worker: Hired) -> dict[str, Any] | Refusal:
        until = time.monotonic() + self.limits.job_s
        while True:
            ready = wait([worker.connection, worker.process.sentinel], timeout=max(0.0, until - time.monotonic()))
            if job.is_cancelled:
                return Refusal("cancelled", _CANCELLED, 410)
            if not ready:
                return Refusal("time-out", _LATE, 503)
            said = json.loads(worker.connection.recv_bytes(_MOST_REPLY_BYTES))
            if "step" in said:
                job.step = said["step"]
            elif "refused" in said:
                return Refusal(**said["refused"])
            else:
                return dict(said["answer"])

    def _end(self, job: Job, answer: dict[str, Any] | Refusal) -> None:
        self.give_place(job.owner)
        job.ended(answer)


def _remove(worker: Hired) -> None:
    """End a process at once."""
    worker.dismiss(at_once=True)
    worker.end()
