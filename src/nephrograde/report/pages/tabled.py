"""Contents of a page of tables, as ``tabled.html.j2`` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from markupsafe import Markup

    from nephrograde.report.figures.svg import Drawing


class PageTable(NamedTuple):
    """A table of the page: its title, headings, rows of texts, and notes below it."""

    anchor: str
    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: list[str]


class PageFigure(NamedTuple):
    """A figure of the page, and what is said below it."""

    drawing: Drawing
    caption: str

    @property
    def svg(self) -> Markup:
        """The drawing as a part of the page."""
        from markupsafe import Markup

        return Markup(self.drawing.inline)  # noqa: S704 (our own SVG, whose text matplotlib has escaped)
