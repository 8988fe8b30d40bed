"""Grading many patients is killed or interrupted: the table is whole, and the same command goes on, without torch."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from nephrograde.export.archive import write_archive
from nephrograde.files import write_rows
from nephrograde.predict.many.table import COLUMNS
from nephrograde.volume.volume import write_image

N_PATIENTS = 20
COMMAND = """
import json, os, signal, sys
from nephrograde.cli import main
from nephrograde.predict.many.table import AnswerTable
signal.signal(signal.SIGINT, signal.default_int_handler)
number, left = map(int, os.environ.get("END", "0 0").split())
add = AnswerTable.add
def add_and_end(table, one):
    global left
    add(table, one)
    left -= 1
    if number and left == 0:
        os.kill(os.getpid(), number)
AnswerTable.add = add_and_end
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted({"torch", "monai", "lightning_fabric"} & set(sys.modules))), file=sys.stderr)
"""
"""Gets the signal of ``END`` after as many rows; processes in the background ignore Ctrl-C by themselves."""
WRITER = """
import pathlib, sys
from nephrograde.predict.many.outcome import Failure, PatientGrading
from nephrograde.predict.many.patient import NewPatient
from nephrograde.predict.many.table import open_answers
patients = [NewPatient(f"P{k}", {}) for k in range(100_000)]
failure = Failure("long", "word, " * 3000, "\\n")
with open_answers(pathlib.Path(sys.argv[1]), patients, "grader") as table:
    for patient in patients:
        table.add(PatientGrading(patient.patient_id, "", failure=failure))
"""
"""Enters rows of several pages each, without end."""


@pytest.fixture(scope="module")
def given_dir(make_once):
    """A grader file and a table of small scans; only to be read."""
    from tests.unit.export.small_grader import small_members

    def write(folder):
        write_archive(folder / "g.zip", small_members())
        random, rows = np.random.default_rng(5), []
        for k in range(N_PATIENTS):
            values = random.integers(-100, 200, (64, 64, 16)).astype(np.int16)
            write_image(values, folder / f"{k}.nii.gz", spacing_mm=(1.5, 1.5, 4.0))
            rows.append({"patient_id": f"病例{k}", "cmp_image": f"{k}.nii.gz", "cmp_point": "20,20,8 vox"})
        write_rows(folder / "cohort.csv", tuple(rows[0]), rows)

    return make_once("killed", write)


def rows_in(path):
    """The rows of the table; an assertion fails where one of them is not whole."""
    raw = path.read_bytes() if path.exists() else b""
    if not raw:
        return []
    assert raw.endswith(b"\n")
    heading, *rows = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True)
    assert tuple(heading) == COLUMNS
    assert all(len(cells) == len(COLUMNS) for cells in rows)
    return rows


@pytest.mark.slow
@pytest.mark.needs("onnx", "onnxruntime")
def test_the_same_command_goes_on_after_a_kill_and_after_ctrl_c(given_dir, tmp_path):
    path = tmp_path / "回答.csv"
    words = ["predict", str(given_dir / "g.zip"), str(given_dir / "cohort.csv"), "--csv", str(path)]
    command = [sys.executable, "-c", COMMAND, *words]
    seen = []
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        stopped = subprocess.run(
            command, check=False, capture_output=True, env={**os.environ, "END": f"{int(number)} 3"}
        )
        errors = stopped.stderr.decode()
        assert stopped.returncode == code, errors
        assert "Traceback" not in errors
        seen.append(rows_in(path))
        assert len(seen[-1]) == 3 * len(seen)
    assert seen[1][: len(seen[0])] == seen[0]
    path.with_name(f".nephrograde-1-{path.name}").write_text("what a kill leaves")
    ended = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert len(ended.stdout.splitlines()) == N_PATIENTS - len(seen[1])
    assert json.loads(ended.stderr.splitlines()[-1]) == []
    rows = rows_in(path)
    assert [cells[0] for cells in rows] == [f"病例{k}" for k in range(N_PATIENTS)]
    assert rows[: len(seen[1])] == seen[1]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["回答.csv"]


def test_a_row_is_whole_or_absent_whenever_the_process_is_killed(tmp_path):
    path, counts = tmp_path / "a.csv", [0]
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)]) as running:
        while counts[-1] == 0 and running.poll() is None:
            counts.append(len(rows_in(path)))
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            counts.append(len(rows_in(path)))
        running.kill()
    counts.append(len(rows_in(path)))
    assert running.returncode == -signal.SIGKILL
    assert counts == sorted(counts)
    assert len(set(counts)) > 5
