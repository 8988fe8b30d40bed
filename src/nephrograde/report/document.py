"""The report: one self-contained page, and its figures as files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nephrograde.files import replaced
from nephrograde.report.examples import pick_examples
from nephrograde.report.figures import draw_figures
from nephrograde.report.numbers import NOTHING, counted, decimal, duration
from nephrograde.report.patients import cohort_table
from nephrograde.report.published import IMPOSSIBLE, NOT_COMPARABLE, PAPER, PREPRINT, deviations
from nephrograde.report.record import read_record
from nephrograde.report.svg import SYNTHETIC
from nephrograde.report.tables import (
    beside_table,
    fatal_findings,
    fit_table,
    pair_table,
    paper_rows,
    threshold_table,
    warning_counts,
)
from nephrograde.report.wording import summary, what_was_run
from nephrograde.vocabulary import RESEARCH_USE_ONLY, phase_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nephrograde.report.record import Record
    from nephrograde.report.svg import Drawing
    from nephrograde.report.tables import Cell, PaperRow

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


def write_report(run_dir: Path) -> Path:
    """Write ``report/report.html`` and ``report/figures/*.svg`` from the files of a run folder.

    Nothing else is read, and nothing is fetched when the page is opened: styles, figures and slices stand in it. Where
    the folder holds less than a whole run (a score table from elsewhere), the page has fewer sections and says so. The
    same folder gives the same bytes.

    Args:
        run_dir: The run folder; ``scores/scores.csv`` and ``statistics/estimates.csv`` must be in it.

    Returns:
        The path of the page.

    Raises:
        RunError: Where those files are missing, or a file is damaged.
        ScoresError: Where the score table is not sound.

    Source:
        Contents and order: our choice; measures: the paper's.
    """
    record = read_record(run_dir)
    drawings = draw_figures(record)
    report_dir = run_dir / "report"
    for drawing in drawings.values():
        with replaced(report_dir / "figures" / f"{drawing.name}.svg") as temporary_path:
            temporary_path.write_text(drawing.svg, encoding="utf-8")
    html_path = report_dir / "report.html"
    with replaced(html_path) as temporary_path:
        temporary_path.write_text(_render(record, drawings), encoding="utf-8")
    return html_path


def _render(record: Record, drawings: Mapping[str, Drawing]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("nephrograde.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(decimal=decimal, counted=counted, phase_name=phase_name)
    figures = {name: {"svg": Markup(drawing.inline), "drawing": drawing} for name, drawing in drawings.items()}  # noqa: S704 (our own SVG, whose text matplotlib has escaped)
    return environment.get_template("report.html.j2").render(figures=figures, **_contents(record)).lstrip()


def _contents(record: Record) -> dict[str, Any]:
    rows = paper_rows(record.estimates, record.split)
    out_of_fold = paper_rows(record.estimates, "oof") if record.split == "test" else []
    pairs = pair_table(record)
    key_pairs = [row for row in pairs.rows if row.is_key]
    fits = fit_table(record)
    name = record.study.name if record.study else "Evaluation of a score table"
    return {
        "record": record,
        "study": record.study,
        "name": name,
        "created": _moment(record.lock.get("created")),
        "synthetic": SYNTHETIC if record.is_synthetic else "",
        "research_use_only": RESEARCH_USE_ONLY,
        "summary": summary(record),
        "run_terms": what_was_run(record),
        "cohort": cohort_table(record),
        "fatal": fatal_findings(record),
        "warnings": warning_counts(record),
        "has_findings": record.knows("volumes/findings.csv"),
        "rows": rows,
        "out_of_fold": out_of_fold,
        "scale": _scale([*rows, *out_of_fold]),
        "sizes": sorted({(row.n, row.n_high) for row in rows}, reverse=True),
        "beside": beside_table(record),
        "impossible": IMPOSSIBLE,
        "not_comparable": NOT_COMPARABLE,
        "paper": PAPER,
        "preprint": PREPRINT,
        "measures": pairs.measures,
        "pairs": pairs.rows,
        "key_pairs": key_pairs if len(pairs.rows) > FEW_PAIRS else [],
        "few_pairs": FEW_PAIRS,
        "fits": fits,
        "has_stop": any(math.isfinite(epoch.stop_loss) for fit in record.fits for epoch in fit.epochs),
        "refits": [(fit.model, reason) for fit in fits for reason in fit.refits],
        "examples": pick_examples(record),
        "thresholds": threshold_table(record),
        "deviations": deviations(record.study, n_patients=len(record.cases)) if record.study and record.cases else [],
        "provenance": _provenance(record),
        "inputs": sorted(record.lock.get("inputs", {}).items()),
        "nothing": NOTHING,
    }


def _scale(rows: Sequence[PaperRow]) -> AucScale:
    lowest = min((row.auc.low for row in rows if not math.isnan(row.auc.low)), default=0.5)
    return AucScale(max(0.0, min(0.5, math.floor(10 * lowest) / 10)))


def _provenance(record: Record) -> list[tuple[str, str]]:
    lock = record.lock
    seconds = sum(float(fit.card.get("seconds") or 0) for fit in record.fits)
    terms = [
        ("Created", _moment(lock.get("created"))),
        ("Command", lock.get("command")),
        ("Git commit", lock.get("git_commit") or ("not a git checkout" if lock else None)),
        ("Seed", _joined(lock.get("seed"))),
        ("Versions", _joined(lock.get("versions"))),
        ("Machine", _joined(lock.get("machine"))),
        ("Time spent fitting", duration(seconds) if seconds else None),
    ]
    return [(term, str(value)) for term, value in terms if value not in (None, "")]


def _moment(text: object) -> str:
    """An ISO time as people write it; any other text is left as it is."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text or "")
    zone = f" {moment.tzname()}" if moment.tzinfo else ""
    return f"{moment:%Y-%m-%d %H:%M}{zone}"


def _joined(value: object) -> str | None:
    if isinstance(value, dict):
        return ", ".join(f"{name} {text}" for name, text in value.items())
    return None if value is None else str(value)
