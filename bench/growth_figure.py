"""The figure of ``bench.growth``: seconds of every stage against the number of patients, both axes logarithmic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#8c6d1f")
MARKS = ("o", "s", "^", "D", "v", "P")

SECONDS = tuple(step * 10.0**power for power in range(-2, 5) for step in (1, 2, 5))
"""Ticks of the axis of time, as far as they lie on it."""


def draw(costs_s: Mapping[str, Mapping[int, float]], figure_path: Path) -> None:
    """Draw the figure as SVG; the same numbers give the same bytes.

    Args:
        costs_s: Seconds of the processors, by stage and number of patients.
        figure_path: The file.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {"svg.fonttype": "none", "svg.hashsalt": "nephrograde", "font.size": 9}
    with mpl.rc_context(style):
        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        axes = figure.add_subplot()
        for (stage, by_size), colour, mark in zip(costs_s.items(), COLOURS, MARKS, strict=False):
            sizes = sorted(by_size)
            axes.plot(sizes, [by_size[size] for size in sizes], color=colour, marker=mark, markersize=4.5, label=stage)
        sizes = sorted({size for by_size in costs_s.values() for size in by_size})
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        low, high = axes.get_ylim()
        seconds = [value for value in SECONDS if low <= value <= high]
        axes.set_yticks(seconds, [f"{value:g}" for value in seconds])
        axes.minorticks_off()
        axes.set_xlabel("synthetic patients")
        axes.set_ylabel("seconds of the processors")
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.legend(frameon=False)
        figure.savefig(figure_path, format="svg", metadata={"Date": None, "Creator": None})
