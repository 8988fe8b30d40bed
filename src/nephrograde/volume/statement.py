"""What can be said about a series, as codes with parameters: why it was chosen or not, and what indicates its phase.

``series.csv`` contains the codes; ``report/text/series_words.py`` translates them into English and Chinese sentences.
Every code is listed here with its English wording, whose placeholders are its parameters. No parameter is a name, date
or id of a patient.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from string import Formatter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from nephrograde.vocabulary import phase_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONFLICT: Final = "conflict.words-image"
"""The code of a contradiction between what a series is called and what its image shows."""

REASONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "not-ct": ("not CT", "{modality}"),
        "dose-sheet": ("dose sheet", ""),
        "secondary-capture": ("secondary capture", ""),
        "localiser": ("localiser", ""),
        "bolus-tracking": ("bolus tracking", ""),
        "projection": ("projection", ""),
        "reformat": ("reformat", ""),
        "derived-image": ("derived image", ""),
        "intervention": ("intervention", ""),
        "not-axial": ("not axial", "{plane}"),
        "too-few-slices": ("too few slices", "{n}"),
        "slices-too-thick": ("slices too thick", "{step_mm} mm apart"),
        "too-short": ("too short", "{length_mm} mm"),
        "burnt-in-text": ("burnt-in text", ""),
        "sharp-kernel": ("sharp kernel", ""),
        "other-body-part": ("other body part", ""),
        "kidneys-not-in-view": ("kidneys not in view", "{share_percent}% of their height"),
        "unreadable": ("cannot be read", "{fault}"),
        "phase-unknown": ("phase unknown", ""),
        "phase-contradicted": ("words and image contradict each other", ""),
        "after-surgery": ("after surgery", ""),
        "another-visit": ("another visit", ""),
        "better-series": ("a better series", ""),
        "best-of": ("best of {n}", ""),
        "only-series": ("only series of its phase", ""),
        "mask-taken": ("mask of a chosen series", "{series}"),
        "mask-outdone": ("another mask was taken", "{series}"),
        "mask-of-unchosen": ("mask of a series not chosen", "{series}"),
        "mask-of-other-organ": ("mask of another organ", ""),
        "mask-of-unknown": ("mask of an unknown series", ""),
        "chosen-by-person": ("chosen by a person", ""),
        "left-out-by-person": ("left out by a person", ""),
        "outdone-by-person": ("another was chosen by a person", ""),
        "patient-left-out": ("patient left out", ""),
        "not-in-grade-table": ("not in the grade table", ""),
        "no-grade": ("no grade", ""),
        "several-grades": ("several grades", "{grades}"),
        "not-clear-cell": ("not clear cell", "{histology}"),
        "no-known-series": ("no series whose phase is known", ""),
        "another-cohort": ("another cohort has more phases of the patient", ""),
    }
)
"""Why a series, or all of a patient's, was chosen or not: the kind, by which reasons are counted, and the detail."""

GROUNDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "by.kidneys": "more of the kidneys ({share_percent}%)",
        "by.certainty": "surer of its phase ({probability})",
        "by.kernel": "{kernel} kernel",
        "by.original": "original images",
        "by.length": "longer ({length_mm} mm)",
        "by.step": "slices nearer to 1–3 mm ({step_mm} mm apart)",
        "by.step-unknown": "slices at an unknown distance",
        "by.images": "more images ({n})",
        "by.number": "lower series number",
        "by.uid": "first by UID",
        "by.nothing": "the same in all that is known",
        "visit.nearer-surgery": "nearer to surgery",
        "visit.more-phases": "{n} phases",
        "visit.later": "later",
        "not-taken": "not taken: {series}",
    }
)
"""What decided; follows a reason."""

SIGHTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "timing.after-injection": "scanned {seconds} s after the injection began",
        "timing.before-injection": "scanned {seconds} s before the injection began",
        "timing.no-agent": "the tag for the contrast agent says none",
        "timing.agent": "the tag for the contrast agent is filled",
        "words.found": "“{words}” in the {place}",
        "words.several": "the {place} speaks of several phases (“{words}”)",
        "words.not-ct": "modality {modality} is not CT",
        "words.localizer": "the image type says localizer",
        "words.no-phase": "“{words}” names no scan of a phase",
        "words.third-of-c4kc": "“late” in the series description, the third phase of C4KC-KiTS",
        "words.cases-from": "cases from {case} on are {phase}, say the authors",
        "words.cases-below": "cases below {case} are {phase}, say the authors",
        "order.by-time": "acquisition {number} of {count} by time",
        "order.by-time-after": "acquisition {number} of {count} by time, {gap_s} s after the one before",
        "order.by-number": "acquisition {number} of {count} by series number",
        "image.kidneys": (
            "cortex {cortex_hu} HU, medulla {medulla_hu} HU, inside up to {inside_hu} HU, aorta {aorta_hu} HU"
        ),
        "image.kidneys-only": (
            "cortex {cortex_hu} HU, medulla {medulla_hu} HU, inside up to {inside_hu} HU, aorta not found"
        ),
        CONFLICT: "the words say {said}, the image shows {measured}",
        "image.read-as": "{read_as}, say the radiologists of RCC-AID",
    }
)
"""Evidence for a phase; the code begins with what was inspected."""

MASK_CODES: Final = frozenset(code for code in REASONS if code.startswith("mask-"))

TERMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "plane": ("coronal", "sagittal", "oblique"),
        "kernel": ("soft", "medium", "sharp", "unknown"),
        "place": ("series description", "protocol", "image comments", "study description"),
        "read_as": ("arterial", "venous", "delayed"),
        "said": ("enhanced",),
    }
)
"""Parameter values that are our own words and are translated; others are numbers or quoted from the files."""

PHASE_NAMES: Final = frozenset({"phase", "said", "measured"})
"""Parameters whose values are codes of phases."""

_BETWEEN = " | "
_RESERVED = re.compile(r"[%;|\x00-\x1f\x7f-\x9f\u2028\u2029]|^ | $")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement about a series.

    Attributes:
        code: A key of ``REASONS``, ``GROUNDS`` or ``SIGHTS``.
        parameters: Names and values, as text.

    >>> Statement.of("by.step", step_mm="1.25").text
    'by.step:step_mm=1.25'
    """

    code: str
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, code: str, **parameters: object) -> Statement:
        """Make a statement, and check that it has the parameters of its code.

        Args:
            code: A listed code.
            parameters: Its values; numbers as they are to be printed.

        Raises:
            ValueError: For an unknown code, or parameters other than those of the code.
        """
        if code not in _all_codes() or parameters.keys() != parameters_of(code):
            raise ValueError(f"no statement {code} with {', '.join(parameters) or 'no parameters'}")
        return cls(code, tuple((name, str(value)) for name, value in parameters.items()))

    @classmethod
    def parse(cls, text: str) -> Statement:
        """Parse a statement; any other text becomes a statement with that text as its code.

        >>> Statement.parse("words.found:words=w%3Bo, iv;place=protocol").parameters
        (('words', 'w;o, iv'), ('place', 'protocol'))
        """
        code, _, rest = text.partition(":")
        pairs = [pair.partition("=") for pair in rest.split(";")] if rest else []
        if not all(name and equals for name, equals, _ in pairs):
            return cls(text)
        return cls(code, tuple((name, unquote(value)) for name, _, value in pairs))

    @property
    def text(self) -> str:
        """The statement as written in ``series.csv``: ``code:name=value;name=value``."""
        pairs = (f"{name}={_RESERVED.sub(_escaped, value)}" for name, value in self.parameters)
        return f"{self.code}:{';'.join(pairs)}" if self.parameters else self.code

    @property
    def english(self) -> str:
        """The statement in English; its text if the code is not listed.

        >>> Statement.of("slices-too-thick", step_mm=10).english
        'slices too thick: 10 mm apart'
        """
        if not self.is_listed:
            return self.text
        values = {name: phase_name(value) if name in PHASE_NAMES else value for name, value in self.parameters}
        kind, detail = (part.format(**values) for part in wording_of(self.code))
        return ": ".join(filter(None, (kind, detail)))

    @property
    def is_listed(self) -> bool:
        """Whether it can be worded; one that a person wrote into a table may not."""
        return self.code in _all_codes() and {name for name, _ in self.parameters} == parameters_of(self.code)


def wording_of(code: str) -> tuple[str, str]:
    """Return the kind and the detail of a code in English, with placeholders; only reasons have a kind.

    >>> wording_of("too-short"), wording_of("visit.later")
    (('too short', '{length_mm} mm'), ('', 'later'))
    """
    return _all_codes()[code]


@cache
def parameters_of(code: str) -> frozenset[str]:
    """Return the parameter names of a code.

    >>> sorted(parameters_of("words.found"))
    ['place', 'words']
    """
    fields = Formatter().parse("".join(wording_of(code)))
    return frozenset(name for _, name, *_ in fields if name)


def write_statements(statements: Iterable[Statement]) -> str:
    """Join statements into one cell.

    >>> write_statements([Statement.of("better-series"), Statement.of("by.images", n=120)])
    'better-series | by.images:n=120'
    """
    return _BETWEEN.join(statement.text for statement in statements)


def read_statements(cell: str) -> tuple[Statement, ...]:
    """Split a cell into its statements.

    >>> [statement.code for statement in read_statements("better-series | by.images:n=120")], read_statements("")
    (['better-series', 'by.images'], ())
    """
    return tuple(Statement.parse(part.strip(" ")) for part in cell.split("|") if part.strip(" "))


@cache
def _all_codes() -> Mapping[str, tuple[str, str]]:
    return {**REASONS, **{code: ("", sentence) for code, sentence in {**GROUNDS, **SIGHTS}.items()}}


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found.group().encode())
