"""Threads that work side by side."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Given = ParamSpec("_Given")
_Piece = TypeVar("_Piece")
_Result = TypeVar("_Result")
_SHARING: set[object] = set()
"""One entry for each block of :func:`one_processor_each` that is under way."""
_LIMITS = ExitStack()
"""Gives OpenBLAS its threads back after the last of these blocks, as they need not end in the order they began."""
_CHANGING = threading.Lock()


def usable_processors() -> int:
    """How many processors this process may use.

    >>> usable_processors() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_all_processors() -> bool:
    """Whether a step may use all processors: in the main thread, unless other work goes on beside it.

    >>> with one_processor_each():
    ...     has_all_processors()
    False
    """
    return threading.current_thread() is threading.main_thread() and not _SHARING


def begin_beside(work: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs) -> Future[_Result]:
    """Begin a piece of work in a thread of its own, which ends with it.

    Args:
        work: A function.
        given: Its arguments.
        named: Those by name.

    >>> begin_beside(max, 2, 3).result()
    3
    """
    executor = ThreadPoolExecutor(1)
    begun = executor.submit(work, *given, **named)
    executor.shutdown(wait=False)
    return begun


def in_order(begin: Callable[[_Piece], Future[_Result]], pieces: Iterable[_Piece], *, ahead: int) -> Iterator[_Result]:
    """Begin one piece of work after the other, so far ahead of the results that memory does not depend on their number.

    Args:
        begin: Begins a piece in another thread, or has it wait for one.
        pieces: As many as there may be.
        ahead: How many have begun, wait, or are done before the first result is taken, and then with each result.

    Yields:
        The results, in the order of the pieces. The error of one that failed is raised in its place.

    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(in_order(lambda number: pool.submit(pow, number, 2), range(4), ahead=2))
    [0, 1, 4, 9]
    """
    rest = iter(pieces)
    begun = deque(map(begin, islice(rest, ahead)))
    while begun:
        result = begun.popleft().result()
        begun.extend(map(begin, islice(rest, 1)))
        yield result


@contextmanager
def one_processor_each() -> Iterator[None]:
    """Keep work in the thread that does it, while several threads or processes work side by side.

    OpenBLAS would wake a thread of its own per processor for each of many small matrix products, which then waits for
    more of them and keeps a processor from the others. The products are the same to the last bit. Steps that could use
    all processors do not do so either (:func:`has_all_processors`).

    >>> with one_processor_each():
    ...     pass
    """
    from threadpoolctl import threadpool_limits

    block = object()
    with _CHANGING:
        if not _SHARING:
            _LIMITS.enter_context(threadpool_limits(1, user_api="blas"))
        _SHARING.add(block)
    try:
        yield
    finally:
        with _CHANGING:
            _SHARING.discard(block)
            if not _SHARING:
                _LIMITS.close()


class Workers:
    """Do pieces of work that do not depend on each other, in threads or, without a pool, one after the other.

    >>> Workers(None).begin(max, 2, 3).result()
    3
    """

    def __init__(self, pool: ThreadPoolExecutor | None) -> None:
        self._pool = pool

    def begin(self, work: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs) -> Future[_Result]:
        """Begin a piece of work; an error that it raises is raised by ``result()``, or here without a pool.

        Args:
            work: A function.
            given: Its arguments.
            named: Those by name.
        """
        if self._pool is not None:
            return self._pool.submit(work, *given, **named)
        done: Future[_Result] = Future()
        done.set_result(work(*given, **named))
        return done


@contextmanager
def side_by_side(threads: int | None = None) -> Iterator[Workers]:
    """Work in several threads; after an error, what has not begun is not begun.

    Args:
        threads: Number of threads; as many as there are processors when None. With one, all is done in this thread.

    >>> with side_by_side(2) as workers:
    ...     squares = [workers.begin(pow, k, 2) for k in range(4)]
    >>> [one.result() for one in squares]
    [0, 1, 4, 9]
    """
    count = threads or usable_processors()
    if count == 1:
        yield Workers(None)
        return
    with one_processor_each(), ThreadPoolExecutor(count) as pool:
        try:
            yield Workers(pool)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
