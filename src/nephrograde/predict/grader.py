"""Grade one scan with the networks of a finished run, read and cut exactly as in the study."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from nephrograde.errors import RunError
from nephrograde.results import Results
from nephrograde.sample.pictures import cut_pictures
from nephrograde.sample.prepare import cut_region
from nephrograde.sample.scanned import Scanned, annotated
from nephrograde.vocabulary import RESEARCH_USE_ONLY, phase_name
from nephrograde.volume.check import check_volume
from nephrograde.volume.masks.delineation import delineate
from nephrograde.volume.pictures import find_pictures, read_picture
from nephrograde.volume.read import read_volume

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from nephrograde.cohort.case import Scan
    from nephrograde.study import Arm, Study
    from nephrograde.vocabulary import Triple


_GREYS = "Greys of exported pictures are no HU: use only a model that was fitted on pictures exported in the same way."


@dataclass(frozen=True, slots=True)
class Grading:
    """The answer for one scan: the probability of high grade, the call, and what was read.

    ``p_high`` is the mean of the folds' networks; ``p_high_of_folds`` shows their spread. ``call`` compares it with
    the threshold that the run froze on out-of-fold training scores. Of exported pictures there is no ``spacing_mm``,
    ``size`` ends with how many they are, and ``center_mm`` is counted from the corner of the first one shown.
    """

    model: str
    phase: str
    p_high: float
    p_high_of_folds: tuple[float, ...]
    call: str
    threshold: float
    threshold_rule: str
    image: str
    size: tuple[int, int, int]
    spacing_mm: Triple | None
    center_mm: Triple
    slices: tuple[int, ...]
    warnings: tuple[str, ...]
    synthetic: bool
    research_use_only: str = RESEARCH_USE_ONLY

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return asdict(self)

    def as_text(self) -> str:
        """Everything, for people."""
        low, high = min(self.p_high_of_folds), max(self.p_high_of_folds)
        trained = " (trained on SYNTHETIC data)" if self.synthetic else ""
        lines = [
            f"{self.call} grade at the threshold {self.threshold:.3f} ({self.threshold_rule})",
            f"p(high) = {self.p_high:.3f}; the {len(self.p_high_of_folds)} folds give {low:.3f} to {high:.3f}",
            f"model {self.model}{trained}, read as {phase_name(self.phase)} phase",
            *self._seen(),
            *(f"warning: {warning}" for warning in self.warnings),
            self.research_use_only,
        ]
        return "\n".join(lines)

    def _seen(self) -> list[str]:
        numbers = ", ".join(map(str, self.slices))
        if self.spacing_mm is None:
            width, height, count = self.size
            return [f"{count} exported pictures, the first of {width} × {height} pixels; number {numbers} was shown"]
        region = f"slices {numbers}" if self.slices else "a box"
        return [
            f"image {self.image}: {_times(self.size, '{}')} voxels of {_times(self.spacing_mm, '{:.2f}')} mm",
            f"region: {region} around {', '.join(f'{value:.1f}' for value in self.center_mm)} mm (LPS)",
        ]


def grade_scan(run_dir: str | Path, model: str, scan: Scan) -> Grading:
    """Grade one scan.

    Args:
        run_dir: The folder of a finished run.
        model: Which model grades, like ``weak-1-cmp``; it sets the phase and the supervision level.
        scan: The image with the mask, box or point that the arm needs; its ``phase`` is replaced by the model's.

    Raises:
        RunError: Where the run has no such model, or has not been evaluated.
        VolumeError: Where the scan cannot be read, or the annotation is missing or outside.
    """
    run = Results.read(run_dir)
    study = run.study
    if study is None:
        raise RunError(f"{run_dir} holds the evaluation of a score table, not the run of a study.")
    arm, phase = _find_model(study, model)
    scan = replace(scan, phase=phase)
    seen = _see_pictures(scan, arm, study) if find_pictures(scan.image_paths) else _see_scan(scan, arm, study)

    from nephrograde.fit.folds import grade_pictures  # torch is needed from here on

    of_folds = grade_pictures(run.folder, model, seen.region, settings=study.fit_of(arm))
    p_high = fmean(of_folds)
    threshold = run.threshold(model)
    if threshold is None:
        raise RunError(f"{run_dir} holds no threshold for '{model}'. Run `nephrograde evaluate` first.")
    return Grading(
        model=model,
        phase=phase,
        p_high=p_high,
        p_high_of_folds=of_folds,
        call="high" if p_high >= threshold.value else "low",
        threshold=threshold.value,
        threshold_rule=threshold.how,
        image=str(scan.image_path),
        size=seen.size,
        spacing_mm=seen.spacing_mm,
        center_mm=seen.center_mm,
        slices=seen.slices,
        warnings=seen.warnings,
        synthetic=study.synthetic,
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the network is shown of one scan, and what the answer says of it."""

    region: npt.NDArray[np.float16]
    slices: tuple[int, ...]
    center_mm: Triple
    size: tuple[int, int, int]
    spacing_mm: Triple | None
    warnings: tuple[str, ...]


def _see_scan(scan: Scan, arm: Arm, study: Study) -> _Seen:
    volume = read_volume(scan.image_path)
    scanned = Scanned(volume, scan)
    warnings = [f"{scan.image_path}: {fault.message} {fault.remedy}" for fault in check_volume(volume)]
    if scan.mask_path is not None:
        delineation = delineate(scan.mask_path, volume, study.masks)
        scanned = annotated(volume, scan, delineation)
        warnings += [f"{scan.mask_path}: {fault.message} {fault.remedy}" for fault in delineation.faults]
    region, slices, center_mm = cut_region(volume, scanned.scan, scanned.mask, arm=arm, study=study)
    return _Seen(region, slices, center_mm, volume.values.shape, volume.spacing_mm, tuple(warnings))


def _see_pictures(scan: Scan, arm: Arm, study: Study) -> _Seen:
    region, numbers, center = cut_pictures(scan, arm=arm, study=study)
    paths = find_pictures(scan.image_paths)
    first = read_picture(paths[numbers[0]])
    width, height = first.values.shape
    warnings = () if first.is_hu else (_GREYS,)
    return _Seen(region, numbers, center, (width, height, len(paths)), None, warnings)


def _times(values: Iterable[float], form: str) -> str:
    return " × ".join(form.format(value) for value in values)


def _find_model(study: Study, model: str) -> tuple[Arm, str]:
    found = {name: (arm, phase) for name, arm, phase in study.models()}
    if model not in found:
        raise RunError(f"This run has no model '{model}'. It has: {', '.join(found)}.")
    return found[model]
