"""The command that maps where on the scan the answer for a patient comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nephrograde.cli.patient import by_column, by_name, by_phase
from nephrograde.cli.shared import Lang
from nephrograde.errors import InputError, Problem
from nephrograde.report.text.language import t
from nephrograde.terminal import progress, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.predict.grader import Grader

commands = typer.Typer()


@commands.command()
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
    out: Annotated[Path, typer.Option("--out", help="The folder for maps, pictures and numbers: new or empty.")],
    mask: Annotated[list[Path] | None, typer.Option(help="The mask of the tumour.")] = None,
    box: Annotated[list[str] | None, typer.Option(help='Two corners: "x,y,z;x,y,z mm" or "i,j,k;i,j,k vox".')] = None,
    point: Annotated[list[str] | None, typer.Option(help='A click in the tumour: "x,y,z mm" or "i,j,k vox".')] = None,
    slice_: Annotated[
        list[str] | None, typer.Option("--slice", help='The slice to grade: "-312.5 mm" or "41 vox".')
    ] = None,
    kidneys: Annotated[
        list[Path] | None, typer.Option(help="A mask of both kidneys, for a model of the level none.")
    ] = None,
    clinical: Annotated[
        list[str] | None,
        typer.Option("--clinical", metavar="COLUMN=VALUE", help="A clinical value, for a model that joins them."),
    ] = None,
    patch_mm: Annotated[
        float | None, typer.Option("--patch-mm", help="Edge of the patches that are hidden [default: 20 or more].")
    ] = None,
    step_mm: Annotated[
        float | None, typer.Option("--step-mm", help="From one patch to the next [default: half of the edge].")
    ] = None,
    fill_hu: Annotated[
        float | None,
        typer.Option("--fill-hu", help="What hidden pixels take, such as -100 [default: the mean of the picture]."),
    ] = None,
    lang: Lang = "en",
    *,
    cam_only: Annotated[
        bool, typer.Option("--cam-only", help="Leave out the occlusion, which takes a minute or more.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Map where on the scan a packed model found what it answers: class activation, occlusion, weights of slices.

    For a model of several phases, the phase is written before each image and each annotation, as for predict.
    """
    from nephrograde.explanation.call import explain as explain_patient
    from nephrograde.explanation.words import describe

    del lang
    grader = _grader(file)
    given = {"mask": mask, "box": box, "point": point, "slice": slice_, "kidneys": kidneys}
    texts = {name: [str(one) for one in values] for name, values in given.items() if values}
    found = explain_patient(
        grader,
        **_places(grader, images, texts, clinical or ()),
        out=out,
        occlusion=not cam_only,
        patch_mm=patch_mm,
        step_mm=step_mm,
        fill_hu=fill_hu,
        progress=progress,
    )
    if as_json:
        say(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
        return
    for line in describe(found):
        say(line)
    say(t("Maps, pictures and numbers: {path}", path=out))


def _grader(file: Path) -> Grader:
    """The grader of a packed model; the folder of a run is refused before its scores are read."""
    from nephrograde.export.loading import load

    if file.is_dir():
        what = "is a folder, and maps are made with a packed model"
        remedy = "Pack the model first: nephrograde pack RUN --model MODEL --out grader.zip"
        raise InputError([Problem(str(file), what, remedy)])
    return load(file, None, place="GRADER.zip")


def _places(
    grader: Grader, images: Sequence[Path], texts: dict[str, list[str]], clinical: Sequence[str]
) -> dict[str, Any]:
    """The images with what was given for them: by phase where the model sees several."""
    if grader.is_joined:
        by = by_phase([str(one) for one in images], texts, grader.phases)
        return {**by, "clinical": by_column(clinical)}
    return {"image": images, **by_name({**texts, **({"clinical": list(clinical)} if clinical else {})})}
