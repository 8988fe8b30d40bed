"""The report: one self-contained page, and its figures as files."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from nephrograde.files import fingerprint, replaced
from nephrograde.report.figures.curves import draw_evidence_figures
from nephrograde.report.figures.study_figures import draw_figures
from nephrograde.report.figures.svg import SYNTHETIC, write_figures
from nephrograde.report.methods.checklist import fill_checklists
from nephrograde.report.methods.design_methods import as_text
from nephrograde.report.methods.model_card import write_model_cards
from nephrograde.report.methods.paragraph import methods_paragraph
from nephrograde.report.pages.exports import write_tables
from nephrograde.report.record import read_record
from nephrograde.report.tables.evidence import evidence_sections, read_evidence
from nephrograde.report.tables.examples import pick_examples
from nephrograde.report.tables.paper import (
    beside_table,
    fatal_findings,
    fit_table,
    pair_table,
    paper_rows,
    threshold_table,
    warning_counts,
)
from nephrograde.report.tables.patients import cohort_table
from nephrograde.report.tables.wording import level_words, split_words, summary, what_was_run
from nephrograde.report.text.language import HTML_LANGUAGES, speaking, spoken, t, translated
from nephrograde.report.text.numbers import NOTHING, counted, decimal, duration, enumerated
from nephrograde.report.text.published import IMPOSSIBLE, NOT_COMPARABLE, PAPER, PREPRINT, deviations
from nephrograde.run.provenance import COHORT_TABLE, SCORE_TABLE
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jinja2 import Environment
    from markupsafe import Markup

    from nephrograde.report.figures.svg import Drawing
    from nephrograde.report.record import Record
    from nephrograde.report.tables.evidence import EvidenceSections
    from nephrograde.report.tables.paper import Cell, PaperRow
    from nephrograde.report.text.language import Language

FEW_PAIRS = 12


@dataclass(frozen=True, slots=True)
class AucScale:
    """Where an AUC lies on the small drawing beside it, 0 to 100 from left to right.

    >>> AucScale(0.5).at(0.75)
    50.0
    """

    low: float

    def at(self, value: float) -> float:
        """Place a value; those below the scale go to its left end."""
        return round(100 * (max(value, self.low) - self.low) / (1 - self.low), 2)

    def holds(self, cell: Cell) -> bool:
        """Whether there is an interval to draw."""
        return not math.isnan(cell.low)


@dataclass(slots=True)
class Numbering:
    """The numbers of the tables and figures, one sequence each over all templates of a page.

    >>> numbering = Numbering()
    >>> numbering.next_table(), numbering.next_table(), numbering.next_figure()
    (1, 2, 1)
    """

    tables: int = 0
    figures: int = 0

    def next_table(self) -> int:
        """Number the next table."""
        self.tables += 1
        return self.tables

    def next_figure(self) -> int:
        """Number the next figure."""
        self.figures += 1
        return self.figures


def write_report(run_dir: Path, language: Language = "en") -> Path:
    """Write ``report/``: the page, its figures with their data, tables for manuscripts, and a card for each model.

    Nothing else is read, and nothing is fetched when the page is opened: styles, figures and slices stand in it. Where
    the folder holds less than a whole run (a score table from elsewhere), the page has fewer sections and says so. The
    same folder gives the same bytes.

    Args:
        run_dir: The run folder; ``scores/scores.csv`` and ``statistics/estimates.csv`` must be in it.
        language: ``zh`` writes ``report/report.zh.html`` in Simplified Chinese; ids, codes and the messages that the
            run's files hold stay as they are.

    Returns:
        The path of the page.

    Raises:
        RunError: Where those files are missing, or a file is damaged.
        ScoresError: Where the score table is not sound.

    Source:
        Contents and order: our choice; measures: the paper's.
    """
    html_path = report_path_of(run_dir, language)
    with speaking(language):
        record = read_record(run_dir)
        evidence = read_evidence(run_dir)
        drawings = draw_figures(record) | draw_evidence_figures(record, evidence)
        write_figures(drawings, html_path.parent / "figures")
        write_tables(record)
        write_model_cards(record)
        page = _render(record, evidence_sections(record, evidence), drawings)
        with replaced(html_path) as temporary_path:
            temporary_path.write_text(page, encoding="utf-8")
    return html_path


def report_path_of(run_dir: Path, language: Language = "en") -> Path:
    """Say where the page of a run stands.

    >>> from pathlib import Path
    >>> report_path_of(Path("run")).as_posix(), report_path_of(Path("run"), "zh").as_posix()
    ('run/report/report.html', 'run/report/report.zh.html')
    """
    return run_dir / "report" / ("report.html" if language == "en" else f"report.{language}.html")


def _render(record: Record, evidence: EvidenceSections, drawings: Mapping[str, Drawing]) -> str:
    from markupsafe import Markup

    figures = {name: {"svg": Markup(drawing.inline), "drawing": drawing} for name, drawing in drawings.items()}  # noqa: S704 (our own SVG, whose text matplotlib has escaped)
    template = page_environment().get_template("report.html.j2")
    return template.render(figures=figures, evidence=evidence, **_contents(record)).lstrip()


def page_environment() -> Environment:
    """What the templates find beside their contents; made for one page, whose tables it numbers."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("nephrograde.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(decimal=decimal, counted=counted)
    environment.globals.update(t=_said, numbering=Numbering())
    return environment


def _said(sentence: str, /, **values: object) -> Markup:
    """Say a sentence on the page; a value may hold markup, all else is escaped.

    >>> _said("{count} < 3, in {path}", count="<b>", path=_said("a & b"))
    Markup('&lt;b&gt; &lt; 3, in a &amp; b')
    """
    from markupsafe import escape

    return escape(translated(sentence)).format(**values)


def _contents(record: Record) -> dict[str, Any]:
    """Everything the templates print, by name, but for figures and evidence."""
    return {**_head(record), **_patients(record), **_results(record), **_background(record)}


def _head(record: Record) -> dict[str, Any]:
    return {
        "record": record,
        "study": record.study,
        "language": spoken(),
        "html_language": HTML_LANGUAGES[spoken()],
        "name": record.study.name if record.study else t("Evaluation of a score table"),
        "created": _moment(record.lock.get("created")),
        "synthetic": t(SYNTHETIC) if record.is_synthetic else "",
        "research_use_only": t(RESEARCH_USE_ONLY),
        "summary": summary(record),
        "absent": [_absent_words(text) for text in record.absent],
        "run_terms": what_was_run(record),
        "nothing": NOTHING,
    }


def _patients(record: Record) -> dict[str, Any]:
    return {
        "cohort": cohort_table(record),
        "fatal": fatal_findings(record),
        "warnings": warning_counts(record),
        "has_findings": record.knows("volumes/findings.csv"),
        "examples": pick_examples(record),
    }


def _results(record: Record) -> dict[str, Any]:
    rows = paper_rows(record.estimates, record.split)
    out_of_fold = paper_rows(record.estimates, "oof") if record.split == "test" else []
    pairs = pair_table(record)
    return {
        "split_words": split_words(record),
        "high_words": level_words(record)[1],
        "rows": rows,
        "out_of_fold": out_of_fold,
        "scale": _scale([*rows, *out_of_fold]),
        "sizes": sorted({(row.n, row.n_high) for row in rows}, reverse=True),
        "measures": pairs.measures,
        "pairs": pairs.rows,
        "key_pairs": [row for row in pairs.rows if row.is_key] if len(pairs.rows) > FEW_PAIRS else [],
        "few_pairs": FEW_PAIRS,
        "thresholds": threshold_table(record),
    }


def _background(record: Record) -> dict[str, Any]:
    fits = fit_table(record)
    return {
        "beside": beside_table(record),
        "impossible": t(IMPOSSIBLE),
        "not_comparable": t(NOT_COMPARABLE),
        "paper": t(PAPER),
        "preprint": t(PREPRINT),
        "fits": fits,
        "has_stop": any(math.isfinite(epoch.stop_loss) for fit in record.fits for epoch in fit.epochs),
        "refits": [(fit.model, reason) for fit in fits for reason in fit.refits],
        "deviations": deviations(record.study, n_patients=len(record.cases)) if record.study and record.cases else [],
        "methods_text": as_text(methods_paragraph(record)),
        "checklists": fill_checklists(record),
        "provenance": _provenance(record),
        "inputs": _inputs(record.lock.get("inputs", {})),
    }


def _scale(rows: Sequence[PaperRow]) -> AucScale:
    lowest = min((row.auc.low for row in rows if not math.isnan(row.auc.low)), default=0.5)
    return AucScale(max(0.0, min(0.5, math.floor(10 * lowest) / 10)))


def _absent_words(text: str) -> str:
    """Name what the folder does not hold in the language of the page; the file stands in brackets."""
    _, _, file = text.rpartition(" (")
    known = {
        "study.lock.json)": t("the study file and the provenance"),
        "cohort/cases.csv)": t("the cohort table"),
        "cohort/split.csv)": t("the split"),
        "volumes/findings.csv)": t("the findings of the image checks"),
        "volumes/regions.csv)": t("the prepared regions"),
        "models/)": t("the fitted networks"),
    }
    return t("{name} ({code})", name=known[file], code=file[:-1]) if file in known else text


@dataclass(frozen=True, slots=True)
class Origin:
    """One line of where the numbers come from; ``is_code`` where it is to be copied letter by letter."""

    term: str
    value: str
    is_code: bool = False


def _provenance(record: Record) -> list[Origin]:
    lock = record.lock
    seconds = sum(float(fit.card.get("seconds") or 0) for fit in record.fits)
    commit = lock.get("git_commit")
    lines = [
        Origin(t("Created"), _moment(lock.get("created"))),
        Origin(t("Command"), str(lock.get("command") or ""), is_code=True),
        Origin(t("Git commit"), str(commit or (t("not a git checkout") if lock else "")), is_code=bool(commit)),
        Origin(t("Seed"), _joined(lock.get("seed"))),
        Origin(t("Versions"), _joined(lock.get("versions"))),
        Origin(t("Machine"), _joined(lock.get("machine"))),
        Origin(t("Time spent fitting"), duration(seconds) if seconds else ""),
    ]
    return [line for line in lines if line.value]


class InputGroup(NamedTuple):
    """The input files of one kind: how many, and one SHA-256 over those of all of them."""

    kind: str
    files: int
    digest: str


def _inputs(digests: Mapping[str, str]) -> list[InputGroup]:
    """The inputs by column of the cohort table; which file is whose says the lock file alone."""
    known = {COHORT_TABLE: t("cohort table"), SCORE_TABLE: t("score table")}
    groups: dict[str, list[str]] = defaultdict(list)
    for name, digest in digests.items():
        column = re.match(r"\w+_(?:image|mask)(?= )", name)
        groups[known.get(name) or (column[0] if column else t("other files"))].append(digest)
    return [InputGroup(kind, len(group), fingerprint(sorted(group))) for kind, group in groups.items()]


def _moment(text: object) -> str:
    """An ISO time as people write it; any other text is left as it is."""
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
