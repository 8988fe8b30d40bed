"""One writer for each file, and what it says to the second."""

import ctypes
import errno
import os
import platform
import signal
import subprocess
import sys
import types

import pytest

from nephrograde.errors import RunError
from nephrograde.lock import lock_handle, only_writer_of, share_handle

HOLD = """
import pathlib, sys
from nephrograde.lock import only_writer_of
with only_writer_of(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the key until its standard input is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "key.csv")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_is_told_of_the_first(holder, tmp_path):
    with pytest.raises(RunError) as refused, only_writer_of(tmp_path / "key.csv"):
        pass
    for part in (f"process {holder.pid}", f" {platform.node()}", str(tmp_path / "key.csv")):
        assert part in str(refused.value)
    holder.stdin.close()
    holder.wait()
    with only_writer_of(tmp_path / "key.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_killed_writer_holds_nothing_and_leaves_nothing_in_the_end(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert [path.name for path in tmp_path.iterdir()] == [".key.csv.lock"]
    with only_writer_of(tmp_path / "key.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_one_process_is_one_writer(tmp_path):
    path = tmp_path / "key.csv"
    with only_writer_of(path), pytest.raises(RunError, match=f"process {os.getpid()} "), only_writer_of(path):
        pass
    with only_writer_of(path), only_writer_of(tmp_path / "other.csv"):
        pass


@pytest.fixture
def windows(monkeypatch):
    """A double of LockFileEx, as documented: locks of ranges of bytes, shared or not, between handles."""
    held: dict[object, bool] = {}
    failed = [0]

    class LockFileEx:
        argtypes, restype = (), None

        def __call__(self, file, flags, _reserved, low, high, where):
            assert len(self.argtypes) == 6
            place = (where._obj.offset, where._obj.offset_high, low, high)
            others = [is_shared for (other, at), is_shared in held.items() if other != file and at == place]
            is_shared = not flags & 2
            if flags & 1 and (others if not is_shared else not all(others)):
                failed[0] = 33  # ERROR_LOCK_VIOLATION
                return 0
            held[file, place] = is_shared
            return 1

    def error_of(number):
        return OSError({33: errno.EACCES, 50: errno.EINVAL}[number], "as Python translates it")

    kernel = types.SimpleNamespace(LockFileEx=LockFileEx())
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "WinDLL", lambda *_, **__: kernel, raising=False)
    monkeypatch.setattr(ctypes, "WinError", error_of, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: failed[0], raising=False)
    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(get_osfhandle=lambda handle: 1000 + handle))
    return held


@pytest.mark.parametrize("first", ["alone", "together"])
@pytest.mark.parametrize("second", ["alone", "together"])
def test_on_windows_a_lock_is_shared_with_those_that_share_it(windows, tmp_path, first, second):
    """Beside a double of LockFileEx; nothing is run on Windows."""
    lock = {"alone": lock_handle, "together": share_handle}
    handles = [os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2)]
    try:
        assert lock[first](handles[0]) is True
        assert lock[second](handles[1]) is (first == second == "together")
    finally:
        for handle in handles:
            os.close(handle)
    assert {place for _, place in windows} == {(1 << 30, 0, 1, 0)}


def test_on_windows_a_file_system_without_locks_is_told(windows, tmp_path, monkeypatch):
    monkeypatch.setattr(ctypes, "get_last_error", lambda: 50)  # ERROR_NOT_SUPPORTED
    handle = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    windows[0, (1 << 30, 0, 1, 0)] = False
    assert lock_handle(handle) is None
    os.close(handle)
