"""One model on one fold at a time: several processes on one run folder, each unit done once, equal to the whole run."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.small_study import QUICK_FIT, WEAK_ARM, small_study
from tests.without_report import evaluate_alone

from nephrograde.cohort.stage import load_inputs
from nephrograde.errors import InputError, RunError
from nephrograde.files import read_json
from nephrograde.model.card import read_card, write_card
from nephrograde.pipeline import evaluate_study, fit_study, list_units, prepare_study
from nephrograde.run.folder import RunFolder
from nephrograde.run.seal import seal_fold
from nephrograde.run.writer import beside_others, only_writer

if TYPE_CHECKING:
    from nephrograde.fit.planned import Fit
    from nephrograde.study import Study

pytestmark = pytest.mark.slow
FIRST, SECOND = "weak-1-cmp/fold-0", "weak-1-cmp/fold-1"
GIVE_UP_S = 240.0


@pytest.fixture
def prepared(tiny_cohort_dir: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The path of a study of one arm, two folds and two repeats, and of a run folder with its prepared scans."""
    shutil.copytree(tiny_cohort_dir, tmp_path / "cohort")
    study_path = tmp_path / "cohort" / "study.toml"
    text = small_study("units (synthetic)", arms=WEAK_ARM, fit=QUICK_FIT + "repeats = 2\n")
    study_path.write_text(text, encoding="utf-8")
    prepare_study(load_inputs(study_path), tmp_path / "run")
    return study_path, tmp_path / "run"


def fit_one(study_path: Path, run_dir: Path, unit: str) -> None:
    """Fit a unit in a process of its own, and note each fit that is begun."""
    from nephrograde.fit import stage
    from nephrograde.fit.folds import fit_planned

    def noted(planned: Fit, study: Study, **given: Any) -> None:
        with (study_path.parent / "begun.txt").open("a", encoding="utf-8") as notes:
            notes.write(f"{planned.name}\n")
        fit_planned(planned, study, **given)

    setattr(stage, "fit_planned", noted)  # noqa: B010 (the module does not offer it)
    fit_study(load_inputs(study_path), run_dir, only=[unit])


def started(study_path: Path, run_dir: Path, *units: str) -> list[multiprocessing.process.BaseProcess]:
    """A process for each unit, forked from one that has imported torch once for all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["nephrograde.pipeline", "nephrograde.fit.loop", "lightning_fabric"])
    processes: list[multiprocessing.process.BaseProcess] = [
        context.Process(target=fit_one, args=(study_path, run_dir, unit)) for unit in units
    ]
    for process in processes:
        process.start()
    return processes


def inodes(run: RunFolder) -> dict[str, int]:
    return {path.parent.name: path.stat().st_ino for path in run.models_dir.rglob("card.json")}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no SIGKILL on this system")
def test_units_side_by_side_are_the_whole_run(
    prepared: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # where other processes find this file
    study_path, run_dir = prepared
    study, run, whole = load_inputs(study_path), RunFolder(run_dir), RunFolder(tmp_path / "whole")
    shutil.copytree(run_dir, whole.run_dir)
    fit_study(study, whole)
    evaluate_alone(study, whole)

    units = list_units(study, run)
    assert units == dict.fromkeys([FIRST, SECOND, f"seed-1/{FIRST}", f"seed-1/{SECOND}"], False)
    killed = started(study_path, run_dir, FIRST)[0]
    deadline = time.monotonic() + GIVE_UP_S
    while not (study_path.parent / "begun.txt").is_file():
        assert killed.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(killed.pid or 0, signal.SIGKILL)
    killed.join()
    with pytest.raises(InputError, match=r"'weak-1-cmp/fold-7' is not a unit"):
        fit_study(study, run, only=["weak-1-cmp/fold-7"])
    # The same unit twice at once, and others beside it; the killed process has left nothing that is in the way.
    processes = started(study_path, run_dir, FIRST, FIRST, SECOND, f"seed-1/{FIRST}")
    for process in processes:
        process.join(GIVE_UP_S)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    begun = Counter((study_path.parent / "begun.txt").read_text(encoding="utf-8").split())
    assert begun == {FIRST: 2, SECOND: 1, f"seed-1/{FIRST}": 1}  # that of the killed process, and each once
    written = inodes(run)
    fit_study(study, run, only=[FIRST, f"seed-1/{SECOND}"])
    assert inodes(run) == written  # what is there is not fitted again
    assert all(list_units(study, run).values())
    evaluate_alone(study, run)
    for name in ("scores/scores.csv", "scores/repeats.csv", "statistics/estimates.csv", "statistics/repeats.csv"):
        assert (run_dir / name).read_bytes() == (whole.run_dir / name).read_bytes(), name
    left = [path.name for path in run_dir.rglob(".*") if path.name != ".nephrograde.lock"]
    assert left == []


def test_a_unit_is_refused_where_it_would_belong_to_another_study(prepared: tuple[Path, Path], tmp_path: Path) -> None:
    study_path, run_dir = prepared
    study = load_inputs(study_path)
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")}
    with pytest.raises(RunError, match=r"opened for another study.*same --set"):
        fit_study(load_inputs(study_path, ("fit.epochs=2",)), run_dir, only=[FIRST])
    with pytest.raises(RunError, match=r"not prepared.*nephrograde prepare"):
        fit_study(study, tmp_path / "nowhere", only=[FIRST])
    with only_writer(run_dir), pytest.raises(RunError, match=f"written by process {os.getpid()}"):
        fit_study(study, run_dir, only=[FIRST])
    with beside_others(run_dir), pytest.raises(RunError, match="is being written by another process"):
        fit_study(study, run_dir)
    after = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*") if path.name != ".nephrograde.lock"}
    assert after == {path: moment for path, moment in before.items() if path.name != ".nephrograde.lock"}
    assert not (tmp_path / "nowhere").exists()
    with (study_path.parent / "cohort.csv").open("a", encoding="utf-8") as table:
        table.write("\n")
    with pytest.raises(RunError, match=r"opened for another study"):
        fit_study(study, run_dir, only=[FIRST])
    assert "study" in read_json(run_dir / "study.lock.json")


def test_networks_of_different_numbers_of_processes_are_not_compared(
    tiny_study_path: Path, tiny_run_copy: Path
) -> None:
    """Neither are they fitted, nor evaluated where they have been, as on machines with other numbers of GPUs."""
    with pytest.raises(InputError, match=r"arm.fit: .*weak-1 by 1 on 1; strong by 2 on 1.*same fit.devices"):
        fit_study(load_inputs(tiny_study_path, ("arm.strong.fit.devices=2",)), tiny_run_copy)
    study = load_inputs(tiny_study_path)
    fold = RunFolder(tiny_run_copy).fold("strong-up", 1)
    card = read_card(fold.card_path)
    assert card.processes == 1
    write_card(replace(card, settings={**card.settings, "processes": 2}), fold.card_path)
    seal_fold(fold)
    with pytest.raises(RunError, match=r"weak-1-cmp/fold-0 by 1, strong-up/fold-1 by 2\), and are not compared"):
        evaluate_study(study, tiny_run_copy)
