"""What the first lines of a page of a score table say of pairs that are exploratory, small or without variance."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nephrograde.evaluation.evaluation import evaluate_scores, write_statistics
from nephrograde.evaluation.scores.score_table import write_scores
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.report.pages.study_page import write_report
from nephrograde.report.tables.answer import Doubt, answer_sentences, find_answer, main_rows
from nephrograde.report.tables.evidence import evidence_sections
from nephrograde.report.tables.paper import pair_table, paper_rows
from nephrograde.report.tables.primary import primary_sentence
from nephrograde.report.tables.wording import summary
from nephrograde.report.text.language import speaking
from nephrograde.report.text.numbers import NOTHING, decimal, p_sentence
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import write_lock
from nephrograde.run.seal import renew_seal
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PATIENTS = 90
HIGH = np.arange(PATIENTS) % 5 < 2


def drawn(gain: float, seed: int) -> list[float]:
    noise = np.random.default_rng(seed).normal(0, 0.2, PATIENTS)
    return [float(p) for p in np.clip(0.5 + gain * (HIGH - 0.5) + noise, 0.01, 0.99)]


def run_of(
    run_dir: Path, models: Mapping[str, list[float]], *, few: Mapping[str, int] | None = None, **settings: Any
) -> Results:
    """An evaluated score table; models in ``few`` have scored only so many patients."""
    rows = [
        Score(f"P{k:02d}", model, "test", None, bool(HIGH[k]), p)
        for model, scores in models.items()
        for k, p in enumerate(scores[: (few or {}).get(model, PATIENTS)])
    ]
    scores, given = Scores(tuple(rows)), EvaluateSettings.model_validate({"bootstraps": 100, **settings})
    run = RunFolder(run_dir)
    write_lock(given, run, inputs={"score table": "ab" * 32}, command="")
    write_scores(scores, run.scores_path)
    write_statistics(evaluate_scores(scores, given), run)
    renew_seal(run, ())
    return Results.read(run_dir)


def with_pair(run: Results, a: str, b: str, **changes: Any) -> Results:
    pairs = tuple(
        dataclasses.replace(pair, **changes) if (pair.model_a, pair.model_b, pair.measure) == (a, b, "auc") else pair
        for pair in run.comparisons
    )
    return dataclasses.replace(run, comparisons=pairs)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Results:
    models = {"ours": drawn(0.32, 1), "theirs": drawn(0.2, 2), "size": drawn(0.1, 3)}
    return run_of(tmp_path_factory.mktemp("table") / "run", models)


def test_a_pair_that_was_not_named_is_exploratory_and_judged_by_the_adjusted_p(table: Results) -> None:
    pair = table.auc_difference("ours", "size")
    assert pair is not None
    found = {"difference": 0.1, "low": 0.007, "high": 0.2, "p_value": 0.04}
    said = answer_sentences(with_pair(table, "ours", "size", **found, p_adjusted=0.07))[-1]
    assert p_sentence(0.04) in said
    assert p_sentence(0.07) in said
    assert "exploratory" in said
    assert "is better" in said.replace("do not show that ours is better", "") or "do not show" in said
    assert "do not show that ours is better" in said
    said = answer_sentences(with_pair(table, "ours", "size", **found, p_adjusted=0.045))[-1]
    assert "exploratory, ours is better" in said
    worse = {"difference": -0.1, "low": -0.2, "high": -0.007, "p_value": 0.001, "p_adjusted": 0.002}
    assert "exploratory, ours is worse" in answer_sentences(with_pair(table, "ours", "size", **worse))[-1]
    with speaking("zh"):
        assert "探索性" in answer_sentences(with_pair(table, "ours", "size", **worse))[-1]


@pytest.mark.slow
def test_a_difference_on_fewer_patients_has_their_number(tmp_path: Path) -> None:
    models = {"ours": drawn(0.32, 1), "theirs": drawn(0.2, 2)}
    run = run_of(tmp_path / "run", models, few={"theirs": 80}, primary=("ours", "theirs"))
    pair = run.auc_difference("ours", "theirs")
    answer = find_answer(run)
    assert pair is not None
    assert answer is not None
    assert (answer.n, answer.n_compared, answer.n_high_compared) == (90, 80, 32)
    said = answer_sentences(run)[-1]
    assert "on the 80 patients that both models scored (32 high grade)" in said
    assert "exploratory" not in said
    assert "10 of ours" in primary_sentence(run)
    with speaking("zh"):
        assert "80例患者" in answer_sentences(run)[-1]
    page = write_report(run.run_dir).read_text(encoding="utf-8")
    assert "The models were not all scored on the same number of patients." in page
    assert "usable scan" not in page


def test_a_pair_of_few_common_patients_has_no_verdict(tmp_path: Path) -> None:
    models = {"ours": drawn(0.6, 1), "theirs": drawn(0.1, 2)}
    run = run_of(tmp_path / "run", models, few={"theirs": 50}, primary=("ours", "theirs"))
    answer = find_answer(run)
    assert answer is not None
    assert Doubt.FEW_PATIENTS not in answer.doubts
    assert answer_sentences(run)[-1].endswith("too few patients for a verdict.")


@pytest.mark.parametrize(("scores", "auc"), [([0.9 if high else 0.1 for high in HIGH], 1.0), ([0.5] * PATIENTS, 0.5)])
def test_models_without_variance_have_no_interval_no_p_and_no_optimism(
    tmp_path: Path, scores: list[float], auc: float
) -> None:
    run = run_of(tmp_path / "run", dict.fromkeys(("ours", "theirs", "size"), scores), primary=("ours", "size"))
    unnamed = dataclasses.replace(run, lock={**run.lock, "evaluate": {}})
    answer = find_answer(unnamed)
    assert answer is not None
    assert (answer.auc.value, answer.doubts) == (auc, ())
    for language in ("en", "zh"):
        with speaking(language):
            said = " ".join([*answer_sentences(unnamed), primary_sentence(run), *summary(unnamed)])
            assert not re.search(r"0\.000|P [>=]|optimistic|乐观", said), said
    assert [row.p_size for row in main_rows(run, paper_rows(run.estimates, "test"))] == [NOTHING] * 3
    cells = [row.cells[0] for row in pair_table(run).rows]
    gain = evidence_sections(run).gain
    assert gain is not None
    cells += [cell for row in gain.rows for cell in row.cells]
    assert {(cell.difference, cell.bounds, cell.p) for cell in cells} == {(decimal(0.0), "", NOTHING)}
    assert gain.remarks


def test_baselines_are_named_as_in_the_tables(table: Results) -> None:
    with speaking("zh"):
        text = " ".join([*answer_sentences(table), *summary(table)])
        assert "肿瘤大小" in text
        assert "size" not in text
