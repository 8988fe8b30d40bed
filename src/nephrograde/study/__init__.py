"""The study: one frozen, typed description of everything that can change a result.

Every key either has a default or is required. ``studies/published.toml`` states for each line whether the paper reports
the value or it was chosen for this project; :mod:`nephrograde.study.file` reads such a file.
"""

from nephrograde.study.arm import Arm
from nephrograde.study.model import StudyModel
from nephrograde.study.section import NAME_PATTERN, Section
from nephrograde.study.settings import (
    AnnotationSettings,
    AugmentSettings,
    CohortSettings,
    EvaluateSettings,
    FitSettings,
    ImageSettings,
    InitialWeights,
    MaskSettings,
    SplitSettings,
    Window,
)
from nephrograde.study.study import Study, restore_study
from nephrograde.study.tuning import TuneSettings

__all__ = [
    "NAME_PATTERN",
    "AnnotationSettings",
    "Arm",
    "AugmentSettings",
    "CohortSettings",
    "EvaluateSettings",
    "FitSettings",
    "ImageSettings",
    "InitialWeights",
    "MaskSettings",
    "Section",
    "SplitSettings",
    "Study",
    "StudyModel",
    "TuneSettings",
    "Window",
    "restore_study",
]
