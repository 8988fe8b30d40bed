"""What killed commands have left of their Ray is removed, and nothing else."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nephrograde.lock import lock_handle
from nephrograde.placing.ray_folder import folder_of_ray, remove_abandoned

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


def test_only_folders_of_this_kind_and_user_are_removed_and_no_link_is_followed(temporary_dir, monkeypatch):
    kept = temporary_dir / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (temporary_dir / "ngray-abcd_lnk").symlink_to(kept)
    within = temporary_dir / "ngray-abcd_123"
    within.mkdir()
    (within / "link").symlink_to(kept)
    others = [temporary_dir / name for name in ("ngray-", "ngray-abc", "xngray-abcd_123", "ngray-abcd_1234")]
    for one in others:
        one.mkdir()
    (temporary_dir / "ngray-abcd_fil").touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: os.geteuid() + 1)
        remove_abandoned(temporary_dir)
    assert within.is_dir()
    remove_abandoned(temporary_dir)
    assert not within.exists()
    assert (kept / "file").exists()
    assert (temporary_dir / "ngray-abcd_lnk").is_symlink()
    assert (temporary_dir / "ngray-abcd_fil").is_file()
    assert all(one.is_dir() for one in others)


def test_without_locks_nothing_is_removed(temporary_dir, monkeypatch):
    left = temporary_dir / "ngray-abcd_123"
    left.mkdir()
    monkeypatch.setattr("nephrograde.placing.ray_folder.lock_handle", lambda _: None)
    with folder_of_ray() as folder:
        assert folder.is_dir()
    assert list(temporary_dir.iterdir()) == [left]


def test_a_folder_that_another_command_removes_before_it_is_locked_is_made_again(temporary_dir, monkeypatch):
    made = []

    def removed_once(handle):
        made.append(handle)
        if len(made) == 1:
            for one in temporary_dir.iterdir():
                one.rmdir()
        return lock_handle(handle)

    monkeypatch.setattr("nephrograde.placing.ray_folder.lock_handle", removed_once)
    with folder_of_ray() as folder:
        assert folder.is_dir()
    assert len(made) == 2


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
        remove_abandoned(temporary_dir)
        assert processes[0].wait(10) == -9
        assert [process.poll() for process in processes[1:]] == [None, None]
        assert not left.exists()
    finally:
        for process in processes:
            process.kill()
            process.communicate()
