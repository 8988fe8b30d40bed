from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.report.pages.exports import (
    LATEX,
    PAGE_LINES,
    as_latex,
    as_word_html,
    latex_text,
    manuscript_tables,
    printable_line,
    write_tables,
)
from nephrograde.report.tables.manuscript import Line, Table
from nephrograde.report.tables.paper import paper_rows
from nephrograde.report.text.language import speaking
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL = Table("small", "One model.", ("Model", "AUC"), (Line(("a_1", "0.9")),), ("A note.",))
SIGNS = {sign: letter for letter, sign in LATEX.items() if letter != "\N{RIGHT SINGLE QUOTATION MARK}"}
TOKENS = re.compile("|".join(re.escape(sign) for sign in sorted(SIGNS, key=len, reverse=True)) + r"|\{\}|.", re.DOTALL)


def read_back(latex: str) -> str:
    """What LaTeX would print; a sign that it would take for a command is a mistake."""
    text = ""
    for token in TOKENS.findall(latex):
        if token in SIGNS:
            text += SIGNS[token]
        elif token != "{}":  # noqa: S105 (of LaTeX, not of a lock)
            assert token not in set("\\{}$&#_%~^")
            text += token
    return text


@given(st.text(st.sampled_from([*LATEX, *"aZ9 -',*[]()+=@\"!?透明é\x00\n"]).filter(lambda sign: sign != "’")))
def test_any_text_comes_back_from_latex(text: str) -> None:
    assert read_back(latex_text(text)) == printable_line(text)


@given(st.text())
def test_no_sign_melts_into_its_neighbour(text: str) -> None:
    assert not re.search(r"--|''|,,|`", latex_text(text))


class Cells(HTMLParser):
    """The cells of a table row by row, and whether every tag that opens is closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.attributes: set[str] = set()
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag == "br":
            self.rows[-1][-1] += "\n"
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"td", "th"}:
            self.rows[-1][-1] += data


@pytest.mark.slow
@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_any_cell_comes_back_from_the_page_for_word(rows: list[tuple[str, str]]) -> None:
    table = dataclasses.replace(SMALL, lines=tuple(Line(row) for row in rows))
    found = Cells(as_word_html(table))
    expected = [["\n".join(printable_line(part) for part in cell.split("\n")) for cell in row] for row in rows]
    assert found.rows == [list(SMALL.headings), *expected]
    assert found.attributes <= {"style", "lang", "charset"}


def test_a_cell_of_two_lines_is_two_rows_that_no_page_parts() -> None:
    table = dataclasses.replace(SMALL, lines=(Line(("m", "0.9\n[0.8]"), is_after_rule=True), Line(("[x]", "1"), True)))
    text = as_latex(table)
    assert "\\midrule\nm & 0.9 \\\\*\n & [0.8] \\\\\n" in text
    assert "\n\\quad {}[x] & 1 \\\\\n" in text
    assert text.startswith("% In the preamble: \\usepackage{booktabs}\n\\begin{table}")
    assert "\\caption{One model.}\\label{tab:small}" in text
    assert "\nA note.\\par\n" in text
    assert "ctex" not in text
    page = as_word_html(table)
    assert "border-top:0.75pt" in page
    assert "padding-left:14pt" in page


def test_a_long_table_is_broken_over_pages_with_its_headings() -> None:
    long = as_latex(dataclasses.replace(SMALL, lines=SMALL.lines * (PAGE_LINES + 1)))
    assert "\\usepackage{booktabs,longtable}" in long
    assert long.count("\\toprule") == 1
    assert long.index("\\endhead") < long.index("\\endlastfoot") < long.index("a\\_1")
    assert long.count("\\begingroup") == long.count("\\endgroup") == 1
    assert "longtable" not in as_latex(dataclasses.replace(SMALL, lines=SMALL.lines * PAGE_LINES))


def test_many_columns_are_set_smaller() -> None:
    wide = Table("wide", "", ("h",) * 9, (Line(("x",) * 9),), (), names=2)
    assert "\\scriptsize" in as_latex(wide)
    assert "{@{}llrrrrrrr@{}}" in as_latex(wide)
    assert "\\footnotesize\\set" in as_latex(SMALL)


def test_chinese_asks_for_its_package() -> None:
    text = as_latex(dataclasses.replace(SMALL, caption="透明细胞肾细胞癌"))
    assert "\\caption{透明细胞肾细胞癌}" in text
    assert "\\usepackage{ctex}" in text


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    return Results.read(whole_run)


def table_of(record: Results, name: str) -> Table:
    return next(table for table in manuscript_tables(record) if table.name == name)


def test_cells_are_those_of_the_report(record: Results) -> None:
    table = table_of(record, "results")
    rows = paper_rows(record.estimates, "test")
    assert [line.cells[0].removesuffix(" only") for line in table.lines] == [row.model for row in rows]
    for line, row in zip(table.lines, rows, strict=True):
        cells = (row.auc, row.accuracy, row.sensitivity, row.specificity)
        assert [text.replace("\n", " ") for text in line.cells[1:]] == [cell.text for cell in cells]
    assert table.notes[0] == f"Patients scored: {rows[0].n} ({rows[0].n_high} high grade)."
    assert "DeLong" in table.notes[1]
    assert [line.cells[0] for line in table.lines if line.is_after_rule] == ["size only"]


def test_every_table_of_a_run_is_written_and_marked(
    tmp_path: Path, write_evaluation: Callable[[Path, Scores], None], record: Results
) -> None:
    paths = write_tables(dataclasses.replace(record, folder=RunFolder(tmp_path)))
    names = ["results", "out_of_fold", "comparisons", "cohort"]
    assert [path.name for path in paths] == [f"{name}.{end}" for name in names for end in ("tex", "doc.html")]
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert "Synthetic data." in text
        if path.suffix == ".html":
            assert len({len(row) for row in Cells(text).rows}) == 1
        else:
            body = text[text.index("\\midrule") : text.index("\\end{tabular}" if "{tabular}" in text else "\\end{long")]
            ampersands = {line.replace("\\&", "").count("&") for line in body.splitlines() if "\\\\" in line}
            assert len(ampersands) == 1
    assert paths[0].parent == tmp_path / "report" / "tables"


def test_chinese_tables_have_names_of_their_own(tmp_path: Path, record: Results) -> None:
    with speaking("zh"):
        paths = write_tables(dataclasses.replace(record, folder=RunFolder(tmp_path)))
    assert paths[0].name == "results.zh.tex"
    assert paths[1].name == "results.zh.doc.html"
    text = paths[0].read_text(encoding="utf-8")
    assert "\\caption{合成数据。各模型在测试集上的结果。}" in text
    assert "灵敏度" in text
    assert 'lang="zh-Hans"' in paths[1].read_text(encoding="utf-8")


def test_models_scored_on_other_patients_are_counted_by_name(foreign_run: Path) -> None:
    record = Results.read(foreign_run)
    model = record.estimates[0][0]
    fewer = tuple(
        (name, part, dataclasses.replace(made, n=20, n_high=9) if name == model else made)
        for name, part, made in record.estimates
    )
    table = table_of(dataclasses.replace(record, estimates=fewer), "results")
    assert table.notes[0] == f"Patients scored: {model}: 20 (9 high grade); 模型 B: 24 (12 high grade)."
    assert not table.caption.startswith("Synthetic")
    assert {table.name for table in manuscript_tables(record)} == {"results", "comparisons"}


def test_out_of_fold_scores_alone_are_named_as_such(
    tmp_path: Path, write_evaluation: Callable[[Path, Scores], None]
) -> None:
    rows = tuple(
        Score(f"P{k}", model, "oof", k % 2, k % 3 == 0, ((7 * k + shift) % 20) / 20 if k % 3 else 1.0)
        for model, shift in (("a", 0), ("b", 3))
        for k in range(20)
    )
    write_evaluation(tmp_path, Scores(rows))
    record = Results.read(tmp_path)
    tables = {table.name: table for table in manuscript_tables(record)}
    assert tables["results"].caption == "Results of each model out of fold, on the training patients."
    assert "optimistic" in " ".join(tables["results"].notes)
    assert tables["comparisons"].caption == "Paired comparisons of the models out of fold."
    assert {line.is_after_rule for line in tables["results"].lines} == {False}
    assert manuscript_tables(dataclasses.replace(record, estimates=(), comparisons=())) == []
