"""The settings of training that were tuned for a fold: read before it is fitted, and refused once they are outdated."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from nephrograde.errors import RunError
from nephrograde.files import read_json, write_json
from nephrograde.study import TuneSettings
from nephrograde.study.faults import read_section
from nephrograde.study.tuning import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from nephrograde.cohort.repeat import Repeat
    from nephrograde.run.folder import RunFolder
    from nephrograde.study import AugmentSettings, FitSettings

_CHOSEN = "chosen"
"""The key of a card's settings."""


@with_config(ConfigDict(strict=True, allow_inf_nan=False))
@dataclass(frozen=True, slots=True)
class Trial:
    """One set of values, and what came of it in the inner cross-validation.

    Attributes:
        values: The values that were tried, by name.
        state: Whether all inner folds were fitted, the trial was ended early, or a fit failed.
        loss: The mean log-loss of the inner folds' patients, each scored by the network that has not learnt from it;
            of a trial that was ended early, that of the first inner fold so far; None if a fit failed.
        steps: The loss in the first inner fold after each tenth of its epochs.
        reason: Why a fit failed.
    """

    values: dict[str, float]
    state: Literal["complete", "pruned", "failed"]
    loss: float | None
    steps: tuple[float, ...] = ()
    reason: str = ""


@with_config(ConfigDict(strict=True, allow_inf_nan=False))
@dataclass(frozen=True, slots=True)
class TuningRecord:
    """The trials of one model on one fold.

    Attributes:
        key: The fingerprint of everything that the trials depend on.
        settings: ``[tune]`` of the study.
        trials: In their order.
    """

    key: str
    settings: dict[str, Any]
    trials: tuple[Trial, ...]

    @property
    def tune(self) -> TuneSettings:
        """``[tune]`` as it was."""
        return read_section(TuneSettings, self.settings)


@with_config(ConfigDict(strict=True, allow_inf_nan=False))
@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen for one fold, and among how many trials.

    ``values`` are the chosen ones, ``own`` those of the study, which the first trial has; ``loss`` and ``own_loss`` are
    their mean log-losses in the inner folds.
    """

    values: dict[str, float]
    own: dict[str, float]
    loss: float
    own_loss: float
    trials: Annotated[int, Field(ge=1)]
    pruned: Annotated[int, Field(ge=0)]
    failed: Annotated[int, Field(ge=0)]
    folds: Annotated[int, Field(ge=2)]

    def fit(self, settings: FitSettings) -> FitSettings:
        """Return ``[fit]`` with the chosen values."""
        return with_values(settings, self.values)

    def augment(self, augment: AugmentSettings) -> AugmentSettings:
        """Return ``[augment]`` with the chosen strength."""
        return with_strength(augment, self.values)


def with_values(settings: FitSettings, values: Mapping[str, float]) -> FitSettings:
    """Return ``[fit]`` with other values.

    Args:
        settings: ``[fit]`` with the arm's own keys.
        values: By name; whole numbers where the key is one.
    """
    given = {name: value for name, value in values.items() if name != "augmentation"}
    whole = {name: int(value) for name, value in given.items() if name in {"epochs", "batch_size"}}
    return settings.model_copy(update={**given, **whole})


def with_strength(augment: AugmentSettings, values: Mapping[str, float]) -> AugmentSettings:
    """Return ``[augment]`` with the strength among some values.

    Args:
        augment: ``[augment]``.
        values: By name.
    """
    return scaled(augment, values["augmentation"]) if "augmentation" in values else augment


def find_best(record: TuningRecord) -> int | None:
    """Find the complete trial with the lowest loss, the first of several.

    Args:
        record: The trials; those beyond the number that ``[tune]`` asks for do not count.

    Returns:
        Its number, from 0; None if trials are missing.
    """
    losses = _losses(record)
    return min(losses, key=lambda number: losses[number], default=None)


def _losses(record: TuningRecord) -> dict[int, float]:
    """The losses of the complete trials by number; none if trials are missing."""
    counted = record.trials[: record.tune.trials]
    if len(counted) < record.tune.trials:
        return {}
    return {number: one.loss for number, one in enumerate(counted) if one.state == "complete" and one.loss is not None}


def choose(record: TuningRecord) -> Chosen | None:
    """Return the values of the best trial.

    Args:
        record: The trials; those beyond the number that ``[tune]`` asks for do not count.

    Returns:
        What was chosen; None if trials are missing.
    """
    losses = _losses(record)
    best = find_best(record)
    if best is None:
        return None
    tune = record.tune
    counted = record.trials[: tune.trials]
    states = [one.state for one in counted]
    return Chosen(
        values=counted[best].values,
        own=counted[0].values,
        loss=losses[best],
        own_loss=losses[0],
        trials=len(counted),
        pruned=states.count("pruned"),
        failed=states.count("failed"),
        folds=tune.folds,
    )


def read_chosen(
    run: RunFolder,
    model: str,
    fold: int,
    repeat: Repeat,
    *,
    tune: TuneSettings | None,
    key: Callable[[TuneSettings], str],
) -> Chosen | None:
    """Read what was chosen for a fold of a model.

    Args:
        run: The run folder.
        model: The model.
        fold: The fold.
        repeat: The repeat; its seed does not matter, as the patients to learn from are the same.
        tune: ``[tune]`` of the study; None if the study does not ask for it.
        key: Computes the fingerprint of what the trials depend on.

    Returns:
        None if the model is fitted with the study's own values.

    Raises:
        RunError: The fold is not tuned although it should be, its tuning is not finished, or is out of date.
    """
    if tune is None and model not in tuned_models(run):
        return None
    place = f"Model {model}, fold {fold}" + (f" of {repeat.name}" if repeat.name else "")
    command = shlex.join(["nephrograde", "tune", "STUDY.toml", "--out", str(run.run_dir)])
    obstacle = f"{run.tuning.tuning_dir}" + ("" if tune is None else ", and [tune] from the study,")
    remedy = f"Run `{command}`, or remove {obstacle} to fit with the study's own settings."
    record_path = run.tuning.record_path(model, fold, repeat.split_name)
    record = read_record(record_path) if record_path.is_file() else None
    if record is None:
        raise RunError(f"{place} is not tuned yet. {remedy}")
    asked = record.tune if tune is None else tune
    if record.key != key(asked):
        raise RunError(
            f"{place} was tuned for other patients, images or settings: the cohort, [split], [fit], [augment] or "
            f"[tune] has changed since. {remedy}"
        )
    chosen = choose(TuningRecord(record.key, asked.model_dump(mode="json"), record.trials))
    if chosen is None:
        raise RunError(f"{place}: {len(record.trials)} of {asked.trials} trials are finished. {remedy}")
    return chosen


def tuned_models(run: RunFolder) -> list[str]:
    """Return the models whose tuning was begun in a run folder.

    Args:
        run: The run folder.

    Raises:
        RunError: The list is damaged.
    """
    if not run.tuning.models_path.is_file():
        return []
    models = read_json(run.tuning.models_path).get("models")
    if not isinstance(models, list) or not all(isinstance(one, str) for one in models):
        raise RunError(f"{run.tuning.models_path} is damaged. Delete it and run `nephrograde tune` again.")
    return models


def add_tuned_models(run: RunFolder, models: Iterable[str]) -> None:
    """Note that models are tuned, before their first trial, so that none is fitted with its own settings by mistake.

    Args:
        run: The run folder.
        models: Their ids.
    """
    earlier = tuned_models(run)
    everyone = list(dict.fromkeys([*earlier, *models]))
    if everyone != earlier:
        write_json(run.tuning.models_path, {"models": everyone})


def parse_chosen(settings: Mapping[str, Any], card_path: Path) -> Chosen | None:
    """Read what a card says about tuning.

    Args:
        settings: Those of the card.
        card_path: The card, for messages.

    Returns:
        None if the network was fitted with the study's own settings.

    Raises:
        RunError: The entry cannot be used.
    """
    if _CHOSEN not in settings:
        return None
    try:
        return _chosen_adapter().validate_json(json.dumps(settings[_CHOSEN]))
    except ValidationError:
        raise RunError(f"{card_path} is damaged: settings cannot be used. Delete its folder and fit again.") from None


def chosen_settings(chosen: Chosen | None) -> dict[str, Any]:
    """Return the part of a card's settings that says what was chosen, as :func:`parse_chosen` reads it.

    Args:
        chosen: What was chosen; None for the study's own settings.
    """
    return {} if chosen is None else {_CHOSEN: asdict(chosen)}


def read_record(record_path: Path) -> TuningRecord:
    """Read the trials of one model on one fold.

    Args:
        record_path: As written by :func:`write_record`.

    Raises:
        RunError: The file is missing or damaged.
    """
    remedy = "Delete it and run `nephrograde tune` again."
    try:
        record = _adapter().validate_json(record_path.read_bytes())
        is_sound = record.tune.trials > 0 and _belong_together(record.trials)
    except OSError as error:
        raise RunError(f"{record_path} cannot be read ({error.strerror}). {remedy}") from None
    except ValidationError:
        is_sound = False
    if not is_sound:
        raise RunError(f"{record_path} is damaged. {remedy}")
    return record


def _belong_together(trials: tuple[Trial, ...]) -> bool:
    """Whether trials have values of the same names, the first one is complete, and those with a loss did not fail."""
    names = {frozenset(one.values) for one in trials}
    first = trials[:1]
    return (
        len(names) <= 1
        and all((one.loss is None) == (one.state == "failed") for one in trials)
        and all(one.state == "complete" for one in first)
    )


def write_record(record: TuningRecord, record_path: Path) -> None:
    """Write the trials of one model on one fold, completely or not at all.

    Args:
        record: The trials.
        record_path: The file; its folder exists.
    """
    write_json(record_path, asdict(record))


@cache
def _adapter() -> TypeAdapter[TuningRecord]:
    return TypeAdapter(TuningRecord)


@cache
def _chosen_adapter() -> TypeAdapter[Chosen]:
    return TypeAdapter(Chosen)
