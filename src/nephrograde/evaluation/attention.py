"""How often the picture that a network attends to most shows the tumour, where a mask was drawn."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.errors import RunError
from nephrograde.evaluation.performance.interval import share_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nephrograde.fit.attention import RowWeight


@dataclass(frozen=True, slots=True)
class TumourAttention:
    """How often attention meets the tumour; a row of ``statistics/attention.csv``.

    ``n`` counts the patients with a mask drawn on the scan and more than one picture, ``n_met`` those whose picture
    with the largest weight shows the tumour; ``share`` is their proportion with Wilson's interval, and ``by_chance``
    what a picture drawn at random would give. Where every picture shows the tumour, all are 1.
    """

    model: str
    split: str
    n: int
    n_met: int
    share: float
    low: float
    high: float
    by_chance: float
    confidence: float


def attention_on_tumours(
    model: str, weights: Iterable[RowWeight], meets: Mapping[str, Sequence[bool]], *, confidence: float
) -> list[TumourAttention]:
    """Compare the attention of a model with the tumours.

    A test patient is scored by several networks, whose weights are averaged.

    Args:
        model: The model id, such as ``none-9-cmp``.
        weights: Of all its networks.
        meets: For each picture of a patient with a mask, whether it shows the tumour.
        confidence: Confidence level of the interval.

    Returns:
        One row for each split with such patients, first out of fold.

    Raises:
        RunError: A network saw another number of pictures than the patient has now.

    >>> from nephrograde.fit.attention import RowWeight
    >>> weights = [RowWeight("P1", "oof", 0, 41, 0.9), RowWeight("P1", "oof", 1, 44, 0.1)]
    >>> attention_on_tumours("none-2-cmp", weights, {"P1": (True, False)}, confidence=0.95)[0].by_chance
    0.5
    """
    sums: dict[str, dict[str, dict[int, float]]] = {"oof": {}, "test": {}}
    for one in weights:
        rows = sums[one.split].setdefault(one.patient_id, defaultdict(float))
        rows[one.row] += one.weight
    found = []
    for split, patients in sums.items():
        met, by_chance = [], []
        for patient_id, rows in patients.items():
            shown = meets.get(patient_id, ())
            if shown and len(shown) != len(rows):
                raise RunError(
                    f"The networks of {model} saw {len(rows)} pictures of {patient_id}, who has {len(shown)}. Run "
                    "`nephrograde fit` again."
                )
            if len(shown) > 1:
                met.append(shown[max(rows, key=lambda row: rows[row])])
                by_chance.append(float(np.mean(shown)))
        if met:
            low, high = share_interval(sum(met), len(met), confidence=confidence)
            share, chance = sum(met) / len(met), float(np.mean(by_chance))
            found.append(TumourAttention(model, split, len(met), sum(met), share, low, high, chance, confidence))
    return found
