"""How often intervals contain the true value, and how often verdicts err: simulations with the package's own functions.

Scores are drawn from a binormal model, in which the true AUC is known: normal scores of both grades with the same
variance; two models are correlated within each grade. Every section states a claim and prints a Markdown table; a
number that misses what the claim says is named, and the exit code is then 1. The seed is fixed, so that two runs with
the same number of replicates print the same tables.

Run: python bench/coverage.py [--replicates 2000] [SECTION …]
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import ndtr, ndtri

from nephrograde.evaluation.comparison.compare import compare_models
from nephrograde.evaluation.comparison.equivalence import compare_equivalence
from nephrograde.evaluation.performance.metrics import auc, auc_delong
from nephrograde.evaluation.remarks import Verdict
from nephrograde.evaluation.scores.scores import ModelScores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nephrograde.evaluation.comparison.compare import Comparison
    from nephrograde.vocabulary import BoolVector, FloatVector

SEED = 20261127
MARGIN = 0.05
STEPS = (-0.5, 0.5, 1.0, 1.75)
"""Cuts that turn normal scores into five steps, as a reader's scale has."""

Row: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One claim with its table; ``misses`` lists the rows that contradict it."""

    claim: str
    headings: Row
    rows: tuple[Row, ...]
    misses: tuple[str, ...]

    def as_markdown(self) -> str:
        """The claim and the table."""
        lines = [self.headings, tuple("---" for _ in self.headings), *self.rows]
        return "\n".join([self.claim, "", *("| " + " | ".join(line) + " |" for line in lines)])


@dataclass(frozen=True, slots=True)
class Design:
    """A test set: how many patients, how many of them high grade."""

    n: int
    share: float

    @property
    def n_high(self) -> int:
        """High-grade patients."""
        return round(self.n * self.share)

    @property
    def is_high(self) -> BoolVector:
        """The truths, high-grade patients first."""
        return np.arange(self.n) < self.n_high

    @property
    def labels(self) -> Row:
        """The first cells of a row."""
        return f"{100 * self.share:.0f} %", f"{self.n} ({self.n_high})"


def draw(design: Design, aucs: Sequence[float], replicates: int, *, correlation: float = 0.0) -> Iterator[FloatVector]:
    """Draw scores of one model or two, ``model × patient``, from a seed of their own for each scenario."""
    label = [round(1000 * number) for number in (design.n, design.share, correlation, *aucs)]
    stream = np.random.default_rng([SEED, *label])
    shifts = math.sqrt(2.0) * ndtri(np.array(aucs))[:, np.newaxis] * design.is_high
    for _ in range(replicates):
        noise = stream.standard_normal((len(aucs), design.n))
        if len(aucs) == 2:
            noise[1] = correlation * noise[0] + math.sqrt(1.0 - correlation**2) * noise[1]
        yield noise + shifts


def share(hits: Sequence[bool]) -> float:
    """The proportion that is true."""
    return float(np.mean(hits))


def cover_auc(replicates: int) -> Section:
    """The interval of one AUC."""
    rows, misses = [], []
    for design in (Design(n, high) for high in (0.45, 0.15) for n in (40, 90, 300)):
        wanted = 0.92 if design.share > 0.4 else 0.90 if design.n >= 90 else 0.0
        for true in (0.70, 0.80, 0.90, 0.95):
            drawn = [scores[0] for scores in draw(design, [true], replicates)]
            shown, row = _cover(drawn, design, true)
            rows.append((*design.labels, f"{true:.2f}", *row))
            if shown < wanted:
                misses.append(f"{design} at {true}: {shown:.3f} < {wanted}")
    return Section(
        "The 95 % interval of an AUC covers the true AUC in at least 92 % of samples with 45 % high grade, and in at "
        "least 90 % with 15 % from 90 patients.",
        ("high", "n (high)", "true AUC", "plain DeLong", "shown", "below", "above", "mean width", "AUC of 1"),
        tuple(rows),
        tuple(misses),
    )


def _cover(drawn: Sequence[FloatVector], design: Design, true: float) -> tuple[float, Row]:
    is_high = design.is_high
    shown = [auc(scores, is_high) for scores in drawn]
    plain = [auc_delong(scores, is_high) for scores in drawn]
    covered = share([made.low <= true <= made.high for made in shown])
    # Without a plain interval (an AUC of exactly 1) nothing is covered: the interval would be 1 to 1.
    of_plain = share([made.low <= true <= made.high for made in plain])
    return covered, (
        f"{of_plain:.3f}",
        f"**{covered:.3f}**",
        f"{share([made.high < true for made in shown]):.3f}",
        f"{share([made.low > true for made in shown]):.3f}",
        f"{np.mean([made.high - made.low for made in shown]):.3f}",
        f"{share([made.value == 1.0 for made in shown]):.3f}",
    )


def cover_steps(replicates: int) -> Section:
    """The interval of one AUC of scores in five steps, with many ties, and in very few patients."""
    rows, misses = [], []
    for design in (Design(20, 0.5), Design(40, 0.45), Design(90, 0.45), Design(90, 0.15)):
        for latent in (0.70, 0.90, 0.95):
            true = _true_auc_in_steps(math.sqrt(2.0) * float(ndtri(latent)))
            drawn = [np.digitize(scores[0], STEPS).astype(float) for scores in draw(design, [latent], replicates)]
            shown, row = _cover(drawn, design, true)
            rows.append((*design.labels, f"{true:.3f}", *row))
            if shown < 0.90:
                misses.append(f"{design} at {true:.3f}: {shown:.3f} < 0.90")
    return Section(
        "This also holds for scores in five steps, and at the limit of subgroups, ten patients of each grade.",
        ("high", "n (high)", "true AUC", "plain DeLong", "shown", "below", "above", "mean width", "AUC of 1"),
        tuple(rows),
        tuple(misses),
    )


def _true_auc_in_steps(shift: float) -> float:
    edges = np.array([-np.inf, *STEPS, np.inf])
    low, high = np.diff(ndtr(edges)), np.diff(ndtr(edges - shift))
    return float(sum(high[k] * (low[:k].sum() + low[k] / 2.0) for k in range(low.size)))


def cover_difference(replicates: int) -> Section:
    """The interval of a paired difference and the level of its test, and the interval that verdicts rest on."""
    rows, misses = [], []
    for design in (Design(90, 0.45), Design(300, 0.45), Design(300, 0.15)):
        for correlation in (0.0, 0.7, 0.9):
            for b in (0.80, 0.95):
                for a in (b, b - MARGIN):
                    pairs = list(_pairs(design, (a, b), replicates, correlation=correlation))
                    compared = [_auc_row(models) for models in pairs]
                    judged = [compare_equivalence(models, margin=MARGIN)[0] for models in pairs]
                    covered = share([row.low <= a - b <= row.high for row in compared])
                    of_verdict = share([row.low <= a - b <= row.high for row in judged])
                    rejected = share([row.p_value < 0.05 for row in compared])
                    rows.append(
                        (
                            *design.labels,
                            f"{correlation:.1f}",
                            f"{a:.2f} − {b:.2f}",
                            f"{covered:.3f}",
                            f"{of_verdict:.3f}",
                            f"{rejected:.3f}",
                            f"{np.mean([row.high - row.low for row in compared]):.3f}",
                            f"{np.mean([row.high - row.low for row in judged]):.3f}",
                        )
                    )
                    if of_verdict < 0.90 or covered < 0.90 or (a == b and rejected > 0.06):
                        misses.append(f"{design}, {a} − {b}, correlation {correlation}")
    return Section(
        "The 95 % interval of a paired difference covers the true one in at least 90 % of samples, by DeLong's "
        "variance (comparisons) and by MOVER (verdicts); of equal models, DeLong's test at 5 % rejects at most 6 %.",
        ("high", "n (high)", "correlation", "true AUCs", "DeLong", "MOVER", "P < 0.05", "width", "width of MOVER"),
        tuple(rows),
        tuple(misses),
    )


@dataclass(frozen=True, slots=True)
class Scene:
    """Two models, of which the first is worse than the second, ``b``, by exactly the margin."""

    design: Design
    b: float
    margin: float
    correlation: float


def err_at_the_margin(replicates: int) -> Section:
    """How often "not worse" is said of a model that is worse by exactly the margin."""
    scenes = [
        Scene(Design(n, high), b, MARGIN, correlation)
        for high in (0.45, 0.15)
        for n in (90, 300)
        for correlation in (0.7, 0.9)
        for b in (0.80, 0.85, 0.90, 0.95)
    ]
    return _judge(
        scenes,
        replicates,
        "Of a model that is worse by exactly the margin (0.05), a verdict says “not worse”, “equivalent” or “better” "
        "in at most 6 % of samples. “Before” is DeLong's 90 % interval, two one-sided tests at 5 %.",
    )


def err_at_the_limits(replicates: int) -> Section:
    """The same with as few patients of a grade as a verdict allows, and AUCs near 1."""
    scenes = [
        Scene(design, b, margin, correlation)
        for design in (Design(60, 0.5), Design(200, 0.15), Design(300, 0.1))
        for correlation in (0.0, 0.7)
        for b, margin in ((0.80, 0.05), (0.95, 0.05), (0.95, 0.02), (0.99, 0.05), (0.99, 0.02))
    ]
    return _judge(
        scenes,
        replicates,
        "This also holds with 30 patients of a grade, and near an AUC of 1, as no verdict is given on AUCs above 0.95 "
        "if a grade has fewer than 15 % of the patients.",
    )


def _judge(scenes: Sequence[Scene], replicates: int, claim: str) -> Section:
    rows, misses = [], []
    good = {Verdict.NOT_WORSE, Verdict.EQUIVALENT, Verdict.BETTER}
    for scene in scenes:
        a, margin = scene.b - scene.margin, scene.margin
        pairs = list(_pairs(scene.design, (a, scene.b), replicates, correlation=scene.correlation))
        verdicts = [compare_equivalence(models, margin=margin)[0].verdict for models in pairs]
        withheld = share([verdict is None or verdict.is_withheld for verdict in verdicts])
        erred = share([verdict in good for verdict in verdicts])
        before = share([_auc_row(models, confidence=0.9).low > -margin for models in pairs])
        rows.append(
            (
                *scene.design.labels,
                f"{scene.correlation:.1f}",
                f"{a:.2f} − {scene.b:.2f}",
                f"{before:.3f}",
                "–" if withheld == 1.0 else f"**{erred:.3f}**",
                f"{share([verdict is Verdict.EQUIVALENT for verdict in verdicts]):.3f}",
                f"{withheld:.3f}",
            )
        )
        if erred > 0.06:
            misses.append(f"{scene}: {erred:.3f}")
    headings = ("high", "n (high)", "correlation", "true AUCs", "before", "verdict errs", "“equivalent”", "no verdict")
    return Section(claim, headings, tuple(rows), tuple(misses))


def _pairs(
    design: Design, aucs: Sequence[float], replicates: int, *, correlation: float
) -> Iterator[dict[str, ModelScores]]:
    ids, is_high = tuple(f"P{k:04}" for k in range(design.n)), design.is_high
    for scores in draw(design, aucs, replicates, correlation=correlation):
        yield {name: ModelScores(ids, is_high, row) for name, row in zip("ab", scores, strict=True)}


def _auc_row(models: dict[str, ModelScores], *, confidence: float = 0.95) -> Comparison:
    return compare_models(models, dict.fromkeys(models, 0.5), confidence=confidence)[0]


SECTIONS: dict[str, Callable[[int], Section]] = {
    "auc": cover_auc,
    "steps": cover_steps,
    "difference": cover_difference,
    "margin": err_at_the_margin,
    "limits": err_at_the_limits,
}


def main() -> int:
    """Print the sections that were asked for."""
    parser = argparse.ArgumentParser(description="Coverage of intervals and errors of verdicts, by simulation.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"any of {', '.join(SECTIONS)}; all by default")
    parser.add_argument("--replicates", type=int, default=2000)
    chosen = parser.parse_args()
    if unknown := set(chosen.sections) - set(SECTIONS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    misses: list[str] = []
    for name in chosen.sections or SECTIONS:
        section = SECTIONS[name](chosen.replicates)
        print(f"## {name}\n\n{section.as_markdown()}\n")
        misses += section.misses
    for miss in misses:
        print(f"MISSED: {miss}")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
