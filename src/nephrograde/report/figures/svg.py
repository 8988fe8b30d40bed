"""Figures as SVG for a page: text remains text, and the same run gives the same bytes.

matplotlib is used through its object interface, without global state. Each figure carries its data as rows.
"""

from __future__ import annotations

import io
import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nephrograde.files import without_nan, write_rows
from nephrograde.replacement import replaced
from nephrograde.report.text.language import spoken, t

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1c2128"
MUTED = "#59636e"
RULE = "#c9d1d9"
ALARM = "#b3261e"
SYNTHETIC = "SYNTHETIC DATA"
MARK_IN = 0.2
"""Height in inches of the strip at the top for the mark."""
SVG_DPI = 72
"""The unit of an SVG is the point."""
CHINESE_FONTS = ("Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "WenQuanYi Micro Hei")
FONTS = f"system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, {', '.join(map(repr, CHINESE_FONTS))}, sans-serif"
"""Fonts for the text; the reader's machine uses the first that it has."""
CHINESE_FILES = ("NotoSansCJK", "NotoSansSC", "SourceHanSans", "msyh.", "PingFang", "wqy-microhei")
"""How the file names of these fonts begin; any of them can measure Chinese, whose characters are equally wide."""
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "nephrograde",
    "font.family": ["DejaVu Sans"],
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
    """One figure: a file name without suffix, the SVG, and a text description.

    ``data`` are the plotted numbers, one row per point, all with the same columns; synthetic data are marked in the
    column ``data``. ``figure`` is the matplotlib figure, for use in Python.
    """

    name: str
    svg: str = field(repr=False)
    description: str
    width_px: int
    data: tuple[Mapping[str, object], ...] = field(default=(), repr=False)
    figure: Figure | None = field(default=None, repr=False, compare=False)

    @property
    def inline(self) -> str:
        """The SVG for use inside a page: no prologue, and ids that do not clash with those of another figure."""
        body = self.svg[self.svg.index("<svg") :]
        body = re.sub(r"<title>.*?</title>", "", body, flags=re.DOTALL)
        body = re.sub(r'\s(?:xmlns(?::xlink)?|version)="[^"]*"', "", body)
        body = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{self.name}-", body)
        return body.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


@cache
def load_matplotlib() -> None:
    """Import matplotlib without its remarks on a home folder that cannot be written to, and on its list of fonts."""
    import logging

    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        import matplotlib.font_manager  # noqa: F401 (is imported here for the first time)
    finally:
        logger.setLevel(level)


@contextmanager
def house_style() -> Iterator[None]:
    """Draw everything inside the block in the style of the report, regardless of the user's matplotlibrc.

    Text is measured with DejaVu Sans, which comes with matplotlib and has no Chinese; Chinese is measured with a font
    of this machine. If there is none, its width is underestimated, so the figures leave room around it.
    """
    load_matplotlib()
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        mpl.rcParams["font.family"] = [*STYLE["font.family"], *find_chinese_font()]
        yield


@cache
def find_chinese_font() -> tuple[str, ...]:
    """Register the first of ``CHINESE_FILES`` on this machine with matplotlib, whose font list may be outdated.

    It is registered in both weights, whichever it has: its characters have the same width in both.
    """
    load_matplotlib()
    from matplotlib.font_manager import findSystemFonts, fontManager

    found = sorted(findSystemFonts(), key=lambda path: ("Regular" not in path, path))
    for start in CHINESE_FILES:
        for path in found:
            if Path(path).name.startswith(start):
                known = len(fontManager.ttflist)
                fontManager.addfont(path)
                entry = fontManager.ttflist[known]
                fontManager.ttflist += [replace(entry, weight=weight) for weight in (400, 700)]
                return (entry.name,)
    return ()


def new_figure(width_in: float, height_in: float) -> Figure:
    """Make a figure with automatic layout and no screen canvas."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="compressed")


def finish(
    figure: Figure, name: str, description: str, *, is_synthetic: bool, data: Iterable[Mapping[str, object]] = ()
) -> Drawing:
    """Write a figure as SVG, marked if the data are synthetic.

    Args:
        figure: Drawn inside :func:`house_style`.
        name: The file name without suffix.
        description: A text description of the figure.
        is_synthetic: Whether the data are synthetic.
        data: The plotted numbers, one row per point; NaN is an empty cell.
    """
    rows = tuple({**row, "data": "synthetic"} if is_synthetic else dict(row) for row in data)
    if is_synthetic:
        mark = t("SYNTHETIC DATA")
        figure.set_figheight(figure.get_figheight() + MARK_IN)
        strip = MARK_IN / figure.get_figheight()
        figure.text(0.995, 1 - strip / 2, mark, ha="right", va="center", fontsize=8, fontweight="bold", color=ALARM)
        figure.set_layout_engine("compressed", rect=(0, 0, 1, 1 - strip))
        description = t("{mark}. {description}", mark=mark, description=description)
    description = printable(description)
    stream = io.StringIO()
    with warnings.catch_warnings():
        # A script without a font on this machine is measured by missing glyphs; the reader's font draws it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        with _laid_out(figure):
            figure.savefig(
                stream,
                format="svg",
                transparent=True,
                metadata={"Date": None, "Creator": None, "Format": None, "Type": None, "Title": description},
            )
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", FONTS, stream.getvalue())
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return Drawing(name, svg, description, round(figure.get_figwidth() * 96), rows, figure)


@contextmanager
def _laid_out(figure: Figure) -> Iterator[None]:
    """Lay the figure out once, at the resolution of SVG; saving alone would also draw everything twice."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    engine, dpi = figure.get_layout_engine(), figure.get_dpi()
    FigureCanvasSVG(figure)  # measures text as the SVG will
    figure.set_dpi(SVG_DPI)
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine(None)
    yield
    figure.set_layout_engine(engine)
    figure.set_dpi(dpi)


def write_figures(drawings: Mapping[str, Drawing], figures_dir: Path) -> list[Path]:
    """Write each figure as ``NAME.svg`` (``NAME.zh.svg`` in Chinese) and the numbers behind it as ``NAME.csv``.

    The numbers and their file are the same in every language; NaN is an empty cell, and floats keep all digits.

    Args:
        drawings: The figures by name.
        figures_dir: The folder; created if it is missing.

    Returns:
        The paths, in the order written.

    >>> import tempfile, pathlib
    >>> bare = Drawing("loss", "<svg/>", "No line.", 10, ({"epoch": 1, "loss": float("nan")},))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_figures({"loss": bare}, pathlib.Path(folder))]
    ...     pathlib.Path(folder, "loss.csv").read_text().split()
    ['loss.svg', 'loss.csv']
    ['epoch,loss', '1,']
    """
    ending = "svg" if spoken() == "en" else f"{spoken()}.svg"
    written = []
    for drawing in drawings.values():
        svg_path = figures_dir / f"{drawing.name}.{ending}"
        with replaced(svg_path) as temporary_path:
            temporary_path.write_text(drawing.svg, encoding="utf-8")
        written.append(svg_path)
        if drawing.data:
            csv_path = figures_dir / f"{drawing.name}.csv"
            rows = [without_nan(row) for row in drawing.data]
            write_rows(csv_path, list(dict.fromkeys(column for row in rows for column in row)), rows)
            written.append(csv_path)
    return written


def y_label(axes: Axes, text: str, **style: Any) -> None:
    """Label the vertical axis so that the text stays centred in any font."""
    axes.set_ylabel(text, rotation_mode="anchor", **style)


def name_lines(axes: Axes, lines: Sequence[Artist], names: Sequence[str], *, columns: int = 1) -> None:
    """Add the names of the lines below the panel, where they cover no curve.

    Args:
        axes: The panel.
        lines: The drawn lines.
        names: A name for each.
        columns: Names side by side.
    """
    axes.legend(
        lines,
        names,
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.17),
        ncols=columns,
        frameon=False,
        fontsize=7.5,
        handlelength=2.6,
        columnspacing=1.2,
        borderaxespad=0,
        labelcolor=MUTED,
    )


def printable(text: str) -> str:
    r"""Replace characters that XML does not allow.

    >>> printable("model\x00 透明")
    'model� 透明'
    """
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def shortened(name: str, letters: int) -> str:
    """Shorten a name that would not fit its place, and replace characters that XML does not allow.

    Args:
        name: The name, such as that of a model.
        letters: The most letters that fit.

    >>> shortened("weak-1", 18), shortened("a radiologist of twenty years", 18)
    ('weak-1', 'a radiolog…y years')
    >>> shortened("a radiologist of twenty years", 16)
    'a radiolo… years'
    """
    end = min(7, 2 * letters // 5)
    cut = name if len(name) <= letters else f"{name[: letters - end - 1]}…{name[-end:]}"
    return printable(cut)
