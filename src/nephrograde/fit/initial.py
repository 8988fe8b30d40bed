"""What networks start from, and what is refused before anything is prepared or trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.errors import WeightsError
from nephrograde.fit.encoded import encoder_of
from nephrograde.model.encoders.store import EncoderFile, describe_encoder, find_encoder, store_dir
from nephrograde.model.encoders.view import check_view, view_of
from nephrograde.model.initial import Initial, initial_of_encoder
from nephrograde.model.kind import STEM, stage_names, stages_of
from nephrograde.study import FitSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.model.encoders.known import Encoder
    from nephrograde.study import Arm, Study, StudyModel

_LAYER_KEYS = {name: FitSettings.model_fields[name].default for name in ("train_from", "layer_decay", "adapter_rank")}


def encoder_to_tune(arm: Arm, phases: Sequence[str], study: Study) -> Initial | None:
    """Find the encoder that an arm's network is trained from, and check that it can learn from the arm's pictures.

    Args:
        arm: The arm.
        phases: Those that one network sees.
        study: The study.

    Returns:
        None if the arm does not train an encoder.

    Raises:
        WeightsError: The file is not there, or the encoder needs other pictures.
    """
    if arm.tuned_encoder is None:
        return None
    encoder = describe_encoder(arm.tuned_encoder, store_dir())
    for phase in phases:
        check_view(encoder, arm, phase, study)
    _check_trainable(encoder, arm)
    file = find_encoder(arm.tuned_encoder, store_dir())
    starts = [initial_of_encoder(file, view_of(arm, phase, study)) for phase in phases]
    if len({(start.centre, start.spread) for start in starts}) > 1:
        raise WeightsError(
            f"Arm {arm.name}: the encoder {file.encoder.name} was trained on HU, and the phases that one network sees "
            "have different windows. Give them one window."
        )
    return starts[0]


def _check_trainable(encoder: Encoder, arm: Arm) -> None:
    """Refuse an encoder that the network of an arm cannot be trained from."""
    if not stages_of(encoder.architecture):
        raise WeightsError(
            f"Arm {arm.name}: the encoder {encoder.name} is a vision transformer, which is not trained. Use it "
            f'with network = "frozen:{encoder.name}", or take another encoder.'
        )
    if encoder.input.dimensions == 2 and arm.dimensions == 3 and encoder.architecture != "resnet18":
        raise WeightsError(
            f"Arm {arm.name}: the encoder {encoder.name} is a network for slices, and the arm has none. Give the "
            "arm slices, such as slices = 1, or take an encoder for boxes, or a ResNet-18, which can be inflated."
        )


def require_weights(study: Study) -> None:
    """Check before anything else that the files networks start from are there, are whole, and fit the arms.

    Args:
        study: The study.

    Raises:
        WeightsError: The file of an encoder, or of initial weights, is missing or another one, or does not fit.
    """
    files = [encoder_of(arm, study.cohort.phases, study) for arm in study.arm]
    named: list[tuple[Initial, Arm]] = []
    for model in study.models():
        if model.arm.encoder is not None or not model.has_networks:
            continue
        initial = _start_of(model, study)
        _check_layers(model.arm, initial, study)
        if initial is not None and isinstance(initial.file, EncoderFile):
            files.append(initial.file)
        elif initial is not None and (initial, model.arm) not in named:
            named.append((initial, model.arm))
    for file in {one.encoder.sha256: one for one in files if one is not None}.values():
        file.verify()
    if not named:
        return
    from nephrograde.model.weights import check_initial

    for initial, arm in named:
        check_initial(initial, arm.dimensions)


def _start_of(model: StudyModel, study: Study) -> Initial | None:
    """What the networks of a model start from; None for random weights."""
    arm = model.arm
    if arm.tuned_encoder is not None:
        return encoder_to_tune(arm, model.phases, study)
    named = study.fit_of(arm).initial_weights(arm.dimensions)
    return None if named is None else Initial(named)


def _check_layers(arm: Arm, initial: Initial | None, study: Study) -> None:
    """Refuse layers that the network of an arm does not have, or that would stay random."""
    fit = study.fit_of(arm)
    changed = [key for key, default in _LAYER_KEYS.items() if getattr(fit, key) != default]
    if not changed:
        return
    if initial is None:
        raise WeightsError(
            f"Arm {arm.name}: [fit] sets {', '.join(changed)}, only for networks that start from pre-trained "
            "weights, and this one starts from random ones. Set them in fit of the arms that they are for, or "
            'start from weights, such as network = "tuned:efficientnet-lite0".'
        )
    names = stage_names(initial.architecture)
    if fit.train_from not in names:
        raise WeightsError(
            f'Arm {arm.name}: fit.train_from is "{fit.train_from}", and the stages of {initial.architecture} are '
            f"{', '.join(names)}."
        )
    if fit.adapter_rank and fit.train_from == STEM:
        raise WeightsError(
            f"Arm {arm.name}: fit.adapter_rank adapts frozen layers, and there are none. Set train_from as well, such "
            'as train_from = "head".'
        )
