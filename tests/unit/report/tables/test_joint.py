"""The tables of phases, clinical values and the stack of all models: on the page, in LaTeX and for Word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nephrograde.report.pages.exports import as_latex, as_word_html, manuscript_tables
from nephrograde.report.tables.joint import phase_table, stack_table
from nephrograde.report.text.language import speaking
from nephrograde.results import Results

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def run(further_run: Path) -> Results:
    return Results.read(further_run)


def test_every_row_of_the_phases_is_a_line_with_its_numbers(run: Results) -> None:
    table = phase_table(run)
    assert table is not None
    assert len(dict(table.blocks)) == 2
    for _, lines in table.blocks:
        assert [line.is_first for line in lines] == [True, True, False, True, False]
        assert {(line.n, line.auc.value) for line in lines} == {("90 (41)", 0.812)}
        assert [line.over_phase.bounds == "" for line in lines] == [False, True, True, False, False]
        assert [line.over_clinical.bounds == "" for line in lines] == [True, False, False, False, False]
        beyond = lines[3].over_phase
        assert (beyond.difference, beyond.bounds, beyond.p_adjusted) == ("0.030", "[−0.021 to 0.081]", "0.04")
        assert "age_years" in lines[3].detail


def test_the_stack_is_the_last_line_after_groups_of_its_parts(run: Results) -> None:
    table = stack_table(run)
    assert table is not None
    assert [line.is_first for line in table.lines] == [False, False, False, True, True, True]
    assert [line.is_stack for line in table.lines] == [False] * 5 + [True]
    assert ["94" in heading for heading in table.splits] == [True, False]
    reference, *others = [line.cells[0][1] for line in table.lines]
    assert (reference.bounds, {cell.difference for cell in others}) == ("", {"0.030"})


def test_both_tables_are_on_the_page_in_both_languages(further_pages: dict[str, str], whole_page: str) -> None:
    for page in further_pages.values():
        assert page.count('<section id="phases" class="part">') == 1
        assert page.count('<section id="stack" class="part">') == 1
        assert "weak-1-cmp+np" in page
    assert '<section id="stack"' not in whole_page


@pytest.mark.parametrize("language", ["en", "zh"])
def test_both_tables_can_go_into_a_manuscript(run: Results, language: str) -> None:
    with speaking(language):  # type: ignore[arg-type]
        tables = {table.name: table for table in manuscript_tables(run)}
        for name, lines in (("phases", 12), ("stack", 6)):
            table = tables[name]
            assert len(table.lines) == lines
            assert {len(line.cells) for line in table.lines} == {len(table.headings)}
            assert "0.030" in as_latex(table)
            assert "0.030" in as_word_html(table)


def test_a_run_without_them_has_no_such_tables(whole_run: Path) -> None:
    run = Results.read(whole_run)
    assert phase_table(run) is None
    assert stack_table(run) is None
    assert not {"phases", "stack"} & {table.name for table in manuscript_tables(run)}
