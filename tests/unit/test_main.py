"""How the process of the command ends: with everything written, but without taking its modules apart."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from nephrograde.cli import main
from nephrograde.sources.template import _has_encoder

AROUND = """
import atexit, sys, threading

class Left:
    def __del__(self):
        print("taken apart")

def work():
    threading.main_thread().join()
    print("thread")

left = Left()
atexit.register(print, "exit handler")
threading.Thread(target=work).start()
sys.argv = ["nephrograde", *sys.argv[1:]]
from nephrograde.__main__ import start
start()
"""


def ended(*words: str, code: str = AROUND, **streams: object) -> subprocess.CompletedProcess[str]:
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run([sys.executable, "-c", code, *words], text=True, check=False, **given)  # type: ignore[call-overload, no-any-return]


def test_threads_and_exit_handlers_end_before_the_process_and_modules_are_left():
    process = ended("--version")
    assert process.returncode == 0
    assert process.stdout.splitlines()[1:] == ["thread", "exit handler"]
    assert process.stdout.startswith("nephrograde ")


@pytest.mark.slow
def test_the_exit_code_of_a_refusal_is_kept():
    process = ended("predict", "no-run", "no-image", "--model", "weak-1-cmp")
    assert process.returncode == 2
    assert "no-run" in process.stderr
    assert process.stdout.splitlines() == ["thread", "exit handler"]


def test_garbage_is_first_searched_for_after_the_imports_and_then_more_often():
    code = """
import atexit, gc

def tell():
    print(gc.get_threshold()[0])
    gc.collect()
    print(gc.get_threshold()[0])

atexit.register(tell)
from nephrograde.__main__ import start
start()
"""
    assert ended("--version", code=code).stdout.splitlines()[1:] == ["1000000", "100000"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_an_error():
    left_unwritten = AROUND.replace("start()", "print('buffered'); start()")
    with Path("/dev/full").open("w") as full:
        assert ended("--version", code=left_unwritten, stdout=full).returncode != 0


def test_the_module_is_the_command():
    words = [sys.executable, "-m", "nephrograde", "--version"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.startswith("nephrograde ")


@pytest.mark.parametrize(("words", "code"), [(("predict",), 2), (("doctor",), 1)])
def test_a_package_without_which_no_command_starts_is_named_without_a_traceback(tmp_path, words, code):
    (tmp_path / "typer.py").write_text("raise RuntimeError('built for another Python')", encoding="utf-8")
    start = "import sys; sys.path.insert(0, sys.argv.pop(1)); from nephrograde.__main__ import start; start()"
    process = ended(str(tmp_path), *words, code=start)
    assert process.returncode == code
    assert process.stderr.startswith("nephrograde: typer: RuntimeError: built for another Python\n")
    assert "pip install --force-reinstall typer" in process.stderr
    assert "Traceback" not in process.stderr
    assert "Traceback" in ended(str(tmp_path), *words, "--debug", code=start).stderr
    (tmp_path / "typer.py").write_text("raise SystemExit(0)", encoding="utf-8")
    process = ended(str(tmp_path), *words, code=start)
    assert process.returncode == code
    assert process.stderr.startswith("nephrograde: typer: SystemExit: 0\n")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("raise ImportError('DLL load failed')", "ImportError: DLL load failed"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_package", "no_such_package cannot be imported (ModuleNotFoundError"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("import sys; sys.exit()", "SystemExit: "),
    ],
)
def test_a_package_that_breaks_while_a_command_runs_is_named_without_a_traceback(
    tmp_path, monkeypatch, nephrograde, lines, reason
):
    (tmp_path / "planted_package.py").write_text(lines, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        "nephrograde.sources.template.write_template", lambda *_, **__: import_module("planted_package")
    )
    code, _, err = nephrograde("init", tmp_path / "study")
    assert code == 2
    assert reason in err
    assert ("planted_package.py" in err) is ("no_such" not in reason)
    assert "Run nephrograde doctor" in err
    with pytest.raises((ImportError, ZeroDivisionError, SystemExit)):
        main(["--debug", "init", str(tmp_path / "study")])
    assert "无法导入" in nephrograde("init", tmp_path / "study", "--lang", "zh")[2]


@pytest.mark.parametrize("name", ["nephrograde.broken", "__main__"])
def test_an_error_of_the_program_itself_is_not_put_down_to_a_package(tmp_path, monkeypatch, name):
    imported = compile("1 / 0", "broken.py", "exec")  # what a module does while it is imported
    breaks = "nephrograde.sources.template.write_template"
    monkeypatch.setattr(breaks, lambda *_, **__: exec(imported, {"__name__": name}))  # noqa: S102 (constant)
    with pytest.raises(ZeroDivisionError):
        main(["init", str(tmp_path)])


def fill_memory():
    raise MemoryError


def fill_memory_with_torch():
    import_module("torch").empty(10**15)


@pytest.mark.parametrize("fill", [fill_memory, fill_memory_with_torch])
def test_too_little_memory_is_told_without_a_traceback(tmp_path, monkeypatch, nephrograde, fill):
    def fail(*_given, **_named):
        fill()

    monkeypatch.setattr("nephrograde.sources.template.write_template", fail)
    code, _, err = nephrograde("init", tmp_path, "--lang", "zh")
    assert code == 2
    assert "内存不足" in err
    assert "--workers" in err


@pytest.fixture
def homeless(monkeypatch):
    """A user of whom nothing tells a home folder, as in containers with a number for a user."""

    def unknown(_uid):
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)


@pytest.mark.skipif(os.name == "nt", reason="Windows tells the home folder in other ways")
@pytest.mark.parametrize("words", [("weights", "list"), ("--install-completion",)])
def test_a_user_without_a_home_folder_is_told_to_set_it(nephrograde, homeless, monkeypatch, words):
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    code, _, err = nephrograde(*words)
    assert code == 2
    assert re.search(r"Set the environment variable (NEPHROGRADE_WEIGHTS or )?HOME\.", err)


@pytest.mark.skipif(os.name == "nt", reason="Windows tells the home folder in other ways")
def test_a_user_without_a_home_folder_has_no_encoder_and_can_begin_a_study(homeless):
    assert not _has_encoder()


def test_a_name_that_is_not_utf8_is_refused_before_anything_is_written(tmp_path, nephrograde):
    code, _, err = nephrograde("evaluate", "sc\udcff.csv", "--out", tmp_path / "run")
    assert code == 2
    assert "argument 1: the name holds bytes that are not UTF-8" in err
    assert "Rename the file" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_matplotlib_makes_no_remark_on_a_home_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "home").write_text("a file", encoding="utf-8")
    code = "from nephrograde.report.figures.svg import load_matplotlib; load_matplotlib(); import logging\n"
    code += "print(logging.getLogger('matplotlib').level)"
    left = {key: value for key, value in os.environ.items() if key not in {"MPLCONFIGDIR", "XDG_CONFIG_HOME"}}
    left |= {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)}
    done = ended(code=code, env=left)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


PRINTED = """
import atexit, sys
from nephrograde.terminal import print_rows, say

atexit.register(print_rows, ("AUC",), [("−0.135–0.642",)], "测试集")
atexit.register(say, "≥ 患者")
from nephrograde.__main__ import start
start()
"""


@pytest.mark.slow
def test_output_that_goes_to_a_file_on_a_chinese_windows_neither_fails_nor_changes_a_number():
    process = subprocess.run(
        [sys.executable, "-c", PRINTED, "--version"],
        env={**os.environ, "PYTHONIOENCODING": "gbk", "PYTHONUTF8": "0"},  # which has no minus sign
        capture_output=True,
        check=False,
    )
    assert process.stderr == b""
    printed = process.stdout.decode("gbk")
    assert "-0.135–0.642" in printed
    assert "测试集" in printed
    assert "≥ 患者" in printed
