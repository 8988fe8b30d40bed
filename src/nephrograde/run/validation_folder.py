"""The folder of a validation on patients from elsewhere: the names of its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ValidationFolder:
    """The path of each file that a validation has besides those of any evaluation."""

    validation_dir: Path

    @property
    def scored_dir(self) -> Path:
        """The score of each patient, by what it was computed from."""
        return self.validation_dir / "scored"

    @property
    def patients_path(self) -> Path:
        """All graded patients with their calls and quantities."""
        return self.validation_dir / "patients.csv"

    @property
    def left_out_path(self) -> Path:
        """The patients that could not be graded, and why."""
        return self.validation_dir / "left_out.csv"

    @property
    def side_by_side_path(self) -> Path:
        """The measures of development and validation with their differences."""
        return self.validation_dir / "side_by_side.csv"

    @property
    def inputs_path(self) -> Path:
        """How the patients lie in the range that the model learnt from."""
        return self.validation_dir / "inputs.csv"

    @property
    def recalibration_path(self) -> Path:
        """Updates of the probabilities, and which one is suggested; never applied by itself."""
        return self.validation_dir / "recalibration.json"

    @property
    def dirs(self) -> tuple[Path, ...]:
        """All folders of the validation."""
        return self.validation_dir, self.scored_dir
