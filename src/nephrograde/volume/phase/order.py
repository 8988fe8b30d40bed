"""What the other series of a study say about one of them: their order and, where known, the time between them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from nephrograde.volume.phase.evidence import PHASES, Evidence
from nephrograde.volume.phase.words import normalise, reason_not_a_scan
from nephrograde.volume.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.volume.dicom.header import SeriesHeader

Weights = npt.NDArray[np.float64]

PRIOR: Final[Mapping[str, float]] = MappingProxyType({"up": 0.25, "cmp": 0.25, "np": 0.30, "ep": 0.20})
"""How often a series of a renal study has each phase, before any evidence."""

FIRST: Final[Weights] = np.array([0.55, 0.20, 0.20, 0.05])
"""Phase of the first of several acquisitions: usually the unenhanced one."""

SAME_ACQUISITION_S = 2.0
"""Series that begin within this time are reconstructions of one acquisition."""

LONGEST_GAP_S = 5400.0
"""After a longer pause it is another examination."""

NEXT_BY_TIME: Final[Weights] = np.array([
    [0.20, 0.45, 0.30, 0.05],
    [0.005, 0.145, 0.65, 0.20],
    [0.005, 0.005, 0.29, 0.70],
    [0.01, 0.005, 0.005, 0.98],
])  # fmt: skip
"""Phase of the next acquisition (columns) after one in this phase (rows), by ``PHASES``."""

NEXT_BY_NUMBER: Final[Weights] = np.array([
    [0.40, 0.32, 0.23, 0.05],
    [0.06, 0.39, 0.38, 0.17],
    [0.06, 0.06, 0.53, 0.35],
    [0.10, 0.08, 0.08, 0.74],
])  # fmt: skip
"""The same if only series numbers are known, whose order reconstructions often break."""

GAPS_S: Final[dict[tuple[str, str], tuple[float, float]]] = {
    ("up", "up"): (60.0, 1.2), ("up", "cmp"): (120.0, 1.0), ("up", "np"): (180.0, 0.9), ("up", "ep"): (480.0, 0.8),
    ("cmp", "cmp"): (12.0, 0.7), ("cmp", "np"): (50.0, 0.45), ("cmp", "ep"): (250.0, 0.6),
    ("np", "np"): (15.0, 0.8), ("np", "ep"): (210.0, 0.7), ("ep", "ep"): (240.0, 1.2),
}  # fmt: skip
"""Median time in seconds between the starts of two acquisitions, and spread of its logarithm."""

GAP_OF_OTHERS_S = (600.0, 1.5)
"""The same against the usual order, for instance after a second injection."""

TRUST_IN_TIMES = 0.85
TRUST_IN_NUMBERS = 0.5
"""Fraction of the order evidence that is kept if times, or only numbers, are known; the rest is uninformative."""

_REFORMAT = re.compile(r"\b(?:cor|coronal[a-z]*|sag|sagit[a-z]*|mip[sp]?|mpr|vr[t\d]?|3d|reformat[a-z]*|recon\s?\d*)\b")


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Series that were acquired together, or that are adjacent and say the same.

    Attributes:
        keys: The keys of its series.
        started_s: Seconds on a common clock; None if only the order is known.
    """

    keys: tuple[str, ...]
    started_s: float | None


def judge_order(study: Sequence[SeriesHeader], known: Mapping[str, Mapping[str, float]]) -> dict[str, Evidence]:
    """Judge each series by the others of its study: the kidneys pass through the phases in one direction only.

    The acquisitions form a chain. How likely each phase is for one of them follows from what is known about the others,
    from the usual sequence, and from the usual time between two phases (a hidden Markov chain, by forward and backward
    sums). What is known about a series itself is excluded from its own evidence.

    Args:
        study: All series of one study.
        known: Likelihood of each phase from everything observed in the series itself, by ``SeriesHeader.key``; a
            series about which nothing is known is absent.

    Returns:
        Evidence by key, for the series that have a place in a chain of at least two acquisitions. If times are
        missing, at least one of them must be known, because numbers alone say too little.

    **Source:** method and weights are ours; usual times as in ``timing``.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> study = [SeriesHeader(series_uid=uid, series_number=number) for number, uid in enumerate("abc")]
    >>> known = {"a": {"up": 1, "cmp": 0.1, "np": 0.1, "ep": 0.1}, "c": {"up": 0.1, "cmp": 0.1, "np": 1, "ep": 0.1}}
    >>> likelihood = judge_order(study, known)["b"].likelihood
    >>> likelihood["ep"] == min(likelihood.values())
    True
    """
    scans = [header for header in study if not reason_not_a_scan(header)]
    chain, are_timed = _arrange(scans, known)
    if len(chain) < 2 or not (are_timed or any(key in known for acquisition in chain for key in acquisition.keys)):
        return {}
    seen = np.array([_pool(acquisition.keys, known) for acquisition in chain])
    steps = [_step(one, other) for one, other in pairwise(chain)]
    around = _messages(seen, steps)
    trust = TRUST_IN_TIMES if are_timed else TRUST_IN_NUMBERS
    evidence = {}
    for index, acquisition in enumerate(chain):
        seen_at = _place_in(chain, index)
        for key in acquisition.keys:
            # A reconstruction without words of its own takes those of the others in its acquisition.
            says = around[index] if key in known else around[index] * seen[index]
            # The chain's expectation includes how common each phase is, which the answer counts by itself.
            likely = says / [PRIOR[phase] for phase in PHASES]
            shares = trust * likely / likely.sum() + (1 - trust) / len(PHASES)
            evidence[key] = Evidence(seen_at, dict(zip(PHASES, shares.tolist(), strict=True)))
    return evidence


def _place_in(chain: Sequence[Acquisition], index: int) -> Statement:
    started_s = chain[index].started_s
    if started_s is None:
        return Statement.of("order.by-number", number=index + 1, count=len(chain))
    if not index:
        return Statement.of("order.by-time", number=1, count=len(chain))
    gap_s = started_s - (chain[index - 1].started_s or 0.0)
    return Statement.of("order.by-time-after", number=index + 1, count=len(chain), gap_s=f"{gap_s:.0f}")


def _arrange(scans: Sequence[SeriesHeader], known: Mapping[str, Mapping[str, float]]) -> tuple[list[Acquisition], bool]:
    """Put the series in order: by time if all have one, otherwise by number."""
    # A reformat may carry the time or number of when it was made, so it starts no acquisition of its own.
    originals = [header for header in scans if not _is_reformat(header)]
    if originals and all(header.acquired_at for header in originals):
        return _by_time(originals, [header for header in scans if _is_reformat(header)]), True
    return _by_number([header for header in originals if header.series_number is not None], known), False


def _by_time(originals: Sequence[SeriesHeader], reformats: Sequence[SeriesHeader]) -> list[Acquisition]:
    """Group the series that began together; a reformat joins the acquisition of its time, if there is one."""
    clock = sorted((_clock_time(header), header.key) for header in originals)
    chain: list[Acquisition] = []
    for time, key in clock:
        started_s = (time - clock[0][0]).total_seconds()
        last = chain[-1] if chain else None
        if last and last.started_s is not None and started_s - last.started_s <= SAME_ACQUISITION_S:
            chain[-1] = Acquisition((*last.keys, key), last.started_s)
        else:
            chain.append(Acquisition((key,), started_s))
    for header in reformats:
        if header.acquired_at is None:
            continue
        started_s = (_clock_time(header) - clock[0][0]).total_seconds()
        for place, one in enumerate(chain):
            if one.started_s is not None and abs(one.started_s - started_s) <= SAME_ACQUISITION_S:
                chain[place] = Acquisition((*one.keys, header.key), one.started_s)
                break
    return chain


def _by_number(numbered: Sequence[SeriesHeader], known: Mapping[str, Mapping[str, float]]) -> list[Acquisition]:
    """Treat neighbours about which the same is known as reconstructions of one acquisition."""
    chain: list[Acquisition] = []
    for header in sorted(numbered, key=lambda header: (header.series_number or 0, header.key)):
        last = chain[-1] if chain else None
        if last and header.key in known and known.get(last.keys[-1]) == known[header.key]:
            chain[-1] = Acquisition((*last.keys, header.key), None)
        else:
            chain.append(Acquisition((header.key,), None))
    return chain


def _clock_time(header: SeriesHeader) -> datetime:
    """Return the time on the scanner's clock; only some series of a study state their time zone."""
    return (header.acquired_at or datetime.min).replace(tzinfo=None)


def _is_reformat(header: SeriesHeader) -> bool:
    is_derived = header.image_type.upper().startswith("DERIVED")
    is_turned = header.orientation in ("coronal", "sagittal")
    return is_derived or is_turned or bool(_REFORMAT.search(normalise(header.description)))


def _pool(keys: Sequence[str], known: Mapping[str, Mapping[str, float]]) -> Weights:
    """Pool what is known about the series of one acquisition: the geometric mean, as they are not independent."""
    logs = [[math.log(known[key][phase]) for phase in PHASES] for key in keys if key in known]
    if not logs:
        return np.ones(len(PHASES))
    mean = np.mean(logs, axis=0)
    pooled: Weights = np.exp(mean - mean.max())
    return pooled


def _step(one: Acquisition, other: Acquisition) -> Weights:
    """How likely each phase follows each other one, given the time between; rows: before, columns: after."""
    if one.started_s is None or other.started_s is None:
        return NEXT_BY_NUMBER
    gap_s = other.started_s - one.started_s
    if gap_s > LONGEST_GAP_S:
        return np.tile(FIRST, (len(PHASES), 1))
    fits = np.empty((len(PHASES), len(PHASES)))
    for row, before in enumerate(PHASES):
        for column, after in enumerate(PHASES):
            median_s, spread = GAPS_S.get((before, after), GAP_OF_OTHERS_S)
            fits[row, column] = math.exp(-((math.log(gap_s / median_s) / spread) ** 2) / 2) / spread
    step: Weights = NEXT_BY_TIME * (fits + 0.02 * fits.max())
    return step


def _messages(seen: Weights, steps: Sequence[Weights]) -> Weights:
    """What the neighbours on both sides say about each acquisition, excluding its own evidence."""
    n = len(seen)
    before, after = np.empty_like(seen), np.ones_like(seen)
    before[0] = FIRST
    for index in range(1, n):
        message = (before[index - 1] * seen[index - 1]) @ steps[index - 1]
        before[index] = message / message.sum()
    for index in range(n - 2, -1, -1):
        message = steps[index] @ (after[index + 1] * seen[index + 1])
        after[index] = message / message.sum()
    return before * after
