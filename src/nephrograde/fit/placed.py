"""Fits as units that an engine places on other machines."""

from __future__ import annotations

import platform
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from nephrograde.fit.planned import longest_first, shaping_versions
from nephrograde.fit.unit import check_same_versions, fit_unit
from nephrograde.lock import in_turn
from nephrograde.placing.place import place_units
from nephrograde.placing.unit import Carried, Unit, Unseen
from nephrograde.replacement import make_folder, replaced_folder
from nephrograde.run.fold_folder import FoldFolder
from nephrograde.run.marked import MarkedRun
from nephrograde.run.progress import Workload, unwatched
from nephrograde.run.seal import fold_digests
from nephrograde.run.writer import beside_others

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.fit.planned import Fit
    from nephrograde.fit.workers import FitOne
    from nephrograde.placing.engine import Engine
    from nephrograde.placing.unit import Done
    from nephrograde.run.folder import RunFolder
    from nephrograde.run.progress import Part, Progress

Files: TypeAlias = dict[str, bytes]
"""Contents by path, relative to a folder."""


@dataclass(frozen=True, slots=True)
class PlacedFit:
    """One fit, on whichever machine it is placed.

    Attributes:
        fit: Fits it.
        planned: The fit.
        marked: The run folder.
        threads: Of the CPU.
        gpus: The share of a GPU that it has, or the number of GPUs; 0 if it has none, or all of the machine's.
        versions: Those of the packages that shape networks.
    """

    fit: FitOne
    planned: Fit
    marked: MarkedRun
    threads: int
    gpus: float
    versions: Mapping[str, str]

    def in_place(self) -> Unseen | None:
        """Fit in the run folder, once; nothing is done on a machine that does not see it."""
        run = self.marked.find()
        if run is None:
            return Unseen.FOLDER
        self._begin()
        with beside_others(run):
            fit_unit(self.fit, self.planned, threads=self.threads)
        return None

    def pack(self) -> Files:
        """Read what the fits of the model need: the regions of its patients, or the features of a frozen encoder."""
        encoding = self.planned.encoding
        paths = self.planned.paths if encoding is None else encoding.paths_of_fits()
        return {path.relative_to(self.marked.run_dir).as_posix(): path.read_bytes() for path in paths}

    def elsewhere(self, luggage: Files) -> Files:
        """Fit in a temporary folder, and return the files of the fold.

        Args:
            luggage: As packed.
        """
        from nephrograde.fit.team import on_threads

        self._begin()
        with tempfile.TemporaryDirectory(prefix="nephrograde-unit-") as folder:
            for name, content in luggage.items():
                path = Path(folder, name)
                make_folder(path.parent)
                path.write_bytes(content)
            planned = _moved(self.planned, self.marked.run_dir, Path(folder))
            with on_threads(self.threads):
                self.fit(planned, watched=unwatched())
            return {path.name: path.read_bytes() for path in planned.folder.fold_dir.iterdir()}

    def _begin(self) -> None:
        """Check that the machine can do it, and keep to a share of a GPU."""
        check_same_versions(self.versions, platform.node())
        if 0 < self.gpus < 1:
            import torch

            if torch.cuda.is_available():
                torch.cuda.set_per_process_memory_fraction(self.gpus)


def place_fits(
    fit: FitOne, todo: Sequence[tuple[Fit, Part]], run: RunFolder, *, engine: Engine, threads: int, progress: Progress
) -> None:
    """Let an engine place fits on other machines, and wait for all of them.

    Args:
        fit: Fits one of them.
        todo: The fits with their work.
        run: The run folder.
        engine: SLURM or Ray.
        threads: Of the CPU, for each fit.
        progress: How to show long steps.

    Raises:
        FitError: Fits have failed; each is named, and the others are kept.
        InputError: The engine cannot be used.
        RunError: The run folder is being written as a whole.
    """
    ordered = longest_first(todo)
    work = Workload([part for _, part in ordered], workers=len(todo))
    marked, versions = MarkedRun.of(run), shaping_versions()
    units = []
    for planned, _ in ordered:
        placed = PlacedFit(
            fit=fit,
            planned=_moved(planned, run.run_dir, marked.run_dir),
            marked=marked,
            threads=threads,
            gpus=engine.amount("gpus") or 0.0,
            versions=versions,
        )
        units.append(Unit(planned.name, placed.in_place, Carried(planned.model, placed.pack, placed.elsewhere)))
    with progress("Fitting models", work) as show, beside_others(run):

        def finished(number: int, done: Done) -> None:
            planned, part = ordered[number]
            if isinstance(done.value, dict):
                write_returned(done.value, planned.folder)
            work.finish(part)
            show()

        place_units(units, engine, cpus=max(1, threads), logs_dir=run.logs_dir.absolute(), finished=finished)


def write_returned(files: Files, folder: FoldFolder) -> None:
    """Write the files of a fold that another machine returned, as a whole.

    Args:
        files: Their contents by name.
        folder: The folder of the fold.

    Raises:
        RunError: They are not those that were sealed.
    """
    with in_turn(folder.fold_dir), replaced_folder(folder.fold_dir, is_ours=files.__contains__) as temporary_dir:
        for name, content in files.items():
            (temporary_dir / Path(name).name).write_bytes(content)
        fold_digests(FoldFolder(temporary_dir))


def _moved(planned: Fit, from_dir: Path, to_dir: Path) -> Fit:
    """The same fit in another folder."""

    def moved(path: Path) -> Path:
        return to_dir / path.relative_to(from_dir)

    regions = {
        phase: {patient: moved(path) for patient, path in files.items()} for phase, files in planned.regions.items()
    }
    encoding = planned.encoding
    if encoding is not None:
        encoding = replace(
            encoding,
            regions={patient: moved(path) for patient, path in encoding.regions.items()},
            folder=moved(encoding.folder),
        )
    return replace(planned, regions=regions, encoding=encoding, folder=FoldFolder(moved(planned.folder.fold_dir)))
