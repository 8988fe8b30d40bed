"""Tables with a row for each lesion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from nephrograde.errors import ScoresError
from nephrograde.evaluation.comparison.clustered import clustered_auc, compare_clustered
from nephrograde.evaluation.frames import evaluate_frame
from nephrograde.evaluation.lesions import MEASURE, parse_lesions
from nephrograde.evaluation.tables import read_estimates
from nephrograde.files import read_rows
from nephrograde.pipeline import evaluate_table, report_study
from nephrograde.sheet import Sheet
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = EvaluateSettings(bootstraps=100)


@pytest.fixture
def table() -> pd.DataFrame:
    stream = np.random.default_rng(4)
    rows = []
    for k in range(60):
        leaning = stream.normal()
        for lesion in range(1 + k % 3):
            is_high = int(stream.random() < 0.5)
            rows += [
                {
                    "patient_id": f"P{k:02}",
                    "lesion_id": lesion,
                    "model": model,
                    "split": "oof" if k < 20 else "test",
                    "is_high": is_high,
                    "p_high": round(float(1 / (1 + np.exp(-(is_high * gain + leaning + stream.normal())))), 6),
                }
                for model, gain in (("a", 1.5), ("b", 0.5))
            ]
    return pd.DataFrame(rows)


def sheet_of(table: pd.DataFrame) -> Sheet:
    rows = enumerate(table.astype(str).to_dict("records"), 2)
    return Sheet(
        "lesions.csv", tuple(table.columns), tuple((n, {str(k): v for k, v in row.items()}) for n, row in rows)
    )


def test_by_lesion_the_patient_is_the_unit(table: pd.DataFrame) -> None:
    frames = evaluate_frame(table, SETTINGS)
    test = table[(table["split"] == "test") & (table["model"] == "a")]
    theirs = clustered_auc(test["p_high"], test["is_high"], test["patient_id"].tolist())
    ours = frames.estimates.query("measure == @MEASURE and model == 'a' and split == 'test'").iloc[0]
    assert (ours["value"], ours["low"], ours["high"], ours["n"]) == (theirs.value, theirs.low, theirs.high, 40)
    assert f"{len(test)} lesions" in ours["method"]
    both = {model: table[(table["split"] == "test") & (table["model"] == model)]["p_high"] for model in "ab"}
    (pair,) = compare_clustered(both, test["is_high"], test["patient_id"].tolist())
    row = frames.comparisons.query("measure == @MEASURE").iloc[0]
    assert [row["difference"], row["p_value"]] == pytest.approx([pair.difference, pair.p_value])


def test_by_patient_the_most_suspicious_lesion_decides(table: pd.DataFrame) -> None:
    patients = parse_lesions(sheet_of(table)).by_patient().of("a", "test")
    mine = table[(table["model"] == "a") & (table["split"] == "test")].groupby("patient_id")
    assert patients.p_high.tolist() == mine["p_high"].max().tolist()
    assert patients.is_high.tolist() == mine["is_high"].max().astype(bool).tolist()


def test_a_model_may_miss_lesions(table: pd.DataFrame) -> None:
    fewer = table[~((table["model"] == "b") & (table["lesion_id"] == 2))]
    row = evaluate_frame(fewer, SETTINGS).comparisons.query("measure == @MEASURE").iloc[0]
    shared = fewer[(fewer["model"] == "b") & (fewer["split"] == "test")]
    assert f"{len(shared)} rows" in row["method"]


def test_lesions_of_one_grade_have_no_auc(table: pd.DataFrame) -> None:
    table.loc[table["split"] == "test", "is_high"] = 0
    frames = evaluate_frame(table, SETTINGS)
    assert set(frames.estimates.query("measure == @MEASURE")["split"]) == {"oof"}
    assert frames.comparisons.query("measure == @MEASURE").empty


@pytest.mark.slow
def test_the_command_takes_such_a_table(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "病灶.csv", index=False)
    evaluate_table(tmp_path / "病灶.csv", tmp_path / "run", settings=SETTINGS)
    estimates = read_estimates(tmp_path / "run" / "statistics" / "estimates.csv")
    assert {(model, split) for model, split, made in estimates if made.measure == MEASURE} == {
        (model, split) for model in "ab" for split in ("oof", "test")
    }
    assert "clustered variance" in report_study(tmp_path / "run").read_text(encoding="utf-8")
    assert "Obuchowski聚类方差" in report_study(tmp_path / "run", "zh").read_text(encoding="utf-8")
    evaluate_table(tmp_path / "病灶.csv", tmp_path / "closed", settings=SETTINGS, reason=None)
    assert {row["split"] for row in read_rows(tmp_path / "closed" / "statistics" / "estimates.csv")} == {"oof"}
    assert len(read_rows(tmp_path / "closed" / "statistics" / "comparisons.csv")) == 5


def test_mistakes_are_named(table: pd.DataFrame) -> None:
    with pytest.raises(ScoresError, match=r"patient P00, lesion 0, model a: a second oof row"):
        evaluate_frame(pd.concat([table, table.head(1)]), SETTINGS)
    split = table.copy()
    split.loc[(split["patient_id"] == "P02") & (split["lesion_id"] == 1), "split"] = "test"
    with pytest.raises(ScoresError, match=r"P02.*in split oof and in split test"):
        evaluate_frame(split, SETTINGS)
    folds = table.assign(fold=table["lesion_id"])
    with pytest.raises(ScoresError, match=r"P01, model a: lesions in folds 0 and 1"):
        evaluate_frame(folds, SETTINGS)
    nameless = table.assign(lesion_id=table["lesion_id"].astype(object).where(table.index != 3, ""))
    with pytest.raises(ScoresError, match="Row 4 of the DataFrame has no lesion_id"):
        evaluate_frame(nameless, SETTINGS)
    with pytest.raises(ScoresError, match="patient_id is empty"):
        evaluate_frame(table.assign(patient_id=""), SETTINGS)
