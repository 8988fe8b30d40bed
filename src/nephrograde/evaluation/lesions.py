"""Score tables with one row per lesion, evaluated by patient and by lesion with the patient as the unit.

Two lesions of one patient are more alike than lesions of two patients, so an AUC that treats lesions as patients has
too narrow an interval. Here every measure is computed by patient, from the lesion with the highest probability, and the
AUC over lesions is given in addition, with Obuchowski's clustered variance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from nephrograde.errors import ScoresError
from nephrograde.evaluation.comparison.clustered import clustered_auc, compare_clustered
from nephrograde.evaluation.comparison.compare import Comparison, adjust
from nephrograde.evaluation.comparison.out_of_fold import of_fitted_folds, pooled_if_out_of_fold
from nephrograde.evaluation.scores.score_table import parse_scores
from nephrograde.evaluation.scores.scores import SPLITS, Score, Scores, SplitName
from nephrograde.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.evaluation.evaluation import Evaluation
    from nephrograde.evaluation.tables import ModelEstimate

LESION_COLUMN = "lesion_id"
MEASURE = "auc_lesions"


@dataclass(frozen=True, slots=True)
class Lesions:
    """Scores by lesion: ``scores`` has one row per lesion and model; ``patient_of`` maps lesions to patients."""

    scores: Scores
    patient_of: Mapping[str, str]

    def by_patient(self) -> Scores:
        """Score each patient by the lesion with the highest probability; high grade if any lesion is.

        Raises:
            ScoresError: A patient has lesions in both splits, or lesions of one split in several folds.
        """
        together: dict[tuple[str, str, SplitName], Score] = {}
        truths: dict[str, bool] = {}
        for row in self.scores.rows:
            patient_id = self.patient_of[row.patient_id]
            truths[patient_id] = truths.get(patient_id, False) or row.is_high
            before = together.get((patient_id, row.model, row.split))
            if before is not None and before.fold != row.fold:
                raise ScoresError(
                    f"Patient {patient_id}, model {row.model}: lesions in folds {before.fold} and {row.fold}. "
                    "Keep all lesions of a patient in one fold."
                )
            p_high = max(row.p_high, before.p_high) if before is not None else row.p_high
            together[patient_id, row.model, row.split] = replace(row, patient_id=patient_id, p_high=p_high)
        return Scores(tuple(replace(row, is_high=truths[row.patient_id]) for row in together.values()))

    def out_of_fold(self) -> Lesions:
        """Leave the test rows out."""
        return replace(self, scores=self.scores.out_of_fold())

    def beside(self, evaluation: Evaluation, *, confidence: float) -> Evaluation:
        """Add the AUC over lesions, and its comparisons, to the evaluation by patient.

        Args:
            evaluation: The evaluation by patient.
            confidence: Coverage probability of the intervals.
        """
        return replace(
            evaluation,
            estimates=(*evaluation.estimates, *self.estimate(confidence=confidence)),
            comparisons=(*evaluation.comparisons, *self.compare(confidence=confidence)),
        )

    def estimate(self, *, confidence: float) -> tuple[ModelEstimate, ...]:
        """Estimate the AUC over lesions for every model and split that has lesions of both grades."""
        estimates = []
        for model in self.scores.models:
            for split in SPLITS:
                rows = self.scores.of(model, split)
                if rows.is_high.any() and not rows.is_high.all():
                    owners = [self.patient_of[lesion] for lesion in rows.patient_ids]
                    made = clustered_auc(rows.p_high, rows.is_high, owners, confidence=confidence)
                    method = f"{made.method}; {len(rows)} lesions, {int(rows.is_high.sum())} high"
                    found = replace(made, measure=MEASURE, method=method)
                    estimates.append((model, split, pooled_if_out_of_fold(found, split)))
        return tuple(estimates)

    def compare(self, *, confidence: float) -> tuple[Comparison, ...]:
        """Compare every pair of models on the lesions that both have scored, with Holm-adjusted P.

        Uses the test rows, or the out-of-fold rows if there are none.
        """
        split: SplitName = "test" if self.scores.has_test else "oof"
        rows: list[Comparison] = []
        for a, b in combinations(self.scores.models, 2):
            rows_a, rows_b = self.scores.of(a, split), self.scores.of(b, split)
            common = tuple(sorted(set(rows_a.patient_ids) & set(rows_b.patient_ids)))
            rows_a, rows_b = rows_a.select(common), rows_b.select(common)
            if rows_a.is_high.any() and not rows_a.is_high.all():
                vectors = {a: rows_a.p_high, b: rows_b.p_high}
                owners = [self.patient_of[lesion] for lesion in common]
                rows += compare_clustered(vectors, rows_a.is_high, owners, confidence=confidence)
        return of_fitted_folds(adjust([replace(row, measure=MEASURE) for row in rows]), split)


def parse_lesions(sheet: Sheet) -> Lesions:
    """Parse a score table with the column ``lesion_id``.

    Args:
        sheet: As for :func:`~nephrograde.evaluation.scores.score_table.parse_scores`, with one row per lesion and
            model.

    Raises:
        ScoresError: As for patients, with the lesion named; or a lesion without an id.

    Source:
        Obuchowski 1997, Biometrics 53:567.

    >>> cells = [("A", "1", "0.2"), ("A", "2", "0.7"), ("B", "1", "0.4")]
    >>> names = ("patient_id", "lesion_id", "model", "is_high", "p_high")
    >>> rows = [(k, dict(zip(names, (i, j, "m", str(int(p > "0.5")), p)))) for k, (i, j, p) in enumerate(cells, 2)]
    >>> [(row.patient_id, row.is_high, row.p_high) for row in parse_lesions(Sheet("a", names, rows)).by_patient().rows]
    [('A', True, 0.7), ('B', False, 0.4)]
    """
    nameless = [number for number, cells in sheet.rows if not cells.get(LESION_COLUMN)]
    if nameless:
        raise ScoresError(f"Row {nameless[0]} of {sheet.name} has no {LESION_COLUMN}. Number the lesions of a patient.")
    patient_of: dict[str, str] = {}
    rows = []
    for number, cells in sheet.rows:
        lesion = f"{cells['patient_id']}, lesion {cells[LESION_COLUMN]}" if cells.get("patient_id") else ""
        patient_of[lesion] = cells.get("patient_id", "")
        rows.append((number, {**cells, "patient_id": lesion}))
    return Lesions(parse_scores(Sheet(sheet.name, sheet.headings, tuple(rows))), patient_of)
