"""Training settings in words, by arm if the arms differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.text.language import spoken, t
from nephrograde.report.text.numbers import listed
from nephrograde.study.arm import FROZEN, TUNED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nephrograde.study import Arm, FitSettings, Study


def trained_arms(study: Study) -> list[Arm]:
    """Return the arms that train a network, rather than use a frozen encoder.

    Args:
        study: The study.
    """
    return [arm for arm in study.arm if arm.encoder is None]


def arms_by_text(
    study: Study, tell: Callable[[FitSettings], str], arms: Iterable[Arm] | None = None
) -> dict[str, list[str]]:
    """Group arms by the description of their settings.

    Args:
        study: The study; an arm's own keys replace those of ``[fit]``.
        tell: Describes the settings of an arm.
        arms: The arms to describe; all that train a network if None.

    Returns:
        The names of the arms by their description, in the order of the study.
    """
    told: dict[str, list[str]] = {}
    for arm in trained_arms(study) if arms is None else arms:
        told.setdefault(tell(study.fit_of(arm)), []).append(arm.name)
    return told


def by_arm(study: Study, tell: Callable[[FitSettings], str], arms: Iterable[Arm] | None = None) -> str:
    """Give one sentence if it holds for all arms, otherwise one per distinct setting, with the names of the arms.

    Args:
        study: The study.
        tell: Describes the settings of an arm in a full sentence.
        arms: The arms to describe; all that train a network if None.

    Returns:
        The sentences; empty if there are no arms.
    """
    return by_text(arms_by_text(study, tell, arms))


def by_text(told: Mapping[str, list[str]]) -> str:
    """Give one sentence by itself, several with the names of the arms for which they hold.

    Args:
        told: The names of the arms by sentence.
    """
    if len(told) < 2:
        return "".join(told)
    sentences = [t("{arms}: {sentence}", arms=listed(names), sentence=sentence) for sentence, names in told.items()]
    return ("" if spoken() == "zh" else " ").join(sentences)


def network_name(network: str) -> str:
    """Name the network of an arm; one that is not known is returned unchanged.

    Args:
        network: As in the study, such as ``frozen:efficientnet-lite0``.

    >>> network_name("resnet18"), network_name("frozen:efficientnet-lite0"), network_name("tuned:efficientnet-lite0")
    ('ResNet-18', 'frozen efficientnet-lite0', 'fine-tuned efficientnet-lite0')
    """
    if network.startswith(FROZEN):
        return t("frozen {encoder}", encoder=network.removeprefix(FROZEN))
    if network.startswith(TUNED):
        return t("fine-tuned {encoder}", encoder=network.removeprefix(TUNED))
    return "ResNet-18" if network == "resnet18" else network
