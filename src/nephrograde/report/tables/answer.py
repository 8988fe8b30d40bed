"""What a reader wants to know first: the answer in two sentences, and the table behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from nephrograde.evaluation.remarks import FEWEST_FOR_VERDICT
from nephrograde.report.tables.increment import added_value_sentence
from nephrograde.report.tables.out_of_fold import out_of_fold_words
from nephrograde.report.tables.pairs import common_patients
from nephrograde.report.tables.paper import Cell, PaperRow, paper_rows
from nephrograde.report.tables.wording import SIZE, level_words
from nephrograde.report.text.baselines import baseline_in_words, only_baseline
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import NOTHING, bounds, counted, decimal, enumerated, p_sentence, p_value
from nephrograde.report.text.remarks import is_ranked_alike
from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nephrograde.evaluation.comparison.compare import Comparison
    from nephrograde.results import Results

ALL_NAMED = 3
"""A run with no more models than this has all of them in the figures at the top."""


class Doubt(StrEnum):
    """A reason to read the answer with care."""

    CHOSEN_OUT_OF_FOLD = "chosen_out_of_fold"
    CHOSEN_ON_SAME = "chosen_on_same"
    FEW_PATIENTS = "few_patients"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class Answer:
    """The primary comparison or, where none was named, the leading model against the best baseline.

    Attributes:
        leader: The model that the answer is about.
        auc: Its AUC.
        n: The patients that it scored.
        n_high: Those of high grade among them.
        rival: The model that it is compared with; None if there is none.
        is_primary: Whether the two were named beforehand.
        difference: The AUC of the leader minus that of the rival; None if it was not computed.
        n_compared: The patients that both scored; those of the leader without a rival.
        n_high_compared: Those of high grade among them.
        doubts: What to keep in mind, in the order of the sentence.
    """

    leader: str
    auc: Cell
    n: int
    n_high: int
    rival: str | None
    is_primary: bool
    difference: Comparison | None
    n_compared: int
    n_high_compared: int
    doubts: tuple[Doubt, ...]


def find_answer(run: Results) -> Answer | None:
    """Find the answer of a run.

    It is about the models of the primary comparison. Without one, the leading model is the network with the highest
    out-of-fold AUC, chosen without the test set; if there are no out-of-fold scores beside the reported ones, it is the
    model with the highest reported AUC. Its rival is the best baseline.

    Args:
        run: The run.

    Returns:
        The answer; None if no AUC was computed.
    """
    rows = {row.model: row for row in paper_rows(run.estimates, run.reported) if not math.isnan(row.auc.value)}
    if not rows:
        return None
    primary = [name for name in run.settings.primary or () if name in rows]
    is_primary = len(primary) > 1
    networks = [row for row in rows.values() if not row.is_baseline]
    chosen = run.chosen_network if run.reported == "test" else None
    highest = max(networks or rows.values(), key=lambda row: row.auc.value)
    leader = rows[primary[0]] if is_primary else rows.get(chosen or "", highest)
    rival = primary[1] if is_primary else None if leader.is_baseline else _best_baseline(run, rows)
    difference = run.auc_difference(leader.model, rival) if rival is not None else None
    if difference is not None and math.isnan(difference.low):
        difference = None
    is_of_several = not is_primary and len(networks or rows) > 1
    is_highest = any(row.auc.value < leader.auc.value for row in networks or rows.values())
    ranked = run.estimate(leader.model, "auc")
    n, n_high = (leader.n, leader.n_high) if ranked is None else (ranked.n, ranked.n_high)
    few = min(n_high, n - n_high) < FEWEST_FOR_VERDICT
    holds = {
        Doubt.CHOSEN_OUT_OF_FOLD: is_of_several and leader.model == chosen,
        Doubt.CHOSEN_ON_SAME: is_of_several and is_highest and leader.model != chosen and run.reported == "test",
        Doubt.FEW_PATIENTS: few,
        Doubt.REOPENED: run.reported == "test" and len(run.openings) > 1,
    }
    doubts = tuple(doubt for doubt, is_so in holds.items() if is_so)
    paired = (n, n_high)
    if rival is not None and (difference is None or difference.n != n):
        paired = common_patients(run, leader.model, rival)
    return Answer(leader.model, leader.auc, n, n_high, rival, is_primary, difference, *paired, doubts)


def _best_baseline(run: Results, rows: Mapping[str, PaperRow]) -> str | None:
    """The baseline with the highest AUC, out of fold where that is known."""
    if run.chosen_baseline in rows:
        return run.chosen_baseline
    baselines = [row for row in rows.values() if row.is_baseline]
    return max(baselines, key=lambda row: row.auc.value).model if baselines else None


def answer_sentences(run: Results) -> list[str]:
    """Say what was found: what the images add to clinical data, where that is known, and the leading model.

    A page without a test set says first what it rests on.

    Args:
        run: The run.
    """
    answer = find_answer(run)
    found = [out_of_fold_words(run).lead, added_value_sentence(run), "" if answer is None else _finding(answer, run)]
    return [text for text in found if text]


def caution_sentence(run: Results) -> str:
    """Say in one sentence what to keep in mind of the answer; empty if there is nothing.

    Args:
        run: The run.
    """
    answer = find_answer(run)
    return "" if answer is None else _caution(answer, run)


def _finding(answer: Answer, run: Results) -> str:
    words = {
        "where": t("On the test set") if run.reported == "test" else t("Out of fold"),
        "patients": t("n = {n}, {n_high} {high}", n=answer.n, n_high=answer.n_high, high=level_words(run)[1]),
        "model": answer.leader,
        "auc": t(
            "{value}, {confidence}% CI {interval}",
            value=decimal(answer.auc.value),
            confidence=run.confidence_percent,
            interval=bounds(answer.auc.low, answer.auc.high).strip("[]") or NOTHING,
        ),
    }
    pair = answer.difference
    if pair is None:
        return t("{where} ({patients}), {model} has an AUC of {auc}.", **words)
    name = answer.rival or ""
    rival = t("{model} alone", model=baseline_in_words(name)) if name in BASELINES else name
    if is_ranked_alike(pair):
        return t(
            "{where} ({patients}), {model} has an AUC of {auc}; {rival} ranks the patients identically, so there is no "
            "difference to test.",
            rival=rival,
            **words,
        )
    numbers = {
        "rival": rival,
        "difference": decimal(pair.difference),
        "interval": bounds(pair.low, pair.high).strip("[]"),
        "p": _p_words(pair, answer),
    }
    if answer.n_compared == answer.n:
        compared = t("the difference from {rival} is {difference} ({interval}; {p})", **numbers)
    else:
        compared = t(
            "on the {n} patients that both models scored ({n_high} {high}), the difference from {rival} is "
            "{difference} ({interval}; {p})",
            n=answer.n_compared,
            n_high=answer.n_high_compared,
            high=level_words(run)[1],
            **numbers,
        )
    return t(
        "{where} ({patients}), {model} has an AUC of {auc}; {compared}: {shown}.",
        compared=compared,
        shown=_shown(pair, answer, run),
        **words,
    )


def _p_words(pair: Comparison, answer: Answer) -> str:
    """P, and P after adjustment if the pair is one of several that were not named beforehand."""
    p = p_sentence(pair.p_value)
    if answer.is_primary or (pair.family_size or 1) == 1:
        return p
    return t("{p}, {p_adjusted} after Holm adjustment", p=p, p_adjusted=p_sentence(pair.p_adjusted))


def _shown(pair: Comparison, answer: Answer, run: Results) -> str:
    """The verdict. Without a comparison named beforehand it is called exploratory, and rests on the adjusted P."""
    n_high, n_low = answer.n_high_compared, answer.n_compared - answer.n_high_compared
    if Doubt.FEW_PATIENTS in answer.doubts or min(n_high, n_low) < FEWEST_FOR_VERDICT:
        return t("too few patients for a verdict")
    model = pair.model_a
    if answer.is_primary:
        if pair.low > 0:
            return t("{model} is better", model=model)
        if pair.high < 0:
            return t("{model} is worse", model=model)
        return t("these patients do not show that {model} is better", model=model)
    if pair.p_adjusted < 1.0 - run.settings.confidence and not pair.low <= 0 <= pair.high:
        better = t("exploratory, {model} is better", model=model)
        return better if pair.low > 0 else t("exploratory, {model} is worse", model=model)
    return t("exploratory, and these patients do not show that {model} is better", model=model)


def _caution(answer: Answer, run: Results) -> str:
    names = t("; ").join(_doubt_words(doubt, answer, run) for doubt in answer.doubts)
    return t("Keep in mind: {doubts}.", doubts=names) if names else ""


def _doubt_words(doubt: Doubt, answer: Answer, run: Results) -> str:
    n = len([model for model in run.models if not model.is_baseline]) or len(run.models)
    low, high = level_words(run)
    return {
        Doubt.CHOSEN_OUT_OF_FOLD: t(
            "{model} was chosen by its out-of-fold AUC, the highest of {n}, without using the test set",
            model=answer.leader,
            n=counted(n, "network") if run.study else counted(n, "model"),
        ),
        Doubt.CHOSEN_ON_SAME: t(
            "as the highest of {n} on the same patients, its AUC is optimistic", n=counted(n, "model")
        ),
        Doubt.FEW_PATIENTS: t(
            "with {n_low} {low} and {n_high} {high} there are few patients, and intervals are wide",
            n_low=answer.n - answer.n_high,
            low=low,
            n_high=answer.n_high,
            high=high,
        ),
        Doubt.REOPENED: t("the test set was opened {n} times", n=len(run.openings)),
    }[doubt]


def few_patients(run: Results) -> dict[str, tuple[int, int]]:
    """Name the models that scored too few patients of a class for a calibration curve, with the low and the high.

    Args:
        run: The run.

    Source:
        Smoothed curves need many patients of either class (Van Calster 2019, BMC Med 17:230, asks for 200); with fewer
        than 30 they follow single patients.
    """
    counts = {}
    for model in run.scores.models:
        is_high = run.scores.of(model, run.reported).is_high
        counts[model] = (int((~is_high).sum()), int(is_high.sum()))
    return {model: found for model, found in counts.items() if min(found) < FEWEST_FOR_VERDICT}


def calibration_curves(run: Results) -> tuple[list[str], list[str]]:
    """Name the models whose calibration curve is drawn, and those whose curve is withheld for want of patients.

    Args:
        run: The run.
    """
    few = few_patients(run)
    with_curve = [
        model
        for model in run.scores.models
        if any(point.model == model and point.split == run.reported for point in run.calibration)
    ]
    return [name for name in with_curve if name not in few], [name for name in with_curve if name in few]


def withheld(run: Results) -> list[str]:
    """Say in one line which calibration curves are not drawn and why; empty if all are.

    Args:
        run: The run.
    """
    drawn, names = calibration_curves(run)
    if not names:
        return []
    return [
        t(
            "Calibration curves need at least {limit} patients of either grade and are withheld for {models}.",
            limit=FEWEST_FOR_VERDICT,
            models=enumerated(names) if drawn else t("all models"),
        )
    ]


def named_models(run: Results) -> tuple[str, ...]:
    """Name the models of the figures at the top: those of the answer and the best baseline, or all if they are few.

    Args:
        run: The run.
    """
    names = [model.name for model in run.models]
    answer = find_answer(run)
    if len(names) <= ALL_NAMED or answer is None:
        return tuple(names)
    wanted = (answer.leader, answer.rival, run.chosen_baseline)
    return tuple(dict.fromkeys(name for name in wanted if name in names))


def common_notes(rows: Sequence[PaperRow]) -> list[tuple[str, str]]:
    """Collect the notes of the rows, each once, with the models that it is about.

    Args:
        rows: The rows of a table of results.

    Returns:
        Models and note.
    """
    return notes_by_model([(row.model, row.note) for row in rows if row.note], len(rows))


def notes_by_model(noted: Iterable[tuple[str, str]], n_models: int) -> list[tuple[str, str]]:
    """Join the models that have the same note.

    Args:
        noted: Model and note.
        n_models: The models of the table; a note of all of them does not name each.

    Returns:
        Models and note, each note once.
    """
    models: dict[str, list[str]] = {}
    for model, note in noted:
        models.setdefault(note, []).append(only_baseline(model))
    return [
        (t("all models") if len(names) == n_models > 1 else enumerated(names), note) for note, names in models.items()
    ]


@dataclass(frozen=True, slots=True)
class MainRow:
    """One model in the first table; ``p_size`` is the P value of its AUC against that of tumour size alone."""

    row: PaperRow
    ppv: Cell
    npv: Cell
    p_size: str


def main_rows(run: Results, rows: Sequence[PaperRow]) -> list[MainRow]:
    """Add the predictive values and the comparison with tumour size to the rows of the table of results.

    Args:
        run: The run.
        rows: From :func:`~nephrograde.report.tables.paper.paper_rows`, of the reported predictions.
    """
    found = []
    for row in rows:
        pair = run.auc_difference(row.model, SIZE)
        p = NOTHING if pair is None or is_ranked_alike(pair) else p_value(pair.p_value)
        found.append(MainRow(row, _cell(run, row.model, "ppv"), _cell(run, row.model, "npv"), p))
    return found


def _cell(run: Results, model: str, measure: str) -> Cell:
    found = run.estimate(model, measure)
    if found is None:
        return Cell(math.nan, math.nan, math.nan)
    return Cell(found.value, found.low, found.high, found.part, found.whole)
