"""Figures as SVG for a page: text stays text, and the same run gives the same bytes.

matplotlib is used through its objects, without its global state.
"""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, RULE, ALARM = "#1c2128", "#59636e", "#c9d1d9", "#b3261e"
SYNTHETIC = "SYNTHETIC DATA"
MARK_IN = 0.2
"""Height in inches of the strip at the top that the mark stands in."""
FONTS = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "nephrograde",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.5,
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure: a file name without ending, the SVG, and words for those who cannot see it."""

    name: str
    svg: str
    description: str
    width_px: int

    @property
    def inline(self) -> str:
        """The SVG for use inside a page: no prologue, and names that do not clash with another figure's."""
        body = self.svg[self.svg.index("<svg") :]
        body = re.sub(r"<title>.*?</title>", "", body, flags=re.DOTALL)
        body = re.sub(r'\s(?:xmlns(?::xlink)?|version)="[^"]*"', "", body)
        body = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{self.name}-", body)
        return body.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def new_figure(width_in: float, height_in: float) -> Figure:
    """Make a figure that lays itself out and has no canvas of a screen."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="compressed")


def finish(figure: Figure, name: str, description: str, *, is_synthetic: bool) -> Drawing:
    """Write a figure as SVG, marked where the data are synthetic."""
    if is_synthetic:
        figure.set_figheight(figure.get_figheight() + MARK_IN)
        strip = MARK_IN / figure.get_figheight()
        figure.text(
            0.995, 1 - strip / 2, SYNTHETIC, ha="right", va="center", fontsize=8, fontweight="bold", color=ALARM
        )
        figure.set_layout_engine("compressed", rect=(0, 0, 1, 1 - strip))
        description = f"{SYNTHETIC}. {description}"
    description = printable(description)
    stream = io.StringIO()
    with warnings.catch_warnings():
        # Names in other scripts are measured with a font that lacks them; the reader's font draws them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(
            stream,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None, "Title": description},
        )
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", FONTS, stream.getvalue())
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return Drawing(name, svg, description, round(figure.get_figwidth() * 96))


def y_label(axes: Axes, text: str, **style: Any) -> None:
    """Label the vertical axis so that the text stays centred whatever font the reader has."""
    axes.set_ylabel(text, rotation_mode="anchor", **style)


def printable(text: str) -> str:
    r"""Replace what XML cannot hold.

    >>> printable("model\x00 透明")
    'model� 透明'
    """
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
