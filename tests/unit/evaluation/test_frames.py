"""The evaluation on DataFrames gives what the files of a run give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from nephrograde.errors import ScoresError
from nephrograde.evaluation.evaluation import evaluate_scores, write_statistics
from nephrograde.evaluation.frames import evaluate_frame
from nephrograde.evaluation.scores.score_table import read_scores
from nephrograde.run.folder import RunFolder
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = EvaluateSettings(bootstraps=100)


@pytest.fixture
def scores() -> pd.DataFrame:
    stream = np.random.default_rng(3)
    parts = []
    for model, noise in (("弱", 0.8), ("strong", 1.2)):
        is_high = np.arange(80) % 2
        logit = is_high + stream.normal(0, noise, 80) - 0.5
        parts.append(
            pd.DataFrame(
                {
                    "patient_id": [f"P{k:03}" for k in range(80)],
                    "model": model,
                    "split": np.where(np.arange(80) < 40, "oof", "test"),
                    "fold": np.where(np.arange(80) < 40, np.arange(80) % 5, np.nan),
                    "is_high": is_high,
                    "p_high": 1 / (1 + np.exp(-logit)),
                    "sex": np.where(np.arange(80) % 3, "F", "M"),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_frames_hold_the_digits_of_the_files(scores: pd.DataFrame, tmp_path: Path) -> None:
    frames = evaluate_frame(scores, SETTINGS)
    scores.to_csv(tmp_path / "scores.csv", index=False)
    groups = {"sex": dict(zip(scores["patient_id"], scores["sex"], strict=True))}
    write_statistics(evaluate_scores(read_scores(tmp_path / "scores.csv"), SETTINGS, groups), RunFolder(tmp_path))
    for name in ("comparisons", "equivalence", "calibration", "net_benefit", "subgroups"):
        written = pd.read_csv(RunFolder(tmp_path).statistics_dir / f"{name}.csv")
        assert len(written)
        pd.testing.assert_frame_equal(getattr(frames, name), written, check_dtype=False, check_exact=True)
    written = pd.read_csv(RunFolder(tmp_path).estimates_path)
    ours = frames.estimates[["model", "split", "measure", "value", "low", "high", "n", "n_high"]]
    pd.testing.assert_frame_equal(ours, written[ours.columns], check_exact=True)


def test_the_order_of_rows_changes_nothing(scores: pd.DataFrame) -> None:
    shuffled = evaluate_frame(scores.sample(frac=1, random_state=1), SETTINGS).estimates
    columns = ["model", "split", "measure"]
    ordered = evaluate_frame(scores, SETTINGS).estimates.sort_values(columns, ignore_index=True)
    pd.testing.assert_frame_equal(shuffled.sort_values(columns, ignore_index=True), ordered)


def test_mistakes_are_named_by_row(scores: pd.DataFrame) -> None:
    scores.loc[2, "p_high"] = 1.5
    scores.loc[5, "is_high"] = 0  # the other model says 1
    with pytest.raises(ScoresError, match=r"(?s)2 problems in the DataFrame.*Row 3, .*1\.5.*Row 86, .*is_high"):
        evaluate_frame(scores)
    with pytest.raises(ScoresError, match="no column p_high"):
        evaluate_frame(scores.drop(columns="p_high"))


def test_a_patient_of_two_sexes_is_refused(scores: pd.DataFrame) -> None:
    scores.loc[80, "sex"] = "F" if scores.loc[80, "sex"] == "M" else None
    with pytest.raises(ScoresError, match=r"Row 81, patient P000: sex is F, but M in an earlier row"):
        evaluate_frame(scores)
