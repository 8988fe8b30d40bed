"""What the words on a series and on its study say about the phase."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from nephrograde.volume.phase.evidence import PHASES, Evidence
from nephrograde.volume.phase.lexicon import MEANINGS, NOT_A_SCAN, SPELLINGS, TRAPS, likelihood_of
from nephrograde.volume.phase.negation import read_contrast
from nephrograde.volume.phase.timing import LONGEST_DELAY_S, likelihood_at
from nephrograde.volume.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.volume.dicom.header import SeriesHeader

LONGEST_TEXT = 400
"""Maximum number of characters read from one text; a series description has at most 64."""

SPECIFIC: Final = ("unenhanced", "corticomedullary", "nephrographic", "equilibrium", "excretory")
"""Meanings that name a phase. If a text contains several, the series has several phases or lies between them."""

DELAYED: Final = ("delayed", "late")
VAGUE: Final = ("stone", "angiography", "urography", "enhanced", "routine")
PARTED = " | "
"""Replaces removed words, so that the text on both sides is not read as one."""

SHORTEST_SPELT = 5
SHORTEST_DELAY_S = 15.0
"""Below this, "5s" is a slice thickness, and nothing is scanned so soon."""

STUDY_STRENGTH = 0.35
"""Exponent on the words of the study: they say what was ordered, not what this series is."""

PROTOCOL_STRENGTH = 0.5
"""Exponent on the protocol name and the image comments, which often stay the same for all phases."""

_SIMPLIFIED = str.maketrans(
    "動脈靜實質遲掃強門腎鐘時無對劑雙兩監測ł",
    "动脉静实质迟扫强门肾钟时无对剂双两监测l",
) | str.maketrans({"ı": "i", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"})
_SCRIPTS_MEET = re.compile(r"(?<=[a-z0-9+)-])(?=[\u4e00-\u9fff])|(?<=[\u4e00-\u9fff])(?=[a-z0-9(+])")
_NUMBER = r"(?<![\w./])(?P<count>"
_DELAYS = (
    (60.0, re.compile(_NUMBER + r"\d{1,2}(?:[.,]5)?)\s?-?\s?(?:min(?:s|ut[a-z]{0,3})?(?![a-z])(?!\s?ip)\.?|分钟?)"
                      r"(?:\s?(?P<seconds>\d{1,2})\s?(?:s|sec|sek|秒)(?![a-z]))?")),
    (1.0, re.compile(_NUMBER + r"\d{2,4})\s?-?\s?(?:(?:s|secs?|seconds?|sek|sekund[a-z]?)(?![a-z])\.?|秒)")),
)  # fmt: skip
"""Seconds per unit, and how a stated delay is written in that unit."""

_MEANING_OF: Final = {"without": "unenhanced", "both": "several"}
"""Meaning of a claim about contrast medium."""

_JOINED_DELAY = re.compile(r"(?:&|/|\+|,|\band\b|\bund\b|\bi\b)\s?(?:delay|late|opoz|spat|延迟)")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one text says.

    Attributes:
        meanings: Meanings found, with the words that express them, in text order.
        delays_s: Stated delays after the injection in seconds, with the words that state them.
        is_scan: False if the words name a localiser, bolus tracking or a dose sheet.
        is_joined: A delayed scan is combined with something else, as in "chest & delay bladder".
    """

    meanings: tuple[tuple[str, str], ...] = ()
    delays_s: tuple[tuple[float, str], ...] = ()
    is_scan: bool = True
    is_joined: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The words that were recognised, for display."""
        return tuple(dict.fromkeys(word for _, word in (*self.meanings, *self.delays_s)))


def normalise(text: str) -> str:
    """Normalize a text for looking up words.

    Args:
        text: As in the header.

    Returns:
        Lower case, without accents, simplified characters, single spaces, split at "_", "^", inside "AbdDelay" and
        between "增强" and "CT"; long words with one wrong letter are corrected.

    >>> normalise("Faza_opóźniona  NonCon"), normalise("延遲期"), normalise("Paranchymal")
    ('faza opozniona non con', '延迟期', 'parenchymal')
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z][A-Za-z])|(?<=\d[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", text))
    plain = unicodedata.normalize("NFKD", spaced[:LONGEST_TEXT].casefold())
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign)).translate(_SIMPLIFIED)
    plain = unicodedata.normalize("NFC", plain)  # Korean syllables were taken apart, too
    plain = re.sub(r"[_^\s]+", " ", _SCRIPTS_MEET.sub(" ", plain)).strip()
    return re.sub(r"(?<![a-z])[a-z]{5,17}(?![a-z])", lambda found: _spelt(found.group()), plain)


@lru_cache(maxsize=4096)
def read_words(text: str) -> Reading:
    """Read one text of a header.

    Args:
        text: A series or study description, a protocol name or a comment.

    Returns:
        What it says. A text without a known word gives an empty reading.

    The words are in ``lexicon``.

    >>> read_words("Kids w/o  5.0  B40f").meanings
    (('unenhanced', 'w/o'),)
    >>> read_words("3 MIN DELAY").delays_s
    ((180.0, '3 min'),)
    >>> read_words("C-A-P 5.0 B30s ISOVUE370").words
    ('isovue370',)
    """
    plain = normalise(text)
    if found := NOT_A_SCAN.search(plain):
        return Reading((("no scan", found.group()),), is_scan=False)
    is_joined = bool(_JOINED_DELAY.search(plain))
    delays: list[tuple[float, str]] = []
    for unit_s, pattern in _DELAYS:
        for found in pattern.finditer(plain):
            delay_s = unit_s * float(found["count"].replace(",", ".")) + float(found.groupdict().get("seconds") or 0)
            if SHORTEST_DELAY_S <= delay_s <= LONGEST_DELAY_S:
                delays.append((delay_s, found.group().strip()))
        plain = pattern.sub(PARTED, plain)
    meanings = _meanings_of(TRAPS.sub(PARTED, plain))
    return Reading(meanings, tuple(delays), is_joined=is_joined)


def _meanings_of(text: str) -> tuple[tuple[str, str], ...]:
    """Find the words of every meaning: first what is said about contrast medium, then everything else."""
    claims = read_contrast(text)
    places = [(claim.start, _MEANING_OF[claim.claim], claim.words) for claim in claims if claim.claim in _MEANING_OF]
    for claim in claims:
        if claim.claim != "with":
            text = text[: claim.start] + "|" * (claim.end - claim.start) + text[claim.end :]
    for meaning, pattern in MEANINGS:
        places.extend((found.start(), meaning, found.group().strip()) for found in pattern.finditer(text))
        text = pattern.sub(lambda found: "|" * len(found.group()), text)
    given = [claim for claim in claims if claim.claim == "with"]
    places.extend((one.start, "enhanced", one.words) for one in given if "|" not in text[one.start : one.end])
    meanings = tuple((meaning, word) for _, meaning, word in sorted(places))
    return _join_opposites(meanings) if given else meanings


def _join_opposites(meanings: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Read "without contrast, then with contrast" as several phases."""
    opposites = [(meaning, word) for meaning, word in meanings if meaning in {"unenhanced", "enhanced"}]
    if {meaning for meaning, _ in opposites} != {"unenhanced", "enhanced"}:
        return meanings
    rest = [one for one in meanings if one not in opposites]
    return (*rest, ("several", ", ".join(dict.fromkeys(word for _, word in opposites))))


def weigh(reading: Reading) -> dict[str, float] | None:
    """Weigh what a text says: how likely it is on a series of each phase.

    A word that names a phase takes precedence over one that only says "enhanced", and a stated delay over "delayed";
    next to a phase, "delayed" or "late" only modifies it; several phases in one text are equally probable.

    Args:
        reading: What the text says.

    Returns:
        By phase, up to a common factor; None if it says nothing about the phase.

    >>> likelihood = weigh(read_words("Art/Ven Phase"))
    >>> round(likelihood["cmp"], 2), round(likelihood["np"], 2)
    (0.98, 0.95)
    """
    if not reading.is_scan:
        return None
    meanings = {meaning for meaning, _ in reading.meanings}
    named = [likelihood_of(meaning) for meaning in SPECIFIC if meaning in meanings]
    delayed = next((likelihood_of(meaning) for meaning in DELAYED if meaning in meanings), None)
    stated = [likelihood_at(delay_s) for delay_s, _ in reading.delays_s]
    if stated:
        shade = [_temper(delayed, 0.5)] if delayed and not named else []
        return _product([_mean(stated), *([_mean(named)] if named else []), *shade])
    if delayed and reading.is_joined:
        return _mean([delayed, *(named or [likelihood_of("enhanced")])])
    if named:
        return _product([_mean(named), _temper(delayed, 0.2)]) if delayed else _mean(named)
    if delayed:
        return delayed
    vague = next((meaning for meaning in VAGUE if meaning in meanings), None)
    return likelihood_of(vague) if vague and "several" not in meanings else None


def judge_words(header: SeriesHeader) -> tuple[Evidence, ...]:
    """Judge a series by its description, its protocol and comments, and its study description.

    Args:
        header: The series.

    Returns:
        One piece of evidence for each text that says something, the strongest first. A localiser, bolus tracking or
        a dose sheet yields one that favours no phase and says why.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> header = SeriesHeader(series_uid="1.2", description="Faza tętnicza 5.0", study_description="CT ABD W&WO")
    >>> for evidence in judge_words(header):
    ...     print(evidence.seen.text)
    words.found:words=tetnicza;place=series description
    words.several:words=w&wo;place=study description
    """
    if reason := reason_not_a_scan(header):
        return (Evidence(reason, dict.fromkeys(PHASES, 1.0)),)
    description, own = normalise(header.description), read_words(header.description)
    judged = [_judge_text("series description", own, 1.0)]
    for place, text, strength in (
        ("protocol", header.protocol, PROTOCOL_STRENGTH),
        ("image comments", header.comments, PROTOCOL_STRENGTH),
        ("study description", header.study_description, STUDY_STRENGTH),
    ):
        # A protocol that only repeats the description, as on Siemens scanners, is not independent evidence.
        if normalise(text) not in description:
            judged.append(_judge_text(place, _beside(own, read_words(text)), strength))
    return tuple(evidence for evidence in judged if evidence)


def reason_not_a_scan(header: SeriesHeader) -> Statement | None:
    """Return why a series has no phase: another modality, or a localiser, bolus tracking or dose sheet.

    Args:
        header: The series.

    Returns:
        The reason; None for a scan.

    **Source:** DICOM PS3.3 C.8.2.1.1.1 for ImageType value 3 LOCALIZER; the words are ours.

    >>> from nephrograde.volume.dicom.header import SeriesHeader
    >>> reason_not_a_scan(SeriesHeader(series_uid="1.2", description="Topogram 0.6 T20s")).text
    'words.no-phase:words=topogram'
    """
    if header.modality not in ("", "CT"):
        return Statement.of("words.not-ct", modality=header.modality[:16])
    if "LOCALIZER" in header.image_type.upper().split("\\"):
        return Statement.of("words.localizer")
    reading = read_words(header.description)
    return None if reading.is_scan else Statement.of("words.no-phase", words=reading.words[0])


def _beside(own: Reading, other: Reading) -> Reading:
    """Drop from the study's words what the series itself repeats or says more precisely.

    A study "with contrast" or "routine" may contain a delayed series; once that series calls itself delayed, the order
    adds nothing about the phase. The same meaning in both counts once.
    """
    said = {meaning for meaning, _ in own.meanings}
    names_phase = bool(own.delays_s) or not said.isdisjoint((*SPECIFIC, *DELAYED))
    dropped = said | (set(VAGUE) if names_phase else set())
    kept = tuple((meaning, word) for meaning, word in other.meanings if meaning not in dropped)
    return Reading(kept, other.delays_s, other.is_scan, other.is_joined)


def _judge_text(place: str, reading: Reading, strength: float) -> Evidence | None:
    if likelihood := weigh(reading):
        seen = Statement.of("words.found", words=", ".join(reading.words), place=place)
        return Evidence(seen, _temper(likelihood, strength))
    several = [word for meaning, word in reading.meanings if meaning == "several"]
    if several:
        seen = Statement.of("words.several", words=several[0], place=place)
        return Evidence(seen, dict.fromkeys(PHASES, 1.0))
    return None


def _mean(sights: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Average likelihoods scaled to the same sum: one of them is true, but it is not known which."""
    sums = [sum(sight.values()) for sight in sights]
    return {phase: sum(sight[phase] / total for sight, total in zip(sights, sums, strict=True)) for phase in PHASES}


def _product(sights: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {phase: math.prod(sight[phase] for sight in sights) for phase in PHASES}


def _temper(likelihood: Mapping[str, float], strength: float) -> dict[str, float]:
    return {phase: likelihood[phase] ** strength for phase in PHASES}


def _spelt(word: str) -> str:
    if len(word) < SHORTEST_SPELT or word in SPELLINGS:
        return word
    return next((right for right in SPELLINGS if _is_one_slip(word, right)), word)


@lru_cache(maxsize=8192)
def _is_one_slip(word: str, right: str) -> bool:
    """Whether one letter is wrong, missing, doubled or swapped with its neighbour."""
    if abs(len(word) - len(right)) > 1 or word[0] != right[0]:
        return False
    start = _shared(word, right)
    rest, meant = word[start:], right[start:]
    end = _shared(rest[::-1], meant[::-1])
    wrong, put_right = rest[: len(rest) - end], meant[: len(meant) - end]
    return max(len(wrong), len(put_right)) <= 1 or (len(wrong) == 2 and wrong == put_right[::-1])


def _shared(one: str, other: str) -> int:
    """Number of letters that two words share at their start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
