"""The evaluation for people who work in Python: a DataFrame of scores in, DataFrames of results out.

Nothing is read from or written to disk, and no image or network is needed: the scores may come from any program.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.evaluation.calibration.benefit import BenefitPoint
from nephrograde.evaluation.calibration.calibration import CalibrationPoint
from nephrograde.evaluation.comparison.compare import Comparison
from nephrograde.evaluation.comparison.equivalence import Equivalence
from nephrograde.evaluation.evaluation import Evaluation, check_primary, evaluate_scores
from nephrograde.evaluation.lesions import LESION_COLUMN, parse_lesions
from nephrograde.evaluation.performance.metrics import Estimate
from nephrograde.evaluation.performance.subgroup import SubgroupEstimate
from nephrograde.evaluation.score_frame import read_frame
from nephrograde.evaluation.scores.score_table import open_scores, parse_groups, parse_scores
from nephrograde.evaluation.uncertainty.cross_fit import CalibratedScore, blocks_of
from nephrograde.evaluation.uncertainty.referral import ReferralRow
from nephrograde.evaluation.uncertainty.uncertainty import ConformalRow, RecalibrationRow
from nephrograde.sheet import Sheet
from nephrograde.study import EvaluateSettings
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from nephrograde.evaluation.uncertainty.cross_fit import Block


SHOWN = 8
"""Models that a repr names."""
MEASURES = ("auc", "accuracy", "sensitivity", "specificity")
ESTIMATE_FIELDS = tuple(field.name for field in fields(Estimate) if field.init)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evaluated:
    """The results as tables, with the columns of the files in ``statistics/``; a number not computed is NaN.

    ``calibrated`` is that of ``scores/calibrated.csv``.
    """

    estimates: pd.DataFrame
    comparisons: pd.DataFrame
    equivalence: pd.DataFrame
    calibration: pd.DataFrame
    net_benefit: pd.DataFrame
    subgroups: pd.DataFrame
    recalibration: pd.DataFrame
    conformal: pd.DataFrame
    referral: pd.DataFrame
    calibrated: pd.DataFrame

    def __repr__(self) -> str:
        models = list(dict.fromkeys(self.estimates["model"]))
        named = ", ".join(models[:SHOWN]) + (", …" if len(models) > SHOWN else "")
        return f"Evaluated({len(models)} models: {named}; {len(self.comparisons)} comparisons)"

    def summary(self) -> pd.DataFrame:
        """One row per model and split: AUC, accuracy, sensitivity and specificity, each with its interval as text."""
        import pandas as pd

        shown = self.estimates[self.estimates["measure"].isin(MEASURES)]
        texts = [str(Estimate(**{name: row[name] for name in ESTIMATE_FIELDS})) for row in shown.to_dict("records")]
        table = shown[["model", "split", "measure"]].assign(text=texts)
        wide = table.pivot_table(
            index=["model", "split"], columns="measure", values="text", aggfunc="first", sort=False
        )
        return pd.DataFrame(wide.reindex(columns=list(MEASURES)))

    def _repr_html_(self) -> str:
        return f"{self.summary().to_html()}<p>{RESEARCH_USE_ONLY}</p>"


def evaluate_frame(
    scores: pd.DataFrame | str | Path | Sheet,
    settings: EvaluateSettings | None = None,
    *,
    encoding: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Evaluated:
    """Evaluate the predictions of any program: every model alone, and every pair of models on the same patients.

    Args:
        scores: A DataFrame or the path of a table with the columns ``patient_id``, ``model``, ``is_high`` (0/1) and
            ``p_high`` (0 to 1); ``split`` ("oof" or "test"; every row is a test row without it) and ``fold`` where
            known; columns named in ``settings.subgroups`` define subgroups; with ``lesion_id`` a row is a lesion. The
            thresholds are chosen on the "oof" rows; without such rows they are 0.5. Cells and headings are read as
            those of a file are.
        settings: Confidence, threshold rule, margin and so on; the defaults of the study file when None.
        encoding: The encoding of a text file; detected when None.
        columns: Headings by standard name, where they are not usual ones.

    Returns:
        The tables.

    Raises:
        ScoresError: A column is missing, a probability lies outside 0 to 1, a patient is there twice in one model, a
            truth differs between models, a patient is in both splits: all problems at once.

    Source: As ``nephrograde.evaluation.evaluation.evaluate_scores``.

    >>> import pandas as pd
    >>> table = pd.DataFrame(
    ...     {
    ...         "patient_id": ["A", "B", "C", "D", "E", "F"],
    ...         "model": "mine",
    ...         "is_high": [0, 0, 0, 1, 1, 1],
    ...         "p_high": [0.1, 0.3, 0.6, 0.5, 0.8, 0.9],
    ...     }
    ... )
    >>> estimates = evaluate_frame(table).estimates.set_index("measure")
    >>> estimates.loc["auc", ["value", "low", "high"]].round(3).tolist()
    [0.889, 0.261, 0.995]
    """
    settings = settings or EvaluateSettings()
    read = None if isinstance(scores, Sheet | str | Path) else read_frame(scores, columns, settings.subgroups)
    if read is not None:
        check_primary(read.scores, settings)
        return as_frames(evaluate_scores(read.scores, settings, read.groups))
    sheet = scores if isinstance(scores, Sheet) else open_scores(scores, encoding, columns)
    groups = parse_groups(sheet, settings.subgroups)
    if LESION_COLUMN in sheet.headings:
        lesions = parse_lesions(sheet)
        check_primary(lesions.by_patient(), settings)
        result = evaluate_scores(lesions.by_patient(), settings, groups)
        result = lesions.beside(result, confidence=settings.confidence)
    else:
        parsed = parse_scores(sheet)
        check_primary(parsed, settings)
        result = evaluate_scores(parsed, settings, groups)
    return as_frames(result)


def as_frames(result: Evaluation) -> Evaluated:
    """Give the tables of an evaluation as DataFrames.

    Args:
        result: The evaluation.
    """
    names = [field.name for field in fields(Estimate)]
    estimates = ((model, split, *attrgetter(*names)(made)) for model, split, made in result.estimates)
    return Evaluated(
        estimates=_frame(estimates, ["model", "split", *names]),
        comparisons=_frame_of(result.comparisons, Comparison),
        equivalence=_frame_of(result.equivalences, Equivalence),
        calibration=_frame_of(result.calibration, CalibrationPoint),
        net_benefit=_frame_of(result.net_benefit, BenefitPoint),
        subgroups=_frame_of(result.subgroups, SubgroupEstimate),
        recalibration=_frame_of(result.uncertainty.recalibrations, RecalibrationRow),
        conformal=_frame_of(result.uncertainty.cutoffs, ConformalRow),
        referral=_frame_of(result.uncertainty.referrals, ReferralRow),
        calibrated=_frame_of_blocks(blocks_of(result.uncertainty.patients), CalibratedScore),
    )


def _frame_of(rows: Iterable[Any], kind: type[Any]) -> pd.DataFrame:
    """A column per field; the values are numbers and texts, which need no copy."""
    names = [field.name for field in fields(kind)]
    return _frame(map(attrgetter(*names), rows), names)


def _frame(rows: Iterable[Sequence[Any]], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=columns)


def _frame_of_blocks(blocks: Iterable[Block], kind: type[Any]) -> pd.DataFrame:
    """The same from columns, which come some rows at a time."""
    import pandas as pd

    parts: dict[str, list[Any]] = {field.name: [] for field in fields(kind)}
    for block in blocks:
        for name, values in parts.items():
            values.append(block[name])
    return pd.DataFrame(
        {
            name: np.concatenate(values)
            if values and all(isinstance(one, np.ndarray) for one in values)
            else list(chain.from_iterable(values))
            for name, values in parts.items()
        }
    )
