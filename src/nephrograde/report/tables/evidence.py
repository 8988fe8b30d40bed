"""What reviewers ask for in addition to the table of results, as rows of text.

Every number comes from a file of ``statistics/`` or from ``ledger.csv``. If a file is missing, its section
is left out; a number that was not computed is a dash with its reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.evaluation.comparison.out_of_fold import POOLED
from nephrograde.evaluation.ledger import OWN_REASONS
from nephrograde.evaluation.remarks import Caution
from nephrograde.report.tables.answer import notes_by_model
from nephrograde.report.tables.increment import increment_table
from nephrograde.report.tables.joint import phase_table, stack_table
from nephrograde.report.tables.out_of_fold import is_by_fold
from nephrograde.report.tables.pairs import (
    equivalence_table,
    gain,
    slice_rows,
)
from nephrograde.report.tables.paper import Cell
from nephrograde.report.tables.repeats import repeat_sections
from nephrograde.report.tables.uncertainty import uncertainty_section
from nephrograde.report.text.command import without_paths
from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told
from nephrograde.report.text.numbers import decimal, listed, p_value
from nephrograde.report.text.remarks import caution_words, group_words, remark
from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.evaluation.performance.metrics import Estimate
    from nephrograde.evaluation.performance.subgroup import SubgroupEstimate
    from nephrograde.report.tables.increment import IncrementTable
    from nephrograde.report.tables.joint import PhaseTable, StackTable
    from nephrograde.report.tables.pairs import EquivalenceTable, Gain, SliceRow
    from nephrograde.report.tables.repeats import RepeatSections
    from nephrograde.report.tables.uncertainty import UncertaintySection
    from nephrograde.results import Model, Results


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model with a cell for each of several measures; ``notes`` say what is missing or unreliable."""

    model: str
    is_baseline: bool
    cells: tuple[Cell, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubgroupRow:
    """One subgroup of the patients."""

    group: str
    n: int
    n_high: int
    auc: Cell


@dataclass(frozen=True, slots=True)
class SubgroupBlock:
    """The subgroups by one column for one model, with the test of whether they differ."""

    model: str
    is_baseline: bool
    column: str
    p_interaction: str
    rows: tuple[SubgroupRow, ...]


@dataclass(frozen=True, slots=True)
class Subgroups:
    """The blocks on the page, the collapsed ones, and why numbers are missing."""

    shown: tuple[SubgroupBlock, ...]
    others: tuple[SubgroupBlock, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AttentionRow:
    """How often one network looks at the tumour; ``share`` has its interval."""

    model: str
    n: int
    share: Cell
    by_chance: str


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One opening of the test set."""

    opened: str
    reason: str
    command: str
    study: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """How often the test set was opened, in a sentence, and all openings."""

    sentence: str
    is_clean: bool
    rows: tuple[LedgerRow, ...]


@dataclass(frozen=True, slots=True)
class EvidenceSections:
    """The contents of ``evidence.html.j2``; parts without data are None or empty."""

    gain: Gain | None
    increment: IncrementTable | None
    phases: PhaseTable | None
    stack: StackTable | None
    slices: tuple[SliceRow, ...]
    attention: tuple[AttentionRow, ...]
    equivalence: EquivalenceTable | None
    calibration: tuple[ModelRow, ...]
    opinions: tuple[ModelRow, ...]
    lesions: tuple[ModelRow, ...]
    subgroups: Subgroups | None
    repeats: RepeatSections
    uncertainty: UncertaintySection | None
    ledger: Ledger


def evidence_sections(run: Results) -> EvidenceSections:
    """Compose the evidence for the page, in the current language.

    Args:
        run: The results of a run.

    Source:
        Tables after TRIPOD+AI (BMJ 2024;385:e078378) and Van Calster 2019 (BMC Med 17:230).
    """
    return EvidenceSections(
        gain=gain(run),
        increment=increment_table(run),
        phases=phase_table(run),
        stack=stack_table(run),
        slices=slice_rows(run),
        attention=_attention(run),
        equivalence=equivalence_table(run),
        calibration=_model_rows(run, ("brier", "calibration_intercept", "calibration_slope", "ece")),
        opinions=_model_rows(run, _opinions(run)),
        lesions=_model_rows(run, ("auc", "auc_lesions")),
        subgroups=_subgroups(run),
        repeats=repeat_sections(run),
        uncertainty=uncertainty_section(run),
        ledger=_ledger(run),
    )


def _attention(run: Results) -> tuple[AttentionRow, ...]:
    return tuple(
        AttentionRow(row.model, row.n, Cell(row.share, row.low, row.high, row.n_met, row.n), decimal(row.by_chance, 2))
        for row in run.attention
        if row.split == run.reported
    )


def _opinions(run: Results) -> tuple[str, ...]:
    """The measures of the second opinions: where the AUC is the mean of the folds, the pooled one is the second."""
    second = POOLED if run.reported == "oof" and is_by_fold(run) else "auc_delong"
    return ("auc", second, "auc_bootstrap", "ppv", "npv")


def _model_rows(run: Results, measures: Sequence[str]) -> tuple[ModelRow, ...]:
    """One row per model in the order of the run; empty if no measure except the AUC was computed."""
    models = run.models
    found = {model.name: [run.estimate(model.name, measure) for measure in measures] for model in models}
    present = {row.measure for rows in found.values() for row in rows if row is not None}
    if not present - {"auc"}:
        return ()
    return tuple(_model_row(model, found[model.name]) for model in models if any(found[model.name]))


def shared_notes(rows: Sequence[ModelRow]) -> list[tuple[str, str]]:
    """Collect the notes of the rows, each once, with the models that it is about.

    Args:
        rows: The rows of one table.

    Returns:
        Models and note.
    """
    noted = [(row.model, note) for row in rows for note in row.notes]
    return notes_by_model(noted, len(rows))


def _model_row(model: Model, found: Sequence[Estimate | None]) -> ModelRow:
    notes = [
        words
        for row in found
        if row is not None and (row.reason is not None or row.measure not in {"ppv", "npv", "ece"})
        if row.caution is not Caution.POOLED
        if (words := remark(row))
    ]
    cells = tuple(_cell(row) for row in found)
    return ModelRow(model.name, model.is_baseline, cells, tuple(dict.fromkeys(notes)))


def _cell(row: Estimate | None) -> Cell:
    if row is None:
        return Cell(math.nan, math.nan, math.nan)
    return Cell(row.value, row.low, row.high, row.part, row.whole)


def _subgroups(run: Results) -> Subgroups | None:
    by_block: dict[tuple[str, str], list[SubgroupEstimate]] = {}
    for row in run.subgroups:
        if row.split == run.reported:
            by_block.setdefault((row.column, row.model), []).append(row)
    if not by_block:
        return None
    chosen = run.chosen_network
    columns = list(dict.fromkeys(column for column, _ in by_block))
    shown: list[SubgroupBlock] = []
    others: list[SubgroupBlock] = []
    for column, model in sorted(by_block, key=lambda key: (columns.index(key[0]), key[1] in BASELINES)):
        rows = by_block[column, model]
        is_shown = chosen is None or model == chosen or model in BASELINES
        block = SubgroupBlock(
            model,
            model in BASELINES,
            column,
            p_value(rows[0].p_interaction),
            tuple(SubgroupRow(group_words(row.group), row.n, row.n_high, _subgroup_cell(row)) for row in rows),
        )
        (shown if is_shown else others).append(block)
    few = [row for rows in by_block.values() for row in rows if row.caution is Caution.TOO_FEW]
    remarks = dict.fromkeys(text for rows in by_block.values() for row in rows for text in _subgroup_remarks(row))
    if few:
        groups = listed(list(dict.fromkeys(f"{row.column} {group_words(row.group)}" for row in few)))
        words = t("{groups}: {remark}", groups=groups, remark=caution_words(Caution.TOO_FEW, few[0].caution_value))
        remarks[words] = None
    if any(row.caution is Caution.POOLED for rows in by_block.values() for row in rows):
        remarks[
            t("AUCs of subgroups are pooled over the folds, because few folds have enough patients of a group.")
        ] = None
    return Subgroups(tuple(shown), tuple(others), tuple(remarks))


def _subgroup_cell(row: SubgroupEstimate) -> Cell:
    """The AUC, withheld in a group that is too small for an interval."""
    is_withheld = row.caution is Caution.TOO_FEW
    return Cell(math.nan, math.nan, math.nan) if is_withheld else Cell(row.auc, row.low, row.high)


def _subgroup_remarks(row: SubgroupEstimate) -> list[str]:
    """Why numbers are missing or unreliable; remarks that hold for all models do not name one."""
    remarks = []
    if row.reason is not None:
        remarks.append(
            t("{column} {group}: {remark}", column=row.column, group=group_words(row.group), remark=remark(row))
        )
    elif not row.is_reliable and row.caution is not Caution.TOO_FEW:
        remarks.append(
            t(
                "{model}, {column} {group}: {remark}",
                model=row.model,
                column=row.column,
                group=group_words(row.group),
                remark=remark(row),
            )
        )
    if row.tested_groups is not None and math.isnan(row.p_interaction):
        remarks.append(
            t("{column}: interaction not computed: fewer than two groups whose AUC has an interval", column=row.column)
        )
    return remarks


def _ledger(run: Results) -> Ledger:
    count = len(run.openings)
    if run.reported == "oof" and not count:
        sentence = t("The test set was not opened: every number on this page comes from out-of-fold predictions.")
    elif run.reported == "oof":
        sentence = t(
            "Every number on this page comes from out-of-fold predictions; the ledger lists {n} "
            "openings of the test set.",
            n=count,
        )
    elif not count:
        sentence = t("The run folder has no ledger, so it is not known how often this test set was opened.")
    elif count == 1:
        sentence = t("The test set was opened once in this run folder.")
    else:
        sentence = t(
            "The test set was opened {n} times in this run folder. Each opening after the first, "
            "with other models or other rules, turns it a little more into a training set: interpret "
            "the results as those of a test set that has been seen before.",
            n=count,
        )
    rows = tuple(
        LedgerRow(
            one.opened.replace("T", " ").replace("+00:00", " UTC"),
            told(one.reason) if one.reason in OWN_REASONS else one.reason,
            without_paths(one.command),
            one.study[:12],
        )
        for one in run.openings
    )
    return Ledger(sentence, count == 1 or (run.reported == "oof" and not count), rows)
