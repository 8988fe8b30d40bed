"""What choices of training are worth: out-of-fold AUC against the study as it is, and CPU time, on real anatomy.

Each choice is a study with other values of keys, as with ``--set``. Its networks are fitted with the same folds and the
same seed as those of the study, in one process with one thread, and only patients are looked at whom a network has not
learnt from and who are not test patients. The table gives the AUC (mean of the folds), the paired difference to the
reference with its interval, and the CPU seconds of one network. The interval is about other patients, with these
networks. What another seed alone changes is in the rows of the seeds.

Networks that are fitted already are kept, so the command can be interrupted and repeated, and choices be added.

Run: OMP_NUM_THREADS=1 python bench/choices.py RUNS [--study STUDY] [--only NAME …] [--choice "NAME: KEY=VALUE …"]
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.cohort.split import read_split
from nephrograde.evaluation.comparison.compare import auc_row
from nephrograde.evaluation.comparison.out_of_fold import stratified_auc
from nephrograde.evaluation.comparison.pairs import auc_differences, pair_models
from nephrograde.evaluation.scores.collect import collect_scores
from nephrograde.evaluation.scores.prevalence import log_odds, probability
from nephrograde.evaluation.scores.scores import ModelScores, Scores
from nephrograde.files import read_json, write_json
from nephrograde.pipeline import fit_study, prepare_study
from nephrograde.run.folder import RunFolder
from nephrograde.study.file import load_study

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nephrograde.study import Study

CONFIDENCE = 0.95
THIS_STUDY = "the study as it is"
SEEDS = 2
AGAIN = (f"fit.repeats={SEEDS}",)


@dataclass(frozen=True, slots=True)
class Choice:
    """One row of the table.

    Attributes:
        name: What is different.
        overrides: Keys with their values, as for ``--set``.
        arm: The arm whose model is fitted.
        reference: The name of the choice that it is compared with, of the same arm; empty for a reference.
        seed: Which seed of the reference's networks, where the row is about another seed; "mean" of all of them.
    """

    name: str
    overrides: tuple[str, ...] = ()
    arm: str = "weak-1"
    reference: str = THIS_STUDY
    seed: int | str = 0

    @property
    def folder(self) -> str:
        """The name of its run folder; further seeds are in that of the first."""
        what = " ".join([self.arm, *(one for one in self.overrides if one not in AGAIN)])
        return re.sub(r"[^\w.+-]+", "_", what).strip("_")


OFF = ("flip=false", "rotate_deg=0.0", "shift=0.0", "scale=0.0")
HALF = ("rotate_deg=5.0", "shift=0.025", "scale=0.025")
DOUBLE = ("rotate_deg=20.0", "shift=0.1", "scale=0.1")
CHOICES = (
    Choice(THIS_STUDY, reference=""),
    Choice("augmentation: none", tuple(f"augment.{key}" for key in OFF)),
    Choice("augmentation: half the widths", tuple(f"augment.{key}" for key in HALF)),
    Choice("augmentation: double widths", tuple(f"augment.{key}" for key in DOUBLE)),
    Choice("15 epochs", ("fit.epochs=15",)),
    Choice("ordinal head", ("arm.weak-1.head=ordinal",)),
    Choice("early stopping (patience 15)", ("fit.patience=15",)),
    Choice("learning rate 3e-3", ("fit.learning_rate=3e-3",)),
    Choice("learning rate 3e-4", ("fit.learning_rate=3e-4",)),
    Choice("batches of 4", ("fit.batch_size=4",)),
    Choice("batches of 16", ("fit.batch_size=16",)),
    Choice("field of view 80 mm", ("image.slice_mm=80.0",)),
    Choice("field of view 160 mm", ("image.slice_mm=160.0",)),
    Choice("batches not balanced", ("fit.balanced=false",)),
    *(Choice(f"seed {seed + 1}", AGAIN, seed=seed) for seed in range(1, SEEDS)),
    Choice(f"mean of {SEEDS} seeds", AGAIN, seed="mean"),
    Choice("60 epochs", ("fit.epochs=60",)),
    Choice("3D: image and mask", arm="strong", reference=""),
    Choice("3D: image alone", ('arm.strong.supervision="box"',), arm="strong", reference="3D: image and mask"),
    Choice("3D: ordinal head", ("arm.strong.head=ordinal",), arm="strong", reference="3D: image and mask"),
    Choice("3 slices: mean", arm="weak-3", reference=""),
    *(
        Choice(f"3 slices: {rule}", (f'fit.pooling="{rule}"',), arm="weak-3", reference="3 slices: mean")
        for rule in ("attention", "max", "noisy-or")
    ),
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """The out-of-fold scores of a choice, and the CPU seconds of one of its networks and of all of them."""

    scores: ModelScores
    seconds: float
    networks: int


def read_choice(text: str) -> Choice:
    """Read a choice from the command line.

    >>> read_choice("slower: fit.learning_rate=1e-4 fit.epochs=60").overrides
    ('fit.learning_rate=1e-4', 'fit.epochs=60')
    """
    name, _, overrides = text.partition(":")
    return Choice(name.strip(), tuple(overrides.split()))


def study_of(choice: Choice, study_path: Path) -> Study:
    """Read the study with the values of a choice and only its arm."""
    study = load_study(study_path, (*choice.overrides, "fit.workers=1"))
    return study.model_copy(update={"arm": tuple(arm for arm in study.arm if arm.name == choice.arm)})


def fit_choice(choice: Choice, study_path: Path, runs_dir: Path) -> None:
    """Fit the networks of a choice that are not there, and note the CPU seconds that they took."""
    run = RunFolder.at(runs_dir / choice.folder)
    study = study_of(choice, study_path)
    prepare_study(study, run.run_dir)
    before, started = len(list(_cards(run))), time.process_time()
    fit_study(study, run.run_dir)
    made = len(list(_cards(run))) - before
    if made:
        path = _cost_path(run)
        earlier = read_json(path)["of"] if path.is_file() else []
        write_json(path, {"of": [*earlier, {"networks": made, "cpu_s": time.process_time() - started}]})


def _cards(run: RunFolder) -> Iterator[Path]:
    yield from run.run_dir.glob("**/card.json")


def _cost_path(run: RunFolder) -> Path:
    return run.run_dir / "cpu.json"


def read_fitted(choice: Choice, study_path: Path, runs_dir: Path) -> Fitted | None:
    """Read what a choice has given; None if it is not fitted."""
    run = RunFolder.at(runs_dir / choice.folder)
    cost_path = _cost_path(run)
    if not cost_path.is_file():
        return None
    (model,) = study_of(choice, study_path).models()
    folds = range(read_split(run.split_path).folds)
    seeds = range(SEEDS) if choice.seed == "mean" else [int(choice.seed)]
    found = []
    for seed in seeds:
        folders = [run.fold(model.id, fold, f"seed-{seed}" if seed else "") for fold in folds]
        if not all(folder.card_path.is_file() for folder in folders):
            return None
        rows = tuple(score for score in collect_scores(folders).rows if score.split == "oof")
        found.append(Scores(rows).of(model.id, "oof"))
    cost = read_json(cost_path)["of"]
    seconds = sum(one["cpu_s"] for one in cost) / sum(one["networks"] for one in cost)
    return Fitted(_mean(found), seconds, len(seeds) * len(folds))


def _mean(of_seeds: Sequence[ModelScores]) -> ModelScores:
    """The mean log odds of each patient, whose networks of all seeds have not learnt from the patient."""
    (first, *others) = of_seeds
    if not others:
        return first
    values = [[log_odds(p) for p in one.p_high.tolist()] for one in of_seeds]
    p_high = np.array([probability(value) for value in np.mean(values, axis=0).tolist()])
    return ModelScores(first.patient_ids, first.is_high, p_high, first.folds)


def row_of(choice: Choice, fitted: Fitted, reference: Fitted) -> str:
    """One row of the table."""
    own, other = fitted.scores, reference.scores
    area = stratified_auc(own.p_high, own.is_high, own.known_folds or (), confidence=CONFIDENCE)
    cells = [choice.name, f"{area.value:.3f} [{area.low:.3f}–{area.high:.3f}]"]
    if choice.reference:
        (difference,) = auc_differences(pair_models({"this": own, "reference": other}, split="oof"))
        row = auc_row(difference, confidence=CONFIDENCE)
        cells.append(f"{row.difference:+.3f} [{row.low:+.3f} to {row.high:+.3f}]")
    else:
        cells.append("reference")
    return f"| {' | '.join([*cells, f'{fitted.seconds:.0f}', f'{fitted.networks}'])} |"


def print_table(choices: Sequence[Choice], study_path: Path, runs_dir: Path) -> None:
    """Print the rows of all choices that are fitted."""
    named = {choice.name: choice for choice in CHOICES}
    print("| choice | AUC | difference | CPU s per network | networks |\n|---|---|---|---|---|")
    for choice in choices:
        fitted = read_fitted(choice, study_path, runs_dir)
        reference = read_fitted(named[choice.reference], study_path, runs_dir) if choice.reference else fitted
        if fitted is not None and reference is not None:
            print(row_of(choice, fitted, reference))


def main() -> int:
    """Fit what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder for the runs")
    parser.add_argument("--study", type=Path, default=Path("studies/kits_shape.toml"))
    parser.add_argument("--only", nargs="*", default=[], help="names of choices; all if none is given")
    parser.add_argument("--choice", action="append", default=[], type=read_choice, help="a further choice")
    parser.add_argument("--table", action="store_true", help="only print what is fitted")
    given = parser.parse_args()
    choices = [one for one in (*CHOICES, *given.choice) if not given.only or one.name in given.only]
    for choice in [] if given.table else choices:
        print(choice.name, file=sys.stderr, flush=True)
        fit_choice(choice, given.study, given.runs)
    print_table(choices, given.study, given.runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
