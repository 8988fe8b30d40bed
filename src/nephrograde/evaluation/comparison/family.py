"""Families of comparisons: pairs of models that ask the same question, and whose P values are adjusted together."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from nephrograde.vocabulary import BASELINES

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

Arms: TypeAlias = "Mapping[str, tuple[str, str]]"
"""The arm and the phase of each network of a study, by model id."""
Primary: TypeAlias = tuple[str, ...]
"""The two models of the primary comparison."""


class Family(StrEnum):
    """The question that a pair of models asks."""

    PRIMARY = "primary"
    SUPERVISION = "supervision"
    PHASE = "phase"
    BASELINE = "baseline"
    OTHER = "other"


def family_of(model_a: str, model_b: str, *, measure: str, arms: Arms, primary: Primary | None = None) -> Family:
    """Tell to which family the comparison of two models belongs.

    Only the AUC of the two models that were named beforehand is the primary comparison; their other measures are
    secondary.

    Args:
        model_a: The id of one model.
        model_b: The id of the other.
        measure: What is compared, such as ``auc``.
        arms: The arm and the phase of each network; models that are not there are compared as "other".
        primary: The two models of the primary comparison, in any order; None if none was named.

    Returns:
        "supervision" for two arms on one phase, "phase" for one arm on two phases, "baseline" for a network against a
        baseline, and "other" for the rest.

    >>> arms = {"weak-1-cmp": ("weak-1", "cmp"), "strong-cmp": ("strong", "cmp"), "weak-1-np": ("weak-1", "np")}
    >>> [family_of("weak-1-cmp", b, measure="auc", arms=arms).value for b in ("strong-cmp", "weak-1-np", "size")]
    ['supervision', 'phase', 'baseline']
    """
    if primary is not None and measure == "auc" and {model_a, model_b} == set(primary):
        return Family.PRIMARY
    baselines = (model_a in BASELINES) + (model_b in BASELINES)
    if baselines:
        return Family.BASELINE if baselines == 1 else Family.OTHER
    if model_a not in arms or model_b not in arms:
        return Family.OTHER
    (arm_a, phase_a), (arm_b, phase_b) = arms[model_a], arms[model_b]
    if phase_a == phase_b:
        return Family.SUPERVISION
    return Family.PHASE if arm_a == arm_b else Family.OTHER


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p values of one family of tests by Holm's method.

    Args:
        p_values: NaN for tests that were not computed; these are ignored.

    Returns:
        The adjusted p values in the same order; NaN stays NaN.

    Source:
        Holm 1979. The same numbers as those of statsmodels, which collects garbage in all memory at every call.

    >>> [round(p, 6) for p in holm([0.01, 0.04, float("nan"), 0.03])]
    [0.03, 0.06, nan, 0.06]
    """
    computed = [k for k, p in enumerate(p_values) if not math.isnan(p)]
    adjusted = [math.nan] * len(p_values)
    highest = 0.0
    for rank, k in enumerate(sorted(computed, key=lambda k: p_values[k])):
        highest = max(highest, float(p_values[k]) * (len(computed) - rank))
        adjusted[k] = min(highest, 1.0)
    return adjusted


def adjust_in_families(p_values: Sequence[float], families: Sequence[Hashable]) -> list[tuple[float, int | None]]:
    """Adjust p values by Holm's method, each within the family of its test.

    Args:
        p_values: NaN for tests that were not computed; these are ignored.
        families: The family of each test, in the same order.

    Returns:
        The adjusted p value of each test with the number of computed tests of its family; NaN and None for one that was
        not computed.

    >>> adjust_in_families([0.01, 0.04, 0.03, float("nan")], ["a", "a", "b", "b"])
    [(0.02, 2), (0.04, 2), (0.03, 1), (nan, None)]
    """
    members: dict[Hashable, list[int]] = {}
    for k, family in enumerate(families):
        members.setdefault(family, []).append(k)
    found: list[tuple[float, int | None]] = [(math.nan, None)] * len(p_values)
    for own in members.values():
        adjusted = holm([p_values[k] for k in own])
        size = sum(not math.isnan(p) for p in adjusted)
        for k, p in zip(own, adjusted, strict=True):
            found[k] = (p, None if math.isnan(p) else size)
    return found
