"""Learning curves of several models on the same folds: the mean AUC of each by the patients it learnt from.

Reads runs with ``split.learning_curve`` whose folds are the same, such as those of one study in several folders, and
compares every model with one of them at each size, fold by fold, by the corrected resampled t-test. Out-of-fold scores
only.

    python bench/learning_curves.py build/adrenal/run build/adrenal/run_tuned --against scratch-2d-cmp
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.evaluation.comparison.repeats import corrected_t
from nephrograde.results import Results

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nephrograde.evaluation.comparison.repeats import RepeatedAuc


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--against", required=True, help="The model that the others are compared with.")
    given = parser.parse_args()
    rows = [row for run in given.runs for row in Results.read(run).repeats if row.fold is not None]
    if given.against not in (names := sorted({row.model for row in rows})):
        parser.error(f"--against {given.against}: the models are {', '.join(names)}")
    print("| model | learnt from | AUC, mean of the folds | difference [95 % CI] |\n|---|---|---|---|")
    for line in table(rows, against=given.against):
        print(line)


def table(rows: Iterable[RepeatedAuc], *, against: str) -> list[str]:
    """The lines of the table, by model and upwards in size.

    Args:
        rows: AUCs of folds, of all models and sizes.
        against: The model that the others are compared with.
    """
    found: dict[tuple[str, float], dict[tuple[int, int], RepeatedAuc]] = defaultdict(dict)
    for row in rows:
        found[row.model, row.share][row.drawing, row.fold or 0] = row
    lines = []
    for (model, share), folds in sorted(found.items()):
        mean = float(np.mean([row.auc for row in folds.values()]))
        learnt = round(float(np.mean([row.n_learn for row in folds.values()])))
        beyond = "reference" if model == against else _difference(folds, found[against, share])
        lines.append(f"| `{model}` | {learnt} | {mean:.3f} | {beyond} |")
    return lines


def _difference(folds: Mapping[tuple[int, int], RepeatedAuc], reference: Mapping[tuple[int, int], RepeatedAuc]) -> str:
    shared = sorted(folds.keys() & reference.keys())
    differences = [folds[fold].auc - reference[fold].auc for fold in shared]
    if len(differences) < 2:
        return "not computed"
    ratio = math.fsum(folds[fold].n / folds[fold].n_learn for fold in shared) / len(shared)
    reach = corrected_t(differences, ratio=ratio)[2]
    mean = float(np.mean(differences))
    return f"{mean:+.3f} [{mean - reach:+.3f} to {mean + reach:+.3f}]"


if __name__ == "__main__":
    main()
