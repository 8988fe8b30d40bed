"""The page about two runs, its numbers as CSV, and the same rows for the terminal."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from nephrograde.files import without_nan, write_rows
from nephrograde.lock import only_writer_of
from nephrograde.replacement import remove_leftovers
from nephrograde.report.pages.page import render, write_page
from nephrograde.report.pages.side_by_side import FOREIGN_TRUTHS, Untested
from nephrograde.report.tables.paper import measure_in_words
from nephrograde.report.text.baselines import baseline_in_words, only_baseline
from nephrograde.report.text.language import spoken, t
from nephrograde.report.text.numbers import NOTHING, bounds, decimal, enumerated, p_value
from nephrograde.report.text.remarks import reason_words, verdict_words
from nephrograde.staging import staged

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.report.pages.side_by_side import MeasureRow, SideBySide

NAMED = 10
"""Maximum number of patients listed in a warning."""
CSV_COLUMNS = (
    "model",
    "split",
    "measure",
    "a_value",
    "a_low",
    "a_high",
    "a_n",
    "b_value",
    "b_low",
    "b_high",
    "b_n",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_adjusted",
    "paired_n",
    "margin",
    "verdict",
    "method",
    "a_synthetic",
    "b_synthetic",
)


def write_side_by_side(side: SideBySide, out_dir: Path) -> Path:
    """Write the page ``compare.html`` (``compare.zh.html`` in Chinese) and its numbers, ``compare.csv``.

    Args:
        side: From :func:`~nephrograde.report.pages.side_by_side.compare_runs`.
        out_dir: Where to; made when it is missing.

    Returns:
        The path of the page, which is self-contained.
    """
    csv_path = out_dir / "compare.csv"
    html_path = out_dir / ("compare.html" if spoken() == "en" else f"compare.{spoken()}.html")
    with only_writer_of(csv_path):
        remove_leftovers(out_dir, is_ours={csv_path.name, html_path.name}.__contains__)
        with staged():
            write_rows(csv_path, CSV_COLUMNS, (_csv_row(row, side) for row in side.rows))
            write_page(_render(side), html_path)
    return html_path


def _csv_row(row: MeasureRow, side: SideBySide) -> dict[str, object]:
    cells: dict[str, object] = {"model": row.model, "split": side.split, "measure": row.measure}
    for name, found in (("a", row.a), ("b", row.b)):
        if found is not None:
            cells |= {f"{name}_value": found.value, f"{name}_low": found.low, f"{name}_high": found.high}
            cells[f"{name}_n"] = found.n
    if (pair := row.comparison) is not None:
        cells |= {"difference": pair.difference, "difference_low": pair.low, "difference_high": pair.high}
        cells |= {"p_value": pair.p_value, "p_adjusted": pair.p_adjusted, "paired_n": pair.n, "method": pair.method}
        if row.equivalence is not None:
            cells |= {"margin": row.equivalence.margin, "verdict": row.equivalence.verdict}
    else:
        cells["method"] = f"not tested: {row.untested}"
    cells |= {"a_synthetic": int(side.a.is_synthetic), "b_synthetic": int(side.b.is_synthetic)}
    return without_nan(cells)


def _render(side: SideBySide) -> str:
    return render(
        "compare.html.j2",
        is_synthetic=side.a.is_synthetic or side.b.is_synthetic,
        side=side,
        runs=[(name, run.study.name if run.study else "", run) for name, run in side.runs],
        warnings=warnings(side),
        summary=summary(side),
        parts=[list(rows) for _, rows in groupby(map(_printed, side.rows), key=lambda row: row["model"])],
        reasons=_reasons(side),
        margin=f"{side.a.settings.margin:g}",
    )


def _printed(row: MeasureRow) -> dict[str, str]:
    """The cells of a row, for a page or the terminal."""
    pair = row.comparison
    return {
        "model": only_baseline(row.model),
        "measure": measure_in_words(row.measure),
        "a": row.text_a or NOTHING,
        "b": row.text_b or NOTHING,
        "difference": NOTHING if pair is None else decimal(pair.difference),
        "bounds": "" if pair is None else bounds(pair.low, pair.high),
        "p": NOTHING if pair is None else p_value(pair.p_value),
        "p_adjusted": NOTHING if pair is None else p_value(pair.p_adjusted),
        "n": NOTHING if pair is None else str(pair.n),
        "verdict": "" if row.equivalence is None else verdict_words(row.equivalence.verdict),
    }


def auc_table(side: SideBySide) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Format the AUCs of both runs for the terminal: the headings, and one row per model.

    Args:
        side: From :func:`~nephrograde.report.pages.side_by_side.compare_runs`.
    """
    headings = (t("Model"), t("AUC, run A"), t("AUC, run B"), "A − B", "P", t("P (Holm)"), "n")
    rows: list[tuple[str, ...]] = []
    for row in (_printed(row) for row in side.rows if row.measure == "auc"):
        difference = f"{row['difference']} {row['bounds']}".rstrip()
        rows.append((row["model"], row["a"], row["b"], difference, row["p"], row["p_adjusted"], row["n"]))
    return headings, rows


def summary(side: SideBySide) -> list[str]:
    """Describe the patients on whom the two runs were compared: first the test sets, then the tests.

    Args:
        side: From :func:`~nephrograde.report.pages.side_by_side.compare_runs`.
    """
    over = side.overlap
    if side.split == "oof":
        first = t(
            "Out-of-fold predictions of the training patients are compared, because at least one run has no test set, "
            "or keeps it closed. Thresholds were chosen on the same patients, and P values hold for the models as "
            "fitted only."
        )
    elif over.has_same_test:
        first = t("Both runs were tested on the same {n} patients.", n=over.test_a)
    else:
        first = t(
            "The test sets differ: {a} patients in run A, {b} in run B, {both} in both.",
            a=over.test_a,
            b=over.test_b,
            both=over.test_both,
        )
    if side.tested_n:
        n = "–".join(str(size) for size in dict.fromkeys((side.tested_n[0], side.tested_n[-1])))
        second = t(
            "Differences are tested on the patients that both runs scored with the same id and the "
            "same truth (n = {n}); the other estimates are those of each run on all its own patients.",
            n=n,
        )
    else:
        second = t("No difference is tested.")
    return [first, second]


def warnings(side: SideBySide) -> list[str]:
    """List warnings for readers of the comparison; empty if there are none.

    Args:
        side: From :func:`~nephrograde.report.pages.side_by_side.compare_runs`.
    """
    over = side.overlap
    found = []
    if side.a.is_synthetic != side.b.is_synthetic:
        made, other = ("A", "B") if side.a.is_synthetic else ("B", "A")
        found.append(
            t(
                "Run {made} uses synthetic data and run {other} is not marked as synthetic: no "
                "number of one says anything about the other.",
                made=made,
                other=other,
            )
        )
    if over.truths_differ:
        found.append(
            t(
                "{n} of {both} common ids have different truths in the two runs ({ids}). These "
                "patients are excluded from all tests.",
                n=len(over.truths_differ),
                both=over.both,
                ids=enumerated(list(over.truths_differ[:NAMED])) + (" …" if len(over.truths_differ) > NAMED else ""),
            )
        )
    if over.moved:
        found.append(t("{n} test patients of one run are training patients of the other.", n=over.moved))
    return found


def _reasons(side: SideBySide) -> list[str]:
    """Why differences were not tested, with the models concerned; one sentence per reason."""
    words = {
        Untested.ONLY_IN_A: t("only run A has the model"),
        Untested.ONLY_IN_B: t("only run B has the model"),
        Untested.NO_COMMON_PATIENTS: t("no patient was scored in both runs"),
        Untested.ONE_SYNTHETIC: t("one run uses synthetic data, so its patients are not those of the other"),
        Untested.OTHER_TRUTHS: t(
            "more than {percent} of the common ids have different truths in the two runs, so they do "
            "not refer to the same patients",
            percent=f"{FOREIGN_TRUTHS:.0%}",
        ),
        Untested.NO_THRESHOLD: t("a threshold is missing, so calls cannot be compared"),
    }
    models: dict[str, list[str]] = {}
    for row in side.rows:
        if row.untested:
            models.setdefault(words[row.untested], []).append(baseline_in_words(row.model))
        elif row.comparison is not None and row.comparison.reason is not None:
            models.setdefault(reason_words(row.comparison.reason), []).append(baseline_in_words(row.model))
    return [
        t("Not tested for {models}: {reason}.", models=enumerated(list(dict.fromkeys(names))), reason=reason)
        for reason, names in models.items()
    ]
