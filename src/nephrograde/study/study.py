"""The study as a whole, and what depends on several of its tables."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nephrograde.study.arm import Arm
from nephrograde.study.faults import FEATURE_POOLING, NO_DIFFERENCE_IN_HU, NO_FEATURE_POOLING, read_section
from nephrograde.study.model import StudyModel, models_of
from nephrograde.study.section import Section
from nephrograde.study.settings import (
    AnnotationSettings,
    AugmentSettings,
    CohortSettings,
    EvaluateSettings,
    FitSettings,
    ImageSettings,
    MaskSettings,
    SplitSettings,
    Window,
)
from nephrograde.study.tuning import TuneSettings
from nephrograde.vocabulary import Supervision


class Study(Section):
    """The complete study file; nothing outside it can change a result.

    ``reproduces`` names the publication that the study repeats, whose numbers the report then prints beside its own.
    With ``tune``, the settings of training are chosen by ``nephrograde tune`` before the models are fitted. A study
    that is built in code is checked like a file: all problems are reported at once.
    """

    name: Annotated[str, Field(min_length=1)] = "study"
    synthetic: bool = False
    reproduces: Literal["", "rs-6489710"] = ""
    cohort: CohortSettings
    split: SplitSettings = SplitSettings()
    arm: Annotated[tuple[Arm, ...], Field(min_length=1)]
    image: ImageSettings = ImageSettings()
    window: dict[str, Window] = Field(default_factory=dict)
    masks: MaskSettings = MaskSettings()
    annotation: AnnotationSettings = AnnotationSettings()
    augment: AugmentSettings = AugmentSettings()
    fit: FitSettings = FitSettings()
    tune: TuneSettings | None = None
    evaluate: EvaluateSettings = EvaluateSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        # `_cross_faults` repeats all but the third check for files with other mistakes, and locates the fault.
        if len({arm.name for arm in self.arm}) < len(self.arm):
            raise ValueError("two arms share a name")
        if not set(self.window) <= {"default", *self.cohort.phases}:
            raise ValueError("[window] names a phase that is not in cohort.phases")
        for arm in self.arm:
            if not set(arm.phases) <= set(self.cohort.phases):
                raise ValueError(f"arm {arm.name} names a phase that is not in cohort.phases")
        models = [model.id for model in self.models()]
        twice = sorted({model for model in models if models.count(model) > 1})
        if twice:
            raise ValueError(f"arm and phase give two models the same name: {', '.join(twice)}")
        unknown = sorted(set(self.evaluate.primary or ()) - {*models, *self.evaluate.baselines})
        if unknown:
            raise ValueError(f"evaluate.primary names what the study does not have: {', '.join(unknown)}")
        for arm in self.arm:
            if arm.fusion == "intermediate" and arm.fit.get("pooling", self.fit.pooling) not in FEATURE_POOLING:
                raise ValueError(f"arm {arm.name}: {NO_FEATURE_POOLING}")
            if arm.fusion == "early" and any(
                self.window_of(phase).percentiles for pair in arm.difference_pairs for phase in pair
            ):
                raise ValueError(f"arm {arm.name}: {NO_DIFFERENCE_IN_HU}")
        return self

    def _arms(self) -> tuple[Arm, ...]:
        return self.arm

    def sealed(self) -> dict[str, Any]:
        """Return what results depend on: every key that is not at its default, except those that only repeat the fits.

        The minutes of an annotation, the public collections of the cohort and the number of workers are left out as
        well: no network depends on them. A key that a later version adds, with its default, leaves it as it is.
        """
        content = self.model_dump(mode="json", exclude_defaults=True)
        content["cohort"].pop("collections", None)
        annotation = content.pop("annotation", {})
        if others := {key: value for key, value in annotation.items() if key != "minutes"}:
            content["annotation"] = others
        for table, names in {"split": ("repeats", "learning_curve"), "fit": ("repeats", "workers")}.items():
            content[table] = {key: value for key, value in content.get(table, {}).items() if key not in names}
        for arm in content["arm"]:
            arm["fit"] = {key: value for key, value in arm.get("fit", {}).items() if key != "repeats"}
        return content

    def width_mm(self, arm: Arm) -> float:
        """Return the width of the slices of an arm."""
        return self.image.whole_mm if arm.supervision is Supervision.SLICE else self.image.slice_mm

    def window_of(self, phase: str) -> Window:
        """Return the window of a phase: its own entry, otherwise ``default``, otherwise −200 to 300 HU."""
        return self.window.get(phase) or self.window.get("default") or Window(low=-200.0, high=300.0)

    def fit_of(self, arm: Arm) -> FitSettings:
        """Return the fit settings of an arm: those of ``[fit]``, overridden by the arm's own keys."""
        return read_section(FitSettings, {**self.fit.model_dump(mode="json"), **arm.fit})

    def arms_on(self, phase: str) -> tuple[Arm, ...]:
        """Return the arms that are shown a phase.

        Args:
            phase: Such as "cmp".
        """
        return tuple(arm for arm in self.arm if arm.sees(phase))

    def models(self) -> list[StudyModel]:
        """Return every model of the study, grouped by arm."""
        return [model for arm in self.arm for model in models_of(arm, self.cohort.phases)]


Section.whole = Study


def restore_study(resolved: dict[str, Any]) -> Study:
    """Read back the resolved study in a lock file."""
    return read_section(Study, resolved)
