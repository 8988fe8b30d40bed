"""One entry of a reader's journal: what was drawn or said about a phase of a patient, and when."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from nephrograde.annotations.voxels import is_voxels, parse_voxels
from nephrograde.cohort.place import parse_box, parse_point, parse_slice
from nephrograde.errors import InputError, PlaceError, Problem
from nephrograde.study import NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nephrograde.cohort.place import Box, Point, SlicePlace

VERSION: Final = 1
"""Version of the entries that are written; those of a later version are refused."""
YES: Final = "yes"
"""The value of a kind that is either set or not."""
MOST_CHARACTERS: Final = 4000
"""Longest comment; places are far shorter."""
MOST_MASK_CHARACTERS: Final = 4_000_000
"""Longest written form of a mask; that of a large tumour has some ten thousand characters."""
REFUSED_MASK: Final = "none"
"""The value that refuses an imported mask; in a cohort table, such a cell says that there is no mask."""
MOST_ACTIVE_S: Final = 86_400.0

_ID = re.compile(r"[0-9a-f]{32}")
_IDS = re.compile(r"(?:[0-9a-f]{32}(?: [0-9a-f]{32})*)?")
_SESSION = re.compile(r"[0-9A-Za-z_-]{0,64}")
_MASK_FILE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,199}\.nii(?:\.gz)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")


class Kind(StrEnum):
    """What an entry says."""

    POINT = "point"
    BOX = "box"
    SLICE = "slice"
    MASK = "mask"
    NONE = "none"
    UNUSABLE = "unusable"
    COMMENT = "comment"
    UNDO = "undo"
    REDO = "redo"
    DONE = "done"

    @property
    def is_change(self) -> bool:
        """Whether it changes a label; the others take back or restore a change."""
        return self not in {Kind.UNDO, Kind.REDO}


LABELS: Final = (Kind.POINT, Kind.BOX, Kind.SLICE, Kind.MASK)
"""Kinds that say where the tumour is, from the quickest to the slowest to give, except for the slice."""
STATES: Final = (Kind.NONE, Kind.UNUSABLE)
"""Kinds that say why there is no label."""


class Origin(StrEnum):
    """How a label came about."""

    DRAWN = "drawn"
    CARRIED = "carried"
    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    REFUSED = "refused"
    TYPED = "typed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a journal.

    Attributes:
        id: 32 hexadecimal digits, given by whoever made the entry; sent again, it is the same entry.
        at: When, in UTC, ISO 8601 with milliseconds.
        reader: Whose journal it is.
        session: The tab of the page in which it was made.
        patient_id: As in the cohort table.
        phase: Empty for the patient as a whole.
        kind: What it says.
        value: A place in mm as written in a cohort table, a comment, or "yes" for a state. Of a mask, the voxels of
            slices (:mod:`nephrograde.annotations.voxels`), the name of a file, or "none" to refuse the imported one.
            Empty takes the label away. For undo and redo, the id of an entry, or empty for the last one.
        origin: How the label came about.
        follows: Ids, separated by a blank, of the entries for the same patient, phase and kind that its author had
            seen; empty if there were none. Two after a conflict settle it.
        active_s: Seconds of activity since the author's last entry.
        version: Of the format.
    """

    id: str
    at: str
    reader: str
    session: str
    patient_id: str
    phase: str
    kind: Kind
    value: str
    origin: Origin
    follows: str
    active_s: float
    version: int = VERSION

    @property
    def key(self) -> tuple[str, str, Kind]:
        """The label that it is about."""
        return self.patient_id, self.phase, self.kind

    @property
    def is_refusal(self) -> bool:
        """Whether it refuses an imported mask, and so is not a label itself."""
        return self.kind is Kind.MASK and self.value == REFUSED_MASK

    def line(self) -> bytes:
        """The entry as a line of a journal, with its line feed."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False).encode() + b"\n"


def now() -> str:
    """The time as entries have it.

    >>> len(now())
    24
    """
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def check_reader(reader: str) -> str:
    """Check the name of a reader, which becomes the name of files.

    Args:
        reader: Lower-case letters, digits, ``-`` and ``_``.

    Returns:
        The name.

    Raises:
        InputError: It is not such a name.

    >>> check_reader("dr-li")
    'dr-li'
    """
    if not re.fullmatch(NAME_PATTERN.strip("^$"), reader) or len(reader) > 64:
        remedy = "Use lower-case letters, digits, - and _, such as reader-1."
        raise InputError([Problem("reader", f"{reader[:80]!r} is not a name of a reader", remedy)])
    return reader


def read_entry(given: Mapping[str, Any], *, reader: str) -> Entry:
    """Check what a page, a script or a line of a journal says, and make an entry of it.

    Args:
        given: The keys of an entry. ``reader``, ``session``, ``phase``, ``value``, ``origin``, ``follows``,
            ``active_s`` and ``version`` may be missing, and ``at`` is now if it is.
        reader: Whose journal it is for.

    Raises:
        InputError: If anything is wrong; all problems are listed, each with its key.

    >>> given = {"id": "0" * 32, "patient_id": "P1", "phase": "cmp", "kind": "point", "value": "1,2,3 mm"}
    >>> read_entry(given, reader="li").origin.value
    'drawn'
    >>> read_entry({**given, "value": "1,2,3 vox"}, reader="li")
    Traceback (most recent call last):
        ...
    nephrograde.errors.InputError: 1 problem:
      value: '1,2,3 vox' is not in mm. Write places of annotations in mm.
    """
    filled: dict[str, Any] = {
        "at": now(),
        "reader": reader,
        "session": "",
        "phase": "",
        "value": "",
        "origin": Origin.DRAWN.value,
        "follows": "",
        "active_s": 0.0,
        "version": VERSION,
        **given,
    }
    problems = [
        Problem(key, "is not a key of an entry", "Remove it.")
        for key in filled
        if key not in Entry.__dataclass_fields__
    ]
    for key, is_valid, remedy in _RULES:
        if key not in filled:
            problems.append(Problem(key, "is missing", remedy))
        elif not is_valid(filled[key]):
            problems.append(Problem(key, f"{str(filled[key])[:80]!r} cannot be used", remedy))
    if not problems:
        if filled["reader"] != reader:
            remedy = "Every reader has a journal of their own."
            problems.append(Problem("reader", f"{filled['reader']!r} is not {reader!r}", remedy))
        problems += _value_problems(Kind(filled["kind"]), filled["phase"], filled["value"])
    if problems:
        raise InputError(problems)
    kind, origin = Kind(filled.pop("kind")), Origin(filled.pop("origin"))
    return Entry(**{**filled, "active_s": float(filled["active_s"])}, kind=kind, origin=origin)


def _is_time(text: object) -> bool:
    if not isinstance(text, str) or len(text) > 32:
        return False
    try:
        return datetime.fromisoformat(text).utcoffset() == UTC.utcoffset(None)
    except ValueError:
        return False


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_ACTIVE_S


def _is_text(text: object, *, longest: int) -> bool:
    return isinstance(text, str) and len(text) <= longest and not _CONTROL.search(text)


def _matches(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda text: isinstance(text, str) and pattern.fullmatch(text) is not None


def _is_value(text: object) -> bool:
    if not isinstance(text, str):
        return False
    longest = MOST_MASK_CHARACTERS if is_voxels(text) else MOST_CHARACTERS
    return _is_text(text.replace("\n", " ").replace("\t", " "), longest=longest)


_RULES: Final[tuple[tuple[str, Callable[[Any], bool], str], ...]] = (
    ("id", _matches(_ID), "Write 32 hexadecimal digits."),
    ("at", _is_time, "Write a time in UTC, such as 2026-04-15T08:30:00.000Z."),
    ("reader", lambda text: isinstance(text, str), "Write the name of the reader."),
    ("session", _matches(_SESSION), "Write at most 64 letters, digits, - and _."),
    ("patient_id", lambda text: _is_text(text, longest=200) and bool(text.strip()), "Write the id of the patient."),
    ("phase", _matches(re.compile(f"(?:{NAME_PATTERN.strip('^$')})?")), "Write a phase of the study, or nothing."),
    ("kind", lambda text: isinstance(text, str) and text in set(Kind), f"Write one of {', '.join(Kind)}."),
    ("value", _is_value, f"Write at most {MOST_CHARACTERS} characters."),
    ("origin", lambda text: isinstance(text, str) and text in set(Origin), f"Write one of {', '.join(Origin)}."),
    ("follows", _matches(_IDS), "Write ids of earlier entries, or nothing."),
    ("active_s", _is_seconds, f"Write seconds from 0 to {MOST_ACTIVE_S:g}."),
    ("version", lambda value: value == VERSION and not isinstance(value, bool), f"This version reads {VERSION}."),
)


def _value_problems(kind: Kind, phase: str, value: str) -> list[Problem]:
    """Check a value for its kind; an empty one takes the label away."""
    problems = []
    if kind in LABELS and not phase:
        problems.append(Problem("phase", f"is missing for a {kind}", "Write the phase that it was drawn on."))
    if not value or kind is Kind.COMMENT:
        return problems
    if kind in {Kind.UNDO, Kind.REDO}:
        if not _ID.fullmatch(value):
            problems.append(Problem("value", f"{value[:80]!r} is not an id", "Write the id of an entry, or nothing."))
    elif kind is Kind.MASK:
        problems += _mask_problems(value)
    elif kind in LABELS:
        problems += _place_problems(kind, value)
    elif value != YES:
        problems.append(
            Problem("value", f"{value[:80]!r} cannot be used", f'Write "{YES}", or nothing to take it back.')
        )
    return problems


def _mask_problems(value: str) -> list[Problem]:
    if is_voxels(value):
        try:
            parse_voxels(value)
        except PlaceError as error:
            return [Problem("value", error.what, error.remedy)]
        return []
    if value != REFUSED_MASK and (not _MASK_FILE.fullmatch(value) or ".." in value):
        remedy = f'Write the voxels of slices, the plain name of a .nii or .nii.gz file, or "{REFUSED_MASK}".'
        return [Problem("value", f"{value[:80]!r} is not a mask", remedy)]
    return []


def _place_problems(kind: Kind, value: str) -> list[Problem]:
    parse_of: Mapping[Kind, Callable[[str], Point | Box | SlicePlace]] = {
        Kind.POINT: parse_point,
        Kind.BOX: parse_box,
        Kind.SLICE: parse_slice,
    }
    try:
        unit = parse_of[kind](value).unit
    except PlaceError as error:
        return [Problem("value", error.what, error.remedy)]
    if unit != "mm":
        return [Problem("value", f"{value!r} is not in mm", "Write places of annotations in mm.")]
    return []
