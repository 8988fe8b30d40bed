"""What is joined, as tables: single phases, phases together and clinical values; and the stack of all models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.evaluation.baselines.baseline import RADIOMICS_SHAPE
from nephrograde.evaluation.baselines.phase_table import Against, Inputs
from nephrograde.evaluation.baselines.stack_table import Kind
from nephrograde.report.tables.paper import Cell, PairCell
from nephrograde.report.tables.wording import level_words
from nephrograde.report.text.arms import network_name
from nephrograde.report.text.baselines import only_baseline
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import NOTHING, bounds, decimal, listed, p_value
from nephrograde.report.text.remarks import remark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nephrograde.evaluation.baselines.phase_table import PhaseRow
    from nephrograde.evaluation.baselines.stack_table import StackRow
    from nephrograde.results import Results


@dataclass(frozen=True, slots=True)
class PhaseLine:
    """A model with certain inputs: what it is, its AUC, and its increments over the best single phase and clinical."""

    label: str
    detail: str
    inputs: str
    is_first: bool
    n: str
    auc: Cell
    over_phase: PairCell
    over_clinical: PairCell


@dataclass(frozen=True, slots=True)
class PhaseTable:
    """The lines by family and split, under their headings; ``explanation`` says how it was computed."""

    explanation: str
    blocks: tuple[tuple[str, tuple[PhaseLine, ...]], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StackLine:
    """A model on the common patients; ``cells`` are AUC and difference by split."""

    label: str
    detail: str
    is_stack: bool
    is_first: bool
    cells: tuple[tuple[Cell, PairCell], ...]


@dataclass(frozen=True, slots=True)
class StackTable:
    """All models and their stack; ``splits`` names the groups of columns, each with its patients."""

    splits: tuple[str, ...]
    explanation: str
    lines: tuple[StackLine, ...]
    notes: tuple[str, ...]


def split_heading(split: str) -> str:
    """Name a split in a heading of columns.

    >>> split_heading("oof"), split_heading("test")
    ('Training patients, out of fold', 'Test set')
    """
    return t("Test set") if split == "test" else t("Training patients, out of fold")


def phase_table(run: Results) -> PhaseTable | None:
    """Compose the table of phases, clinical values and both; None if the study joins none.

    Args:
        run: The results of a run.
    """
    if not run.phases:
        return None
    by_block: dict[tuple[str, str], list[PhaseRow]] = {}
    for row in run.phases:
        by_block.setdefault((row.family, row.split), []).append(row)
    are_many = len({family for family, _ in by_block}) > 1
    base = next((row.base for row in run.increments if row.model == run.phases[0].model), "")
    return PhaseTable(
        _phase_explanation(base.split(" + ") if base else []),
        tuple((_block_heading(*block, are_many), _phase_lines(rows)) for block, rows in by_block.items()),
        (*_cautions(run.phases), *_remarks(run.phases)),
    )


def _block_heading(family: str, split: str, are_many: bool) -> str:
    words = split_heading(split)
    return t("{model}: {remark}", model=family, remark=words) if are_many else words


def _phase_lines(rows: Iterable[PhaseRow]) -> tuple[PhaseLine, ...]:
    found: dict[tuple[str, Inputs], dict[Against, PhaseRow]] = {}
    for row in rows:
        found.setdefault((row.model, row.inputs), {})[row.against] = row
    lines: list[PhaseLine] = []
    for (model, inputs), against in found.items():
        one = next(iter(against.values()))
        is_clinical = inputs is Inputs.CLINICAL
        label = t("clinical values alone") if is_clinical else model
        lines.append(
            PhaseLine(
                label,
                t("patients of {model}", model=model) if is_clinical else _fusion_words(one),
                _input_words(inputs),
                not lines or lines[-1].label != label,
                f"{one.n} ({one.n_high})",
                Cell(one.auc, one.low, one.high),
                _difference(against.get(Against.PHASE), t("best single phase")),
                _difference(against.get(Against.CLINICAL), NOTHING),
            )
        )
    return tuple(lines)


_NO_PAIR = PairCell(NOTHING, "", NOTHING, NOTHING)


def _difference(row: PhaseRow | StackRow | None, reference: str) -> PairCell:
    if row is None:
        return _NO_PAIR
    if row.is_reference:
        return PairCell(reference, "", NOTHING, NOTHING)
    interval = bounds(row.difference_low, row.difference_high)
    return PairCell(decimal(row.difference), interval, p_value(row.p_value), p_value(row.p_adjusted))


def fusion_name(fusion: str) -> str:
    """Name how phases are joined; an unknown way is returned unchanged.

    >>> fusion_name("late"), fusion_name("")
    ('late fusion', 'single phase')
    """
    known = {
        "": t("single phase"),
        "late": t("late fusion"),
        "intermediate": t("intermediate fusion"),
        "early": t("early fusion"),
    }
    return known.get(fusion, fusion)


def _fusion_words(row: PhaseRow) -> str:
    words = fusion_name(row.fusion)
    return t("{fusion}, with {columns}", fusion=words, columns=listed(row.joined.split(" + "))) if row.joined else words


def _input_words(inputs: Inputs) -> str:
    return {
        Inputs.CLINICAL: t("clinical values"),
        Inputs.IMAGES: t("images"),
        Inputs.WITH_CLINICAL: t("images + clinical values"),
    }[inputs]


def stack_table(run: Results) -> StackTable | None:
    """Compose the table of all models and their stack; None if there is nothing to stack.

    Args:
        run: The results of a run.
    """
    if not run.stack:
        return None
    by_split: dict[str, dict[str, StackRow]] = {}
    for row in run.stack:
        by_split.setdefault(row.split, {})[row.model] = row
    models = list(dict.fromkeys(row.model for row in run.stack))
    of_model = {row.model: row for row in reversed(run.stack)}
    return StackTable(
        tuple(_with_patients(split, rows, level_words(run)[1]) for split, rows in by_split.items()),
        _stack_explanation(run.stack[0].reference),
        tuple(
            StackLine(
                _stack_label(of_model[model]),
                network_name(of_model[model].network),
                of_model[model].kind is Kind.STACK,
                place > 0 and _group(of_model[model]) != _group(of_model[models[place - 1]]),
                tuple(_stack_cells(rows.get(model)) for rows in by_split.values()),
            )
            for place, model in enumerate(models)
        ),
        (*_cautions(run.stack), *_remarks(run.stack)),
    )


def _with_patients(split: str, rows: Mapping[str, StackRow], high: str) -> str:
    one = next(iter(rows.values()))
    words = {"split": split_heading(split), "n": one.n, "n_high": one.n_high, "high": high}
    if one.n == one.n_scored:
        return t("{split}, n = {n} ({n_high} {high})", **words)
    return t("{split}, n = {n} of {scored} ({n_high} {high})", scored=one.n_scored, **words)


def _group(row: StackRow) -> Kind:
    return Kind.BASELINE if row.kind is Kind.FEATURES else row.kind


def _stack_label(row: StackRow) -> str:
    if row.kind is Kind.STACK:
        return t("stack of all")
    if row.kind is Kind.FEATURES:
        return t("radiomics, shape") if row.model == RADIOMICS_SHAPE else t("radiomics, intensity")
    return only_baseline(row.model)


def _stack_cells(row: StackRow | None) -> tuple[Cell, PairCell]:
    if row is None:
        return Cell(math.nan, math.nan, math.nan), _NO_PAIR
    return Cell(row.auc, row.low, row.high), _difference(row, t("reference"))


def _cautions(rows: Iterable[PhaseRow | StackRow]) -> list[str]:
    """What holds for reliable rows, said once for each split."""
    said = dict.fromkeys((row.split, remark(row)) for row in rows if row.is_reliable and row.caution is not None)
    return [t("{measure}: {remark}", measure=split_heading(split), remark=text) for split, text in said]


def _remarks(rows: Iterable[PhaseRow | StackRow]) -> list[str]:
    return list(
        dict.fromkeys(
            t("{model}: {remark}", model=row.model, remark=remark(row)) for row in rows if not row.is_reliable
        )
    )


def _phase_explanation(columns: Sequence[str]) -> str:
    return t(
        "AUC with its interval, and its increments on the patients that both scored (paired DeLong intervals; P after "
        "Holm adjustment within the column, for models that join something). Images + clinical values: a stacked "
        "penalised logistic regression on {columns} and the score, fitted in the folds. The best single phase has the "
        "highest AUC out of fold, so the test patients have no part in the choice; images are compared with its "
        "images, stacks with its stack. Out of fold, the best of several is too high by chance, and so the increments "
        "over it are too low, if anything.",
        columns=listed(list(columns)) if columns else t("the clinical values"),
    )


def _stack_explanation(reference: str) -> str:
    first = t(
        "All rows on the patients whom every model has scored. The stack joins the log odds of all baselines and "
        "networks by a penalised logistic regression (L2, C = 0.1, weights of at least 0) on out-of-fold scores; for "
        "each fold, it and the baselines are fitted without that fold. Networks are not trained again: out of fold, "
        "those of the other folds have learnt from the patients, so that the stack is somewhat too good there. The "
        "test set is free of this."
    )
    if not reference:
        return first
    second = t(
        "Differences from {reference}, the first of volume, size, clinical and radiomics that the study has, whatever "
        "its AUC: paired DeLong intervals, P after Holm adjustment over the rows of the split.",
        reference=only_baseline(reference),
    )
    return t("{first} {second}", first=first, second=second)
