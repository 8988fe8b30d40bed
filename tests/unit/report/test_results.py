from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from nephrograde.errors import RunError
from nephrograde.evaluation.remarks import Rule
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.run.parts import RunPart
from nephrograde.run.provenance import FORMAT
from nephrograde.run.seal import renew_seal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.study import Study


def test_whole_run_lacks_nothing_but_a_ladder(whole_run: Path) -> None:
    record = Results.read(whole_run)
    assert record.absent == {RunPart.FUSION, RunPart.LADDER, RunPart.LADDER_CURVES}  # nothing is joined or compared
    assert record.is_synthetic
    assert record.reported == "test"
    assert record.is_graded
    assert len(record.fits) == 27
    scale = record.scale("weak-1-cmp")
    assert scale is not None
    assert [row.fold for row in scale.rows] == [0, 1, 2, None]
    assert [model.name for model in record.models][:2] == ["weak-1-cmp", "weak-1-np"]
    assert [model.name for model in record.models if model.is_baseline] == ["size", "volume"]


def test_empty_stop_loss_is_none(whole_run: Path) -> None:
    fit = next(fit for fit in Results.read(whole_run).fits if fit.model == "strong-cmp")
    assert all(epoch.stop_loss is None and epoch.train_loss > 0 for epoch in fit.history)


def test_fit_without_a_card_is_read(
    tmp_path: Path, make_run: Callable[..., Path], make_study: Callable[..., Study]
) -> None:
    run_dir = make_run(tmp_path / "run", make_study())
    (run_dir / "models" / "strong-cmp" / "fold-0" / "card.json").unlink()
    renew_seal(RunFolder(run_dir), RunFolder(run_dir).folds())
    fit = next(fit for fit in Results.read(run_dir).fits if fit.model == "strong-cmp")
    assert fit.card == {}


def test_foreign_scores_are_a_record_too(foreign_run: Path) -> None:
    record = Results.read(foreign_run)
    assert record.study is None
    assert not record.is_synthetic
    assert record.confidence_percent == "95"
    assert record.absent == {
        RunPart.CASES,
        RunPart.SPLIT,
        RunPart.FINDINGS,
        RunPart.REGIONS,
        RunPart.MODELS,
        RunPart.SCALE,
        RunPart.INCREMENT,
        RunPart.PHASES,
        RunPart.STACK,
        RunPart.ATTENTION,
        RunPart.REPEATS,
        RunPart.PROCEDURES,
        RunPart.FUSION,
        RunPart.LADDER,
        RunPart.LADDER_CURVES,
    }
    assert record.scale("模型 B") is None
    assert [model.arm for model in record.models] == [None, None]


def test_missing_comparisons_are_an_empty_list(foreign_run: Path) -> None:
    (foreign_run / "statistics" / "comparisons.csv").unlink()
    assert Results.read(foreign_run).comparisons == ()


def test_lock_without_a_study_gives_provenance_only(foreign_run: Path) -> None:
    (foreign_run / "study.lock.json").write_text(
        json.dumps({"format": FORMAT, "command": "nephrograde evaluate x.csv"}), encoding="utf-8"
    )
    record = Results.read(foreign_run)
    assert record.study is None
    assert record.lock["command"] == "nephrograde evaluate x.csv"


def test_an_older_folder_is_refused_with_the_command_that_renews_it(foreign_run: Path) -> None:
    lock_path = foreign_run / "study.lock.json"
    lock = json.loads(lock_path.read_text(encoding="utf-8"))
    del lock["format"]
    lock_path.write_text(json.dumps(lock | {"inputs": {"scores.csv": "ab"}}), encoding="utf-8")
    with pytest.raises(RunError, match=r"older version.*nephrograde evaluate scores\.csv --out .*foreign"):
        Results.read(foreign_run)
    lock_path.write_text(json.dumps(lock | {"study": {}}), encoding="utf-8")
    with pytest.raises(RunError, match=r"nephrograde evaluate STUDY\.toml --out"):
        Results.read(foreign_run)
    lock_path.write_text(json.dumps(lock | {"format": FORMAT + 1}), encoding="utf-8")
    with pytest.raises(RunError, match="later version"):
        Results.read(foreign_run)


def test_a_folder_without_a_lock_file_is_not_a_run(foreign_run: Path) -> None:
    (foreign_run / "study.lock.json").unlink()
    with pytest.raises(RunError, match="not a run folder"):
        Results.read(foreign_run)


def test_a_number_and_a_threshold_can_be_looked_up(whole_run: Path) -> None:
    run = Results.read(whole_run)
    found, threshold = run.estimate("weak-1-cmp", "auc"), run.threshold("weak-1-cmp")
    assert found is not None
    assert found == run.estimate("weak-1-cmp", "auc", "test")
    assert threshold is not None
    assert (threshold.rule, threshold.n) == (Rule.YOUDEN, 28)
    assert run.threshold("nobody") is None
    assert run.estimate("nobody", "auc") is None


def test_a_damaged_table_is_named(foreign_run: Path) -> None:
    (foreign_run / "statistics" / "subgroups.csv").write_text("model,auc\nsize,high\n", encoding="utf-8")
    renew_seal(RunFolder(foreign_run), ())
    with pytest.raises(RunError, match=r"subgroups\.csv is damaged.*nephrograde evaluate"):
        Results.read(foreign_run)
