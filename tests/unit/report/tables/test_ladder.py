"""The ladder of supervision on the page, in figures, in the methods and in the terminal."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.ladders import ALL_ARMS, ARMS, Size, build_ladder_run, build_ladder_study

import nephrograde as ng
from nephrograde.errors import RunError
from nephrograde.evaluation.ladder.minutes import MinutesSource
from nephrograde.evaluation.remarks import Verdict
from nephrograde.report.figures.ladder import draw_ladder, draw_ladder_curves, spread_apart
from nephrograde.report.methods.citations import cited_keys
from nephrograde.report.methods.statistical_methods import ladder as ladder_methods
from nephrograde.report.pages.study_page import write_report
from nephrograde.report.tables.ladder import ladder, minutes_sources, out_of_fold_rungs
from nephrograde.report.text.language import speaking
from nephrograde.results import Results
from nephrograde.terminal import print_ladder
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nephrograde.evaluation.ladder.ladder import LadderRow
    from nephrograde.report.text.language import Language


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_ladder_run(tmp_path_factory.mktemp("ladder") / "run", build_ladder_study())


@pytest.fixture(scope="module")
def run(run_dir: Path) -> Results:
    return Results.read(run_dir)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A run whose arms are of one level."""
    study = build_ladder_study(ARMS[:2], split={"folds": 5})
    return Results.read(build_ladder_run(tmp_path_factory.mktemp("plain") / "run", study, Size(80, 40)))


def judged(run: Results, verdicts: Mapping[tuple[str, str], Verdict | None], **changes: Any) -> Results:
    """The run with other verdicts, by model and split."""

    def change(row: LadderRow) -> LadderRow:
        verdict = verdicts.get((row.model, row.split), row.verdict)
        return dataclasses.replace(row, verdict=verdict, **changes)

    return dataclasses.replace(run, ladder=tuple(map(change, run.ladder)))


class TestSentences:
    def test_the_least_annotation_that_is_enough_is_named(self, run: Results) -> None:
        enough = {("click-3-cmp", "oof"): Verdict.NOT_WORSE, ("boxed-cmp", "oof"): Verdict.NOT_WORSE}
        found = ladder(judged(run, {**enough, ("click-3-cmp", "test"): Verdict.UNDECIDED}))
        assert found is not None
        sentence = found.sentences[0]
        assert "point (click-3; 0.29 min per patient) is the least annotation shown to be enough" in sentence
        assert sentence.endswith("undecided.")

    def test_none_is_enough(self, run: Results) -> None:
        undecided = {(row.model, row.split): Verdict.UNDECIDED for row in run.ladder if row.verdict}
        found = ladder(judged(run, undecided))
        assert found is not None
        assert all("no cheaper annotation is shown to be enough" in text for text in found.sentences)
        assert all(text.endswith("more patients may show either.") for text in found.sentences)
        worse = ladder(judged(run, dict.fromkeys(undecided, Verdict.WORSE)))
        assert worse is not None
        assert all(text.endswith("All of them are shown to lose more.") for text in worse.sentences)
        one = ladder(judged(run, {**undecided, ("click-1-cmp", "oof"): Verdict.WORSE}))
        assert one is not None
        assert "Shown to lose more: point (click-1)." in one.sentences[0]

    def test_too_few_patients_give_no_answer(self, run: Results) -> None:
        few = {(row.model, row.split): Verdict.TOO_FEW for row in run.ladder if row.verdict}
        found = ladder(judged(run, few))
        assert found is not None
        assert all("too few patients" in text for text in found.sentences)

    def test_what_is_not_shown_depends_on_the_run(self, run: Results) -> None:
        found = ladder(run)
        assert found is not None
        assert "networks differ" in found.limits
        assert "not all minutes were measured" in found.limits
        measured = ladder(judged(run, {}, minutes_source=MinutesSource.MEASURED, minutes_n=40, slices=1, dimensions=2))
        assert measured is not None
        assert "networks differ" not in measured.limits
        assert "measured" not in measured.limits

    def test_sources_of_minutes_name_their_levels(self, run: Results) -> None:
        assert re.search(r"point and box: published for photographs.*mask: published", minutes_sources(run.ladder))
        measured = judged(run, {}, minutes_source=MinutesSource.MEASURED, minutes_n=40)
        assert "point, box and mask: measured" in minutes_sources(measured.ladder)
        assert "40 patients" in minutes_sources(measured.ladder)


class TestRows:
    def test_rungs_rise_within_a_phase(self, run: Results) -> None:
        rungs = out_of_fold_rungs(run)
        assert [row.phase for row in rungs] == ["cmp"] * 4 + ["np"] * 4
        assert [row.arm for row in rungs[:4]] == ["click-1", "click-3", "boxed", "drawn"]

    def test_the_numbers_are_those_of_the_file(self, run: Results) -> None:
        found = ladder(run)
        assert found is not None
        shown = {(row.phase, row.arm): row for _, rows in found.rows for row in rows}
        for row in out_of_fold_rungs(run):
            heading = {"cmp": "Corticomedullary", "np": "Nephrographic"}[row.phase]
            cell = shown[heading, row.arm]
            assert (cell.auc.value, cell.auc.low, cell.auc.high) == (row.auc, row.low, row.high)
            assert cell.is_reference == (row.arm == "drawn")
        assert found.has_test
        assert found.shares == ("25%", "50%", "75%", "100%")
        assert [len(rows) for _, rows in found.points] == [4, 4]

    def test_a_run_of_one_level_has_no_ladder(self, plain: Results) -> None:
        assert ladder(plain) is None
        assert ladder_methods(plain) == ""

    @pytest.mark.slow
    def test_networks_of_all_levels_are_named(self, tmp_path: Path) -> None:
        arms = [{**arm, "network": "frozen:mine"} if arm["name"] == "whole" else arm for arm in ALL_ARMS]
        study = build_ladder_study(arms, split={"folds": 5})
        found = ladder(Results.read(build_ladder_run(tmp_path / "run", study, Size(80, 40))))
        assert found is not None
        rows = {row.arm: row for row in found.rows[0][1]}
        assert list(rows) == [arm["name"] for arm in ALL_ARMS]
        assert [row.network for row in rows.values()][:4] == [
            "ResNet-18, 2D, 3 per kidney",
            "frozen mine, 2D, one slice",
            "ResNet-18, 2D, one slice",
            "ResNet-18, 2.5D, one slice",
        ]
        assert rows["kidneys"].minutes == "0"
        assert {rows[arm].minutes for arm in ("boxed", "boxed-1", "boxed-3")} == {"0.83"}


class TestFigures:
    def test_points_behind_the_figures_are_the_rows(self, run: Results) -> None:
        drawn, curves = draw_ladder(run), draw_ladder_curves(run)
        assert drawn is not None
        assert curves is not None
        assert len(drawn.data) == 8
        assert len(curves.data) == len(run.ladder_curves) == 32
        assert drawn.figure is not None
        assert len(drawn.figure.axes) == 2

    def test_nothing_is_drawn_without_a_ladder(self, plain: Results) -> None:
        assert draw_ladder(plain) is None
        assert draw_ladder_curves(plain) is None

    def test_zero_minutes_have_a_place(self, run: Results) -> None:
        assert draw_ladder(judged(run, {}, minutes=0.0)) is not None

    @pytest.mark.parametrize("places", [[0.0], [0.0, 0.0, 0.0], [0.0, 0.3, 0.31, 0.32, 2.0], [1.0, 1.0, 1.05, 1.4]])
    def test_neighbours_are_moved_apart_and_stay_in_order(self, places: list[float]) -> None:
        moved = spread_apart(places, 0.1)
        assert (np.diff(moved) >= 0.1 - 1e-12).all()
        assert moved.mean() == pytest.approx(np.mean(places))


class TestPage:
    @pytest.mark.slow
    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_the_ladder_leads_the_page(self, run_dir: Path, language: Language) -> None:
        page = write_report(run_dir, language).read_text(encoding="utf-8")
        assert page.index('id="summary"') < page.index('id="ladder"') < page.index('id="results"')
        assert page.index('id="figure-ladder"') == page.index('id="figure-')
        assert 'id="figure-ladder-curves"' in page
        assert (run_dir / "report" / "figures" / "ladder.csv").is_file()
        with speaking(language):
            found = ladder(Results.read(run_dir))
        assert found is not None
        for text in (*found.sentences, found.limits):
            assert text in page

    @pytest.mark.slow
    def test_a_run_of_one_level_keeps_its_page(self, plain: Results) -> None:
        page = write_report(plain.run_dir).read_text(encoding="utf-8")
        assert 'id="ladder' not in page
        assert not (plain.run_dir / "report" / "figures" / "ladder.svg").exists()

    def test_methods_name_levels_margin_and_minutes(self, run: Results) -> None:
        text = ladder_methods(run)
        assert "3 levels of supervision (point, box and mask)" in text
        assert "margin of 0.05" in text
        assert "Minutes per patient" in text


def test_published_minutes_are_cited_where_they_are_used(run: Results, plain: Results) -> None:
    times = {"bearman2016", "papadopoulos2017", "cuaj9476"}
    assert times <= set(cited_keys(run))
    measured = judged(run, {}, minutes_source=MinutesSource.MEASURED, minutes_n=40)
    assert not times & set(cited_keys(measured))
    assert not times & set(cited_keys(plain))


def test_the_terminal_prints_the_ladder(run: Results, plain: Results, capsys: pytest.CaptureFixture[str]) -> None:
    print_ladder(plain.folder)
    assert capsys.readouterr().out == ""
    print_ladder(run.folder)
    out = capsys.readouterr().out
    assert "point (click-1)" in out
    assert "Minutes per patient" in out


@pytest.mark.slow
def test_the_api_gives_rows_and_figures(run_dir: Path, plain: Results) -> None:
    opened = ng.open_run(run_dir)
    assert {row.supervision for row in opened.ladder} == {Supervision.POINT, Supervision.BOX, Supervision.MASK}
    assert len(opened.figure("ladder").axes) == 2
    assert len(opened.figure("ladder-curves").axes) == 2
    with pytest.raises(RunError):
        ng.open_run(plain.run_dir).figure("ladder")
