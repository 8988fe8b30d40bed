"""The report: one self-contained page, and its figures as files."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from nephrograde.files import fingerprint
from nephrograde.report.figures.curves import draw_evidence_figures
from nephrograde.report.figures.flow_diagram import draw_flow
from nephrograde.report.figures.ladder import draw_ladder_figures
from nephrograde.report.figures.study_figures import draw_figures
from nephrograde.report.figures.svg import write_figures
from nephrograde.report.figures.top import draw_top_figures, top_figures
from nephrograde.report.methods.checklist import fill_checklists
from nephrograde.report.methods.checklist_files import write_checklists
from nephrograde.report.methods.citations import write_citations
from nephrograde.report.methods.design_methods import as_text
from nephrograde.report.methods.model_card import verified_ahead, write_model_cards
from nephrograde.report.methods.paragraph import methods_paragraph
from nephrograde.report.pages.collection import uncollected
from nephrograde.report.pages.exports import write_tables
from nephrograde.report.pages.page import render, write_page
from nephrograde.report.tables.answer import (
    answer_sentences,
    caution_sentence,
    common_notes,
    main_rows,
    named_models,
    withheld,
)
from nephrograde.report.tables.evidence import evidence_sections, shared_notes
from nephrograde.report.tables.examples import pick_examples
from nephrograde.report.tables.increment import baseline_notes
from nephrograde.report.tables.ladder import ladder
from nephrograde.report.tables.manifest import write_manifest
from nephrograde.report.tables.missing import missing_value_rows
from nephrograde.report.tables.out_of_fold import auc_words, out_of_fold_words
from nephrograde.report.tables.paper import (
    absent_patients,
    beside_table,
    fatal_findings,
    fit_table,
    pair_table,
    study_rows,
    threshold_table,
    warning_counts,
)
from nephrograde.report.tables.patients import cohort_table
from nephrograde.report.tables.pretraining import pretraining_warnings
from nephrograde.report.tables.primary import family_sentence, primary_sentence
from nephrograde.report.tables.reader_agreement import agreement_rows
from nephrograde.report.tables.tuning import tuning_table, tuning_terms
from nephrograde.report.tables.wording import level_words, split_words, summary, what_was_run
from nephrograde.report.text.command import without_paths
from nephrograde.report.text.language import speaking, t
from nephrograde.report.text.messages import told
from nephrograde.report.text.numbers import NOTHING, duration, enumerated
from nephrograde.report.text.published import IMPOSSIBLE, NOT_COMPARABLE, PAPER, PREPRINT, Deviation, deviations
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.run.parts import RunPart
from nephrograde.run.provenance import ANNOTATIONS, COHORT_TABLE, SCORE_TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nephrograde.report.figures.svg import Drawing
    from nephrograde.report.tables.evidence import EvidenceSections
    from nephrograde.report.tables.paper import Cell, PaperRow
    from nephrograde.report.text.language import Language

FEW_PAIRS = 12


@dataclass(frozen=True, slots=True)
class AucScale:
    """The position of an AUC on the small plot next to it, 0 to 100 from left to right.

    >>> AucScale(0.5).at(0.75)
    50.0
    """

    low: float

    def at(self, value: float) -> float:
        """Place a value; values below the scale are placed at its left end."""
        return round(100 * (max(value, self.low) - self.low) / (1 - self.low), 2)

    def holds(self, cell: Cell) -> bool:
        """Whether there is an interval to draw."""
        return not math.isnan(cell.low)


def write_report(run_dir: Path, language: Language = "en") -> Path:
    """Write ``report/``: the page, its figures with their data, tables for manuscripts, and a card for each model.

    Only the run folder is read, and the page loads nothing from elsewhere: styles, figures and slices are embedded. If
    the folder has less than a complete run (a score table from elsewhere), the page has fewer sections and says so. The
    same folder gives the same bytes.

    Args:
        run_dir: The run folder, with ``scores/scores.csv`` and ``statistics/estimates.csv``.
        language: ``zh`` writes ``report/report.zh.html`` in Simplified Chinese; ids, codes and the messages in
            the run's files are not translated.

    Returns:
        The path of the page.

    Raises:
        RunError: These files are missing, or a file is damaged.
        ScoresError: The score table is invalid.

    Source:
        Measures: the paper's.
    """
    folder = RunFolder(run_dir)
    html_path = folder.report.page_path(language)
    with speaking(language), uncollected():
        run = Results.read(run_dir)
        run.require_evaluated()
        with verified_ahead(run) as digest:
            drawings = draw_figures(run) | draw_evidence_figures(run) | {"flow": draw_flow(run)}
            drawings |= draw_ladder_figures(run) | draw_top_figures(run, named_models(run))
            write_figures(drawings, folder.report.figures_dir)
            write_tables(run)
            write_model_cards(run, digest)
            write_checklists(fill_checklists(run), folder)
            write_citations(run)
            write_manifest(run)
            return write_page(_render(run, evidence_sections(run), drawings), html_path)


def _render(run: Results, evidence: EvidenceSections, drawings: Mapping[str, Drawing]) -> str:
    from markupsafe import Markup

    figures = {name: {"svg": Markup(drawing.inline), "drawing": drawing} for name, drawing in drawings.items()}  # noqa: S704 (our own SVG, whose text matplotlib has escaped)
    top = top_figures(drawings, run)
    return render(
        "report.html.j2",
        is_synthetic=run.is_synthetic,
        figures=figures,
        evidence=evidence,
        shared_notes=shared_notes,
        top_figures=top,
        top_names=[figure.name for figure in top],
        **_contents(run),
    )


def _contents(run: Results) -> dict[str, Any]:
    """The contents of the templates by name, except figures and evidence."""
    return {**_head(run), **_patients(run), **_results(run), **_background(run)}


def _head(run: Results) -> dict[str, Any]:
    return {
        "run": run,
        "study": run.study,
        "name": run.study.name if run.study else t("Evaluation of a score table"),
        "created": _moment(run.lock.get("created")),
        "answer": answer_sentences(run),
        "caution": caution_sentence(run),
        "pretraining": pretraining_warnings(run),
        "summary": summary(run),
        "of_table": [finding for finding in run.findings if finding.is_of_table],
        "absent": _absent_words(run),
        "run_terms": what_was_run(run),
        "ladder": ladder(run),
    }


def _patients(run: Results) -> dict[str, Any]:
    return {
        "cohort": cohort_table(run),
        "fatal": fatal_findings(run),
        "left_out": absent_patients(run),
        "warnings": warning_counts(run),
        "has_findings": RunPart.FINDINGS not in run.absent,
        "examples": pick_examples(run),
        "missing_rows": missing_value_rows(run),
        "agreement_rows": agreement_rows(run.agreement),
    }


def _results(run: Results) -> dict[str, Any]:
    rows = study_rows(run, run.reported)
    out_of_fold = study_rows(run, "oof") if run.reported == "test" else []
    main = main_rows(run, rows)
    pairs = pair_table(run)
    return {
        "split_words": split_words(run),
        "without_test": out_of_fold_words(run),
        "out_of_fold_auc": auc_words(run),
        "high_words": level_words(run)[1],
        "rows": rows,
        "main_rows": main,
        "has_size": any(row.p_size != NOTHING for row in main),
        "notes": common_notes(rows),
        "named": named_models(run),
        "withheld": withheld(run),
        "out_of_fold": out_of_fold,
        "out_of_fold_notes": common_notes(out_of_fold),
        "scale": _scale([*rows, *out_of_fold]),
        "sizes": sorted({(row.n, row.n_high) for row in rows}, reverse=True),
        "measures": pairs.measures,
        "pairs": pairs.rows,
        "key_pairs": [row for row in pairs.rows if row.is_key] if len(pairs.rows) > FEW_PAIRS else [],
        "few_pairs": FEW_PAIRS,
        "baseline_notes": baseline_notes(run),
        "primary": primary_sentence(run),
        "families": family_sentence(run),
        "thresholds": threshold_table(run),
    }


def _background(run: Results) -> dict[str, Any]:
    fits = fit_table(run)
    return {
        "beside": beside_table(run),
        "impossible": t(IMPOSSIBLE),
        "not_comparable": t(NOT_COMPARABLE),
        "paper": t(PAPER),
        "preprint": t(PREPRINT),
        "fits": fits,
        "tuning": tuning_table(run),
        "has_ordinal": run.study is not None and any(arm.head == "ordinal" for arm in run.study.arm),
        "has_stop": any(epoch.stop_loss is not None for fit in run.fits for epoch in fit.history),
        "refits": [(fit.model, reason) for fit in fits for reason in fit.refits],
        "deviations": _deviations(run),
        "methods_text": as_text(methods_paragraph(run)),
        "checklists": fill_checklists(run),
        "provenance": _provenance(run),
        "inputs": _inputs(run.lock.get("inputs", {})),
    }


def _deviations(run: Results) -> list[Deviation]:
    if run.study is None or not run.cases:
        return []
    scores = run.scores
    rows = deviations(run.study, n_patients=len(run.cases), scored=scores.models, has_test=scores.has_test)
    why = t("The best settings of training for a cohort are not known beforehand.")
    return [*rows, *(Deviation(term, t("Not published."), words, why) for term, words in tuning_terms(run))]


def _scale(rows: Sequence[PaperRow]) -> AucScale:
    lowest = min((row.auc.low for row in rows if not math.isnan(row.auc.low)), default=0.5)
    return AucScale(max(0.0, min(0.5, math.floor(10 * lowest) / 10)))


def _absent_words(run: Results) -> list[str]:
    """List missing parts of the folder that a section of the page needs, with their paths in brackets."""
    known = {
        RunPart.CASES: t("the cohort table"),
        RunPart.SPLIT: t("the split"),
        RunPart.FINDINGS: t("the findings of the image checks"),
        RunPart.REGIONS: t("the prepared regions"),
        RunPart.MODELS: t("the fitted networks") if run.study else t("the fitted models"),
    }
    return [
        t("{name} ({code})", name=name, code=part.path(run.folder).relative_to(run.run_dir).as_posix())
        for part, name in known.items()
        if part in run.absent
    ]


@dataclass(frozen=True, slots=True)
class Origin:
    """One line of the provenance; ``is_code`` if it is to be copied verbatim."""

    term: str
    value: str
    is_code: bool = False


def _provenance(run: Results) -> list[Origin]:
    lock = run.lock
    seconds = sum(float(fit.card.get("seconds") or 0) for fit in run.fits)
    commit = lock.get("git_commit")
    lines = [
        Origin(t("Created"), _moment(lock.get("created"))),
        Origin(t("Command"), without_paths(lock.get("command") or ""), is_code=True),
        Origin(
            t("Git commit"),
            told(str(commit)) if commit else t("not a git checkout") if lock else "",
            is_code=bool(commit),
        ),
        Origin(t("Seed"), _joined(lock.get("seed"))),
        Origin(t("Versions"), _joined(lock.get("versions"))),
        Origin(t("Machine"), _joined(lock.get("machine"))),
        Origin(t("Fitting time"), duration(seconds) if seconds else ""),
    ]
    return [line for line in lines if line.value]


class InputGroup(NamedTuple):
    """The input files of one kind: how many, and the SHA-256 of the one file or of the list of theirs."""

    kind: str
    files: int
    digest: str


def _inputs(digests: Mapping[str, str]) -> list[InputGroup]:
    """The inputs by column of the cohort table; which file is whose says the lock file alone."""
    known = {COHORT_TABLE: t("cohort table"), SCORE_TABLE: t("score table"), ANNOTATIONS: t("annotations")}
    groups: dict[str, list[str]] = defaultdict(list)
    for name, digest in digests.items():
        column = re.match(r"\w+_(?:image|mask)(?= )", name)
        groups[known.get(name) or (column[0] if column else t("other files"))].append(digest)
    return [
        InputGroup(kind, len(group), group[0] if len(group) == 1 else fingerprint(sorted(group)))
        for kind, group in groups.items()
    ]


def _moment(text: object) -> str:
    """An ISO time in readable form; any other text is returned unchanged."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text or "")
    zone = f" {moment.tzname()}" if moment.tzinfo else ""
    return f"{moment:%Y-%m-%d %H:%M}{zone}"


def _joined(value: object) -> str:
    if isinstance(value, dict):
        return enumerated([f"{name} {text}" for name, text in value.items()])
    return "" if value is None else str(value)
