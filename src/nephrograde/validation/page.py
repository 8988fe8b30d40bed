"""The page of a validation: development and validation side by side, drift, and the suggested recalibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.figures.curves import draw_benefit, draw_calibration
from nephrograde.report.figures.study_figures import draw_roc
from nephrograde.report.pages.page import render, write_page
from nephrograde.report.pages.tabled import PageFigure, PageTable
from nephrograde.report.text.language import speaking, spoken, t
from nephrograde.report.text.messages import told
from nephrograde.validation import words

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.report.text.language import Language
    from nephrograde.validation.validation import Validation


def write_validation_page(found: Validation, language: Language = "en") -> Path:
    """Write ``report/validation.html`` (``validation.zh.html`` in Chinese), which loads nothing from elsewhere.

    Args:
        found: What was found.
        language: Of the page.

    Returns:
        Its path.
    """
    with speaking(language):
        return write_page(_render(found), found.page_path(language))


def _render(found: Validation) -> str:
    return render(
        "validation.html.j2",
        is_synthetic=found.is_synthetic,
        name=t("{model} on {cohort}", model=found.model, cohort=found.cohort),
        summary=[*words.summary(found), words.scale_sentence()],
        remarks=[told(line) for line in words.remarks(found)],
        figures=_figures(found),
        tables=[table for table in _tables(found) if table.rows],
        details=found.folder.report.page_path(spoken()).name,
        sha256=found.file.archive.file_sha256(),
    )


def _figures(found: Validation) -> list[PageFigure]:
    """ROC, calibration and decision curve of these patients, as far as they can be drawn."""
    captions = (
        (draw_roc, t("ROC curve of these patients, with its bootstrap band.")),
        (draw_calibration, t("Smoothed calibration curve of these patients; the diagonal is perfect calibration.")),
        (draw_benefit, t("Decision curve of these patients: net benefit against treating all or none.")),
    )
    drawn = [(draw(found.results), caption) for draw, caption in captions]
    return [PageFigure(one, caption) for one, caption in drawn if one is not None]


def _tables(found: Validation) -> list[PageTable]:
    return [
        PageTable(
            "sides",
            t("Development and validation side by side, with {n}% intervals", n=found.results.confidence_percent),
            words.side_headings(),
            [words.side_cells(row) for row in found.sides],
            [
                t(
                    "Differences: other patients on each side; the interval follows from both intervals (MOVER). PPV, "
                    "NPV, Brier score and net benefit depend on the proportion of high grade, and differ if it does."
                ),
                *words.untested_notes(found),
            ],
        ),
        PageTable(
            "inputs",
            t("The patients against the range that the model learnt from"),
            words.input_headings(),
            [words.input_cells(row) for row in found.inputs],
            [
                t(
                    "About 10 % of patients lie outside 5–95 % where nothing has drifted. P outside: the probability "
                    "of at least so many; P median: of so uneven a share above the median; both allow for the sampling "
                    "of either cohort and are adjusted over the table (Holm). A large P does not show that nothing has "
                    "drifted, and what is not listed was not looked at."
                )
            ],
        ),
        PageTable(
            "inside",
            t("AUC inside and outside of that range"),
            (t("Patients"), "n", t("High"), t("AUC [CI]"), t("P of the difference")),
            words.inside_rows(found),
            [t("An AUC has an interval, and the difference a test, from 10 patients of either grade in each group.")],
        ),
        PageTable(
            "updates",
            t("Recalibrations estimated on these patients; none is applied"),
            words.update_headings(),
            words.update_rows(found),
            [
                words.advice_sentence(found),
                t(
                    "Gain: how much lower than as packed; corrected for optimism by the bootstrap. All of them are in "
                    "validation/recalibration.json."
                ),
            ],
        ),
        PageTable(
            "left-out",
            t("Patients who could not be graded"),
            (t("Patient"), t("Phase"), t("Reason")),
            [(one.patient_id, one.phase.upper(), told(f"{one.message} {one.remedy}")) for one in found.left_out],
            [],
        ),
    ]
