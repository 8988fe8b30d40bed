"""Relations between printed values that hold for any number of patients, and so can be refuted without a search.

The accuracy is the weighted mean of sensitivity and specificity; so it lies between them. F1, Youden's index, the
likelihood ratios and the odds ratio follow from other measures. What breaks such a relation cannot come from one
table, however many patients there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

from nephrograde.printed.measures import AVERAGED
from nephrograde.printed.numbers import Rounding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nephrograde.printed.values import Printed

Ends: TypeAlias = tuple[Fraction, Fraction]

BETWEEN = {
    "accuracy": (("sensitivity", "specificity"), ("ppv", "npv")),
    "f1": (("ppv", "sensitivity"),),
}
"""Measures that are a mean of two others: strictly between them, or all three equal."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Printed values that no table of any number of patients yields together.

    Attributes:
        code: Names the relation: ``between``, ``derived``, ``auc-too-low`` or ``auc-too-high``.
        measure: The value that cannot occur.
        others: The printed values that exclude it.
        low: The lowest value that these allow; None if there is no limit.
        high: The highest value that these allow; None if there is no limit.
    """

    code: str
    measure: str
    others: tuple[str, ...]
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the contradiction in its JSON form."""
        return {
            "code": self.code,
            "measure": self.measure,
            "others": list(self.others),
            "low": self.low,
            "high": self.high,
        }


def contradictions(printed: Printed) -> tuple[Contradiction, ...]:
    """Find the printed values that contradict others for any number of patients, under every rounding rule.

    Args:
        printed: The model. Of means over tables, only measures that are linear in the counts are examined.

    >>> from nephrograde.printed.reading import parse_printed
    >>> values = {"n": "90", "accuracy": "0.900", "sensitivity": "0.857", "specificity": "0.860"}
    >>> [(found.code, found.measure) for found in contradictions(parse_printed(values))]
    [('between', 'accuracy')]
    """
    windows = [
        {measure: number.window(rounding).ends for measure, number in printed.values.items()} for rounding in Rounding
    ]
    found = [*_outside(printed, windows), *_not_derived(printed, windows)]
    if printed.folds > 1:
        return tuple(each for each in found if each.code == "derived" and each.measure in AVERAGED)
    if printed.mean_of > 1:
        return tuple(each for each in found if {each.measure, *each.others} <= set(AVERAGED))
    return (*found, *_auc_off_the_curve(printed, windows))


def _outside(printed: Printed, windows: list[dict[str, Ends]]) -> Iterator[Contradiction]:
    for measure, pairs in BETWEEN.items():
        for one, other in pairs:
            if not {measure, one, other} <= printed.values.keys():
                continue
            if not any(_can_be_between(ends[measure], ends[one], ends[other]) for ends in windows):
                limits = [printed.values[name].value for name in (one, other)]
                yield Contradiction("between", measure, (one, other), min(limits), max(limits))


def _can_be_between(middle: Ends, one: Ends, other: Ends) -> bool:
    if max(middle[0], one[0], other[0]) <= min(middle[1], one[1], other[1]):
        return True  # all three can be equal
    return any(
        max(low[0], middle[0]) < min(high[1], middle[1]) and low[0] < high[1]
        for low, high in ((one, other), (other, one))
    )


def _youden(of: Mapping[str, Ends]) -> Ends:
    sensitivity, specificity = of["sensitivity"], of["specificity"]
    return sensitivity[0] + specificity[0] - 1, sensitivity[1] + specificity[1] - 1


def _balanced(of: Mapping[str, Ends]) -> Ends:
    low, high = _youden(of)
    return (low + 1) / 2, (high + 1) / 2


def _lr_plus(of: Mapping[str, Ends]) -> Ends:
    sensitivity, specificity = of["sensitivity"], of["specificity"]
    return _ratio(sensitivity, (1 - specificity[1], 1 - specificity[0]))


def _lr_minus(of: Mapping[str, Ends]) -> Ends:
    sensitivity, specificity = of["sensitivity"], of["specificity"]
    return _ratio((1 - sensitivity[1], 1 - sensitivity[0]), specificity)


def _dor(of: Mapping[str, Ends]) -> Ends:
    return _ratio(of["lr_plus"], of["lr_minus"])


def _ratio(top: Ends, bottom: Ends) -> Ends:
    """Limit a ratio of two values of 0 or more; a negative upper limit stands for none."""
    low = max(top[0], Fraction(0)) / bottom[1] if bottom[1] > 0 else Fraction(0)
    high = top[1] / bottom[0] if bottom[0] > 0 and top[1] >= 0 else Fraction(-1)
    return low, high


_DERIVED: dict[str, tuple[tuple[str, ...], Callable[[Mapping[str, Ends]], Ends]]] = {
    "youden": (("sensitivity", "specificity"), _youden),
    "balanced_accuracy": (("sensitivity", "specificity"), _balanced),
    "lr_plus": (("sensitivity", "specificity"), _lr_plus),
    "lr_minus": (("sensitivity", "specificity"), _lr_minus),
    "dor": (("lr_plus", "lr_minus"), _dor),
}


def _not_derived(printed: Printed, windows: list[dict[str, Ends]]) -> Iterator[Contradiction]:
    for measure, (others, derive) in _DERIVED.items():
        if not {measure, *others} <= printed.values.keys():
            continue
        allowed = [derive(ends) for ends in windows]
        unbounded = measure not in {"youden", "balanced_accuracy"}
        if not any(
            low <= ends[measure][1] and (ends[measure][0] <= high or (unbounded and high < 0))
            for (low, high), ends in zip(allowed, windows, strict=True)
        ):
            highest = max(high for _, high in allowed)
            is_open = unbounded and any(high < 0 for _, high in allowed)
            yield Contradiction(
                "derived", measure, others, float(min(low for low, _ in allowed)), None if is_open else float(highest)
            )


def _auc_off_the_curve(printed: Printed, windows: list[dict[str, Ends]]) -> Iterator[Contradiction]:
    """The ROC curve passes through the operating point, which limits the area under it."""
    others = ("sensitivity", "specificity")
    if not {"auc", *others} <= printed.values.keys():
        return
    lowest = [max(of["sensitivity"][0], Fraction(0)) * max(of["specificity"][0], Fraction(0)) for of in windows]
    none = Fraction(0)
    highest = [1 - max(1 - of["sensitivity"][1], none) * max(1 - of["specificity"][1], none) for of in windows]
    if all(of["auc"][1] < low for of, low in zip(windows, lowest, strict=True)):
        yield Contradiction("auc-too-low", "auc", others, float(min(lowest)), None)
    if all(of["auc"][0] > high for of, high in zip(windows, highest, strict=True)):
        yield Contradiction("auc-too-high", "auc", others, None, float(max(highest)))
