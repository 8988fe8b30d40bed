"""A clock that jumps, a share that vanishes, and no inodes: the same scores, or a clear refusal."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from tests.without_report import evaluate_alone

from nephrograde.cohort.stage import load_inputs
from nephrograde.errors import NephrogradeError, WriteError
from nephrograde.fit import folds
from nephrograde.pipeline import fit_study

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def complete(one_arm_dir: Path, run_dir: Path) -> None:
    """Do what is left, and compare with the run that nothing happened to."""
    study = load_inputs(one_arm_dir / "cohort" / "study.toml")
    fit_study(study, run_dir)
    evaluate_alone(study, run_dir)
    for name in ("scores/scores.csv", "statistics/estimates.csv"):
        assert (run_dir / name).read_bytes() == (one_arm_dir / "run" / name).read_bytes(), name
    assert not [path for path in run_dir.rglob(".nephrograde-*") if path.is_dir()]


def test_nothing_is_fitted_again_when_the_clock_has_jumped(one_arm_dir: Path, tmp_path: Path) -> None:
    run_dir = shutil.copytree(one_arm_dir / "run", tmp_path / "run")
    for number, path in enumerate(sorted(run_dir.rglob("*"))):
        moment = 4e9 if number % 2 else 1e8
        os.utime(path, (moment, moment))
    made = [path for name in ("models", "volumes") for path in (run_dir / name).rglob("*.*") if path.is_file()]
    before = {path: path.stat().st_ino for path in made}
    assert len(before) > 10
    complete(one_arm_dir, run_dir)
    assert {path: path.stat().st_ino for path in before} == before


def test_a_share_that_vanishes_in_mid_fit_costs_the_fit_alone(
    one_arm_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second fit finds its regions gone; what was written into the empty place meanwhile does not return."""
    share = tmp_path / "share"
    run_dir = shutil.copytree(one_arm_dir / "prepared", share / "run")
    assemble, seen = folds.assemble_job, []

    def vanish(*given: object, **named: object) -> object:
        seen.append(given)
        if len(seen) == 2:
            share.rename(tmp_path / "away")
        return assemble(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(folds, "assemble_job", vanish)
    with pytest.raises(NephrogradeError, match=str(share)):
        fit_study(load_inputs(one_arm_dir / "cohort" / "study.toml", ("fit.workers=1",)), run_dir)
    shutil.rmtree(share, ignore_errors=True)
    (tmp_path / "away").rename(share)
    kept = {path: path.stat().st_ino for path in run_dir.rglob("card.json")}
    assert len(kept) == 1
    complete(one_arm_dir, run_dir)
    assert len(seen) == 3
    assert {path: path.stat().st_ino for path in kept} == kept


@pytest.mark.parametrize("left", [0, 2, 4])
def test_inodes_that_run_out_are_told(
    one_arm_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """A double for a file system with room for some more files and folders of a fit."""
    run_dir = shutil.copytree(one_arm_dir / "prepared", tmp_path / "run")
    made, opened, count = os.mkdir, os.open, [left]

    def refuse(path: object) -> None:
        if str(run_dir / "models") in str(path):
            count[0] -= 1
            if count[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def make(path: str, *given: int, **named: int) -> None:
        refuse(path)
        made(path, *given, **named)

    def open_(path: str, flags: int, *given: int, **named: int) -> int:
        if flags & os.O_CREAT:
            refuse(path)
        return opened(path, flags, *given, **named)

    monkeypatch.setattr(os, "mkdir", make)
    monkeypatch.setattr(os, "open", open_)
    study = load_inputs(one_arm_dir / "cohort" / "study.toml", ("fit.workers=1",))
    with pytest.raises(WriteError, match="No space left on device"):
        fit_study(study, run_dir, only=["weak-1-cmp/fold-0", "weak-1-cmp/fold-1"])
    monkeypatch.undo()
    complete(one_arm_dir, run_dir)
