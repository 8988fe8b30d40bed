"""Pairs of models on the page: what the images add, whether more slices help, and which models are equivalent."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nephrograde.evaluation.comparison.family import holm
from nephrograde.evaluation.remarks import FEWEST_FOR_VERDICT
from nephrograde.report.tables.paper import PairCell
from nephrograde.report.text.language import phase_heading, t
from nephrograde.report.text.numbers import NOTHING, bounds, decimal, p_sentence, p_value, running_text
from nephrograde.report.text.remarks import is_ranked_alike, remark, verdict_words
from nephrograde.vocabulary import BASELINES, Supervision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.evaluation.comparison.compare import Comparison
    from nephrograde.evaluation.comparison.equivalence import Equivalence
    from nephrograde.evaluation.performance.metrics import Estimate
    from nephrograde.results import Results
    from nephrograde.study import Arm
    from nephrograde.study.model import StudyModel

SEVERAL = 3
"""Smallest number of slices that counts as "several": the paper compares one slice with three or more."""
FEW_PAIRS = 12
"""Maximum number of pairs shown if the study has no arms to select by; more are collapsed."""


@dataclass(frozen=True, slots=True)
class GainRow:
    """One network against each baseline, AUC of the network minus that of the baseline."""

    model: str
    is_chosen: bool
    cells: tuple[PairCell, ...]


@dataclass(frozen=True, slots=True)
class Gain:
    """What the images add to the baselines; ``sentence`` summarises it for the network that was chosen out of fold."""

    baselines: tuple[str, ...]
    rows: tuple[GainRow, ...]
    sentence: str
    n: str
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SliceRow:
    """Two weak arms on one phase that differ in the number of slices: several minus one."""

    phase: str
    several: str
    one: str
    cell: PairCell
    n: int


@dataclass(frozen=True, slots=True)
class EquivalenceRow:
    """One pair of models against the margin; ``remark`` says what could not be computed."""

    model_a: str
    model_b: str
    is_key: bool
    difference: str
    bounds: str
    p_not_worse: str
    p_equivalent: str
    verdict: str
    detectable: str
    needed: str
    remark: str


@dataclass(frozen=True, slots=True)
class EquivalenceTable:
    """The pairs that the study is about, and all others; n counts the patients behind them."""

    margin: str
    n: str
    asked: tuple[EquivalenceRow, ...]
    others: tuple[EquivalenceRow, ...]


def value_of(estimate: Estimate | None) -> float:
    """Return the value of an estimate; NaN if there is none."""
    return math.nan if estimate is None else estimate.value


def _pair_cell(pair: Comparison | None) -> PairCell:
    if pair is None:
        return PairCell(NOTHING, "", NOTHING, NOTHING)
    if is_ranked_alike(pair):
        return PairCell(decimal(pair.difference), "", NOTHING, NOTHING)
    return PairCell(
        decimal(pair.difference), bounds(pair.low, pair.high), p_value(pair.p_value), p_value(pair.p_adjusted)
    )


def common_patients(run: Results, a: str, b: str) -> tuple[int, int]:
    """Count the patients that two models have scored, and those of high grade among them.

    Args:
        run: The results of a run.
        a: The id of one model.
        b: The id of the other.
    """
    scored = set(run.scores.of(a, run.reported).patient_ids) & set(run.scores.of(b, run.reported).patient_ids)
    truths = run.truths
    return len(scored), sum(truths[patient] for patient in scored)


def gain(run: Results) -> Gain | None:
    """Compare every network with every baseline; None if the run does not have both.

    Args:
        run: The run folder.

    Source:
        A baseline without images in every comparison: CLEAR (Kocak 2023, Insights Imaging 14:75).
    """
    names = [model.name for model in run.models]
    baselines = [name for name in BASELINES if name in names]
    networks = [name for name in names if name not in BASELINES]
    pairs: dict[tuple[str, str], Comparison | None] = {
        (a, b): run.auc_difference(a, b) for a in networks for b in baselines
    }
    found = [pair for pair in pairs.values() if pair is not None]
    if not found:
        return None
    chosen = run.chosen_network
    rows = [GainRow(a, a == chosen, tuple(_pair_cell(pairs[a, b]) for b in baselines)) for a in networks]
    remarks = [
        t("{a} − {b}: {remark}", a=pair.model_a, b=pair.model_b, remark=remark(pair))
        for pair in found
        if not pair.is_reliable or is_ranked_alike(pair)
    ]
    sentence = _gain_sentence(pairs.get((chosen or "", run.chosen_baseline or "")), run)
    return Gain(tuple(baselines), tuple(rows), sentence, _range(pair.n for pair in found), tuple(remarks))


def _gain_sentence(pair: Comparison | None, run: Results) -> str:
    """Describe what the chosen network adds to the best baseline; empty if that was not computed."""
    if pair is None or math.isnan(pair.low) or is_ranked_alike(pair):
        return ""
    numbers = {
        "difference": decimal(pair.difference),
        "bounds": bounds(pair.low, pair.high),
        "p": p_sentence(pair.p_value),
        "p_adjusted": p_sentence(pair.p_adjusted),
    }
    names = {"model": pair.model_a, "baseline": pair.model_b}
    is_highest = (
        t("{model} has the highest out-of-fold AUC of the networks, and {baseline} that of the baselines.", **names)
        if run.study
        else t("{model} has the highest out-of-fold AUC of the models, and {baseline} that of the baselines.", **names)
    )
    difference = t(
        "The AUC of {model} minus that of {baseline} is {difference} {bounds} ({p}; {p_adjusted} after Holm "
        "adjustment).",
        **names,
        **numbers,
    )
    choice = t("The network was chosen on the same patients, so the difference is optimistic.")
    if run.study is None:
        choice = t("The model was chosen on the same patients, so the difference is optimistic.")
    return running_text(is_highest, difference, _verdict(pair, run), "" if run.reported == "test" else choice)


def _verdict(pair: Comparison, run: Results) -> str:
    """What the interval shows of the images, or of a model of which it is not known what it reads."""
    n, n_high = common_patients(run, pair.model_a, pair.model_b)
    if min(n_high, n - n_high) < FEWEST_FOR_VERDICT:
        return t("With fewer than {n} patients of a grade there is no verdict on this.", n=FEWEST_FOR_VERDICT)
    if not pair.low <= 0 <= pair.high and pair.p_adjusted >= 1.0 - run.settings.confidence:
        return t("The interval excludes 0, but this does not hold after Holm adjustment.")
    if pair.low > 0:
        return t("The interval lies above 0.")
    below = t("The interval lies below 0: the images perform worse than the baseline.")
    undecided = t("The interval includes 0: these patients do not show that the images add anything to the baseline.")
    if run.study is None:
        below = t("The interval lies below 0: the model performs worse than the baseline.")
        undecided = t("The interval includes 0: these patients do not show a difference from the baseline.")
    return below if pair.high < 0 else undecided


def _range(counts: Iterable[int]) -> str:
    different = sorted(set(counts))
    return f"{different[0]}–{different[-1]}" if len(different) > 1 else str(different[0])


def _arms(run: Results) -> dict[str, tuple[Arm, str]]:
    """Arm and phase of every scored model of the study."""
    scored = run.scores.models
    return {one.id: (one.arm, one.phase) for one in (run.study.models() if run.study else []) if one.id in scored}


def slice_rows(run: Results) -> tuple[SliceRow, ...]:
    """Compare models of weak arms on several slices with those on one that differ in nothing else but their training.

    Args:
        run: The run folder.

    Returns:
        The pairs in the study's order, with P Holm-adjusted within these pairs only.

    Source:
        The paper's arms.
    """
    models = [one for one in (run.study.models() if run.study else []) if one.id in run.scores.models]
    pairs: list[tuple[str, Comparison]] = []
    for several, one in itertools.permutations(models, 2):
        is_asked = (several.arm.slices or 0) >= SEVERAL and one.arm.slices == 1
        if is_asked and _apart_from_slices(several) == _apart_from_slices(one):
            pair = run.auc_difference(several.id, one.id)
            pairs += [(several.phase, pair)] if pair is not None else []
    adjusted = holm([pair.p_value for _, pair in pairs])
    return tuple(
        SliceRow(phase_heading(phase), pair.model_a, pair.model_b, _pair_cell(replace(pair, p_adjusted=p)), pair.n)
        for (phase, pair), p in zip(pairs, adjusted, strict=True)
    )


def _apart_from_slices(model: StudyModel) -> tuple[object, ...]:
    """What two models must have in common so that slices explain their difference; how long they learn may differ."""
    arm = model.arm
    joined = (arm.clinical, arm.differences, arm.registration, arm.phase_dropout) if model.fusion is not None else ()
    return model.phase, arm.supervision, arm.network, arm.head, model.fusion, joined


def equivalence_table(run: Results) -> EquivalenceTable | None:
    """Divide the pairs into those that the study is about, two arms on one phase, and all others.

    Pairs of a weak and the strong arm are ordered so that weak is a and comes first: the question is whether weak is
    not worse.

    Args:
        run: The run folder.

    Returns:
        The tables; None if there are no rows.
    """
    equivalences = run.equivalences
    if not equivalences:
        return None
    arms = _arms(run)
    asked: list[EquivalenceRow] = []
    others: list[EquivalenceRow] = []
    for row in equivalences:
        a, b = arms.get(row.model_a), arms.get(row.model_b)
        if a is None or b is None or a[1] != b[1]:
            others.append(_equivalence_row(row, is_key=False))
        elif _is_strong(a[0]) and not _is_strong(b[0]):
            asked.append(_equivalence_row(row.swapped(), is_key=True))
        else:
            asked.append(_equivalence_row(row, is_key=_is_strong(b[0]) and not _is_strong(a[0])))
    if not arms and len(others) <= FEW_PAIRS:
        asked, others = others, []
    asked.sort(key=lambda row: not row.is_key)
    margins = dict.fromkeys(f"{row.margin:g}" for row in equivalences)
    n = _range(row.n for row in equivalences)
    return EquivalenceTable(", ".join(margins), n, tuple(asked), tuple(others))


def _is_strong(arm: Arm) -> bool:
    return arm.slices is None and arm.supervision is Supervision.MASK


def _equivalence_row(row: Equivalence, *, is_key: bool) -> EquivalenceRow:
    return EquivalenceRow(
        row.model_a,
        row.model_b,
        is_key,
        decimal(row.difference),
        bounds(row.low, row.high),
        p_value(row.p_a_not_worse),
        p_value(row.p_equivalent),
        verdict_words(row.verdict),
        decimal(row.detectable),
        f"{row.patients_needed:,}" if row.patients_needed else NOTHING,
        "" if row.is_reliable else remark(row),
    )
