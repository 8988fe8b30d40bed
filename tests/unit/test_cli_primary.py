"""``nephrograde evaluate --primary A,B`` on a score table."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nephrograde.errors import ScoresError
from nephrograde.evaluation.frames import evaluate_frame
from nephrograde.evaluation.scores.score_table import open_scores
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def scores_path(tmp_path: Path) -> Path:
    chance = np.random.default_rng(2)
    path = tmp_path / "scores.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["patient_id", "model", "is_high", "p_high"])
        for model in ("ours", "theirs", "third"):
            for k in range(40):
                table.writerow([f"P{k:02}", model, k % 2, round(0.3 * (k % 2) + 0.7 * float(chance.random()), 3)])
    return path


@pytest.mark.slow
def test_the_primary_comparison_of_a_score_table_is_not_adjusted(
    scores_path: Path, tmp_path: Path, nephrograde: Callable[..., Any]
) -> None:
    run_dir = tmp_path / "run"
    code, _, err = nephrograde("evaluate", scores_path, "--out", run_dir, "--primary", "theirs, ours")
    assert (code, err) == (0, "")
    with (run_dir / "statistics" / "comparisons.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["measure"] == "auc"]
    assert [row["family"] for row in rows] == ["primary", "other", "other"]
    assert rows[0]["p_adjusted"] == rows[0]["p_value"]
    page = (run_dir / "report" / "report.html").read_text(encoding="utf-8")
    assert "Primary comparison, named beforehand: the AUC of theirs minus that of ours" in page


def test_a_model_that_the_table_lacks_is_refused_before_anything_is_written(
    scores_path: Path, tmp_path: Path, nephrograde: Callable[..., Any]
) -> None:
    code, _, err = nephrograde("evaluate", scores_path, "--out", tmp_path / "run", "--primary", "ours,fourth")
    assert code == 2
    assert "fourth" in err
    assert not (tmp_path / "run" / "ledger.csv").exists()
    with pytest.raises(ScoresError, match="names fourth"):
        evaluate_frame(open_scores(scores_path), EvaluateSettings(primary=("ours", "fourth")))
