"""Grade new scans with the networks of a finished run, each read and cut exactly as in the study."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from nephrograde.arguments import NUMBER, PATH, PATHS, TEXT, checked, either
from nephrograde.cohort.case import Scan
from nephrograde.cohort.place import Box, Point, SlicePlace, parse_box, parse_point, parse_slice
from nephrograde.errors import InputError, Problem, RunError
from nephrograde.evaluation.new_patient import Judge, learn_judge
from nephrograde.model.weights_file import parse_weights
from nephrograde.predict.grading import Grading, Performance
from nephrograde.predict.seeing import see
from nephrograde.replacement import replaced
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.run.seal import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.evaluation.scale import ModelScale
    from nephrograde.evaluation.threshold import Threshold
    from nephrograde.model.weights_file import Weights
    from nephrograde.predict.ensemble import Ensemble, FrozenEnsemble
    from nephrograde.predict.plausibility import Plausibility
    from nephrograde.predict.seeing import Seen
    from nephrograde.run.seal import Seal
    from nephrograde.study import Arm, Study

Images: TypeAlias = "str | Path | Sequence[str | Path]"
"""An image file, a folder or zip archive with one DICOM series, or several exported pictures."""


@dataclass(frozen=True)
class Grader:
    """The fold ensemble of one model; it reads its weights with the first scan and keeps them for all others.

    Made by :func:`load_grader`. ``threshold`` is the one that the run froze on out-of-fold training scores, ``scale``
    how it corrects the networks and their mean, ``judge`` what the out-of-fold patients teach about a new one, and
    ``performance`` the AUC of the model in the study.
    """

    model: str
    arm: Arm
    phase: str
    threshold: Threshold
    study: Study = field(repr=False)
    seal: Seal = field(repr=False)
    scale: ModelScale = field(repr=False)
    performance: Performance | None = field(default=None, repr=False)
    judge: Judge = field(default=Judge(), repr=False)

    @checked(
        image=PATHS,
        mask=PATH,
        kidneys=PATH,
        picture=PATH,
        box=either(TEXT, Box, remedy='Give two opposite corners, such as "i,j,k;i,j,k vox".'),
        point=either(TEXT, Point, remedy='Give a place, such as "i,j,k vox".'),
        slice=either(TEXT, SlicePlace, remedy='Give a place, such as "41 vox".'),
        pixel_mm=NUMBER,
    )
    def grade(
        self,
        image: Images,
        *,
        mask: str | Path | None = None,
        box: str | Box | None = None,
        point: str | Point | None = None,
        slice: str | SlicePlace | None = None,  # noqa: A002
        pixel_mm: float | None = None,
        kidneys: str | Path | None = None,
        picture: str | Path | None = None,
    ) -> Grading:
        """Grade one scan.

        Args:
            image: An image file, a folder or zip archive with one DICOM series, or exported pictures.
            mask: The delineated tumour.
            box: Two opposite corners, ``"x,y,z;x,y,z mm"`` (LPS) or ``"i,j,k;i,j,k vox"``.
            point: A place in the tumour, ``"x,y,z mm"`` or ``"i,j,k vox"``.
            slice: The axial slice to grade, ``"-312.5 mm"`` or ``"41 vox"``.
            pixel_mm: Size of a pixel of exported pictures, mm.
            kidneys: A mask of both kidneys, for a model that is given no place; they are searched for when None.
            picture: A PNG file to write, with the region drawn on the slices that the network is shown.

        Returns:
            The probability of high grade, the call and what was read.

        Raises:
            InputError: Where an argument is of another kind.
            VolumeError: Where the scan cannot be read, or the annotation is missing or outside.
            PlaceError: Where a box, point or slice is not written with its unit.
            RunError: Where the networks cannot be read.
            WriteError: Where the picture cannot be written.
        """
        paths = [Path(image)] if isinstance(image, str | Path) else [Path(one) for one in image]
        scan = Scan(
            phase=self.phase,
            image_path=paths[0],
            mask_path=None if mask is None else Path(mask),
            point=parse_point(point) if isinstance(point, str) else point,
            box=parse_box(box) if isinstance(box, str) else box,
            slice_place=parse_slice(slice) if isinstance(slice, str) else slice,
            further_paths=tuple(paths[1:]),
            pixel_mm=pixel_mm,
            kidneys_path=None if kidneys is None else Path(kidneys),
        )
        if picture is not None:
            _check_picture(Path(picture), [*paths, *(path for path in (scan.mask_path, scan.kidneys_path) if path)])
        _ = self._weights  # reading and verifying them begins, while the scan is read
        seen = see(scan, self.arm, self.study)
        if picture is not None:
            with replaced(Path(picture)) as temporary_path:
                temporary_path.write_bytes(seen.draw())
        with ThreadPoolExecutor(1) as beside:  # the kidneys are searched for while torch and the weights are loaded
            judged = beside.submit(seen.judge)
            given = self._ensemble.p_high_of_folds(seen.region)
            plausibility = judged.result()
        answer = self._answer(scan, seen, given, plausibility)
        return answer if picture is None else replace(answer, picture=str(picture))

    def _answer(self, scan: Scan, seen: Seen, given: Sequence[float], plausibility: Plausibility) -> Grading:
        """Bring what the networks give onto the scale of the study, and call it by the frozen threshold."""
        p_high, of_folds = self.scale.of_ensemble(given), self.scale.of_networks(given)
        folds_high = sum(one >= self.threshold.value for one in of_folds)
        certainty = self.judge.judge(p_high)
        return Grading(
            model=self.model,
            phase=self.phase,
            p_high=p_high,
            p_high_of_folds=of_folds,
            call="high" if p_high >= self.threshold.value else "low",
            threshold=self.threshold.value,
            threshold_rule=self.threshold.how,
            image=str(scan.image_path),
            size=seen.size,
            spacing_mm=seen.spacing_mm,
            center_mm=seen.center_mm,
            slices=seen.slices,
            warnings=(
                *_disagreement(folds_high, len(of_folds)),
                *seen.warnings,
                *(f"{scan.image_path}: {fault.message} {fault.remedy}" for fault in plausibility.faults),
            ),
            synthetic=self.study.synthetic,
            folds_high=folds_high,
            performance=self.performance,
            phase_seen=plausibility.phase_seen,
            phase_probability=plausibility.phase_probability,
            kidney_gap_mm=plausibility.kidney_gap_mm,
            is_on_kidney=plausibility.is_on_kidney,
            supervision=self.arm.supervision.value,
            region_mm=seen.region_mm,
            p_calibrated=certainty.p_calibrated,
            grade_set=None if certainty.grade_set is None else str(certainty.grade_set),
            set_error=None if certainty.grade_set is None else self.study.evaluate.conformal_error,
            is_referred=certainty.is_referred,
        )

    @cached_property
    def _ensemble(self) -> Ensemble | FrozenEnsemble:
        from nephrograde.predict.ensemble import load_ensemble  # torch is needed from here on

        return load_ensemble(self.seal, self.model, weights=self._weights.get)

    @cached_property
    def _weights(self) -> ReadAhead[Weights]:
        paths = [fold.weights_path for fold in self.seal.folds(self.model)]
        return ReadAhead(lambda path: parse_weights(self.seal.read(path), path), paths)


@checked(run=either(PATH, Results, RunFolder, remedy="Give the folder of a run, as a str or Path."), model=TEXT)
def load_grader(run: Results | RunFolder | str | Path, model: str) -> Grader:
    """Load a model of a finished run to grade new scans with it.

    Args:
        run: The folder of the run, or its results where they have been read.
        model: Like ``weak-1-cmp``; it sets the phase and the supervision level.

    Raises:
        InputError: Where the run is not a path, or the model not a text.
        RunError: Where the run has no such model, has not been evaluated, or was altered since.
    """
    results = run if isinstance(run, Results) else Results.read(run)
    study = results.study
    if study is None:
        raise RunError(f"{results.run_dir} holds the evaluation of a score table, not the run of a study.")
    found = {one.id: one for one in study.models()}
    if model not in found:
        raise RunError(f"This run has no model '{model}'. It has: {', '.join(found)}.")
    threshold = results.threshold(model)
    if threshold is None or results.seal is None:
        raise RunError(f"{results.run_dir} holds no threshold for '{model}'. Run `nephrograde evaluate` first.")
    results.seal.check_study(results.lock)
    arm, phase = found[model].arm, found[model].phase
    scale = _scale(results, model)
    judge = learn_judge(results.scores.of(model, "oof"), study.evaluate)
    return Grader(model, arm, phase, threshold, study, results.seal, scale, _performance(results, model), judge)


def _check_picture(picture_path: Path, read_paths: Sequence[Path]) -> None:
    """Refuse a picture that is no PNG file, or that would take the place of what is read."""
    what = ""
    if picture_path.suffix.lower() != ".png":
        what = "does not end in .png"
    elif picture_path.resolve() in {path.resolve() for path in read_paths}:
        what = "is one of the files that are read"
    if what:
        raise InputError([Problem("picture", what, "Name a PNG file of its own.")])


def _scale(results: Results, model: str) -> ModelScale:
    scale = results.scale(model)
    folds = [fold.number for fold in results.seal.folds(model)] if results.seal is not None else []
    if scale is None or [row.fold for row in scale.networks] != folds:
        raise RunError(
            f"{results.folder.scale_path} does not hold the scale of each network of '{model}'. Run `nephrograde "
            "evaluate` first."
        )
    return scale


def _performance(results: Results, model: str) -> Performance | None:
    found = results.estimate(model, "auc")
    if found is None:
        return None
    auc, low, high = (None if isnan(number) else number for number in (found.value, found.low, found.high))
    return Performance(auc, low, high, found.confidence, found.n, found.n_high, results.reported)


def _disagreement(folds_high: int, folds: int) -> list[str]:
    if folds_high in {0, folds}:
        return []
    return [f"The folds disagree: {folds_high} of {folds} networks call this scan high grade, the others low."]
