"""What a run folder holds, read once: the only thing the rest of the report looks at."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import ValidationError

from nephrograde.errors import RunError
from nephrograde.files import read_json, read_rows
from nephrograde.study import EvaluateSettings, Study, read_section

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nephrograde.evaluate.compare import Comparison
    from nephrograde.evaluate.metrics import Estimate
    from nephrograde.evaluate.scores import Scores, SplitName

Row: TypeAlias = dict[str, str]
BASELINES = ("size", "volume", "clinical", "radiomics")
"""Model ids of the logistic baselines; they stand below a rule in every table."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the run: its id, and the arm and phase it is made of where the study says so."""

    name: str
    arm: str | None = None
    phase: str | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether this is a logistic baseline and no network."""
        return self.name in BASELINES

    @property
    def label(self) -> str:
        """The name for people.

        >>> Model("size").label, Model("weak-1-cmp").label
        ('size only', 'weak-1-cmp')
        """
        return f"{self.name} only" if self.is_baseline else self.name


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of ``history.csv``; a loss is NaN where it was not computed."""

    epoch: int
    train_loss: float
    stop_loss: float


@dataclass(frozen=True, slots=True)
class FoldFit:
    """One fitted network: its learning curve and what its card says."""

    model: str
    fold: int
    epochs: tuple[Epoch, ...]
    card: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """Everything the report is made of, and ``absent``: what the folder did not hold."""

    run_dir: Path
    lock: Mapping[str, Any]
    study: Study | None
    cases: tuple[Row, ...]
    assignments: Mapping[str, tuple[str, str]]
    findings: tuple[Row, ...]
    regions: tuple[Row, ...]
    fits: tuple[FoldFit, ...]
    scores: Scores
    estimates: tuple[tuple[str, str, Estimate], ...]
    comparisons: tuple[Comparison, ...]
    absent: tuple[str, ...]

    @property
    def is_synthetic(self) -> bool:
        """Whether the cohort was made by code."""
        return self.study is not None and self.study.synthetic

    @property
    def split(self) -> SplitName:
        """The predictions that the report is about: those of the test set, or out of fold where there is none."""
        return "test" if self.scores.has_test else "oof"

    @property
    def split_words(self) -> str:
        """What the reported predictions are called."""
        return "Test set" if self.split == "test" else "Out-of-fold training predictions"

    @property
    def truths(self) -> dict[str, bool]:
        """Whether each scored patient is high grade, by patient id."""
        return {row.patient_id: row.is_high for row in self.scores.rows}

    @property
    def models(self) -> tuple[Model, ...]:
        """Every model that has scores: the study's in its order, then foreign ones, then the baselines."""
        known = {name: Model(name, arm.name, phase) for name, arm, phase in (self.study.models() if self.study else [])}
        scored = self.scores.models
        foreign = [name for name in scored if name not in known and name not in BASELINES]
        return (
            *(model for name, model in known.items() if name in scored),
            *(Model(name) for name in foreign),
            *(Model(name) for name in scored if name in BASELINES and name not in known),
        )

    @property
    def level_words(self) -> tuple[str, str]:
        """What the two classes are called: grades where there are grades, else the outcome's own column."""
        outcome = self.study.cohort.outcome if self.study else None
        if outcome is None or any(case.get("grade") for case in self.cases):
            return "low grade", "high grade"
        return f"{outcome} = 0", f"{outcome} = 1"

    @property
    def settings(self) -> EvaluateSettings:
        """By which rules the scores were evaluated: the study's, those given for a score table, or the defaults."""
        if self.study is not None:
            return self.study.evaluate
        return read_section(EvaluateSettings, self.lock.get("evaluate", {}))

    @property
    def confidence_percent(self) -> str:
        """The confidence level of the intervals, in percent."""
        return f"{100 * self.settings.confidence:g}"

    @property
    def chosen_network(self) -> str | None:
        """The network with the greatest out-of-fold AUC, in which no test patient had a say; None without such."""
        networks = [model.name for model in self.models if not model.is_baseline]
        found = {name: made.value for name in networks if (made := self.estimate(name, "oof", "auc")) is not None}
        known = {name: value for name, value in found.items() if not math.isnan(value)}
        return max(known, key=lambda name: known[name], default=None)

    def auc_difference(self, a: str, b: str) -> Comparison | None:
        """Look up the AUC of a minus that of b, whichever way round the pair is stored."""
        for pair in self.comparisons:
            if pair.measure == "auc" and (pair.model_a, pair.model_b) == (a, b):
                return pair
            if pair.measure == "auc" and (pair.model_a, pair.model_b) == (b, a):
                return replace(
                    pair,
                    model_a=a,
                    model_b=b,
                    difference=-pair.difference,
                    low=-pair.high,
                    high=-pair.low,
                    statistic=-pair.statistic,
                )
        return None

    def knows(self, relative: str) -> bool:
        """Whether a file was in the run folder."""
        return not any(text.endswith(f"({relative})") for text in self.absent)

    def estimate(self, model: str, split: SplitName, measure: str) -> Estimate | None:
        """Look one estimate up; None where it was not computed."""
        for name, part, estimate in self.estimates:
            if (name, part, estimate.measure) == (model, split, measure):
                return estimate
        return None


def read_record(run_dir: Path) -> Record:
    """Read a run folder.

    Only scores and estimates must be there; whatever else is missing is named in ``absent``, and the report does
    without.

    Raises:
        RunError: Where the scores or estimates are missing, or a file is damaged.
    """
    from nephrograde.evaluate.compare import Comparison
    from nephrograde.evaluate.scores import read_scores
    from nephrograde.evaluate.tables import read_estimates, read_table

    scores_path = run_dir / "scores" / "scores.csv"
    estimates_path = run_dir / "statistics" / "estimates.csv"
    for needed_path in (scores_path, estimates_path):
        if not needed_path.exists():
            raise RunError(
                f"{needed_path} is missing, so there is nothing to report. Run `nephrograde evaluate` first."
            )
    absent: list[str] = []

    def rows(relative: str, meaning: str) -> tuple[Row, ...]:
        if (run_dir / relative).exists():
            return tuple(read_rows(run_dir / relative))
        absent.append(f"{meaning} ({relative})")
        return ()

    lock = read_json(run_dir / "study.lock.json") if (run_dir / "study.lock.json").exists() else {}
    if not lock:
        absent.append("the study file and the provenance (study.lock.json)")
    cases = rows("cohort/cases.csv", "the cohort table")
    split_rows = rows("cohort/split.csv", "the split")
    findings = rows("volumes/findings.csv", "the findings of the image checks")
    regions = rows("volumes/regions.csv", "the prepared regions")
    fits = _read_fits(run_dir / "models")
    if not fits:
        absent.append("the fitted networks (models/)")
    comparisons_path = run_dir / "statistics" / "comparisons.csv"
    return Record(
        run_dir=run_dir,
        lock=lock,
        study=_study_of(lock, run_dir),
        cases=cases,
        assignments={row["patient_id"]: (row["split"], row["fold"]) for row in split_rows},
        findings=findings,
        regions=regions,
        fits=fits,
        scores=read_scores(scores_path),
        estimates=read_estimates(estimates_path),
        comparisons=read_table(Comparison, comparisons_path) if comparisons_path.exists() else (),
        absent=tuple(absent),
    )


def _study_of(lock: Mapping[str, Any], run_dir: Path) -> Study | None:
    if "study" not in lock:
        return None
    try:
        return Study.model_validate_json(json.dumps(lock["study"]), strict=True)
    except ValidationError as error:
        raise RunError(
            f"{run_dir / 'study.lock.json'} does not hold a study of this version ({error.error_count()} faults). "
            "Run the study again with this version of nephrograde."
        ) from None


def _read_fits(models_dir: Path) -> tuple[FoldFit, ...]:
    fits = []
    for history_path in sorted(models_dir.glob("*/fold-*/history.csv"), key=_fold_key):
        card_path = history_path.with_name("card.json")
        epochs = tuple(
            Epoch(int(row["epoch"]), _number(row["train_loss"]), _number(row.get("stop_loss", "")))
            for row in read_rows(history_path)
        )
        model, fold = _fold_key(history_path)
        fits.append(FoldFit(model, fold, epochs, read_json(card_path) if card_path.exists() else {}))
    return tuple(fits)


def _fold_key(history_path: Path) -> tuple[str, int]:
    return history_path.parent.parent.name, int(history_path.parent.name.removeprefix("fold-"))


def _number(text: str | None) -> float:
    return float(text) if text else math.nan
