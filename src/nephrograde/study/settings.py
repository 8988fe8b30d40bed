"""The tables of the study file that stand once: cohort, split, image, fit, evaluation and the like."""

from __future__ import annotations

import codecs
import itertools
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from nephrograde.study.section import Count, Fraction, Name, Positive, Section
from nephrograde.vocabulary import BaselineName, Pooling, Supervision

MOST_ERROR_MM = 100.0
"""A reader who is further off has annotated something else."""
MOST_RANK = 512
"""No layer of a ResNet-18 has more channels."""
MOST_WORKERS = 1024
"""More processes than any machine has processors are a typing error."""


class CohortSettings(Section):
    """``[cohort]``: the table of patients and its headings.

    ``columns`` maps standard names to the headings of tables that use their own:
    ``columns = { patient_id = "病案号", isup_grade = "核分级" }``. ``encoding`` is that of a text file,
    such as "cp1250"; without it, the encoding is detected. ``annotations`` is the table of labels of one reader, or a
    folder with that of one reader; they replace the points, boxes, slices and masks of the table. ``collections`` names
    the public data sets that the patients come from, such as KiTS23, where the table does not come from ``nephrograde
    cohort``: the report then says which pre-trained encoders may have seen them.
    """

    place = ("cohort",)

    table: Path
    phases: Annotated[tuple[Name, ...], Field(min_length=1)] = ("cmp", "np", "up")
    outcome: str = "isup_grade"
    columns: dict[str, str] = Field(default_factory=dict)
    encoding: str | None = None
    annotations: Path | None = None
    collections: tuple[str, ...] = ()

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


_LATER_FIT_KEYS = frozenset({"train_from", "layer_decay", "adapter_rank"})
"""Keys of ``[fit]`` that earlier versions did not have."""


class FitSettings(Section):
    """``[fit]``: how a network is trained. An arm may override individual keys: ``fit = { epochs = 30 }``.

    ``patience`` 0 turns early stopping off, so that the training folds are used entirely for learning.
    ``precision`` "auto" is bf16 on hardware where it is reliable and fast, otherwise fp32. With ``repeats``, every
    network is fitted that many times with different seeds; the results are those of the first. ``workers`` is the
    number of networks that are fitted at once, each in a process of its own; results do not depend on it.

    Networks that start from pre-trained weights can keep part of them: the stages below ``train_from`` ("stem", then
    "stage1" and so on, or "head") stay as they are, with the statistics of their batch norm, except for low-rank
    adapters of their convolutions (LoRA) if ``adapter_rank`` is not 0. With ``layer_decay``, the learning rate falls by
    this factor from the head to the last stage, and from stage to stage to the stem.
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
    workers: int | Literal["auto"] = "auto"
    weights_2d: InitialWeights | None = None
    weights_3d: InitialWeights | None = None
    train_from: str = "stem"
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    adapter_rank: Annotated[int, Field(ge=0, le=MOST_RANK)] = 0

    @field_validator("train_from")
    @classmethod
    def _is_stage(cls, train_from: str) -> str:
        if not re.fullmatch(r"stem|stage[1-9]|head", train_from):
            raise ValueError('is no stage of a network; write "stem", "stage1", "stage2" and so on, or "head"')
        return train_from

    @field_validator("workers", mode="before")
    @classmethod
    def _is_number(cls, workers: object) -> object:
        is_number = isinstance(workers, int) and not isinstance(workers, bool)
        if workers != "auto" and not (is_number and 1 <= workers <= MOST_WORKERS):  # type: ignore[operator]
            raise ValueError(f'is neither a whole number from 1 to {MOST_WORKERS} nor "auto"')
        return workers

    def initial_weights(self, dimensions: Literal[2, 3]) -> InitialWeights | None:
        """Return the file that networks start from; None for random weights.

        Args:
            dimensions: 2 for slices, 3 for boxes.
        """
        return self.weights_2d if dimensions == 2 else self.weights_3d

    def of_one_fit(self) -> dict[str, Any]:
        """Return what one fit depends on; repeats can be added to networks that are fitted.

        Keys of later versions count once they are not at their default, so that earlier fits remain valid.
        """
        content = self.model_dump(mode="json", exclude={"repeats", "workers"})
        set_keys = self.model_dump(exclude_defaults=True)
        return {key: value for key, value in content.items() if key not in _LATER_FIT_KEYS or key in set_keys}


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
    minutes: dict[Supervision, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)

    @field_validator("error_mm", mode="before")
    @classmethod
    def _is_size(cls, error_mm: object) -> object:
        is_number = isinstance(error_mm, int | float) and not isinstance(error_mm, bool)
        if error_mm != "readers" and not (is_number and 0 <= error_mm <= MOST_ERROR_MM):  # type: ignore[operator]
            raise ValueError(f'is neither a number of mm from 0 to {MOST_ERROR_MM:g} nor "readers"')
        return error_mm


_LATER_KEYS = frozenset({"recalibration", "conformal_error"})
"""Keys of ``[evaluate]`` that earlier versions did not have. While they are at their defaults, an evaluation by such a
version is renewed without opening the test set again."""


class EvaluateSettings(Section):
    """``[evaluate]``: what is computed from the scores, and by which rules.

    ``threshold`` is chosen on out-of-fold scores only: "youden", the highest with at least ``threshold_target``
    "sensitivity", the lowest with at least that "specificity", or the lowest "cost", where a missed high grade costs
    ``cost_ratio`` false positives. ``margin`` is the difference in AUC that still counts as "not worse". ``clinical``
    lists the columns of the clinical-only baseline, ``subgroups`` those that define subgroups; columns that are not in
    the table are ignored. ``primary`` names the two models, or model and baseline, whose AUCs are compared first and
    alone; all other comparisons are secondary, and all are exploratory if none is named. ``benefit_at`` lists the
    threshold probabilities at which the net benefit with and without the image is compared. ``recalibration`` is how
    the probability of a new patient is recalibrated; all ways are evaluated. ``conformal_error`` is the share of
    patients whose prediction set may miss their grade.
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
    recalibration: Literal["platt", "isotonic", "venn-abers"] = "platt"
    conformal_error: Annotated[float, Field(gt=0, lt=0.5)] = 0.1

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

    def of_evaluation(self) -> dict[str, Any]:
        """Return what an evaluation depends on; keys of later versions count once they are not at their default."""
        content = self.model_dump(mode="json")
        set_keys = self.model_dump(mode="json", exclude_defaults=True)
        return {key: value for key, value in content.items() if key not in _LATER_KEYS or key in set_keys}

    @model_validator(mode="after")
    def _range_ordered(self) -> Self:
        if not self.benefit_range[0] < self.benefit_range[1]:
            raise ValueError(
                f"benefit_range must run upwards, not from {self.benefit_range[0]:g} to {self.benefit_range[1]:g}"
            )
        return self
