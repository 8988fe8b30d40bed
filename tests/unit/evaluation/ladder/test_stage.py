"""The ladder as files of a run: what is written, renewed and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.ladders import ARMS, Size, build_ladder_run, build_ladder_study

from nephrograde.errors import RunError
from nephrograde.evaluation.ladder.minutes import Minutes, MinutesSource
from nephrograde.evaluation.ladder.stage import write_ladder
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.run.parts import RunPart
from nephrograde.run.seal import renew_seal
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Size(training=80, test=40)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_ladder_run(tmp_path_factory.mktemp("ladder") / "run", build_ladder_study(), SMALL)


def test_a_run_of_several_levels_has_its_ladder(run_dir: Path) -> None:
    run = Results.read(run_dir)
    assert {row.supervision for row in run.ladder} == {Supervision.POINT, Supervision.BOX, Supervision.MASK}
    assert {(row.phase, row.reference) for row in run.ladder} == {("cmp", "drawn-cmp"), ("np", "drawn-np")}
    assert {row.split for row in run.ladder} == {"oof", "test"}
    assert sorted({point.share for point in run.ladder_curves}) == [0.25, 0.5, 0.75, 1.0]
    assert {point.drawings for point in run.ladder_curves} == {2}
    assert {point.model for point in run.ladder_curves} == {row.model for row in run.ladder}


def test_a_run_of_one_level_has_none(tmp_path: Path) -> None:
    study = build_ladder_study(ARMS[:2])
    build_ladder_run(tmp_path / "run", study, SMALL)
    run = Results.read(tmp_path / "run")
    assert {RunPart.LADDER, RunPart.LADDER_CURVES} <= run.absent
    assert run.ladder == ()
    assert not (tmp_path / "run" / "stages" / "ladder.json").exists()


@pytest.mark.slow
def test_without_repeats_there_are_no_curves(tmp_path: Path) -> None:
    study = build_ladder_study(split={"folds": 5})
    run = Results.read(build_ladder_run(tmp_path / "run", study, SMALL))
    assert run.ladder
    assert run.ladder_curves == ()


@pytest.mark.slow
def test_measured_minutes_change_the_costs_alone(tmp_path: Path) -> None:
    study = build_ladder_study(split={"folds": 5})
    run = RunFolder(build_ladder_run(tmp_path / "run", study, SMALL))
    before = Results.read(run).ladder
    scores = run.scores_path.read_bytes()
    write_ladder(study, run, measured={Supervision.POINT: Minutes(0.5, MinutesSource.MEASURED, 40)})
    renew_seal(run, ())
    after = Results.read(run).ladder
    assert run.scores_path.read_bytes() == scores
    for old, new in zip(before, after, strict=True):
        assert (old.auc, old.p_adjusted, old.verdict) == pytest.approx(
            (new.auc, new.p_adjusted, new.verdict), nan_ok=True
        )
        if new.supervision is Supervision.POINT:
            assert (new.minutes, new.minutes_source, new.minutes_n) == (0.5, MinutesSource.MEASURED, 40)
        else:
            assert new.minutes == old.minutes


@pytest.mark.slow
def test_minutes_of_the_study_come_first(tmp_path: Path) -> None:
    study = build_ladder_study(split={"folds": 5}, annotation={"minutes": {"mask": 25.0}})
    run = Results.read(build_ladder_run(tmp_path / "run", study, SMALL))
    assert {row.minutes for row in run.ladder if row.supervision is Supervision.MASK} == {25.0}


def test_minutes_are_no_part_of_what_a_network_depends_on() -> None:
    study = build_ladder_study()
    assert "annotation" not in study.sealed()
    assert build_ladder_study(annotation={"minutes": {"mask": 25.0}}).sealed() == study.sealed()


@pytest.mark.slow
def test_the_ladder_of_arms_that_are_gone_is_removed(tmp_path: Path) -> None:
    study = build_ladder_study(split={"folds": 5})
    run = RunFolder(build_ladder_run(tmp_path / "run", study, SMALL))
    write_ladder(build_ladder_study(ARMS[:2], split={"folds": 5}), run, measured={})
    assert not run.ladder_path.exists()
    assert not run.ladder_curves_path.exists()


@pytest.mark.slow
def test_an_altered_ladder_is_refused_and_written_again(tmp_path: Path) -> None:
    study = build_ladder_study(split={"folds": 5})
    run = RunFolder(build_ladder_run(tmp_path / "run", study, SMALL))
    whole = run.ladder_path.read_bytes()
    run.ladder_path.write_bytes(whole.replace(b"undecided", b"not-worse", 1) + b"\n")
    with pytest.raises(RunError):
        Results.read(run)
    write_ladder(study, run, measured={})
    assert run.ladder_path.read_bytes() == whole
