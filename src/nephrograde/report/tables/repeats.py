"""How much the results vary over repeats, what repeated cross-validation says, and what more patients would give."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.evaluation.comparison.family import Family
from nephrograde.evaluation.comparison.repeats import spread_over
from nephrograde.evaluation.ladder.learning_curve import learning_curves
from nephrograde.report.tables.paper import Cell, PairCell
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import NOTHING, bounds, decimal, p_value
from nephrograde.report.text.remarks import reason_words

if TYPE_CHECKING:
    from nephrograde.evaluation.comparison.repeats import ProcedureComparison, RepeatedAuc, Spread
    from nephrograde.evaluation.ladder.learning_curve import LearningCurve
    from nephrograde.results import Results


@dataclass(frozen=True, slots=True)
class SpreadCell:
    """The mean AUC over repeats, a dash if there are none, and below it its SD and range."""

    mean: str
    detail: str


@dataclass(frozen=True, slots=True)
class VariationRow:
    """The AUC of one model in the first fit, and how it varies over repeats."""

    model: str
    is_baseline: bool
    first: str
    over_folds: SpreadCell
    over_seeds: SpreadCell


@dataclass(frozen=True, slots=True)
class Variation:
    """The AUCs of all models out of fold or on the test patients, over ``drawings`` of the folds and ``seeds``."""

    split: str
    drawings: int
    seeds: int
    rows: tuple[VariationRow, ...]


@dataclass(frozen=True, slots=True)
class ProcedureRow:
    """Two models over repeated cross-validation; ``remark`` says what could not be computed."""

    model_a: str
    model_b: str
    cell: PairCell
    folds: int
    remark: str


@dataclass(frozen=True, slots=True)
class Procedures:
    """The comparisons over repeated cross-validation: those that the study asks about, and all others."""

    drawings: int
    asked: tuple[ProcedureRow, ...]
    others: tuple[ProcedureRow, ...]


@dataclass(frozen=True, slots=True)
class CurveRow:
    """The AUC of one model by share of the training patients, and extrapolated to twice as many."""

    model: str
    is_baseline: bool
    cells: tuple[str, ...]
    farther: Cell


@dataclass(frozen=True, slots=True)
class CurveTable:
    """The learning curves of all models; ``headings`` name the shares with the patients of most models.

    ``has_law`` says whether a power law was fitted to any of them, which needs three sizes.
    """

    headings: tuple[str, ...]
    has_law: bool
    rows: tuple[CurveRow, ...]
    drawings: int


@dataclass(frozen=True, slots=True)
class RepeatSections:
    """What the repeats of a run show; parts that were not asked for are None or empty."""

    variations: tuple[Variation, ...]
    procedures: Procedures | None
    curve: CurveTable | None


def repeat_sections(run: Results) -> RepeatSections:
    """Compose what the repeats show, in the current language.

    Args:
        run: The results of a run.
    """
    variations = tuple(found for split in ("test", "oof") if (found := _variation(run, split)) is not None)
    return RepeatSections(variations, _procedures(run), _curve_table(run))


def curves_of(run: Results) -> list[LearningCurve]:
    """Compute the learning curves of the run's models, in the order of the page.

    Args:
        run: The results of a run.
    """
    curves = learning_curves(run.repeats, confidence=run.settings.confidence, seed=run.settings.seed)
    order = {model.name: k for k, model in enumerate(run.models)}
    return sorted((curve for curve in curves if curve.model in order), key=lambda curve: order[curve.model])


def has_power_law(run: Results) -> bool:
    """Tell whether a power law was fitted to the learning curve of any model.

    Args:
        run: The results of a run.
    """
    return any(curve.law is not None for curve in curves_of(run))


def _variation(run: Results, split: str) -> Variation | None:
    rows = [row for row in run.repeats if row.split == split and row.share == 1.0]
    drawings, seeds = len({row.drawing for row in rows}), len({row.seed for row in rows})
    if drawings < 2 and seeds < 2:
        return None
    by_model = {model: [row for row in rows if row.model == model.name] for model in run.models}
    made = [
        VariationRow(
            model.name,
            model.is_baseline,
            _first(own),
            _spread(spread_over(own, split=split, over="drawing")),
            _spread(spread_over(own, split=split, over="seed")),
        )
        for model, own in by_model.items()
        if own
    ]
    return Variation(split, drawings, seeds, tuple(made))


def _first(rows: list[RepeatedAuc]) -> str:
    values = [row.auc for row in rows if row.is_first and not math.isnan(row.auc)]
    return decimal(sum(values) / len(values)) if values else NOTHING


def _spread(found: Spread | None) -> SpreadCell:
    if found is None:
        return SpreadCell(NOTHING, "")
    detail = t(
        "SD {sd}; {low} to {high}",
        sd=decimal(found.sd),
        low=decimal(found.lowest),
        high=decimal(found.highest),
    )
    return SpreadCell(decimal(found.mean), detail)


def _procedures(run: Results) -> Procedures | None:
    if not run.procedures:
        return None
    asked = [row for row in run.procedures if row.family in {Family.PRIMARY, Family.SUPERVISION}]
    asked.sort(key=lambda row: row.family is not Family.PRIMARY)
    others = [row for row in run.procedures if row not in asked]
    drawings = max(row.drawings for row in run.procedures)
    return Procedures(drawings, tuple(map(_procedure_row, asked)), tuple(map(_procedure_row, others)))


def _procedure_row(row: ProcedureComparison) -> ProcedureRow:
    cell = PairCell(decimal(row.difference), bounds(row.low, row.high), p_value(row.p_value), p_value(row.p_adjusted))
    return ProcedureRow(row.model_a, row.model_b, cell, row.folds, reason_words(row.reason) if row.reason else "")


def _curve_table(run: Results) -> CurveTable | None:
    curves = curves_of(run)
    if not curves:
        return None
    longest = max(curves, key=lambda curve: len(curve.points))
    headings = tuple(
        t("{percent}% (n = {n})", percent=f"{100 * point.share:g}", n=round(point.n_learn)) for point in longest.points
    )
    baselines = {model.name for model in run.models if model.is_baseline}
    rows = tuple(_curve_row(curve, longest, baselines) for curve in curves)
    has_law = any(curve.law is not None for curve in curves)
    return CurveTable(headings, has_law, rows, longest.drawings)


def _curve_row(curve: LearningCurve, longest: LearningCurve, baselines: set[str]) -> CurveRow:
    means = {point.share: decimal(point.mean) for point in curve.points}
    cells = tuple(means.get(point.share, NOTHING) for point in longest.points)
    farther = Cell(curve.farther, curve.farther_low, curve.farther_high)
    return CurveRow(curve.model, curve.model in baselines, cells, farther)
