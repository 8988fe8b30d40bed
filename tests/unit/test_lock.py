"""One writer for each file, and what it says to the second."""

import os
import platform
import signal
import subprocess
import sys

import pytest

from nephrograde.errors import RunError
from nephrograde.lock import only_writer_of

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
