"""The figure of referral: how many patients each model decides, rightly or wrongly, and how many go to biopsy."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from nephrograde.report.figures.study_figures import RIGHT, WRONG
from nephrograde.report.figures.svg import INK, MUTED, RULE, finish, house_style, new_figure, shortened
from nephrograde.report.tables.uncertainty import segments_of
from nephrograde.report.tables.wording import level_words, split_words
from nephrograde.report.text.language import t

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from nephrograde.report.figures.svg import Drawing
    from nephrograde.report.tables.uncertainty import Segments
    from nephrograde.results import Results

WIDTH_IN, BAR_IN = 7.2, 0.27
"""Width of the figure, and height of the row of a model, in inches."""
AROUND_IN = 1.05
"""Height in inches of the axis and the names below it."""
BAR = 0.72
"""Height of a bar as a share of its row."""
NARROW = 0.035
"""A part of a bar that is narrower than this share carries no number."""
LABEL_LETTERS = 24


@house_style()
def draw_referral(run: Results) -> Drawing | None:
    """A bar per model: called low, referred and called high, with the wrong calls and what a biopsy would find."""
    names = [model.name for model in run.models]
    counts = [found for name in names if (found := segments_of(run, name)) is not None and found.n]
    if not counts:
        return None
    figure = new_figure(WIDTH_IN, BAR_IN * len(counts) + AROUND_IN)
    axes = figure.add_subplot()
    bars = _parts(run)
    samples = [_draw_part(axes, counts, name, colour) for name, colour, _ in bars]
    axes.set(xlim=(0, 1), ylim=(len(counts) - 0.5, -0.5))
    axes.set_yticks(range(len(counts)), [shortened(one.model, LABEL_LETTERS) for one in counts])
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
    axes.set_xlabel(t("Patients"))
    axes.tick_params(axis="y", length=0)
    for side in ("left", "top", "right"):
        axes.spines[side].set_visible(False)
    figure.legend(
        samples,
        [words for *_, words in bars],
        loc="outside lower left",
        ncols=len(bars) // 2,
        frameon=False,
        fontsize=7.5,
        labelcolor=MUTED,
    )
    texts = [
        t(
            "{model}: {decided} decided, {wrong} of them wrongly, {referred} referred",
            model=one.model,
            decided=one.n - one.referred_low - one.referred_high,
            wrong=one.low_wrong + one.high_wrong,
            referred=one.referred_low + one.referred_high,
        )
        for one in counts
    ]
    words = t("{where}. Referral to biopsy. {models}.", where=split_words(run), models=t("; ").join(texts))
    return finish(figure, "referral", words, is_synthetic=run.is_synthetic, data=[asdict(one) for one in counts])


def _parts(run: Results) -> list[tuple[str, str, str]]:
    """The parts of a bar from left to right: the field of the counts, the colour, and what it is."""
    low, high = level_words(run)
    return [
        ("low_right", RIGHT, t("called {level}, rightly", level=low)),
        ("low_wrong", WRONG, t("called {level}, wrongly", level=low)),
        ("referred_low", RULE, t("referred, truly {level}", level=low)),
        ("referred_high", MUTED, t("referred, truly {level}", level=high)),
        ("high_wrong", WRONG, t("called {level}, wrongly", level=high)),
        ("high_right", RIGHT, t("called {level}, rightly", level=high)),
    ]


def _draw_part(axes: Axes, counts: list[Segments], name: str, colour: str) -> Artist:
    """Draw one part of all bars, with its number where there is room; returns a sample for the names."""
    hatch = "////" if name.endswith("wrong") else ""
    shares, starts = [], []
    for one in counts:
        values = list(asdict(one).values())[1:]
        position = list(asdict(one))[1:].index(name)
        shares.append(values[position] / one.n)
        starts.append(sum(values[:position]) / one.n)
    bars = axes.barh(range(len(counts)), shares, BAR, left=starts, color=colour, hatch=hatch)
    for patch in bars:
        patch.set(edgecolor="white", linewidth=0.6)
    for row, (one, width, start) in enumerate(zip(counts, shares, starts, strict=True)):
        if width >= NARROW:
            ink = INK if name == "referred_low" else "white"
            text = str(getattr(one, name))
            behind = {"facecolor": colour, "edgecolor": "none", "pad": 0.8} if hatch else None
            axes.text(
                start + width / 2, row, text, ha="center", va="center_baseline", fontsize=7.5, color=ink, bbox=behind
            )
    return bars.patches[0]
