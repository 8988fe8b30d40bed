"""Python's search for reference cycles, paused while a page or a PDF is made."""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Pause:
    """Who has paused the search, and whether it was on before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_on = False

    def begin(self) -> None:
        """Pause the search, unless another thread has."""
        with self._lock:
            if self._inside == 0:
                self._was_on = gc.isenabled()
                gc.disable()
            self._inside += 1

    def end(self) -> None:
        """Resume it after the last thread."""
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._was_on:
                gc.enable()


_PAUSE = _Pause()


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the search for reference cycles inside the block; objects that nothing refers to are freed as always.

    The layout of a page makes millions of small objects that live until it is done, and the search goes through them
    repeatedly: a quarter of the time of a PDF. Several threads may be inside at the same time; the last one resumes
    the search, unless it was off before the first.

    >>> import gc
    >>> with uncollected():
    ...     gc.isenabled()
    False
    """
    _PAUSE.begin()
    try:
        yield
    finally:
        _PAUSE.end()
