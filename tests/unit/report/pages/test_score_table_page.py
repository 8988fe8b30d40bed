"""The page of a score table of any program: it speaks of models, not of networks and images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nephrograde.evaluation.evaluation import evaluate_scores, write_statistics
from nephrograde.evaluation.scores.score_table import write_scores
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.evaluation.stage import evaluate_score_table
from nephrograde.files import sha256_of
from nephrograde.report.pages.study_page import write_report
from nephrograde.report.tables.evidence import evidence_sections
from nephrograde.report.tables.primary import family_sentence
from nephrograde.report.text.language import speaking
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import write_lock
from nephrograde.run.seal import renew_seal
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.evaluation.scores.scores import SplitName

PATIENTS = 80


def evaluated(run_dir: Path, *splits: SplitName) -> Results:
    """Three models of which nothing is known, in subgroups by centre; out-of-fold rows have no folds."""
    stream = np.random.default_rng(11)
    high = [k % 5 < 2 for k in range(PATIENTS)]
    rows = [
        Score(f"{split}{k:02d}", model, split, None, high[k], min(1.0, max(0.0, 0.5 + gain * (high[k] - 0.5) + noise)))
        for split in splits
        for model, gain in (("ours", 0.3), ("theirs", 0.2), ("size", 0.1))
        for k, noise in enumerate(stream.normal(0, 0.2, PATIENTS))
    ]
    scores, settings = Scores(tuple(rows)), EvaluateSettings(bootstraps=100)
    run = RunFolder(run_dir)
    groups = {"centre": {row.patient_id: "AB"[k % 2] for k, row in enumerate(rows)}}
    write_lock(settings, run, inputs={"score table": "ab" * 32}, command="")
    write_scores(scores, run.scores_path)
    write_statistics(evaluate_scores(scores, settings, groups), run)
    renew_seal(run, ())
    return Results.read(run_dir)


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return evaluated(tmp_path_factory.mktemp("tested") / "run", "test")


@pytest.fixture(scope="module")
def out_of_fold(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return evaluated(tmp_path_factory.mktemp("oof") / "run", "oof")


def body(run: Results, language: str) -> str:
    """The text of the page before the checklists, whose items have the words of the published lists."""
    page = write_report(run.run_dir, language).read_text(encoding="utf-8")  # type: ignore[arg-type]
    page = page[page.index("<body>") : page.index('id="checklists"')]
    return re.sub(r"<[^>]*>", "", re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))


@pytest.mark.slow
def test_without_out_of_fold_rows_no_model_is_called_chosen(tested: Results) -> None:
    text = body(tested, "en")
    assert not re.search(r"network|What the images add|gains nothing|“chosen”|Shown: ", text, re.IGNORECASE)
    assert "Models against baselines" in text
    assert "P for interaction" in text
    assert not re.search("网络|影像的增量|“入选”|正文列出", body(tested, "zh"))
    assert "a model and a baseline" in family_sentence(tested)


@pytest.mark.slow
def test_a_model_that_was_chosen_is_called_a_model(out_of_fold: Results) -> None:
    text = body(out_of_fold, "en")
    assert "“chosen” marks the model with" in text
    assert "Shown: the model with" in text
    gain = evidence_sections(out_of_fold).gain
    assert gain is not None
    for language in ("en", "zh"):
        with speaking(language):
            gain = evidence_sections(out_of_fold).gain
            assert gain is not None
            assert "ours" in gain.sentence
            assert not re.search("network|images|网络|影像", gain.sentence)


@pytest.mark.slow
def test_a_note_of_all_models_is_one_line_in_every_table(out_of_fold: Results) -> None:
    assert body(out_of_fold, "en").count("pooled, because folds are not known") <= 3
    assert "theirs: pooled" not in body(out_of_fold, "en")
    text = body(out_of_fold, "en")
    assert "network" not in text
    assert "网络" not in body(out_of_fold, "zh")


def test_ledger_and_provenance_have_the_digest_of_the_table(tmp_path: Path) -> None:
    table = tmp_path / "scores.csv"
    lines = [f"P{k:02d},ours,test,,{k % 2},{0.3 + 0.4 * (k % 2) + 0.01 * (k % 7)}" for k in range(40)]
    table.write_text("\n".join(["patient_id,model,split,fold,is_high,p_high", *lines]) + "\n", encoding="utf-8")
    run = RunFolder(tmp_path / "run")
    evaluate_score_table(table, run, settings=EvaluateSettings(bootstraps=100))
    digest = sha256_of(table)
    results = Results.read(run)
    assert [opening.study for opening in results.openings] == [digest]
    page = write_report(run.run_dir).read_text(encoding="utf-8")
    assert page[page.index('id="ledger"') :].count(digest[:12]) >= 2
