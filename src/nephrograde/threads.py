"""Threads that work side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


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


@contextmanager
def one_processor_each() -> Iterator[None]:
    """Keep matrix products in the thread that asks for them, while several threads work.

    OpenBLAS would wake a thread of its own per processor for each of many small matrix products, which then waits for
    more of them and keeps a processor from the others. The products are the same to the last bit.

    >>> with one_processor_each():
    ...     pass
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
