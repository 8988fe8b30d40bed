"""Threads that read scans side by side."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


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
