"""The page of an evaluation over several hospitals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.pages.page import render
from nephrograde.report.pages.tabled import PageFigure, PageTable
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import enumerated
from nephrograde.sharing import words
from nephrograde.sharing.forest import draw_forest

if TYPE_CHECKING:
    from nephrograde.sharing.combined import Combined


_SHOWN = range(10, 100, 10)
"""Thresholds of net benefit on the page, in percent."""


def rendered(found: Combined) -> str:
    """Render the page in the current language; it loads nothing from elsewhere.

    Args:
        found: What was found.
    """
    return render(
        "combined.html.j2",
        is_synthetic=found.is_synthetic,
        name=enumerated(list(found.models)),
        summary=words.summary(found),
        remarks=words.remarks(found),
        figures=_figures(found),
        tables=[table for table in _tables(found) if table.rows],
        files=[(name, one.sha256) for name, one in found.shared.items()],
    )


def _figures(found: Combined) -> list[PageFigure]:
    return [
        PageFigure(
            draw_forest(found, model, number),
            t(
                "{model}: AUC of each hospital with its own interval (squares: weight), the mean, and the prediction "
                "interval.",
                model=model,
            ),
        )
        for number, model in enumerate(found.models, 1)
    ]


def _tables(found: Combined) -> list[PageTable]:
    percent = f"{100 * found.confidence:g}"
    return [
        PageTable(
            "pooled",
            t("All hospitals together, with {n}% intervals", n=percent),
            words.pooled_headings(),
            [words.pooled_cells(row) for row in found.pooled],
            [
                words.method_note(),
                t(
                    "The Brier score depends on the proportion of high grade; its mean is that of these hospitals. "
                    "Observed / expected is 1, the intercept 0 and the slope 1 where the probabilities are right."
                ),
            ],
        ),
        PageTable(
            "sites",
            t("Each hospital alone"),
            words.site_headings(),
            [words.site_cells(row) for row in found.sites],
            [t("Sensitivity and specificity at the threshold of the model, which is the same in all hospitals.")],
        ),
        PageTable(
            "calibration",
            t("Calibration in each hospital"),
            words.calibration_headings(),
            [words.calibration_cells(row) for row in found.sites],
            [],
        ),
        PageTable(
            "without",
            t("Without one hospital at a time"),
            words.without_headings(),
            [words.without_cells(row) for row in found.without],
            [t("If one hospital changes the mean much, the mean is about that hospital.")],
        ),
        PageTable(
            "benefit",
            t("Net benefit over the patients of all hospitals"),
            words.benefit_headings(),
            [words.benefit_cells(row) for row in found.benefit if round(100 * row.threshold) in _SHOWN],
            [
                t(
                    "From the counts of all hospitals together; the interval takes hospitals as what is sampled. "
                    "Calling no one high has net benefit 0. All thresholds are in pooled_benefit.csv."
                )
            ],
        ),
    ]
