"""What killed commands have left of their Ray is removed, and nothing else."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nephrograde.placing.ray_folder import folder_of_ray

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders have no locks on this system")


@pytest.fixture
def temporary_dir(monkeypatch):
    """The temporary folder of this test, with a name that is short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="ng", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_a_folder_of_a_killed_command_is_removed_and_that_of_a_running_one_kept(temporary_dir):
    killed = temporary_dir / "ngray-abcd_123"
    (killed / "r" / "session").mkdir(parents=True)
    with folder_of_ray() as running:
        assert not killed.exists()
        assert stat.S_IMODE(running.parent.stat().st_mode) == 0o700
        with folder_of_ray() as second:
            assert running.is_dir()
            assert second.parent != running.parent
        assert list(temporary_dir.iterdir()) == [running.parent]
    assert list(temporary_dir.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="processes are not named by handles on this system")
def test_only_processes_of_ray_are_ended(temporary_dir):
    left = temporary_dir / "ngray-abcd_123"
    left.mkdir()
    log = left / "log"
    wait = "import sys, time; handle = open(sys.argv[1], 'a'); print('open', flush=True); time.sleep(100)"
    names = ("/x/site-packages/ray/raylet.py", "/x/site-packages/mine.py")
    processes = [
        subprocess.Popen([sys.executable, "-c", wait, str(path), name], stdout=subprocess.PIPE)
        for path, name in ((log, names[0]), (log, names[1]), (temporary_dir / "log", names[0]))
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        with folder_of_ray():
            assert not left.exists()
        assert processes[0].wait(10) == -9
        assert [process.poll() for process in processes[1:]] == [None, None]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
