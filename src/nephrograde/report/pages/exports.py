"""Tables for a manuscript: LaTeX with booktabs, and HTML that keeps its formatting when pasted into Word.

Both are written from the same table of texts, with the cells of the report. A cell may have two lines, the value above
its interval, as in journals.
"""

from __future__ import annotations

import html
import re
from itertools import zip_longest
from typing import TYPE_CHECKING

from nephrograde.replacement import replaced
from nephrograde.report.figures.svg import printable
from nephrograde.report.tables.joint_manuscript import phases_manuscript, stack_manuscript
from nephrograde.report.tables.manuscript import Line, Table, marked, stacked
from nephrograde.report.tables.out_of_fold import is_by_fold, out_of_fold_words
from nephrograde.report.tables.paper import MEASURES, measure_in_words, pair_table, study_rows
from nephrograde.report.tables.patients import cohort_table
from nephrograde.report.tables.primary import family_sentence, primary_sentence
from nephrograde.report.tables.tuning import tuning_manuscript
from nephrograde.report.tables.wording import level_words
from nephrograde.report.text.baselines import only_baseline
from nephrograde.report.text.language import HTML_LANGUAGES, spoken, t
from nephrograde.report.text.numbers import NOTHING, enumerated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nephrograde.report.tables.paper import PaperRow
    from nephrograde.results import Results

PAGE_LINES = 45
"""LaTeX tables with more lines are split over pages."""
MANY_COLUMNS = 7
"""Tables with more columns use a smaller font."""
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"\textbar{}",
    "\N{MINUS SIGN}": r"$-$",
    "\N{EN DASH}": r"\textendash{}",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{NO-BREAK SPACE}": "~",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "∞": r"$\infty$",
}
"""Characters that LaTeX would interpret as commands or print differently."""


def write_tables(run: Results) -> list[Path]:
    """Write the tables of the run for a manuscript, each as ``NAME.tex`` and ``NAME.doc.html``.

    The tables are ``results`` (the test set), ``out_of_fold``, ``comparisons``, ``phases``, ``stack`` and ``cohort``;
    those without data are left out. In Chinese the names end in ``.zh.tex`` and ``.zh.doc.html``.

    Args:
        run: The run.

    Returns:
        The paths, in ``report/tables`` of the run folder.

    Source:
        Cells: those of the report.
    """
    language = "" if spoken() == "en" else f".{spoken()}"
    written = []
    for table in manuscript_tables(run):
        for ending, text in (("tex", as_latex(table)), ("doc.html", as_word_html(table))):
            path = run.folder.report.tables_dir / f"{table.name}{language}.{ending}"
            with replaced(path) as temporary_path:
                temporary_path.write_text(text, encoding="utf-8")
            written.append(path)
    return written


def manuscript_tables(run: Results) -> list[Table]:
    """Compose all tables of the run that have data, in the language of the page.

    Args:
        run: The run.

    Source:
        Cells: those of the report.
    """
    tables = [_results(run, "results"), _comparisons(run), phases_manuscript(run), stack_manuscript(run)]
    tables += [_cohort(run), tuning_manuscript(run)]
    if run.reported == "test":
        tables.insert(1, _results(run, "out_of_fold"))
    return [table for table in tables if table is not None]


def as_latex(table: Table) -> str:
    r"""Write a table as LaTeX with booktabs rules, ready for ``\input``.

    Args:
        table: A table of any length; one longer than a page becomes a ``longtable``.

    >>> small = Table("small", "One model.", ("Model", "AUC"), (Line(("weak_1", "0.907\n[0.842–0.972]")),), ())
    >>> print("\n".join(as_latex(small).splitlines()[6:11]))
    \toprule
    Model & AUC \\
    \midrule
    weak\_1 & 0.907 \\*
     & [0.842\textendash{}0.972] \\
    """
    columns = f"@{{}}{'l' * table.names}{'r' * (len(table.headings) - table.names)}@{{}}"
    named = rf"\caption{{{latex_text(table.caption)}}}\label{{tab:{table.name}}}"
    heading = ["\\toprule", *_latex_line(Line(table.headings)), "\\midrule"]
    body = [text for line in table.lines for text in _latex_line(line)]
    notes = ["\\par\\medskip\\raggedright\\footnotesize", *(rf"{latex_text(note)}\par" for note in table.notes)]
    size = rf"\{'scriptsize' if len(table.headings) > MANY_COLUMNS else 'footnotesize'}\setlength{{\tabcolsep}}{{3pt}}"
    is_long = len(body) > PAGE_LINES
    if is_long:
        rows = ["\\begingroup", size, rf"\begin{{longtable}}{{{columns}}}", rf"{named} \\", *heading, "\\endhead"]
        rows += ["\\bottomrule", "\\endlastfoot", *body, "\\end{longtable}", *notes, "\\endgroup"]
    else:
        rows = ["\\begin{table}", named, "\\centering", size, rf"\begin{{tabular}}{{{columns}}}", *heading, *body]
        rows += ["\\bottomrule", "\\end{tabular}", *notes, "\\end{table}"]
    needs = "booktabs,longtable" if is_long else "booktabs"
    preamble = [rf"% In the preamble: \usepackage{{{needs}}}"]
    if re.search(r"[\u2e80-\u9fff\uf900-\uffef]", "".join(rows)):
        preamble.append(r"% The table holds Chinese: \usepackage{ctex}, and compile with xelatex or lualatex.")
    return "\n".join([*preamble, *rows, ""])


def latex_text(text: str) -> str:
    r"""Escape a text so that LaTeX prints it unchanged; Chinese characters and accents are kept.

    >>> latex_text("P < 0.05 & 50% of a_b: −0.1–0.2 透明")
    'P $<$ 0.05 \\& 50\\% of a\\_b: $-$0.1\\textendash{}0.2 透明'
    """
    escaped = "".join(LATEX.get(letter, letter) for letter in printable_line(text))
    return re.sub(r"(?<=[-',])(?=[-',])", "{}", escaped)  # two in a row would form a ligature


def printable_line(text: str) -> str:
    r"""Replace characters that documents cannot contain; no-break spaces are kept.

    >>> printable_line("a\x00b\N{NO-BREAK SPACE}c") == "a\N{REPLACEMENT CHARACTER}b\N{NO-BREAK SPACE}c"
    True
    """
    return "\N{NO-BREAK SPACE}".join(printable(part) for part in text.split("\N{NO-BREAK SPACE}"))


def _latex_line(line: Line) -> list[str]:
    """A row of the table as one or more LaTeX rows without a page break between them."""
    columns = [cell.split("\n") for cell in line.cells]
    rows: list[str] = []
    for cells in zip_longest(*columns, fillvalue=""):
        first, *others = (latex_text(cell) for cell in cells)
        indent = r"\quad " if line.is_part and (first or not rows) else ""
        guard = "{}" if first.startswith(("[", "*")) else ""  # else an argument of the line break before it
        rows.append(" & ".join([f"{indent}{guard}{first}", *others]))
    rule = ["\\midrule"] if line.is_after_rule else []
    return [*rule, *(f"{row} \\\\*" for row in rows[:-1]), f"{rows[-1]} \\\\"]


def as_word_html(table: Table) -> str:
    r"""Write a table as stand-alone HTML that keeps its formatting when pasted into Word: each cell has its own styles.

    Args:
        table: A table of any length, with three rules as in medical journals.

    >>> small = Table("small", "One model.", ("Model", "AUC"), (Line(("a<b", "0.907\n[0.842–0.972]")),), ())
    >>> [text in as_word_html(small) for text in ("a&lt;b", "0.907<br>[0.842–0.972]", "class=")]
    [True, True, False]
    """
    kind = "font-family:'Times New Roman',SimSun,serif"
    rules = "border-top:1.5pt solid black;border-bottom:0.75pt solid black;font-weight:bold"
    heading = "".join(
        _word_cell("th", cell, is_name=place < table.names, style=rules) for place, cell in enumerate(table.headings)
    )
    body = []
    for number, line in enumerate(table.lines, start=1):
        style = "border-top:0.75pt solid black;" if line.is_after_rule else ""
        style += "border-bottom:1.5pt solid black;" if number == len(table.lines) else ""
        indent = "padding-left:14pt;" if line.is_part else ""
        cells = [
            _word_cell("td", cell, is_name=place < table.names, style=f"{style}{indent}" if place == 0 else style)
            for place, cell in enumerate(line.cells)
        ]
        body.append(f"<tr>{''.join(cells)}</tr>")
    notes = [f'<p style="{kind};font-size:9pt;margin:4pt 0">{_html_text(note)}</p>' for note in table.notes]
    caption = _html_text(table.caption)
    page = [
        "<!DOCTYPE html>",
        f'<html lang="{HTML_LANGUAGES[spoken()]}">',
        f'<head><meta charset="utf-8"><title>{caption}</title></head>',
        "<body>",
        f'<p style="{kind};font-size:10.5pt;margin:4pt 0">{caption}</p>',
        f'<table style="border-collapse:collapse;{kind};font-size:9pt">',
        f"<thead><tr>{heading}</tr></thead>",
        f"<tbody>{''.join(body)}</tbody>",
        "</table>",
        *notes,
        "</body>",
        "</html>",
    ]
    return "\n".join([*page, ""])


def _word_cell(tag: str, text: str, *, is_name: bool, style: str) -> str:
    side = "left" if is_name else "right"
    style = f"text-align:{side};vertical-align:top;padding:2pt 5pt;{style}"
    return f'<{tag} style="{style}">{_html_text(text)}</{tag}>'


def _html_text(text: str) -> str:
    return "<br>".join(html.escape(printable_line(part)) for part in text.split("\n"))


def _results(run: Results, name: str) -> Table | None:
    """The table of results for the reported predictions, or out of fold for the training patients."""
    split = "oof" if name == "out_of_fold" else run.reported
    rows = study_rows(run, split)
    if not rows:
        return None
    confidence = run.confidence_percent
    if split == "test":
        caption = t("Results of each model on the test set.")
    else:
        caption = t("Results of each model out of fold, on the training patients.")
    interval = t("[{confidence}% CI]", confidence=confidence)
    counted = t("[{confidence}% CI] (n/N)", confidence=confidence)
    notes = [
        t("Patients scored: {sizes}.", sizes=_sizes(run, rows)),
        _intervals(run, split),
        t("AUC: area under the ROC curve. CI: confidence interval."),
    ]
    if split == "oof":
        notes.append(t("The threshold was chosen on these patients, so the proportions are optimistic."))
    notes += [f"{row.model}: {row.note}" for row in rows if row.note]
    first = next((place for place, row in enumerate(rows) if row.is_baseline), 0)
    lines = [
        Line(
            (_label(row), *(stacked(cell) for cell in (row.auc, row.accuracy, row.sensitivity, row.specificity))),
            is_after_rule=place == first > 0,
        )
        for place, row in enumerate(rows)
    ]
    headings = (
        t("Model"),
        f"AUC\n{interval}",
        *(f"{measure_in_words(measure)}\n{counted}" for measure in MEASURES[1:]),
    )
    return Table(name, marked(run, caption), headings, tuple(lines), tuple(notes))


def _intervals(run: Results, split: str) -> str:
    percent = run.confidence_percent
    if split == "test":
        return t(
            "Intervals: DeLong’s method on the logit scale for AUC, Wilson’s score for proportions; {confidence}%.",
            confidence=percent,
        )
    if is_by_fold(run):
        return t(
            "Intervals: LeDell’s method for the mean AUC of the folds, Wilson’s score for proportions; {confidence}%.",
            confidence=percent,
        )
    return t(
        "Intervals: DeLong’s method on the logit scale for the pooled AUC, Wilson’s score for proportions; "
        "{confidence}%.",
        confidence=percent,
    )


def _sizes(run: Results, rows: Sequence[PaperRow]) -> str:
    """The number of scored patients, by model if it differs."""
    models: dict[tuple[int, int], list[str]] = {}
    for row in rows:
        models.setdefault((row.n, row.n_high), []).append(row.model)
    high = level_words(run)[1]
    texts = {size: t("{n} ({n_high} {high})", n=size[0], n_high=size[1], high=high) for size in models}
    if len(models) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{enumerated(names)}: {texts[size]}" for size, names in models.items())


def _label(row: PaperRow) -> str:
    name = only_baseline(row.model) if row.is_baseline else row.model
    return f"{name}\n{t('Warning: {text}.', text=row.warning)}" if row.warning else name


def _comparisons(run: Results) -> Table | None:
    pairs = pair_table(run)
    if not pairs.rows:
        return None
    lines = []
    for row in pairs.rows:
        cells = [row.model_a, row.model_b]
        for cell in row.cells:
            adjusted = "" if cell.p_adjusted == NOTHING else f"\n({cell.p_adjusted})"
            cells += [f"{cell.difference}\n{cell.bounds}".rstrip(), f"{cell.p}{adjusted}"]
        lines.append(Line((*cells, row.n)))
    notes = [
        t("Differences are model A minus model B on the patients scored by both; n is given by measure."),
        t(
            "AUC: paired DeLong test with its {confidence}% CI. Proportions: exact McNemar test with Tango’s score "
            "interval.",
            confidence=run.confidence_percent,
        ),
        primary_sentence(run),
        t("P in brackets: after Holm adjustment."),
        family_sentence(run),
        t("A large P does not show that two models are equal."),
    ]
    without_test = out_of_fold_words(run)
    notes += [text for text in (without_test.tests, without_test.mcnemar) if text]
    notes += [f"{row.model_a} – {row.model_b}: {'; '.join(row.remarks)}." for row in pairs.rows if row.remarks]
    headings = [t("Model A"), t("Model B")]
    for measure in pairs.measures:
        headings += [f"{measure}\nA − B", t("P") + "\n" + t("(Holm)")]
    caption = (
        t("Paired comparisons of the models on the test set.")
        if run.reported == "test"
        else t("Paired comparisons of the models out of fold.")
    )
    return Table("comparisons", marked(run, caption), (*headings, "n"), tuple(lines), tuple(notes), names=2)


def _cohort(run: Results) -> Table | None:
    cohort = cohort_table(run)
    if cohort is None:
        return None
    blank = ("",) * len(cohort.columns)
    lines = tuple(Line((row.label, *(row.cells or blank)), is_part=row.is_part) for row in cohort.rows)
    headings = ("", *(f"{name}\n(n = {n})" for name, n in cohort.columns))
    notes = (t("Number (%) unless stated otherwise. Missing values are counted, not imputed."),)
    return Table("cohort", marked(run, t("Patients by split.")), headings, lines, notes)
