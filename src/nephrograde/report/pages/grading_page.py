"""One patient's answer on one page, to be printed: neutral, without a name, a number or a date of the patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nephrograde.report.pages.page import picture_uri, render, write_page
from nephrograde.report.text.language import phase_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TEMPLATE = "grading.html.j2"
_MOST_WARNINGS = 8


def write_grading_page(
    answer: Mapping[str, Any], picture: bytes, page_path: Path, *, study: str, overlay: bytes | None = None
) -> Path:
    """Write the page of an answer in the language that is spoken.

    Args:
        answer: A grading as a mapping, with its ``lines`` for people, and without the names of files.
        picture: PNG of the scan with the region.
        page_path: Where to write it.
        study: The name of the study of the model.
        overlay: PNG of the map of what the answer rests on, if there is one.

    Returns:
        ``page_path``.
    """
    folds = answer["p_high_of_folds"]
    page = render(
        TEMPLATE,
        is_synthetic=answer["synthetic"],
        answer=answer,
        phase=phase_in_words(answer["phase"]),
        folds=(min(folds), max(folds)),
        picture=picture_uri(picture),
        overlay="" if overlay is None else picture_uri(overlay),
        warnings=answer["warnings"][:_MOST_WARNINGS],
        n_more=max(0, len(answer["warnings"]) - _MOST_WARNINGS),
        study=study,
    )
    return write_page(page, page_path)
