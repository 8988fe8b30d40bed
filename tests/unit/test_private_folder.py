"""What killed processes have left in temporary folders of their own is removed, and nothing else."""

import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from nephrograde.lock import lock_handle
from nephrograde.private_folder import PrivateFolder, remove_abandoned

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders have no owners on this system")


def leave(above, name="mine-abcd_123"):
    """A folder as a killed process leaves it."""
    left = above / name
    (left / "scans").mkdir(parents=True)
    (left / "scans" / "scan.nii").touch()
    (left / "lock").touch()
    return left


def test_a_folder_of_a_killed_process_is_removed_at_once_and_that_of_a_running_one_kept(tmp_path):
    running = PrivateFolder("mine-", tmp_path)
    left = leave(tmp_path)
    told: list[Path] = []
    remove_abandoned("mine-", tmp_path, before=told.append)
    assert told == [left]
    assert list(tmp_path.iterdir()) == [running.path]
    assert stat.S_IMODE(running.path.stat().st_mode) == 0o700
    running.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_locked_yet_may_be_removed_and_is_made_again(tmp_path, monkeypatch):
    made = []

    def removed_once(handle):
        made.append(handle)
        if len(made) == 1:
            for one in tmp_path.iterdir():
                shutil.rmtree(one)
        return lock_handle(handle)

    monkeypatch.setattr("nephrograde.private_folder.lock_handle", removed_once)
    folder = PrivateFolder("mine-", tmp_path)
    assert (folder.path / "lock").exists()
    assert len(made) == 2
    folder.close()


def test_only_folders_of_this_name_and_user_are_removed_and_no_link_is_followed(tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (tmp_path / "mine-abcd_lnk").symlink_to(kept)
    left = leave(tmp_path)
    (left / "link").symlink_to(kept)
    others = [leave(tmp_path, name) for name in ("mine-", "mine-abc", "xmine-abcd_123", "mine-abcd_1234")]
    (tmp_path / "mine-abcd_fil").touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: os.geteuid() + 1)
        remove_abandoned("mine-", tmp_path)
    assert left.is_dir()
    remove_abandoned("mine-", tmp_path)
    assert not left.exists()
    assert [path.name for path in kept.iterdir()] == ["file"]
    assert (tmp_path / "mine-abcd_lnk").is_symlink()
    assert (tmp_path / "mine-abcd_fil").is_file()
    assert all(one.is_dir() for one in others)


def test_without_locks_nothing_is_removed(tmp_path, monkeypatch):
    left = leave(tmp_path)
    monkeypatch.setattr("nephrograde.private_folder.lock_handle", lambda _: None)
    remove_abandoned("mine-", tmp_path)
    folder = PrivateFolder("mine-", tmp_path)
    assert left.is_dir()
    folder.close()
    assert list(tmp_path.iterdir()) == [left]
