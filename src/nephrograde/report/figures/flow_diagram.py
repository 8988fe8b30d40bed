"""The flow diagram of patients, from the cohort table to the scores of each model."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.report.figures.svg import INK, MUTED, finish, house_style, new_figure, printable
from nephrograde.report.tables.flow import NO_IMAGE, NO_VALUE, NOT_SCORED, patient_flow
from nephrograde.report.tables.wording import level_words
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import enumerated

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nephrograde.report.figures.svg import Drawing
    from nephrograde.report.tables.flow import FlowPart, Group, Scored
    from nephrograde.results import Results

BOX_IN, GAP_IN, LINE_IN, PAD_IN, STEP_IN, STACK_IN = 3.3, 0.3, 0.165, 0.1, 0.26, 0.07
"""Width of a box, space between two columns, height of a line, padding of a box, length of an arrow, and space between
the boxes of models, in inches."""
LINE_CELLS, BOLD_CELLS = 45, 40
"""Width of a line of text in Latin letters, a Chinese one counting two; wider fonts than DejaVu Sans still fit."""
FONT_SIZE = 8


@dataclass(frozen=True, slots=True)
class _Box:
    """Lines of text; those of a heading are bold."""

    lines: tuple[str, ...]
    is_heading: bool = False

    @property
    def height(self) -> float:
        return len(self.lines) * LINE_IN + 2 * PAD_IN


@house_style()
def draw_flow(run: Results) -> Drawing:
    """Draw the patients of each step, with those who are left out and why.

    Models that scored the same numbers of patients, with the same reasons for the others, share a box.

    Args:
        run: The contents of the run folder; it has been evaluated.
    """
    flow, high = patient_flow(run), level_words(run)[1]
    heads = [] if flow.found is None else [_box(t("Patients in the cohort table: {n}", n=flow.found))]
    side = _box(t("Left out, no image in any phase: {n}", n=flow.without_scan)) if flow.without_scan else None
    title = t("Scored patients") if flow.found is None else t("Patients with an image")
    heads.append(_box(t("{title}: {patients}", title=title, patients=_size(flow.patients, high))))
    columns = [_column(part, high) for part in flow.parts]
    width = (max(len(columns), 1) if side is None else 2) * (BOX_IN + GAP_IN)
    top = sum(box.height + STEP_IN for box in heads)
    height = top + max((_height(boxes) for boxes in columns), default=0)
    figure = new_figure(width, height + PAD_IN)
    axes = figure.add_subplot()
    axes.set(xlim=(0, width), ylim=(-height, PAD_IN))
    axes.set_axis_off()
    middle = width / 2 if side is None else (BOX_IN + GAP_IN) / 2
    _draw_heads(axes, heads, side, middle=middle)
    for place, boxes in enumerate(columns):
        _draw_column(axes, boxes, centre=(place + 0.5) * (BOX_IN + GAP_IN), top=-top, start=(middle, STEP_IN - top))
    words = [line for boxes in ([*heads, *([side] if side else [])], *columns) for box in boxes for line in box.lines]
    description = t("Flow of patients. {steps}.", steps="; ".join(words))
    return finish(figure, "flow", description, is_synthetic=run.is_synthetic, data=flow.rows())


def _height(boxes: list[_Box]) -> float:
    return sum(box.height for box in boxes) + STEP_IN + STACK_IN * len(boxes)


def _size(group: Group, high: str) -> str:
    return t("{n} ({n_high} {high})", n=group.n, n_high=group.n_high, high=high)


def _box(*texts: str) -> _Box:
    return _Box(tuple(line for text in texts for line in _wrap(printable(text), BOLD_CELLS)), is_heading=True)


def _column(part: FlowPart, high: str) -> list[_Box]:
    """The box of a part, and one for each group of models with the same numbers."""
    name = t("Test set") if part.part == "test" else t("Training, scored out of fold")
    boxes = [_box(t("{title}: {patients}", title=name, patients=_size(part.patients, high)))]
    alike: dict[tuple[Group, tuple[tuple[str, int], ...]], list[Scored]] = {}
    for scored in part.scored:
        alike.setdefault((scored.patients, scored.reasons), []).append(scored)
    for (patients, reasons), members in alike.items():
        texts = [enumerated([one.model for one in members])]
        texts.append(t("scored: {patients}", patients=_size(patients, high)))
        texts += [t("not scored, {reason}: {n}", reason=_reason_words(code), n=n) for code, n in reasons]
        boxes.append(_Box(tuple(line for text in texts for line in _wrap(printable(text), LINE_CELLS))))
    return boxes


def _reason_words(code: str) -> str:
    known = {
        NO_IMAGE: t("no image of the phase"),
        NO_VALUE: t("no value for the baseline"),
        NOT_SCORED: t("reason not recorded"),
    }
    return known.get(code) or t("finding {code}", code=code)


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _wrap(text: str, cells: int) -> list[str]:
    """Break a text into lines: at spaces and Chinese commas, and inside a longer word."""
    lines = [""]
    for word in re.findall(r"[^ 、，；]+[ 、，；]?|[ 、，；]", text):
        if _cells(lines[-1] + word.rstrip()) <= cells:
            lines[-1] += word
            continue
        lines.append("")
        for letter in word:
            if _cells(lines[-1] + letter.rstrip()) > cells:
                lines.append("")
            lines[-1] += letter
    return [line.strip() for line in lines if line.strip()] or [""]


def _draw_heads(axes: Axes, heads: list[_Box], side: _Box | None, *, middle: float) -> None:
    y = 0.0
    for place, box in enumerate(heads):
        _draw_box(axes, box, middle, y)
        below = y - box.height - STEP_IN
        if place + 1 < len(heads):
            _draw_arrow(axes, (middle, y - box.height), (middle, below))
            if side is not None:
                beside = middle + BOX_IN / 2 + GAP_IN
                turn = y - box.height / 2
                _draw_arrow(axes, (middle + BOX_IN / 2, turn), (beside, turn))
                _draw_box(axes, side, beside + BOX_IN / 2, turn + side.height / 2)
        y = below


def _draw_column(axes: Axes, boxes: list[_Box], *, centre: float, top: float, start: tuple[float, float]) -> None:
    """Draw the box of a part with an elbow from the box of all patients, and below it the boxes of the models.

    The models scored the same part, not what the one above left: only the first has an arrow.
    """
    turn = start[1] - STEP_IN / 2
    axes.plot([start[0], start[0], centre], [start[1], turn, turn], color=MUTED, linewidth=0.8)
    _draw_arrow(axes, (centre, turn), (centre, top))
    _draw_box(axes, boxes[0], centre, top)
    y = top - boxes[0].height
    if boxes[1:]:
        _draw_arrow(axes, (centre, y), (centre, y - STEP_IN))
    y -= STEP_IN
    for box in boxes[1:]:
        _draw_box(axes, box, centre, y)
        y -= box.height + STACK_IN


def _draw_box(axes: Axes, box: _Box, centre: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    corner = (centre - BOX_IN / 2, top - box.height)
    axes.add_patch(Rectangle(corner, BOX_IN, box.height, facecolor="none", edgecolor=MUTED, linewidth=0.8))
    for place, line in enumerate(box.lines):
        y = top - PAD_IN - (place + 0.5) * LINE_IN
        weight = "bold" if box.is_heading else "normal"
        axes.text(centre, y, line, ha="center", va="center_baseline", fontsize=FONT_SIZE, color=INK, fontweight=weight)


def _draw_arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={"arrowstyle": "-|>", "color": MUTED, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0},
    )
