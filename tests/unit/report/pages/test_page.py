from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nephrograde.report.pages.page import render, write_rendered
from nephrograde.report.pages.paging import divide
from nephrograde.report.text.language import speaking

if TYPE_CHECKING:
    from nephrograde.report.text.language import Language

LEAVES = divide(Path("series.html"), [])
NOTHING = {
    "blocks": [],
    "contradicted": [],
    "first": [],
    "n_contradicted": 0,
    "n_first": 0,
    "n_patients": 0,
    "n_series": 0,
    "counts": [],
    "reasons": [],
    "table": "series.csv",
    "leaf": LEAVES[0],
    "leaves": LEAVES,
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_page_written_in_pieces_is_the_page(tmp_path: Path, language: Language) -> None:
    with speaking(language):
        page = render("series.html.j2", is_synthetic=True, **NOTHING)
        written = write_rendered("series.html.j2", tmp_path / "new" / "page.html", is_synthetic=True, **NOTHING)
    assert page.startswith("<!DOCTYPE html>")
    assert written.read_text(encoding="utf-8") == page


def test_a_page_that_fails_leaves_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("before", encoding="utf-8")

    def broken() -> object:
        yield from ()
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        write_rendered("series.html.j2", tmp_path / "page.html", is_synthetic=False, **{**NOTHING, "reasons": broken()})
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "before"
