"""SIGKILL in every stage, and the same scores in the end."""

import multiprocessing
import os
import platform
import shutil
import signal
import time

import pytest

# What the run folder holds once a stage is at work: a scan prepared, a fold fitted, another model begun, and so on.
STAGES = {
    "cohort": "study.lock.json",
    "prepare": "volumes/*.json",
    "fit": "models/weak-1-cmp/fold-0",
    "fit, later": "models/strong-*/fold-0",
    "evaluate": "scores/scores.csv",
    "report": "report/report.html",
}
COMMAND = """
import os, sys
os.dup2(os.open({errors!r}, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
sys.argv = ["nephrograde", "run", {study!r}, "--out", {run!r}]
from nephrograde.cli import main
main()
"""
IMPORTED = [
    "nephrograde.cli",
    "nephrograde.pipeline",
    "nephrograde.sample.prepare",
    "nephrograde.fit.folds",
    "nephrograde.fit.loop",
    "lightning_fabric",
    "nephrograde.evaluation.evaluation",
    "nephrograde.report.pages.study_page",
]
GIVE_UP_S = 600


@pytest.fixture
def start(tiny_study_path, tmp_path):
    """Start the command in a process of its own, forked from one that has imported torch once for all of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    errors_path = tmp_path / "errors.txt"

    def begin(run_dir):
        command = COMMAND.format(errors=str(errors_path), study=str(tiny_study_path), run=str(run_dir))
        process = context.Process(target=exec, args=(command,))
        process.start()
        return process

    return begin


def kill_when(process, run_dir, pattern):
    """Kill a process as soon as a file is there; its exit code."""
    deadline = time.monotonic() + GIVE_UP_S
    while process.is_alive() and not any(run_dir.glob(pattern)):
        if time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"{pattern} did not appear in time")
        time.sleep(0.002)
    process.kill()
    process.join()
    return process.exitcode


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no SIGKILL on this system")
def test_a_run_killed_in_every_stage_ends_with_the_same_scores(start, tiny_run_dir, tmp_path):
    run_dir = tmp_path / "run"
    killed = [
        stage for stage, pattern in STAGES.items() if kill_when(start(run_dir), run_dir, pattern) == -signal.SIGKILL
    ]
    # The last stages take milliseconds, and may come to their end before the signal.
    assert set(killed) >= {"cohort", "prepare", "fit", "fit, later"}
    process = start(run_dir)
    process.join()
    assert process.exitcode == 0, (tmp_path / "errors.txt").read_text(encoding="utf-8")
    for name in ("scores/scores.csv", "statistics/estimates.csv", "statistics/comparisons.csv", "cohort/split.csv"):
        assert (run_dir / name).read_bytes() == (tiny_run_dir / name).read_bytes(), name
    left = [path.name for path in run_dir.rglob("*") if path.name.startswith(".nephrograde-")]
    assert left == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_of_two_runs_at_once_the_second_is_refused(start, tiny_run_dir, tmp_path):
    run_dir = tmp_path / "run"
    first = start(run_dir)
    deadline = time.monotonic() + GIVE_UP_S
    while not (run_dir / "study.lock.json").exists():  # the first is at work
        assert first.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    second = start(run_dir)
    second.join()
    refusal = (tmp_path / "errors.txt").read_text(encoding="utf-8")
    assert (first.is_alive(), second.exitcode) == (True, 2)
    assert f"process {first.pid} on {platform.node()}" in refusal
    first.join()
    assert first.exitcode == 0
    for name in ("scores/scores.csv", "statistics/estimates.csv"):
        assert (run_dir / name).read_bytes() == (tiny_run_dir / name).read_bytes(), name


def test_a_half_written_file_is_never_read(tiny_study_path, tiny_run_dir, tiny_run_copy):
    """What a kill can leave: temporary names, a fold without its card, a region without its record."""
    from nephrograde.pipeline import load_inputs, run_study

    run_dir = tiny_run_copy
    (run_dir / "models" / "weak-1-cmp" / "fold-1" / "card.json").unlink()
    (run_dir / "models" / "weak-1-cmp" / ".nephrograde-123-fold-0").mkdir()
    (run_dir / "scores" / ".nephrograde-123-scores.csv").write_text("half", encoding="utf-8")
    (run_dir / "volumes" / ".nephrograde-123-half.npy").write_bytes(b"half")
    next((run_dir / "volumes").glob("*.npy")).unlink()
    shutil.rmtree(run_dir / "stages")
    run_study(load_inputs(tiny_study_path), run_dir)
    assert (run_dir / "scores" / "scores.csv").read_bytes() == (tiny_run_dir / "scores" / "scores.csv").read_bytes()
    assert not list(run_dir.rglob(".nephrograde-*"))
