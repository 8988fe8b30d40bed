"""Three ways of supervision on three phases of SYNTHETIC patients, against the best AUC that there can be.

Reads a finished run of ``studies/phantom.toml``. The hidden severity that the phantoms were made from, a column of the
cohort table that no model is given, is scored like a model. All AUCs are those of the test patients.

    python bench/ladder_cohorts.py phantom build/phantom --patients 600 --phases cmp np up
    nephrograde run studies/phantom.toml --out build/phantom/run
    python bench/phantom_phases.py build/phantom/run
"""

from __future__ import annotations

import argparse
import csv
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.evaluation.comparison.compare import auc_row
from nephrograde.evaluation.comparison.pairs import auc_differences, pair_models
from nephrograde.evaluation.comparison.reference import auc_of
from nephrograde.evaluation.scores.scores import ModelScores
from nephrograde.results import Results

if TYPE_CHECKING:
    from nephrograde.evaluation.comparison.compare import Comparison

CONFIDENCE = 0.95
BEST = "severity"


def main() -> None:
    """Print the table of the models, and the comparisons of phases, of supervision and of phases together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    results = Results.read(parser.parse_args().run)
    study = results.study
    if study is None or not study.synthetic:
        parser.error("needs the run of a study of synthetic patients")
    models = {model.id: results.scores.of(model.id, "test") for model in study.models()}
    first = next(iter(models.values()))
    scored = {BEST: severity_of(study.cohort.table, first), **models}
    print_models(results, scored)
    print()
    print_comparisons(results, scored)


def severity_of(table_path: Path, patients: ModelScores) -> ModelScores:
    """The hidden severity of the patients, by rank between 0 and 1."""
    with table_path.open(encoding="utf-8", newline="") as stream:
        hidden = {row["patient_id"]: float(row["severity"]) for row in csv.DictReader(stream)}
    values = np.array([hidden[patient] for patient in patients.patient_ids])
    return ModelScores(patients.patient_ids, patients.is_high, values.argsort().argsort() / len(values))


def print_models(results: Results, scored: dict[str, ModelScores]) -> None:
    """One row for each model: its AUC by the patients it learnt from, and how far it is from the best possible."""
    curves = {
        (row.model, row.n_learn): row.auc
        for row in results.repeats
        if row.fold is None and not row.is_first and not row.drawing and not row.seed
    }
    sizes = sorted({n for _, n in curves})
    whole = next(row.n_learn for row in results.repeats if row.is_first and row.fold is None)
    headings = ["model", *(f"learnt from {n}" for n in sizes), f"learnt from {whole} [95 % CI]", "below severity"]
    print(f"| {' | '.join(headings)} |")
    print("|---" * len(headings) + "|")
    for name, own in scored.items():
        area = auc_of(own, "test", confidence=CONFIDENCE)
        smaller = " | ".join(f"{curves[name, n]:.3f}" if (name, n) in curves else "" for n in sizes)
        below = "" if name == BEST else _words(_difference(scored, BEST, name))
        print(f"| `{name}` | {smaller} | {area.value:.3f} [{area.low:.3f}–{area.high:.3f}] | {below} |")


def print_comparisons(results: Results, scored: dict[str, ModelScores]) -> None:
    """The differences of phases, of one slice and three, and of all phases together and the best one."""
    arms = list(dict.fromkeys(name.partition("-cmp")[0] for name in scored if "-cmp" in name))
    print("| comparison | difference [95 % CI] | P |\n|---|---|---|")
    for arm in arms:
        for one, other in pairwise(("cmp", "np", "up")):
            row = _difference(scored, f"{arm}-{one}", f"{arm}-{other}")
            print(f"| `{arm}`: {one} − {other} | {_words(row)} | {row.p_value:.3g} |")
    for arm in arms:
        row = _difference(scored, f"{arm}-cmp+np+up", f"{arm}-cmp")
        print(f"| `{arm}`: all phases − cmp | {_words(row)} | {row.p_value:.3g} |")
    for pair in results.equivalences:
        if {pair.model_a, pair.model_b} == {"weak-1-cmp", "weak-3-cmp"}:
            interval = f"{pair.difference:+.3f} [{pair.low:+.3f} to {pair.high:+.3f}]"
            print(
                f"| `{pair.model_a}` − `{pair.model_b}`, margin {pair.margin:g}: {pair.verdict} | {interval} | "
                f"{pair.p_equivalent:.3g} (TOST) |"
            )


def _difference(scored: dict[str, ModelScores], one: str, other: str) -> Comparison:
    (found,) = auc_differences(pair_models({one: scored[one], other: scored[other]}, split="test"))
    return auc_row(found, confidence=CONFIDENCE)


def _words(row: Comparison) -> str:
    return f"{row.difference:+.3f} [{row.low:+.3f} to {row.high:+.3f}]"


if __name__ == "__main__":
    main()
