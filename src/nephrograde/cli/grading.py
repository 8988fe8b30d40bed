"""The command that grades new patients."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import typer

from nephrograde.asked.answer import Wanted, answer
from nephrograde.cli.completing import models_of_run
from nephrograde.cli.patient import PlaceOptions
from nephrograde.cli.shared import Encoding, Lang, with_options

commands = typer.Typer()


@dataclass(frozen=True, slots=True)
class PredictOptions(PlaceOptions):
    """Options of ``predict``: where the tumours are, what is written, and how."""

    pixel_mm: Annotated[
        list[str] | None, typer.Option("--pixel-mm", metavar="MM", help="Pixel size of exported pictures.")
    ] = None
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

    def wanted(self) -> Wanted:
        """The same without what typer reads."""
        return Wanted(**{one.name: getattr(self, one.name) for one in fields(self)})


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
            metavar="MODEL",
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
    raise typer.Exit(answer(run, images, model, options.wanted()))
