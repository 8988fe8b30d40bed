"""All evidence on the series of a study combined: naive Bayes over the phases, with "unknown" as a possible answer."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from nephrograde.volume.phase.evidence import PHASES, UNKNOWN, Evidence, PhaseAnswer
from nephrograde.volume.phase.order import PRIOR, judge_order
from nephrograde.volume.phase.timing import judge_timing
from nephrograde.volume.phase.words import judge_words, reason_not_a_scan
from nephrograde.volume.statement import CONFLICT, Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.volume.dicom.header import SeriesHeader

NAMED_FROM = 0.80
"""A phase is named if it is at least this probable; otherwise the answer is "unknown"."""

LEAST_AGREEMENT = 0.15
"""Words and image contradict each other if the probabilities that each gives on its own overlap by less than this."""

_NAMED_BY_WORDS = 0.6
LEAST_LIKELIHOOD = 1e-6
NOTHING_SEEN: Final[Mapping[str, Evidence]] = MappingProxyType({})


def recognise_phases(
    study: Sequence[SeriesHeader], seen: Mapping[str, Evidence] = NOTHING_SEEN
) -> dict[str, PhaseAnswer]:
    """Recognise the phase of every series of one study.

    The evidence is, in this order: the time since the injection and the tags on contrast, the words of the series and
    of its study, its position among the other series, and the image if it was measured. The pieces of evidence are
    taken to be independent given the phase (naive Bayes); a series with contradictory evidence stays unknown. Where the
    words and the image contradict each other, the evidence says so, whatever phase is named.

    Args:
        study: All series of one study of one patient; those of other studies would disturb the order.
        seen: Evidence from the image, by ``SeriesHeader.key``, where it was inspected.

    Returns:
        The answer for each series by ``SeriesHeader.key``. Localisers, bolus tracking, dose sheets and modalities
        other than CT are unknown, whatever else is said about them.

    **Source:** method, prior and threshold are ours; their accuracy is measured in ``docs/reference/phases.md``.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> study = [SeriesHeader(series_uid="1.2", description="Faza tętnicza"),
    ...          SeriesHeader(series_uid="1.3", description="CAP 5.0")]
    >>> [answer.phase for answer in recognise_phases(study).values()]
    ['cmp', '']
    """
    own: dict[str, tuple[Evidence, ...]] = {}
    for header in study:
        timing = judge_timing(header)
        own[header.key] = (*((timing,) if timing else ()), *judge_words(header))
    images = {header.key: seen[header.key] for header in study if header.key in seen}
    known = {}
    for key, evidence in own.items():
        likelihood = _together((*evidence, *((images[key],) if key in images else ())))
        if max(likelihood.values()) > min(likelihood.values()):
            known[key] = likelihood
    order = judge_order(study, known)
    answers = {}
    for header in study:
        key = header.key
        evidence = (*own[key], *((order[key],) if key in order else ()), *((images[key],) if key in images else ()))
        conflict = _conflict(own[key], images[key]) if key in images else None
        evidence += (conflict,) if conflict else ()
        answers[key] = _answer(evidence, is_scan=not reason_not_a_scan(header))
    return answers


def _conflict(own: Sequence[Evidence], image: Evidence) -> Evidence | None:
    """Say that the words and the image of a series contradict each other; this favours no phase by itself."""
    words = [one for one in own if one.seen.code == "words.found"]
    if not words:
        return None
    said, measured = _shares(words), _shares([image])
    if sum(min(said[phase], measured[phase]) for phase in PHASES) >= LEAST_AGREEMENT:
        return None
    named = max(PHASES, key=said.__getitem__)
    if named != "up" and said[named] < _NAMED_BY_WORDS:
        named = "enhanced"
    seen = Statement.of(CONFLICT, said=named, measured=max(PHASES, key=measured.__getitem__))
    return Evidence(seen, dict.fromkeys(PHASES, 1.0))


def _shares(evidence: Sequence[Evidence]) -> dict[str, float]:
    likelihood = _together(evidence)
    total = sum(likelihood.values())
    return {phase: share / total for phase, share in likelihood.items()}


def probabilities(evidence: Sequence[Evidence]) -> dict[str, float]:
    """Turn all evidence on one series into the probability of each phase.

    Args:
        evidence: The evidence, in any order; none leaves the prior.

    Returns:
        Probability by phase; they add up to 1.

    **Source:** Bayes' rule with evidence that is independent given the phase; the prior is ours.

    >>> probabilities([])["np"]
    0.3
    """
    likelihood = _together(evidence)
    weights = {phase: PRIOR[phase] * likelihood[phase] for phase in PHASES}
    total = sum(weights.values())
    return {phase: weight / total for phase, weight in weights.items()}


def _answer(evidence: Sequence[Evidence], *, is_scan: bool) -> PhaseAnswer:
    if not is_scan:
        return PhaseAnswer(UNKNOWN, max(PRIOR.values()), tuple(evidence))
    by_phase = probabilities(evidence)
    best = max(PHASES, key=by_phase.__getitem__)
    return PhaseAnswer(best if by_phase[best] >= NAMED_FROM else UNKNOWN, by_phase[best], tuple(evidence))


def _together(evidence: Sequence[Evidence]) -> dict[str, float]:
    """Multiply the likelihoods, each scaled to a maximum of 1; none is 0, so no single one can exclude a phase."""
    together = dict.fromkeys(PHASES, 1.0)
    for one in evidence:
        best = max(one.likelihood.values())
        for phase in PHASES:
            together[phase] *= max(one.likelihood[phase] / best, LEAST_LIKELIHOOD)
    best = max(together.values())
    return {phase: max(share / best, math.ulp(0.0)) for phase, share in together.items()}
