"""What the study file of a cohort table chooses, and why, in one line per choice."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal

from nephrograde.cohort.split import count_tested, split_problems
from nephrograde.sources.found_table import ENOUGH
from nephrograde.study import SplitSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from nephrograde.sources.found_table import FoundTable

SMALL_COHORT = 500
"""With fewer graded patients, a fold learns from fewer than about 280 of them. From up to 400 glands, the frozen
encoder had the highest mean AUC of all networks, from 950 none was ahead (``docs/explanation/few-patients.md``)."""
FEWEST_FROZEN = 20
"""With fewer of a grade, the inner folds that choose the penalty of the regression would be left with hardly any."""
FEWEST_TESTED = 10
"""With fewer test patients of a grade, the interval of an AUC spans about a third of its range or more."""
ENCODER = "efficientnet-lite0"
_FOLDS = (5, 4, 3, 2)
_FRACTIONS = (0.3, 0.4, 0.5)

_OF_PHASES = {"phases", "phases-ungraded", "phases-few", "left-out"}
_BETWEEN = {"en": ", ", "zh": "、"}


@cache
def sentences() -> dict[str, dict[str, str]]:
    """What can be said of a choice, by language (``choices.toml``)."""
    text = resources.files("nephrograde.sources").joinpath("choices.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that was chosen.

    Attributes:
        what: A key of :func:`sentences`.
        values: What its placeholders stand for; several values are listed.
    """

    what: str
    values: Mapping[str, int | str | tuple[str, ...]]

    @property
    def is_of_phases(self) -> bool:
        """Whether this is about the phases of the study."""
        return self.what in _OF_PHASES

    def text(self, language: Literal["en", "zh"]) -> str:
        """Say it in a language.

        >>> Choice("clinical", {"names": ("age_years", "sex")}).text("en")
        'Clinical baseline: age_years, sex are in the table.'
        """
        between = _BETWEEN[language].join
        values = {name: between(value) if isinstance(value, tuple) else value for name, value in self.values.items()}
        return sentences()[language][self.what].format(**values)


@dataclass(frozen=True, slots=True)
class Choices:
    """The study of a cohort table.

    Attributes:
        level: The costliest annotation that enough patients have: mask, box, point, slice or none.
        weak_phases: The phases that the weak arms see; empty: all of the study.
        strong_phases: Those of the strong arm, likewise.
        frozen: Whether there is an arm of a frozen encoder.
        folds: Number of folds.
        test_fraction: The fraction of patients that are tested.
        split_column: Whether the table names the test patients.
        reasons: One for each choice.
    """

    level: str
    weak_phases: tuple[str, ...]
    strong_phases: tuple[str, ...]
    frozen: bool
    folds: int
    test_fraction: float
    split_column: bool
    reasons: tuple[Choice, ...]


def choose(found: FoundTable, has_encoder: Callable[[], bool]) -> Choices:
    """Choose phases, arms, split and baselines for a cohort table.

    Args:
        found: What the table holds.
        has_encoder: Says whether the frozen encoder is installed; asked only where an arm of it makes sense.
    """
    level = next((kind for kind, phases in found.marked.items() if phases), "none")
    weak = found.marked["box" if level == "mask" else level] if level != "none" else ()
    strong = found.marked["mask"] if level == "mask" else ()
    is_small = found.n_graded < SMALL_COHORT and found.n_rarer >= FEWEST_FROZEN
    frozen = is_small and level in {"mask", "box"} and has_encoder()
    folds, fraction, of_split = _split(found)
    arms = _of_readers(found)
    arms += [Choice(level, {"n": found.n_marked[level]} if level != "none" else {})]
    if level != "none" and weak != found.phases:
        arms.append(Choice("marked-phases", {"phases": weak}))
    if frozen:
        arms.append(Choice("frozen", {"n": found.n_graded, "encoder": ENCODER}))
    return Choices(
        level=level,
        weak_phases=() if weak == found.phases else weak,
        strong_phases=() if strong == found.phases else strong,
        frozen=frozen,
        folds=folds,
        test_fraction=fraction,
        split_column=found.split is not None,
        reasons=(*_of_phases(found), *arms, *of_split, *_of_table(found)),
    )


def _of_phases(found: FoundTable) -> list[Choice]:
    def counts(phases: Iterable[str]) -> tuple[str, ...]:
        return tuple(f"{phase} {found.n_images[phase]}" for phase in phases)

    enough = max(min(ENOUGH, found.n_low, found.n_graded - found.n_low), 1)
    what = "phases" if found.n_rarer else "phases-few" if found.n_graded else "phases-ungraded"
    chosen = [Choice(what, {"counts": counts(found.phases), "enough": enough})]
    if found.left_out:
        chosen.append(Choice("left-out", {"counts": counts(found.left_out), "enough": enough}))
    return chosen


def _of_readers(found: FoundTable) -> list[Choice]:
    labels = found.labels

    def files(paths: Iterable[Path]) -> tuple[str, ...]:
        return tuple(path.relative_to(found.table_path.parent).as_posix() for path in paths)

    counts = {"n": len(labels.by_patient), "patients": found.n_patients}
    reasons = []
    if labels.used:
        what = "labels" if len(labels.used) == 1 else "several-readers"
        reasons.append(Choice(what, {"files": files(labels.used), **counts}))
    if labels.replaced:
        reasons.append(Choice("replaced-labels", {"files": files(labels.replaced)}))
    if labels.empty:
        reasons.append(Choice("empty-labels", {"files": files(labels.empty)}))
    return reasons


def _split(found: FoundTable) -> tuple[int, float, list[Choice]]:
    """The number of folds and the fraction of test patients, the defaults where they are possible; and why."""
    usual = SplitSettings()
    n_low, n_high = found.n_low, found.n_graded - found.n_low
    if not found.n_graded:
        what = "no-grades" if found.has_outcome else "no-grade-column"
        return usual.folds, usual.test_fraction, [Choice(what, {"heading": found.outcome})]
    counts = found.split or {("", False): n_low, ("", True): n_high}
    named = {f"{name}{high}{k}": name for (name, high), n in counts.items() for k in range(n)}
    is_high = {f"{name}{high}{k}": high for (name, high), n in counts.items() for k in range(n)}
    column = named if found.split else None
    tried = ((folds, fraction) for folds in _FOLDS for fraction in _FRACTIONS)
    possible = (SplitSettings(folds=folds, test_fraction=fraction) for folds, fraction in tried)
    chosen = next((one for one in possible if not split_problems(is_high, one, column)), None)
    if chosen is None:
        return usual.folds, usual.test_fraction, [Choice("no-split", {"low": n_low, "high": n_high})]
    low, high = count_tested(is_high, chosen, column)
    values = {"test": low + high, "n": len(is_high), "high": high, "folds": chosen.folds}
    reasons = [Choice("split-column" if column else "split", values)]
    if chosen.folds != usual.folds:
        reasons.append(Choice("folds", {"folds": chosen.folds, "left": min(n_low - low, n_high - high)}))
    if min(low, high) < FEWEST_TESTED:
        reasons.append(Choice("few-tested", {}))
    return chosen.folds, chosen.test_fraction, reasons


def _of_table(found: FoundTable) -> list[Choice]:
    names = tuple(name for name in found.clinical if name != "centre")
    clinical = Choice("clinical", {"names": names}) if names else Choice("no-clinical", {})
    left_out = [
        Choice(
            "not-numbers",
            {
                "name": one.name,
                "heading": one.heading,
                "n": one.n_others,
                "m": one.n_cells,
                "row": one.row,
                "cell": one.cell,
            },
        )
        for one in found.not_numbers
    ]
    return [clinical, *left_out, *[Choice("synthetic", {})] * found.is_synthetic]
