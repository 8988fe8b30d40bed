"""One writer for each run folder, and what it says to the second."""

import json
import os
import platform
import signal
import subprocess
import sys

import pytest

from nephrograde.errors import RunError
from nephrograde.run.folder import RunFolder
from nephrograde.run.writer import only_writer

HOLD = """
import sys, time
from nephrograde.run.writer import only_writer
with only_writer(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the run folder until its standard input is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def can_write(run_dir):
    with only_writer(run_dir):
        return True


def test_a_second_writer_is_told_of_the_first(holder, tmp_path):
    with pytest.raises(RunError) as refused, only_writer(tmp_path):
        pass
    for part in (f"process {holder.pid}", f" {platform.node()}", str(tmp_path), "--out"):
        assert part in str(refused.value)
    holder.stdin.close()
    holder.wait()
    assert can_write(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_killed_writer_holds_nothing(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert json.loads(RunFolder(tmp_path).writer_path.read_text())["pid"] == holder.pid
    assert can_write(tmp_path)


def test_one_process_is_one_writer(tmp_path):
    with only_writer(tmp_path), pytest.raises(RunError, match=f"process {os.getpid()} "), only_writer(tmp_path):
        pass
    assert can_write(tmp_path)


def test_an_error_lets_go(tmp_path):
    with pytest.raises(KeyboardInterrupt), only_writer(tmp_path):
        raise KeyboardInterrupt
    assert can_write(tmp_path)
    assert RunFolder(tmp_path).writer_path.read_bytes() == b""


@pytest.mark.parametrize(
    "launch",
    [
        {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "RANK": "1"},
        {"SLURM_NTASKS": "2", "SLURM_PROCID": "1"},
    ],
)
def test_further_processes_of_a_launch_are_not_refused(holder, tmp_path, monkeypatch, launch):
    for name, value in launch.items():
        monkeypatch.setenv(name, value)
    assert can_write(tmp_path)
    monkeypatch.setenv("RANK" if "RANK" in launch else "SLURM_PROCID", "0")
    with pytest.raises(RunError, match=f"process {holder.pid}"), only_writer(tmp_path):
        pass


def test_what_other_processes_of_a_launch_write_is_left_alone(tmp_path, monkeypatch):
    run = RunFolder(tmp_path)
    run.volumes_dir.mkdir()
    run.study_lock_path.write_text("{}")
    temporary_path = run.volumes_dir / ".nephrograde-1-a.npy"
    temporary_path.touch()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert can_write(run)
    assert temporary_path.exists()
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    assert can_write(run)
    assert not temporary_path.exists()


def test_a_folder_that_is_no_run_yet_is_not_cleared(tmp_path):
    run = RunFolder(tmp_path)
    run.volumes_dir.mkdir()
    (run.volumes_dir / ".nephrograde-1-a.npy").touch()
    assert can_write(run)
    assert (run.volumes_dir / ".nephrograde-1-a.npy").exists()


def test_a_link_in_place_of_the_lock_is_not_written_through(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    (tmp_path / "run").mkdir()
    RunFolder(tmp_path / "run").writer_path.symlink_to(tmp_path / "letter.txt")
    with pytest.raises(RunError, match="symbolic link"), only_writer(tmp_path / "run"):
        pass
    assert (tmp_path / "letter.txt").read_text() == "mine"
