"""Processes that work for this one: they do not run the user's script, leave Ctrl-C to it, and never outlive it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.pool import RemoteTraceback  # type: ignore[attr-defined]
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

_END_WITHIN_S = 5.0
_STARTING = threading.Lock()


class Failed(NamedTuple):
    """An error in a process, as it is sent; ``told`` is its traceback there."""

    error: Exception
    told: str

    def raise_here(self) -> NoReturn:
        """Raise the error in this process."""
        raise self.error from RemoteTraceback(self.told)


class Hired(NamedTuple):
    """A process, and this end of the connection to it."""

    process: SpawnProcess
    connection: Connection

    def dismiss(self, *, at_once: bool) -> None:
        """Let the process end, without waiting for it.

        Args:
            at_once: Whatever it is doing; otherwise when it finds the connection closed.
        """
        self.connection.close()
        if at_once:
            self.process.terminate()

    def end(self) -> None:
        """Wait until the process has ended; end it if it takes too long."""
        self.process.join(_END_WITHIN_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()


def hire(serve: Callable[..., None], *given: object, name: str, environment: Mapping[str, str] | None = None) -> Hired:
    """Start a process. It is spawned on every system: a forked one would inherit the locks of other threads.

    Args:
        serve: A function of a module, which is called with the process's end of a connection and with ``given``. It
            begins with :func:`begin_serving`.
        given: Anything that can be pickled.
        name: Of the process.
        environment: Variables that it has unless they are set already.

    Raises:
        OSError: The system has no room for another process.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, *given), daemon=True, name=name)
    with starting(environment):
        process.start()
    theirs.close()
    return Hired(process, ours)


@contextmanager
def starting(environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Start processes in the block that do not run the user's script, and leave Ctrl-C to this process.

    Args:
        environment: Variables that they have unless they are set already.
    """
    with _STARTING, _unreached_by_interrupts(), _without_script(), _with_variables(environment or {}):
        yield


def begin_serving() -> None:
    """In a process that was hired: leave Ctrl-C to the process that hired it, and end with that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def end_serving() -> NoReturn:
    """End a process that was hired at once; Python would take a tenth of a second to tear down what it has imported."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def failure(error: Exception) -> Failed:
    """What can be sent of an error; one that cannot be pickled is told in words.

    Args:
        error: Any error.

    >>> failure(KeyError("P017")).error, failure(type("OddError", (Exception,), {})("cannot be sent")).error
    (KeyError('P017'), RuntimeError('OddError: cannot be sent'))
    """
    told = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (written on the same line)
    except Exception:  # noqa: BLE001 (an error of another library may raise anything)
        return Failed(RuntimeError(f"{type(error).__name__}: {error}"), told)
    return Failed(error, told)


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
def _with_variables(added: Mapping[str, str]) -> Iterator[None]:
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


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
