"""A table of texts for a manuscript, from which LaTeX and Word are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.report.text.language import t

if TYPE_CHECKING:
    from nephrograde.report.tables.paper import Cell
    from nephrograde.results import Results


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table: its cells, whether it belongs under a heading, and whether a rule is drawn above it.

    A line break within a cell starts a second line of that cell.
    """

    cells: tuple[str, ...]
    is_part: bool = False
    is_after_rule: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts for a manuscript; the first ``names`` columns are left-aligned, the others right-aligned."""

    name: str
    caption: str
    headings: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    names: int = 1


def marked(run: Results, caption: str) -> str:
    """Say in a caption if the data are synthetic.

    Args:
        run: The results of a run.
        caption: The caption.
    """
    return t("Synthetic data. {caption}", caption=caption) if run.is_synthetic else caption


def stacked(cell: Cell) -> str:
    """Write a value above its interval and counts.

    Args:
        cell: The value.

    >>> from nephrograde.report.tables.paper import Cell
    >>> stacked(Cell(0.907, 0.842, 0.972)).splitlines()
    ['0.907', '[0.842–0.972]']
    """
    value, _, rest = cell.text.partition(" ")
    return f"{value}\n{rest}" if rest else value
