"""Sentences on the readers who annotated the scans of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.methods.design_methods import as_text, in_turn, phase_text
from nephrograde.report.tables.reader_agreement import measure_words
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import decimal

if TYPE_CHECKING:
    from nephrograde.results import Results

_MEDIANS = ("point_distance_mm", "box_iou", "slice_distance_mm", "mask_dice")


def reader_agreement(run: Results) -> str:
    """How many readers annotated, and how much they agreed, as medians; empty with fewer than two."""
    readers = {name for row in run.agreement for name in (row.reader, row.other_reader)}
    if not readers:
        return ""
    found = [
        t(
            "{measure} {median} (quartiles {low} to {high}; {n} scans, {a} and {b}, {phase})",
            measure=measure_words(row.measure),
            median=decimal(row.value, 2),
            low=decimal(row.q1, 2),
            high=decimal(row.q3, 2),
            n=row.n,
            a=row.reader,
            b=row.other_reader,
            phase=phase_text(row.phase),
        )
        for row in run.agreement
        if row.measure in _MEDIANS
    ]
    first = t("Readers who annotated the scans: {n}.", n=len(readers))
    return as_text([first, t("Agreement, as medians: {values}.", values=in_turn(found)) if found else ""])
