"""Sentences on how the models were evaluated, based on the tables of the evaluation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.evaluation.remarks import Caution
from nephrograde.report.methods.design_methods import as_text, in_turn
from nephrograde.report.tables.answer import calibration_curves
from nephrograde.report.tables.ladder import minutes_sources, out_of_fold_rungs, supervision_words
from nephrograde.report.tables.out_of_fold import is_by_fold, out_of_fold_words
from nephrograde.report.tables.primary import family_sentence
from nephrograde.report.tables.repeats import has_power_law
from nephrograde.report.text.baselines import baseline_in_words
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import decimal, listed
from nephrograde.report.text.remarks import threshold_sentence
from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.evaluation.performance.metrics import Estimate
    from nephrograde.results import Results

PROPORTIONS = ("accuracy", "sensitivity", "specificity", "ppv", "npv")
CALIBRATION = ("brier", "calibration_intercept", "calibration_slope", "ece")


def computed(run: Results) -> dict[str, list[tuple[str, Estimate]]]:
    """Models and estimates by measure, for those estimates of the reported predictions that could be computed."""
    found: dict[str, list[tuple[str, Estimate]]] = {}
    reported = run.reported
    for model, split, estimate in run.estimates:
        if split == reported and not math.isnan(estimate.value):
            found.setdefault(estimate.measure, []).append((model, estimate))
    return found


def measure_text(measure: str) -> str:
    """The name of a measure in the language of the page; an unknown one is returned unchanged.

    >>> measure_text("ppv"), measure_text("f1")
    ('positive predictive value', 'f1')
    """
    known = {
        "auc": t("area under the ROC curve (AUC)"),
        "auc_delong": t("AUC, plain DeLong interval"),
        "auc_ledell": t("AUC, LeDell’s plain interval"),
        "auc_pooled": t("AUC, pooled over the folds"),
        "auc_bootstrap": t("AUC, bootstrap interval"),
        "accuracy": t("accuracy"),
        "sensitivity": t("sensitivity"),
        "specificity": t("specificity"),
        "ppv": t("positive predictive value"),
        "npv": t("negative predictive value"),
        "brier": t("Brier score"),
        "calibration_intercept": t("calibration intercept"),
        "calibration_slope": t("calibration slope"),
        "ece": t("expected calibration error"),
        "tp": t("correctly called high"),
        "fp": t("wrongly called high"),
        "tn": t("correctly called low"),
        "fn": t("wrongly called low"),
        "threshold": t("threshold"),
    }
    return known.get(measure, measure)


def baselines(run: Results) -> str:
    """The baselines that the networks are compared with."""
    if run.study is None:
        return ""
    scored = [baseline_in_words(name) for name in BASELINES if name in run.scores.models]
    if not scored:
        return ""
    if run.reported == "test":
        return t(
            "Baselines, each a logistic regression fitted in the same folds and evaluated on the same "
            "test patients: {names}.",
            names=listed(scored),
        )
    return t(
        "Baselines, each a logistic regression fitted in the same folds and evaluated on the same patients: {names}.",
        names=listed(scored),
    )


def thresholds(run: Results) -> str:
    """How the threshold of each model was chosen."""
    rules: dict[str, list[str]] = {}
    for model in dict.fromkeys(name for name, _ in computed(run).get("threshold", [])):
        threshold = run.threshold(model)
        if threshold is not None:
            words = t("{model} {value}", model=model, value=decimal(threshold.value))
            rules.setdefault(threshold_sentence(threshold), []).append(words)
    if not rules:
        return ""
    shown = [t("{rule} ({models})", rule=rule, models=listed(models)) for rule, models in rules.items()]
    if run.reported == "test":
        return t(
            "A patient was called high if the probability was at or above the model’s threshold, which "
            "was chosen without the test patients: {rules}.",
            rules=in_turn(shown),
        )
    called = t(
        "A patient was called high if the probability was at or above the model’s threshold: {rules}.",
        rules=in_turn(shown),
    )
    return as_text([called, out_of_fold_words(run).calls])


def thresholds_apart(run: Results) -> str:
    """How the threshold of each model was chosen; empty if that was not done without the patients of the results."""
    return thresholds(run) if run.reported == "test" else ""


def measures(run: Results) -> str:
    """The measures that were computed, and their intervals."""
    found = computed(run)
    parts = []
    if "auc" in found:
        parts.append(_auc_by_fold() if "auc_pooled" in found else _auc_interval(found["auc"], run))
    if "auc_bootstrap" in found:
        parts.append(_bootstrap(found["auc_bootstrap"], run))
    if shares := [measure_text(measure) for measure in PROPORTIONS if measure in found]:
        parts.append(t("{shares} with Wilson’s score interval", shares=listed(shares)))
    if not parts:
        return ""
    return t("Measures, with {percent}% intervals: {parts}.", percent=run.confidence_percent, parts=in_turn(parts))


def _auc_by_fold() -> str:
    return t("mean area under the ROC curve (AUC) of the folds with LeDell’s interval on the logit scale")


def _auc_interval(estimates: Iterable[tuple[str, Estimate]], run: Results) -> str:
    whole = t("area under the ROC curve (AUC)")
    auc = whole if run.reported == "test" else t("{auc} pooled over the folds", auc=whole)
    if any(estimate.caution is Caution.SCORE_INTERVAL for _, estimate in estimates):
        return t(
            "{auc} with DeLong’s interval on the logit scale, or Newcombe’s method 5 where the AUC had no variance",
            auc=auc,
        )
    return t("{auc} with DeLong’s interval on the logit scale", auc=auc)


def _bootstrap(estimates: Iterable[tuple[str, Estimate]], run: Results) -> str:
    auc = "AUC" if run.reported == "test" else t("{auc} pooled over the folds", auc="AUC")
    drawn = {estimate.replicates for _, estimate in estimates if estimate.replicates is not None}
    if not drawn:
        return t("{auc} with an interval from a bootstrap over patients, stratified by class", auc=auc)
    return t(
        "{auc} with an interval from a bootstrap over patients, stratified by class, with {n} replicates",
        auc=auc,
        n=listed([str(count) for count in sorted(drawn)]),
    )


def calibration(run: Results) -> str:
    """How calibration was assessed."""
    found = computed(run)
    names = [measure_text(measure) for measure in CALIBRATION if measure in found]
    drawn, held_back = calibration_curves(run)
    if drawn and held_back:
        names.append(t("a smoothed calibration curve of {models}", models=listed(drawn)))
    elif drawn:
        names.append(t("a smoothed calibration curve"))
    return t("Calibration was described by {names}.", names=listed(names)) if names else ""


def net_benefit(run: Results) -> str:
    """The threshold probabilities of the net benefit."""
    points = run.net_benefit
    if not points:
        return ""
    return t(
        "Net benefit (decision curve) was computed for threshold probabilities from {low} to {high} "
        "and compared with calling everyone high and calling no one high.",
        low=f"{min(point.threshold for point in points):g}",
        high=f"{max(point.threshold for point in points):g}",
    )


def comparisons(run: Results) -> str:
    """The tests that compare two models."""
    compared = dict.fromkeys(pair.measure for pair in run.comparisons if not math.isnan(pair.p_value))
    if not compared:
        return ""
    is_within_folds = run.reported == "oof" and is_by_fold(run)
    tests = []
    if "auc" in compared:
        within = t("AUC by DeLong’s paired test within folds")
        tests.append(within if is_within_folds else t("AUC by DeLong’s paired test"))
    if calls := [measure_text(measure) for measure in PROPORTIONS if measure in compared]:
        tests.append(t("{calls} by McNemar’s exact test with Tango’s score interval", calls=listed(calls)))
    named = run.settings.primary
    return as_text(
        [
            t("Models were compared in pairs on the patients that both had scored: {tests}.", tests=in_turn(tests)),
            t("P values and intervals of differences hold for the models as fitted only.")
            if run.reported == "oof"
            else "",
            t("No primary comparison was named beforehand, so all comparisons are exploratory.")
            if named is None
            else t("The primary comparison, named beforehand, was the AUC of {a} against {b}.", a=named[0], b=named[1]),
            family_sentence(run),
        ]
    )


def equivalence(run: Results) -> str:
    """The margin of the tests for equivalence and non-inferiority."""
    margins = sorted({pair.margin for pair in run.equivalences})
    if not margins:
        return ""
    return t(
        "Non-inferiority and equivalence of AUCs were tested with a margin of {margin} by two one-sided tests, each "
        "at 2.5%, on the 95% interval of the difference (MOVER, from the intervals of both AUCs and their "
        "correlation); no verdict was given with fewer than 30 patients of a class, or with an AUC above 0.95 "
        "and a class of fewer than 15% of the patients.",
        margin=listed([f"{margin:g}" for margin in margins]),
    )


def detectable_differences(run: Results) -> str:
    """The smallest difference that the patients could have shown."""
    pairs = [pair for pair in run.equivalences if not math.isnan(pair.detectable)]
    if not pairs:
        return ""
    low = decimal(min(pair.detectable for pair in pairs))
    high = decimal(max(pair.detectable for pair in pairs))
    if low == high:
        return t(
            "The run did not compute a sample size in advance. With these patients, the smallest "
            "difference in AUC detectable with 80% power is {value}.",
            value=low,
        )
    return t(
        "The run did not compute a sample size in advance. With these patients, the smallest "
        "difference in AUC detectable with 80% power is between {low} and {high}, depending on the pair of models.",
        low=low,
        high=high,
    )


def repeats(run: Results) -> str:
    """What was fitted again, with other folds, other seeds, or on fewer patients."""
    rows = run.repeats
    drawings, seeds = len({row.drawing for row in rows}), len({row.seed for row in rows})
    shares = sorted({row.share for row in rows if row.share < 1.0})
    parts = []
    if drawings > 1:
        parts.append(
            t(
                "Cross-validation was repeated with {n} drawings of the folds; models were compared over all folds by "
                "the corrected resampled t-test (Nadeau and Bengio 2003).",
                n=drawings,
            )
        )
    if seeds > 1:
        parts.append(t("Networks were fitted with {n} seeds; all results are those of the first.", n=seeds))
    if shares:
        percent = listed([f"{100 * share:g}%" for share in shares])
        parts.append(
            t(
                "For learning curves, all models were also fitted on {shares} of the training patients of each fold, "
                "and an inverse power law was fitted to the out-of-fold AUC (Figueroa 2012).",
                shares=percent,
            )
            if has_power_law(run)
            else t(
                "For learning curves, all models were also fitted on {shares} of the training patients of each fold.",
                shares=percent,
            )
        )
    return as_text(parts) if parts else ""


def ladder(run: Results) -> str:
    """How the levels of supervision were compared, and what their annotation was taken to cost."""
    rungs = out_of_fold_rungs(run)
    if not rungs:
        return ""
    levels = dict.fromkeys(row.supervision for row in sorted(rungs, key=lambda row: row.supervision.cost))
    return as_text(
        [
            t(
                "To find how little annotation is enough, networks of {n} levels of supervision ({levels}) were "
                "compared out of fold, within folds, with the network of the most expensive level on the same phase: "
                "non-inferiority with a margin of {margin}, P adjusted by Holm’s method as a family of its own.",
                n=len(levels),
                levels=listed([supervision_words(level) for level in levels]),
                margin=f"{rungs[0].margin:g}",
            ),
            minutes_sources(rungs),
        ]
    )


def subgroups(run: Results) -> str:
    """Columns that define subgroups."""
    rows = run.subgroups
    columns = list(dict.fromkeys(row.column for row in rows))
    if not columns:
        return ""
    first = t("The AUC was also estimated in subgroups by {columns}.", columns=listed(columns))
    is_tested = any(not math.isnan(row.p_interaction) for row in rows)
    return as_text([first, t("Differences between subgroups were tested.") if is_tested else ""])


def openings(run: Results) -> str:
    """How often the test set was opened."""
    count = len(run.openings)
    if not count:
        return ""
    if count == 1:
        return t("The test set was opened once (ledger.csv).")
    return t(
        "The test set was opened {n} times; the time and reason of each opening are recorded in ledger.csv.", n=count
    )
