"""Masks among the files: which segmentation or structure set marks the tumour on which chosen series."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from nephrograde.sources.scan.kinds import plain
from nephrograde.volume.dicom.dictionary import MASK_CLASSES
from nephrograde.volume.phase.evidence import PHASES, PhaseAnswer
from nephrograde.volume.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.sources.scan.choose import Choice
    from nephrograde.volume.dicom.header import SeriesHeader

# What people call their structures: CPTAC has "RIGHT KIDNEY - 1", "LIVER - 1", "LEFT ADRENAL - 1 - SEED POINT".
_SEED = re.compile(r"\bseeds?\b|种子")
_KIDNEY = re.compile(r"\b(?:kidneys?|renal|c?c?rcc|nieren?|ner(?:k\w*|ek))\b|肾(?!上腺)")
_OTHER_ORGAN = re.compile(
    r"\b(?:(?:supra|ad)renals?|liver|hepatic|lungs?|lymph|nodes?|bones?|pancreas|spleen|bladder|leber|nebennieren?"
    r"|watrob\w*|wątrob\w*|nadnercz\w*)\b|肝|肾上腺|肺|淋巴|骨|胰|脾|膀胱"
)


def is_mask(header: SeriesHeader) -> bool:
    """Whether a series is an object that can be read as a mask.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> is_mask(SeriesHeader(series_uid="1", modality="SEG", sop_class="1.2.840.10008.5.1.4.1.1.66.4"))
    True
    """
    return header.sop_class in MASK_CLASSES


def choose_masks(choices: Sequence[Choice], *, unreadable: Mapping[str, str] | None = None) -> list[Choice]:
    """Assign to each chosen series of a patient the mask that was drawn on it.

    A mask belongs to the series it refers to; a mask without reference, to the only chosen series in its frame of
    reference. If a mask refers to several series, it is assigned to the first chosen one; if both parts of a series
    were chosen, to the part with the earlier phase. Among several masks of one series, areas precede seed points, then
    the newest wins by date and time, series number and UID. A mask named after another organ, and not after the
    kidney, is never used.

    Args:
        choices: All series of one patient after the choice, including masks.
        unreadable: Why a mask cannot be used, by key.

    Returns:
        The choices in the same order; masks get the reason why they were chosen or not, and chosen masks the phase of
        their series.

    Source:
        DICOM PS3.3 C.8.20.2 and C.8.8.5 for the references.

    >>> from nephrograde.sources.scan.choose import Choice
    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> scan = Choice(SeriesHeader(series_uid="1.7"), PhaseAnswer("np", 0.97, ()), chosen=True,
    ...               reason=Statement.of("only-series"))
    >>> drawn = SeriesHeader(series_uid="1.8", sop_class="1.2.840.10008.5.1.4.1.1.66.4", refers_to=("1.7",))
    >>> reason = Statement.of("not-ct", modality="SEG")
    >>> found = choose_masks([scan, Choice(drawn, PhaseAnswer("", 0.25, ()), chosen=False, reason=reason)])
    >>> found[1].answer.phase, found[1].chosen, found[1].text
    ('np', True, 'mask-taken:series=1.7')
    """
    series = [choice for choice in choices if not is_mask(choice.header)]
    series.sort(key=lambda choice: PHASES.index(choice.answer.phase) if choice.chosen else len(PHASES))
    scans: dict[str, Choice] = {}
    for choice in series:
        scans.setdefault(choice.header.series_uid, choice)
    rivals: dict[str, list[Choice]] = defaultdict(list)
    answered: dict[str, Choice] = {}
    for choice in choices:
        if is_mask(choice.header):
            scan = _drawn_on(choice.header, scans)
            reason = _set_aside(choice.header, scan, unreadable or {})
            if reason:
                answered[choice.header.key] = replace(choice, chosen=False, reason=reason, grounds=())
            elif scan is not None:
                rivals[scan.header.series_uid].append(choice)
    for uid, masks in rivals.items():
        answered |= _contest(scans[uid], masks)
    return [answered.get(choice.header.key, choice) for choice in choices]


def _drawn_on(header: SeriesHeader, scans: Mapping[str, Choice]) -> Choice | None:
    """Find the series that a mask marks; if it refers to several, prefer a chosen one."""
    if header.refers_to:
        found = [scans[uid] for uid in header.refers_to if uid in scans]
        return min(found, key=lambda scan: not scan.chosen, default=None)
    same = [scan for scan in scans.values() if scan.chosen and scan.header.frame_uid == header.frame_uid]
    return same[0] if header.frame_uid and len(same) == 1 else None


def _set_aside(header: SeriesHeader, scan: Choice | None, unreadable: Mapping[str, str]) -> Statement | None:
    """Return why a mask cannot belong to a scan; None if it can."""
    if header.key in unreadable:
        return Statement.of("unreadable", fault=unreadable[header.key])
    if scan is None:
        return Statement.of("mask-of-unknown")
    text = plain(header.description)
    if _OTHER_ORGAN.search(text) and not _KIDNEY.search(text):
        return Statement.of("mask-of-other-organ")
    return None if scan.chosen else Statement.of("mask-of-unchosen", series=scan.header.series_uid)


def _contest(scan: Choice, masks: Sequence[Choice]) -> dict[str, Choice]:
    """Return the choices of all masks of one scan, by key."""
    best, *others = sorted(masks, key=lambda mask: _rank(mask.header), reverse=True)
    answer = PhaseAnswer(scan.answer.phase, scan.answer.probability, ())
    taken = replace(
        best,
        answer=answer,
        chosen=True,
        reason=Statement.of("mask-taken", series=scan.header.series_uid),
        grounds=(
            (Statement.of("not-taken", series=", ".join(other.header.key for other in others)),) if others else ()
        ),
    )
    outdone = Statement.of("mask-outdone", series=best.header.key)
    told = {other.header.key: replace(other, chosen=False, reason=outdone, grounds=()) for other in others}
    return told | {best.header.key: taken}


def _rank(header: SeriesHeader) -> tuple[bool, datetime, int, str]:
    is_area = not _SEED.search(plain(header.description))
    number = -1 if header.series_number is None else header.series_number
    return is_area, header.acquired_at or datetime.min, number, header.key
