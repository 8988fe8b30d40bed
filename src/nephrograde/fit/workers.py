"""Several fits at once: processes that each fit one network after another.

The process of the run holds the lock of the run folder, hands out the fits and shows the progress. The others never
outlive it: they end with their last fit, on its order, or when it ends, however that happens.
"""

from __future__ import annotations

import signal
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, NamedTuple, Protocol

from nephrograde.errors import FitError
from nephrograde.processes import Failed, begin_serving, failure, hire
from nephrograde.run.progress import Part, Watched, Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection

    from nephrograde.fit.planned import Fit
    from nephrograde.fit.team import Team
    from nephrograde.processes import Hired

_KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 32), "MALLOC_MMAP_THRESHOLD_": str(1 << 25)}
"""Lets glibc keep freed memory for the next step. A step in 3D takes 13 % less time than with pages that are new."""
_SHOW_EVERY_S = 1.0
_END_WITHIN_S = 5.0


class _Finished(NamedTuple):
    """A fit is done, and its folder is written."""


class FitOne(Protocol):
    """Fits one network; it is sent to the processes."""

    def __call__(self, planned: Fit, /, *, watched: Watched) -> None:
        """Fit a planned network."""


def fit_at_once(
    fit: FitOne,
    planned: Sequence[Fit],
    *,
    team: Team,
    work: Workload,
    show: Callable[[], None],
) -> None:
    """Fit several networks at once. Each fit writes its own folder as a whole, so finished ones are kept.

    Args:
        fit: Fits one of them, such as :func:`nephrograde.fit.folds.fit_planned` on a study.
        planned: The fits, in the order in which they are begun.
        team: How many processes, and the threads of each.
        work: Has a part for each of the fits, in their order.
        show: Called when the workload has changed.

    Raises:
        FitError: If a network cannot be learnt, no process can be started, or one was ended from outside.
        NephrogradeError: As of ``fit``. The first error ends the other fits.
    """
    waiting = deque(zip(planned, work.parts, strict=True))
    with _workers(min(team.workers, len(waiting)), (fit, team)) as workers:
        for worker in workers:
            worker.begin(*waiting.popleft(), work=work, show=show)
        while busy := {worker.hired.connection: worker for worker in workers if worker.task is not None}:
            for connection in wait(list(busy), timeout=_SHOW_EVERY_S):
                worker = busy[connection]  # type: ignore[index]
                if worker.hear():
                    continue
                if waiting:
                    worker.begin(*waiting.popleft(), work=work, show=show)
                else:
                    worker.dismiss()
            show()


class _Task(NamedTuple):
    """A fit that a process is working on, and its progress."""

    planned: Fit
    watched: Watched


@dataclass(slots=True)
class _Worker:
    """A process that fits networks, as the process of the run sees it."""

    number: int
    hired: Hired
    task: _Task | None = None

    def begin(self, planned: Fit, part: Part, *, work: Workload, show: Callable[[], None]) -> None:
        """Hand out a fit."""
        self.task = _Task(planned, Watched(work, part, show, worker=self.number))
        try:
            self.hired.connection.send(planned)
        except OSError:  # it has ended
            raise self._lost(planned) from None

    def hear(self) -> bool:
        """Read what the process tells; whether its fit goes on."""
        if self.task is None:
            return False
        try:
            told = self.hired.connection.recv()
        except (EOFError, OSError):
            raise self._lost(self.task.planned) from None
        if isinstance(told, Failed):
            told.raise_here()
        if isinstance(told, Part):
            self.task.watched.follow(told)
            return True
        self.task = None
        return False

    def dismiss(self) -> None:
        """Let the process end."""
        with suppress(OSError):  # it has ended
            self.hired.connection.send(None)

    def _lost(self, planned: Fit) -> FitError:
        process = self.hired.process
        process.join(_END_WITHIN_S)
        code = process.exitcode
        how = f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name
        repeat = f" of {planned.repeat.name}" if planned.repeat.name else ""
        return FitError(
            f"Model {planned.model}, fold {planned.fold}{repeat}: the process of this fit was ended from outside "
            f"({how}), perhaps because memory ran out. Set fit.workers to a smaller number, and run the same command "
            "again: finished fits are kept."
        )


@contextmanager
def _workers(count: int, given: tuple[FitOne, Team]) -> Iterator[list[_Worker]]:
    """Start processes for the duration of the block: at least one, and no more than the system has room for."""
    workers: list[_Worker] = []
    try:
        for number in range(count):
            try:
                hired = hire(_serve, *given, name=f"nephrograde-fit-{number}", environment=_KEEP_MEMORY)
            except OSError as error:
                if not workers:
                    raise FitError(
                        f"The system has no room for a process that fits networks ({error.strerror or error}). Set "
                        "fit.workers to 1, or end other programs, and run the same command again."
                    ) from None
                break
            workers.append(_Worker(number, hired))
        yield workers
    finally:
        for worker in workers:  # all at once, before any of them is waited for
            worker.hired.dismiss(at_once=True)
        for worker in workers:
            worker.hired.end()


def _serve(connection: Connection, fit: FitOne, team: Team) -> None:
    """Fit one network after another, as they come through the connection, in a process of its own."""
    begin_serving()
    import torch

    torch.set_num_threads(team.threads)
    if team.on_gpu:
        # One that needs more fails by itself, with a message, instead of whichever asks next.
        torch.cuda.set_per_process_memory_fraction(1 / team.workers)
    while (planned := connection.recv()) is not None:
        part = Part("fit", 1.0)
        watched = Watched(Workload([part]), part, show=lambda part=part: connection.send(part))  # type: ignore[misc]
        try:
            fit(planned, watched=watched)
        except Exception as error:  # noqa: BLE001 (raised again in the process of the run)
            connection.send(failure(error))
        else:
            connection.send(_Finished())
