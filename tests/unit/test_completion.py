"""Completion of commands, options and models in a shell: the scripts that are printed, and what they offer."""

import os
import shutil
import subprocess
import sys

import pytest

START = "from nephrograde.__main__ import start; start()"
ASK_BASH = """
source script
COMP_WORDS=(nephrograde do)
COMP_CWORD=1
_nephrograde_completion nephrograde
echo "${COMPREPLY[@]}"
"""


@pytest.fixture
def asked(nephrograde, monkeypatch):
    """What the program answers to a shell."""

    def ask(instruction, **environ):
        for name, value in {"_NEPHROGRADE_COMPLETE": instruction, **environ}.items():
            monkeypatch.setenv(name, value)
        code, out, err = nephrograde()
        assert (code, err) == (0, "")
        return out

    return ask


@pytest.fixture
def offered(asked):
    """What bash is offered after some words, the last of which may be unfinished."""

    def ask(*words):
        line = " ".join(["nephrograde", *map(str, words)])
        return asked("complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words))).split()

    return ask


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell_asks_this_program(asked, shell, tmp_path):
    script = asked(f"source_{shell}")
    assert "_NEPHROGRADE_COMPLETE" in script
    assert f"complete_{shell}" in script
    if program := shutil.which(shell):
        (tmp_path / "script").write_text(script, encoding="utf-8")
        subprocess.run([program, "-n", tmp_path / "script"], check=True)


def test_commands_and_options_are_offered(offered):
    assert offered("do") == ["doctor"]
    assert "--model" in offered("pack", "run", "--m")
    assert offered("doctor", "--lang", "z") == ["zh"]


def test_the_models_of_the_run_are_offered_to_each_command_that_takes_one(offered, tmp_path):
    for name in ("weak-1-cmp", "weak-1-np", "strong-cmp"):
        (tmp_path / "models" / name).mkdir(parents=True)
    (tmp_path / "models" / "note.txt").touch()
    assert offered("pack", tmp_path, "--model", "w") == ["weak-1-cmp", "weak-1-np"]
    assert offered("export", tmp_path, "--model", "s") == ["strong-cmp"]
    assert offered("predict", tmp_path, "scan.nii.gz", "--model", "weak-1-n") == ["weak-1-np"]
    assert offered("pack", tmp_path / "none", "--model", "w") == []


def test_an_empty_word_before_the_one_that_is_completed_is_not_refused(offered):
    assert "--lang" in offered("pack", "''", "--out", "''", "--l")


@pytest.mark.slow
@pytest.mark.needs(programs=["bash"])
def test_bash_itself_completes_with_the_script(asked, monkeypatch, tmp_path):
    (tmp_path / "script").write_text(asked("source_bash"), encoding="utf-8")
    monkeypatch.delenv("_NEPHROGRADE_COMPLETE")
    (tmp_path / "nephrograde").write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{START}" "$@"\n', encoding="utf-8")
    (tmp_path / "nephrograde").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(["bash", "-c", ASK_BASH], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["doctor"]
