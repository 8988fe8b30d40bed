"""How little annotation is enough: the ladder of supervision in sentences and rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from nephrograde.evaluation.ladder.minutes import MinutesSource
from nephrograde.evaluation.remarks import Reason, Verdict
from nephrograde.report.tables.paper import Cell
from nephrograde.report.text.arms import network_name
from nephrograde.report.text.language import phase_heading, t
from nephrograde.report.text.numbers import NOTHING, bounds, decimal, listed, p_value
from nephrograde.report.text.remarks import reason_words, verdict_words
from nephrograde.vocabulary import Supervision

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nephrograde.evaluation.ladder.curve import LadderPoint
    from nephrograde.evaluation.ladder.ladder import LadderRow
    from nephrograde.results import Results

PhaseRow = TypeVar("PhaseRow", "RungRow", "PointRow")


@dataclass(frozen=True, slots=True)
class RungRow:
    """One model of the ladder; ``test`` and ``test_verdict`` are empty without test patients."""

    phase: str
    level: str
    arm: str
    network: str
    minutes: str
    source: str
    auc: Cell
    difference: str
    bounds: str
    p_not_worse: str
    p_adjusted: str
    verdict: str
    test: Cell
    test_verdict: str
    is_reference: bool


@dataclass(frozen=True, slots=True)
class PointRow:
    """One model of a learning curve: at each share its AUC and the hours of annotation."""

    phase: str
    level: str
    arm: str
    cells: tuple[Cell, ...]
    hours: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The contents of the section: sentences on what is shown and what is not, and the rows of the tables by phase."""

    sentences: tuple[str, ...]
    limits: str
    rows: tuple[tuple[str, tuple[RungRow, ...]], ...]
    remarks: tuple[str, ...]
    sources: str
    margin: str
    has_test: bool
    shares: tuple[str, ...]
    points: tuple[tuple[str, tuple[PointRow, ...]], ...]


def ladder(run: Results) -> Ladder | None:
    """Compose the ladder of a run in the current language; None if it has arms of one level only.

    Args:
        run: The results of a run.
    """
    rungs = out_of_fold_rungs(run)
    if not rungs:
        return None
    tested = {row.model: row for row in run.ladder if row.split == "test"}
    phases = list(dict.fromkeys(row.phase for row in rungs))
    shares = sorted({point.share for point in run.ladder_curves})
    return Ladder(
        tuple(sentence for phase in phases for sentence in _phase_sentences(phase, run)),
        _limits(rungs),
        _grouped([_row(row, tested.get(row.model)) for row in rungs]),
        tuple(_remarks(rungs)),
        minutes_sources(rungs),
        f"{rungs[0].margin:g}",
        bool(tested),
        tuple(f"{100 * share:g}%" for share in shares),
        _grouped(_point_rows(run.ladder_curves, shares)),
    )


def out_of_fold_rungs(run: Results) -> list[LadderRow]:
    """List the rungs out of fold, by phase and upwards; those of a level that cost the same in the study's order.

    Args:
        run: The results of a run.
    """
    phases = list(dict.fromkeys(row.phase for row in run.ladder))
    rows = [row for row in run.ladder if row.split == "oof"]
    return sorted(rows, key=lambda row: (phases.index(row.phase), row.minutes, row.supervision.cost))


def supervision_words(level: Supervision) -> str:
    """Name a level of supervision.

    >>> supervision_words(Supervision.NONE), supervision_words(Supervision.BOX)
    ('no annotation', 'box')
    """
    return {
        Supervision.NONE: t("no annotation"),
        Supervision.SLICE: t("slice"),
        Supervision.POINT: t("point"),
        Supervision.BOX: t("box"),
        Supervision.MASK: t("mask"),
    }[level]


def minutes_text(minutes: float) -> str:
    """Format minutes with two significant digits.

    >>> [minutes_text(minutes) for minutes in (0.0, 0.29, 7.5, 12.3)]
    ['0', '0.29', '7.5', '12']
    """
    if minutes == 0.0:
        return "0"
    if minutes >= 10.0:
        return f"{minutes:.0f}"
    return f"{minutes:.1f}" if minutes >= 1.0 else f"{minutes:.2f}"


def minutes_sources(rungs: Iterable[LadderRow]) -> str:
    """Say where the minutes of each level come from.

    Args:
        rungs: The rungs.
    """
    by_source: dict[tuple[MinutesSource, int], list[str]] = {}
    for row in sorted(rungs, key=lambda row: row.supervision.cost):
        if row.supervision is not Supervision.NONE or row.minutes_source is not MinutesSource.NO_ANNOTATION:
            names = by_source.setdefault((row.minutes_source, row.minutes_n), [])
            if (name := supervision_words(row.supervision)) not in names:
                names.append(name)
    parts = [
        t("{levels}: {source}", levels=listed(names), source=_source_words(source, n))
        for (source, n), names in by_source.items()
    ]
    return t("Minutes per patient, whatever the network: {parts}.", parts=t("; ").join(parts)) if parts else ""


def _source_words(source: MinutesSource, n: int) -> str:
    return {
        MinutesSource.STUDY: t("given in the study file"),
        MinutesSource.MEASURED: t("measured in the journals of the readers (mean of {n} patients)", n=n),
        MinutesSource.PUBLISHED: t("published for a radiologist who delineated renal masses below 4 cm"),
        MinutesSource.PARTLY_ASSUMED: t("published for photographs, with an assumed 15 s to find the tumour"),
        MinutesSource.ASSUMED: t("assumed, 15 s to find the tumour and its slice"),
        MinutesSource.NO_ANNOTATION: t("no annotation"),
    }[source]


def _source_tag(source: MinutesSource) -> str:
    return {
        MinutesSource.STUDY: t("given"),
        MinutesSource.MEASURED: t("measured"),
        MinutesSource.PUBLISHED: t("published"),
        MinutesSource.PARTLY_ASSUMED: t("partly assumed"),
        MinutesSource.ASSUMED: t("assumed"),
        MinutesSource.NO_ANNOTATION: "",
    }[source]


def network_words(row: LadderRow) -> str:
    """Describe the network of a rung, and what it sees.

    Args:
        row: The rung.
    """
    return t("{network}, {view}", network=network_name(row.network), view=view_words(row))


def view_words(row: LadderRow) -> str:
    """Describe what the network of a rung sees.

    Args:
        row: The rung.
    """
    if row.slices is None:
        return t("3D")
    kind = "2.5D" if row.neighbours else "2D"
    if row.supervision is Supervision.NONE:
        return t("{kind}, {n} per kidney", kind=kind, n=row.slices)
    return t("{kind}, one slice", kind=kind) if row.slices == 1 else t("{kind}, {n} slices", kind=kind, n=row.slices)


def _phase_sentences(phase: str, run: Results) -> list[str]:
    """Say for one phase which cheaper annotation is enough, or that none is shown to be."""
    rungs = [row for row in out_of_fold_rungs(run) if row.phase == phase]
    reference = next(row for row in rungs if row.is_reference)
    others = [row for row in rungs if row.supervision.cost < reference.supervision.cost]
    if not others:
        return []
    words = {
        "phase": phase_heading(phase),
        "reference": supervision_words(reference.supervision),
        "reference_minutes": minutes_text(reference.minutes),
        "reference_auc": decimal(reference.auc),
        "margin": f"{reference.margin:g}",
    }
    enough = [row for row in others if row.verdict is Verdict.NOT_WORSE]
    if not enough:
        return [_none_enough(others, words)]
    least = enough[0]
    sentence = t(
        "{phase}: {level} ({arm}; {minutes} min per patient) is the least annotation shown to be enough. Out of fold, "
        "its AUC is {auc}, against {reference_auc} with {reference} ({reference_minutes} min): it loses less than "
        "{margin} (difference {difference}, 95% CI {interval}).",
        level=supervision_words(least.supervision),
        arm=least.arm,
        minutes=minutes_text(least.minutes),
        auc=decimal(least.auc),
        difference=decimal(least.difference),
        interval=bounds(least.difference_low, least.difference_high).strip("[]"),
        **words,
    )
    tested = next((row for row in run.ladder if row.split == "test" and row.model == least.model), None)
    if tested is None or tested.verdict is None:
        return [sentence]
    on_test = t(
        "On the test patients, who had no part in this choice: difference {difference}, 95% CI {interval}, {verdict}.",
        difference=decimal(tested.difference),
        interval=bounds(tested.difference_low, tested.difference_high).strip("[]"),
        verdict=verdict_words(tested.verdict),
    )
    return [t("{first} {second}", first=sentence, second=on_test)]


def _none_enough(others: Sequence[LadderRow], words: dict[str, str]) -> str:
    judged = [row for row in others if row.verdict is not None and not row.verdict.is_withheld]
    if not judged:
        return t("{phase}: there are too few patients to say whether less than {reference} is enough.", **words)
    sentence = t(
        "{phase}: no cheaper annotation is shown to be enough. Out of fold, {reference} ({reference_minutes} min per "
        "patient) has an AUC of {reference_auc}, and none of the others is shown to lose less than {margin}.",
        **words,
    )
    worse = [
        t("{level} ({arm})", level=supervision_words(row.supervision), arm=row.arm)
        for row in judged
        if row.verdict is Verdict.WORSE
    ]
    if len(worse) == len(judged):
        return t("{first} {second}", first=sentence, second=t("All of them are shown to lose more."))
    undecided = t("Where the verdict is “undecided”, more patients may show either.")
    if worse:
        named = t("Shown to lose more: {levels}.", levels=listed(worse))
        sentence = t("{first} {second}", first=sentence, second=named)
    return t("{first} {second}", first=sentence, second=undecided)


def _limits(rungs: Sequence[LadderRow]) -> str:
    """Say what the figure does not show."""
    parts = [
        t("whether a level without the verdict “not worse” would do with more patients"),
        t("what other training patients would give, because intervals and tests hold for the networks as fitted"),
    ]
    if len({(row.dimensions, row.slices, row.neighbours) for row in rungs}) > 1:
        parts.append(t("what the annotation alone does, because the networks differ as well"))
    if any(row.minutes_source not in {MinutesSource.MEASURED, MinutesSource.STUDY} and row.minutes for row in rungs):
        parts.append(t("how long these readers take, because not all minutes were measured in this cohort"))
    return t("What the figure does not show: {parts}.", parts=t("; ").join(parts))


def _row(row: LadderRow, tested: LadderRow | None) -> RungRow:
    return RungRow(
        phase_heading(row.phase),
        supervision_words(row.supervision),
        row.arm,
        network_words(row),
        minutes_text(row.minutes),
        _source_tag(row.minutes_source),
        Cell(row.auc, row.low, row.high),
        NOTHING if row.is_reference else decimal(row.difference),
        bounds(row.difference_low, row.difference_high),
        p_value(row.p_not_worse),
        p_value(row.p_adjusted),
        t("reference") if row.is_reference else verdict_words(row.verdict),
        Cell(math.nan, math.nan, math.nan) if tested is None else Cell(tested.auc, tested.low, tested.high),
        "" if tested is None or tested.is_reference else verdict_words(tested.verdict),
        row.is_reference,
    )


def _remarks(rungs: Iterable[LadderRow]) -> list[str]:
    """Say why a difference could not be tested."""
    return [
        t("{model}: {remark}", model=row.model, remark=reason_words(Reason(row.reason)))
        for row in rungs
        if row.reason is not None
    ]


def _grouped(rows: Sequence[PhaseRow]) -> tuple[tuple[str, tuple[PhaseRow, ...]], ...]:
    """Group rows by phase, under its heading."""
    phases = dict.fromkeys(row.phase for row in rows)
    return tuple((phase, tuple(row for row in rows if row.phase == phase)) for phase in phases)


def _point_rows(points: Iterable[LadderPoint], shares: Sequence[float]) -> list[PointRow]:
    by_model: dict[str, dict[float, LadderPoint]] = {}
    for point in points:
        by_model.setdefault(point.model, {})[point.share] = point
    rows = []
    for found in by_model.values():
        one = next(iter(found.values()))
        known = [found.get(share) for share in shares]
        cells = tuple(Cell(math.nan, math.nan, math.nan) if p is None else Cell(p.auc, p.low, p.high) for p in known)
        hours = tuple(NOTHING if p is None else minutes_text(p.hours) for p in known)
        rows.append(PointRow(phase_heading(one.phase), supervision_words(one.supervision), one.arm, cells, hours))
    return rows
