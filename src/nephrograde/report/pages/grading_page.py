"""One patient's answer on one page, to be printed: neutral, without a name, a number or a date of the patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from nephrograde.report.pages.page import picture_uri, render, write_page
from nephrograde.report.text.language import phase_in_words
from nephrograde.report.text.messages import told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TEMPLATE = "grading.html.j2"
_MOST_LINES = 13
"""Of the warnings on the page, below two pictures and what was read of four phases."""
_COLUMNS = 110
"""Letters in such a line; a Chinese character is as wide as two."""


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
    warnings = _that_fit([told(one) for one in answer["warnings"]])
    page = render(
        TEMPLATE,
        is_synthetic=answer["synthetic"],
        answer=answer,
        phase=phase_in_words(answer["phase"]),
        folds=(min(folds), max(folds)),
        picture=picture_uri(picture),
        overlay="" if overlay is None else picture_uri(overlay),
        warnings=warnings,
        n_more=len(answer["warnings"]) - len(warnings),
        study=study,
    )
    return write_page(page, page_path)


def _that_fit(warnings: Sequence[str]) -> list[str]:
    """The warnings for which the page has room, the first one cut if it has not even room for that.

    >>> _that_fit(["short", "x" * 9000]), len(_that_fit(["x" * 9000])[0])
    (['short'], 1431)
    """
    found: list[str] = []
    left = _MOST_LINES
    for text in warnings:
        n_lines = -(-_width(text) // _COLUMNS)
        if n_lines > left:
            break
        left -= n_lines
        found.append(text)
    if warnings and not found:
        most = _MOST_LINES * _COLUMNS * len(warnings[0]) // _width(warnings[0])
        found.append(f"{warnings[0][:most]}…")
    return found


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
