"""Two processes that torchrun starts on one machine share a fit, as the tutorial describes for several machines."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.numpy import load_file
from tests.small_study import QUICK_FIT, small_study

from nephrograde.cohort.stage import load_inputs
from nephrograde.files import read_json, read_rows
from nephrograde.pipeline import evaluate_study, fit_study, prepare_study
from nephrograde.run.folder import RunFolder
from nephrograde.run.seal import fold_digests

pytestmark = pytest.mark.slow
TIME_LIMIT_S = 300.0
"""A loaded machine needs a minute; processes that wait for each other are ended."""
LAUNCH = "-m torch.distributed.run --nnodes=1 --nproc-per-node=2 --rdzv-backend=c10d --rdzv-endpoint=127.0.0.1:0 "
LAUNCH += "--local-addr=127.0.0.1 --module nephrograde fit"
SHARED = ("fit.devices=2",)


@pytest.fixture
def prepared(tiny_cohort_dir, tmp_path):
    """The path of a study, and a run folder with its prepared scans."""
    shutil.copytree(tiny_cohort_dir, tmp_path / "cohort")
    study_path = tmp_path / "cohort" / "study.toml"
    study_path.write_text(small_study("shared (synthetic)", fit=QUICK_FIT), encoding="utf-8")
    prepare_study(load_inputs(study_path), tmp_path / "shared")
    return study_path, RunFolder(tmp_path / "shared")


def run_to_end(command):
    """Run a command; it and the processes that it started are ended at the time limit."""
    interface = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)
    environment = {**os.environ, **({"GLOO_SOCKET_IFNAME": interface} if interface else {})}
    with subprocess.Popen(
        command,
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            printed, _ = process.communicate(timeout=TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 0, printed[-3000:]


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="processes are ended by their group")
@pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="this torch has no gloo, over which processes on CPUs meet",
)
def test_two_processes_fit_what_one_does(prepared, tmp_path):
    study_path, shared = prepared
    alone = RunFolder(tmp_path / "alone")
    shutil.copytree(shared.run_dir, alone.run_dir)
    settings = [word for text in SHARED for word in ("--set", text)]
    run_to_end([sys.executable, *LAUNCH.split(), str(study_path), "--out", str(shared.run_dir), *settings])
    fit_study(load_inputs(study_path), alone.run_dir)

    assert [(fold.model, fold.number) for fold in shared.folds()] == [("weak-1-cmp", 0), ("weak-1-cmp", 1)]
    for fold in shared.folds():
        same = alone.fold(fold.model, fold.number)
        fold_digests(fold)  # raises if a file is not the one that was sealed
        weights = load_file(fold.weights_path)
        assert {name: array.shape for name, array in weights.items()} == {
            name: array.shape for name, array in load_file(same.weights_path).items()
        }
        assert read_json(fold.card_path)["device"] == "cpu × 2"
        # Batch norm sees half a batch in each process, so weights and scores may differ; nothing else may.
        for path, keys in (
            (fold.predictions_path, ("patient_id", "split", "is_high")),
            (fold.history_path, ("epoch", "learning_rate")),
        ):
            rows, of_one = read_rows(path), read_rows(same.fold_dir / path.name)
            assert [[row[key] for key in keys] for row in rows] == [[row[key] for key in keys] for row in of_one]
        assert all(0.0 <= float(row["p_high"]) <= 1.0 for row in read_rows(fold.predictions_path))
    report_path = evaluate_study(load_inputs(study_path, SHARED), shared.run_dir)
    assert report_path.is_file()
