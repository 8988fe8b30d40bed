"""Sentences for the checklists on results; a number without its interval is not told."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nephrograde.evaluation.baselines.complete_cases import OF_COMPLETE, ON_COMPLETE
from nephrograde.report.methods.design_methods import in_turn
from nephrograde.report.methods.statistical_methods import computed
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import decimal, enumerated
from nephrograde.report.text.remarks import group_words
from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from nephrograde.evaluation.comparison.compare import Comparison
    from nephrograde.evaluation.performance.metrics import Estimate
    from nephrograde.results import Results


def performance(run: Results) -> str:
    """The AUC of every model with its interval; empty if one has no interval."""
    found = computed(run).get("auc", [])
    if not found or not all(_has_interval(estimate) for _, estimate in found):
        return ""
    shown = in_turn([f"{model} {_with_interval(estimate)}" for model, estimate in found])
    if run.reported == "test":
        return t("AUC on the test set ({percent}% interval): {models}.", percent=run.confidence_percent, models=shown)
    return t(
        "AUC on out-of-fold training predictions ({percent}% interval): {models}.",
        percent=run.confidence_percent,
        models=shown,
    )


def proportions(run: Results) -> str:
    """Sensitivity and specificity of every model with their intervals; empty if one has none."""
    found = computed(run)
    specific = dict(found.get("specificity", []))
    sensitive = found.get("sensitivity", [])
    if not sensitive or {model for model, _ in sensitive} != specific.keys():
        return ""
    if not all(_has_interval(estimate) for estimate in [*specific.values(), *(one for _, one in sensitive)]):
        return ""
    shown = [
        t(
            "{model} {sensitivity} and {specificity}",
            model=model,
            sensitivity=_with_interval(estimate),
            specificity=_with_interval(specific[model]),
        )
        for model, estimate in sensitive
    ]
    return t(
        "Sensitivity and specificity at the threshold ({percent}% interval): {models}.",
        percent=run.confidence_percent,
        models=in_turn(shown),
    )


def wrong_calls(run: Results) -> str:
    """The numbers of false positives and false negatives."""
    found = computed(run)
    negatives = {model: int(estimate.value) for model, estimate in found.get("fn", [])}
    shown = [
        t("{model} {fp} and {fn}", model=model, fp=int(estimate.value), fn=negatives[model])
        for model, estimate in found.get("fp", [])
        if model in negatives
    ]
    if not shown:
        return ""
    return t("Numbers of patients wrongly called high and wrongly called low: {models}.", models=in_turn(shown))


def against_baselines(run: Results) -> str:
    """The tests of the networks against baselines; empty unless every network was tested against one."""
    tested = [pair for pair in run.comparisons if pair.measure == "auc" and not math.isnan(pair.p_value)]
    pairs = [pair for pair in tested if (pair.model_a in BASELINES) != (pair.model_b in BASELINES)]
    networks = [model.name for model in run.models if not model.is_baseline]
    if not networks or any(not _pairs_of(name, pairs) for name in networks):
        return ""
    chosen = run.chosen_network or networks[0]
    shown = [
        t(
            "{a} minus {b} {difference} ({low} to {high})",
            a=pair.model_a,
            b=pair.model_b,
            difference=decimal(pair.difference),
            low=decimal(pair.low),
            high=decimal(pair.high),
        )
        for pair in _pairs_of(chosen, pairs)
    ]
    if run.study is None:
        return t("Every model was tested against the baselines; differences in AUC: {pairs}.", pairs=in_turn(shown))
    return t("Every network was tested against the baselines; differences in AUC: {pairs}.", pairs=in_turn(shown))


def subgroup_performance(run: Results) -> str:
    """The AUC in subgroups with its interval, of the network chosen out of fold and the baselines, or of all models.

    Empty if no subgroup has an interval.
    """
    rows = [row for row in run.subgroups if row.split == run.reported and not math.isnan(row.low)]
    models = {row.model for row in rows}
    if run.chosen_network in models:
        models &= {run.chosen_network, *BASELINES}
    found: dict[str, list[str]] = {}
    for row in rows:
        values = {"value": decimal(row.auc), "low": decimal(row.low), "high": decimal(row.high)}
        if row.model in models:
            found.setdefault(row.model, []).append(
                f"{row.column} {group_words(row.group)} {t('{value} ({low} to {high})', **values)}"
            )
    if not found:
        return ""
    shown = [t("{model}, {groups}", model=model, groups=enumerated(texts)) for model, texts in found.items()]
    return t("AUC in subgroups ({percent}% interval): {models}.", percent=run.confidence_percent, models=in_turn(shown))


def without_imputation(run: Results) -> str:
    """The clinical baseline with imputation and fitted to complete cases, on the same patients."""
    imputed = run.estimate("clinical", ON_COMPLETE)
    complete = run.estimate("clinical", OF_COMPLETE)
    if imputed is None or complete is None:
        return ""
    return t(
        "On the {n} patients without a missing value, the clinical baseline has an AUC of {imputed} with imputation "
        "and {complete} fitted to such patients alone.",
        n=complete.n,
        imputed=_with_interval(imputed),
        complete=_with_interval(complete),
    )


def _pairs_of(model: str, pairs: list[Comparison]) -> list[Comparison]:
    return [pair for pair in pairs if model in {pair.model_a, pair.model_b}]


def _has_interval(estimate: Estimate) -> bool:
    return not (math.isnan(estimate.low) or math.isnan(estimate.high))


def _with_interval(estimate: Estimate) -> str:
    return t(
        "{value} ({low} to {high})",
        value=decimal(estimate.value),
        low=decimal(estimate.low),
        high=decimal(estimate.high),
    )
