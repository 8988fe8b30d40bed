"""Reporting checklists, filled in where the run knows the answer and left to the author elsewhere.

The items stand in ``checklists/*.json``: numbers and topics after the published lists, in words of our own, with the
place where each list was read. Each names the answers it takes from ``ANSWERS``; several lists share an answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from nephrograde.report.methods import design_methods as design
from nephrograde.report.methods import paragraph
from nephrograde.report.methods import statistical_methods as statistics
from nephrograde.report.methods.design_methods import as_text, in_turn
from nephrograde.report.text.command import without_paths
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import NOTHING, decimal, listed
from nephrograde.run.provenance import COHORT_TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nephrograde.results import Results

FilledBy: TypeAlias = Literal["run", "author"]
LISTS = ("clear", "tripod-ai", "claim")


@dataclass(frozen=True, slots=True)
class FilledItem:
    """One item with its answer; ``where`` is the anchor of the report's section with the details, or empty."""

    number: str
    section: str
    topic: str
    answer: str
    filled_by: FilledBy
    where: str


@dataclass(frozen=True, slots=True)
class Checklist:
    """One list, filled in; ``read`` says where its items were read, ``left_out`` what of it is missing here."""

    key: str
    name: str
    citation: str
    read: str
    left_out: str
    items: tuple[FilledItem, ...]

    @property
    def n_run(self) -> int:
        """How many items the run has answered, wholly or in part."""
        return sum(item.filled_by == "run" for item in self.items)

    @property
    def sections(self) -> list[tuple[str, list[FilledItem]]]:
        """The items under their headings, in the order of the list."""
        return [(heading, list(items)) for heading, items in groupby(self.items, key=lambda item: item.section)]


def fill_checklists(run: Results) -> tuple[Checklist, ...]:
    """Fill CLEAR, TRIPOD+AI and CLAIM as far as the run can.

    A run knows what it did, not why a study was made, who agreed to it or how a grade was read; such items, and those
    whose facts the folder does not hold, are left to the author. Nothing is claimed to be fulfilled.

    Args:
        run: What the run folder holds.

    Returns:
        The three lists in the language of the page.

    Source:
        Kocak 2023, Insights Imaging 14:75; Collins 2024, BMJ 385:e078378; Tejani 2024, Radiol Artif Intell 6:e240300.
    """
    return tuple(_fill(key, run) for key in LISTS)


@cache
def read_list(key: str) -> Mapping[str, Any]:
    """Read the items of one list as the package holds them.

    >>> len(read_list("clear")["items"]), read_list("claim")["items"][19]["topic"]
    (58, 'Unit that never stands in two partitions')
    """
    path = resources.files("nephrograde.report") / "checklists" / f"{key}.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _fill(key: str, run: Results) -> Checklist:
    content = read_list(key)
    return Checklist(
        key=key,
        name=content["name"],
        citation=content["citation"],
        read=t(content["read"]),
        left_out=t(content["left_out"]) if content["left_out"] else "",
        items=tuple(_fill_item(item, run) for item in content["items"]),
    )


def _fill_item(item: Mapping[str, Any], run: Results) -> FilledItem:
    told = [(where, text) for where, tell in (ANSWERS[name] for name in item["answers"]) if (text := tell(run))]
    heading = (item["number"], t(item["section"]), t(item["topic"]))
    if not told:
        return FilledItem(*heading, t("For the author."), "author", "")
    rest = t("The rest of the item is for the author.") if item["partly"] else ""
    return FilledItem(*heading, as_text([*(text for _, text in told), rest]), "run", told[0][0])


def _source(run: Results) -> str:
    if run.is_synthetic:
        return t("Synthetic: every patient, image and grade was made by code.")
    if run.study is None:
        return ""
    digest = run.lock.get("inputs", {}).get(COHORT_TABLE, NOTHING)
    return t("The patients are those of the cohort table with the SHA-256 {digest}.", digest=digest)


def _disjoint(run: Results) -> str:
    if not run.split.assignments:
        return ""
    return t(
        "The patient: each stands in one part of the split only, and all of a patient’s scans go with the patient."
    )


def _internal_test(run: Results) -> str:
    if run.study is None or run.study.split.column or not run.split.assignments:
        return ""
    return t("Internal: the test patients were drawn from the same cohort table as the training patients.")


def _characteristics(run: Results) -> str:
    if not run.cases:
        return ""
    return t(
        "The cohort table of this report describes the patients by part of the split, with missing values counted."
    )


def _missing_values(run: Results) -> str:
    if not run.cases:
        return ""
    columns = [name for name in run.cases[0] if not name.endswith("_image")]
    gaps = [(name, sum(not case.get(name) for case in run.cases)) for name in columns]
    found = [t("{column} {n}", column=name, n=n) for name, n in gaps if n]
    if not found:
        return t("No cell of the cohort table was empty in the columns that were kept.")
    return t("Patients with an empty cell, by column: {found}.", found=listed(found))


def _table_columns(run: Results) -> str:
    known = {"patient_id", "is_high", "grade"}
    columns = [n for n in (run.cases[0] if run.cases else ()) if n not in known and not n.endswith("_image")]
    return t("Columns of the cohort table beside the outcome: {columns}.", columns=listed(columns)) if columns else ""


def _output(run: Results) -> str:
    return as_text([t("The output is a probability between 0 and 1 of being high."), statistics.thresholds(run)])


def _performance(run: Results) -> str:
    found = statistics.computed(run).get("auc", [])
    shown = [
        t("{model} {auc} ({low} to {high})", model=m, auc=decimal(e.value), low=decimal(e.low), high=decimal(e.high))
        for m, e in found
    ]
    if not shown:
        return ""
    values = {"percent": run.confidence_percent, "models": in_turn(shown)}
    if run.reported == "test":
        return t("AUC on the test set ({percent}% interval): {models}.", **values)
    return t("AUC on out-of-fold training predictions ({percent}% interval): {models}.", **values)


def _wrong_calls(run: Results) -> str:
    found = statistics.computed(run)
    negatives = {model: int(estimate.value) for model, estimate in found.get("fn", [])}
    shown = [
        t("{model} {fp} and {fn}", model=model, fp=int(estimate.value), fn=negatives[model])
        for model, estimate in found.get("fp", [])
        if model in negatives
    ]
    if not shown:
        return ""
    return t("Patients wrongly called high, and wrongly called low: {models}.", models=in_turn(shown))


def _fitted_patients(run: Results) -> str:
    counts = {
        (int(fit.card["n_learn"]), int(fit.card["n_stop"]), int(fit.card["n_held_out"]))
        for fit in run.fits
        if {"n_learn", "n_stop", "n_held_out"} <= fit.card.keys()
    }
    if not counts:
        return ""
    learn, stop, held_out = ([numbers[k] for numbers in counts] for k in range(3))
    return t(
        "A network learnt from {learn} patients, was stopped by {stop} and scored {held_out} held out.",
        learn=_range(learn),
        stop=_range(stop),
        held_out=_range(held_out),
    )


def _range(values: list[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low}–{high}"


def _settings(run: Results) -> str:
    if run.study is None:
        return ""
    return t("study.lock.json in the run folder holds every setting, with the SHA-256 of every input.")


def _code(run: Results) -> str:
    version = (run.lock.get("versions") or {}).get("nephrograde")
    if not version:
        return ""
    commit = run.lock.get("git_commit")
    return as_text(
        [
            t("The analysis was run by nephrograde {version}.", version=version),
            t("Its commit: {commit}.", commit=commit) if commit else "",
            t("The command: {command}.", command=without_paths(run.lock["command"])) if run.lock.get("command") else "",
        ]
    )


def _model_files(run: Results) -> str:
    if not run.fits:
        return ""
    return t(
        "The weights of {n} networks lie in models/ of the run folder; the model cards name each by its SHA-256.",
        n=len(run.fits),
    )


def _machine(run: Results) -> str:
    machine = run.lock.get("machine")
    return t("Machine: {machine}.", machine=machine) if machine else ""


def _other_lists(_: Results) -> str:
    return t("CLEAR, TRIPOD+AI and CLAIM stand in this report, filled in as far as the run can.")


ANSWERS: Mapping[str, tuple[str, Callable[[Results], str]]] = {
    "source": ("run", _source),
    "patients": ("methods", design.patients),
    "partition": ("cohort", design.partition),
    "characteristics": ("cohort", _characteristics),
    "missing_values": ("cohort", _missing_values),
    "table_columns": ("cohort", _table_columns),
    "outcome": ("run", design.outcome),
    "exclusions": ("findings", design.exclusions),
    "missing_scans": ("cohort", design.missing_scans),
    "phases": ("run", design.phases),
    "annotation": ("run", design.annotation),
    "field_of_view": ("run", design.field_of_view),
    "windowing": ("run", design.windowing),
    "resampling": ("methods", design.resampling),
    "split": ("run", design.split_method),
    "disjoint": ("run", _disjoint),
    "internal_test": ("run", _internal_test),
    "networks": ("run", design.networks),
    "initial_weights": ("run", design.initial_weights),
    "learning": ("run", design.learning),
    "stopping": ("methods", design.stopping),
    "augmentation": ("methods", design.augmentation),
    "class_balance": ("run", design.class_balance),
    "ensemble": ("run", design.ensemble),
    "fitted_patients": ("learning", _fitted_patients),
    "output": ("thresholds", _output),
    "thresholds": ("thresholds", statistics.thresholds),
    "measures": ("results", statistics.measures),
    "performance": ("results", _performance),
    "wrong_calls": ("confusion", _wrong_calls),
    "calibration": ("calibration", statistics.calibration),
    "net_benefit": ("benefit", statistics.net_benefit),
    "comparisons": ("comparisons", statistics.comparisons),
    "equivalence": ("equivalence", statistics.equivalence),
    "detectable": ("equivalence", statistics.detectable_differences),
    "baselines": ("results", statistics.baselines),
    "subgroups": ("subgroups", statistics.subgroups),
    "openings": ("ledger", statistics.openings),
    "software": ("provenance", paragraph.software),
    "machine": ("provenance", _machine),
    "seeds": ("provenance", paragraph.seeds),
    "settings": ("provenance", _settings),
    "code": ("provenance", _code),
    "model_files": ("provenance", _model_files),
    "other_lists": ("checklists", _other_lists),
}
"""What a run can answer: the section of the report with the details, and the sentence."""
