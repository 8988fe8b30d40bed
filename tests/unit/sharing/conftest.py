"""Evaluated runs of several hospitals, written by code, and what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import expit

import nephrograde as ng
from nephrograde.evaluation.ledger import open_test_set
from nephrograde.evaluation.performance.metrics import Estimate
from nephrograde.evaluation.remarks import Rule
from nephrograde.evaluation.scores.score_table import write_scores
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.evaluation.tables import write_estimates
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import write_lock
from nephrograde.run.seal import renew_seal
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nephrograde.sharing.contents import Kind

MODELS = ("weak-1-cmp", "size")
THRESHOLDS = {"weak-1-cmp": 0.4, "size": 0.5}
REASON = "王医生 asked for 张三 on 2026-03-04"


def drawn(number: int, n: int = 60, models: Sequence[str] = MODELS) -> tuple[Score, ...]:
    """The scores of one hospital's test patients, whose ids begin with the name of the hospital."""
    stream = np.random.default_rng(number)
    is_high = np.arange(n) % 5 < 2
    rows = []
    for model, signal in zip(models, (1.6, 0.9), strict=False):
        p_high = expit(stream.normal(signal * is_high - 0.6, 1.0))
        rows += [
            Score(f"HOSP{number}-病案{7310264 + 37 * k}", model, "test", None, bool(is_high[k]), float(p_high[k]))
            for k in range(n)
        ]
    return tuple(rows)


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    def write(
        number: int, rows: tuple[Score, ...] | None = None, *, is_opened: bool = True, **thresholds: float
    ) -> Path:
        run = RunFolder(tmp_path / f"王小明-{number}")
        scores = Scores(rows or drawn(number))
        write_scores(scores, run.scores_path)
        estimates = [
            (
                model,
                "test",
                Estimate("threshold", value, np.nan, np.nan, 60, 24, "youden", rule=Rule.YOUDEN),
            )
            for model in scores.models
            for value in [thresholds.get(model.replace("-", "_"), THRESHOLDS.get(model, 0.5))]
        ]
        write_estimates(estimates, run.estimates_path)
        write_lock(EvaluateSettings(), run, inputs={"score table": "0" * 64}, command="nephrograde evaluate 王小明.csv")
        if is_opened:
            open_test_set(run.run_dir, study="0" * 64, inputs="1" * 64, reason=REASON, command="evaluate 王小明.csv")
        renew_seal(run, ())
        return run.run_dir

    return write


@pytest.fixture
def share(write_run: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Share a hospital, by default under its own key."""

    def run(
        number: int,
        what: Kind = "statistics",
        rows: tuple[Score, ...] | None = None,
        name: str | None = None,
        key: str | None = None,
        **thresholds: float,
    ) -> Path:
        run_dir = write_run(number, rows, **thresholds)
        path = tmp_path / f"{name or f'site-{number}'}.zip"
        return ng.share(run_dir, path, what=what, key=key, fewest=1).path

    return run
