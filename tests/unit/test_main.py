"""How the process of the command ends: with everything written, but without taking its modules apart."""

import subprocess
import sys
from pathlib import Path

import pytest

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
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("raise RuntimeError('built for another Python')", encoding="utf-8")
    start = "import sys; sys.path.insert(0, sys.argv.pop(1)); from nephrograde.__main__ import start; start()"
    process = ended(str(tmp_path), *words, code=start)
    assert process.returncode == code
    assert process.stderr.startswith("nephrograde: numpy: RuntimeError: built for another Python\n")
    assert "pip install --force-reinstall numpy" in process.stderr
    assert "Traceback" not in process.stderr
    assert "Traceback" in ended(str(tmp_path), *words, "--debug", code=start).stderr
