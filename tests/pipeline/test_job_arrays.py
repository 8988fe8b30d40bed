"""Units as job arrays: what is preempted, cancelled or larger than the cluster allows, and a folder that goes away."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.slurm_commands import write_commands
from tests.waiting_units import GIVE_UP_S, Waiting, usual_signals, when_begun

from nephrograde.errors import FitError, InputError
from nephrograde.placing.engine import parse_engine
from nephrograde.placing.place import place_units
from nephrograde.placing.slurm import largest_array
from nephrograde.placing.unit import Done, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.needs("submitit")]


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Signals as in a process of its own."""
    with usual_signals():
        yield


def test_a_preempted_job_is_begun_again(tmp_path: Path) -> None:
    unit, found = Waiting(tmp_path / "notes"), []
    when_begun(unit, lambda process: os.kill(process, signal.SIGUSR2))
    place_units(
        [Unit("one", unit)],
        parse_engine("slurm", ["cluster=local"]),
        cpus=1,
        logs_dir=tmp_path / "logs",
        finished=lambda _, done: found.append(done.value),
    )
    assert found == ["done"]
    assert len(unit.processes()) == 2


def test_where_the_logs_go_away_units_fail_without_a_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The process that watches a unit finds no folder of logs; submitit lets it print to the terminal."""
    logs_dir = tmp_path / "there" / "logs"
    import submitit

    submit = submitit.LocalExecutor._internal_process_submissions
    with pytest.MonkeyPatch.context() as patch:

        def removed(self: Any, given: Any) -> Any:
            jobs = submit(self, given)
            shutil.rmtree(logs_dir.parent)
            return jobs

        patch.setattr(submitit.LocalExecutor, "_internal_process_submissions", removed)
        with pytest.raises(FitError, match=r"1 of 1 units failed:\n +one: "):
            place_units(
                [Unit("one", partial(pow, 2, 2))],
                parse_engine("slurm", ["cluster=local"]),
                cpus=1,
                logs_dir=logs_dir,
                finished=lambda *_: None,
            )
    assert "Traceback" not in capfd.readouterr().err


def _is_gone(process: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return "State:\tZ" in Path(f"/proc/{process}/status").read_text("ascii")
    return True


@pytest.mark.parametrize("is_ignored", [False, True])
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="units are named in /proc")
def test_units_end_with_a_command_that_is_told_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_ignored: bool
) -> None:
    """By SIGTERM; also where SIGINT, which submitit sends, is ignored, as in the background of a script."""
    monkeypatch.setattr("nephrograde.placing.slurm._END_S", 1.5)
    unit = Waiting(tmp_path / "notes")
    handler = signal.SIG_IGN if is_ignored else signal.default_int_handler
    before = signal.signal(signal.SIGINT, handler)
    when_begun(unit, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    try:
        with pytest.raises(KeyboardInterrupt):
            place_units(
                [Unit("one", unit)],
                parse_engine("slurm", ["cluster=local"]),
                cpus=1,
                logs_dir=tmp_path / "logs",
                finished=lambda *_: pytest.fail("it is done"),
            )
    finally:
        signal.signal(signal.SIGINT, before)
    (process,) = unit.processes()
    give_up = time.monotonic() + GIVE_UP_S
    while not _is_gone(process):  # the system takes a moment to end what was killed
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert not list((tmp_path / "logs").glob("*.pkl"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # scancel is not waited for
def test_jobs_of_slurm_are_cancelled_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on if the command is interrupted again while it runs."""
    cancelled = tmp_path / "cancelled.txt"
    write_commands(tmp_path / "bin", tmp_path / "submitted.txt", largest_array=5, most_jobs=5, cancelled_path=cancelled)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    unit = Waiting(tmp_path / "notes")

    def end(process: int) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)
        while not cancelled.exists():
            time.sleep(0.05)
        os.kill(process, signal.SIGKILL)

    thread = when_begun(unit, end)
    with pytest.raises(KeyboardInterrupt):
        place_units(
            [Unit("one", unit), Unit("two", partial(pow, 2, 2))],
            parse_engine("slurm"),
            cpus=1,
            logs_dir=tmp_path / "logs",
            finished=lambda *_: None,
        )
    thread.join(GIVE_UP_S)
    assert len(cancelled.read_text(encoding="utf-8").splitlines()) == 1
    assert len(cancelled.read_text(encoding="utf-8").split()) == 2


def test_arrays_are_no_larger_than_the_cluster_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for the commands of SLURM: arrays of at most two jobs, and at most two jobs at once."""
    write_commands(tmp_path / "bin", tmp_path / "submitted.txt", largest_array=3, most_jobs=2)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert largest_array() == 3
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "notes.pkl").touch()  # of somebody else
    found: dict[int, object] = {}
    place_units(
        [Unit(str(number), partial(pow, number, 2)) for number in range(4)],
        parse_engine("slurm", ["partition=long", "minutes=7", "array=2"]),
        cpus=3,
        logs_dir=tmp_path / "logs",
        finished=lambda number, done: found.update({number: done.value}),
    )
    assert found == {0: 0, 1: 1, 2: 4, 3: 9}
    submitted = (tmp_path / "submitted.txt").read_text(encoding="utf-8").splitlines()
    accepted = [line for line in submitted if line.startswith("accepted")]
    assert sum(int(line.split()[1]) for line in accepted) == 4
    assert all(int(line.split()[1]) <= 2 for line in accepted)
    assert any(line.startswith("refused") for line in submitted)
    assert "--partition=long" in accepted[0]
    assert "--cpus-per-task=3" in accepted[0]
    assert "--time=7" in accepted[0]
    assert [path.name for path in (tmp_path / "logs").glob("*.pkl")] == ["notes.pkl"]
    with pytest.raises(InputError, match="takes % in the path of a log for a placeholder"):
        place_units(
            [],
            parse_engine("slurm"),
            cpus=1,
            logs_dir=tmp_path / "50%A" / "logs",
            finished=lambda *_: None,
        )


@pytest.mark.parametrize(
    ("options", "arrays"),
    [
        (["cluster=local"], [2, 2, 1]),  # as within a job of SLURM that has two processors of a large machine
        (["cluster=local", "at_once=3"], [3, 2]),
        (["array=4", "at_once=2"], [2, 2, 1]),
        (["array=4"], [4, 1]),
        (["array=5", "at_once=2"], [5]),  # SLURM itself lets two of them run
    ],
)
def test_no_more_units_at_once_than_asked_for_or_than_there_are_processors_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], arrays: list[int]
) -> None:
    submitted: list[int] = []

    def submit(units: list[object]) -> list[object]:
        submitted.append(len(units))
        done = SimpleNamespace(done=lambda **_: True, exception=lambda: None, result=Done)
        return [done] * len(units)

    executor = SimpleNamespace(submit_array=submit)
    monkeypatch.setattr("nephrograde.placing.slurm._executor", lambda *_, **__: executor)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr("nephrograde.placing.slurm.shutil.which", lambda name: name)
    place_units(
        [Unit(str(number), partial(pow, number, 2)) for number in range(5)],
        parse_engine("slurm", options),
        cpus=1,
        logs_dir=tmp_path / "logs",
        finished=lambda *_: None,
    )
    assert submitted == arrays
