"""The answer of ``predict``: for one patient, or for many."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nephrograde.asked.places import Places, places_of
from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told
from nephrograde.terminal import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from nephrograde.export.archive import Archive
    from nephrograde.predict.grader import Grader
    from nephrograde.predict.grading import Grading
    from nephrograde.predict.many.gather import Patients
    from nephrograde.report.text.language import Language


@dataclass(frozen=True, slots=True)
class Wanted(Places):
    """Where the tumours are, what is written, and how; as the options of ``predict``."""

    pixel_mm: list[str] | None = None
    picture: Path | None = None
    dicom: Path | None = None
    annotations: Path | None = None
    csv: Path | None = None
    encoding: str | None = None
    workers: int | None = None
    outside: str = "refuse"
    lang: Language = "en"
    as_json: bool = False

    def texts(self) -> dict[str, list[str]]:
        """As of every patient, with the size of pixels."""
        return Places.texts(self) | ({"pixel_mm": self.pixel_mm} if self.pixel_mm else {})


def answer(run: Path, images: Sequence[Path], model: str | None, wanted: Wanted) -> int:
    """Grade one patient, or many, print the answer, and return the exit code.

    Args:
        run: A grader file, or the folder of a run.
        images: Scans, or where the patients are.
        model: The model of a run.
        wanted: The options.

    Raises:
        NephrogradeError: As of a grader.
    """
    return answer_with(load_asked(run, model, wanted), images, wanted)


def load_asked(run: Path, model: str | None, wanted: Wanted, *, begun: Future[Archive] | None = None) -> Grader:
    """Load the model of a command.

    Args:
        run: A grader file, or the folder of a run.
        model: The model of a run.
        wanted: The options.
        begun: From :func:`nephrograde.export.loading.begin`, if the grader file is being read already.

    Raises:
        NephrogradeError: As of ``load_grader``.
    """
    from nephrograde.export.loading import load, outside_of

    outside = outside_of(wanted.outside)
    return load(run, model, place="--model", outside=outside, at_once=True, begun=begun)


def answer_with(grader: Grader, images: Sequence[Path], wanted: Wanted) -> int:
    """Grade one patient, or many, print the answer, and return the exit code.

    Args:
        grader: The model.
        images: Scans, or where the patients are.
        wanted: The options.

    Raises:
        NephrogradeError: As of a grader.
    """
    from nephrograde.asked.many import answer_many, are_many_patients

    are_many = are_many_patients(grader, images)
    if are_many or wanted.annotations is not None or wanted.csv is not None:
        from nephrograde.export.many import Outputs

        found = _patients(grader, images, wanted, are_many=are_many)
        outputs = Outputs(wanted.dicom, wanted.picture, wanted.csv)
        return answer_many(grader, found, outputs, workers=wanted.workers, as_json=wanted.as_json)
    places = places_of(grader, images, wanted, picture=wanted.picture)
    if wanted.dicom is not None:
        grading = _written(grader, wanted.dicom, places, err=wanted.as_json)
    else:
        grading = grader.grade_phases(**places) if grader.is_joined else grader.grade(**places)
    say(json.dumps(grading.as_dict(), indent=2, ensure_ascii=False) if wanted.as_json else told(grading.as_text()))
    return 0


def _patients(grader: Grader, images: Sequence[Path], wanted: Wanted, *, are_many: bool) -> Patients:
    """Many patients; or the one of the command, who also has a row in a table or the labels of a reader."""
    from nephrograde.asked.many import patient_alone, refuse_options_of_one
    from nephrograde.predict.many.gather import gather, labelled

    if are_many:
        refuse_options_of_one({**wanted.texts(), **({"clinical": wanted.clinical} if wanted.clinical else {})})
        return gather(grader, images, annotations=wanted.annotations, encoding=wanted.encoding)
    alone = patient_alone(grader, places_of(grader, images, wanted))
    return labelled(grader, alone, wanted.annotations, place=str(images[0]))


def _written(grader: Grader, folder: Path, places: Mapping[str, Any], *, err: bool) -> Grading:
    """Grade, write the DICOM objects, and say where they are."""
    from nephrograde.export.dicom.objects import grade_to_dicom

    written = grade_to_dicom(grader, out_dir=folder, **places)
    for phase in written.left_out:
        say(t("The mask of {phase} is not written: its series names no frame of reference.", phase=phase), err=True)
    paths = (written.report_path, written.capture_path, *written.segmentation_paths)
    say(t("DICOM objects: {paths}", paths=", ".join(map(str, paths))), err=err)
    return written.grading
