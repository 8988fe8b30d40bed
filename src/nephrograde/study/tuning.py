"""``[tune]``: which settings of training are chosen inside the training patients, and within which limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import Field, field_validator, model_validator

from nephrograde.study.section import Count, Positive, Section

if TYPE_CHECKING:
    from nephrograde.study.settings import AugmentSettings, FitSettings

Tunable: TypeAlias = Literal["learning_rate", "weight_decay", "epochs", "batch_size", "augmentation"]
"""What can be tuned: keys of ``[fit]``, and the strength of augmentation, a factor on ``[augment]``."""
BatchSize = Annotated[int, Field(ge=2)]
Strength = Annotated[float, Field(ge=0, le=4)]

MOST_TRIALS = 10_000
"""More trials than anyone can wait for are a typing error."""
STRENGTH_AS_GIVEN = 1.0
"""The factor that leaves ``[augment]`` as it is."""

_TIMES_RATE = 10.0
_TIMES_COUNT = 2
_STRONGEST = 2.0
_WIDTHS = ("rotate_deg", "shift", "scale", "contrast", "brightness", "noise")
_MOST_DEG = 180.0
_MOST_SHARE = 0.99


@dataclass(frozen=True, slots=True)
class Span:
    """Between which values one setting is searched.

    Attributes:
        low: The lowest value.
        high: The highest value.
        is_whole: Whether only whole numbers count.
        is_log: Whether the search is even in the logarithm.
    """

    low: float
    high: float
    is_whole: bool = False
    is_log: bool = False

    def nearest(self, value: float) -> float:
        """Return the value within the span that is nearest to this one.

        >>> Span(1.0, 2.0).nearest(3.0)
        2.0
        """
        return min(max(value, self.low), self.high)


class TuneSettings(Section):
    """``[tune]``: how ``nephrograde tune`` chooses settings of training for each fold from its learning patients.

    ``values`` lists what is tuned. Each of them is searched between two limits: a key of the same name sets them, as in
    ``learning_rate = [1e-4, 1e-2]``. By default the limits are a tenth and ten times the arm's own ``learning_rate``
    and ``weight_decay``, half and double its ``epochs`` and ``batch_size``, and 0 and 2 for ``augmentation``, a factor
    on all widths of ``[augment]``. Each of the ``trials`` is fitted in a cross-validation with ``folds`` inner folds,
    drawn from ``seed`` by patient and grade.
    """

    place = ("tune",)

    values: Annotated[tuple[Tunable, ...], Field(min_length=1)] = get_args(Tunable)
    trials: Annotated[int, Field(ge=2, le=MOST_TRIALS)] = 20
    folds: Annotated[int, Field(ge=2, le=20)] = 3
    seed: Annotated[int, Field(ge=0)] = 20260415
    learning_rate: tuple[Positive, Positive] | None = None
    weight_decay: tuple[Positive, Positive] | None = None
    epochs: tuple[Count, Count] | None = None
    batch_size: tuple[BatchSize, BatchSize] | None = None
    augmentation: tuple[Strength, Strength] | None = None

    @field_validator("values")
    @classmethod
    def _values_differ(cls, values: tuple[Tunable, ...]) -> tuple[Tunable, ...]:
        if len(set(values)) < len(values):
            raise ValueError("lists one value twice")
        return values

    @model_validator(mode="after")
    def _limits_ascend(self) -> Self:
        for name in get_args(Tunable):
            limits = getattr(self, name)
            if limits is not None and not limits[0] < limits[1]:
                raise ValueError(f"{name} must run from a lower to a higher limit, not from {limits[0]} to {limits[1]}")
            if limits is not None and name not in self.values:
                raise ValueError(f"{name} has limits, but values does not list it")
        return self

    def of_trials(self) -> dict[str, Any]:
        """Return what a trial depends on; more trials can be added to those that are finished."""
        return self.model_dump(mode="json", exclude={"trials"})


def spans_of(tune: TuneSettings, fit: FitSettings, augment: AugmentSettings) -> dict[str, Span]:
    """Return between which values each setting of an arm is searched.

    What cannot have an effect is left out: a ``weight_decay`` of 0 without limits of its own, and the strength of an
    augmentation that is switched off.

    Args:
        tune: ``[tune]``.
        fit: ``[fit]`` with the arm's own keys.
        augment: ``[augment]``.

    >>> from nephrograde.study import AugmentSettings, FitSettings
    >>> spans = spans_of(TuneSettings(epochs=(5, 9)), FitSettings(batch_size=8), AugmentSettings())
    >>> [(name, span.low, span.high) for name, span in spans.items() if span.is_whole]
    [('epochs', 5, 9), ('batch_size', 4, 16)]
    """
    has_widths = any(getattr(augment, name) for name in _WIDTHS)
    defaults: dict[str, tuple[float, float] | None] = {
        "learning_rate": (fit.learning_rate / _TIMES_RATE, fit.learning_rate * _TIMES_RATE),
        "weight_decay": (fit.weight_decay / _TIMES_RATE, fit.weight_decay * _TIMES_RATE) if fit.weight_decay else None,
        "epochs": (max(1, fit.epochs // _TIMES_COUNT), fit.epochs * _TIMES_COUNT),
        "batch_size": (max(2, fit.batch_size // _TIMES_COUNT), fit.batch_size * _TIMES_COUNT),
        "augmentation": (0.0, _STRONGEST),
    }
    spans: dict[str, Span] = {}
    for name in tune.values:
        limits: tuple[float, float] | None = getattr(tune, name) or defaults[name]
        if limits is not None and (name != "augmentation" or has_widths):
            low, high = limits
            is_whole = name in {"epochs", "batch_size"}
            spans[name] = Span(low, high, is_whole=is_whole, is_log=name not in {"epochs", "augmentation"})
    return spans


def own_values(spans: dict[str, Span], fit: FitSettings) -> dict[str, float]:
    """Return the study's own values, each within its span: those of the first trial.

    Args:
        spans: From :func:`spans_of`.
        fit: ``[fit]`` with the arm's own keys.
    """
    given = {name: STRENGTH_AS_GIVEN if name == "augmentation" else getattr(fit, name) for name in spans}
    return {name: spans[name].nearest(value) for name, value in given.items()}


def scaled(augment: AugmentSettings, strength: float) -> AugmentSettings:
    """Multiply all widths of an augmentation, each up to the most that ``[augment]`` allows.

    Args:
        augment: ``[augment]``.
        strength: The factor; 0 leaves only mirroring.

    >>> from nephrograde.study import AugmentSettings
    >>> scaled(AugmentSettings(rotate_deg=100), 2.0).rotate_deg
    180.0
    """
    most = {name: _MOST_DEG if name == "rotate_deg" else _MOST_SHARE for name in _WIDTHS}
    widths = {name: min(getattr(augment, name) * strength, most[name]) for name in _WIDTHS}
    return augment if strength == STRENGTH_AS_GIVEN else augment.model_copy(update=widths)
