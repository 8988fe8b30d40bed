"""The features that a frozen encoder gives of the prepared regions: computed once, and kept in the run folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import RunError
from nephrograde.model.encoders.store import describe_encoder, find_encoder, store_dir
from nephrograde.model.encoders.view import View, check_view, view_of
from nephrograde.replacement import make_folder, replaced
from nephrograde.run.progress import Workload
from nephrograde.run.provenance import versions
from nephrograde.run.stage import kept_name, remove_stale
from nephrograde.sample.dataset import open_region

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from nephrograde.model.encoders.features import Features, LoadedEncoder
    from nephrograde.model.encoders.head import FeatureTable
    from nephrograde.model.encoders.known import Encoder
    from nephrograde.model.encoders.store import EncoderFile
    from nephrograde.run.folder import RunFolder
    from nephrograde.run.progress import Progress
    from nephrograde.study import Arm, Study

LAYOUT = 1
"""Increase whenever the same region and file would give other features."""
_FIRST = {"efficientnet-lite0", "inflated-resnet", "resnet18", "resnet18-3d"}
"""Architectures whose features are kept under names without the architecture, as those of earlier versions."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """The pictures of a model and the encoder whose features it learns from.

    Attributes:
        arm: The name of the arm.
        phase: The phase.
        encoder: The encoder.
        view: What the pictures show.
        regions: The prepared region of each patient.
        folder: Where the features are kept.
        torch_version: Of the torch that computes them.
    """

    arm: str
    phase: str
    encoder: Encoder
    view: View
    regions: Mapping[str, Path]
    folder: Path
    torch_version: str

    def path(self, patient_id: str) -> Path:
        """The file of a patient's features."""
        content = [*self.inputs(), self.regions[patient_id].name]
        return self.folder / kept_name(patient_id, f"{self.phase}-{self.arm}", content, ".npy")

    def paths_of_fits(self) -> tuple[Path, ...]:
        """The files that fits read: the features of all patients, and one region, which tells the channels."""
        return (*(self.path(patient_id) for patient_id in self.regions), self.first_region)

    @property
    def first_region(self) -> Path:
        """The region of the first patient; all regions of a model have the same channels."""
        return next(iter(self.regions.values()))

    def inputs(self) -> list[object]:
        """What the features depend on, besides the regions."""
        network = [] if self.encoder.architecture in _FIRST else [self.encoder.architecture]
        return [LAYOUT, self.encoder.sha256, self.view.as_dict(), self.torch_version, *network]


def encoder_of(arm: Arm, phases: Iterable[str], study: Study) -> EncoderFile | None:
    """Find the encoder of an arm with its file, and check that it can use the arm's pictures.

    Args:
        arm: The arm.
        phases: The phases.
        study: The study.

    Returns:
        None if the arm trains a network of its own.

    Raises:
        WeightsError: The file is not there, or the encoder needs other pictures.
    """
    if arm.encoder is None:
        return None
    encoder = describe_encoder(arm.encoder, store_dir())
    for phase in phases:
        check_view(encoder, arm, phase, study)
    return find_encoder(arm.encoder, store_dir())


def plan_encoding(
    arm: Arm, phase: str, study: Study, *, regions: Mapping[str, Path], run: RunFolder
) -> Encoding | None:
    """Describe the features of a model; None if its arm trains a network of its own.

    Args:
        arm: The arm.
        phase: The phase.
        study: The study.
        regions: The prepared region of each patient.
        run: The run folder.

    Raises:
        WeightsError: As :func:`encoder_of`.
    """
    found = encoder_of(arm, [phase], study)
    if found is None:
        return None
    return Encoding(
        arm=arm.name,
        phase=phase,
        encoder=found.encoder,
        view=view_of(arm, phase, study),
        regions=regions,
        folder=run.encoded_dir,
        torch_version=versions().get("torch", ""),
    )


def encode_regions(encodings: Iterable[Encoding], run: RunFolder, *, progress: Progress) -> None:
    """Compute the features of all patients that are not in the run folder yet.

    Args:
        encodings: Those of all models; of one model only once.
        run: The run folder.
        progress: How to show long steps.

    Raises:
        WeightsError: The file of an encoder is missing or another one.
        RunError: A region is missing or damaged, or gives features that are not finite.
    """
    planned = [(one, patient_id) for one in encodings for patient_id in one.regions]
    missing = [(one, patient_id) for one, patient_id in planned if not one.path(patient_id).is_file()]
    if not missing:
        return
    from nephrograde.model.encoders.features import load_encoder

    make_folder(run.encoded_dir)
    loaded: dict[str, LoadedEncoder] = {}
    work = Workload.of_equal_parts(len(missing))
    with progress("Encoding pictures", work) as show:
        for one, patient_id in sorted(missing, key=lambda pair: pair[0].encoder.name):
            if one.encoder.name not in loaded:
                loaded.clear()  # the last one is not needed any more
                loaded[one.encoder.name] = load_encoder(find_encoder(one.encoder.name, store_dir()))
            features = loaded[one.encoder.name].features(open_region(one.regions[patient_id]), one.view)
            _write(features, one.path(patient_id))
            work.finish_next()
            show()


def remove_unused(run: RunFolder, encodings: Iterable[Encoding]) -> None:
    """Remove the features that nothing learns from any more.

    Args:
        run: The run folder.
        encodings: Those of all models of the study.
    """
    if run.encoded_dir.is_dir():
        remove_stale(run.encoded_dir, {one.path(patient_id).name for one in encodings for patient_id in one.regions})


def read_features(encoding: Encoding, patient_ids: Iterable[str]) -> FeatureTable:
    """Read the features of patients, in the order given: ``(patient, feature)``.

    Args:
        encoding: The model's.
        patient_ids: Patients with a region, whose features have been computed.

    Raises:
        RunError: A file is missing or damaged.
    """
    rows = [_read(encoding.path(patient_id), encoding.encoder.input.features) for patient_id in patient_ids]
    return np.stack(rows) if rows else np.zeros((0, encoding.encoder.input.features), np.float32)


def _write(features: Features, path: Path) -> None:
    with replaced(path) as temporary_path:
        np.save(temporary_path, features)


def _read(path: Path, n_features: int) -> Features:
    remedy = f"Delete {path} and run `nephrograde fit` again."
    try:
        features = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise RunError(f"{path} cannot be read ({str(error).splitlines()[0]}). {remedy}") from None
    if not (
        isinstance(features, np.ndarray)
        and features.shape == (n_features,)
        and features.dtype == np.float32
        and bool(np.isfinite(features).all())
    ):
        raise RunError(f"{path} does not hold {n_features} features. {remedy}")
    return features
