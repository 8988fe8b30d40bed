"""Sentences on how the probabilities of the networks become those of a run's scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.tables.wording import level_words
from nephrograde.report.text.language import t
from nephrograde.report.text.numbers import decimal

if TYPE_CHECKING:
    from nephrograde.evaluation.scores.scale import ModelScale
    from nephrograde.results import Results

EVEN = 0.5
"""A network that learnt from as many patients of either grade has a correction of 0."""


def prior_correction(run: Results) -> str:
    """Which prevalence networks of balanced batches were corrected for; empty if there are none."""
    balanced = _balanced(run)
    shares = [
        round(100 * row.prevalence)
        for scale in _scales(run)
        for row in scale.networks
        if row.prior_shift or (row.prevalence == EVEN and row.model in balanced)
    ]
    if not shares:
        return ""
    low, high = min(shares), max(shares)
    return t(
        "Before everything else, the probabilities of networks trained on balanced batches were corrected for the "
        "share of {high} patients among those that each network had learnt from ({percent}%; Saerens 2002).",
        high=level_words(run)[1],
        percent=f"{low}" if low == high else f"{low}–{high}",
    )


def common_scale(run: Results) -> str:
    """How single networks and their mean were brought to one scale; empty if the run has no networks."""
    stretches = [scale.ensemble.slope for scale in _scales(run)]
    if not stretches:
        return ""
    low, high = decimal(min(stretches), 2), decimal(max(stretches), 2)
    return t(
        "The log odds of a model’s networks were brought to a common level and spread and calibrated by one intercept "
        "and one slope on the out-of-fold patients (on whom their calibration is therefore optimistic); their mean was "
        "stretched about the base rate (factor {factor}), because averaging narrows it, so that a threshold means the "
        "same for one network and for the mean. The truth of test patients played no part in this.",
        factor=low if low == high else f"{low}–{high}",
    )


def _balanced(run: Results) -> set[str]:
    """The models whose batches were balanced."""
    if run.study is None:
        return set()
    models = run.study.models()
    return {one.id for one in models if one.arm.encoder is None and run.study.fit_of(one.arm).balanced}


def _scales(run: Results) -> list[ModelScale]:
    names = [model.id for model in run.study.models() if model.has_networks] if run.study is not None else []
    return [scale for name in names if (scale := run.scale(name)) is not None]
