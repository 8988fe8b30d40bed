"""A plain ``predict`` with a grader file: it answers, refuses and stops as the whole command line, without typer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nephrograde.asked.answer import Wanted
from nephrograde.asked.plain import read_plainly
from nephrograde.cli import grading as typed
from nephrograde.export.pack import pack
from nephrograde.files import read_rows
from nephrograde.volume.overlay import bounding_box
from nephrograde.volume.stored import read_stored

NEEDLESS = (
    "torch lightning_fabric monai onnx typer click rich scipy pydicom requests PIL SimpleITK pandas matplotlib sklearn "
    "numpy.f2py numpy.testing cryptography pynetdicom highdicom starlette nephrograde.cli nephrograde.web "
    "nephrograde.api"
)
"""What grading one scan of one file does not need; each takes as long to import as a scan to read."""
PLAIN = """
import atexit, json, sys
needless = sys.argv.pop(1).split()
atexit.register(lambda: print(json.dumps([one for one in needless if one in sys.modules]), file=sys.stderr))
from nephrograde.__main__ import start
start()
"""
STOPPING = """
import signal
import nephrograde.asked.answer as asked
signal.signal(signal.SIGINT, signal.default_int_handler)  # a program in the background ignores it
asked.answer_with = lambda *_: signal.raise_signal(signal.SIGINT)
"""


@pytest.fixture(scope="module")
def grader_path(tiny_run_dir, make_once):
    """The packed model weak-1-cmp of the tiny study."""
    return make_once("plain", lambda folder: pack(tiny_run_dir, "weak-1-cmp", folder / "grader.zip")) / "grader.zip"


@pytest.fixture(scope="module")
def scan(tiny_cohort_dir):
    """The image of a patient, and a box round the tumour, as typed."""
    row = read_rows(tiny_cohort_dir / "cohort.csv")[0]
    low, high = bounding_box(read_stored(tiny_cohort_dir / row["cmp_mask"])[0] > 0)
    return [str(tiny_cohort_dir / row["cmp_image"]), f"{','.join(map(str, low))};{','.join(map(str, high))} vox"]


def run_plainly(*words: object, **given: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PLAIN, NEEDLESS, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **given)  # type: ignore[call-overload, no-any-return]


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime")
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_answers_as_the_command_line_and_imports_nothing_needless(nephrograde, grader_path, scan, lang):
    image, box = scan
    words = ["predict", grader_path, image, "--box", box, "--lang", lang, *(["--json"] if lang == "en" else [])]
    done = run_plainly(*words)
    assert json.loads(done.stderr.splitlines()[-1]) == []
    assert done.returncode == 0
    code, out, _ = nephrograde(*words)
    assert code == 0
    assert done.stdout == out


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime")
def test_it_refuses_as_the_command_line(nephrograde, grader_path, scan, tmp_path):
    image, _ = scan
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(grader_path.read_bytes()[:-1])
    for words in (
        ["predict", grader_path, tmp_path / "missing.nii.gz", "--point", "1,2,3 mm"],
        ["predict", grader_path, image, "--box", "1,2,3", "--lang", "zh"],
        ["predict", grader_path, image, "--box", "1,2,3;4,5,6 vox", "--box", "1,2,3;4,5,6 vox"],
        ["predict", grader_path, image, "--outside", "never"],
        ["predict", damaged, image],
    ):
        assert read_plainly([*map(str, words)]) is not None
        done = run_plainly(*words)
        code, out, err = nephrograde(*words)
        assert (done.returncode, done.stdout) == (code, out) == (2, "")
        assert done.stderr.splitlines()[:-1] == err.splitlines()
        assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime")
def test_a_reader_that_has_gone_and_ctrl_c_end_it_without_a_traceback(grader_path, scan):
    image, box = scan
    command = [sys.executable, "-c", PLAIN, NEEDLESS, "predict", grader_path, image, "--box", box]
    ends = os.pipe()
    os.close(ends[0])
    gone = subprocess.run(command, stdout=ends[1], stderr=subprocess.PIPE, text=True, check=False)
    os.close(ends[1])
    assert gone.returncode == 1
    assert gone.stderr.splitlines()[:-1] == []
    command[2] = f"{STOPPING}{PLAIN}"
    stopped = subprocess.run(command, capture_output=True, text=True, check=False)
    assert stopped.returncode == 130
    assert "with --csv, it would resume" in stopped.stderr
    assert "Traceback" not in stopped.stderr


@pytest.fixture
def empty(tmp_path):
    """A file that may be a grader."""
    path = tmp_path / "grader.zip"
    path.touch()
    return str(path)


def test_what_was_read_is_what_typer_reads(nephrograde, empty, monkeypatch):
    read = []

    def answer(*given: object) -> int:
        read.append(given)
        return 0

    monkeypatch.setattr(typed, "answer", answer)
    for words in (
        [empty, "a.nii.gz"],
        [empty, "a.nii.gz", "--json", "--slice", "-312.5 mm"],
        ["--model", "weak-1-cmp", empty, "cmp=a", "np=b", "--mask", "cmp=m", "--mask", "np=n", "--lang", "zh"],
        ["--box", "--json", empty, "a", "--point", "1,2,3 mm", "--kidneys", "k", "--outside", "warn", "--model", "m"],
    ):
        plain = read_plainly(["predict", *words])
        assert plain is not None
        code, _, err = nephrograde("predict", *words)
        assert (code, err) == (0, "")
        assert read.pop() == (plain.run, plain.images, plain.model, Wanted(**plain.options))


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["FILE"],
        ["FILE", "a", "--help"],
        ["FILE", "a", "--mask"],
        ["FILE", "a", "--mask", " "],
        ["FILE", "a", "--box=1,2,3;4,5,6 vox"],
        ["FILE", "a", "--lang", "de"],
        ["FILE", "a", "--csv", "b.csv"],
        ["FILE", "a", "--", "--json"],
        ["FILE", "a", "--debug"],
        ["FILE", "a\udcff"],
        ["missing.zip", "a"],
    ],
)
def test_anything_else_is_left_to_typer(empty, words):
    assert read_plainly(["predict", *[empty if word == "FILE" else word for word in words]]) is None
    assert read_plainly(["explain", empty, str(Path("a.nii.gz"))]) is None
