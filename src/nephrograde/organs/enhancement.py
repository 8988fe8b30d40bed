"""Contrast enhancement: HU of the kidneys' cortex, medulla and collecting system, and of the aorta."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nephrograde.organs.kidneys import AORTA, LEFT, RIGHT, find_organs
from nephrograde.organs.landmarks import FAT_HU, coarse_grid, shrink
from nephrograde.organs.nearness import Nearness
from nephrograde.organs.smoothing import eroded_in_plane, gaussian
from nephrograde.organs.windows import box_of, places_of, widened
from nephrograde.volume.phase.evidence import PHASES, Evidence
from nephrograde.volume.statement import Statement
from nephrograde.volume.volume import make_volume

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.organs.kidneys import Organs
    from nephrograde.vocabulary import MaskArray, Triple
    from nephrograde.volume.volume import Volume

FINE_MM = 1.3
"""Block size for measurements; the cortex is 5–8 mm thick."""

RIM_MM = (1.5, 4.5)
"""Range of depths below the kidney's surface that contains only cortex."""

DEEP_MM = 8.0
"""Depth below which there are medulla, cortical columns and sinus."""

OFF_FAT_MM = 4.0
"""Deep tissue is farther than this from fat."""

FAT_AROUND_HU = -100.0
"""Perirenal fat; textbooks give −120 to −80 HU."""

BRIGHTEST_ML = 0.5
"""Volume of the brightest part that is measured; calyces hold a few millilitres, and blur spares only their centre."""

LEAST_ML = 3.0
"""Smallest amount of rim or deep tissue that is measured."""


@dataclass(frozen=True, slots=True)
class Enhancement:
    """HU of the kidneys and the aorta in one scan.

    Attributes:
        cortex_hu: 65th percentile of the kidney's rim, because blur can only darken a rim.
        medulla_hu: 30th percentile of the deep tissue, without fat and its surroundings.
        collecting_hu: HU that the brightest half millilitre inside the kidney reaches: urine if much brighter than the
            cortex, otherwise a vessel, a cortical column or a stone.
        aorta_hu: Median of the aorta; None if it was not found.
        centers_mm: Centres of the kidneys that were found, LPS, the right one first.
        kidney_extent_mm: Lowest and highest z of the kidneys, LPS, mm; for choosing series and slices.
        quality: How much the measured region resembles a kidney, from 0 (unreliable) to 1.
    """

    cortex_hu: float
    medulla_hu: float
    collecting_hu: float
    aorta_hu: float | None
    centers_mm: tuple[Triple, ...]
    kidney_extent_mm: tuple[float, float]
    quality: float


class _Kidney(NamedTuple):
    """HU of one kidney."""

    cortex_hu: float
    medulla_hu: float
    collecting_hu: float


def measure_enhancement(volume: Volume, organs: Organs | None = None) -> Enhancement | None:
    """Measure the HU of kidneys and aorta, from which a reader recognises the phase.

    A tumour, a cyst or hydronephrosis can distort one kidney, so the kidney that scores best is measured.

    Args:
        volume: A CT in HU. Anything else is recognised and gives None.
        organs: The organs from :func:`~nephrograde.organs.kidneys.read_organs`; by default they are searched for.

    Returns:
        The measurement; None if no kidney is found.

    Source: the parts of the kidney as in Eur J Radiol 2007;63:420.

    >>> from nephrograde.volume.volume import make_volume
    >>> measure_enhancement(make_volume(np.full((64, 64, 30), -1000.0), spacing_mm=(5.0, 5.0, 5.0))) is None
    True
    """
    organs = find_organs(volume) if organs is None else organs
    if organs is None:
        return None
    kidneys = sorted((label for label in (RIGHT, LEFT) if label in organs.scores), key=lambda at: -organs.scores[at])
    measured = ((label, _measure_kidney(volume, organs, label)) for label in kidneys)
    found = next(((label, kidney) for label, kidney in measured if kidney is not None), None)
    if found is None:
        return None
    label, kidney = found
    centers, heights = [], []
    for side in sorted(kidneys):
        index = places_of(organs.labels == side)
        centers.append(organs.grid.to_mm(index.mean(axis=0)))
        heights += [
            organs.grid.to_mm(index[index[:, 2].argmin()])[2],
            organs.grid.to_mm(index[index[:, 2].argmax()])[2],
        ]
    return Enhancement(
        *kidney,
        aorta_hu=_measure_aorta(volume, organs),
        centers_mm=tuple(centers),
        kidney_extent_mm=(min(heights), max(heights)),
        quality=organs.scores[label],
    )


def _measure_kidney(volume: Volume, organs: Organs, label: int) -> _Kidney | None:
    """Measure on a finer grid, by depth below the kidney's surface."""
    found = _cut_out(volume, organs.labels == label)
    if found is None:
        return None
    mask, part = found
    _, stride = coarse_grid(volume)
    fine = shrink(part, coarse_mm=FINE_MM)
    values = gaussian(fine.values_hu, np.minimum(1.0 / np.array(fine.spacing_mm), 0.8), truncate=2.0)
    whole = _finer(mask, values.shape, [n / m for n, m in zip(stride, fine.stride, strict=True)])
    # The edge of a blurred organ is where its HU are halfway to those of the surrounding fat.
    tissue = whole & (values > (float(np.median(values[whole])) + FAT_AROUND_HU) / 2.0)
    voxel_ml = float(np.prod(fine.spacing_mm)) / 1000.0
    most_mm = max(*RIM_MM, DEEP_MM, OFF_FAT_MM)
    hull, edge, fat = (  # what lies outside, and how near that is; outside the image, too
        Nearness(np.pad(~part, 1, constant_values=True), fine.spacing_mm, most_mm=most_mm)
        for part in (whole, tissue, values > FAT_HU)
    )
    inner = (slice(1, -1),) * 3
    rim = values[(edge.within(RIM_MM[1]) & ~edge.closer(RIM_MM[0]) & hull.within(DEEP_MM))[inner]]
    deep = values[tissue & ~(hull.closer(DEEP_MM) | fat.within(OFF_FAT_MM))[inner]]
    if min(rim.size, deep.size) * voxel_ml < LEAST_ML:
        return None
    core = np.sort(values[~hull.closer(RIM_MM[1])[inner]])
    brightest = core[-min(core.size, 1 + round(BRIGHTEST_ML / voxel_ml))]
    return _Kidney(float(np.percentile(rim, 65)), float(np.percentile(deep, 30)), float(brightest))


def _finer(mask: MaskArray, shape: tuple[int, ...], scale: list[float]) -> MaskArray:
    """Resample the coarse mask to a finer grid; each voxel takes the value of the block that contains it."""
    index = [
        np.minimum(((np.arange(size) + 0.5) / step).astype(int), blocks - 1)
        for size, step, blocks in zip(shape, scale, mask.shape, strict=True)
    ]
    return mask[np.ix_(*index)]


def _measure_aorta(volume: Volume, organs: Organs) -> float | None:
    found = _cut_out(volume, organs.labels == AORTA)
    if found is None:
        return None
    aorta, part = found
    inner = eroded_in_plane(aorta)
    return float(np.median(shrink(part).values_hu[inner if inner.any() else aorta]))


def _cut_out(volume: Volume, coarse: MaskArray) -> tuple[MaskArray, Volume] | None:
    """Cut the bounding box of the coarse mask, with a margin of four blocks, out of it and the scan; None if empty."""
    _, stride = coarse_grid(volume)
    box = box_of(coarse)
    if box is None:
        return None
    window = widened(box, (4, 4, 4), coarse.shape)
    voxels = tuple(slice(part.start * n, part.stop * n) for part, n in zip(window, stride, strict=True))
    return coarse[window], make_volume(volume.values[voxels], spacing_mm=volume.spacing_mm)


class _Expected(NamedTuple):
    """Mean and spread of a measure in one phase, HU."""

    mean_hu: float
    spread_hu: float


def _row(
    up: tuple[float, float], cmp: tuple[float, float], np: tuple[float, float], ep: tuple[float, float]
) -> Mapping[str, _Expected]:
    return MappingProxyType({"up": _Expected(*up), "cmp": _Expected(*cmp), "np": _Expected(*np), "ep": _Expected(*ep)})


EXPECTED: Mapping[str, Mapping[str, _Expected]] = MappingProxyType(
    {
        "cortex": _row((35, 12), (195, 55), (175, 45), (140, 45)),
        "cortex over medulla": _row((2, 12), (95, 40), (20, 20), (8, 18)),
        "aorta": _row((42, 15), (270, 90), (155, 40), (120, 35)),
        "inside over cortex": _row((60, 150), (10, 40), (10, 35), (300, 180)),
    }
)
"""Mean and spread of each measure by phase, HU.

Source: Unenhanced kidney 30–50 HU, cortex +195–217 HU at 10–30 s after the trigger, cortex over medulla 110–140 HU
until 30 s and under 30 HU from 45 s on, medulla +145 HU at 55 s, renal artery +240–288 HU (Eur J Radiol 2007;63:420).
The spreads (injection, scanner, kV, patient, partial volume), the decline towards the excretory phase and the values
of the inside (unenhanced: stones) are estimates without a published source.
"""

WEIGHT = 0.6
"""Weight of each log-likelihood in the sum; below 1 because the measures are correlated."""

EXCRETED_EARLY = 0.05
"""Fraction of nephrographic scans whose collecting system is already bright: late scans, and those after a test bolus
or an earlier injection. Estimated after a real portal-venous scan showed it."""

NAME_IS_RIGHT = 0.95
"""Prior probability that a scan is of the phase that somebody has named; the others share the rest equally."""

DOUBT = 0.02
"""Probability that a measure comes from something else and is uninformative."""


def judge_enhancement(enhancement: Enhancement) -> Evidence:
    """Compute the likelihood of the HU of kidneys and aorta in each phase.

    The distributions are normal around ``EXPECTED``, mixed with a uniform one of weight ``DOUBT``, and are combined as
    if almost independent.

    Args:
        enhancement: The measurement; the lower its quality, the flatter the likelihoods.

    Returns:
        The evidence from the image; the largest likelihood is 1.

    >>> arterial = Enhancement(210.0, 95.0, 240.0, 290.0, ((-60.0, 0.0, 0.0),), (-50.0, 50.0), 0.9)
    >>> evidence = judge_enhancement(arterial)
    >>> evidence.seen.english
    'cortex 210 HU, medulla 95 HU, inside up to 240 HU, aorta 290 HU'
    >>> max(evidence.likelihood, key=evidence.likelihood.get)
    'cmp'
    """
    measures = {
        "cortex": enhancement.cortex_hu,
        "cortex over medulla": enhancement.cortex_hu - enhancement.medulla_hu,
        "inside over cortex": enhancement.collecting_hu - enhancement.cortex_hu,
    }
    if enhancement.aorta_hu is not None:
        measures["aorta"] = enhancement.aorta_hu
    total = dict.fromkeys(PHASES, 0.0)
    for name, value_hu in measures.items():
        for phase in PHASES:
            total[phase] += math.log(_likelihood(name, phase, value_hu))
    trust = WEIGHT * min(1.0, max(0.0, enhancement.quality) / 0.6)
    highest = max(total.values())
    return Evidence(
        _statement(enhancement), {phase: math.exp(trust * (value - highest)) for phase, value in total.items()}
    )


def phase_probabilities(evidence: Evidence, *, named: str) -> dict[str, float]:
    """Compute how probable each phase is for a scan that somebody has named.

    Args:
        evidence: What the kidneys and the aorta say about the phase.
        named: The phase that was named, with ``NAME_IS_RIGHT`` as its prior probability.

    Returns:
        Probability by phase; they add up to 1.

    **Source:** Bayes' rule.

    >>> arterial = Enhancement(210.0, 95.0, 240.0, 290.0, ((-60.0, 0.0, 0.0),), (-50.0, 50.0), 0.9)
    >>> probability = phase_probabilities(judge_enhancement(arterial), named="up")
    >>> max(probability, key=probability.get)
    'cmp'
    """
    others = (1 - NAME_IS_RIGHT) / (len(PHASES) - 1)
    weight = {one: evidence.likelihood[one] * (NAME_IS_RIGHT if one == named else others) for one in PHASES}
    return {one: weight[one] / sum(weight.values()) for one in PHASES}


def _statement(enhancement: Enhancement) -> Statement:
    kidneys_hu = {
        "cortex_hu": f"{enhancement.cortex_hu:.0f}",
        "medulla_hu": f"{enhancement.medulla_hu:.0f}",
        "inside_hu": f"{enhancement.collecting_hu:.0f}",
    }
    if enhancement.aorta_hu is None:
        return Statement.of("image.kidneys-only", **kidneys_hu)
    return Statement.of("image.kidneys", **kidneys_hu, aorta_hu=f"{enhancement.aorta_hu:.0f}")


def _likelihood(name: str, phase: str, value_hu: float) -> float:
    likelihood = _density(value_hu, EXPECTED[name][phase])
    if (name, phase) == ("inside over cortex", "np"):
        excreted = _density(value_hu, EXPECTED[name]["ep"])
        return (1.0 - EXCRETED_EARLY) * likelihood + EXCRETED_EARLY * excreted
    return likelihood


def _density(value_hu: float, expected: _Expected) -> float:
    away = (value_hu - expected.mean_hu) / expected.spread_hu
    normal = math.exp(-0.5 * away * away) / (expected.spread_hu * math.sqrt(2.0 * math.pi))
    return (1.0 - DOUBT) * normal + DOUBT / 1000.0  # uniform over 1000 HU
