"""The command that grades new patients."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nephrograde.cli.completing import models_of_run
from nephrograde.cli.many import answer_many, are_many_patients, patient_alone, refuse_options_of_one
from nephrograde.cli.patient import PlaceOptions, places_of
from nephrograde.cli.shared import Encoding, Lang, with_options
from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told
from nephrograde.terminal import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nephrograde.predict.grader import Grader
    from nephrograde.predict.grading import Grading
    from nephrograde.predict.many.gather import Patients

commands = typer.Typer()


@dataclass(frozen=True, slots=True)
class PredictOptions(PlaceOptions):
    """Options of ``predict``: where the tumours are, what is written, and how."""

    pixel_mm: Annotated[list[str] | None, typer.Option("--pixel-mm", help="Pixel size of exported pictures.")] = None
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="FILE.png",
            help="Draw the region on the scan. Of many patients: a folder of <patient>.png.",
        ),
    ] = None
    dicom: Annotated[
        Path | None,
        typer.Option(
            "--dicom",
            metavar="FOLDER",
            help="Write the answer as DICOM objects of the patient's study: SR, Secondary Capture, SEG. Of many "
            "patients: one subfolder for each.",
        ),
    ] = None
    annotations: Annotated[
        Path | None,
        typer.Option(
            "--annotations", metavar="FOLDER", help="The labels of a reader, as `nephrograde annotate` wrote them."
        ),
    ] = None
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="FILE.csv",
            help="Write one row for each patient; the same command grades only those who are missing there.",
        ),
    ] = None
    encoding: Encoding = None
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Patients graded at once [default: the processors, at most 4]."),
    ] = None
    outside: Annotated[
        str,
        typer.Option(
            "--outside",
            metavar="refuse|warn",
            help="What is done with a scan on which an answer would mean nothing: refuse it, or grade it and warn.",
        ),
    ] = "refuse"
    lang: Lang = "en"
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; of many patients, one object in each line.")] = (
        False
    )

    def texts(self) -> dict[str, list[str]]:
        """As of every patient, with the size of pixels."""
        return PlaceOptions.texts(self) | ({"pixel_mm": self.pixel_mm} if self.pixel_mm else {})


@commands.command()
@with_options(PredictOptions)
def predict(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a finished run, or a file of `nephrograde pack`.")
    ],
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE…",
            help="The scan: an image file, a folder or zip with one DICOM series, or exported pictures. For a model of "
            "several phases: cmp=IMAGE np=IMAGE. Or many patients: a cohort table, a folder with one subfolder or file "
            "for each, or several scans.",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="The model of the run that grades, such as weak-1-cmp.",
            show_default=False,
            autocompletion=models_of_run,
        ),
    ] = None,
    *,
    options: PredictOptions,
) -> None:
    """Grade one patient, or many, with the fold ensemble of a finished run, or with a packed model.

    For a model of several phases, the phase is written before each image and each annotation: cmp=IMAGE --mask
    cmp=MASK; an option may then be repeated, and a phase that is missing is left out.

    Of many patients, each answer is printed as soon as it is there, and one who cannot be graded does not stop the
    others. The exit code is 0 if all were graded, 1 if some were not, 2 if nothing could be started or written.
    """
    from nephrograde.export.loading import load, outside_of

    grader = load(run, model, place="--model", outside=outside_of(options.outside), at_once=True)
    if are_many_patients(grader, images) or options.annotations is not None or options.csv is not None:
        from nephrograde.export.many import Outputs

        found = _patients(grader, images, options)
        outputs = Outputs(options.dicom, options.picture, options.csv)
        raise typer.Exit(answer_many(grader, found, outputs, workers=options.workers, as_json=options.as_json))
    places = places_of(grader, images, options, picture=options.picture)
    if options.dicom is not None:
        grading = _written(grader, options.dicom, places, err=options.as_json)
    else:
        grading = grader.grade_phases(**places) if grader.is_joined else grader.grade(**places)
    say(json.dumps(grading.as_dict(), indent=2, ensure_ascii=False) if options.as_json else told(grading.as_text()))


def _patients(grader: Grader, images: Sequence[Path], options: PredictOptions) -> Patients:
    """Many patients; or the one of the command, who also has a row in a table or the labels of a reader."""
    from nephrograde.predict.many.gather import gather, labelled

    if are_many_patients(grader, images):
        refuse_options_of_one({**options.texts(), **({"clinical": options.clinical} if options.clinical else {})})
        return gather(grader, images, annotations=options.annotations, encoding=options.encoding)
    alone = patient_alone(grader, places_of(grader, images, options))
    return labelled(grader, alone, options.annotations, place=str(images[0]))


def _written(grader: Grader, folder: Path, places: Mapping[str, Any], *, err: bool) -> Grading:
    """Grade, write the DICOM objects, and say where they are."""
    from nephrograde.export.dicom_objects import grade_to_dicom

    written = grade_to_dicom(grader, out_dir=folder, **places)
    for phase in written.left_out:
        say(t("The mask of {phase} is not written: its series names no frame of reference.", phase=phase), err=True)
    paths = (written.report_path, written.capture_path, *written.segmentation_paths)
    say(t("DICOM objects: {paths}", paths=", ".join(map(str, paths))), err=err)
    return written.grading
