"""The command that maps where on the scan the answer for a patient comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nephrograde.asked.places import places_of
from nephrograde.cli.patient import PlaceOptions
from nephrograde.cli.shared import Lang, with_options
from nephrograde.errors import InputError, Problem
from nephrograde.report.text.language import t
from nephrograde.terminal import progress, say

if TYPE_CHECKING:
    from nephrograde.predict.grader import Grader

commands = typer.Typer()


@dataclass(frozen=True, slots=True)
class ExplainOptions(PlaceOptions):
    """Options of ``explain``: where the tumour is, and what occlusion hides."""

    patch_mm: Annotated[
        float | None, typer.Option("--patch-mm", help="Edge of the patches that are hidden [default: 20 or more].")
    ] = None
    step_mm: Annotated[
        float | None, typer.Option("--step-mm", help="From one patch to the next [default: half of the edge].")
    ] = None
    fill_hu: Annotated[
        float | None,
        typer.Option("--fill-hu", help="What hidden pixels take, such as -100 [default: the mean of the picture]."),
    ] = None
    outside: Annotated[
        str,
        typer.Option(
            "--outside",
            metavar="refuse|warn",
            help="What is done with a scan on which an answer would mean nothing: refuse it, or map it and warn.",
        ),
    ] = "refuse"
    lang: Lang = "en"
    cam_only: Annotated[
        bool, typer.Option("--cam-only", help="Leave out the occlusion, which takes a minute or more.")
    ] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False


@commands.command()
@with_options(ExplainOptions)
def explain(
    file: Annotated[Path, typer.Argument(metavar="GRADER.zip", help="The file that `nephrograde pack` wrote.")],
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE…",
            help="The scan: an image file, or a folder or zip with one DICOM series. For a model of several phases: "
            "cmp=IMAGE np=IMAGE.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="The folder for maps, pictures and numbers: new or empty.")
    ],
    *,
    options: ExplainOptions,
) -> None:
    """Map where on the scan a packed model found what it answers: class activation, occlusion, weights of slices.

    For a model of several phases, the phase is written before each image and each annotation, as for predict.
    """
    from nephrograde.explanation.call import explain as explain_patient
    from nephrograde.explanation.words import describe

    grader = _grader(file, options.outside)
    found = explain_patient(
        grader,
        **places_of(grader, images, options),
        out=out,
        occlusion=not options.cam_only,
        patch_mm=options.patch_mm,
        step_mm=options.step_mm,
        fill_hu=options.fill_hu,
        progress=progress,
    )
    if options.as_json:
        say(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
        return
    for line in describe(found):
        say(line)
    say(t("Maps, pictures and numbers: {path}", path=out))


def _grader(file: Path, outside: str) -> Grader:
    """The grader of a packed model; the folder of a run is refused before its scores are read."""
    from nephrograde.export.loading import load, outside_of

    if file.is_dir():
        what = "is a folder, and maps are made with a packed model"
        remedy = "Pack the model first: nephrograde pack RUN --model MODEL --out grader.zip"
        raise InputError([Problem(str(file), what, remedy)])
    return load(file, None, place="GRADER.zip", outside=outside_of(outside))
