"""The analysis of readers in words and tables, for the terminal and for its page."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nephrograde.reads.analysis import Measure, Remark, Unavailable
from nephrograde.reads.aucs import CovarianceMethod
from nephrograde.reads.obuchowski_rockette import Inference
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import (
    NOTHING,
    bounds,
    counted,
    decimal,
    enumerated,
    p_sentence,
    p_value,
    with_bounds,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nephrograde.reads.analysis import ReaderAnalysis, ReaderRemark, ReaderResult

NAMED = 10
"""Patients and readers that a sentence lists at most."""


@dataclass(frozen=True, slots=True)
class ReaderTable:
    """One table: what it shows, its headings, its rows as texts, and notes below it."""

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: list[str] = field(default_factory=list)


def reader_counts(analysis: ReaderAnalysis) -> str:
    """Say how many readers, modalities and patients were analysed.

    Args:
        analysis: The analysis.
    """
    reads = analysis.reads
    counts = [counted(len(reads.readers), "reader"), counted(len(reads.modalities), "modality", "modalities")]
    patients = t(
        "{patients}, {n_high} of them high grade", patients=counted(analysis.n, "patient"), n_high=analysis.n_high
    )
    return t("{counts}. {covariance}.", counts=enumerated([*counts, patients]), covariance=_covariance(analysis))


def _covariance(analysis: ReaderAnalysis) -> str:
    words = {
        CovarianceMethod.DELONG: t("Obuchowski–Rockette analysis with DeLong covariances"),
        CovarianceMethod.JACKKNIFE: t("Obuchowski–Rockette analysis with jackknife covariances"),
    }
    return words[analysis.covariance]


def reader_answers(analysis: ReaderAnalysis) -> list[str]:
    """Say in a sentence each what the analysis shows for other readers and other patients.

    With one reader, for this reader and other patients.

    Args:
        analysis: The analysis.
    """
    inference = Inference.RANDOM_READERS if len(analysis.reads.readers) > 1 else Inference.FIXED_READERS
    sentences = []
    for row in analysis.of(Measure.DIFFERENCE, inference):
        if row.reader:
            continue
        values = {"difference": decimal(row.value), "ci": bounds(row.low, row.high), "p": p_sentence(row.p_value)}
        if row.reason is not None:
            values["p"] = _reason(row.reason)
        if row.model:
            sentence = t(
                "{model} minus the mean reader ({modality}): difference in AUC {difference} {ci}, {p}.",
                model=row.model,
                modality=row.modality,
                **values,
            )
        else:
            sentence = t(
                "{modality} minus {against}, mean of the readers: difference in AUC {difference} {ci}, {p}.",
                modality=row.modality,
                against=row.against,
                **values,
            )
        sentences.append(sentence)
    return sentences


def reader_remarks(analysis: ReaderAnalysis) -> list[str]:
    """Say what whoever reads the results has to know.

    Args:
        analysis: The analysis.
    """
    return [_remark(remark, analysis) for remark in analysis.remarks]


def _remark(remark: ReaderRemark, analysis: ReaderAnalysis) -> str:
    reads = analysis.reads
    if remark.code is Remark.LEFT_OUT:
        places = [
            f"{' '.join(filter(None, [missing.reader, missing.modality]))}{t(': ')}{missing.n}"
            for missing in reads.missing
        ]
        return t(
            "Left out because a reader or the model gave no score, or the truth is not known: {patients} ({ids}). "
            "Scores missing: {places}.",
            patients=counted(len(reads.left_out), "patient"),
            ids=_some(list(reads.left_out)),
            places=_some(places),
        )
    if remark.code is Remark.FEW_READERS:
        return t(
            "With {readers}, the intervals for other readers are very wide and depend on a variance that can hardly be "
            "estimated.",
            readers=counted(len(reads.readers), "reader"),
        )
    if remark.code is Remark.BELOW_CHANCE:
        return t(
            "Reader {reader} has an AUC of {auc} in modality {modality}, below chance. Is the scale reversed?",
            reader=remark.reader,
            auc=decimal(remark.value),
            modality=remark.modality,
        )
    return t(
        "The readers used different scales in modality {modality}, so their agreement is not computed. The AUCs are "
        "not affected.",
        modality=remark.modality,
    )


def _some(words: list[str]) -> str:
    return enumerated(words[:NAMED]) + (" …" if len(words) > NAMED else "")


def reader_tables(analysis: ReaderAnalysis) -> list[ReaderTable]:
    """Give the results as tables: means, differences, each reader, and agreement.

    Args:
        analysis: The analysis.
    """
    tables = [_means(analysis), _differences(analysis), _each_reader(analysis), _agreement(analysis)]
    return [table for table in tables if table.rows]


def _inference(inference: Inference) -> str:
    words = {
        Inference.RANDOM_READERS: t("other readers, other patients"),
        Inference.FIXED_READERS: t("these readers, other patients"),
        Inference.FIXED_CASES: t("other readers, these patients"),
    }
    return words[inference]


def _means(analysis: ReaderAnalysis) -> ReaderTable:
    headings = (t("Modality"), *(_inference(inference) for inference in Inference))
    rows: list[tuple[str, ...]] = []
    for modality in analysis.reads.modalities:
        means = (
            row
            for inference in Inference
            for row in analysis.of(Measure.AUC, inference)
            if row.modality == modality and not row.reader
        )
        rows.append((modality, *(_estimate(row) for row in means)))
    rows += [
        (t("{model} (model)", model=row.model), NOTHING, _estimate(row), NOTHING)
        for row in analysis.of(Measure.AUC)
        if row.model
    ]
    title = t("Mean AUC of the readers [{confidence}% CI], by what it is generalised to", confidence=_percent(analysis))
    return ReaderTable(title, headings, rows, _reasons(analysis.of(Measure.AUC)))


def _differences(analysis: ReaderAnalysis) -> ReaderTable:
    headings = [t("Difference"), t("Generalised to"), "Δ AUC", t("df"), "P"]
    has_family = len(analysis.reads.modalities) > 2
    if has_family:
        headings.append(t("P (Holm)"))
    pooled = [row for row in analysis.of(Measure.DIFFERENCE) if not row.reader]
    order = list(dict.fromkeys(_minus(row) for row in pooled))
    rows = []
    for row in sorted(pooled, key=lambda row: order.index(_minus(row))):
        to = _inference(row.inference) if row.inference else NOTHING
        df = decimal(row.df, 1) if math.isfinite(row.df) else NOTHING
        adjusted = [p_value(row.p_adjusted)] if has_family else []
        rows.append((_minus(row), to, _estimate(row), df, p_value(row.p_value), *adjusted))
    notes = [*_equality(analysis), *_reasons(pooled)]
    title = t("Differences of the mean AUC [{confidence}% CI]", confidence=_percent(analysis))
    return ReaderTable(title, tuple(headings), rows, notes)


def _equality(analysis: ReaderAnalysis) -> Iterator[str]:
    """With more than two modalities, the test that all are equal says something that no difference says."""
    if len(analysis.reads.modalities) < 3:
        return
    for row in analysis.of(Measure.EQUALITY):
        if row.inference is not None and row.reason is None:
            yield t(
                "All modalities equal ({inference}): {p}.",
                inference=_inference(row.inference),
                p=p_sentence(row.p_value),
            )


def _minus(row: ReaderResult) -> str:
    if row.model:
        return t("{model} − mean reader, {modality}", model=row.model, modality=row.modality)
    return f"{row.modality} − {row.against}"


def _each_reader(analysis: ReaderAnalysis) -> ReaderTable:
    reads = analysis.reads
    has_pair = len(reads.modalities) == 2
    headings = [t("Reader"), *reads.modalities]
    if has_pair:
        headings += [f"{reads.modalities[1]} − {reads.modalities[0]}", "P"]
    if reads.model:
        for modality in reads.modalities:
            headings += [t("{model} − reader, {modality}", model=reads.model, modality=modality), t("P (Holm)")]
    of_readers = [row for row in analysis.results if row.reader and row.measure in {Measure.AUC, Measure.DIFFERENCE}]
    rows = []
    for reader in reads.readers:
        own = [row for row in of_readers if row.reader == reader]
        cells = [reader, *(_estimate(row) for row in own if row.measure is Measure.AUC)]
        for row in own:
            if row.measure is Measure.DIFFERENCE and not row.model and has_pair:
                cells += [_estimate(row), p_value(row.p_value)]
        for row in own:
            if row.measure is Measure.DIFFERENCE and row.model:
                cells += [_estimate(row), p_value(row.p_adjusted)]
        rows.append(tuple(cells))
    title = t("Each reader: AUC [{confidence}% CI]", confidence=_percent(analysis))
    return ReaderTable(title, tuple(headings), rows, [*_reasons(of_readers)])


def _agreement(analysis: ReaderAnalysis) -> ReaderTable:
    headings = (t("Modality"), "ICC(2,1)", "ICC(3,1)", t("Weighted kappa of pairs: mean (lowest–highest)"))
    rows = []
    for modality in analysis.reads.modalities:
        coefficients = [
            row
            for measure in (Measure.ICC_AGREEMENT, Measure.ICC_CONSISTENCY)
            for row in analysis.of(measure)
            if row.modality == modality
        ]
        if coefficients:
            rows.append((modality, *(_estimate(row) for row in coefficients), _kappas(analysis, modality)))
    measured = [row for row in analysis.results if row.inference is None]
    notes = [
        t("ICC(2,1): absolute agreement of single reads. ICC(3,1): consistency. Kappa: quadratic weights."),
        *_reasons(measured),
    ]
    title = t("Agreement between readers [{confidence}% CI]", confidence=_percent(analysis))
    return ReaderTable(title, headings, rows, notes)


def _kappas(analysis: ReaderAnalysis, modality: str) -> str:
    values = [row.value for row in analysis.of(Measure.KAPPA) if row.modality == modality]
    if not values or any(map(math.isnan, values)):
        return NOTHING
    mean = sum(values) / len(values)
    return f"{decimal(mean)} ({bounds(min(values), max(values))[1:-1]})"


def _estimate(row: ReaderResult) -> str:
    return with_bounds(row.value, row.low, row.high)


def _reasons(rows: list[ReaderResult] | tuple[ReaderResult, ...]) -> list[str]:
    """Why numbers of a table are missing, each reason once."""
    found = dict.fromkeys(row.reason for row in rows if row.reason is not None)
    return [t("Not computed: {reason}.", reason=_reason(reason)) for reason in found]


def _reason(reason: Unavailable) -> str:
    words = {
        Unavailable.ONE_READER: t("one reader says nothing about other readers"),
        Unavailable.NO_VARIANCE: t("the scores do not vary where an interval or a test needs it"),
        Unavailable.TOO_MANY_LEVELS: t(
            "kappa is for at most ten different scores; the intraclass correlations fit finer ones"
        ),
        Unavailable.OTHER_SCALES: t("the readers used different scales"),
    }
    return words[reason]


def _percent(analysis: ReaderAnalysis) -> str:
    return f"{100 * analysis.confidence:g}"
