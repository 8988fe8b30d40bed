"""A page that rests on out-of-fold scores alone says what that means, and where it matters."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import pytest

from nephrograde.evaluation.scores.scores import Scores
from nephrograde.report.pages.exports import write_tables
from nephrograde.report.pages.study_page import write_report
from nephrograde.report.tables.out_of_fold import out_of_fold_words
from nephrograde.report.tables.wording import summary
from nephrograde.report.text.language import speaking
from nephrograde.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.report.text.language import Language


@pytest.fixture(scope="module")
def run_dir(
    make_run: Callable[..., Path],
    make_study: Callable[..., object],
    write_evaluation: Callable[[Path, Scores], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    made = make_run(tmp_path_factory.mktemp("oof") / "run", make_study())
    rows = tuple(row for row in Results.read(made).scores.rows if row.split == "oof" and "np" not in row.model)
    write_evaluation(made, Scores(rows))
    return made


def section(page: str, name: str) -> str:
    found = re.search(rf"<section id=\"{name}\"[^>]*>.*?</section>", page, re.DOTALL)
    assert found is not None, name
    return found[0]


@pytest.fixture(scope="module")
def english_page(run_dir: Path) -> str:
    return write_report(run_dir).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_page_says_it_on_its_first_line_and_at_every_table(
    run_dir: Path, english_page: str, language: Language
) -> None:
    page = english_page if language == "en" else write_report(run_dir, language).read_text(encoding="utf-8")
    with speaking(language):
        words = out_of_fold_words(Results.read(run_dir))
    first = re.search(r'<p class="lead">(.*?)</p>', page)
    assert first is not None
    assert first[1] == words.lead
    assert words.table in section(page, "results")
    for name in ("opinions", "confusion", "thresholds"):
        assert words.calls in section(page, name), name
    for name in ("comparisons", "evidence-images", "slices", "equivalence"):
        assert words.tests in section(page, name), name
    assert words.mcnemar in section(page, "comparisons")
    assert words.curves in section(page, "roc")


def test_pooled_auc_stands_beside_the_mean_of_the_folds(run_dir: Path, english_page: str) -> None:
    opinions = section(english_page, "opinions")
    results = Results.read(run_dir)
    for model in results.models:
        for measure in ("auc", "auc_pooled"):
            found = results.estimate(model.name, measure)
            assert found is not None
            assert f"{found.value:.3f}" in opinions


def test_tables_for_manuscripts_say_it(run_dir: Path) -> None:
    run = Results.read(run_dir)
    write_tables(run)
    words = out_of_fold_words(run)
    text = (run.folder.report.tables_dir / "comparisons.doc.html").read_text(encoding="utf-8")
    assert words.tests in text
    assert words.mcnemar in text


def test_page_with_a_test_set_says_none_of_it(whole_run: Path) -> None:
    run = Results.read(whole_run)
    words = out_of_fold_words(run)
    assert set(asdict(words).values()) == {""}
    assert "out-of-fold" not in summary(run)[0]


@pytest.mark.slow
def test_without_folds_the_page_says_that_the_auc_is_pooled(
    run_dir: Path, write_evaluation: Callable[[Path, Scores], None], tmp_path: Path
) -> None:
    rows = tuple(replace(row, fold=None) for row in Results.read(run_dir).scores.rows)
    write_evaluation(tmp_path / "theirs", Scores(rows))
    words = out_of_fold_words(Results.read(tmp_path / "theirs"))
    assert words.auc != out_of_fold_words(Results.read(run_dir)).auc
    assert words.curves == ""
