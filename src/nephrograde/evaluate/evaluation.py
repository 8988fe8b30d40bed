"""The evaluation of a study: every model of a score table, alone and against every other.

The threshold of a model is chosen on its out-of-fold training predictions and frozen; the test rows are only read
with it. The results are two tables that a person can open, and from which the report is made.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from nephrograde.errors import RunError, ScoresError
from nephrograde.evaluate.compare import Comparison, compare_models
from nephrograde.evaluate.metrics import (
    Confusion,
    Estimate,
    accuracy,
    auc,
    confusion,
    sensitivity,
    specificity,
    youden_threshold,
)
from nephrograde.evaluate.scores import SPLITS, ModelScores, Scores, SplitName
from nephrograde.files import read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from nephrograde.study import EvaluateSettings

ModelEstimate: TypeAlias = tuple[str, str, Estimate]
ESTIMATE_COLUMNS = ("model", "split", "measure", "value", "low", "high", "n", "n_high", "method")
COMPARISON_COLUMNS = tuple(field.name for field in fields(Comparison))
FALLBACK_THRESHOLD = 0.5

_NOTE = "; note: "
_NUMBERS = ("difference", "low", "high", "statistic", "p_value", "p_adjusted")


@dataclass(frozen=True, slots=True)
class Threshold:
    """The frozen threshold of a model: ``p_high >= value`` is the call "high".

    ``rule`` is "youden" or "fixed", ``source`` says what it was chosen on, and ``n`` how many patients that were.

    >>> print(Threshold(0.4459, "youden", "out-of-fold predictions", 210))
    threshold 0.4459 (youden on out-of-fold predictions, n = 210)
    """

    value: float
    rule: str
    source: str
    n: int

    def __str__(self) -> str:
        if self.rule == "fixed":
            return f"threshold {self.value:.4g} (fixed: {self.source})"
        return f"threshold {self.value:.4g} ({self.rule} on {self.source}, n = {self.n})"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that is computed from a score table.

    ``estimates`` are (model, split, estimate); ``thresholds`` are by model.
    """

    estimates: tuple[ModelEstimate, ...]
    comparisons: tuple[Comparison, ...]
    thresholds: Mapping[str, Threshold]


def evaluate_scores(scores: Scores, settings: EvaluateSettings) -> Evaluation:
    """Evaluate every model of a score table and compare every pair.

    Estimates are made in both splits; those on the out-of-fold rows use a threshold chosen on the same patients, and
    their notes say so. Models are compared on the test patients, or out of fold where the table has no test rows.
    What cannot be computed (one grade only in a split, no common patients) keeps its row, with the reason and
    without a number.

    Args:
        scores: The score table.
        settings: ``[evaluate]`` of the study: confidence and the rule of the threshold.

    Returns:
        Estimates by model, split and measure; comparisons by measure and pair; thresholds by model.

    Raises:
        ScoresError: The table is empty, or all its patients are of one grade.

    Source:
        Measures: the paper's; intervals, tests and threshold rule: our choice, the paper names none.

    >>> from nephrograde.evaluate.scores import Score, Scores
    >>> from nephrograde.study import EvaluateSettings
    >>> p_high = {"A": 0.25, "B": 0.5, "C": 0.75}
    >>> rows = tuple(Score(i, "size", "test", None, i == "C", p) for i, p in p_high.items())
    >>> result = evaluate_scores(Scores(rows), EvaluateSettings())
    >>> print(result.thresholds["size"])
    threshold 0.5 (fixed: no out-of-fold rows)
    >>> [f"{e.measure} {e}" for _, _, e in result.estimates if e.measure == "specificity"]
    ['specificity 0.500 (0.095–0.905)']
    """
    grades = {row.is_high for row in scores.rows}
    if not grades:
        raise ScoresError("The score table has no rows. Write one row for every patient and model.")
    if len(grades) == 1:
        there, other = ("high", "low") if True in grades else ("low", "high")
        raise ScoresError(f"All patients of the score table are {there} grade. Add patients of {other} grade.")
    thresholds = {model: _freeze_threshold(scores.of(model, "oof")) for model in scores.models}
    estimates: list[ModelEstimate] = []
    for model in scores.models:
        for split in SPLITS:
            patients = scores.of(model, split)
            if len(patients):
                chosen_on = int(scores.of(model, "oof").is_high.sum())
                made = _estimate_all(patients, thresholds[model], split, confidence=settings.confidence)
                made.append(_threshold_row(thresholds[model], chosen_on))
                estimates += [(model, split, estimate) for estimate in made]
    return Evaluation(tuple(estimates), _compare_all(scores, thresholds, confidence=settings.confidence), thresholds)


def write_estimates(estimates: Sequence[ModelEstimate], estimates_path: Path) -> None:
    """Write ``statistics/estimates.csv`` whole: full digits, an empty cell for what was not computed.

    Args:
        estimates: (model, split, estimate), as in an ``Evaluation``; the note follows the method in one cell.
        estimates_path: Where to; the folder is made when it is missing.

    >>> import pathlib, tempfile
    >>> made = (("size", "test", Estimate("tp", 36.0, math.nan, math.nan, 92, 41, "count", "threshold 0.5")),)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     estimates_path = pathlib.Path(folder, "estimates.csv")
    ...     write_estimates(made, estimates_path)
    ...     estimates_path.read_text(encoding="utf-8").splitlines()[1]
    'size,test,tp,36.0,,,92,41,count; note: threshold 0.5'
    """
    write_rows(
        estimates_path,
        ESTIMATE_COLUMNS,
        (
            {
                "model": model,
                "split": split,
                "measure": made.measure,
                "value": _cell(made.value),
                "low": _cell(made.low),
                "high": _cell(made.high),
                "n": made.n,
                "n_high": made.n_high,
                "method": f"{made.method}{_NOTE}{made.note}" if made.note else made.method,
            }
            for model, split, made in estimates
        ),
    )


def read_estimates(estimates_path: Path) -> tuple[ModelEstimate, ...]:
    """Read what ``write_estimates`` has written, digit for digit.

    Args:
        estimates_path: The file in the run folder.

    Returns:
        (model, split, estimate); NaN for empty cells.

    Raises:
        RunError: The file is missing, or is not such a table.
    """
    estimates = []
    try:
        for row in read_rows(estimates_path):
            method, _, note = row["method"].partition(_NOTE)
            value, low, high = (_number(row[name]) for name in ("value", "low", "high"))
            estimate = Estimate(row["measure"], value, low, high, int(row["n"]), int(row["n_high"]), method, note)
            estimates.append((row["model"], row["split"], estimate))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(estimates_path, error) from error
    return tuple(estimates)


def write_comparisons(comparisons: Sequence[Comparison], comparisons_path: Path) -> None:
    """Write ``statistics/comparisons.csv`` whole: full digits, an empty cell for what was not computed.

    Args:
        comparisons: As in an ``Evaluation``.
        comparisons_path: Where to; the folder is made when it is missing.
    """
    write_rows(
        comparisons_path,
        COMPARISON_COLUMNS,
        ({name: _cell(value) for name, value in asdict(comparison).items()} for comparison in comparisons),
    )


def read_comparisons(comparisons_path: Path) -> tuple[Comparison, ...]:
    """Read what ``write_comparisons`` has written, digit for digit.

    Args:
        comparisons_path: The file in the run folder.

    Returns:
        The comparisons; NaN for empty cells.

    Raises:
        RunError: The file is missing, or is not such a table.
    """
    comparisons = []
    try:
        for row in read_rows(comparisons_path):
            difference, low, high, statistic, p_value, p_adjusted = (_number(row[name]) for name in _NUMBERS)
            comparisons.append(
                Comparison(
                    row["model_a"],
                    row["model_b"],
                    row["measure"],
                    difference,
                    low,
                    high,
                    statistic=statistic,
                    p_value=p_value,
                    p_adjusted=p_adjusted,
                    n=int(row["n"]),
                    method=row["method"],
                )
            )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(comparisons_path, error) from error
    return tuple(comparisons)


def _freeze_threshold(oof: ModelScores) -> Threshold:
    if not len(oof):
        return Threshold(FALLBACK_THRESHOLD, "fixed", "no out-of-fold rows", 0)
    if oof.is_high.all() or not oof.is_high.any():
        return Threshold(FALLBACK_THRESHOLD, "fixed", "out-of-fold rows of one grade only", len(oof))
    return Threshold(youden_threshold(oof.p_high, oof.is_high), "youden", "out-of-fold predictions", len(oof))


def _threshold_row(threshold: Threshold, n_high: int) -> Estimate:
    method = f"{threshold.rule}: {threshold.source}"
    return Estimate("threshold", threshold.value, math.nan, math.nan, threshold.n, n_high, method)


def _estimate_all(
    patients: ModelScores, threshold: Threshold, split: SplitName, *, confidence: float
) -> list[Estimate]:
    counts = confusion(patients.p_high, patients.is_high, threshold=threshold.value)
    how = str(threshold)
    if split == "oof" and threshold.rule == "youden":
        how += ", chosen on these same patients: optimistic"
    made = [_attempt("auc", counts, partial(auc, patients.p_high, patients.is_high, confidence=confidence))]
    for measure in (accuracy, sensitivity, specificity):
        estimate = _attempt(measure.__name__, counts, partial(measure, counts, confidence=confidence))
        made.append(replace(estimate, note="; ".join(part for part in (estimate.note, how) if part)))
    for name in ("tp", "fp", "tn", "fn"):
        count = float(getattr(counts, name))
        made.append(Estimate(name, count, math.nan, math.nan, counts.n, counts.n_high, "count", how))
    return made


def _attempt(measure: str, counts: Confusion, make: Callable[[], Estimate]) -> Estimate:
    try:
        return make()
    except ScoresError as error:
        nan = math.nan
        return Estimate(measure, nan, nan, nan, counts.n, counts.n_high, f"not computed: {error}")


def _compare_all(scores: Scores, thresholds: Mapping[str, Threshold], *, confidence: float) -> tuple[Comparison, ...]:
    split: SplitName = "test" if any(row.split == "test" for row in scores.rows) else "oof"
    return compare_models(
        {model: scores.of(model, split) for model in scores.models},
        {model: threshold.value for model, threshold in thresholds.items()},
        split=split,
        confidence=confidence,
    )


def _cell(value: object) -> object:
    """NaN, which is "not computed", as an empty cell; anything else as it is."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _number(cell: str) -> float:
    return float(cell) if cell else math.nan


def _damaged(table_path: Path, error: Exception) -> RunError:
    return RunError(f"{table_path} is damaged ({error!r}). Run `nephrograde evaluate` again.")
