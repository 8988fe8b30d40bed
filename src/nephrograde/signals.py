"""How a command ends when it is told to: in order, so that nothing of it goes on and nothing private is left."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAMES = ("SIGTERM", "SIGHUP")
"""What batch systems, service managers and terminals that are closed send."""


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let the signals that would end this process interrupt the block as Ctrl-C does.

    A signal that is ignored, as by ``nohup``, or that something else takes, is left as it is, and so are all of them
    outside the main thread.
    """
    taken = [number for number, handler in _handlers().items() if handler is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def keeping_handlers() -> Iterator[None]:
    """Restore after the block what happens at these signals: Ray takes SIGTERM, and prints pages when it comes."""
    before = _handlers()
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # None is one that Python did not set
                signal.signal(number, handler)


@contextmanager
def postponed() -> Iterator[Callable[[], None]]:
    """Let one of these signals, or Ctrl-C, interrupt after the block instead of in it; a second one does at once.

    The block is given a function that sees to this again, for where a library takes the signals in between.
    """
    before = {number: handler for number, handler in _handlers("SIGINT").items() if callable(handler)}
    noted: list[int] = []

    def note(number: int, _frame: object) -> None:
        noted.append(number)
        if len(noted) > 1:
            raise KeyboardInterrupt

    def take() -> None:
        for number in before:
            signal.signal(number, note)

    take()
    try:
        yield take
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if noted:
        raise KeyboardInterrupt


def _handlers(*further: str) -> dict[int, Any]:
    """What happens at the signals, by their numbers; only the main thread may change it."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = [getattr(signal, name) for name in (*_NAMES, *further) if hasattr(signal, name)]
    return {number: signal.getsignal(number) for number in numbers}
