"""An explanation in a folder: maps as NIfTI on the grids of the scans as stored, pictures, numbers and words."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from nephrograde.errors import InputError, Problem
from nephrograde.explanation.drawing import draw_panels
from nephrograde.explanation.words import describe
from nephrograde.replacement import replaced_folder
from nephrograde.volume.volume import write_image

if TYPE_CHECKING:
    from pathlib import Path

    from nephrograde.explanation.explanation import Explanation, ScanMap

NUMBERS_NAME: Final = "explanation.json"
WORDS_NAME: Final = "explanation.txt"
_NOTE: Final = "log odds of high grade; research use only"
_MAP: Final = re.compile(r"(cam|occlusion)-.+\.(nii\.gz|png)")


def map_name(found: ScanMap) -> str:
    """Return the name of a map's files, without their ending.

    Args:
        found: The map.
    """
    return f"{found.method}-{found.phase}"


def check_folder(folder: Path) -> None:
    """Refuse a folder with other files, before minutes are spent.

    Args:
        folder: New, empty, or that of an earlier explanation, which is replaced.

    Raises:
        InputError: It holds other files, or is a file.
    """
    if folder.is_dir() and (others := sorted(one.name for one in folder.iterdir() if not _is_ours(one.name))):
        what = f"holds other files ({', '.join(others[:3])}{', …' if len(others) > 3 else ''})"
        raise InputError([Problem(str(folder), what, "Name a new or an empty folder for the maps.")])
    if folder.exists() and not folder.is_dir():
        raise InputError([Problem(str(folder), "is not a folder", "Name a new or an empty folder for the maps.")])


def write_explanation(explanation: Explanation, folder: Path) -> None:
    """Write the maps and what they say.

    Args:
        explanation: What was found.
        folder: As for :func:`check_folder`.

    Raises:
        InputError: As :func:`check_folder`.
        VolumeError: With code "file-unwritable" if a map cannot be written.
        WriteError: The folder cannot be written.
    """
    check_folder(folder)
    with replaced_folder(folder, is_ours=_is_ours) as temporary_dir:
        for found in explanation.maps:
            native = found.volume.native
            write_image(
                found.stored(),
                temporary_dir / f"{map_name(found)}.nii.gz",
                spacing_mm=native.spacing_mm,
                origin_mm=native.origin_mm,
                direction=native.direction,
                note=_NOTE,
            )
            (temporary_dir / f"{map_name(found)}.png").write_bytes(draw_panels(explanation, found))
        numbers = json.dumps(explanation.as_dict(), indent=2, ensure_ascii=False)
        (temporary_dir / NUMBERS_NAME).write_text(numbers + "\n", encoding="utf-8")
        (temporary_dir / WORDS_NAME).write_text("\n".join(describe(explanation)) + "\n", encoding="utf-8")


def _is_ours(name: str) -> bool:
    return name in {NUMBERS_NAME, WORDS_NAME} or _MAP.fullmatch(name) is not None
