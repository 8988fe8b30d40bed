from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from nephrograde.report.record import read_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.study import Study


def test_whole_run_lacks_nothing(whole_run: Path) -> None:
    record = read_record(whole_run)
    assert record.absent == ()
    assert record.is_synthetic
    assert record.split == "test"
    assert record.level_words == ("low grade", "high grade")
    assert len(record.fits) == 27
    assert [model.name for model in record.models][:2] == ["weak-1-cmp", "weak-1-np"]
    assert [model.label for model in record.models][-2:] == ["size only", "volume only"]
    assert record.knows("volumes/findings.csv")


def test_empty_stop_loss_is_nan(whole_run: Path) -> None:
    fit = next(fit for fit in read_record(whole_run).fits if fit.model == "strong-cmp")
    assert all(math.isnan(epoch.stop_loss) and epoch.train_loss > 0 for epoch in fit.epochs)


def test_fit_without_a_card_is_read(
    tmp_path: Path, make_run: Callable[..., Path], make_study: Callable[..., Study]
) -> None:
    run_dir = make_run(tmp_path / "run", make_study())
    (run_dir / "models" / "strong-cmp" / "fold-0" / "card.json").unlink()
    fit = next(fit for fit in read_record(run_dir).fits if fit.model == "strong-cmp")
    assert fit.card == {}


def test_foreign_scores_are_a_record_too(foreign_run: Path) -> None:
    record = read_record(foreign_run)
    assert record.study is None
    assert not record.is_synthetic
    assert record.confidence_percent == "95"
    assert len(record.absent) == 6
    assert not record.knows("cohort/cases.csv")
    assert [model.arm for model in record.models] == [None, None]


def test_missing_comparisons_are_an_empty_list(foreign_run: Path) -> None:
    (foreign_run / "statistics" / "comparisons.csv").unlink()
    assert read_record(foreign_run).comparisons == ()


def test_lock_without_a_study_gives_provenance_only(foreign_run: Path) -> None:
    (foreign_run / "study.lock.json").write_text(
        json.dumps({"command": "nephrograde evaluate x.csv"}), encoding="utf-8"
    )
    record = read_record(foreign_run)
    assert record.study is None
    assert record.lock["command"] == "nephrograde evaluate x.csv"
