"""The page says how often the networks with attention look at the tumour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nephrograde.report.tables.evidence import evidence_sections
from nephrograde.results import Results

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("language", "words"), [("en", "Where the networks look"), ("zh", "网络的关注位置")])
def test_the_page_has_the_section(further_pages: dict[str, str], language: str, words: str) -> None:
    html = further_pages[language]
    section = html[html.index('id="attention"') :]
    section = section[: section.index("</table>")]
    assert words in section
    assert "weak-3-cmp" in section
    assert "0.750" in section
    assert "[0.468–0.911]" in section
    assert "0.500" in section


def test_only_where_a_network_has_attention(further_run: Path, whole_run: Path) -> None:
    assert [row.model for row in evidence_sections(Results.read(further_run)).attention] == ["weak-3-cmp"]
    assert evidence_sections(Results.read(whole_run)).attention == ()
