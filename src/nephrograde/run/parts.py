"""The parts of a run folder that a reader may miss."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.run.folder import RunFolder


class RunPart(StrEnum):
    """A part of a run that may be absent; the value names its path in :class:`~nephrograde.run.folder.RunFolder`."""

    CASES = "cases_path"
    SPLIT = "split_path"
    FINDINGS = "findings_path"
    REGIONS = "regions_path"
    MODELS = "models_dir"
    SCORES = "scores_path"
    ESTIMATES = "estimates_path"
    SCALE = "scale_path"
    COMPARISONS = "comparisons_path"
    EQUIVALENCE = "equivalence_path"
    CALIBRATION = "calibration_path"
    NET_BENEFIT = "net_benefit_path"
    SUBGROUPS = "subgroups_path"
    INCREMENT = "increment_path"
    PHASES = "phases_path"
    STACK = "stack_path"
    ATTENTION = "attention_path"
    REPEATS = "repeats_path"
    PROCEDURES = "procedures_path"
    FUSION = "fusion_path"
    LADDER = "ladder_path"
    LADDER_CURVES = "ladder_curves_path"

    def path(self, folder: RunFolder) -> Path:
        """The path of this part.

        >>> from pathlib import Path
        >>> from nephrograde.run.folder import RunFolder
        >>> RunPart.SPLIT.path(RunFolder(Path("run"))).as_posix()
        'run/cohort/split.csv'
        """
        found: Path = getattr(folder, self.value)
        return found
