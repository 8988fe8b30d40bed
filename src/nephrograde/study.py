"""The study file: one frozen, typed description of everything that can change a result.

A study is TOML. Every key has a default or is refused when it is missing, a misspelt key is refused with the
nearest right one, and all mistakes are reported at once, each with its place. ``studies/published.toml`` says line
by line what the paper prints and what is our own choice.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nephrograde.errors import InputError, Problem
from nephrograde.vocabulary import Supervision, model_id

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
S = TypeVar("S", bound="Section")
Location: TypeAlias = tuple[str | int, ...]
Fault: TypeAlias = tuple[Location, str, str, object]


class Section(BaseModel):
    """A table of the study file: immutable, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CohortSettings(Section):
    """``[cohort]``: where the patients are listed, and under which headings.

    ``columns`` maps our name to the heading in the table, for tables that have their own headings:
    ``columns = { patient_id = "病案号", isup_grade = "核分级" }``.
    """

    table: Path
    phases: Annotated[tuple[Name, ...], Field(min_length=1)] = ("cmp", "np", "up")
    outcome: str = "isup_grade"
    columns: dict[str, str] = {}

    @model_validator(mode="after")
    def _phases_differ(self) -> Self:
        if len(set(self.phases)) < len(self.phases):
            raise ValueError(f"phases lists one phase twice: {', '.join(self.phases)}")
        return self


class SplitSettings(Section):
    """``[split]``: drawn once from ``seed``, or read from ``column`` (``train`` / ``test``)."""

    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.3
    folds: Annotated[int, Field(ge=2)] = 5
    seed: Annotated[int, Field(ge=0)] = 20260415
    stratify: tuple[str, ...] = ()
    column: str | None = None


class ImageSettings(Section):
    """``[image]``: the field of view of a sample, in mm, so that the tumour's size survives.

    ``assumed_tumour_mm`` stands in for the tumour's extent where only a point, or a box on one slice, was given.
    """

    slice_px: Annotated[int, Field(ge=16)] = 224
    slice_mm: Positive = 140.0
    box_voxels: tuple[Count, Count, Count] = (128, 128, 32)
    box_mm: tuple[Positive, Positive, Positive] = (140.0, 140.0, 160.0)
    assumed_tumour_mm: Positive = 40.0
    antialias: bool = True


class Window(Section):
    """One entry of ``[window]``: the values that become 0 and 1, fixed or as percentiles of the region.

    Percentiles are for series without a fixed scale (MR).
    """

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

    flip: bool = True
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = 15.0
    shift: Fraction = 0.05
    scale: Fraction = 0.1
    contrast: Fraction = 0.1
    brightness: Fraction = 0.05
    noise: Fraction = 0.02


class InitialWeights(Section):
    """Initial weights from a local file; the SHA-256 is compared before the file is read."""

    path: Path
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FitSettings(Section):
    """``[fit]``: how a network learns. An arm may replace single keys: ``fit = { epochs = 30 }``.

    ``patience`` 0 turns early stopping off, and the whole of the training folds is then learnt from.
    ``precision`` "auto" is bf16 where it is sound and quick, else fp32.
    """

    epochs: Count = 60
    warmup_epochs: Annotated[int, Field(ge=0)] = 5
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    batch_size: Annotated[int, Field(ge=2)] = 16
    balanced: bool = True
    patience: Annotated[int, Field(ge=0)] = 15
    inner_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    pooling: Literal["mean", "max", "noisy-or"] = "mean"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    devices: Annotated[int, Field(ge=-1)] = 1
    nodes: Count = 1
    seed: Annotated[int, Field(ge=0)] = 20260415
    weights_2d: InitialWeights | None = None
    weights_3d: InitialWeights | None = None


class Arm(Section):
    """``[[arm]]``: one kind of supervision with its network.

    With ``slices`` the arm is weak: a 2D network on so many axial slices. Without it, a 3D network on a box.
    """

    name: Name
    supervision: Supervision
    slices: Count | None = None
    fit: dict[str, Any] = {}

    @property
    def dimensions(self) -> Literal[2, 3]:
        """2 for an arm on slices, 3 for an arm on a box."""
        return 2 if self.slices else 3

    @model_validator(mode="after")
    def _built(self) -> Self:
        if self.supervision in {Supervision.NONE, Supervision.SLICE}:
            raise ValueError(f'supervision "{self.supervision}" is not built yet; use "point", "box" or "mask"')
        return self


class EvaluateSettings(Section):
    """``[evaluate]``: the confidence level, the threshold rule and the baselines that stand in every table."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    threshold: Literal["youden"] = "youden"
    baselines: tuple[Literal["size", "volume"], ...] = ("size", "volume")


class Study(Section):
    """The whole study file; what it cannot reach cannot change a result."""

    name: Annotated[str, Field(min_length=1)] = "study"
    synthetic: bool = False
    cohort: CohortSettings
    split: SplitSettings = SplitSettings()
    arm: Annotated[tuple[Arm, ...], Field(min_length=1)]
    image: ImageSettings = ImageSettings()
    window: dict[str, Window] = {}
    augment: AugmentSettings = AugmentSettings()
    fit: FitSettings = FitSettings()
    evaluate: EvaluateSettings = EvaluateSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [arm.name for arm in self.arm]
        if len(set(names)) < len(names):
            raise ValueError(f"two arms share a name: {', '.join(names)}")
        for phase in self.window:
            if phase not in {"default", *self.cohort.phases}:
                raise ValueError(f'[window] names "{phase}", which is not in cohort.phases')
        return self

    def window_of(self, phase: str) -> Window:
        """The window of a phase: its own entry, else ``default``, else −200 to 300 HU (our choice)."""
        return self.window.get(phase) or self.window.get("default") or Window(low=-200.0, high=300.0)

    def fit_of(self, arm: Arm) -> FitSettings:
        """The fit settings of an arm: those of ``[fit]`` with the arm's own keys in their place."""
        return _validate(FitSettings, {**self.fit.model_dump(mode="json"), **arm.fit})

    def models(self) -> list[tuple[str, Arm, str]]:
        """Every model of the study as (model id, arm, phase), arms outermost."""
        return [(model_id(arm.name, phase), arm, phase) for arm in self.arm for phase in self.cohort.phases]


def load_study(study_path: Path, overrides: tuple[str, ...] = ()) -> Study:
    """Read a study file, apply ``key=value`` overrides and check every key.

    Relative paths in the file are taken from the folder of the file.

    Args:
        study_path: The TOML file (UTF-8).
        overrides: As given with ``--set``: ``fit.epochs=2``, ``arm.weak-1.slices=3``; values are TOML.

    Raises:
        InputError: With every mistake of the file and the overrides at once.
    """
    study, problems = salvage_study(study_path, overrides)
    if problems or study is None:
        raise InputError(problems)
    return study


def restore_study(resolved: dict[str, Any]) -> Study:
    """Read back the resolved study that a lock file holds."""
    return _validate(Study, resolved)


def salvage_study(study_path: Path, overrides: tuple[str, ...] = ()) -> tuple[Study | None, list[Problem]]:
    """Read as much of a study file as is sound, with the problems of the rest.

    Lets the cohort table be checked in the same pass as a faulty study file. The study is None where the part that
    is left does not make a study.
    """
    try:
        raw = tomllib.loads(study_path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return None, [Problem(str(study_path), "no such file", "Write one with `nephrograde init DIR`.")]
    except (OSError, UnicodeDecodeError) as error:
        return None, [Problem(str(study_path), f"cannot be read ({error})", "Save it as UTF-8 text.")]
    except tomllib.TOMLDecodeError as error:
        return None, [Problem(str(study_path), f"is not TOML: {error}", "See `nephrograde init DIR` for a sample.")]
    problems = [problem for text in overrides if (problem := _apply_override(raw, text)) is not None]
    problems += [_as_problem(*fault) for fault in _faults_of(raw)]
    for _ in range(len(problems)):
        for location, *_ in _faults_of(raw):
            _remove(raw, location)
    if _faults_of(raw):
        return None, problems
    return _anchored(_validate(Study, raw), study_path.resolve().parent), problems


def _anchored(study: Study, base_dir: Path) -> Study:
    def anchor(weights: InitialWeights | None) -> InitialWeights | None:
        return weights and weights.model_copy(update={"path": base_dir / weights.path})

    cohort = study.cohort.model_copy(update={"table": base_dir / study.cohort.table})
    fit = study.fit.model_copy(
        update={"weights_2d": anchor(study.fit.weights_2d), "weights_3d": anchor(study.fit.weights_3d)}
    )
    return study.model_copy(update={"cohort": cohort, "fit": fit})


def _validate(kind: type[S], raw: dict[str, Any]) -> S:
    # Through JSON, where strict typing still lets a list be a tuple and a text be a path.
    return kind.model_validate_json(json.dumps(raw, default=str), strict=True)


def _faults_of(raw: dict[str, Any]) -> list[Fault]:
    """Every fault of the file as (location, kind, message, value); the arms' own fit tables are looked into."""
    faults = _faults_as(Study, raw, ())
    arms = raw.get("arm")
    for position, arm in enumerate(arms if isinstance(arms, list) else []):
        if isinstance(arm, dict) and isinstance(arm.get("fit"), dict):
            faults += _faults_as(FitSettings, arm["fit"], ("arm", position, "fit"))
    return faults


def _faults_as(kind: type[Section], raw: dict[str, Any], above: Location) -> list[Fault]:
    try:
        _validate(kind, raw)
    except ValidationError as error:
        return [((*above, *fault["loc"]), fault["type"], fault["msg"], fault["input"]) for fault in error.errors()]
    return []


def _remove(raw: dict[str, Any], location: Location) -> None:
    """Take the faulty key out; a section that is faulty as a whole goes, and arms leave a stand-in."""
    place: Any = raw
    for key in location[:-1]:
        if not isinstance(place, dict | list) or (isinstance(place, dict) and key not in place):
            return
        place = place[key]  # type: ignore[index]
    if location and location[0] == "arm":
        raw["arm"] = [{"name": "salvaged", "supervision": "mask"}]
    elif not location:
        raw["window"] = {}
        raw["arm"] = [{"name": "salvaged", "supervision": "mask"}]
    elif isinstance(place, dict):
        place.pop(location[-1], None)


def _as_problem(location: Location, kind: str, message: str, value: object) -> Problem:
    place = ".".join(str(part) for part in location) or "study file"
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(location[-1]), _keys_beside(location), n=1)
        remedy = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(_keys_beside(location))}."
        return Problem(place, "unknown key", remedy)
    if kind == "missing":
        return Problem(place, "is missing", "Add it; `nephrograde init DIR` writes a commented study file.")
    message = message.removeprefix("Value error, ")
    shown = "" if isinstance(value, dict) else f" (got {value!r})"
    return Problem(place, message[0].lower() + message[1:] + shown, "Correct the value.")


def _keys_beside(location: Location) -> list[str]:
    kind: Any = Study
    if location[0] == "arm" and "fit" in location:
        kind = FitSettings
    for part in location[:-1]:
        if isinstance(part, str) and part in kind.model_fields:
            annotation = kind.model_fields[part].annotation
            inner = [a for a in (annotation, *getattr(annotation, "__args__", ())) if _is_section(a)]
            kind = inner[0] if inner else kind
    return sorted(kind.model_fields)


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _apply_override(raw: dict[str, Any], text: str) -> Problem | None:
    key, sign, value_text = text.partition("=")
    place = f"--set {text}"
    if not sign or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key.strip()):
        return Problem(place, "is not key=value", "Write it like --set fit.epochs=2.")
    try:
        value = tomllib.loads(f"value = {value_text}")["value"]
    except tomllib.TOMLDecodeError:
        value = value_text.strip()
    *parents, last = key.strip().split(".")
    target: Any = raw
    for parent in parents:
        if isinstance(target, list):
            target = next((entry for entry in target if entry.get("name") == parent), None)
        elif isinstance(target, dict):
            target = target.setdefault(parent, {})
        if not isinstance(target, dict | list):
            return Problem(place, f"nothing in the study file is called '{parent}'", "Check the key.")
    if not isinstance(target, dict):
        return Problem(place, "names a list", "Name the entry too, like --set arm.weak-1.slices=3.")
    target[last] = value
    return None
