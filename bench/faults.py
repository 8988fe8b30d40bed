"""Faults at length: a small study on each engine has the scores of an undisturbed run, whatever happens to it.

- kills: the command is killed (SIGKILL, with the processes that it started) at random moments, and started again;
- clock: the time jumps by years, back and forth, while the study runs, and the files are dated before and after;
- share: the folder that the run is in goes away at random moments, and comes back as it was;
- inodes: a file system has room for ever more files, from none to enough; without the right to mount one, the names of
  new files are refused in its place.

A command that does not end with the scores must end with exit code 2 and without a traceback. The exit code is 1 if
any of this is missed. The seed is fixed.

Run: python -m bench.faults [--kills 30] [--engines local arrays ray] [--only kills clock share inodes]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.tiny_run import STUDY

from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

SEED = 20261128
ENGINES = {
    "local": (),
    "arrays": ("--on", "slurm", "--with", "cluster=local", "--with", "block=8"),
    "ray": ("--on", "ray", "--with", "block=8"),
}
COMPARED = ("scores/scores.csv", "statistics/estimates.csv", "cohort/split.csv")
GIVE_UP_S = 600.0
JUMPING = """
import random, sys, time
true, stream = time.time, random.Random(1)
time.time = lambda: true() + stream.choice((-1, 1)) * stream.uniform(0, 3e8)
time.time_ns = lambda: int(time.time() * 1e9)
from nephrograde.cli import main
main(sys.argv[1:])
"""
NO_INODES = """
import builtins, errno, io, os, sys
left, opened, made = int(sys.argv.pop(1)), io.open, os.mkdir
def count(path):
    global left
    if ".nephrograde-" in str(path):
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
def open_counted(path, mode="r", *args, **kwargs):
    if "r" not in mode and not isinstance(path, int) and not os.path.exists(path):
        count(path)
    return opened(path, mode, *args, **kwargs)
def make_counted(path, *args, **kwargs):
    count(path)
    return made(path, *args, **kwargs)
builtins.open = io.open = open_counted
os.mkdir = make_counted
from nephrograde.cli import main
main(sys.argv[1:])
"""


@dataclass(slots=True)
class Trial:
    """A study, its scores where nothing happened, and what was missed so far."""

    top: Path
    stream: random.Random
    expected: dict[str, bytes] = field(default_factory=dict)
    took_s: float = 0.0
    missed: list[str] = field(default_factory=list)

    @property
    def study_path(self) -> Path:
        """The study file."""
        return self.top / "cohort" / "study.toml"

    def command(self, run_dir: Path, engine: str, program: tuple[str, ...] = ("-m", "nephrograde")) -> list[str]:
        """The words of the command that runs the study."""
        given = ("run", str(self.study_path), "--out", str(run_dir), *ENGINES[engine])
        return [sys.executable, *program, *given]

    def start(self, words: list[str]) -> subprocess.Popen[str]:
        """Start a command in a session of its own."""
        output = (self.top / "output.txt").open("w", encoding="utf-8")
        with output:
            return subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, text=True)

    def end(self, words: list[str], what: str, *, may_refuse: bool = False) -> bool:
        """Run a command to its end; whether it came to its end without a refusal."""
        return self.await_end(self.start(words), what, may_refuse=may_refuse)

    def await_end(self, process: subprocess.Popen[str], what: str, *, may_refuse: bool = False) -> bool:
        """Wait for a command that was started; whether it came to its end without a refusal."""
        code = process.wait(GIVE_UP_S)
        printed = (self.top / "output.txt").read_text(encoding="utf-8")
        if "Traceback" in printed or code not in ({0, 2} if may_refuse else {0}):
            self.missed.append(f"{what}: exit code {code}: {printed[-1500:]}")
        return code == 0

    def finish(self, run_dir: Path, engine: str, what: str) -> None:
        """Run the study until it is done: processes that outlive a kill may keep the folder for a while."""
        deadline = time.monotonic() + GIVE_UP_S
        while not self.end(self.command(run_dir, engine), what, may_refuse=True) and time.monotonic() < deadline:
            time.sleep(1.0)
        self.compare(run_dir, what)

    def compare(self, run_dir: Path, what: str) -> None:
        """Compare scores with those of the run that nothing happened to."""
        for name, expected in self.expected.items():
            path = run_dir / name
            if not path.is_file() or path.read_bytes() != expected:
                self.missed.append(f"{what}: {name} differs")
        if left := [path.name for path in run_dir.rglob(".nephrograde-*") if path.name != ".nephrograde.lock"]:
            self.missed.append(f"{what}: left {', '.join(left)}")


def begin(top: Path) -> Trial:
    """Write a study, and run it without faults."""
    trial = Trial(top, random.Random(SEED))  # noqa: S311 (moments)
    write_cohort(top / "cohort", PhantomSettings(patients=24, phases=("cmp",), matrix_px=96))
    trial.study_path.write_text(STUDY.format(name="faults", folds=2, pixels=32), encoding="utf-8")
    began = time.monotonic()
    trial.end(trial.command(top / "whole", "local"), "without faults")
    trial.took_s = time.monotonic() - began
    trial.expected = {name: (top / "whole" / name).read_bytes() for name in COMPARED}
    return trial


def kills(trial: Trial, engine: str, number: int) -> str:
    """Kill the command at random moments until it has been killed so often."""
    killed, run_dir = 0, trial.top / f"killed-{engine}"
    longest_s = trial.took_s * (1.0 if engine == "local" else 2.5)
    while killed < number:
        process = trial.start(trial.command(run_dir, engine))
        try:
            process.wait(trial.stream.uniform(0.0, longest_s))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
        else:
            if process.returncode == 0:
                trial.compare(run_dir, f"kills, {engine}")
                shutil.rmtree(run_dir)
            else:  # refused while processes of the last one go on
                time.sleep(0.5)
    trial.finish(run_dir, engine, f"kills, {engine}")
    return f"{killed} kills"


def clock(trial: Trial, engine: str, _number: int) -> str:
    """Let the time jump, and date files before and after."""
    run_dir = trial.top / f"clock-{engine}"
    trial.end(trial.command(run_dir, engine, ("-c", JUMPING)), f"clock, {engine}")
    trial.compare(run_dir, f"clock, {engine}")
    fitted = {path: path.stat().st_ino for path in run_dir.rglob("card.json")}
    for path in run_dir.rglob("*"):
        moment = trial.stream.uniform(1e8, 4e9)
        os.utime(path, (moment, moment))
    trial.finish(run_dir, engine, f"clock, {engine}")
    if {path: path.stat().st_ino for path in run_dir.rglob("card.json")} != fitted:
        trial.missed.append(f"clock, {engine}: what was fitted was fitted again")
    return "time jumps by up to 10 years"


def share(trial: Trial, engine: str, number: int) -> str:
    """Rename the folder that the run is in at random moments, and back; what is written meanwhile is gone."""
    times = max(1, number // 5)
    for _ in range(times):
        above = trial.top / f"share-{engine}"
        above.mkdir()
        process = trial.start(trial.command(above / "run", engine))
        time.sleep(trial.stream.uniform(0.0, trial.took_s))
        above.rename(trial.top / "away")
        time.sleep(trial.stream.uniform(0.1, 2.0))
        shutil.rmtree(above, ignore_errors=True)
        for _ in range(100):  # something may be written there at this moment
            try:
                (trial.top / "away").rename(above)
                break
            except OSError:
                shutil.rmtree(above, ignore_errors=True)
        trial.await_end(process, f"share, {engine}", may_refuse=True)
        trial.finish(above / "run", engine, f"share, {engine}")
        shutil.rmtree(above)
    return f"away {times} times"


def inodes(trial: Trial, engine: str, _number: int) -> str:
    """Let the files run out, ever later."""
    run_dir = trial.top / "inodes"
    how = "a double refuses new files"
    steps = (0, 3, 10, 25, 40, 60)
    run_dir.mkdir()
    try:
        for left in steps:
            mounted = _mounted(run_dir, left) if engine == "local" else False
            if mounted:
                how = "a file system without inodes"
                words = trial.command(run_dir, engine)
            else:
                words = trial.command(run_dir, engine, ("-c", NO_INODES, str(left)))
            try:
                is_done = trial.end(words, f"inodes, {engine}, {left}", may_refuse=True)
                printed = (trial.top / "output.txt").read_text(encoding="utf-8")
                if not is_done and "No space left on device" not in printed:
                    trial.missed.append(f"inodes, {engine}, {left}: not told: {printed[-500:]}")
                if mounted and not is_done:
                    subprocess.run(["mount", "-o", "remount,nr_inodes=0", str(run_dir)], check=True)
                    trial.finish(run_dir, engine, f"inodes, {engine}, {left}")
            finally:
                if mounted:
                    subprocess.run(["umount", str(run_dir)], check=True)
        if how.startswith("a double"):
            trial.finish(run_dir, engine, f"inodes, {engine}")
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)
    return how


def _mounted(folder: Path, inodes_left: int) -> bool:
    """Mount a small file system with so many files; false where that is not permitted."""
    options = f"size=600m,nr_inodes={inodes_left + 2}"
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


FAULTS = {"kills": kills, "clock": clock, "share": share, "inodes": inodes}


def main() -> int:
    """Try every fault on every engine."""
    parser = argparse.ArgumentParser(description="faults at length")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--only", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ng", dir="/tmp", ignore_cleanup_errors=True) as folder:
        os.environ["TMPDIR"] = folder
        trial = begin(Path(folder))
        print(f"without faults: {trial.took_s:.0f} s")
        for name in given.only:
            for engine in given.engines:
                before, began = len(trial.missed), time.monotonic()
                how = FAULTS[name](trial, engine, given.kills)
                verdict = "the same scores" if len(trial.missed) == before else "MISSED"
                print(f"{name:8} {engine:8} {how}: {verdict} ({time.monotonic() - began:.0f} s)", flush=True)
    for one in trial.missed:
        print(one)
    return 1 if trial.missed else 0


if __name__ == "__main__":
    sys.exit(main())
