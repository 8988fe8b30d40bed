"""The baselines that every image model has to beat: tumour size, clinical variables and radiomics.

Size alone predicts the grade of a renal tumour about as well as many published networks do, so every table includes
plain logistic models, fitted in the same folds and scored on the same test patients. Whatever a baseline learns (a
median, a standard deviation, a selection of features) it learns only from the training patients of its fold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nephrograde.cohort.clinical import clinical_table, logarithm
from nephrograde.errors import ScoresError
from nephrograde.evaluation.scores.scores import Score
from nephrograde.vocabulary import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy.typing as npt

    from nephrograde.cohort.case import Cohort
    from nephrograde.cohort.split import Split
    from nephrograde.sample.prepared_scan import Region

FEATURES_KEPT = 10
"""Number of radiomic features kept in each fold."""
RADIOMICS_SHAPE = "radiomics/shape"
"""What the model on the shape alone is called."""
RADIOMICS_INTENSITY = "radiomics/intensity"
"""What the model on intensities and texture alone is called."""
_SHAPE = "morph_"
"""How the names of the shape features of mirp begin."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictors:
    """The predictors of each patient, and the model that learns from them.

    ``values`` are rows of equal length by patient id; a missing number is NaN and a missing text None. ``make_model``
    returns an unfitted scikit-learn pipeline, and ``remedy`` says what to do when there are too few patients.
    """

    values: Mapping[str, tuple[float | str | None, ...]]
    make_model: Callable[[], Any]
    remedy: str


def measured_predictors(name: Literal["size", "volume"], cohort: Cohort, regions: Iterable[Region]) -> Predictors:
    """Collect each patient's tumour size or volume; patients without a positive, finite value are left out.

    Size is the table's ``size_cm``, otherwise the largest axial diameter of the mask. Volume is that of the mask. If
    several phases have a mask, the first in the study's order is used. The model is a logistic regression (L2, C = 1)
    on the standardised logarithm.

    Args:
        name: Which baseline.
        cohort: The patients with their clinical columns.
        regions: The prepared regions, which carry the measurements of the masks.

    Returns:
        The logarithm of the size in cm or of the volume in ml, by patient id.

    Source:
        A size-only baseline in every table: KNIGHT challenge.
    """
    measured: dict[tuple[str, str], float] = {}
    for region in sorted(regions, key=lambda one: TOGETHER in one.phase):
        value = region.tumour_volume_ml if name == "volume" else region.tumour_diameter_mm
        if value is not None:
            first = region.phase.split(TOGETHER)[0]  # the patient of an arm of early fusion has no other region
            measured.setdefault((region.patient_id, first), value if name == "volume" else value / 10)
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
    logarithms = {patient_id: (logarithm(value),) for patient_id, value in values.items()}
    return Predictors(
        {patient_id: row for patient_id, row in logarithms.items() if math.isfinite(row[0])},
        _make_measured_model,
        "Give more patients a mask" + (" or a size_cm in the table" if name == "size" else ""),
    )


def clinical_predictors(cohort: Cohort, columns: Sequence[str]) -> Predictors:
    """Collect the clinical columns that the table has; patients for whom all of them are empty are left out.

    Missing values of a numeric column are replaced by the median of the training patients, with an added indicator
    column if any of them are missing, and the column is standardised; size and volume enter as logarithms. Missing
    values of ``sex`` and of text columns are replaced by the most frequent entry, and the column is one-hot encoded;
    entries that no training patient has are ignored. The model is a logistic regression (L2, C = 1).

    Args:
        cohort: The patients with their clinical columns.
        columns: Names of columns as in the study; those that the table does not have are ignored.

    Returns:
        One row per patient, the columns in the requested order; no rows if the table has none of them.

    >>> from nephrograde.cohort.case import Case, Cohort
    >>> cases = (Case("A", True, 3, {}, {"sex": "male", "size_cm": 1.0}), Case("B", False, 1, {}, {"sex": "female"}))
    >>> clinical_predictors(Cohort(cases, (), ("sex", "size_cm"), None), ["size_cm", "sex", "centre"]).values
    {'A': (0.0, 'male'), 'B': (nan, 'female')}
    """
    table = clinical_table(cohort, columns)
    return Predictors(
        {patient_id: row for patient_id, row in table.rows.items() if any(_is_known(value) for value in row)},
        lambda: _make_clinical_model(table.numbers, table.codes),
        f"Fill in more of {', '.join(table.names)} in the table",
    )


def stacked_predictors(
    cohort: Cohort,
    columns: Sequence[str],
    *,
    log_sizes: Mapping[str, tuple[float | str | None, ...]],
    image_log_odds: Mapping[str, float],
    with_image: bool,
) -> Predictors:
    """Collect clinical columns, the tumour size and, if asked for, the log odds of an image model.

    With and without the image, the patients are the same: those with an image score. The model is that of
    :func:`clinical_predictors`, so both differ by one column only.

    Args:
        cohort: The patients with their clinical columns.
        columns: Clinical columns that the table has, without a size.
        log_sizes: From :func:`measured_predictors`; where a patient has none, the median is imputed.
        image_log_odds: The score of the image model by patient id, of a network that was not trained on the patient.
        with_image: Whether the image score is a predictor.

    Returns:
        One row per patient with an image score.

    Source:
        Stacking on out-of-fold scores: Wolpert 1992, Neural Networks 5:241.
    """
    table = clinical_table(cohort, columns)
    numbers = list(table.numbers)
    rows: dict[str, tuple[float | str | None, ...]] = {}
    for patient_id, log_odds in image_log_odds.items():
        added: list[float | str | None] = []
        if log_sizes:
            added.append(log_sizes[patient_id][0] if patient_id in log_sizes else math.nan)
        if with_image:
            added.append(log_odds)
        rows[patient_id] = (*table.rows[patient_id], *added)
    numbers += range(len(table.names), len(table.names) + bool(log_sizes) + with_image)
    return Predictors(rows, lambda: _make_clinical_model(numbers, table.codes), "Give more patients an image score")


def radiomics_predictors(features: Mapping[str, Mapping[str, float]]) -> Predictors:
    """Collect the radiomic features of each patient.

    Missing features are replaced by the median of the training patients. All features are standardised, the ten whose
    AUCs are farthest from 0.5 among the training patients are kept, and a logistic regression (L2, C = 0.1) is fitted
    to them. A feature that does not vary has AUC 0.5 and adds nothing.

    Args:
        features: Feature values by name, by patient id; NaN where a feature is undefined.

    >>> radiomics_predictors({"A": {"mean": 1.0, "volume": 2.0}, "B": {"volume": 3.0}}).values
    {'A': (1.0, 2.0), 'B': (nan, 3.0)}
    """
    names = sorted({name for row in features.values() for name in row})
    return Predictors(
        {patient_id: tuple(row.get(name, math.nan) for name in names) for patient_id, row in features.items()},
        lambda: _make_radiomics_model(len(names)),
        "Give more patients a mask of the phase that radiomics reads",
    )


def radiomics_parts(features: Mapping[str, Mapping[str, float]]) -> dict[str, Predictors]:
    """Collect the radiomic features of the shape alone, and those of the intensities and their texture alone.

    Args:
        features: As for :func:`radiomics_predictors`.

    Returns:
        The predictors by the name of the part, without a part that has no features.

    >>> list(radiomics_parts({"A": {"stat_mean": 40.0, "morph_volume": 2.0}}))
    ['radiomics/shape', 'radiomics/intensity']
    """
    parts: dict[str, dict[str, dict[str, float]]] = {RADIOMICS_SHAPE: {}, RADIOMICS_INTENSITY: {}}
    for patient_id, row in features.items():
        for name, value in row.items():
            part = RADIOMICS_SHAPE if name.startswith(_SHAPE) else RADIOMICS_INTENSITY
            parts[part].setdefault(patient_id, {})[name] = value
    return {part: radiomics_predictors(own) for part, own in parts.items() if own}


def fit_baseline(predictors: Predictors, is_high: Mapping[str, bool], split: Split, *, model: str) -> tuple[Score, ...]:
    """Score every patient with a baseline.

    One model per fold is fitted to the training patients of the other folds: its own fold gives the out-of-fold rows,
    and the mean over all models the test rows, as for the networks. Patients without predictors are left out.

    Args:
        predictors: The predictors of each patient, and the model that learns from them.
        is_high: The truth by patient id, of all patients of the split.
        split: Test patients and folds of the study.
        model: The model id of the rows, such as "size".

    Returns:
        Out-of-fold rows by fold and id, then test rows by id.

    Raises:
        ScoresError: In some fold, the training patients that have values are all of one grade.

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
                f"Baseline {model}, fold {fold}: the {len(learning)} training patients that have a value are not of "
                f"both grades. {predictors.remedy}, or remove {model} from evaluate.baselines."
            )
        p_high = fit_and_predict(predictors, learning, truths=truths, asked=scored + test_ids)
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


def fit_and_predict(
    predictors: Predictors, learning: Sequence[str], *, truths: Sequence[bool], asked: Sequence[str]
) -> list[float]:
    """Fit the model of a baseline to some patients, and return the probabilities of others.

    Args:
        predictors: The predictors of each patient, and the model that learns from them.
        learning: The patients whom it is fitted to.
        truths: Theirs, in the same order; both grades occur.
        asked: The patients who are scored.
    """
    if not asked:
        return []
    model = predictors.make_model()
    model.fit(_table(predictors, learning), np.asarray(truths))
    p_high: list[float] = model.predict_proba(_table(predictors, asked))[:, 1].tolist()
    return p_high


def transformed(predictors: Predictors, learning: Sequence[str], asked: Sequence[str]) -> npt.NDArray[np.float64]:
    """Compute the columns that the logistic regression of a baseline sees: imputed, standardised, one-hot encoded.

    Args:
        predictors: The predictors of each patient, and the model that learns from them.
        learning: The patients from whom medians, means and entries are learnt.
        asked: The patients whose columns are returned.

    Returns:
        ``patient × column``, in the order of ``asked``.
    """
    columns = predictors.make_model()[:-1]
    columns.fit(_table(predictors, learning))
    found = columns.transform(_table(predictors, asked))
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=np.float64)


def _table(predictors: Predictors, patient_ids: Sequence[str]) -> npt.NDArray[np.object_]:
    return np.array([predictors.values[patient_id] for patient_id in patient_ids], dtype=object)


def _make_measured_model() -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), penalised(1.0))


def _make_clinical_model(numbers: Sequence[int], codes: Sequence[int]) -> Any:
    """A column that is empty for all training patients is kept as a constant and gets no weight."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
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
    return make_pipeline(columns, penalised(1.0))


def _make_radiomics_model(n_features: int) -> Any:
    from sklearn.feature_selection import SelectKBest
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        SelectKBest(_distances_from_chance, k=min(FEATURES_KEPT, n_features)),
        penalised(0.1),
    )


def penalised(c: float) -> Any:
    """Make a logistic regression with an L2 penalty, fitted to its optimum: others must be able to reproduce it.

    The default solver stops early, with probabilities up to 0.004 from the optimum.

    Args:
        c: Inverse strength of the penalty, as in scikit-learn.
    """
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=c, solver="newton-cholesky", tol=1e-10, max_iter=1000)


def _distances_from_chance(values: npt.NDArray[np.float64], truths: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Distance of each column's AUC from 0.5, computed from ranks, which need no variance within a grade."""
    from scipy.stats import rankdata

    n_high = int(truths.sum())
    n_low = len(truths) - n_high
    rank_sums = rankdata(values, axis=0)[truths].sum(axis=0)
    return np.asarray(np.abs((rank_sums - n_high * (n_high + 1) / 2) / (n_high * n_low) - 0.5))


def _is_known(value: float | str | None) -> bool:
    return isinstance(value, str) or (value is not None and not math.isnan(value))
