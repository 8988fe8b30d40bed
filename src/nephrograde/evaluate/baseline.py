"""The baseline every image model has to beat: one number of the tumour, and a logistic curve through it.

Size alone tells the grade of a renal tumour about as well as many published networks do, so a size-only and a
volume-only model stand in every table, fitted in the same folds and read on the same test patients.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from nephrograde.errors import ScoresError
from nephrograde.evaluate.scores import Score

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nephrograde.cohort.split import Split
    from nephrograde.cohort.table import Cohort
    from nephrograde.sample.prepare import Region


def baseline_values(name: Literal["size", "volume"], cohort: Cohort, regions: Iterable[Region]) -> dict[str, float]:
    """Find each patient's tumour size or volume; patients without one are left out.

    Size is the table's ``size_cm``, else the largest axial diameter of the mask. Volume is that of the mask. Of several
    phases with a mask, the first in the study's order counts.

    Args:
        name: Which baseline.
        cohort: The patients with their clinical columns.
        regions: The prepared regions, which carry what the masks measure.

    Returns:
        Size in cm or volume in ml, by patient id.

    Source:
        Our choice.
    """
    measured: dict[tuple[str, str], float] = {}
    for region in regions:
        value = region.tumour_volume_ml if name == "volume" else region.tumour_diameter_mm
        if value is not None:
            measured[region.patient_id, region.phase] = value if name == "volume" else value / 10
    values: dict[str, float] = {}
    for case in cohort.cases:
        size_cm = case.clinical.get("size_cm") if name == "size" else None
        of_phases = [
            measured[case.patient_id, phase] for phase in cohort.phases if (case.patient_id, phase) in measured
        ]
        if isinstance(size_cm, float | int):
            values[case.patient_id] = float(size_cm)
        elif of_phases:
            values[case.patient_id] = of_phases[0]
    return values


def fit_baseline(
    values: Mapping[str, float], is_high: Mapping[str, bool], split: Split, *, model: str
) -> tuple[Score, ...]:
    """Score every patient with a logistic regression on the logarithm of one number.

    One regression a fold, learnt on the training patients of the other folds: its own fold gives the out-of-fold
    rows, and the mean of all regressions the test rows, just as for the networks. The logarithm is standardised with
    the learning patients' mean and deviation; C = 1. Patients without a positive, finite value are left out, and the
    caller says so.

    Args:
        values: Tumour size (any unit of length) or volume (any unit of volume) by patient id.
        is_high: The truth by patient id, of all patients of the split.
        split: Test patients and folds of the study.
        model: The model id of the rows, "size" or "volume".

    Returns:
        Out-of-fold rows by fold and id, then test rows by id.

    Raises:
        ScoresError: The learning patients with a value, of some fold, are all of one grade.

    Source:
        A size-only baseline in every table: KNIGHT challenge and our choice; logarithm and C: our choice.

    >>> from nephrograde.cohort.split import Assignment, Split
    >>> sizes = {"A": 2.0, "B": 3.0, "C": 6.0, "D": 9.0, "E": 8.0}
    >>> split = Split({**{i: Assignment("train", k % 2) for k, i in enumerate("ABCD")}, "E": Assignment("test", None)})
    >>> rows = fit_baseline(sizes, {"A": False, "B": False, "C": True, "D": True, "E": True}, split, model="size")
    >>> [(row.patient_id, row.split, row.fold, row.p_high > 0.5) for row in rows][-2:]
    [('D', 'oof', 1, True), ('E', 'test', None, True)]
    """
    usable = {patient_id for patient_id, value in values.items() if math.isfinite(value) and value > 0}
    train_ids = sorted(usable.intersection(split.train_ids()))
    test_ids = sorted(usable.intersection(split.test_ids()))
    rows: list[Score] = []
    test_predictions: list[list[float]] = []
    for fold in range(split.folds):
        held_out = set(split.fold_ids(fold))
        learning = [patient_id for patient_id in train_ids if patient_id not in held_out]
        scored = [patient_id for patient_id in train_ids if patient_id in held_out]
        truths = [is_high[patient_id] for patient_id in learning]
        if len(set(truths)) < 2:
            raise ScoresError(
                f"Baseline {model}, fold {fold}: the {len(learning)} learning patients that have a value are not of "
                f"both grades. Give more patients a value, or take {model} out of evaluate.baselines."
            )
        p_high = _fit_and_predict([values[i] for i in learning], truths, [values[i] for i in scored + test_ids])
        rows += [
            Score(patient_id, model, "oof", fold, is_high[patient_id], p)
            for patient_id, p in zip(scored, p_high, strict=False)
        ]
        test_predictions.append(p_high[len(scored) :])
    ensemble = np.mean(test_predictions, axis=0).tolist() if test_ids else []
    rows += [
        Score(patient_id, model, "test", None, is_high[patient_id], p)
        for patient_id, p in zip(test_ids, ensemble, strict=True)
    ]
    return tuple(rows)


def _fit_and_predict(learnt: Sequence[float], truths: Sequence[bool], asked: Sequence[float]) -> list[float]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not asked:
        return []
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=1.0))
    regression.fit(np.log(learnt).reshape(-1, 1), np.asarray(truths))
    p_high: list[float] = regression.predict_proba(np.log(asked).reshape(-1, 1))[:, 1].tolist()
    return p_high
