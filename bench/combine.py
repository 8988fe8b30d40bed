"""How often the interval of an AUC over several hospitals holds the truth, and what sharing and combining costs.

Scores of each hospital are binormal; its true AUC is drawn on log odds from a normal distribution, so that mean and
variance between hospitals are known. Beside the interval that `combine` gives stand DerSimonian and Laird's estimate
with the normal interval, and DeLong's interval of all patients in one table. A number that misses what a section claims
is named, and the exit code is then 1.

Run: python bench/combine.py [--replicates 2000] [SECTION …]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit, ndtri
from statsmodels.stats.meta_analysis import combine_effects

import nephrograde as ng
from nephrograde.evaluation.ledger import open_test_set
from nephrograde.evaluation.performance.delong import place
from nephrograde.evaluation.performance.metrics import Estimate
from nephrograde.evaluation.remarks import Rule
from nephrograde.evaluation.scores.score_table import write_scores
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.evaluation.tables import write_estimates
from nephrograde.run.folder import RunFolder
from nephrograde.run.provenance import SCORE_TABLE, write_lock
from nephrograde.run.seal import renew_seal
from nephrograde.sharing.combine import auc_effect
from nephrograde.sharing.random_effects import pool_effects
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

SEED = 20261128
MEAN_AUCS = (0.85, 0.95)
Row: TypeAlias = tuple[str, ...]
Vector: TypeAlias = "npt.NDArray[np.float64]"


def printed(claim: str, headings: Row, rows: Sequence[Row]) -> None:
    """Print a section as Markdown."""
    lines = [headings, tuple("---" for _ in headings), *rows]
    print(claim, "", *("| " + " | ".join(line) + " |" for line in lines), "", sep="\n", flush=True)


def hospital(stream: np.random.Generator, log_odds: float) -> tuple[Vector, npt.NDArray[np.bool_]]:
    """Scores and truths of 60 to 200 patients, 25 to 55 % of them of high grade, with a given true AUC."""
    n = int(stream.integers(60, 201))
    is_high = np.arange(n) < round(n * stream.uniform(0.25, 0.55))
    signal = np.sqrt(2.0) * ndtri(expit(log_odds))
    return stream.normal(signal * is_high, 1.0), is_high


def effect(scores: Vector, is_high: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """AUC on log odds, with its variance."""
    return auc_effect(place(scores[np.newaxis], is_high).area(0))


def coverage(replicates: int) -> list[str]:
    """How often each interval holds the mean AUC, and the prediction interval that of one more hospital."""
    stream, rows, misses = np.random.default_rng(SEED), [], []
    for auc in MEAN_AUCS:
        for k in (2, 3, 5, 10, 20):
            for tau in (0.0, 0.3, 0.6):
                shares, width = covered(stream, float(np.log(auc / (1.0 - auc))), k, tau, replicates)
                ahead = f"{shares[1]:.3f}" if k > 2 else "–"
                numbers = (f"**{shares[0]:.3f}**", f"{width:.2f}", ahead, f"{shares[2]:.3f}", f"{shares[3]:.3f}")
                rows.append((f"{auc:g}", str(k), f"{tau:g}", *numbers))
                if shares[0] < 0.93 - 3 * np.sqrt(0.07 * 0.93 / replicates):
                    misses.append(f"AUC {auc}, {k} hospitals, tau {tau:g}: the mean is held in {shares[0]:.3f}")
    headings = (
        "mean AUC",
        "hospitals",
        "tau",
        "covered",
        "median width",
        "one more hospital",
        "DL, normal",
        "one table",
    )
    printed("Coverage of 95 % intervals of the mean AUC; at least 0.93, within the error.", headings, rows)
    return misses


def covered(  # noqa: PLR0917 - one row
    stream: np.random.Generator, mean: float, k: int, tau: float, replicates: int
) -> tuple[Vector, float]:
    """The shares of samples in which each of four intervals holds the truth, and the median width of the first."""
    hits, widths = np.zeros(4), []
    for _ in range(replicates):
        truths = stream.normal(mean, tau, k + 1)
        drawn = [hospital(stream, one) for one in truths[:k]]
        values, variances = np.array([effect(*one) for one in drawn]).T
        made = pool_effects(values, variances, confidence=0.95)
        with np.errstate(invalid="ignore"):  # its variance between hospitals may be below 0
            plain = combine_effects(values, variances, method_re="dl")
        error = plain.sd_eff_w_re if plain.tau2 > 0 else plain.sd_eff_w_fe
        center = plain.mean_effect_re if plain.tau2 > 0 else plain.mean_effect_fe
        together = effect(*(np.concatenate(parts) for parts in zip(*drawn, strict=True)))
        hits += (
            made.low <= mean <= made.high,
            made.prediction_low <= truths[-1] <= made.prediction_high,
            abs(center - mean) <= 1.959964 * error,
            abs(together[0] - mean) <= 1.959964 * np.sqrt(together[1]),
        )
        widths.append(expit(made.high) - expit(made.low))
    return hits / replicates, float(np.median(widths))


def cost(replicates: int) -> list[str]:
    """Bytes and processor seconds of 20 hospitals with 5,000 patients and six models each."""
    del replicates
    stream, rows, misses = np.random.default_rng(SEED + 1), [], []
    with tempfile.TemporaryDirectory() as folder:
        runs = [write_run(stream, Path(folder, f"run-{k}"), number=k, n=5000) for k in range(20)]
        found = {}
        for kind in ("scores", "statistics"):
            start = time.process_time()
            paths = [ng.share(run, Path(folder, f"{kind}-{k}.zip"), what=kind).path for k, run in enumerate(runs)]
            shared = time.process_time() - start
            start = time.process_time()
            found[kind] = ng.combine(paths)
            size = sum(path.stat().st_size for path in paths)
            rows.append((kind, f"{size / 20 / 1000:,.0f}", f"{shared / 20:.2f}", f"{time.process_time() - start:.2f}"))
    largest = max(
        abs(getattr(a, name) - getattr(b, name))
        for a, b in zip(found["scores"].pooled, found["statistics"].pooled, strict=True)
        for name in ("value", "low", "high", "tau2")
    )
    headings = ("shared", "kB a hospital", "share, s a hospital", "combine, s in all")
    claim = (
        f"20 hospitals × 5,000 patients × six models, processor seconds; largest difference of the two: {largest:.1e}."
    )
    printed(claim, headings, rows)
    if largest > 1e-9:
        misses.append(f"scores and statistics differ by {largest:.1e}")
    return misses


def write_run(stream: np.random.Generator, run_dir: Path, *, number: int, n: int) -> Path:
    """An evaluated score table of six models, as far as sharing reads it."""
    run, is_high = RunFolder(run_dir), stream.random(n) < 0.4
    rows, estimates = [], []
    for j in range(6):
        p_high = expit(stream.normal((0.6 + 0.2 * j) * is_high - 0.5, 1.0))
        rows += [
            Score(f"{number}-{k}", f"model-{j}", "test", None, bool(is_high[k]), float(p_high[k])) for k in range(n)
        ]
        made = Estimate("threshold", 0.4, np.nan, np.nan, n, int(is_high.sum()), "youden", rule=Rule.YOUDEN)
        estimates.append((f"model-{j}", "test", made))
    write_scores(Scores(tuple(rows)), run.scores_path)
    write_estimates(estimates, run.estimates_path)
    write_lock(EvaluateSettings(), run, inputs={SCORE_TABLE: "0" * 64}, command="")
    open_test_set(run_dir, study="0" * 64, inputs="0" * 64, reason="", command="")
    renew_seal(run, ())
    return run_dir


SECTIONS = {"coverage": coverage, "cost": cost}


def main() -> int:
    """Print all sections, and name what misses its claim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], metavar="SECTION", help=", ".join(SECTIONS))
    given = parser.parse_args()
    misses = [miss for name in given.sections or SECTIONS for miss in SECTIONS[name](given.replicates)]
    print("\n".join(misses))
    return bool(misses)


if __name__ == "__main__":
    sys.exit(main())
