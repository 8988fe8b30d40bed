"""The files of an answer. The folder has a random name; what lies in it is always called the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nephrograde.report.text.language import Language

ANSWER: Final = "answer.json"
PICTURE: Final = "picture.png"
REPORT: Final = "report.dcm"
CAPTURE: Final = "capture.dcm"
SEGMENTATION: Final = "segmentation-{number}.dcm"
"""The masks that were given, one a phase, counted from 1."""
OVERLAY: Final = "overlay.png"
OVERLAY_VOLUME: Final = "overlay.nii.gz"


def report_name(language: Language) -> str:
    """Return the name of the PDF in a language, without its suffix.

    >>> report_name("zh")
    'report-zh'
    """
    return f"report-{language}"
