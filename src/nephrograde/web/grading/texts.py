"""The sentences of the grading page, in the language that it is asked for."""

from __future__ import annotations

from nephrograde.report.text.language import HTML_LANGUAGES, Language, speaking, t
from nephrograde.vocabulary import RESEARCH_USE_ONLY
from nephrograde.web.texts import page_texts


def grading_texts(language: Language) -> dict[str, str]:
    """Return the sentences of the page by the names that its modules use, those of the viewer included.

    Args:
        language: "en" or "zh".

    >>> grading_texts("en")["grade"]
    'Grade'
    """
    with speaking(language):
        return {**page_texts(language), "lang": HTML_LANGUAGES[language], **_sending(), **_choosing(), **_answering()}


def _sending() -> dict[str, str]:
    return {
        "research_use_only": t(RESEARCH_USE_ONLY),
        "title": t("Grade a tumour"),
        "drop": t("Drop a zip archive of DICOM files or a NIfTI file here, or choose it."),
        "choose_file": t("Choose a file"),
        "stays": t(
            "The file goes to this server only. It is removed when you remove it, when you close this page, or after "
            "{n} minutes.",
            n="{n}",
        ),
        "too_large": t("The file is larger than this server takes."),
        "sending": t("Sending: {n} %", n="{n}"),
        "step_receiving": t("Receiving"),
        "step_waiting": t("Waiting, {n} before it", n="{n}"),
        "step_working": t("Working"),
        "step_unpacking": t("Unpacking"),
        "step_reading": t("Reading the series, and looking for their phases"),
        "step_grading": t("Grading"),
        "step_explaining": t("Mapping where the answer comes from"),
        "step_writing": t("Writing the reports"),
        "remove_scan": t("Remove"),
        "cancel": t("Cancel"),
    }


def _choosing() -> dict[str, str]:
    return {
        "model": t("Model"),
        "series_of_phase": t("Series: {phase}", phase="{phase}"),
        "no_series": t("none"),
        "series_n": t("series {n}", n="{n}"),
        "slices_n": t("{n} slices", n="{n}"),
        "looks": t("looks {phase}", phase="{phase}"),
        "phase_unknown": t("phase not recognised"),
        "mark_point": t("Click the middle of the tumour."),
        "mark_box": t("Draw a box around the tumour: drag from corner to corner."),
        "mark_slice_first": t("Scroll to the slice with the largest part of the tumour, and mark it."),
        "mark_mask": t("Choose a file with the mask of the tumour (NIfTI or DICOM SEG)."),
        "mark_none": t("This model needs no mark."),
        "mask_file": t("Mask of the tumour"),
        "mask_sent": t("The mask was sent."),
        "clear": t("Remove the marks"),
        "clinical": t("Clinical values"),
        "accept_phase": t("I have checked the phase: grade it all the same"),
        "grade": t("Grade"),
    }


def _answering() -> dict[str, str]:
    return {
        "high": t("High grade"),
        "low": t("Low grade"),
        "probability": t(
            "Probability of high grade: {p}; the networks of the folds give {low} to {high}.",
            p="{p}",
            low="{low}",
            high="{high}",
        ),
        "synthetic": t("The model was trained on synthetic data: its answer means nothing for a patient."),
        "details": t("What was read, and how it was decided"),
        "warnings": t("Warnings"),
        "no_warnings": t("None."),
        "picture": t("The region that the model was shown."),
        "overlay": t("Where the answer comes from (class activation map); it does not show where the tumour is."),
        "get_overlay": t("Map on the grid of the scan (NIfTI)"),
        "get_pdf": t("Page for printing (PDF)"),
        "get_sr": t("Structured report (DICOM SR)"),
        "get_capture": t("Picture for the PACS (DICOM)"),
        "get_segmentation": t("Mask as graded (DICOM SEG)"),
    }
