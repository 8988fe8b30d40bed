"""Pieces of work side by side: the same results wherever they are done, and whatever ends the processes meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nephrograde.crew import Crew
from nephrograde.errors import VolumeError
from nephrograde.processes import Hired
from nephrograde.threads import has_all_processors

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

GIVE_UP_S = 60.0
needs_signals = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there are no signals on this system")


UNTIL_ALL_ARE_GIVEN_S = 0.1


def place(number: int) -> tuple[int, int, bool, str]:
    """The number, where the piece is done, and what its process may use."""
    time.sleep(UNTIL_ALL_ARE_GIVEN_S if number < 2 else 0.0)
    return number, os.getpid(), has_all_processors(), os.environ.get("OPENBLAS_NUM_THREADS", "")


def refuse(number: int) -> int:
    """Refuse odd numbers, as a damaged file is refused."""
    time.sleep(UNTIL_ALL_ARE_GIVEN_S if number in {0, 2} else 0.0)
    if number % 2:
        raise VolumeError("file-corrupt", f"number {number} is odd.", "Take another.", path=Path(f"{number}.nii"))
    return number


def die_unless_in(parent: int, number: int) -> int:
    """End the process, unless it is that of the test."""
    time.sleep(UNTIL_ALL_ARE_GIVEN_S if number < 2 else 0.0)
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nephrograde.crew.usable_processors", lambda: 2)


@pytest.mark.slow
def test_pieces_are_done_in_another_process_too(hiring: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nephrograde.processes._END_WITHIN_S", GIVE_UP_S)
    finished: list[int] = []
    with Crew(finished=lambda: finished.append(1)) as crew:
        done = list(crew.each(place, [(number,) for number in range(20)]))
        end_s = time.monotonic()
    assert time.monotonic() - end_s < GIVE_UP_S / 2  # it was told to end
    assert [number for number, *_ in done] == list(range(20))
    assert len({process for _, process, *_ in done}) == 2
    assert not any(is_alone for *_, is_alone, _ in done)  # neither reads a scan on all processors
    assert {threads for _, process, _, threads in done if process != os.getpid()} == {"1"}
    assert len(finished) == 20
    assert hiring() == 1
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_an_error_is_the_same_from_another_process(hiring: Callable[[], int]) -> None:
    numbers = (0, 2, *range(1, 40, 2))
    errors: list[VolumeError | None] = []
    with Crew() as crew:
        while len(errors) < len(numbers):
            results = crew.each(refuse, [(number,) for number in numbers[len(errors) :]])
            try:
                for _ in results:
                    errors.append(None)  # noqa: PERF401 (those before an error stay)
            except VolumeError as error:
                errors.append(error)
    assert [None if error is None else (type(error), str(error)) for error in errors] == [
        None if number % 2 == 0 else (VolumeError, f"{number}.nii: number {number} is odd. Take another.")
        for number in numbers
    ]
    assert any("crew.py" in str(error.__cause__) for error in errors if error is not None and error.__cause__)
    assert hiring() == 1


@pytest.mark.slow
@needs_signals
def test_a_process_that_is_ended_costs_no_piece(hiring: Callable[[], int]) -> None:
    with Crew() as crew:
        done = list(crew.each(die_unless_in, [(os.getpid(), number) for number in range(20)]))
    assert done == list(range(20))
    assert hiring() == 1  # and no other is started in its place


@pytest.mark.usefixtures("two_processors")
def test_short_work_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nephrograde.crew.hire", pytest.fail)
    with Crew() as crew:
        done = list(crew.each(place, [(number,) for number in range(200)]))
    assert {process for _, process, *_ in done} == {os.getpid()}


def test_each_begins_only_so_many_pieces_before_a_result_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nephrograde.crew._AHEAD", 4)
    begun: list[int] = []
    with Crew() as crew:
        results = crew.each(begun.append, [(number,) for number in range(20)])
        next(results)
        list(crew.each(int, [()]))  # whatever was handed to the threads before has begun
        assert set(begun) <= set(range(5))
        assert list(results) == [None] * 19
    assert sorted(begun) == list(range(20))


def test_each_returns_results_in_order_and_raises_an_error_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nephrograde.crew._AHEAD", 3)
    with Crew() as crew:
        assert list(crew.each(divmod, [(number, 3) for number in range(50)])) == [divmod(n, 3) for n in range(50)]
        results = crew.each(divmod, [(7, 2), (7, 0), (9, 2)])
        assert next(results) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            next(results)


@pytest.mark.parametrize("most", [1, None])
def test_one_at_a_time_starts_no_process(monkeypatch: pytest.MonkeyPatch, most: int | None) -> None:
    monkeypatch.setattr("nephrograde.crew.usable_processors", lambda: 1 if most is None else 2)
    monkeypatch.setattr("nephrograde.crew.PAYS_FROM_S", 0.0)
    monkeypatch.setattr("nephrograde.crew.hire", pytest.fail)
    with Crew(most) as crew:
        seen = set(crew.each(threading.get_ident, [()] * 50))
    assert len(seen) == 1


@pytest.mark.usefixtures("two_processors")
def test_where_no_process_can_be_started_threads_do_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def full(*_: object, **__: object) -> None:
        tried.append(1)
        raise BlockingIOError("no more processes")

    monkeypatch.setattr("nephrograde.crew.PAYS_FROM_S", 0.0)
    monkeypatch.setattr("nephrograde.crew.hire", full)
    with Crew() as crew:
        assert list(crew.each(divmod, [(number, 3) for number in range(9)]))[8] == (2, 2)
    assert len(tried) == 1


@pytest.mark.usefixtures("two_processors")
def test_a_process_that_may_have_no_children_starts_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nephrograde.crew.PAYS_FROM_S", 0.0)
    monkeypatch.setattr("nephrograde.crew.hire", pytest.fail)
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    with Crew() as crew:
        assert list(crew.each(divmod, [(number, 3) for number in range(9)]))[8] == (2, 2)


@pytest.mark.slow
def test_an_interrupt_ends_the_processes_and_what_has_not_begun(
    hiring: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nephrograde.crew._AHEAD", 600)
    begin_s = time.monotonic()
    finished: list[int] = []
    with pytest.raises(KeyboardInterrupt), Crew(finished=lambda: finished.append(1)) as crew:
        for number, _ in enumerate(crew.each(time.sleep, [(0.1,)] * 600)):
            if number == 8:
                raise KeyboardInterrupt
    assert time.monotonic() - begin_s < GIVE_UP_S / 2  # 600 of them take 30 s
    assert len(finished) < 300
    assert hiring() == 1
    assert not multiprocessing.active_children()


class SilentProcess:
    """A process that never begins to wait for work."""

    def __init__(self, theirs: Connection) -> None:
        self.theirs = theirs

    def terminate(self) -> None:
        self.theirs.close()

    def join(self, _seconds: float | None = None) -> None:
        """It has ended."""

    def is_alive(self) -> bool:
        return not self.theirs.closed

    def close(self) -> None:
        """Nothing is left of it."""


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, two_processors: None) -> list[SilentProcess]:
    """Processes that a crew starts after its first piece of work, and that never answer."""
    started = []

    def hire_silent(*_: object, **__: object) -> Hired:
        ours, theirs = multiprocessing.Pipe()
        started.append(SilentProcess(theirs))
        return Hired(started[-1], ours)  # type: ignore[arg-type]

    monkeypatch.setattr("nephrograde.crew.PAYS_FROM_S", 0.0)
    monkeypatch.setattr("nephrograde.crew.hire", hire_silent)
    return started


def test_a_process_that_never_starts_costs_its_thread_a_short_wait(
    silent: list[SilentProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nephrograde.crew._STARTS_WITHIN_S", 0.05)
    with Crew() as crew:
        assert list(crew.each(divmod, [(number, 3) for number in range(9)]))[8] == (2, 2)
    assert [one.is_alive() for one in silent] == [False]


def test_an_interrupt_ends_the_wait_for_a_process(silent: list[SilentProcess], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nephrograde.crew._STARTS_WITHIN_S", GIVE_UP_S)
    begin_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Crew() as crew:
        next(crew.each(divmod, [(number, 3) for number in range(9)]))
        while not silent:
            time.sleep(0.001)
        raise KeyboardInterrupt
    assert time.monotonic() - begin_s < GIVE_UP_S / 2
    assert [one.is_alive() for one in silent] == [False]


def test_after_a_second_interrupt_this_process_has_all_processors_again(
    silent: list[SilentProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nephrograde.crew._STARTS_WITHIN_S", 0.05)
    monkeypatch.setattr(SilentProcess, "join", interrupted)
    with pytest.raises(KeyboardInterrupt), Crew() as crew:
        assert list(crew.each(divmod, [(number, 3) for number in range(9)]))[8] == (2, 2)
    assert silent
    assert has_all_processors()


SCRIPT = """
import os, sys, time
import nephrograde.crew as crew
print("begun", flush=True)
crew.PAYS_FROM_S, crew.usable_processors = 0.0, lambda: 2
with crew.Crew() as one:
    pids = set()
    while len(pids) < 2:
        sleeping, asking = one.each(time.sleep, [(0.01,)] * 4), one.each(os.getpid, [()] * 4)
        next(sleeping)
        pids |= set(asking)
    next(one.each(time.sleep, [(0,)] + [({give_up},)] * 2))
    time.sleep(0.2)
    print(*(pids - {{os.getpid()}}), flush=True)
    time.sleep({give_up})
"""


@pytest.mark.slow
@needs_signals
def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    script_path = tmp_path / "script.py"  # which has no guard against being run again in them
    script_path.write_text(SCRIPT.format(give_up=GIVE_UP_S), encoding="utf-8")
    with subprocess.Popen([sys.executable, script_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.kill()
        assert lines[0] == "begun\n"
        other = int(lines[1])
        until_s = time.monotonic() + GIVE_UP_S / 2
        while time.monotonic() < until_s and _is_running(other):
            time.sleep(0.02)
        assert not _is_running(other)
        assert process.stdout.read() == ""  # nobody else has begun


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
