"""The tables of the report, as rows of text for a page or the terminal."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from nephrograde.report.text.baselines import only_baseline
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import NOTHING, bounds, decimal, duration, enumerated, p_value
from nephrograde.report.text.published import PRINTED_ROWS
from nephrograde.report.text.remarks import dropped_words, is_ranked_alike, remark, threshold_words, warning_of_row
from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nephrograde.evaluation.comparison.compare import Comparison
    from nephrograde.evaluation.performance.metrics import Estimate
    from nephrograde.evaluation.scores.scores import SplitName
    from nephrograde.report.text.published import PrintedRow
    from nephrograde.results import Model, Results
    from nephrograde.volume.finding import Finding

MEASURES = ("auc", "accuracy", "sensitivity", "specificity")
PROPORTIONS = MEASURES[1:]


@dataclass(frozen=True, slots=True)
class Cell:
    """One estimate: the value with its interval and, for a proportion, the counts it comes from."""

    value: float
    low: float
    high: float
    part: int | None = None
    whole: int | None = None

    @property
    def text(self) -> str:
        """The cell on one line.

        >>> Cell(0.859, 0.771, 0.917, 77, 90).text
        '0.859 [0.77–0.92] (77/90)'
        >>> Cell(0.907, 0.8423, 0.9718).text
        '0.907 [0.842–0.972]'
        """
        return " ".join(part for part in (decimal(self.value), self.bounds, self.counts and f"({self.counts})") if part)

    @property
    def bounds(self) -> str:
        """The interval: three decimals for an AUC, two for a proportion, whose step is about a hundredth."""
        return bounds(self.low, self.high, 3 if self.whole is None else 2)

    @property
    def counts(self) -> str:
        """The counts as ``77/90``; empty for an AUC."""
        return "" if self.whole is None else f"{self.part}/{self.whole}"


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One model's row of the table of results.

    ``note`` says why a number is missing or unreliable; ``warning`` is that of :func:`warning_of_row`.
    """

    model: str
    is_baseline: bool
    n: int
    n_high: int
    auc: Cell
    accuracy: Cell
    sensitivity: Cell
    specificity: Cell
    note: str
    warning: str


def paper_rows(estimates: Iterable[tuple[str, str, Estimate]], split: SplitName = "test") -> list[PaperRow]:
    """Compose the paper's table: one row per model, the baselines last.

    The report and the command line print the same digits.

    Args:
        estimates: Model, split and estimate, as returned by ``read_estimates``.
        split: ``test`` for the paper's table; ``oof`` for the out-of-fold training predictions.

    Returns:
        The rows, in the order of the models in ``estimates``.

    Source:
        The paper's table, with added intervals and counts.
    """
    by_model: dict[str, dict[str, Estimate]] = {}
    for model, part, estimate in estimates:
        if part == split:
            by_model.setdefault(model, {})[estimate.measure] = estimate
    ordered = sorted(by_model, key=lambda model: model in BASELINES)
    return [_paper_row(model, by_model[model]) for model in ordered if "auc" in by_model[model]]


def study_rows(run: Results, split: SplitName) -> list[PaperRow]:
    """Compose the paper's table with the models in the order of the study, those that join phases beside their arm."""
    order = [model.name for model in run.models]
    return sorted(paper_rows(run.estimates, split), key=lambda row: (row.is_baseline, order.index(row.model)))


def paper_table(
    estimates: Iterable[tuple[str, str, Estimate]], split: SplitName = "test"
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Format the paper's table for the terminal: the headings, and the rows of :func:`paper_rows`.

    Args:
        estimates: Model, split and estimate, as returned by ``read_estimates``.
        split: ``test``, or ``oof`` for the out-of-fold training predictions.

    Source:
        The paper's table, with added intervals and counts.

    >>> from nephrograde.evaluation.performance.metrics import Estimate
    >>> paper_table([("size", "test", Estimate("auc", 0.744, 0.640, 0.848, 90, 41, "DeLong"))])[1]
    [('size only', '0.744 [0.640–0.848]', '–', '–', '–')]
    """
    proportions = [t("{measure} [CI] (n/N)", measure=measure_in_words(measure)) for measure in MEASURES[1:]]
    headings = (t("Model"), t("AUC [CI]"), *proportions)
    rows = [
        (
            _named(row),
            *(cell.text for cell in (row.auc, row.accuracy, row.sensitivity, row.specificity)),
        )
        for row in paper_rows(estimates, split)
    ]
    return headings, rows


def _named(row: PaperRow) -> str:
    name = only_baseline(row.model) if row.is_baseline else row.model
    return t("{model} (warning: {text})", model=name, text=row.warning) if row.warning else name


def _paper_row(model: str, found: dict[str, Estimate]) -> PaperRow:
    def cell(measure: str) -> Cell:
        estimate = found.get(measure)
        if estimate is None:
            return Cell(math.nan, math.nan, math.nan)
        return Cell(estimate.value, estimate.low, estimate.high, estimate.part, estimate.whole)

    cells = {measure: cell(measure) for measure in MEASURES}
    ranked = found["auc"]
    called = found.get("accuracy", ranked)  # an AUC by fold leaves out folds of one grade
    is_baseline = model in BASELINES
    warning = warning_of_row(ranked, called, is_baseline=is_baseline)
    return PaperRow(model, is_baseline, called.n, called.n_high, **cells, note=remark(ranked), warning=warning)


@dataclass(frozen=True, slots=True)
class BesideRow:
    """A published row of the paper, or the row of this run below it."""

    label: str
    printed: PrintedRow | None
    ours: PaperRow | None


def beside_table(run: Results) -> list[BesideRow]:
    """Place each published row of the paper above its counterpart in this run; rows without one are left out."""
    rows: list[BesideRow] = []
    ours = {row.model: row for row in paper_rows(run.estimates, run.reported)}
    for printed in PRINTED_ROWS:
        names = [
            model.id
            for model in (run.study.models() if run.study else [])
            if model.id in ours and printed.is_matched_by(model.arm, model.phase)
        ]
        if names:
            rows.append(BesideRow(printed.label, printed, None))
            rows += [BesideRow(name, None, ours[name]) for name in names]
    return rows


@dataclass(frozen=True, slots=True)
class PairCell:
    """One measure of a pair of models: the difference, its interval if there is one, and P before and after Holm."""

    difference: str
    bounds: str
    p: str
    p_adjusted: str


@dataclass(frozen=True, slots=True)
class PairRow:
    """Two models on the patients that both have scored; ``is_key`` marks two arms on one phase, the paper's question.

    ``n`` counts the patients behind each measure, and ``remarks`` says what was excluded or could not be computed.
    """

    model_a: str
    model_b: str
    is_key: bool
    cells: tuple[PairCell, ...]
    n: str
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PairTable:
    """Every pair of models as a row, every measure as a group of columns."""

    measures: tuple[str, ...]
    rows: tuple[PairRow, ...]


def pair_table(run: Results) -> PairTable:
    """Compose the paired comparisons: one row per pair, measures side by side."""
    phases = {model.name: model.phase for model in run.models if model.phase is not None}
    measures = tuple(dict.fromkeys(pair.measure for pair in run.comparisons))
    found = {(pair.model_a, pair.model_b, pair.measure): pair for pair in run.comparisons}
    rows = []
    for a, b in dict.fromkeys((pair.model_a, pair.model_b) for pair in run.comparisons):
        pairs = [found.get((a, b, measure)) for measure in measures]
        given = [pair for pair in pairs if pair is not None]
        rows.append(
            PairRow(
                a,
                b,
                a in phases and phases.get(a) == phases.get(b),
                tuple(_pair_cell(pair) for pair in pairs),
                "/".join(str(pair.n) for pair in given),
                tuple(
                    t("{measure}: {remark}", measure=measure_in_words(pair.measure), remark=words)
                    for pair in given
                    if (words := _remark(pair))
                ),
            )
        )
    return PairTable(tuple(measure_in_words(measure) for measure in measures), tuple(rows))


def measure_in_words(measure: str) -> str:
    """Name a measure for a heading; an unknown one is returned unchanged.

    >>> measure_in_words("auc"), measure_in_words("sensitivity")
    ('AUC', 'Sensitivity')
    """
    known = {
        "auc": "AUC",
        "auc_lesions": t("AUC by lesion"),
        "accuracy": t("Accuracy"),
        "sensitivity": t("Sensitivity"),
        "specificity": t("Specificity"),
    }
    return known.get(measure, measure)


def _pair_cell(pair: Comparison | None) -> PairCell:
    if pair is None:
        return PairCell(NOTHING, "", NOTHING, NOTHING)
    if is_ranked_alike(pair):
        return PairCell(decimal(pair.difference), "", NOTHING, NOTHING)
    decimals = 2 if pair.measure in PROPORTIONS else 3  # a proportion has steps of about a hundredth
    return PairCell(
        decimal(pair.difference),
        bounds(pair.low, pair.high, decimals),
        p_value(pair.p_value),
        p_value(pair.p_adjusted),
    )


def _remark(pair: Comparison) -> str:
    """Why a test is missing; for the AUC also whether it is unreliable, and the patients that the pair excludes."""
    if pair.measure != "auc":
        return "" if pair.reason is None else remark(pair)
    return t("; ").join(text for text in ("" if pair.is_reliable else remark(pair), dropped_words(pair)) if text)


@dataclass(frozen=True, slots=True)
class FindingCount:
    """The number of warnings of one kind from the image checks."""

    code: str
    scans: int
    patients: int
    example: str


def fatal_findings(run: Results) -> list[Finding]:
    """The findings that excluded a scan, by patient and phase."""
    return sorted(
        (finding for finding in run.findings if finding.severity == "fatal" and not finding.leaves_patient_out),
        key=lambda finding: (finding.patient_id, finding.phase),
    )


def absent_patients(run: Results) -> list[str]:
    """The patients of the cohort table who were left out because they have no scan, in the order of the table."""
    return [finding.patient_id for finding in run.findings if finding.leaves_patient_out]


def warning_counts(run: Results) -> list[FindingCount]:
    """Count the warnings about scans by code, the most frequent first."""
    warnings = [finding for finding in run.findings if finding.severity != "fatal" and not finding.is_of_table]
    counts = Counter(finding.code for finding in warnings)
    return [
        FindingCount(
            code,
            count,
            len({finding.patient_id for finding in warnings if finding.code == code}),
            next(finding.message for finding in warnings if finding.code == code),
        )
        for code, count in counts.most_common()
    ]


@dataclass(frozen=True, slots=True)
class ThresholdRow:
    """A model's operating point and how it was chosen."""

    model: str
    is_baseline: bool
    value: str
    method: str
    n: int
    n_high: int


def threshold_table(run: Results) -> list[ThresholdRow]:
    """List the threshold of each model, as it was applied to the test set."""
    rows = []
    for model in run.models:
        found, threshold = run.estimate(model.name, "threshold"), run.threshold(model.name)
        if found is not None and threshold is not None:
            words = threshold_words(threshold)
            rows.append(ThresholdRow(model.name, model.is_baseline, decimal(found.value), words, found.n, found.n_high))
    return rows


@dataclass(frozen=True, slots=True)
class FitRow:
    """How the networks of one model were fitted; ``refits`` says why folds were refitted."""

    model: str
    folds: int
    best_epochs: str
    epochs: str
    precision: str
    device: str
    time: str
    refits: tuple[str, ...]


def fit_table(run: Results) -> list[FitRow]:
    """Summarise the folds of each model."""
    rows = []
    for model in _fitted(run):
        fits = [fit for fit in run.fits if fit.model == model.name]
        trained = [fit for fit in fits if not fit.is_frozen]
        best = [int(fit.card["best_epoch"]) for fit in trained if fit.card.get("best_epoch") is not None]
        seconds = [float(fit.card["seconds"]) for fit in fits if fit.card.get("seconds") is not None]
        rows.append(
            FitRow(
                model.name,
                len(fits),
                _spread(best),
                _spread([len(fit.history) for fit in trained]),
                _different(fit.card.get("precision") for fit in fits),
                _different(fit.card.get("device") for fit in fits),
                duration(sum(seconds)) if seconds else "",
                tuple(
                    t("fold {fold}: {reason}", fold=fit.fold, reason=reason)
                    for fit in fits
                    if (reason := fit.card.get("refit_reason"))
                ),
            )
        )
    return rows


def _fitted(run: Results) -> list[Model]:
    names = {fit.model for fit in run.fits}
    return [model for model in run.models if model.name in names]


def _spread(values: Sequence[int]) -> str:
    if not values:
        return ""
    middle = f"{median(values):g}"
    return middle if min(values) == max(values) else f"{middle} ({min(values)}–{max(values)})"


def _different(values: Iterable[object]) -> str:
    return enumerated(list(dict.fromkeys(str(value) for value in values if value is not None)))
