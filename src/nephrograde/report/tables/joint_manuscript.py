"""The tables of what is joined for a manuscript."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.tables.joint import phase_table, stack_table
from nephrograde.report.tables.manuscript import Line, Table, marked, stacked
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import NOTHING

if TYPE_CHECKING:
    from nephrograde.report.tables.joint import PhaseLine
    from nephrograde.report.tables.paper import PairCell
    from nephrograde.results import Results


def phases_manuscript(run: Results) -> Table | None:
    """Compose the table of single phases, phases together and clinical values; None if the study joins none.

    Args:
        run: The results of a run.
    """
    table = phase_table(run)
    if table is None:
        return None
    interval = t("[{confidence}% CI]", confidence=run.confidence_percent)
    headings = (
        t("Model"),
        t("Inputs"),
        f"n\n{t('of which high')}",
        f"AUC\n{interval}",
        f"{t('over best phase')}\n{interval} ({t('P')})",
        f"{t('over clinical')}\n{interval} ({t('P')})",
    )
    blank = ("",) * (len(headings) - 1)
    lines = []
    for place, (heading, of_block) in enumerate(table.blocks):
        lines.append(Line((heading, *blank), is_after_rule=place > 0))
        lines += [_phase_line(line) for line in of_block]
    caption = marked(run, t("Single phases, phases together, and both with clinical values."))
    return Table("phases", caption, headings, tuple(lines), (table.explanation, *table.notes), names=2)


def stack_manuscript(run: Results) -> Table | None:
    """Compose the table of all models and their stack; None if there is nothing to stack.

    Args:
        run: The results of a run.
    """
    table = stack_table(run)
    if table is None:
        return None
    interval = t("[{confidence}% CI]", confidence=run.confidence_percent)
    headings = [t("Model")]
    for split in table.splits:
        headings += [f"{split}\nAUC {interval}", f"{t('Difference')}\n{interval} (P)"]
    lines = [
        Line(
            (
                f"{line.label}\n{line.detail}" if line.detail else line.label,
                *(text for auc, beyond in line.cells for text in (stacked(auc), _beyond(beyond))),
            ),
            is_after_rule=line.is_first,
        )
        for line in table.lines
    ]
    caption = marked(run, t("Size, clinical values, radiomics, encoders and networks on the same patients."))
    return Table("stack", caption, tuple(headings), tuple(lines), (table.explanation, *table.notes))


def _phase_line(line: PhaseLine) -> Line:
    label = f"{line.label}\n{line.detail}" if line.is_first else ""
    numbers = stacked(line.auc), _beyond(line.over_phase), _beyond(line.over_clinical)
    return Line((label, line.inputs, line.n, *numbers), is_part=True)


def _beyond(cell: PairCell) -> str:
    p = "" if cell.p_adjusted == NOTHING else f" ({cell.p_adjusted})"
    return f"{cell.difference}\n{cell.bounds}{p}" if cell.bounds else cell.difference
