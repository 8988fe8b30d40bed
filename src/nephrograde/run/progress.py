"""Progress of long steps, and how long they will still take."""

from __future__ import annotations

import heapq
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(slots=True)
class Part:
    """One part of a long step.

    Attributes:
        kind: Parts of one kind need the same time per unit.
        units: How much there is to do, in a unit that suits the kind.
        cost: What a unit is expected to cost, compared with the units of other kinds; used until it is measured.
        done: How much of it is done.
        is_begun: Whether it is in progress, or finished.
        is_finished: Whether nothing is left, also if less was done than planned.
    """

    kind: str
    units: float
    cost: float = 1.0
    done: float = 0.0
    is_begun: bool = False
    is_finished: bool = False


class Workload:
    """The parts of a long step, and an estimate of the remaining time from what was measured so far.

    Each worker does one part after the other. The time since its last report counts for the part that it reports. What
    a unit of a kind costs is measured as soon as the kind has reported; before, it is estimated from the kinds that
    have, by the ratio of their expected costs. Parts that end early, as a fit with early stopping does, shorten the
    estimate for those that are left. With several workers, the estimate is the time until the last of them is done, if
    each takes the next part of the list as soon as it is free.

    >>> now = [0.0]
    >>> slices, boxes = Part("2D", units=10, cost=1), Part("3D", units=10, cost=20)
    >>> work = Workload([slices, boxes], clock=lambda: now[0])
    >>> now[0] = 5.0; work.advance(slices, 5)
    >>> work.left_s  # 5 s for the slices that are left, and 200 s for the boxes
    205.0
    """

    def __init__(self, parts: list[Part], *, workers: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self.parts = parts
        self.workers = workers
        self._clock = clock
        self._start = clock()
        self._last: dict[int, float] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        self._done: dict[str, float] = defaultdict(float)
        self._costs = {part.kind: part.cost for part in parts}
        self._counts_units = False

    @classmethod
    def of_equal_parts(cls, count: int, *, clock: Callable[[], float] = time.monotonic) -> Workload:
        """Return the workload of parts that cost the same, such as scans to be read.

        Args:
            count: Number of parts.
            clock: The time in seconds.
        """
        work = cls([Part("part", count)], clock=clock)
        work._counts_units = True
        return work

    def begin(self, part: Part, units: float, *, worker: int = 0) -> None:
        """Begin a part, or begin it again from the start: what it took so far was measured, and all of it is left.

        Args:
            part: One of the parts.
            units: How much there is to do, now that it is known.
            worker: Who does it, counted from 0.
        """
        self._measure(part, worker)
        part.units = units
        part.done = 0.0
        part.is_begun = True

    def advance(self, part: Part, units: float, *, worker: int = 0) -> None:
        """Report that a part has advanced.

        Args:
            part: One of the parts.
            units: How much was done since the last report.
            worker: Who did it.
        """
        self._measure(part, worker)
        part.done += units
        part.is_begun = True
        self._done[part.kind] += units

    def finish(self, part: Part, *, worker: int = 0) -> None:
        """Report that nothing of a part is left.

        Args:
            part: One of the parts.
            worker: Who did it.
        """
        self._measure(part, worker)
        part.is_begun = True
        part.is_finished = True

    def finish_next(self) -> None:
        """Report that another of several equal parts is done."""
        self.advance(self.parts[0], 1.0)

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        return round(self.parts[0].units) if self._counts_units else len(self.parts)

    @property
    def n_finished(self) -> int:
        """Number of parts that are finished."""
        return round(self.parts[0].done) if self._counts_units else sum(part.is_finished for part in self.parts)

    @property
    def elapsed_s(self) -> float:
        """Time since the step began, in seconds."""
        return self._clock() - self._start

    @property
    def left_s(self) -> float | None:
        """Estimate of the remaining time, in seconds; None until anything is measured."""
        left = [(part, max(0.0, part.units - part.done)) for part in self.parts if not part.is_finished]
        if not any(units for _, units in left):
            return 0.0
        expected = sum(self._costs[kind] * done for kind, done in self._done.items())
        if not expected:
            return None
        speed = sum(seconds for kind, seconds in self._seconds.items() if self._done[kind]) / expected
        unit_s = {
            kind: self._seconds[kind] / self._done[kind] if self._done[kind] else cost * speed
            for kind, cost in self._costs.items()
        }
        begun = [units * unit_s[part.kind] for part, units in left if part.is_begun]
        waiting = [units * unit_s[part.kind] for part, units in left if not part.is_begun]
        return _time_of([*begun, *waiting], self.workers) * self._share_of_plan()

    @property
    def share_done(self) -> float:
        """Elapsed time as a part of the whole, from 0 to 1; 0 until anything is measured."""
        left_s = self.left_s
        if left_s is None:
            return 0.0
        elapsed_s = self.elapsed_s
        return elapsed_s / (elapsed_s + left_s) if elapsed_s + left_s else 1.0

    def _measure(self, part: Part, worker: int) -> None:
        now = self._clock()
        self._seconds[part.kind] += now - self._last.get(worker, self._start)
        self._last[worker] = now

    def _share_of_plan(self) -> float:
        """How much of what was planned the finished parts have needed."""
        finished = [part for part in self.parts if part.is_finished]
        planned = sum(part.units * part.cost for part in finished)
        return min(1.0, sum(part.done * part.cost for part in finished) / planned) if planned else 1.0


def _time_of(parts_s: list[float], workers: int) -> float:
    """The time until all parts are done, if each worker takes the next of the list as soon as it is free."""
    if workers == 1:
        return sum(parts_s)
    free_s = [0.0] * workers
    for part_s in parts_s:
        heapq.heapreplace(free_s, free_s[0] + part_s)
    return max(free_s)


@dataclass(frozen=True, slots=True)
class Watched:
    """A part of a workload together with what shows its progress.

    >>> shown = []
    >>> part = Part("2D", units=4)
    >>> work = Workload([part], clock=lambda: 0.0)
    >>> watched = Watched(work, part, show=lambda: shown.append(part.done))
    >>> watched.begin(2); watched.advance(1); watched.finish(); shown
    [0.0, 1.0, 1.0]
    """

    workload: Workload
    part: Part
    show: Callable[[], None] = field(default=lambda: None)
    worker: int = 0

    def begin(self, units: float) -> None:
        """Begin the part, or begin it again.

        Args:
            units: How much there is to do.
        """
        self.workload.begin(self.part, units, worker=self.worker)
        self.show()

    def advance(self, units: float) -> None:
        """Report how much was done since the last report.

        Args:
            units: The amount.
        """
        self.workload.advance(self.part, units, worker=self.worker)
        self.show()

    def finish(self) -> None:
        """Report that nothing is left."""
        self.workload.finish(self.part, worker=self.worker)
        self.show()

    def follow(self, told: Part) -> None:
        """Take over what another process tells of its copy of the part.

        Args:
            told: The copy.
        """
        if (told.is_begun and not self.part.is_begun) or told.units != self.part.units or told.done < self.part.done:
            self.begin(told.units)
        if told.done > self.part.done:
            self.advance(told.done - self.part.done)
        if told.is_finished and not self.part.is_finished:
            self.finish()


def unwatched() -> Watched:
    """Return a part that nobody watches."""
    part = Part("part", 1.0)
    return Watched(Workload([part]), part)


Progress: TypeAlias = Callable[[str, "int | Workload"], AbstractContextManager[Callable[[], None]]]
"""Opens one long step, given its name and its number of parts, and yields a function to call after each part.

Where the parts differ in cost, a :class:`Workload` is given instead of their number; it is told what was done, and the
function shows it.
"""


def silent(_name: str, _work: int | Workload) -> AbstractContextManager[Callable[[], None]]:
    """Show no progress."""
    return nullcontext(lambda: None)
