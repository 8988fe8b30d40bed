"""Several fits at once: processes that each fit one network after another.

The process of the run holds the lock of the run folder, hands out the fits and shows the progress. The others never
outlive it: they end with their last fit, on its order, or when it ends, however that happens.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.pool import RemoteTraceback  # type: ignore[attr-defined]
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from nephrograde.errors import FitError
from nephrograde.run.progress import Part, Watched, Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from nephrograde.fit.planned import Fit
    from nephrograde.fit.team import Team

_KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 32), "MALLOC_MMAP_THRESHOLD_": str(1 << 25)}
"""Lets glibc keep freed memory for the next step. A step in 3D takes 13 % less time than with pages that are new."""
_SHOW_EVERY_S = 1.0
_END_WITHIN_S = 5.0


class _Finished(NamedTuple):
    """A fit is done, and its folder is written."""


class _Failed(NamedTuple):
    """A fit ended with an error; ``told`` is the traceback in the process of the fit."""

    error: Exception
    told: str


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
        FitError: If a network cannot be learnt, or a process was ended from outside.
        NephrogradeError: As of ``fit``. The first error ends the other fits.
    """
    waiting = deque(zip(planned, work.parts, strict=True))
    with _workers(min(team.workers, len(waiting)), (fit, team)) as workers:
        for worker in workers:
            worker.begin(*waiting.popleft(), work=work, show=show)
        while busy := {worker.connection: worker for worker in workers if worker.task is not None}:
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
    process: SpawnProcess
    connection: Connection
    task: _Task | None = None

    def begin(self, planned: Fit, part: Part, *, work: Workload, show: Callable[[], None]) -> None:
        """Hand out a fit."""
        self.task = _Task(planned, Watched(work, part, show, worker=self.number))
        try:
            self.connection.send(planned)
        except OSError:  # it has ended
            raise self._lost(planned) from None

    def hear(self) -> bool:
        """Read what the process tells; whether its fit goes on."""
        if self.task is None:
            return False
        try:
            told = self.connection.recv()
        except (EOFError, OSError):
            raise self._lost(self.task.planned) from None
        if isinstance(told, _Failed):
            raise told.error from RemoteTraceback(told.told)
        if isinstance(told, Part):
            self.task.watched.follow(told)
            return True
        self.task = None
        return False

    def dismiss(self) -> None:
        """Let the process end."""
        with suppress(OSError):  # it has ended
            self.connection.send(None)

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.connection.close()
        if self.task is not None:
            self.process.terminate()
        self.process.join(_END_WITHIN_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()

    def _lost(self, planned: Fit) -> FitError:
        self.process.join(_END_WITHIN_S)
        code = self.process.exitcode
        how = f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name
        repeat = f" of {planned.repeat.name}" if planned.repeat.name else ""
        return FitError(
            f"Model {planned.model}, fold {planned.fold}{repeat}: the process of this fit was ended from outside "
            f"({how}), perhaps because memory ran out. Set fit.workers to a smaller number, and run the same command "
            "again: finished fits are kept."
        )


@contextmanager
def _workers(count: int, given: tuple[FitOne, Team]) -> Iterator[list[_Worker]]:
    """Start processes for the duration of the block."""
    context = multiprocessing.get_context("spawn")  # forked processes would inherit the locks of torch's threads
    workers: list[_Worker] = []
    try:
        with _unreached_by_interrupts(), _without_script(), _environment(_KEEP_MEMORY):
            for number in range(count):
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=_serve, args=(theirs, *given), daemon=True, name=f"nephrograde-fit-{number}"
                )
                process.start()
                theirs.close()
                workers.append(_Worker(number, process, ours))
        yield workers
    finally:
        for worker in workers:
            if worker.task is not None:  # all at once, before any of them is waited for
                worker.process.terminate()
        for worker in workers:
            worker.end()


@contextmanager
def _unreached_by_interrupts() -> Iterator[None]:
    """Leave Ctrl-C to this process: those started in the block do not receive it, however early it comes."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # started with the first process, it would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(added: Mapping[str, str]) -> Iterator[None]:
    """Add variables to the environment of processes started in the block; those that are set keep their value."""
    missing = {name: value for name, value in added.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]


@contextmanager
def _without_script() -> Iterator[None]:
    """Keep processes started in the block from running the user's script again.

    ``multiprocessing`` runs it in each of them, to find there what was defined in it. Nothing is needed from it here,
    and it may do anything, such as begin the same run.
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _serve(connection: Connection, fit: FitOne, team: Team) -> None:
    """Fit one network after another, as they come through the connection, in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
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
            connection.send(_failure(error))
        else:
            connection.send(_Finished())


def _failure(error: Exception) -> _Failed:
    """What can be sent of an error; one that cannot be pickled is told in words."""
    told = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (written on the same line)
    except Exception:  # noqa: BLE001 (an error of another library may raise anything)
        return _Failed(RuntimeError(f"{type(error).__name__}: {error}"), told)
    return _Failed(error, told)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
