"""Which patients go into a batch."""

from __future__ import annotations

from itertools import chain, count, islice
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from nephrograde.vocabulary import BoolVector


def batch_size_of(batch_size: int, n_patients: int) -> int:
    """Return the number of patients in a batch: as in the study file, all if there are fewer; never one (batch norm).

    >>> batch_size_of(16, 100), batch_size_of(16, 5), batch_size_of(16, 1)
    (16, 5, 2)
    """
    return max(2, min(batch_size, n_patients))


def steps_per_epoch(batch_size: int, n_patients: int) -> int:
    """Return the number of batches in an epoch: as many patients as there are, rounded to whole batches.

    >>> steps_per_epoch(16, 100), steps_per_epoch(16, 5)
    (6, 1)
    """
    return max(1, round(n_patients / batch_size))


def batches(is_high: BoolVector, *, batch_size: int, balanced: bool, seed: int) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the patients of one batch after another, endlessly, as positions in ``is_high``.

    Patients are dealt from a shuffled deck without replacement, and the deck is shuffled again when it is used up.
    Balanced sampling has a deck for each class and takes half a batch from each (with an odd size the classes take
    turns for the odd patient), so that the patients of the smaller class recur more often. All pictures of a patient
    come along. The paper does not say how it sampled.

    Args:
        is_high: True grade of every patient; both classes must be present if ``balanced``.
        batch_size: Patients in every batch.
        balanced: Half high, half low.
        seed: The same seed gives the same batches.

    >>> deal = batches(np.array([True, False, False, False]), batch_size=4, balanced=True, seed=1)
    >>> batch = next(deal)
    >>> (batch == 0).sum(), len(set(batch.tolist()))
    (np.int64(2), 3)
    """
    everything = np.arange(len(is_high))
    packs = [everything[is_high], everything[~is_high]] if balanced else [everything]
    generators = np.random.default_rng(seed).spawn(len(packs))
    dealt = [_deal(pack, generator) for pack, generator in zip(packs, generators, strict=True)]
    for turn in count():
        # One deck: the whole batch. Two decks: half each; the turns alternate between rounding down and up.
        shares = [batch_size] if not balanced else [(batch_size + turn % 2) // 2, (batch_size + 1 - turn % 2) // 2]
        parts = [islice(stream, share) for stream, share in zip(dealt, shares, strict=True)]
        yield np.fromiter(chain.from_iterable(parts), np.intp, batch_size)


def share_of(counts: npt.NDArray[np.intp], *, rank: int, world: int) -> npt.NDArray[np.intp]:
    """Return the rows of a batch that belong to one process: all rows of every ``world``-th patient.

    Args:
        counts: Rows of each patient of the batch.
        rank: The number of the process.
        world: How many processes share the batch.

    >>> share_of(np.array([2, 1, 3]), rank=0, world=2).tolist()
    [0, 1, 3, 4, 5]
    """
    return np.flatnonzero(np.repeat(np.arange(len(counts)) % world == rank, counts))


def keep_phases(
    present: npt.NDArray[np.bool_], *, dropout: float, chance: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Draw the phases that the network sees of each patient in one step of learning.

    Every phase of a patient is left out with the same probability, independently of the others; a patient of whom
    nothing would be left keeps one of the phases, each with the same probability. As many numbers are drawn whichever
    phases a patient has.

    Args:
        present: ``(patient, phase)``, which phases a patient has; of each at least one.
        dropout: The probability, from 0 to below 1.
        chance: Where the numbers come from.

    Source:
        Neverova 2016, arXiv:1501.00102 ("ModDrop").

    >>> present = np.array([[True, True], [False, True]])
    >>> keep_phases(present, dropout=0.9, chance=np.random.default_rng(1)).tolist()
    [[False, True], [False, True]]
    """
    drawn = chance.random((2, *present.shape))
    kept: npt.NDArray[np.bool_] = present & (drawn[0] >= dropout)
    last = np.where(present, drawn[1], -1.0).argmax(axis=1)
    kept[np.arange(len(kept)), last] |= ~kept.any(axis=1)
    return kept


def _deal(pack: npt.NDArray[np.intp], generator: np.random.Generator) -> Iterator[np.intp]:
    while True:
        yield from generator.permutation(pack)
