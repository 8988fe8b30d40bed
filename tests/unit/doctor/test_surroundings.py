"""Hardware, folders, language and browser of a machine that lacks them."""

import math
import tempfile
import webbrowser
from pathlib import Path

import pytest

from nephrograde.doctor import surroundings
from nephrograde.doctor.check import State
from nephrograde.doctor.surroundings import look_around


def state_of(name):
    return next(check for check in look_around() if check.name == name).state


def refuse(*_given, **_named):
    raise OSError(30, "Read-only file system")


@pytest.mark.parametrize(("free", "state"), [(1e9, State.WARNING), (3e9, State.OK), (math.inf, State.NOTE)])
def test_little_memory_is_a_warning(monkeypatch, free, state):
    monkeypatch.setattr(surroundings, "free_bytes", lambda: free)
    assert state_of("memory") is state


def test_folders_that_cannot_be_written_to(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert state_of("temporary folder") is State.OK
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert state_of("working folder") is State.WARNING
    assert state_of("temporary folder") is State.FAILED
    assert list(tmp_path.iterdir()) == []


def test_a_home_folder_that_is_unknown_or_cannot_be_written_to(monkeypatch, tmp_path):
    def unknown():
        raise RuntimeError

    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert state_of("home folder") is State.OK
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "gone")
    assert state_of("home folder") is State.NOTE
    monkeypatch.setattr(Path, "home", unknown)
    assert state_of("home folder") is State.NOTE


def test_a_working_folder_that_was_removed(monkeypatch, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert state_of("working folder") is State.WARNING
    monkeypatch.chdir(tmp_path)


def test_an_encoding_without_chinese_letters(monkeypatch):
    class Ascii:
        encoding = "ascii"

    assert state_of("output") is State.OK
    monkeypatch.setattr("sys.stdout", Ascii())
    assert state_of("output") is State.WARNING


def test_a_machine_without_a_browser(monkeypatch):
    monkeypatch.setattr(webbrowser, "get", lambda: (_ for _ in ()).throw(webbrowser.Error()))
    assert state_of("browser") is State.NOTE
    monkeypatch.setattr(webbrowser, "get", object)
    assert state_of("browser") is State.OK
