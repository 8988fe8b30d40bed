"""How sure a model may be of a patient: recalibration, coverage of the prediction sets, and referral to biopsy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.evaluation.calibration.recalibration import Way
from nephrograde.evaluation.remarks import Caution
from nephrograde.evaluation.uncertainty.conformal import SetKind
from nephrograde.evaluation.uncertainty.referral import COVERAGES
from nephrograde.report.tables.answer import notes_by_model
from nephrograde.report.tables.paper import Cell
from nephrograde.report.tables.wording import level_words, split_words
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import decimal
from nephrograde.report.text.remarks import reason_words
from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.evaluation.uncertainty.referral import ReferralRow
    from nephrograde.evaluation.uncertainty.uncertainty import RecalibrationRow
    from nephrograde.results import Results

RECALIBRATED = ("brier", "calibration_intercept", "calibration_slope", "ece")
REFERRED = ("referred", "high_of_referred", "errors", "errors_with_biopsy")
"""The columns of the table of referrals."""
DECIDED = ("sensitivity_decided", "specificity_decided", "ppv_decided", "npv_decided")
"""The columns of the table of the patients who are decided."""
_EMPTY = Cell(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class WayRow:
    """The calibration of one model as scored, or after one way of recalibration; ``change`` is of the Brier score."""

    words: str
    is_used: bool
    brier: Cell
    change: Cell
    intercept: Cell
    slope: Cell
    ece: Cell


@dataclass(frozen=True, slots=True)
class RecalibrationBlock:
    """The rows of one model."""

    model: str
    is_baseline: bool
    rows: tuple[WayRow, ...]


@dataclass(frozen=True, slots=True)
class SetRow:
    """The prediction sets of one kind of one model: the cutoffs, and the coverage of all, high and low."""

    kind: str
    high_from: str
    low_to: str
    coverages: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class SetBlock:
    """The sets of one model."""

    model: str
    is_baseline: bool
    rows: tuple[SetRow, ...]


@dataclass(frozen=True, slots=True)
class YieldRow:
    """What referral yields with one model: a cell for each of :data:`REFERRED` and :data:`DECIDED`."""

    model: str
    is_baseline: bool
    referred: tuple[Cell, ...]
    decided: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class UncertaintySection:
    """The tables, and what to say of them.

    ``others`` are the recalibrations of models that are not named. ``bias`` says how calibration before and after may
    not be compared; it is empty where they may.
    """

    sentence: str
    target: str
    error: str
    recalibrations: tuple[RecalibrationBlock, ...]
    others: tuple[RecalibrationBlock, ...]
    bias: str
    sets: tuple[SetBlock, ...]
    yields: tuple[YieldRow, ...]
    remarks: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Segments:
    """The patients of one model by what their set decides: called low or high rightly or wrongly, or referred."""

    model: str
    low_right: int
    low_wrong: int
    referred_low: int
    referred_high: int
    high_wrong: int
    high_right: int

    @property
    def n(self) -> int:
        """All patients."""
        decided = self.low_right + self.low_wrong + self.high_wrong + self.high_right
        return decided + self.referred_low + self.referred_high


def uncertainty_section(run: Results) -> UncertaintySection | None:
    """Compose the section; None if nothing could be computed, as without out-of-fold scores.

    Args:
        run: The results of a run.

    Source:
        Calibration before and after: Van Calster 2019 (BMC Med 17:230).
    """
    names = [model.name for model in run.models]
    recalibrations = [block for name in names if (block := _recalibration_block(run, name)) is not None]
    sets = [one for name in names if (one := _set_block(run, name)) is not None]
    yields = [row for name in names if (row := _yield_row(run, name)) is not None]
    if not (recalibrations or sets):
        return None
    named = {run.chosen_network, run.chosen_baseline}
    shown = [block for block in recalibrations if block.model in named] or recalibrations
    error = run.settings.conformal_error
    return UncertaintySection(
        referral_sentence(run),
        f"{100 * (1 - error):g}",
        f"{error:g}",
        tuple(shown),
        tuple(block for block in recalibrations if block not in shown),
        _bias_words(run),
        tuple(sets),
        tuple(yields),
        tuple(notes_by_model(_remarks(run), len(names))),
    )


def segments_of(run: Results, model: str) -> Segments | None:
    """Count the patients of a model by what their set by class decides.

    Args:
        run: The results of a run.
        model: The model id.

    Returns:
        The counts; None if the model has no sets.
    """
    found = referrals_of(run, model, SetKind.BY_CLASS)
    referred = found.get("referred")
    if referred is None or referred.part is None:
        return None
    high_right, n_high = _counts(found["sensitivity_decided"])
    low_right, n_low = _counts(found["specificity_decided"])
    referred_high, _ = _counts(found["high_of_referred"])
    return Segments(
        model,
        low_right=low_right,
        low_wrong=n_high - high_right,
        referred_low=referred.part - referred_high,
        referred_high=referred_high,
        high_wrong=n_low - low_right,
        high_right=high_right,
    )


def referrals_of(run: Results, model: str, kind: SetKind) -> dict[str, ReferralRow]:
    """Give the rows of a model's sets of one kind by measure, for the predictions that are reported.

    Args:
        run: The results of a run.
        model: The model id.
        kind: The kind of the sets.
    """
    rows = run.uncertainty.referrals
    return {row.measure: row for row in rows if (row.model, row.split, row.kind) == (model, run.reported, kind)}


def referral_sentence(run: Results) -> str:
    """Tell in a few sentences what referral yields with the model chosen out of fold.

    Args:
        run: The results of a run.

    Returns:
        The sentences; empty if the model has no sets.
    """
    model = run.chosen_network or run.chosen_baseline
    counts = None if model is None else segments_of(run, model)
    if model is None or counts is None:
        return ""
    referred = counts.referred_low + counts.referred_high
    errors = referrals_of(run, model, SetKind.BY_CLASS)["errors"]
    wrong, remaining = _counts(errors)[0], counts.low_wrong + counts.high_wrong
    said = t(
        "{where}: with an error of {error} per grade, {model} decides {decided} of {n} patients, {wrong} of them "
        "wrongly, and refers {referred} ({percent}%); a biopsy would find {high} in {found} of these.",
        where=split_words(run),
        error=f"{run.settings.conformal_error:g}",
        model=model,
        decided=counts.n - referred,
        n=counts.n,
        wrong=remaining,
        referred=referred,
        percent=f"{100 * referred / counts.n:.0f}",
        high=level_words(run)[1],
        found=counts.referred_high,
    )
    if not referred:
        return said
    compared = t(
        "Without referral, {wrong} calls are wrong at the threshold; if every biopsy is right, {remaining}.",
        wrong=wrong,
        remaining=remaining,
    )
    said = t("{first} {second}", first=said, second=compared)
    if wrong > remaining:
        cost = t("That is {count} biopsies for each error avoided.", count=decimal(referred / (wrong - remaining), 1))
        said = t("{first} {second}", first=said, second=cost)
    if errors.caution is Caution.OPTIMISTIC:
        few = t(
            "The threshold was chosen on these same patients, so the errors without referral are optimistic; "
            "in new patients, referral may avoid more."
        )
        said = t("{first} {second}", first=said, second=few)
    return said


def way_words(way: Way) -> str:
    """Name a way of recalibration.

    >>> way_words(Way.VENN_ABERS)
    'Venn–Abers'
    """
    return {Way.PLATT: t("Platt"), Way.ISOTONIC: t("isotonic"), Way.VENN_ABERS: t("Venn–Abers")}[way]


def kind_words(kind: SetKind) -> str:
    """Name a kind of prediction sets.

    >>> kind_words(SetKind.BY_CLASS)
    'by grade'
    """
    return {SetKind.BY_CLASS: t("by grade"), SetKind.MARGINAL: t("marginal")}[kind]


def _recalibration_block(run: Results, model: str) -> RecalibrationBlock | None:
    rows = [row for row in run.uncertainty.recalibrations if (row.model, row.split) == (model, run.reported)]
    by_way = {way: {row.measure: row for row in rows if row.way == way} for way in Way}
    computed = {way: found for way, found in by_way.items() if any(not math.isnan(row.after) for row in found.values())}
    if not computed:
        return None
    first = next(iter(computed.values()))
    before = [Cell(first[name].before, first[name].before_low, first[name].before_high) for name in RECALIBRATED]
    scored = WayRow(t("as scored"), False, before[0], _EMPTY, *before[1:])
    used = run.settings.recalibration
    return RecalibrationBlock(
        model, model in BASELINES, (scored, *(_way_row(way, found, used) for way, found in computed.items()))
    )


def _bias_words(run: Results) -> str:
    """What is said of a study's out-of-fold patients, on whom the scores of the networks were calibrated."""
    if run.study is None or run.reported == "test":
        return ""
    return t(
        "Out of fold, the scores of the networks were calibrated on all these patients, each patient included, while "
        "the recalibrated probabilities are learnt on the other folds. The comparison is therefore biased against "
        "recalibration, and the change of the networks’ Brier score has no interval."
    )


def _way_row(way: Way, found: dict[str, RecalibrationRow], used: str) -> WayRow:
    after = [Cell(found[name].after, found[name].after_low, found[name].after_high) for name in RECALIBRATED]
    brier = found["brier"]
    change = Cell(brier.difference, brier.low, brier.high)
    return WayRow(way_words(way), way == used, after[0], change, *after[1:])


def _set_block(run: Results, model: str) -> SetBlock | None:
    cutoffs = {row.kind: row for row in run.uncertainty.cutoffs if row.model == model}
    rows = []
    for kind in SetKind:
        found = referrals_of(run, model, kind)
        if kind in cutoffs and all(name in found for name in COVERAGES):
            one = cutoffs[kind]
            rows.append(
                SetRow(
                    kind_words(kind),
                    decimal(one.high_from),
                    decimal(one.low_to),
                    tuple(_cell(found[name]) for name in COVERAGES),
                )
            )
    return SetBlock(model, model in BASELINES, tuple(rows)) if rows else None


def _yield_row(run: Results, model: str) -> YieldRow | None:
    found = referrals_of(run, model, SetKind.BY_CLASS)
    if "referred" not in found:
        return None
    referred, decided = (tuple(_cell(found[name]) for name in names) for names in (REFERRED, DECIDED))
    return YieldRow(model, model in BASELINES, referred, decided)


def _cell(row: ReferralRow) -> Cell:
    return Cell(row.value, row.low, row.high, row.part, row.whole)


def _counts(row: ReferralRow) -> tuple[int, int]:
    """The part and the whole; 0 of 0 where there is nobody."""
    return row.part or 0, row.whole or 0


def _remarks(run: Results) -> list[tuple[str, str]]:
    """Which models have no recalibration or no sets, and why."""
    return [*_recalibration_remarks(run.uncertainty.recalibrations, run.reported), *_set_remarks(run)]


def _recalibration_remarks(rows: Iterable[RecalibrationRow], reported: str) -> list[tuple[str, str]]:
    return [
        (row.model, t("no recalibration: {reason}", reason=reason_words(row.reason)))
        for row in rows
        if row.split == reported and row.way is Way.PLATT and row.measure == "brier" and row.reason is not None
    ]


def _set_remarks(run: Results) -> list[tuple[str, str]]:
    return [
        (
            row.model,
            t("no prediction sets ({kind}): {reason}", kind=kind_words(row.kind), reason=reason_words(row.reason)),
        )
        for row in run.uncertainty.referrals
        if row.split == run.reported and row.measure == "coverage" and row.reason is not None
    ]
