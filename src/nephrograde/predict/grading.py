"""The answer for one scan."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nephrograde.vocabulary import RESEARCH_USE_ONLY, phase_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.vocabulary import Triple


@dataclass(frozen=True, slots=True)
class Grading:
    """The answer for one scan: the probability of high grade, the call, and what was read.

    ``p_high`` is the mean of the folds' networks; ``p_high_of_folds`` shows their spread. ``call`` compares it with
    the threshold that the run froze on out-of-fold training scores. Of exported pictures there is no ``spacing_mm``,
    ``size`` ends with how many they are, and ``center_mm`` is counted from the corner of the first one shown.
    """

    model: str
    phase: str
    p_high: float
    p_high_of_folds: tuple[float, ...]
    call: str
    threshold: float
    threshold_rule: str
    image: str
    size: tuple[int, int, int]
    spacing_mm: Triple | None
    center_mm: Triple
    slices: tuple[int, ...]
    warnings: tuple[str, ...]
    synthetic: bool
    research_use_only: str = RESEARCH_USE_ONLY

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return asdict(self)

    def as_text(self) -> str:
        """Everything, for people."""
        low, high = min(self.p_high_of_folds), max(self.p_high_of_folds)
        trained = " (trained on SYNTHETIC data)" if self.synthetic else ""
        lines = [
            f"{self.call} grade at the threshold {self.threshold:.3f} ({self.threshold_rule})",
            f"p(high) = {self.p_high:.3f}; the {len(self.p_high_of_folds)} folds give {low:.3f} to {high:.3f}",
            f"model {self.model}{trained}, read as {phase_name(self.phase)} phase",
            *self._seen(),
            *(f"warning: {warning}" for warning in self.warnings),
            self.research_use_only,
        ]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.as_text()

    def _seen(self) -> list[str]:
        numbers = ", ".join(map(str, self.slices))
        if self.spacing_mm is None:
            width, height, count = self.size
            return [f"{count} exported pictures, the first of {width} × {height} pixels; number {numbers} was shown"]
        region = f"slices {numbers}" if self.slices else "a box"
        return [
            f"image {self.image}: {_times(self.size, '{}')} voxels of {_times(self.spacing_mm, '{:.2f}')} mm",
            f"region: {region} around {', '.join(f'{value:.1f}' for value in self.center_mm)} mm (LPS)",
        ]


def _times(values: Iterable[float], form: str) -> str:
    return " × ".join(form.format(value) for value in values)
