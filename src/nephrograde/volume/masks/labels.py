"""The labels of a mask, by number and by name, and which of them a study counts as tumour."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nephrograde.errors import VolumeError
from nephrograde.volume.finding import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_SHOWN = 12  # labels listed in a message
_NIFTI = (".nii.gz", ".nii", ".nrrd", ".mha")
# Next to tumour.nii.gz: what ITK-SNAP saves as "label descriptions", and the colour table of 3D Slicer.
_NAME_FILES = (".label", ".txt", ".label.txt", ".ctbl", "_ColorTable.ctbl")
_ITK_SNAP = re.compile(r'\s*(\d{1,9})(?:\s+[\d.]+){6}\s+"(.*)"\s*')
_SLICER = re.compile(r"\s*(\d{1,9})\s+(\S+)(?:\s+\d+){4}\s*")


@dataclass(frozen=True, slots=True)
class Label:
    """One structure of a mask: its number and its names, the most familiar first.

    >>> str(Label(2, ("tumour", "Neoplasm"))), str(Label(3))
    ('2 (tumour)', '3')
    >>> Label(2, ("Tumour",)).answers_to(" tumour"), Label(2).answers_to("2"), Label(2).answers_to("kidney")
    (True, True, False)
    """

    number: int
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.number} ({self.names[0]})" if self.names else str(self.number)

    def answers_to(self, wanted: str) -> bool:
        """Whether a number, or a name in upper or lower case, refers to this label."""
        return _plain(wanted) in {str(self.number), *map(_plain, self.names)}


def choose_labels(present: Sequence[Label], wanted: str) -> tuple[Label, ...]:
    """Choose the labels that count as tumour.

    Args:
        present: Every label of the file.
        wanted: The number or name that the study gives; empty where all count.

    Returns:
        The labels that match ``wanted``, in file order; several if they share a name.

    Raises:
        VolumeError: With code "label-missing" if none matches.

    >>> present = [Label(1, ("kidney",)), Label(2, ("tumour",))]
    >>> choose_labels(present, "Tumour")
    (Label(number=2, names=('tumour',)),)
    """
    if not wanted:
        return tuple(present)
    chosen = tuple(label for label in present if label.answers_to(wanted))
    if not chosen:
        held = f"it holds {listed(present)}" if present else "it holds none"
        raise VolumeError(
            "label-missing",
            f"has no label '{wanted}'; {held}.",
            "Correct masks.label in the study, or name the structure so in every mask.",
        )
    return chosen


def several_labels(used: Sequence[Label], wanted: str) -> list[Fault]:
    """Warn where more than one label counts as tumour.

    Args:
        used: The labels that count and mark something.
        wanted: What the study asked for.

    Returns:
        No fault, or one with code "labels-several".

    >>> [fault] = several_labels([Label(1), Label(2)], "")
    >>> fault.message
    'holds several labels (1, 2), and all of them count as tumour.'
    """
    if len(used) < 2:
        return []
    asked = f" answer to '{wanted}'" if wanted else ""
    return [
        Fault(
            "labels-several",
            "warning",
            f"holds several labels{asked} ({listed(used)}), and all of them count as tumour.",
            "Name the tumour's label in masks.label, unless this is meant.",
        )
    ]


def listed(labels: Sequence[Label]) -> str:
    """Return labels as written in messages.

    Args:
        labels: Any number; the first dozen are shown.

    >>> listed([Label(1, ("kidney",)), Label(2)])
    '1 (kidney), 2'
    """
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    return ", ".join(map(str, labels[:_SHOWN])) + more


def find_names_file(mask_path: Path) -> Path | None:
    """Find the file next to a label map that names its numbers.

    A label map itself contains numbers only. ITK-SNAP saves the names as "label descriptions", 3D Slicer as a colour
    table; either is read if it is next to ``tumour.nii.gz`` as ``tumour.label``, ``tumour.txt``,
    ``tumour.label.txt``, ``tumour.ctbl`` or ``tumour_ColorTable.ctbl``.

    Args:
        mask_path: The label map.

    Returns:
        The file; None if there is none.
    """
    name = mask_path.name
    suffix = next((suffix for suffix in _NIFTI if name.lower().endswith(suffix)), None)
    if suffix is None:
        return None
    stem = name[: -len(suffix)]
    return next((path for ending in _NAME_FILES if (path := mask_path.with_name(stem + ending)).is_file()), None)


def read_names(names_path: Path) -> dict[int, str]:
    r"""Read the names of label numbers.

    Args:
        names_path: As found by :func:`find_names_file`; lines that follow neither format are ignored.

    Source: The label description file of ITK-SNAP (index, four colours, two switches, name in quotes); the colour table
        of 3D Slicer (index, name without blanks, four colours).

    >>> import pathlib, tempfile
    >>> names_path = pathlib.Path(tempfile.mkdtemp(), "m.label")
    >>> _ = names_path.write_text('# ITK-SnAP\n  0 0 0 0 0 0 0 "Clear Label"\n  2 255 0 0 1 1 1 "Renal tumour"\n')
    >>> read_names(names_path)
    {0: 'Clear Label', 2: 'Renal tumour'}
    """
    text = names_path.read_bytes()
    try:
        lines = text.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = text.decode("gb18030", errors="replace").splitlines()
    matches: Iterable[re.Match[str] | None] = (_ITK_SNAP.fullmatch(line) or _SLICER.fullmatch(line) for line in lines)
    return {int(match[1]): match[2].strip() for match in matches if match}


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()
