"""Seconds from the start of the injection to the scan, and what they say about the phase."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from nephrograde.volume.phase.evidence import PHASES, Evidence
from nephrograde.volume.phase.negation import read_contrast
from nephrograde.volume.statement import Statement

if TYPE_CHECKING:
    from nephrograde.volume.dicom.header import SeriesHeader

DELAYS: Final[dict[str, tuple[float, float]]] = {"cmp": (35.0, 0.28), "np": (90.0, 0.28), "ep": (300.0, 0.60)}
"""Median delay in seconds, and spread of its logarithm."""

MISTAKEN_SHARE = 0.01
"""How often a stated time is not the delay of this scan, as a fraction of the best likelihood."""

LONGEST_DELAY_S = 3600.0
"""Beyond an hour, the injection time belongs to another injection or is mistyped."""

COPIED_WITHIN_S = 5.0
"""No kidney enhances so soon; an injection time this close is a copy of the scan time."""

NO_AGENT: Final = frozenset(
    {
        "none",
        "no",
        "n",
        "nein",
        "keine",
        "kein",
        "brak",
        "nie",
        "无",
        "無",
        "なし",
        "without",
        "non",
        "0",
        "ninguno",
        "nenhum",
    }
    | {"nessuno", "aucun", "geen", "ingen", "ingenting", "нет", "немає", "yok", "nincs", "zadny", "žádná", "ei", "없음"}
)


def likelihood_at(delay_s: float) -> dict[str, float]:
    """Return how likely a scan at this delay is in each phase.

    Args:
        delay_s: Seconds from the start of the injection to the scan; negative before it.

    Returns:
        By phase, up to a common factor: log-normal densities of the delay.

    **Source:** medians from common renal protocols (corticomedullary 25–40 s, nephrographic 80–110 s, excretory from
    180 s), in line with EJR 2007;63:420 where the trigger comes about 20 s into the injection. The spreads are ours;
    portal-venous scans at 70 s count as ``np``.

    >>> at_70_s = likelihood_at(70.0)
    >>> max(at_70_s, key=at_70_s.get)
    'np'
    """
    if delay_s <= 0:
        return {phase: 1.0 if phase == "up" else MISTAKEN_SHARE for phase in PHASES}
    densities = dict.fromkeys(PHASES, 0.0)
    for phase, (median_s, spread) in DELAYS.items():
        densities[phase] = math.exp(-(((math.log(delay_s) - math.log(median_s)) / spread) ** 2) / 2) / spread
    # The excretory phase lasts beyond any median, and before the shortest one only the arteries are bright.
    if delay_s > DELAYS["ep"][0]:
        densities["ep"] = 1 / DELAYS["ep"][1]
    if delay_s < DELAYS["cmp"][0]:
        densities["cmp"] = 1 / DELAYS["cmp"][1]
    floor = MISTAKEN_SHARE * max(densities.values())
    return {phase: density + floor for phase, density in densities.items()}


def judge_timing(header: SeriesHeader) -> Evidence | None:
    """Judge a series by its contrast tags: when the injection began, and which agent was given.

    Args:
        header: The series.

    Returns:
        What the tags say, or None if they say nothing. The agent alone is weak evidence: scanners keep it for the
        unenhanced series of the same study too.

    **Source:** DICOM PS3.3 C.7.6.4 (Contrast/Bolus Agent 0018,0010 and Start Time 0018,1042); the weights are ours.

    >>> from datetime import datetime
    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> judge_timing(SeriesHeader(series_uid="1.2", acquired_at=datetime(2020, 1, 1, 9, 1, 30),
    ...                           bolus_started_at=datetime(2020, 1, 1, 9, 0, 0))).seen.text
    'timing.after-injection:seconds=90'
    """
    delay_s = delay_of(header)
    if delay_s is not None:
        code = "timing.after-injection" if delay_s > 0 else "timing.before-injection"
        return Evidence(Statement.of(code, seconds=f"{abs(delay_s):.0f}"), likelihood_at(delay_s))
    agent = header.bolus_agent.strip().casefold().rstrip(".")
    claims = {claim.claim for claim in read_contrast(agent)}
    if agent in NO_AGENT or claims == {"without"}:
        return Evidence(Statement.of("timing.no-agent"), _by_phase(0.90, 0.10))
    if agent and not agent.startswith(("oral", "po ", "rectal", "unknown", "doustn")):
        return Evidence(Statement.of("timing.agent"), _by_phase(0.45, 0.90))
    return None


def delay_of(header: SeriesHeader) -> float | None:
    """Return the seconds from the start of the injection to the scan.

    Args:
        header: The series.

    Returns:
        Seconds, negative before the injection; None if a time is missing or the two cannot belong together.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> delay_of(SeriesHeader(series_uid="1.2")) is None
    True
    """
    if header.acquired_at is None or header.bolus_started_at is None:
        return None
    scanned_at, injected_at = header.acquired_at, header.bolus_started_at
    if (scanned_at.tzinfo is None) != (injected_at.tzinfo is None):
        scanned_at, injected_at = scanned_at.replace(tzinfo=None), injected_at.replace(tzinfo=None)
    delay_s = (scanned_at - injected_at).total_seconds()
    return delay_s if COPIED_WITHIN_S < abs(delay_s) <= LONGEST_DELAY_S else None


def _by_phase(unenhanced: float, enhanced: float) -> dict[str, float]:
    return {phase: unenhanced if phase == "up" else enhanced for phase in PHASES}
