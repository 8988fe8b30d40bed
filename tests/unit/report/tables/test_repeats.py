"""What the page, the methods paragraph and a plan say about repeats."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from tests.unit.report.further import MODELS, repeated_rows, store_repeats

import nephrograde as ng
from nephrograde.errors import InputError, RunError
from nephrograde.evaluation.comparison.repeats import RepeatedAuc
from nephrograde.evaluation.tables import read_table, write_table
from nephrograde.report.figures.curves import draw_evidence_figures
from nephrograde.report.methods.citations import cited_keys
from nephrograde.report.methods.statistical_methods import repeats
from nephrograde.report.pages.study_page import write_report
from nephrograde.report.tables.repeats import SpreadCell, repeat_sections
from nephrograde.report.text.numbers import NOTHING
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.report.text.language import Language


@pytest.fixture
def repeated_dir(further_run: Path) -> Path:
    return further_run


@pytest.fixture
def repeated(repeated_dir: Path) -> Results:
    return Results.read(repeated_dir)


def test_a_run_without_repeats_says_nothing_of_them(whole_run: Path) -> None:
    run = Results.read(whole_run)
    sections = repeat_sections(run)
    assert (sections.variations, sections.procedures, sections.curve) == ((), None, None)
    assert repeats(run) == ""
    assert "patients" not in draw_evidence_figures(run)
    assert not {"nadeau2003", "figueroa2012"} & set(cited_keys(run))


def test_the_variation_of_each_model(repeated: Results) -> None:
    test, oof = repeat_sections(repeated).variations
    assert (test.split, test.drawings, test.seeds, oof.split) == ("test", 2, 3, "oof")
    rows = {row.model: row for row in test.rows}
    assert list(rows) == ["weak-1-cmp", "strong-cmp", "size"]
    assert rows["weak-1-cmp"].first == "0.900"
    assert rows["weak-1-cmp"].over_folds == SpreadCell("0.875", "SD 0.035; 0.850 to 0.900")
    assert rows["weak-1-cmp"].over_seeds == SpreadCell("0.910", "SD 0.010; 0.900 to 0.920")
    assert rows["size"].over_seeds == SpreadCell(NOTHING, "")  # a baseline has no seed


def test_pairs_that_the_study_asks_about_come_first(repeated: Results) -> None:
    found = repeat_sections(repeated).procedures
    assert found is not None
    assert [(row.model_a, row.model_b, row.folds) for row in found.asked] == [("weak-1-cmp", "strong-cmp", 6)]
    assert {(row.model_a, row.model_b) for row in found.others} == {("weak-1-cmp", "size"), ("strong-cmp", "size")}


def test_the_learning_curve_as_a_table_and_a_figure(repeated: Results) -> None:
    curve = repeat_sections(repeated).curve
    assert curve is not None
    assert curve.headings == ("25% (n = 7)", "50% (n = 14)", "100% (n = 28)")
    weak = curve.rows[0]
    assert (weak.model, len(weak.cells)) == ("weak-1-cmp", 3)
    assert weak.farther.low <= weak.farther.value <= weak.farther.high
    drawing = draw_evidence_figures(repeated)["patients"]
    assert {row["model"] for row in drawing.data} == set(MODELS)
    assert [row["n_learn"] for row in drawing.data if row["model"] == "size"] == [7.0, 14.0, 28.0]


def test_the_methods_and_the_citations_name_what_was_repeated(repeated: Results) -> None:
    text = repeats(repeated)
    assert "2 drawings of the folds" in text
    assert "3 seeds" in text
    assert "25% and 50%" in text
    assert {"nadeau2003", "figueroa2012"} <= set(cited_keys(repeated))


@pytest.mark.parametrize(("language", "words"), [("en", "How much the results vary"), ("zh", "结果的变异程度")])
def test_the_page_has_both_sections(further_pages: dict[str, str], language: Language, words: str) -> None:
    html = further_pages[language]
    for anchor in ("repeats", "more-patients", "figure-patients"):
        assert html.count(f'id="{anchor}"') == 1
    assert words in html


def test_a_plan_with_the_learning_curve_of_a_run(repeated_dir: Path) -> None:
    made = ng.plan(run=repeated_dir, model="weak-1-cmp")
    assert made.learning is not None
    assert made.settings.auc == pytest.approx(made.learning.points[-1].mean, abs=5e-4)
    truths = Results.read(repeated_dir).truths.values()
    assert made.settings.high == pytest.approx(sum(truths) / len(truths), abs=5e-4)
    text = str(made)
    assert text.startswith("Training set. In the run, weak-1-cmp had an out-of-fold AUC of ")
    assert "when it learnt from 7, 14 and 28 patients" in text
    assert "means over 2 drawings" in text
    assert "with 56 patients" in text
    assert "训练集" in made.text("zh")
    assert made.as_dict()["learning_curve"]["model"] == "weak-1-cmp"


@pytest.mark.slow
def test_a_wanted_auc_in_and_out_of_reach(repeated_dir: Path) -> None:
    curve = ng.plan(run=repeated_dir, model="weak-1-cmp").learning
    assert curve is not None
    within = round((curve.points[-1].mean + curve.farther) / 2, 3)
    needed = curve.patients_for(within)
    assert needed is not None
    assert 28 < needed < 56
    assert f"needs {needed} patients to learn from" in str(ng.plan(run=repeated_dir, model="weak-1-cmp", auc=within))
    assert "is not reached" in str(ng.plan(run=repeated_dir, model="weak-1-cmp", auc=0.99))


def test_two_sizes_say_nothing_about_more_patients(
    make_run: Callable[..., Path], make_study: Callable[..., ng.Study], tmp_path: Path
) -> None:
    rows = [row for row in repeated_rows() if row.share != 0.25]
    run_dir = store_repeats(make_run(tmp_path / "run", make_study()), rows)
    assert "With fewer than three sizes, nothing is said" in str(ng.plan(run=run_dir))


def test_what_a_plan_needs(whole_run: Path, repeated_dir: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)plan\.auc.*plan\.high"):
        ng.plan()
    with pytest.raises(RunError, match=r"has no learning curve\. Add `learning_curve"):
        ng.plan(run=whole_run)
    with pytest.raises(RunError, match=r"no learning curve of weak-9\. It has: weak-1-cmp"):
        ng.plan(run=repeated_dir, model="weak-9")


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    rows = [dataclasses.replace(row, auc=1.5) for row in repeated_rows()]
    write_table(rows, RepeatedAuc, run.repeats_path)
    with pytest.raises(RunError, match=r"repeats\.csv is damaged \(auc is 1\.5"):
        read_table(RepeatedAuc, run.repeats_path)


@pytest.mark.slow
def test_one_share_makes_a_curve_without_a_law(
    make_run: Callable[..., Path], make_study: Callable[..., ng.Study], tmp_path: Path
) -> None:
    rows = [row for row in repeated_rows() if row.share != 0.25]
    run_dir = store_repeats(make_run(tmp_path / "run", make_study()), rows)
    run = Results.read(run_dir)
    curve = repeat_sections(run).curve
    assert curve is not None
    assert not curve.has_law
    assert "50% of the training patients" in repeats(run)
    assert "law" not in repeats(run)
    assert "figueroa2012" not in cited_keys(run)
    page = write_report(run_dir).read_text(encoding="utf-8")
    section = page[page.index('id="more-patients"') :].partition("</section>")[0]
    assert "50% (n = 14)" in section
    for word in ("power law", "Lines:", "Twice as many"):
        assert word not in section
    assert "幂律" not in write_report(run_dir, "zh").read_text(encoding="utf-8").partition('id="checklists"')[0]
