"""How networks that start from pre-trained weights learn, in words: frozen layers, adapters, and rates by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.text.language import t

if TYPE_CHECKING:
    from nephrograde.study import FitSettings


def layer_sentences(fit: FitSettings) -> list[str]:
    """Say which layers are kept, and how the learning rate differs between them; empty if all learn alike.

    Args:
        fit: The settings of an arm.

    >>> from nephrograde.study import FitSettings
    >>> layer_sentences(FitSettings(train_from="stage4", layer_decay=0.5))[1]
    'The learning rate fell by the factor 0.5 from the head to the last stage, and from each stage to the one before.'
    """
    sentences = []
    if fit.train_from != "stem":
        sentences.append(
            t(
                "The layers before {stage} stayed as they were pre-trained, with the statistics of their batch norm.",
                stage=fit.train_from,
            )
        )
    if fit.adapter_rank:
        sentences.append(
            t(
                "Low-rank adapters of their convolutions were trained (LoRA, rank {rank}) and added to the weights.",
                rank=fit.adapter_rank,
            )
        )
    if fit.layer_decay < 1:
        sentences.append(
            t(
                "The learning rate fell by the factor {factor} from the head to the last stage, and from each stage to "
                "the one before.",
                factor=f"{fit.layer_decay:g}",
            )
        )
    return sentences
