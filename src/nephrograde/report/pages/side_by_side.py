"""Two runs side by side: differences in settings, patients and results.

A difference between two runs is tested only on patients that both scored, matched by patient id and with the same
truth. Everything else is shown side by side without a test, and the page says why.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from nephrograde.errors import RunError
from nephrograde.evaluation.comparison.compare import adjust, compare_models
from nephrograde.evaluation.comparison.equivalence import compare_equivalence
from nephrograde.report.tables.paper import MEASURES, paper_rows
from nephrograde.report.text.command import without_paths
from nephrograde.report.text.numbers import NOTHING
from nephrograde.results import Results
from nephrograde.run.provenance import ANNOTATIONS, COHORT_TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nephrograde.evaluation.comparison.compare import Comparison
    from nephrograde.evaluation.comparison.equivalence import Equivalence
    from nephrograde.evaluation.performance.metrics import Estimate
    from nephrograde.evaluation.scores.scores import ModelScores, SplitName

FOREIGN_TRUTHS = 0.05
"""If a larger proportion of the common ids have different truths, the ids do not refer to the same patients."""


class Untested(StrEnum):
    """Why a difference between the runs is not tested; ``compare.csv`` contains these texts."""

    ONLY_IN_A = "only in run A"
    ONLY_IN_B = "only in run B"
    NO_COMMON_PATIENTS = "no patient was scored in both"
    ONE_SYNTHETIC = "one run is synthetic"
    OTHER_TRUTHS = "the same ids have other truths"
    NO_THRESHOLD = "a threshold is missing"


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that differs between the two runs; a text is empty if a run does not have the key."""

    key: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Overlap:
    """The patients that the runs share, as counts; ``truths_differ`` lists those with different truths.

    Test patients are those on whom some model of the run was tested; ``moved`` counts those on whom the other run was
    trained.
    """

    a: int
    b: int
    both: int
    truths_differ: tuple[str, ...]
    test_a: int
    test_b: int
    test_both: int
    moved: int

    @property
    def has_same_test(self) -> bool:
        """Whether both runs were tested on exactly the same patients."""
        return self.test_a == self.test_b == self.test_both > 0

    @property
    def is_plausible(self) -> bool:
        """Whether the common ids plausibly refer to the same patients.

        >>> Overlap(9, 9, 9, ("P1", "P2", "P3"), 3, 3, 3, 0).is_plausible
        False
        """
        return len(self.truths_differ) <= FOREIGN_TRUTHS * self.both


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One measure of a model with the same name in both runs, each on all its own patients, and the paired difference.

    ``comparison`` is run A minus run B on the patients that both scored; if there is none, ``untested`` says why.
    ``equivalence``, of the AUC only, judges run A against run B by the margin of run A.
    """

    model: str
    measure: str
    a: Estimate | None
    b: Estimate | None
    text_a: str
    text_b: str
    comparison: Comparison | None
    untested: Untested | None
    equivalence: Equivalence | None = None


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The contents of the page about two runs.

    ``same_settings`` counts the equal keys of the study and ``same_inputs`` the equal input files.
    """

    a: Results
    b: Results
    split: SplitName
    settings: tuple[Difference, ...]
    same_settings: int
    provenance: tuple[Difference, ...]
    same_inputs: int
    overlap: Overlap
    rows: tuple[MeasureRow, ...]

    @property
    def runs(self) -> tuple[tuple[str, Results], ...]:
        """Both runs with their letters."""
        return ("A", self.a), ("B", self.b)

    @property
    def tested_n(self) -> tuple[int, ...]:
        """Numbers of patients behind the tested differences in AUC, each number once."""
        tested = {row.comparison.n for row in self.rows if row.comparison is not None and row.measure == "auc"}
        return tuple(sorted(tested))


def compare_runs(run_a: Path, run_b: Path) -> SideBySide:
    """Read two run folders and compare them.

    Args:
        run_a: The folder of a run or of an evaluated score table.
        run_b: The folder of another one.

    Returns:
        The differences, and the estimates of every model with the paired difference on patients that both runs scored.
        The test sets are compared, or the out-of-fold predictions if one of the runs has no test set.

    Raises:
        RunError: A folder is not that of an evaluated run, or both are the same folder.

    Source:
        Paired tests: DeLong 1988, McNemar 1947, Holm 1979 over the models.
    """
    if run_a.resolve() == run_b.resolve():
        raise RunError(f"{run_a} and {run_b} are the same folder. Give two different runs.")
    a, b = Results.read(run_a), Results.read(run_b)
    for run in (a, b):
        run.require_evaluated()
    split: SplitName = "test" if a.reported == b.reported == "test" else "oof"
    overlap = _overlap(a, b)
    settings_a, settings_b = _settings(a), _settings(b)
    inputs_a, inputs_b = (set(run.lock.get("inputs", {}).values()) for run in (a, b))
    return SideBySide(
        a,
        b,
        split,
        settings=differences(settings_a, settings_b),
        same_settings=len(settings_a.items() & settings_b.items()),
        provenance=differences(_provenance(a), _provenance(b)),
        same_inputs=len(inputs_a & inputs_b),
        overlap=overlap,
        rows=tuple(_rows(a, b, split=split, reason=_reason(a, b, overlap))),
    )


def _settings(run: Results) -> dict[str, str]:
    """The study's settings, without paths; of the table and the annotations the SHA-256, as of files of weights."""
    settings = flat(run.lock.get("study", {}))
    if "cohort.table" in settings:
        settings["cohort.table"] = f"SHA-256 {run.lock.get('inputs', {}).get(COHORT_TABLE, NOTHING)}"
    settings.pop("cohort.annotations", None)
    if ANNOTATIONS in run.lock.get("inputs", {}):
        settings["cohort.annotations"] = f"SHA-256 {run.lock['inputs'][ANNOTATIONS]}"
    return {key: text for key, text in settings.items() if not key.endswith(".path")}


def flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested tables into one with dotted keys; the arms of a study are keyed by name, not by position.

    >>> flat({"split": {"seed": 1}, "arm": [{"name": "weak-1", "slices": 1}]})
    {'split.seed': '1', 'arm.weak-1.slices': '1'}
    """
    found: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and all(isinstance(part, dict) and "name" in part for part in value):
            for part in value:
                rest = {name: inner for name, inner in part.items() if name != "name"}
                found |= flat(rest, f"{prefix}{key}.{part['name']}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            found[f"{prefix}{key}"] = text
    return found


def differences(a: Mapping[str, str], b: Mapping[str, str]) -> tuple[Difference, ...]:
    """List the keys that differ, in order of appearance.

    >>> differences({"seed": "1", "folds": "5"}, {"seed": "2", "folds": "5"})
    (Difference(key='seed', a='1', b='2'),)
    """
    keys = [key for key in dict.fromkeys([*a, *b]) if a.get(key) != b.get(key)]
    return tuple(Difference(key, a.get(key, ""), b.get(key, "")) for key in keys)


def _provenance(run: Results) -> dict[str, str]:
    lock = run.lock
    facts = {key: lock.get(key) for key in ("created", "git_commit", "machine")}
    facts["command"] = without_paths(lock.get("command") or "")
    texts = {key: str(value) for key, value in facts.items() if value}
    texts |= flat({"seed": lock.get("seed", {}), "versions": lock.get("versions", {})})
    if lock.get("inputs"):
        texts["inputs"] = str(len(lock["inputs"]))
    openings = len(run.openings)
    return texts | ({run.folder.ledger_path.name: str(openings)} if openings else {})


def _overlap(a: Results, b: Results) -> Overlap:
    truth_a, truth_b = _truths(a), _truths(b)
    both = truth_a.keys() & truth_b.keys()
    test_a, test_b = _scored(a, "test"), _scored(b, "test")
    moved = (test_a & _scored(b, "oof")) | (test_b & _scored(a, "oof"))
    return Overlap(
        len(truth_a),
        len(truth_b),
        len(both),
        tuple(sorted(patient for patient in both if truth_a[patient] != truth_b[patient])),
        len(test_a),
        len(test_b),
        len(test_a & test_b),
        len(moved),
    )


def _truths(run: Results) -> dict[str, bool]:
    """The truth of every patient, from the cohort table, if there is one, and the scores."""
    listed = {row["patient_id"]: row["is_high"] == "1" for row in run.cases}
    return listed | run.truths


def _scored(run: Results, split: SplitName) -> set[str]:
    return {row.patient_id for row in run.scores.rows if row.split == split}


def _reason(a: Results, b: Results, overlap: Overlap) -> Untested | None:
    """Why no model can be tested, or None."""
    if a.study is not None and b.study is not None and a.is_synthetic != b.is_synthetic:
        return Untested.ONE_SYNTHETIC
    return None if overlap.is_plausible else Untested.OTHER_TRUTHS


def _rows(a: Results, b: Results, *, split: SplitName, reason: Untested | None) -> list[MeasureRow]:
    rows = []
    for model in dict.fromkeys(model.name for model in (*a.models, *b.models)):
        in_a, in_b = (model in run.scores.models for run in (a, b))
        untested = reason
        if not (in_a and in_b):
            untested = Untested.ONLY_IN_A if in_a else Untested.ONLY_IN_B
        found: dict[str, Comparison] = {}
        judged: Equivalence | None = None
        if untested is None:
            found = {pair.measure: pair for pair in _paired(a, b, model, split=split)}
            untested = None if found else Untested.NO_COMMON_PATIENTS
            judged = _judge(a, b, model, split=split) if found else None
        texts_a, texts_b = _texts(a, model, split=split), _texts(b, model, split=split)
        for measure in MEASURES:
            pair = found.get(measure)
            rows.append(
                MeasureRow(
                    model,
                    measure,
                    a.estimate(model, measure, split),
                    b.estimate(model, measure, split),
                    texts_a.get(measure, ""),
                    texts_b.get(measure, ""),
                    pair,
                    None if pair else untested or Untested.NO_THRESHOLD,
                    judged if measure == "auc" else None,
                )
            )
    return _adjusted(rows)


def _texts(run: Results, model: str, *, split: SplitName) -> dict[str, str]:
    """The cells of a model as in the report, by measure."""
    for row in paper_rows(run.estimates, split):
        if row.model == model:
            return {measure: getattr(row, measure).text for measure in MEASURES}
    return {}


def _judge(a: Results, b: Results, model: str, *, split: SplitName) -> Equivalence:
    """Judge run A against run B for one model, on the same patients as their comparison, by the margin of run A."""
    scores_a, scores_b = a.scores.of(model, split), b.scores.of(model, split)
    common = _common(scores_a, scores_b)
    models = {f"A: {model}": scores_a.select(common), f"B: {model}": scores_b.select(common)}
    return compare_equivalence(models, margin=a.settings.margin, split=split)[0]


def _common(scores_a: ModelScores, scores_b: ModelScores) -> tuple[str, ...]:
    """The patients that both scored with the same truth."""
    truth_b = dict(zip(scores_b.patient_ids, scores_b.is_high.tolist(), strict=True))
    truths_a = zip(scores_a.patient_ids, scores_a.is_high.tolist(), strict=True)
    return tuple(patient for patient, is_high in truths_a if truth_b.get(patient) == is_high)


def _paired(a: Results, b: Results, model: str, *, split: SplitName) -> Sequence[Comparison]:
    """Run A minus run B for one model, on the patients that both scored with the same truth."""
    scores_a, scores_b = a.scores.of(model, split), b.scores.of(model, split)
    common = _common(scores_a, scores_b)
    if not common:
        return ()
    at_a, at_b = (math.nan if frozen is None else frozen.value for frozen in (a.threshold(model), b.threshold(model)))
    name_a, name_b = f"A: {model}", f"B: {model}"
    pairs = compare_models(
        {name_a: scores_a.select(common), name_b: scores_b.select(common)},
        {name_a: at_a, name_b: at_b},
        split=split,
        confidence=a.settings.confidence,
    )
    without = (len(scores_a) - len(common), len(scores_b) - len(common))
    remark = f"; {without[0]} patients of run A and {without[1]} of run B are not in both" if any(without) else ""
    kept = [pair for pair in pairs if pair.measure == "auc" or not math.isnan(at_a + at_b)]
    return [replace(pair, method=f"{pair.method}{remark}", dropped_a=without[0], dropped_b=without[1]) for pair in kept]


def _adjusted(rows: Sequence[MeasureRow]) -> list[MeasureRow]:
    """Adjust P by Holm's method over the models, within each measure."""
    adjusted: dict[tuple[str, str], Comparison] = {}
    for measure in MEASURES:
        tested = {row.model: row.comparison for row in rows if row.measure == measure and row.comparison is not None}
        for model, comparison in zip(tested, adjust(tuple(tested.values())), strict=True):
            adjusted[model, measure] = comparison
    return [replace(row, comparison=adjusted.get((row.model, row.measure))) for row in rows]
