"""The baselines every image model has to beat: the tumour's size, what is known without an image, and radiomics.

Size alone tells the grade of a renal tumour about as well as many published networks do, so plain logistic models
stand in every table, fitted in the same folds and read on the same test patients. Whatever a baseline learns (a
median, a deviation, which features count) it learns from the learning patients of its fold alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nephrograde.errors import ScoresError
from nephrograde.evaluation.scores import Score
from nephrograde.sheet import clean_heading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy.typing as npt

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.sample.prepare import Region

FEATURES_KEPT = 10
"""Radiomic features that a fold keeps, our choice."""

_EXTENTS = ("size_cm", "volume_ml")  # read as logarithms
_CODES = ("sex",)  # a number in such a column is a code, not a quantity


@dataclass(frozen=True, slots=True, eq=False)
class Predictors:
    """What a baseline knows of each patient, and how it learns from that.

    ``values`` are rows of equal length by patient id; a missing number is NaN and a missing text None. ``make_model``
    gives an unfitted scikit-learn pipeline, and ``remedy`` says what to do where patients are lacking.
    """

    values: Mapping[str, tuple[float | str | None, ...]]
    make_model: Callable[[], Any]
    remedy: str


def measured_predictors(name: Literal["size", "volume"], cohort: Cohort, regions: Iterable[Region]) -> Predictors:
    """Take each patient's tumour size or volume; patients without a positive, finite one are left out.

    Size is the table's ``size_cm``, else the largest axial diameter of the mask. Volume is that of the mask. Of several
    phases with a mask, the first in the study's order counts. The model is a logistic regression (L2, C = 1) on the
    standardised logarithm.

    Args:
        name: Which baseline.
        cohort: The patients with their clinical columns.
        regions: The prepared regions, which carry what the masks measure.

    Returns:
        The logarithm of the size in cm or of the volume in ml, by patient id.

    Source:
        A size-only baseline in every table: KNIGHT challenge and our choice; logarithm and C: our choice.
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
    logarithms = {patient_id: (_logarithm(value),) for patient_id, value in values.items()}
    return Predictors(
        {patient_id: row for patient_id, row in logarithms.items() if math.isfinite(row[0])},
        _make_measured_model,
        "Give more patients a mask" + (" or a size_cm in the table" if name == "size" else ""),
    )


def clinical_predictors(cohort: Cohort, columns: Sequence[str]) -> Predictors:
    """Take the clinical columns that the table has; patients for whom all of them are empty are left out.

    A column of numbers is filled with the median of the learning patients, marked by a second column where any of them
    lacks it, and standardised; size and volume go in as logarithms. ``sex`` and columns of text are filled with the
    most frequent entry and become one column an entry; an entry that no learning patient has counts for nothing. The
    model is a logistic regression (L2, C = 1).

    Args:
        cohort: The patients with their clinical columns.
        columns: Names of columns as in the study; those that the table does not have are passed over.

    Returns:
        One row a patient, the columns in the order asked for; no rows where the table has none of them.

    Source:
        The kinds of preparation and C: our choice.

    >>> from nephrograde.cohort.case import Case, Cohort
    >>> cases = (Case("A", True, 3, {}, {"sex": "male", "size_cm": 1.0}), Case("B", False, 1, {}, {"sex": "female"}))
    >>> clinical_predictors(Cohort(cases, (), ("sex", "size_cm"), None), ["size_cm", "sex", "centre"]).values
    {'A': (0.0, 'male'), 'B': (nan, 'female')}
    """
    present = [name for name in dict.fromkeys(map(clean_heading, columns)) if name in cohort.clinical_columns]
    texts = {
        name
        for name in present
        if name in _CODES or any(isinstance(case.clinical.get(name), str) for case in cohort.cases)
    }

    def cell(name: str, value: str | float | None) -> float | str | None:
        if name in texts:
            return value if value is None else str(value)
        number = float(value) if value is not None and math.isfinite(float(value)) else math.nan
        return _logarithm(number) if name in _EXTENTS else number

    rows = {case.patient_id: tuple(cell(name, case.clinical.get(name)) for name in present) for case in cohort.cases}
    codes = [position for position, name in enumerate(present) if name in texts]
    numbers = [position for position, name in enumerate(present) if name not in texts]
    return Predictors(
        {patient_id: row for patient_id, row in rows.items() if any(_is_known(value) for value in row)},
        lambda: _make_clinical_model(numbers, codes),
        f"Fill in more of {', '.join(present)} in the table",
    )


def radiomics_predictors(features: Mapping[str, Mapping[str, float]]) -> Predictors:
    """Take the radiomic features of each patient.

    A feature that a patient lacks is filled with the median of the learning patients. All are standardised, the
    ten whose AUCs lie farthest from 0.5 among the learning patients are kept, and a logistic regression (L2, C = 0.1)
    is fitted on these. A feature that does not vary has AUC 0.5 and adds nothing.

    Args:
        features: Feature values by name, by patient id; NaN where a feature is undefined.

    Source:
        Selection by single features, ten of them and C: our choice, kept plain on purpose.

    >>> radiomics_predictors({"A": {"mean": 1.0, "volume": 2.0}, "B": {"volume": 3.0}}).values
    {'A': (1.0, 2.0), 'B': (nan, 3.0)}
    """
    names = sorted({name for row in features.values() for name in row})
    return Predictors(
        {patient_id: tuple(row.get(name, math.nan) for name in names) for patient_id, row in features.items()},
        lambda: _make_radiomics_model(len(names)),
        "Give more patients a mask of the phase that radiomics reads",
    )


def fit_baseline(predictors: Predictors, is_high: Mapping[str, bool], split: Split, *, model: str) -> tuple[Score, ...]:
    """Score every patient with a baseline.

    One model a fold, learnt on the training patients of the other folds: its own fold gives the out-of-fold rows, and
    the mean of all models the test rows, just as for the networks. Patients that the predictors lack are left out.

    Args:
        predictors: What is known of each patient, and how to learn from it.
        is_high: The truth by patient id, of all patients of the split.
        split: Test patients and folds of the study.
        model: The model id of the rows: "size", "volume", "clinical" or "radiomics".

    Returns:
        Out-of-fold rows by fold and id, then test rows by id.

    Raises:
        ScoresError: The learning patients that have values, of some fold, are all of one grade.

    Source:
        The networks' own folds and test set: our choice.

    >>> from nephrograde.cohort.split import Assignment, Split
    >>> features = {"A": {"mean": 2.0}, "B": {"mean": 3.0}, "C": {"mean": 6.0}, "D": {"mean": 9.0}, "E": {"mean": 8.0}}
    >>> split = Split({**{i: Assignment("train", k % 2) for k, i in enumerate("ABCD")}, "E": Assignment("test", None)})
    >>> truth = {"A": False, "B": False, "C": True, "D": True, "E": True}
    >>> rows = fit_baseline(radiomics_predictors(features), truth, split, model="radiomics")
    >>> [(row.patient_id, row.split, row.fold, row.p_high > 0.5) for row in rows][-2:]
    [('D', 'oof', 1, True), ('E', 'test', None, True)]
    """
    train_ids = [patient_id for patient_id in sorted(split.train_ids()) if patient_id in predictors.values]
    test_ids = [patient_id for patient_id in sorted(split.test_ids()) if patient_id in predictors.values]
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
                f"both grades. {predictors.remedy}, or take {model} out of evaluate.baselines."
            )
        p_high = _fit_and_predict(predictors, learning, truths=truths, asked=scored + test_ids)
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


def _fit_and_predict(
    predictors: Predictors, learning: Sequence[str], *, truths: Sequence[bool], asked: Sequence[str]
) -> list[float]:
    if not asked:
        return []

    def table(patient_ids: Sequence[str]) -> npt.NDArray[np.object_]:
        return np.array([predictors.values[patient_id] for patient_id in patient_ids], dtype=object)

    model = predictors.make_model()
    model.fit(table(learning), np.asarray(truths))
    p_high: list[float] = model.predict_proba(table(asked))[:, 1].tolist()
    return p_high


def _make_measured_model() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0))


def _make_clinical_model(numbers: Sequence[int], codes: Sequence[int]) -> Any:
    """A column that all learning patients lack is kept as a constant, to which the regression gives no weight."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    number = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    code = make_pipeline(
        SimpleImputer(strategy="most_frequent", missing_values=None, keep_empty_features=True),
        OneHotEncoder(handle_unknown="ignore"),
    )
    columns = make_column_transformer((number, list(numbers)), (code, list(codes)))
    return make_pipeline(columns, LogisticRegression(C=1.0, max_iter=1000))


def _make_radiomics_model(n_features: int) -> Any:
    from sklearn.feature_selection import SelectKBest
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        SelectKBest(_distances_from_chance, k=min(FEATURES_KEPT, n_features)),
        LogisticRegression(C=0.1, max_iter=1000),
    )


def _distances_from_chance(values: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """How far the AUC of every column lies from 0.5, by ranks, which need no variance within a grade."""
    from scipy.stats import rankdata

    n_high = int(truths.sum())
    n_low = len(truths) - n_high
    rank_sums = rankdata(values, axis=0)[truths].sum(axis=0)
    return np.asarray(np.abs((rank_sums - n_high * (n_high + 1) / 2) / (n_high * n_low) - 0.5))


def _logarithm(value: float) -> float:
    return math.log(value) if math.isfinite(value) and value > 0 else math.nan


def _is_known(value: float | str | None) -> bool:
    return isinstance(value, str) or (value is not None and not math.isnan(value))
