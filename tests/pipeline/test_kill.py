"""SIGKILL in every stage, and the same scores in the end."""

import os
import platform
import shutil
import signal
import subprocess
import sys
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


def start(study_path, run_dir):
    command = [sys.executable, "-m", "nephrograde", "run", str(study_path)]
    return subprocess.Popen(
        [*command, "--out", str(run_dir)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ
    )


def kill_when(process, run_dir, pattern):
    deadline = time.monotonic() + 180
    while not any(run_dir.glob(pattern)):
        if process.poll() is not None:
            return process.returncode
        if time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"{pattern} did not appear in time")
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    return process.wait()


def test_a_run_killed_in_every_stage_ends_with_the_same_scores(tiny_study_path, tiny_run_dir, tmp_path):
    run_dir = tmp_path / "run"
    killed = []
    for stage, pattern in STAGES.items():
        process = start(tiny_study_path, run_dir)
        if kill_when(process, run_dir, pattern) == -signal.SIGKILL:
            killed.append(stage)
        process.stderr.close()
    # The last stages take milliseconds, and may come to their end before the signal.
    assert set(killed) >= {"cohort", "prepare", "fit", "fit, later"}
    process = start(tiny_study_path, run_dir)
    errors = process.communicate(timeout=180)[1]
    assert process.returncode == 0, errors.decode()
    for name in ("scores/scores.csv", "statistics/estimates.csv", "statistics/comparisons.csv", "cohort/split.csv"):
        assert (run_dir / name).read_bytes() == (tiny_run_dir / name).read_bytes(), name
    left = [path.name for path in run_dir.rglob("*") if path.name.startswith(".nephrograde-")]
    assert left == []


def test_of_two_runs_at_once_the_second_is_refused(tiny_study_path, tiny_run_dir, tmp_path):
    run_dir = tmp_path / "run"
    first = start(tiny_study_path, run_dir)
    deadline = time.monotonic() + 60
    while not (run_dir / "study.lock.json").exists():  # the first is at work
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    second = start(tiny_study_path, run_dir)
    refusal = second.communicate(timeout=60)[1].decode()
    assert (first.poll(), second.returncode) == (None, 2)
    assert f"process {first.pid} on {platform.node()}" in refusal
    errors = first.communicate(timeout=180)[1]
    assert first.returncode == 0, errors.decode()
    for name in ("scores/scores.csv", "statistics/estimates.csv"):
        assert (run_dir / name).read_bytes() == (tiny_run_dir / name).read_bytes(), name


def test_a_half_written_file_is_never_read(tiny_study_path, tiny_run_dir, tmp_path):
    """What a kill can leave: temporary names, a fold without its card, a region without its record."""
    from nephrograde.pipeline import load_inputs, run_study

    run_dir = tmp_path / "run"
    shutil.copytree(tiny_run_dir, run_dir)
    (run_dir / "models" / "weak-1-cmp" / "fold-1" / "card.json").unlink()
    (run_dir / "models" / "weak-1-cmp" / ".nephrograde-123-fold-0").mkdir()
    (run_dir / "scores" / ".nephrograde-123-scores.csv").write_text("half", encoding="utf-8")
    (run_dir / "volumes" / ".nephrograde-123-half.npy").write_bytes(b"half")
    next((run_dir / "volumes").glob("*.npy")).unlink()
    shutil.rmtree(run_dir / "stages")
    run_study(load_inputs(tiny_study_path), run_dir)
    assert (run_dir / "scores" / "scores.csv").read_bytes() == (tiny_run_dir / "scores" / "scores.csv").read_bytes()
    assert not list(run_dir.rglob(".nephrograde-*"))
