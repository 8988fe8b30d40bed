"""Many pieces of work side by side: in threads at first, and in a process for each thread where that pays.

Threads suit long steps that leave Python's lock, such as decompression. The steps of a scan that is quickly read are
short, and two threads that take turns are no faster than one. A process runs them by itself, but takes a third of a
second to start; so processes are only started once the first pieces have shown that the rest will take longer.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from nephrograde.processes import Failed, begin_serving, end_serving, failure, hire
from nephrograde.threads import in_order, one_processor_each, usable_processors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection

    from nephrograde.processes import Hired

_Result = TypeVar("_Result")

PAYS_FROM_S = 1.0
"""A process is started for each such share of the work that is left, in seconds of one processor."""
_STARTS_WITHIN_S = 10.0
"""A thread waits so long for its process; then it goes on by itself until the process is there."""
_AHEAD = 256
"""So many pieces are with the threads, or done, before the next result is asked for, as each takes memory."""
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
_ENDED = (EOFError, OSError)
"""What a connection raises if the process at its other end has ended."""


class _Done(NamedTuple):
    """What a piece of work returned in a process."""

    result: Any


class Crew:
    """Does pieces of work side by side, each in a thread, or in the process that a thread has.

    The results do not depend on where a piece is done. A process that is ended from outside costs nothing but time: its
    thread does the piece again itself. On leaving the block, pieces that have not begun are dropped, as after Ctrl-C.

    >>> with Crew() as crew:
    ...     list(crew.each(divmod, [(7, 2), (9, 2)]))
    [(3, 1), (4, 1)]
    """

    def __init__(self, most: int | None = None, *, finished: Callable[[], None] = lambda: None) -> None:
        """Begin without processes.

        Args:
            most: How many pieces are done at once; no more than there are processors, and as many when None.
            finished: Called in a thread after each piece that raised no error.
        """
        self._finished = finished
        processors = usable_processors()
        self._size = min(most or processors, processors)
        self._pool = ThreadPoolExecutor(self._size, thread_name_prefix="nephrograde-crew")
        self._sharing = one_processor_each()
        self._lock = threading.Lock()
        self._own = threading.local()
        self._started: list[_Helper] = []
        self._may_start = self._size > 1 and not multiprocessing.current_process().daemon
        self._left, self._measured, self._spent_s = 0, 0, 0.0

    def __enter__(self) -> Self:
        self._sharing.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:  # a process that is being started is among those that are ended
            self._may_start = False
        try:
            for helper in self._started:
                helper.give_up_starting()
            self._pool.shutdown(cancel_futures=True)
        finally:
            self._sharing.__exit__(None, None, None)  # first, as another Ctrl-C may interrupt what follows
            for helper in self._started:
                helper.dismiss()
            for helper in self._started:
                helper.end()

    def each(self, work: Callable[..., _Result], pieces: Sequence[tuple[Any, ...]]) -> Iterator[_Result]:
        """Have the same work done for each of several arguments.

        Args:
            work: A function of a module, or a method of an object that can be pickled.
            pieces: The arguments of each, which can be pickled, too.

        Returns:
            The results, which can be pickled, in the order of the pieces. The error of one that failed is raised in its
            place.
        """
        with self._lock:
            self._left += len(pieces)
        return in_order(lambda given: self._pool.submit(self._do, work, given), pieces, ahead=_AHEAD)

    def _do(self, work: Callable[..., _Result], given: tuple[Any, ...]) -> _Result:
        try:
            helper: _Helper | None = getattr(self._own, "helper", None)
            done = helper.do(work, given) if helper is not None and helper.is_ready() else None
            result: _Result = self._do_here(work, given) if done is None else done.result
            self._finished()
            return result
        finally:
            with self._lock:
                self._left -= 1

    def _do_here(self, work: Callable[..., _Result], given: tuple[Any, ...]) -> _Result:
        begin_s = time.thread_time()
        result = work(*given)
        self._learn(work, time.thread_time() - begin_s)
        return result

    def _learn(self, work: Callable[..., object], spent_s: float) -> None:
        """Start a process for this thread, if what is left takes so long that it pays. One thread has none."""
        with self._lock:
            self._measured += 1
            self._spent_s += spent_s
            left_s = (self._left - 1) * self._spent_s / self._measured
            pays = left_s > PAYS_FROM_S * (len(self._started) + 1) and len(self._started) < self._size - 1
            if not (pays and self._may_start) or hasattr(self._own, "helper"):
                return
            try:
                self._own.helper = _Helper(hire(_serve, work, name="nephrograde-crew", environment=_ONE_THREAD))
            except OSError:  # there is no room for another process: threads do as well
                self._may_start = False
            else:
                self._started.append(self._own.helper)


class _Helper:
    """A process that does the pieces of one thread, as that thread sees it."""

    def __init__(self, hired: Hired) -> None:
        self._hired = hired
        self._until_s = time.monotonic() + _STARTS_WITHIN_S
        self._is_ready = False
        self._is_lost = False

    def is_ready(self) -> bool:
        """Whether the process waits for work, and is still there.

        This waits while the process starts: meanwhile its thread would only take turns with the others.
        """
        left_s = max(self._until_s - time.monotonic(), 0.0)
        if not (self._is_ready or self._is_lost) and self._hired.connection.poll(left_s):
            self._is_ready = self._hear() is not None
        return self._is_ready and not self._is_lost

    def do(self, work: Callable[..., object], given: tuple[Any, ...]) -> _Done | None:
        """Have a piece done; None if the process has ended instead. Raises the piece's own error."""
        try:
            self._hired.connection.send((work, given))
        except OSError:
            self._is_lost = True
            return None
        told = self._hear()
        if isinstance(told, Failed):
            told.raise_here()
        return told

    def give_up_starting(self) -> None:
        """End a process that is still starting, and with it the waiting for it."""
        if not (self._is_ready or self._is_lost):
            self._hired.process.terminate()

    def dismiss(self) -> None:
        """Let the process end; one that is still starting has nothing to finish."""
        self._hired.dismiss(at_once=not self._is_ready)

    def end(self) -> None:
        """Wait for its end."""
        self._hired.end()

    def _hear(self) -> _Done | Failed | None:
        try:
            told: _Done | Failed = self._hired.connection.recv()
        except _ENDED:
            self._is_lost = True
            return None
        return told


def _serve(connection: Connection, _work: Callable[..., object]) -> None:
    """Do one piece after another, as they come through the connection, in a process of its own.

    By taking the first kind of work, the process has imported what the pieces need.
    """
    begin_serving()
    try:
        with one_processor_each():
            connection.send(_Done(None))
            while (piece := connection.recv()) is not None:
                work, given = piece
                try:
                    done: _Done | Failed = _Done(work(*given))
                except Exception as error:  # noqa: BLE001 (raised again in the process that asked)
                    done = failure(error)
                connection.send(done)
    except _ENDED:  # the other process has ended, or waits no longer
        pass
    end_serving()
