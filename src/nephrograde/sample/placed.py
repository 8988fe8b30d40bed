"""Blocks of patients as units that an engine places on other machines, to prepare their scans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from nephrograde.placing.place import place_units
from nephrograde.placing.unit import Unit, Unseen
from nephrograde.run.marked import MarkedRun
from nephrograde.run.writer import beside_others
from nephrograde.sample.prepare import prepare_patients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nephrograde.cohort.case import Cohort
    from nephrograde.placing.engine import Engine
    from nephrograde.placing.unit import Done
    from nephrograde.run.folder import RunFolder
    from nephrograde.run.progress import Progress
    from nephrograde.study import Study

_PATIENTS = 50
"""Of a block: some minutes of work, so that the start of a process does not matter."""


@dataclass(frozen=True, slots=True)
class PlacedBlock:
    """Some patients of a study, whose scans are prepared on whichever machine the block is placed.

    Attributes:
        cohort: The patients.
        study: The resolved study.
        marked: The run folder.
        workers: How many scans are prepared at once.
    """

    cohort: Cohort
    study: Study
    marked: MarkedRun
    workers: int = 1

    def in_place(self) -> Unseen | None:
        """Prepare the scans; nothing is done on a machine that does not see the run folder."""
        run = self.marked.find()
        if run is None:
            return Unseen.FOLDER
        with beside_others(run):
            prepare_patients(self.cohort, self.study, run.volumes_dir, workers=self.workers)
        return None


def place_preparing(study: Study, cohort: Cohort, run: RunFolder, engine: Engine, *, progress: Progress) -> None:
    """Let an engine prepare the scans of a study in blocks, which ``prepare_scans`` then finds in the cache.

    A cohort of a single block is left to this machine, and so is what another machine cannot do because it does not see
    the run folder.

    Args:
        study: The resolved study.
        cohort: Its patients.
        run: The run folder; its cohort is open.
        engine: SLURM or Ray.
        progress: How to show long steps.

    Raises:
        FitError: Blocks have failed; each is named, and the others are kept.
        InputError: The engine cannot be used.
        RunError: The run folder is being written as a whole.
    """
    blocks = list(_blocks(cohort, engine.number("block") or _PATIENTS))
    if len(blocks) < 2:
        return
    marked, workers = MarkedRun.of(run), engine.number("cpus") or 1
    units = [Unit(f"scans of {name}", PlacedBlock(block, study, marked, workers).in_place) for name, block in blocks]
    with progress("Preparing blocks of scans", len(units)) as show, beside_others(run):

        def finished(_number: int, _done: Done) -> None:
            show()

        place_units(units, engine, cpus=1, logs_dir=run.logs_dir.absolute(), finished=finished)


def _blocks(cohort: Cohort, size: int) -> Iterator[tuple[str, Cohort]]:
    """The patients, so many at a time, with a name for each block."""
    left, number = iter(cohort.cases), 0
    while cases := tuple(islice(left, size)):
        yield f"patients {number + 1} to {number + len(cases)}", replace(cohort, cases=cases)
        number += len(cases)
