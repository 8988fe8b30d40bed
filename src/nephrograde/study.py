"""The study: one frozen, typed description of everything that can change a result.

Every key either has a default or is required. ``studies/published.toml`` states for each line whether the paper reports
the value or it was chosen for this project; :mod:`nephrograde.study_file` reads such a file.
"""

from __future__ import annotations

import codecs
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nephrograde.errors import InputError
from nephrograde.study_faults import Location, problems_in_code, problems_of_arms, read_section
from nephrograde.vocabulary import BaselineName, Pooling, Supervision, model_id

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
MOST_ERROR_MM = 100.0
"""A reader who is further off has annotated something else."""


class Section(BaseModel):
    """A table of the study file: immutable, without unknown keys.

    Built in code, it raises :class:`~nephrograde.errors.InputError` with the problems that a file would have.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    place: ClassVar[Location] = ()
    """Where a study has the table."""

    if not TYPE_CHECKING:  # type checkers take the arguments from the fields

        def __init__(self, /, **given: Any) -> None:
            try:
                super().__init__(**given)
            except ValidationError as error:
                raise InputError(problems_in_code(given, error, place=self.place, study=Study)) from None
            if (arms := self._arms()) and (problems := problems_of_arms(arms, study=Study)):
                raise InputError(problems)

        __init__.__pydantic_base_init__ = True  # pydantic need not call it for a table inside another

    def _arms(self) -> tuple[Arm, ...]:
        return ()


class CohortSettings(Section):
    """``[cohort]``: the table of patients and its headings.

    ``columns`` maps standard names to the headings of tables that use their own:
    ``columns = { patient_id = "病案号", isup_grade = "核分级" }``. ``encoding`` is that of a text file,
    such as "cp1250"; without it, the encoding is detected. ``annotations`` is the table of labels of one reader, or a
    folder with that of one reader; they replace the points, boxes, slices and masks of the table.
    """

    place = ("cohort",)

    table: Path
    phases: Annotated[tuple[Name, ...], Field(min_length=1)] = ("cmp", "np", "up")
    outcome: str = "isup_grade"
    columns: dict[str, str] = {}
    encoding: str | None = None
    annotations: Path | None = None

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, encoding: str | None) -> str | None:
        try:
            return encoding and codecs.lookup(encoding).name
        except LookupError:
            raise ValueError("is not an encoding; write one such as cp1250, big5 or shift_jis") from None

    @field_validator("phases")
    @classmethod
    def _phases_differ(cls, phases: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(phases)) < len(phases):
            raise ValueError("lists one phase twice")
        return phases


class SplitSettings(Section):
    """``[split]``: drawn once from ``seed``, or read from ``column`` (``train`` / ``test``).

    With ``repeats``, the folds are drawn that many times and all models fitted in each: repeated cross-validation.
    With ``learning_curve``, all models are also fitted on these shares of the training patients of each fold.
    """

    place = ("split",)

    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.3
    folds: Annotated[int, Field(ge=2)] = 5
    seed: Annotated[int, Field(ge=0)] = 20260415
    stratify: tuple[str, ...] = ()
    column: str | None = None
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    learning_curve: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()

    @field_validator("learning_curve")
    @classmethod
    def _shares_ascend(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if any(low >= high for low, high in itertools.pairwise(shares)):
            raise ValueError("must run upwards, each share of the training patients once; all of them are always used")
        return shares

    def drawing(self) -> dict[str, Any]:
        """Return what the test patients and the folds depend on; repeats can be added to a split that is drawn."""
        return self.model_dump(mode="json", exclude={"repeats", "learning_curve"})


class ImageSettings(Section):
    """``[image]``: the field of view of a sample, in mm, so that the tumour's size is preserved.

    ``assumed_tumour_mm`` is used as the tumour's extent if only a point, a slice, or a box on one slice, was given.
    ``whole_mm`` is the width of the slices of an arm that is given a slice and no place on it.
    """

    place = ("image",)

    slice_px: Annotated[int, Field(ge=16)] = 224
    slice_mm: Positive = 140.0
    box_voxels: tuple[Count, Count, Count] = (128, 128, 32)
    box_mm: tuple[Positive, Positive, Positive] = (140.0, 140.0, 160.0)
    assumed_tumour_mm: Positive = 40.0
    whole_mm: Positive = 400.0
    antialias: bool = True


class Window(Section):
    """One entry of ``[window]``: the values that become 0 and 1, fixed or as percentiles of the region.

    Percentiles are for series without a fixed scale (MR).
    """

    place = ("window", "default")

    low: float
    high: float
    percentiles: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        if self.percentiles and not (self.low >= 0 and self.high <= 100):
            raise ValueError(f"percentiles lie between 0 and 100, not {self.low:g} and {self.high:g}")
        return self


class AugmentSettings(Section):
    """``[augment]``: half-widths of the uniform distributions from which parameters are drawn; 0 is off."""

    place = ("augment",)

    flip: bool = True
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = 15.0
    shift: Fraction = 0.05
    scale: Fraction = 0.1
    contrast: Fraction = 0.1
    brightness: Fraction = 0.05
    noise: Fraction = 0.02


class InitialWeights(Section):
    """Initial weights from a local file; the SHA-256 is verified before the file is read."""

    place = ("fit", "weights_2d")

    path: Path
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FitSettings(Section):
    """``[fit]``: how a network is trained. An arm may override individual keys: ``fit = { epochs = 30 }``.

    ``patience`` 0 turns early stopping off, so that the training folds are used entirely for learning.
    ``precision`` "auto" is bf16 on hardware where it is reliable and fast, otherwise fp32. With ``repeats``, every
    network is fitted that many times with different seeds; the results are those of the first.
    """

    place = ("fit",)

    epochs: Count = 60
    warmup_epochs: Annotated[int, Field(ge=0)] = 5
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    batch_size: Annotated[int, Field(ge=2)] = 16
    balanced: bool = True
    patience: Annotated[int, Field(ge=0)] = 15
    inner_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    pooling: Pooling = "mean"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    devices: Annotated[int, Field(ge=-1)] = 1
    nodes: Count = 1
    seed: Annotated[int, Field(ge=0)] = 20260415
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    weights_2d: InitialWeights | None = None
    weights_3d: InitialWeights | None = None

    def of_one_fit(self) -> dict[str, Any]:
        """Return what one fit depends on; repeats can be added to networks that are fitted."""
        return self.model_dump(mode="json", exclude={"repeats"})


class Arm(Section):
    """``[[arm]]``: one kind of supervision with its network.

    With ``slices``, the arm is weak: a 2D network on that many axial slices; the ``neighbours`` slices below and above
    each of them are further channels. Without it: a 3D network on a box. At the level "none", the slices are those
    through each kidney, or there is a box around each kidney.
    """

    place = ("arm", 0)

    name: Name
    supervision: Supervision
    slices: Count | None = None
    neighbours: Annotated[int, Field(ge=0, le=8)] = 0
    fit: dict[str, Any] = {}

    def _arms(self) -> tuple[Arm, ...]:
        return (self,)

    @property
    def dimensions(self) -> Literal[2, 3]:
        """2 for an arm on slices, 3 for an arm on a box."""
        return 2 if self.slices else 3

    @property
    def has_mask(self) -> bool:
        """Whether the network sees the delineation, as its last channel."""
        return self.dimensions == 3 and self.supervision is Supervision.MASK

    @property
    def is_pooled(self) -> bool:
        """Whether a patient has several slices or boxes, whose values are pooled."""
        return (self.slices or 0) > 1 or self.supervision is Supervision.NONE

    @model_validator(mode="after")
    def _has_view(self) -> Self:
        if self.supervision is Supervision.SLICE and self.slices is None:
            raise ValueError(
                'supervision "slice" gives no place for a box, so the arm needs slices, such as slices = 1'
            )
        if self.neighbours and self.slices is None:
            raise ValueError("neighbours are channels of a 2D network, so the arm needs slices, such as slices = 1")
        return self


class MaskSettings(Section):
    """``[masks]``: which labels of a mask file are the tumour, and how a phase without a mask is handled.

    ``label`` is the number or name of the tumour's label; if empty, all labels count. If there are several tumours, the
    "largest" counts, or "all" of them as one. A phase without a mask uses the mask of the patient's first phase that
    has one: at the same "position" in the patient, moved by a "rigid" registration of the region, or not at all
    ("off").
    """

    place = ("masks",)

    label: str = ""
    tumours: Literal["largest", "all"] = "largest"
    carry: Literal["position", "rigid", "off"] = "position"


class AnnotationSettings(Section):
    """``[annotation]``: how cheaper annotations are derived from more expensive ones, and what each kind costs.

    A derived point, corner of a box, or slice is moved by a normally distributed error with the standard deviation
    ``error_mm`` along each axis, drawn from ``seed``, the patient, the phase and the level. "readers" takes its size
    from the differences between the readers in the folder of ``cohort.annotations``. ``minutes`` are those per patient,
    by level; levels without an entry have the time measured in the journals of ``cohort.annotations``, or a default.
    """

    place = ("annotation",)

    error_mm: float | Literal["readers"] = 0.0
    seed: Annotated[int, Field(ge=0)] = 20260415
    minutes: dict[Supervision, Annotated[float, Field(ge=0)]] = {}

    @field_validator("error_mm", mode="before")
    @classmethod
    def _is_size(cls, error_mm: object) -> object:
        is_number = isinstance(error_mm, int | float) and not isinstance(error_mm, bool)
        if error_mm != "readers" and not (is_number and 0 <= error_mm <= MOST_ERROR_MM):  # type: ignore[operator]
            raise ValueError(f'is neither a number of mm from 0 to {MOST_ERROR_MM:g} nor "readers"')
        return error_mm


class EvaluateSettings(Section):
    """``[evaluate]``: what is computed from the scores, and by which rules.

    ``threshold`` is chosen on out-of-fold scores only: "youden", the highest with at least ``threshold_target``
    "sensitivity", the lowest with at least that "specificity", or the lowest "cost", where a missed high grade costs
    ``cost_ratio`` false positives. ``margin`` is the difference in AUC that still counts as "not worse". ``clinical``
    lists the columns of the clinical-only baseline, ``subgroups`` those that define subgroups; columns that are not in
    the table are ignored. ``primary`` names the two models, or model and baseline, whose AUCs are compared first and
    alone; all other comparisons are secondary, and all are exploratory if none is named. ``benefit_at`` lists the
    threshold probabilities at which the net benefit with and without the image is compared.
    """

    place = ("evaluate",)

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    threshold: Literal["youden", "sensitivity", "specificity", "cost"] = "youden"
    threshold_target: Annotated[float, Field(gt=0, lt=1)] = 0.9
    cost_ratio: Positive = 1.0
    margin: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    bootstraps: Annotated[int, Field(ge=100)] = 2000
    benefit_range: tuple[Annotated[float, Field(gt=0, lt=1)], Annotated[float, Field(gt=0, lt=1)]] = (0.05, 0.6)
    seed: Annotated[int, Field(ge=0)] = 20260415
    subgroups: tuple[str, ...] = ("size_cm", "age_years", "sex", "centre")
    baselines: tuple[BaselineName, ...] = ("size", "volume", "clinical")
    clinical: tuple[str, ...] = ("age_years", "sex", "size_cm")
    primary: tuple[str, ...] | None = None
    benefit_at: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = (0.2, 0.3, 0.4)

    @field_validator("primary")
    @classmethod
    def _two_differ(cls, primary: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if primary is not None and (len(primary) != 2 or primary[0] == primary[1]):
            raise ValueError('is not two different models; name them as in ["weak-1-cmp", "strong-cmp"]')
        return primary

    @field_validator("benefit_at")
    @classmethod
    def _ascending(cls, benefit_at: tuple[float, ...]) -> tuple[float, ...]:
        if any(low >= high for low, high in itertools.pairwise(benefit_at)):
            raise ValueError("must run upwards, each threshold probability once")
        return benefit_at

    @model_validator(mode="after")
    def _range_ordered(self) -> Self:
        if not self.benefit_range[0] < self.benefit_range[1]:
            raise ValueError(
                f"benefit_range must run upwards, not from {self.benefit_range[0]:g} to {self.benefit_range[1]:g}"
            )
        return self


class Study(Section):
    """The complete study file; nothing outside it can change a result.

    ``reproduces`` names the publication that the study repeats, whose numbers the report then prints beside its own.
    A study that is built in code is checked like a file: all problems are reported at once.
    """

    name: Annotated[str, Field(min_length=1)] = "study"
    synthetic: bool = False
    reproduces: Literal["", "rs-6489710"] = ""
    cohort: CohortSettings
    split: SplitSettings = SplitSettings()
    arm: Annotated[tuple[Arm, ...], Field(min_length=1)]
    image: ImageSettings = ImageSettings()
    window: dict[str, Window] = {}
    masks: MaskSettings = MaskSettings()
    annotation: AnnotationSettings = AnnotationSettings()
    augment: AugmentSettings = AugmentSettings()
    fit: FitSettings = FitSettings()
    evaluate: EvaluateSettings = EvaluateSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        # `_cross_faults` repeats all but the third check for files with other mistakes, and locates the fault.
        if len({arm.name for arm in self.arm}) < len(self.arm):
            raise ValueError("two arms share a name")
        if not set(self.window) <= {"default", *self.cohort.phases}:
            raise ValueError("[window] names a phase that is not in cohort.phases")
        models = [model for model, *_ in self.models()]
        twice = sorted({model for model in models if models.count(model) > 1})
        if twice:
            raise ValueError(f"arm and phase give two models the same name: {', '.join(twice)}")
        unknown = sorted(set(self.evaluate.primary or ()) - {*models, *self.evaluate.baselines})
        if unknown:
            raise ValueError(f"evaluate.primary names what the study does not have: {', '.join(unknown)}")
        return self

    def _arms(self) -> tuple[Arm, ...]:
        return self.arm

    def sealed(self) -> dict[str, Any]:
        """Return what results depend on: every key that is not at its default, except those that only repeat the fits.

        The minutes of an annotation are left out as well: no network depends on them. A key that a later version adds,
        with its default, leaves it as it is.
        """
        content = self.model_dump(mode="json", exclude_defaults=True)
        annotation = content.pop("annotation", {})
        if others := {key: value for key, value in annotation.items() if key != "minutes"}:
            content["annotation"] = others
        for table, names in {"split": ("repeats", "learning_curve"), "fit": ("repeats",)}.items():
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

    def models(self) -> list[tuple[str, Arm, str]]:
        """Return every model of the study as (model id, arm, phase), grouped by arm."""
        return [(model_id(arm.name, phase), arm, phase) for arm in self.arm for phase in self.cohort.phases]


def restore_study(resolved: dict[str, Any]) -> Study:
    """Read back the resolved study in a lock file."""
    return read_section(Study, resolved)
