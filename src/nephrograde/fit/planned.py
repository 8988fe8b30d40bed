"""One model on one fold, as it is planned: its patients, its settings, and the fingerprint of what it depends on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from nephrograde.files import fingerprint
from nephrograde.run.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nephrograde.cohort.clinical import ClinicalTable
    from nephrograde.cohort.repeat import Repeat
    from nephrograde.cohort.split import Split
    from nephrograde.fit.chosen import Chosen
    from nephrograde.fit.encoded import Encoding
    from nephrograde.model.encoders.known import Architecture
    from nephrograde.model.fusion import Fusion
    from nephrograde.model.initial import Initial
    from nephrograde.run.fold_folder import FoldFolder
    from nephrograde.run.progress import Part
    from nephrograde.study import Arm, AugmentSettings, FitSettings, Study, TuneSettings

_SHAPING = ("nephrograde", "torch")
"""Packages whose version decides what a network learns."""
_SHAPING_HEADS = ("numpy", "scikit-learn", "scipy")
"""Further ones, for a regression on the features of a frozen encoder."""
_OF_MACHINE = frozenset({"accelerator", "devices", "nodes"})
"""Keys of ``[fit]`` that say where a network is trained; values that were tuned elsewhere remain valid."""


@dataclass(frozen=True, slots=True)
class Fit:
    """One model on one fold of one repeat.

    ``split`` is that of the repeat, ``regions`` are the patients' files by phase and id, ``slices`` the slice number of
    each of their pictures, ``settings`` those of the arm with the seed of the repeat, ``key`` the fingerprint of
    everything that the fit depends on, and ``folder`` is where it goes. ``encoding`` are the features that a model of a
    frozen encoder learns from, None where a network is trained. ``fusion`` says how several phases are joined, and
    ``clinical`` which values with them. ``chosen`` is what was chosen for the fold, None if it is not tuned.
    ``pretrained`` is the encoder that the network starts from, None if there is none. ``grades`` are those of
    all patients, for an ordinal head.
    """

    model: str
    arm: Arm
    phase: str
    fold: int
    repeat: Repeat
    split: Split
    regions: Mapping[str, Mapping[str, Path]]
    slices: Mapping[str, tuple[int, ...]]
    settings: FitSettings
    key: str
    folder: FoldFolder
    encoding: Encoding | None = None
    fusion: Fusion | None = None
    clinical: ClinicalTable | None = None
    chosen: Chosen | None = None
    pretrained: Initial | None = None
    grades: Mapping[str, int] | None = None

    @property
    def name(self) -> str:
        """The repeat, the model and the fold, such as ``seed-1/weak-1-cmp/fold-0``; without repeat in the results."""
        return self.folder.name_in(self.repeat.name)

    @property
    def architecture(self) -> Architecture:
        """Of the network that is trained."""
        return "resnet18" if self.pretrained is None else self.pretrained.architecture

    @property
    def files(self) -> Mapping[str, Path]:
        """The patients' files on a single phase."""
        return self.regions[self.phase]

    @property
    def patients(self) -> frozenset[str]:
        """Those with at least one of the phases."""
        return frozenset().union(*self.regions.values())

    @property
    def learning_ids(self) -> tuple[str, ...]:
        """The patients that the fit learns from, by id."""
        present = self.patients
        return tuple(patient for patient in self.split.learning_ids(self.fold) if patient in present)

    def augment(self, study: Study) -> AugmentSettings:
        """``[augment]`` of the study, with the strength that was chosen for the fold."""
        return study.augment if self.chosen is None else self.chosen.augment(study.augment)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of all regions."""
        return tuple(path for files in self.regions.values() for path in files.values())


def longest_first(todo: Sequence[tuple[Fit, Part]]) -> list[tuple[Fit, Part]]:
    """Return fits in the order in which several workers begin them, so that all end at about the same time.

    Those of the study's results come before repeats, and longer before shorter.

    Args:
        todo: The fits with their work.
    """
    return sorted(todo, key=lambda one: (not one[0].repeat.is_first, -one[1].units * one[1].cost))


def shaping_versions() -> dict[str, str]:
    """Return the versions of the packages that decide what is learnt, on this machine."""
    return {name: number for name, number in versions().items() if name in {*_SHAPING, *_SHAPING_HEADS}}


def key_of(
    planned: Fit, study: Study, is_high: Mapping[str, bool], *, known_versions: Mapping[str, str] | None = None
) -> str:
    """Return the fingerprint of everything that a fit depends on.

    Args:
        planned: The fit; its key does not count.
        study: The resolved study.
        is_high: The true grade by patient id.
        known_versions: Those of packages, as of :func:`shaping_versions`; on this machine when None.
    """
    fusion, clinical = planned.fusion, planned.clinical
    names = {phase: {patient: path.name for patient, path in files.items()} for phase, files in planned.regions.items()}
    split = planned.split
    there = shaping_versions() if known_versions is None else known_versions
    shaping = _SHAPING if planned.encoding is None else (*_SHAPING, *_SHAPING_HEADS)
    everyone = {
        "regions": names if fusion else names[planned.phase],
        "is_high": {patient: is_high[patient] for patient in planned.patients},
        "split": {patient: [place.split, place.fold] for patient, place in split.assignments.items()},
        **_of_learning(planned.encoding, planned.arm, planned.settings, planned.augment(study)),
        "versions": {name: number for name, number in there.items() if name in shaping},
        **({"idle": sorted(split.idle)} if split.idle else {}),
        **({"fusion": asdict(fusion), "phase_dropout": planned.arm.phase_dropout} if fusion else {}),
        **({"clinical": [clinical.names, repr(sorted(clinical.rows.items()))]} if clinical else {}),
        **({"chosen": asdict(planned.chosen)} if planned.chosen else {}),
        **(planned.pretrained.inputs() if planned.pretrained else {}),
        **({"grades": {patient: planned.grades[patient] for patient in planned.patients}} if planned.grades else {}),
    }
    return fingerprint([planned.model, planned.fold, everyone])


def tuning_key(planned: Fit, study: Study, tune: TuneSettings, *, is_high: Mapping[str, bool]) -> str:
    """Return the fingerprint of everything that the trials of a fold depend on: of the patients, those it learns from.

    Args:
        planned: From :func:`nephrograde.fit.folds.untuned_fits`.
        study: The resolved study.
        tune: ``[tune]``.
        is_high: The true grade by patient id.
    """
    learning = planned.learning_ids
    clinical = planned.clinical
    settings = planned.settings.model_copy(update={"seed": study.fit_of(planned.arm).seed})
    of_fit = {name: value for name, value in settings.of_one_fit().items() if name not in _OF_MACHINE}
    content = {
        "regions": {
            phase: {patient: files[patient].name for patient in learning if patient in files}
            for phase, files in planned.regions.items()
        },
        "is_high": {patient: is_high[patient] for patient in learning},
        "arm": planned.arm.model_dump(mode="json", exclude_defaults=True, exclude={"fit"}),
        "fit": of_fit,
        "augment": study.augment.model_dump(mode="json"),
        "tune": tune.of_trials(),
        "versions": {name: number for name, number in versions().items() if name in _SHAPING},
        "clinical": [clinical.names, repr([clinical.rows[patient] for patient in learning])] if clinical else None,
        **(planned.pretrained.inputs() if planned.pretrained else {}),
        **({"grades": {patient: planned.grades[patient] for patient in learning}} if planned.grades else {}),
    }
    return fingerprint([planned.model, planned.fold, content])


def _of_learning(
    encoding: Encoding | None, arm: Arm, settings: FitSettings, augment: AugmentSettings
) -> dict[str, object]:
    """What a fit depends on besides its patients: how a network is trained, or the features of a frozen encoder."""
    if encoding is not None:
        return {"encoding": encoding.inputs(), "seed": settings.seed}
    return {
        "dimensions": arm.dimensions,
        "fit": settings.of_one_fit(),
        "augment": augment.model_dump(mode="json"),
    }
