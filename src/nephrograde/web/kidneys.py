"""The kidneys as places to start: searched for in the background, in a process of its own with low priority.

The search takes seconds of a processor, and slices are served meanwhile. The process gets a coarse copy of the scan on
its standard input, and writes the centres of the kidneys as JSON; it ends with the search.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from nephrograde.errors import VolumeError
from nephrograde.organs.kidneys import LEFT, RIGHT, find_organs
from nephrograde.organs.landmarks import shrink
from nephrograde.sample.kidneys import find_kidneys
from nephrograde.volume.volume import Volume, make_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nephrograde.cohort.case import Scan
    from nephrograde.vocabulary import Triple
    from nephrograde.web.scans import Slices

Search: TypeAlias = Literal["searching", "found", "none"]

KEPT = 1000
"""Patients whose kidneys are remembered: some numbers each."""
_LONGEST_S = 120.0
_SIDES = {"right": RIGHT, "left": LEFT}


@dataclass(frozen=True, slots=True)
class Kidneys:
    """How far the search for a patient's kidneys is.

    Attributes:
        state: "none" if the search has ended without a kidney.
        phase: The phase on which they were found.
        centres_mm: The centre of each kidney by side, "right" and "left" (LPS, mm).
    """

    state: Search
    phase: str = ""
    centres_mm: dict[str, Triple] = field(default_factory=dict)


class KidneyFinder:
    """Searches the phases of one patient after the other, the one that was asked for last first.

    Kidneys that the table marks are read instead of searched for.

    Args:
        slices_of: Returns the slices of a phase of a patient by number.
        scan_of: Returns its row of the table, which may name a mask of the kidneys.

    >>> finder = KidneyFinder(lambda number, phase: None, lambda number, phase: None)
    >>> finder.ask(0, [])
    Kidneys(state='none', phase='', centres_mm={})
    """

    def __init__(self, slices_of: Callable[[int, str], Slices], scan_of: Callable[[int, str], Scan]) -> None:
        self._slices_of = slices_of
        self._scan_of = scan_of
        self._found: OrderedDict[int, Kidneys] = OrderedDict()
        self._wanted: tuple[int, Sequence[str]] | None = None
        self._searching: int | None = None
        self._lock = threading.Lock()

    def ask(self, number: int, phases: Sequence[str]) -> Kidneys:
        """Say what is known, and start to search if nothing is.

        A patient who is asked for while another is searched comes next, instead of who was to come next.

        Args:
            number: The patient's.
            phases: The phases to search, until one shows a kidney.
        """
        with self._lock:
            if number in self._found:
                return self._found[number]
            if not phases:
                return Kidneys("none")
            if number != self._searching:
                self._wanted = (number, phases)
                if self._searching is None:
                    self._searching = number
                    threading.Thread(target=self._search, daemon=True).start()
            return Kidneys("searching")

    def _search(self) -> None:
        while (task := self._next()) is not None:
            number, phases = task
            found = Kidneys("none")
            try:
                found = self._find(number, phases)
            finally:
                self._keep(number, found)

    def _next(self) -> tuple[int, Sequence[str]] | None:
        with self._lock:
            task, self._wanted = self._wanted, None
            self._searching = None if task is None else task[0]
            return task

    def _keep(self, number: int, found: Kidneys) -> None:
        with self._lock:
            self._found[number] = found
            self._searching = None
            while len(self._found) > KEPT:
                self._found.popitem(last=False)

    def _find(self, number: int, phases: Sequence[str]) -> Kidneys:
        for phase in phases:
            try:
                slices, scan = self._slices_of(number, phase), self._scan_of(number, phase)
                is_marked = scan.kidneys_path is not None
                centres_mm = marked_centres(slices, scan) if is_marked else find_apart(slices)
            except (VolumeError, OSError):
                continue
            if centres_mm:
                return Kidneys("found", phase, centres_mm)
        return Kidneys("none")


def marked_centres(slices: Slices, scan: Scan) -> dict[str, Triple]:
    """Read the kidneys that the table marks on a scan.

    Args:
        slices: The scan.
        scan: Its row of the table, with a mask of the kidneys.

    Returns:
        The centre of each kidney, by side (LPS, mm).

    Raises:
        VolumeError: If the mask cannot be read, or does not mark one kidney or two.
    """
    centres_mm = [kidney.center_mm for kidney in find_kidneys(slices.volume(), scan)]
    if len(centres_mm) == 1:
        return {"right" if centres_mm[0][0] < slices.middle_mm else "left": centres_mm[0]}
    return dict(zip(("right", "left"), centres_mm, strict=True)) if centres_mm else {}


def find_apart(slices: Slices) -> dict[str, Triple]:
    """Search one scan for kidneys in a process of its own.

    Args:
        slices: The scan. Scans that were scaled to 16 bits are not in HU and are not searched.

    Returns:
        The centre of each kidney that was found, by side (LPS, mm).
    """
    if (slices.slope, slices.intercept) != (1.0, 0.0):
        return {}
    coarse = shrink(slices.volume())
    packed = io.BytesIO()
    np.savez(
        packed,
        values=coarse.values_hu,
        spacing_mm=coarse.grid.spacing_mm,
        origin_mm=coarse.grid.origin_mm,
        direction=coarse.grid.direction,
    )
    words = [sys.executable, "-m", __name__]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        ended = subprocess.run(  # noqa: S603 (this module, constant arguments)
            words, input=packed.getvalue(), capture_output=True, env=environment, timeout=_LONGEST_S, check=True
        )
        given = json.loads(ended.stdout)
    except (subprocess.SubprocessError, OSError, ValueError):
        return {}
    return {side: (x, y, z) for side, (x, y, z) in given.items()}


def kidney_centres(volume: Volume) -> dict[str, Triple]:
    """Find the kidneys, and return the centre of each by side (LPS, mm).

    Args:
        volume: A CT in HU.
    """
    organs = find_organs(volume)
    if organs is None:
        return {}
    centres = {}
    for side, label in _SIDES.items():
        inside = np.argwhere(organs.labels == label)
        if len(inside):
            centres[side] = organs.grid.to_mm(inside.mean(axis=0))
    return centres


def _main() -> None:
    if hasattr(os, "nice"):
        os.nice(10)
    given = np.load(io.BytesIO(sys.stdin.buffer.read()))
    volume = make_volume(
        given["values"],
        spacing_mm=tuple(given["spacing_mm"].tolist()),
        origin_mm=tuple(given["origin_mm"].tolist()),
        direction=given["direction"],
    )
    json.dump(kidney_centres(volume), sys.stdout)


if __name__ == "__main__":
    _main()
