"""Many patients on several pages: each has pictures of a few hundred, and links to the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import quote

from nephrograde.replacement import discard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PATIENTS = 500
"""Patients on a page: with pictures of four phases, about 20 MB."""
LISTED = 100
"""Patients that are listed beside a finding; the table of findings names all of them."""
_NAME = re.compile(r"(?P<stem>.+?)(?P<ending>(\.[a-z]{2})?\.html)")
_OURS = b'<meta name="generator" content="nephrograde">'
_HEAD_BYTES = 1 << 12


@dataclass(frozen=True, slots=True)
class Leaf:
    """One of several pages: its number from 1, the name of its file, and which patients are on it.

    ``start`` and ``stop`` are positions in the order of the pages, the second exclusive; ``first`` and ``last`` the ids
    of its first and last patient.
    """

    number: int
    path: Path
    start: int
    stop: int
    first: str
    last: str

    @property
    def link(self) -> str:
        """By what other pages of the folder link to it."""
        return quote(self.path.name)


def divide(page_path: Path, patient_ids: Sequence[str]) -> list[Leaf]:
    """Divide patients into pages of at most ``PATIENTS``.

    Args:
        page_path: The first page; the others are called after it.
        patient_ids: All patients in their order.

    Returns:
        At least one page.

    >>> from pathlib import Path
    >>> leaves = divide(Path("quality.zh.html"), [f"P{number}" for number in range(1, 701)])
    >>> [(leaf.link, leaf.first, leaf.last) for leaf in leaves]
    [('quality.zh.html', 'P1', 'P500'), ('quality-2.zh.html', 'P501', 'P700')]
    """
    leaves = []
    for number, start in enumerate(range(0, max(len(patient_ids), 1), PATIENTS), start=1):
        own = patient_ids[start : start + PATIENTS]
        first, last = (own[0], own[-1]) if own else ("", "")
        leaves.append(Leaf(number, _path_of(page_path, number), start, start + len(own), first, last))
    return leaves


def remove_further(page_path: Path, last: int) -> None:
    """Remove pages that an earlier, larger cohort had; only what this program wrote.

    Args:
        page_path: The first page.
        last: The number of the last page that there is now.
    """
    for number in count(last + 1):
        further_path = _path_of(page_path, number)
        if not further_path.is_file():
            return
        with further_path.open("rb") as stream:
            if _OURS not in stream.read(_HEAD_BYTES):
                return
        discard(further_path)


def _path_of(page_path: Path, number: int) -> Path:
    match = _NAME.fullmatch(page_path.name)
    stem, ending = (match["stem"], match["ending"]) if match else (page_path.name, "")
    return page_path if number == 1 else page_path.with_name(f"{stem}-{number}{ending}")
