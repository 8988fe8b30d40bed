"""Several networks are fitted at once: the same files as one after the other, whatever ends the processes meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.small_study import QUICK_FIT, WEAK_ARM, small_study

from nephrograde.cohort.stage import load_inputs
from nephrograde.errors import FitError
from nephrograde.pipeline import fit_study, prepare_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from nephrograde.run.progress import Workload

pytestmark = pytest.mark.slow
LARGER_ARM = '[[arm]]\nname = "weak-2"\nsupervision = "box"\nslices = 2\n'
GIVE_UP_S = 240.0
needs_signals = pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no signals on this system")


@pytest.fixture
def prepared(tiny_cohort_dir: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The path of a study of two arms and two folds, and of a run folder with its prepared scans."""
    shutil.copytree(tiny_cohort_dir, tmp_path / "cohort")
    study_path = tmp_path / "cohort" / "study.toml"
    text = small_study("at once (synthetic)", arms=LARGER_ARM + WEAK_ARM, fit=QUICK_FIT)
    study_path.write_text(text, encoding="utf-8")
    prepare_study(load_inputs(study_path), tmp_path / "run")
    return study_path, tmp_path / "run"


def fitted(run_dir: Path) -> dict[str, bytes]:
    """What the fits have written, without the time that they took."""
    names = ("weights.safetensors", "predictions.csv", "history.csv")
    return {
        path.relative_to(run_dir).as_posix(): path.read_bytes()
        for name in names
        for path in sorted((run_dir / "models").rglob(name))
    }


def watched(tell: Callable[[Workload], None]) -> Callable[[str, object], AbstractContextManager[Callable[[], None]]]:
    """A display of progress that passes the workload on."""

    def show(_name: str, work: object) -> AbstractContextManager[Callable[[], None]]:
        return nullcontext(lambda: tell(work))  # type: ignore[arg-type]

    return show


def fit(prepared: tuple[Path, Path], *overrides: str, tell: Callable[[Workload], None] = lambda _: None) -> None:
    study_path, run_dir = prepared
    fit_study(load_inputs(study_path, overrides), run_dir, progress=watched(tell))


@needs_signals
def test_fits_at_once_are_those_of_one_after_the_other(prepared: tuple[Path, Path], tmp_path: Path) -> None:
    study_path, run_dir = prepared
    shutil.copytree(run_dir, tmp_path / "alone")
    fit((study_path, tmp_path / "alone"), "fit.workers=1")

    def kill(work: Workload) -> None:
        if sum(part.is_begun for part in work.parts) == 3:
            for child in multiprocessing.active_children():
                os.kill(child.pid or 0, signal.SIGKILL)

    with pytest.raises(
        FitError, match=r"Model weak-\d-cmp, fold \d: the process of this fit was ended .*SIGKILL.*workers"
    ):
        fit(prepared, "fit.workers=2", tell=kill)
    kept = fitted(run_dir)
    assert {Path(name).name for name in kept} == {"weights.safetensors", "predictions.csv", "history.csv"}
    assert multiprocessing.active_children() == []

    def interrupt(work: Workload) -> None:
        if any(part.done for part in work.parts):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(prepared, "fit.workers=2", tell=interrupt)
    assert multiprocessing.active_children() == []
    assert not [path for path in run_dir.rglob(".nephrograde-*") if path.is_dir()]
    assert kept.items() <= fitted(run_dir).items()

    last: list[Workload] = []
    fit(prepared, "fit.workers=2", tell=last.append)
    assert (last[-1].n_finished, last[-1].left_s) == (last[-1].n_parts, 0)
    assert fitted(run_dir) == fitted(tmp_path / "alone")
    assert multiprocessing.active_children() == []


def test_the_first_error_ends_the_other_fits(prepared: tuple[Path, Path]) -> None:
    """The larger arm is fitted first, and what it has finished is kept."""
    with pytest.raises(FitError, match=r"Model weak-1-cmp, fold \d: a loss or weight is not finite") as caught:
        fit(prepared, "fit.workers=2", "arm.weak-1.fit={learning_rate=1e38, precision='fp32'}")
    assert "in fit_planned" in str(caught.value.__cause__)
    assert multiprocessing.active_children() == []
    assert any("weak-2-cmp" in name for name in fitted(prepared[1]))


@contextmanager
def started(prepared: tuple[Path, Path]) -> Iterator[subprocess.Popen[str]]:
    """The command, in a session of its own, at the moment at which a network is learning."""
    study_path, run_dir = prepared
    words = [sys.executable, "-m", "nephrograde", "fit", str(study_path), "--out", str(run_dir)]
    settings = ["--set", "fit.workers=2", "--set", "fit.epochs=100000"]
    # Tests in the background ignore Ctrl-C, and what they start would ignore it, too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen([*words, *settings], start_new_session=True, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            deadline = time.monotonic() + GIVE_UP_S
            while len(children_of(process.pid)) < 2:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def children_of(parent: int) -> set[int]:
    """The processes that fit for a process."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            command = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(words[1]) == parent and b"spawn_main" in command and not is_gone(int(path.parent.name)):
            found.add(int(path.parent.name))
    return found


def is_gone(process_id: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet, a zombie, has ended, too."""
    try:
        state = Path("/proc", str(process_id), "stat").read_text(encoding="utf-8")
    except OSError:
        return True
    return state.rpartition(")")[2].split()[0] in {"Z", "X"}


@needs_signals
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_the_command(prepared: tuple[Path, Path], number: signal.Signals) -> None:
    with started(prepared) as process:
        children = children_of(process.pid)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # what Ctrl-C does
        else:
            process.send_signal(number)
        _, printed = process.communicate(timeout=GIVE_UP_S)
        deadline = time.monotonic() + GIVE_UP_S
        while not all(map(is_gone, children)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert printed.strip().splitlines()[-1] == "Stopped. Run the same command again to resume."
        assert "Traceback" not in printed
