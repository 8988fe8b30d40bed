"""Units as job arrays of a SLURM cluster, by submitit."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nephrograde.errors import InputError, Problem, require_package
from nephrograde.placing.engine import asks_too_much
from nephrograde.placing.unit import Done, attempt
from nephrograde.replacement import make_folder, remove_ours
from nephrograde.threads import usable_processors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nephrograde.placing.engine import Engine
    from nephrograde.placing.unit import Unit

_MINUTES = 240
_REQUEUES = 3
"""How often a unit that ran into its time limit is begun again; one that is preempted is requeued without a limit."""
_LOOK_EVERY_S = 1.0
_ASK_SLURM_EVERY_S = 30.0
_CANCEL_S = 30.0
_END_S = 5.0
"""Of a process on this machine that has been told to end; submitit kills its units after a second."""
_USUAL_ARRAY = 1000
"""SLURM allows arrays of 1,001 jobs unless it is configured otherwise."""
_OF_SUBMITIT = re.compile(r"(?:\d+(?:_\d+)*_(?:submitted|result)|[0-9a-f]{32})\.pkl")
"""Files through which submitit passes units and what came of them."""
_NAMED = ("partition", "account", "qos", "constraint", "gres", "exclude")


class _Requeued:
    """A unit as submitit calls it: requeued when it is preempted, as doing it again costs nothing but time."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call

    def __call__(self) -> Done:
        return attempt(self.call)

    def checkpoint(self) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def place_on_slurm(
    units: Sequence[Unit], engine: Engine, *, cpus: int, logs_dir: Path, collect: Callable[[int, Done], None]
) -> None:
    """Submit units as job arrays no larger than the cluster allows, and wait for all of them.

    Logs and the files through which submitit passes units are in the folder of logs, which all machines see. Jobs that
    are not done are cancelled when this process is interrupted.

    Args:
        units: The units.
        engine: SLURM with its options.
        cpus: Processors for each unit, unless an option says otherwise.
        logs_dir: The folder of logs; created if it is missing.
        collect: Called with the number of each unit that is done, and what came of it.

    Raises:
        InputError: submitit is not installed, there is no SLURM, it refuses the jobs, or the path has a %.
    """
    require_package("--on slurm", "submitit", "slurm")
    cluster = engine.text("cluster") or "slurm"
    if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        remedy = "Run the command on a machine that can submit jobs, or try the same here with `--with cluster=local`."
        raise InputError([Problem("--on slurm", "sbatch and srun are not on this machine", remedy)])
    each, there = engine.number("cpus") or 1, usable_processors()
    if cluster != "slurm" and each > there:
        raise InputError([asks_too_much("--on slurm", "cpus", asked=each, there=there)])
    if cluster == "slurm" and "%" in str(logs_dir):
        remedy = "Choose a folder whose path has no % with --out."
        raise InputError([Problem(str(logs_dir), "SLURM takes % in the path of a log for a placeholder", remedy)])
    make_folder(logs_dir)
    executor = _executor(engine, cluster, cpus=cpus, logs_dir=logs_dir)
    limit = engine.number("array") or (largest_array() if cluster == "slurm" else len(units))
    at_once = engine.number("at_once")
    if cluster == "slurm":  # it holds the jobs of one array back by itself, not those of several
        room = at_once if at_once and len(units) > limit else len(units)
    else:  # here, each job of an array would be a process that begins at once
        room = at_once or usable_processors()
    jobs = _Jobs(executor, deque(enumerate(units)), limit, room)
    asked = time.monotonic()
    try:
        while jobs.waiting or jobs.running:
            jobs.submit()
            force = time.monotonic() - asked > _ASK_SLURM_EVERY_S
            asked = time.monotonic() if force else asked
            ended = [number for number, job in jobs.running.items() if job.done(force_check=force)]
            for number in ended:
                collect(number, _came_of(jobs.running.pop(number)))
            if not ended:
                time.sleep(_LOOK_EVERY_S if cluster == "slurm" else _LOOK_EVERY_S / 10)
    finally:
        jobs.cancel(cluster)
        remove_ours(logs_dir, _OF_SUBMITIT.fullmatch)


@dataclass(slots=True)
class _Jobs:
    """The jobs of units: those that wait to be submitted, and those that were.

    ``limit`` is the largest array, and ``room`` how many jobs there may be at once.
    """

    executor: Any
    waiting: deque[tuple[int, Unit]]
    limit: int
    room: int
    running: dict[int, Any] = field(default_factory=dict)

    def submit(self) -> None:
        """Submit as many of those that wait as there is room for."""
        while self.waiting and len(self.running) < self.room:
            chunk = list(islice(self.waiting, min(self.limit, self.room - len(self.running))))
            try:
                jobs = _submit(self.executor, [unit for _, unit in chunk])
            except InputError:
                if not self.running:
                    raise
                self.room = len(self.running)  # the cluster takes no more from one user at once
                return
            for number, job in zip([number for number, _ in chunk], jobs, strict=True):
                self.running[number] = job
                self.waiting.popleft()

    def cancel(self, cluster: str) -> None:
        """Cancel those that are not done: on SLURM by one command, which goes on if this process is interrupted again.

        On this machine, the processes are waited for, so that none of them writes to the folder any more. Those that
        ignore the signal, as what a script has started in the background does, are killed.
        """
        jobs = list(self.running.values())
        if cluster == "slurm" and jobs:
            words = ["scancel", *(str(job.job_id) for job in jobs)]
            nowhere = subprocess.DEVNULL
            with suppress(OSError, subprocess.SubprocessError):
                subprocess.Popen(  # noqa: S603 (numbers of jobs)
                    words, stdout=nowhere, stderr=nowhere, start_new_session=True
                ).wait(_CANCEL_S)
            return
        for job in jobs:
            with suppress(OSError):
                job.cancel(check=False)
        _await_end(jobs, _END_S)
        for job in jobs:
            if not job.done():
                _kill(int(job.job_id))
        _await_end(jobs, _END_S)


def _await_end(jobs: Sequence[Any], wait_s: float) -> None:
    give_up = time.monotonic() + wait_s
    while time.monotonic() < give_up and not all(job.done() for job in jobs):
        time.sleep(_LOOK_EVERY_S / 10)


def _kill(watcher: int) -> None:
    """Kill the process of submitit that watches a unit on this machine, and the unit, where ``/proc`` names it."""
    units = []
    with suppress(OSError):
        units = Path(f"/proc/{watcher}/task/{watcher}/children").read_text(encoding="ascii").split()
    for process in (watcher, *map(int, units)):  # the watcher first, which would begin the unit again
        with suppress(OSError):
            os.kill(process, signal.SIGKILL)


def largest_array() -> int:
    """Return how many jobs SLURM takes as one array.

    >>> largest_array() > 0
    True
    """
    with suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(
            ["scontrol", "show", "config"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", told, re.MULTILINE)
        if found is not None and int(found[1]) > 1:
            return int(found[1])
    return _USUAL_ARRAY


def _executor(engine: Engine, cluster: str, *, cpus: int, logs_dir: Path) -> Any:
    import submitit

    executor = submitit.AutoExecutor(folder=logs_dir, cluster=cluster, slurm_max_num_timeout=_REQUEUES)
    given: dict[str, Any] = {
        "name": "nephrograde",
        "timeout_min": engine.number("minutes") or _MINUTES,
        "cpus_per_task": engine.number("cpus") or cpus,
        "gpus_per_node": engine.number("gpus"),
        "mem_gb": engine.amount("memory_gb"),
        "slurm_array_parallelism": engine.number("at_once"),
        **{f"slurm_{name}": engine.text(name) or None for name in _NAMED},
    }
    executor.update_parameters(**{name: value for name, value in given.items() if value is not None})
    return executor


def _submit(executor: Any, units: Sequence[Unit]) -> list[Any]:
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        with _unheard():
            jobs = executor.submit_array([_Requeued(unit.call) for unit in units])
    except (FailedJobError, FailedSubmissionError, subprocess.CalledProcessError) as error:
        told = str(error).strip().splitlines()[-1]
        remedy = "Correct --with, or submit fewer at once with `--with array=N`."
        raise InputError([Problem("--on slurm", f"the jobs are refused ({told})", remedy)]) from None
    return list(jobs)


@contextmanager
def _unheard() -> Iterator[None]:
    """Let processes that are started in the block write errors nowhere.

    On this machine, submitit starts one that watches each unit, and would print a traceback here if the folder of logs
    goes away; what a unit prints is in its log.
    """
    try:
        kept = os.dup(2)
    except OSError:  # this process has no such output
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _came_of(job: Any) -> Done:
    """What came of a job that has ended, also of one that was ended from outside, or whose files are gone."""
    try:
        error = job.exception()
        done = job.result() if error is None else None
    except Exception as caught:  # noqa: BLE001 (reading what a job has left may fail in many ways)
        error, done = caught, None
    if isinstance(done, Done):
        return done
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -")]
    ends = [number for number, line in enumerate(lines) if line.startswith("You can check full logs")]
    if any(line.startswith("Traceback") for line in lines):  # its last line says what happened; the log has the others
        lines = lines[: ends[0]][-1:] if ends else lines[-1:]
    return Done(problem=f"{' '.join(lines[:3])} Its log is {job.paths.stderr}.")
