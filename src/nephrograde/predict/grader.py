"""Grade new scans with the networks of a finished run, each read and cut exactly as in the study."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.arguments import BY_COLUMN, BY_PHASE, NUMBER, PATH, PATHS, TEXT, checked, either
from nephrograde.cohort.place import Box, Point, SlicePlace
from nephrograde.errors import InputError, Problem
from nephrograde.evaluation.uncertainty.new_patient import Judge
from nephrograde.predict.cohort_range import CohortRange, compare
from nephrograde.predict.examined import Examined
from nephrograde.predict.grading import Grading
from nephrograde.predict.refusals import check_kind, check_place_and_phase, refuse
from nephrograde.predict.seeing import see
from nephrograde.predict.together import (
    Annotated,
    check_picture,
    of_no_table,
    read_of,
    scans_of,
    see_together,
    warnings_of,
)
from nephrograde.predict.values import NOTHING, missing_values, read_values, unknown_entries
from nephrograde.replacement import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nephrograde.cohort.case import Scan
    from nephrograde.cohort.clinical import Value
    from nephrograde.evaluation.performance.threshold import Threshold
    from nephrograde.predict.grading import Performance
    from nephrograde.predict.plausibility import Plausibility
    from nephrograde.predict.refusals import Outside
    from nephrograde.predict.scored import Scored, Scorer
    from nephrograde.predict.seeing import Seen
    from nephrograde.predict.together import Images
    from nephrograde.study import Arm, Study


@dataclass(frozen=True)
class Grader:
    """The fold ensemble of one model; it reads its weights with the first scan and keeps them for all others.

    Made by ``load_grader``. ``phases`` are those that the model sees; with several, ``grade_phases`` grades a
    patient. ``threshold`` is the one that the run froze on out-of-fold training scores, ``judge`` what the out-of-fold
    patients teach about a new one, and ``performance`` the AUC of the model in the study. ``scorer`` is the networks
    of a run, what joins those of single phases in late fusion, or the graph of a packed model. ``is_joined`` says
    whether several phases or clinical values are joined, and ``texts`` which of these columns hold texts, with the
    entries that the model learnt from. ``study_sha256`` identifies what the results depend on in the study, and
    ``identify`` computes what identifies the grader. ``cohort_range`` says what the patients looked like that the model
    learnt from, and ``outside`` what is done with a scan on which an answer would mean nothing: "refuse" or "warn".
    """

    model: str
    arm: Arm
    phase: str
    phases: tuple[str, ...]
    threshold: Threshold
    study: Study = field(repr=False)
    scorer: Scorer = field(repr=False)
    performance: Performance | None = field(default=None, repr=False)
    judge: Judge = field(default=Judge(), repr=False)
    is_joined: bool = False
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    study_sha256: str = field(default="", repr=False)
    identify: Callable[[], str] = field(default=str, repr=False)
    cohort_range: CohortRange = field(default_factory=CohortRange, repr=False)
    outside: Outside = "refuse"

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
        given = Annotated(image, mask, box, point, slice, pixel_mm, kidneys)
        return self.examine(self.scan_of(given), picture=None if picture is None else Path(picture)).grading

    def scan_of(self, given: Annotated) -> dict[str, Scan]:
        """Make the scan of a model of one phase.

        Args:
            given: The image with what the model is given besides.

        Returns:
            The scan by its phase.

        Raises:
            InputError: Where the model joins phases or values.
            PlaceError: Where a box, point or slice is not written with its unit.
        """
        if self.is_joined:
            remedy = f"Use grade_phases, or name the phase of each file on the command line: {self.phases[0]}=FILE."
            raise InputError([Problem("image", f"is one scan, but {self.model} joins phases or values", remedy)])
        return {self.phase: given.as_scan(self.phase)}

    @checked(
        image=BY_PHASE,
        mask=BY_PHASE,
        box=BY_PHASE,
        point=BY_PHASE,
        slice=BY_PHASE,
        pixel_mm=BY_PHASE,
        kidneys=BY_PHASE,
        clinical=BY_COLUMN,
    )
    def grade_phases(
        self,
        image: Mapping[str, Images],
        *,
        mask: Mapping[str, str | Path] | None = None,
        box: Mapping[str, str | Box] | None = None,
        point: Mapping[str, str | Point] | None = None,
        slice: Mapping[str, str | SlicePlace] | None = None,  # noqa: A002
        pixel_mm: Mapping[str, float] | None = None,
        kidneys: Mapping[str, str | Path] | None = None,
        clinical: Mapping[str, str | float] | None = None,
    ) -> Grading:
        """Grade one patient by the scans of several phases.

        Args:
            image: The images by phase, such as ``{"cmp": "P017_cmp.nii.gz", "np": "P017_np.nii.gz"}``; a phase that the
                patient does not have is left out.
            mask: The delineated tumour by phase; a phase without one uses that of another, as in the study.
            box: By phase, written as for ``grade``.
            point: By phase, written as for ``grade``.
            slice: By phase, written as for ``grade``.
            pixel_mm: Size of a pixel of exported pictures by phase, mm.
            kidneys: Masks of both kidneys by phase.
            clinical: Values by column of the cohort table, such as ``{"age_years": 61}``, for a model that joins them;
                one that is not known is left out.

        Returns:
            The probability of high grade, the call and what was read of each phase.

        Raises:
            InputError: Where a phase or a column is not one of the model, a value is not a number, or no phase has an
                image.
            VolumeError: Where a scan cannot be read, or an annotation is missing or outside.
            PlaceError: Where a box, point or slice is not written with its unit.
            RunError: Where the networks cannot be read.
        """
        given = {"mask": mask, "box": box, "point": point, "slice": slice, "pixel_mm": pixel_mm, "kidneys": kidneys}
        scans = scans_of({"image": image, **{name: one for name, one in given.items() if one}}, self.phases, self.model)
        return self.examine(scans, self.values_of(clinical)).grading

    def values_of(self, clinical: Mapping[str, str | float] | None) -> dict[str, Value]:
        """Read the clinical values of a patient as the model learnt from them.

        Args:
            clinical: By column, as they would stand in the cohort table.

        Raises:
            InputError: Where a column is not one of the model, or a value is not a number.
        """
        return read_values(clinical or {}, self.arm.clinical if self.is_joined else (), self.texts)

    def examine(
        self, scans: Mapping[str, Scan], values: Mapping[str, Value] = NOTHING, *, picture: Path | None = None
    ) -> Examined:
        """Grade a patient, and keep the scans for what is made of them.

        Args:
            scans: By phase.
            values: Clinical values by column.
            picture: A PNG file to write, of one scan.

        Raises:
            InputError: Where the picture is no PNG file, or would take the place of what is read.
            VolumeError: Where a scan cannot be read, an annotation is missing or outside, or an answer would mean
                nothing.
            RunError: Where the networks cannot be read.
            WriteError: Where the picture cannot be written.
        """
        if picture is not None:
            check_picture(picture, scans.values())
        self.scorer.start()  # weights are read and verified while scans are read
        with of_no_table():
            if self.is_joined:
                seen = see_together(scans, self.arm, self.study)
            else:
                seen = {phase: see(scan, self.arm, self.study) for phase, scan in scans.items()}
        first = next(phase for phase, one in seen.items() if len(one.region))  # early fusion has one region of all
        if picture is not None:
            with replaced(picture) as temporary_path:
                temporary_path.write_bytes(seen[first].draw())
        doubts: list[str] = []
        for phase, read in seen.items():
            kind = check_kind(is_picture=read.spacing_mm is None, known=self.cohort_range.phases.get(phase, {}))
            doubts += refuse(scans[phase], (*kind, *read.doubts), self.outside)
        with ThreadPoolExecutor(1) as beside:  # the kidneys are searched for while torch and the weights are loaded
            judging = {phase: beside.submit(one.judge) for phase, one in seen.items()}
            scored = self._scored(seen, values)
            judged = {phase: one.result() for phase, one in judging.items()}
        for phase, one in judged.items():
            doubts += refuse(scans[phase], check_place_and_phase(one, phase=phase), self.outside)
        answer = self._answer(scans[first], seen[first], scored, judged[first])
        warnings = [
            *answer.warnings,
            *doubts,
            *unknown_entries(values, self.texts),
            *missing_values(values, self.arm.clinical if self.is_joined else ()),
            *(
                text
                for phase in seen
                if phase != first
                for text in warnings_of(scans[phase], seen[phase], judged[phase])
            ),
        ]
        of_scans = tuple(read_of(scans[phase], seen[phase], judged[phase]) for phase in seen) if self.is_joined else ()
        drawn = None if picture is None else str(picture)
        compared = compare(self.cohort_range, seen, self.arm, self.study)
        warnings += [one.as_text() for one in compared if one.verdict == "outside"]
        answer = replace(answer, scans=of_scans, warnings=tuple(warnings), picture=drawn, compared=compared)
        return Examined(answer, scans=scans, seen=seen, first=first)

    def _scored(self, seen: Mapping[str, Seen], clinical: Mapping[str, Value] = NOTHING) -> Scored:
        """What the model gives for a patient, on the scale of the study."""
        parts = [len(seen[phase].region) if phase in seen else 0 for phase in self.phases]
        region = np.concatenate([seen[phase].region for phase in self.phases if phase in seen])
        used = parts if self.is_joined and self.arm.fusion != "early" else ()
        return self.scorer.score(region, used, clinical)

    def _answer(self, scan: Scan, seen: Seen, scored: Scored, plausibility: Plausibility) -> Grading:
        """Call what the model gives by the frozen threshold."""
        p_high, of_folds = scored.p_high, scored.of_folds
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
            warnings=(*_disagreement(folds_high, len(of_folds)), *warnings_of(scan, seen, plausibility)),
            synthetic=self.study.synthetic,
            folds_high=folds_high,
            performance=self.performance,
            phase_seen=plausibility.phase_seen,
            phase_probability=plausibility.phase_probability,
            kidney_gap_mm=plausibility.kidney_gap_mm,
            is_on_kidney=plausibility.is_on_kidney,
            phase_named=plausibility.phase_named,
            kidney_side=plausibility.kidney_side,
            supervision=self.arm.supervision.value,
            region_mm=seen.region_mm,
            p_calibrated=certainty.p_calibrated,
            grade_set=None if certainty.grade_set is None else str(certainty.grade_set),
            set_error=None if certainty.grade_set is None else self.study.evaluate.conformal_error,
            is_referred=certainty.is_referred,
        )

    @cached_property
    def sha256(self) -> str:
        """Identifies the grader: of a packed model, the SHA-256 of the whole file."""
        return self.identify()

    def load(self) -> None:
        """Load the networks now instead of with the first scan, so that several threads can grade at once.

        A packed model only begins to load.

        Raises:
            RunError: Where the networks cannot be read.
        """
        self.scorer.start()
        self.scorer.load()


def _disagreement(folds_high: int, folds: int) -> list[str]:
    if folds_high in {0, folds}:
        return []
    return [f"The folds disagree: {folds_high} of {folds} networks call this scan high grade, the others low."]
